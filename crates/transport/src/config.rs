//! What a transport is told when it starts.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Address, TlsFiles};

/// Everything that [`crate::Transport::start`] needs to know. Begin with [`Config::new`] and change what
/// differs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's id; a peer of another cluster is refused.
    pub cluster: u64,
    /// This node's member id.
    pub member: u64,
    /// The directory that this node lives from, the same as long as its data: 0 for one without.
    pub home: u64,
    /// Where others are known to live.
    pub homes: Homes,
    /// Tells this run of the process from every other run. [`Config::new`] draws it.
    pub instance: u64,
    /// Where to accept peers; port 0 lets the system pick (see [`crate::Transport::local_addresses`]).
    pub listen: Vec<SocketAddr>,
    /// The other members. They can change later: [`crate::Transport::set_peers`].
    pub peers: Vec<PeerAddresses>,
    /// Present: every connection, either way, is TLS.
    pub tls: Option<TlsFiles>,
    /// Bounds in bytes and numbers.
    pub limits: Limits,
    /// Bounds in time.
    pub timeouts: Timeouts,
}

impl Config {
    /// A node with no peers, no TLS, and default bounds.
    pub fn new(cluster: u64, member: u64, listen: Vec<SocketAddr>) -> Config {
        // The standard library seeds its hasher from the system's random source: all that is needed of one
        // here.
        let instance = RandomState::new().hash_one((cluster, member, std::process::id()));
        let (peers, tls) = (Vec::new(), None);
        let (home, homes) = (0, Homes::default());
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        Config { cluster, member, home, homes, instance, listen, peers, tls, limits, timeouts }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Limits { frame_bytes_max, peer_queue_bytes_max, peer_queue_frames_max, .. } = self.limits;
        let least = |name, found: usize, expected_min: usize| match found >= expected_min {
            true => Ok(()),
            false => Err(ConfigError::Limit { name, found, expected_min }),
        };
        least("frame_bytes_max", frame_bytes_max, 1)?;
        // A frame that may exist must be able to pass, or it would be dropped for ever.
        least("peer_queue_bytes_max", peer_queue_bytes_max, frame_bytes_max)?;
        least("peer_queue_frames_max", peer_queue_frames_max, 1)?;
        least("peer_inbound_bytes_max", self.limits.peer_inbound_bytes_max, 1)?;
        least("handshakes_max", self.limits.handshakes_max, 1)?;
        if frame_bytes_max > u32::MAX as usize {
            return Err(ConfigError::FrameBytes { found: frame_bytes_max });
        }
        if self.timeouts.ping_interval >= self.timeouts.silence {
            return Err(ConfigError::Pings {
                ping: self.timeouts.ping_interval,
                silence: self.timeouts.silence,
            });
        }
        Ok(())
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A limit is too low.
    #[error("{name}: expected at least {expected_min}, found {found}")]
    Limit {
        /// Which.
        name: &'static str,
        /// What was given.
        found: usize,
        /// What it takes.
        expected_min: usize,
    },
    /// A frame's length has 32 bits.
    #[error("frame_bytes_max: expected at most {}, found {found}", u32::MAX)]
    FrameBytes {
        /// What was given.
        found: usize,
    },
    /// Pings must be sent more often than silence is taken for death.
    #[error("ping_interval: expected less than the silence timeout of {silence:?}, found {ping:?}")]
    Pings {
        /// The interval.
        ping: Duration,
        /// The timeout.
        silence: Duration,
    },
}

/// Which directory each member is known to live from.
///
/// A member that comes back on an empty disk, or on somebody else's, has forgotten its votes and what it acknowledged, and looks just like the
/// member that it was. So each says which directory it lives from, and who knows better refuses it.
#[derive(Clone)]
pub struct Homes(Arc<dyn Fn(u64) -> Option<u64> + Send + Sync>);

impl Homes {
    /// `known` gives the directory of a member, if it is known. It is asked once a connection.
    pub fn new(known: impl Fn(u64) -> Option<u64> + Send + Sync + 'static) -> Homes {
        Homes(Arc::new(known))
    }

    pub(crate) fn of(&self, member: u64) -> Option<u64> {
        (self.0)(member)
    }
}

/// Nothing is known of anybody.
impl Default for Homes {
    fn default() -> Homes {
        Homes::new(|_| None)
    }
}

impl fmt::Debug for Homes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Homes")
    }
}

/// Another member and where it can be dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddresses {
    /// Its member id.
    pub id: u64,
    /// Tried in turn.
    pub addresses: Vec<Address>,
}

/// Bounds on what a transport holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest payload, sent or accepted.
    pub frame_bytes_max: usize,
    /// What may wait for one peer, in bytes of payload, including what is being written.
    pub peer_queue_bytes_max: usize,
    /// What may wait for one peer, in frames, including what is being written.
    pub peer_queue_frames_max: usize,
    /// What may have been delivered from one peer and not yet been digested (see [`crate::Permit`]). It may
    /// be passed by what one read brought.
    pub peer_inbound_bytes_max: usize,
    /// Accepted connections that have not proven to be a peer's. Of a peer there is one connection at a time.
    pub handshakes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: 16 << 20,
            peer_queue_bytes_max: 64 << 20,
            peer_queue_frames_max: 16 * 1024,
            peer_inbound_bytes_max: 64 << 20,
            handshakes_max: 128,
        }
    }
}

/// Bounds on how long a transport waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection, name resolution included.
    pub connect: Duration,
    /// For TLS, hello and answer together, on either side.
    pub handshake: Duration,
    /// How often a dialer pings: a few times within `silence`, so that one lost ping is no alarm, and not more often, for each
    /// wakes a task at either end and its answer another.
    pub ping_interval: Duration,
    /// No byte for so long: the other end is dead or cut off, and the connection is closed.
    pub silence: Duration,
    /// No byte for so long inside a frame: likewise.
    pub frame_stall: Duration,
    /// Not a byte taken by the system's send buffer for so long: likewise.
    pub write_stall: Duration,
    /// The first wait before dialing again.
    pub backoff_min: Duration,
    /// The longest wait before dialing again.
    pub backoff_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(2),
            handshake: Duration::from_secs(3),
            ping_interval: Duration::from_millis(1_500),
            silence: Duration::from_secs(5),
            frame_stall: Duration::from_secs(3),
            write_stall: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_limits_are_named() {
        let mut config = Config::new(1, 1, vec![]);
        assert_eq!(config.check(), Ok(()));
        config.limits.peer_queue_bytes_max = config.limits.frame_bytes_max - 1;
        let message = config.check().unwrap_err().to_string();
        assert!(message.starts_with("peer_queue_bytes_max: expected at least 16777216"), "{message}");
        let mut config = Config::new(1, 1, vec![]);
        config.timeouts.silence = config.timeouts.ping_interval;
        assert!(matches!(config.check(), Err(ConfigError::Pings { .. })));
    }

    #[test]
    fn each_run_draws_another_instance() {
        assert_ne!(Config::new(1, 1, vec![]).instance, Config::new(1, 1, vec![]).instance);
    }
}
