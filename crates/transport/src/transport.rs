//! The handle: starts the tasks, takes frames, and ends it all.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use crate::accept::{Door, accept_all};
use crate::config::{ConfigError, Homes};
use crate::counters::{AcceptCounters, Counts};
use crate::dial::keep_link;
use crate::peer::{Deliver, Peer};
use crate::queue::{Credit, NotSent, Payload};
use crate::renewed::Renewed;
use crate::tls::{Tls, TlsError};
use crate::window::Permit;
use crate::{Config, Limits, PeerAddresses, Timeouts};

/// What the transport tells the node.
#[derive(Debug)]
pub enum Delivery {
    /// A frame arrived.
    Frame {
        /// The member that sent it.
        from: u64,
        /// Its payload: a slice of the receive buffer (see [`crate::frame`] before keeping it for long).
        bytes: Bytes,
        /// To be dropped when the frame has been dealt with.
        permit: Permit,
    },
    /// Frames to this peer can be sent.
    Up {
        /// The member.
        peer: u64,
    },
    /// They no longer can, and those under way may be lost. The peer closed the connection, or fell silent.
    Down {
        /// The member.
        peer: u64,
    },
    /// The peer knows this member with another directory: what this one lives from is not the member's.
    Disowned {
        /// The member that says so.
        peer: u64,
    },
}

/// Why a transport cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A TLS file or setting that cannot work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address that cannot be listened on.
    #[error("cannot listen for peers on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The links of one node to its peers. All methods may be called from any thread and never block on the
/// network.
///
/// Dropping it ends everything soon; [`Transport::shutdown`] also tells when.
pub struct Transport {
    shared: Arc<Shared>,
    local_addresses: Vec<SocketAddr>,
}

impl Transport {
    /// Listens, and begins to dial the peers, on `runtime`.
    ///
    /// `deliver` is called from the runtime's I/O tasks: it must not block or panic, nor call
    /// [`Transport::set_peers`], [`Transport::counts`] or drop the transport. It may send.
    ///
    /// # Errors
    /// [`StartError`]: nothing was started.
    pub fn start(
        config: Config,
        deliver: impl Fn(Delivery) + Send + Sync + 'static,
        runtime: &Handle,
    ) -> Result<Transport, StartError> {
        config.check()?;
        let tls = config.tls.as_ref().map(Tls::renewed).transpose()?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let listener = listen(*address, runtime);
            listeners.push(listener.map_err(|source| StartError::Listen { address: *address, source })?);
        }
        let local_addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let shared = Arc::new(Shared {
            cluster: config.cluster,
            member: config.member,
            home: config.home,
            homes: config.homes,
            instance: config.instance,
            limits: config.limits,
            timeouts: config.timeouts,
            deliver: Box::new(deliver),
            tls,
            peers: RwLock::default(),
            attempts: AtomicU64::new(0),
            door: Door::new(),
            accept_counters: AcceptCounters::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
            runtime: runtime.clone(),
        });
        for listener in listeners {
            shared.spawn(accept_all(Arc::clone(&shared), listener));
        }
        let transport = Transport { shared, local_addresses };
        transport.set_peers(config.peers);
        Ok(transport)
    }

    /// Where it listens, with the ports that the system picked.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.local_addresses
    }

    /// Queues a frame and writes it: at once when the link is idle, else with the others that wait.
    ///
    /// # Errors
    /// [`NotSent`]: the frame was dropped, and counted.
    pub fn send(&self, peer: u64, payload: impl Into<Payload>) -> Result<(), NotSent> {
        let peer = self.leave(peer, payload.into())?;
        peer.flush();
        Ok(())
    }

    /// Queues a frame, to be written with others by the call of [`Transport::flush`] that must follow.
    ///
    /// # Errors
    /// As of [`Transport::send`].
    pub fn queue(&self, peer: u64, payload: impl Into<Payload>) -> Result<(), NotSent> {
        self.leave(peer, payload.into()).map(drop)
    }

    /// Has what is queued for a peer written: here and now when the link is idle.
    pub fn flush(&self, peer: u64) {
        if let Some(peer) = self.shared.peer(peer) {
            peer.flush();
        }
    }

    /// Free room towards a peer; none when it is down or unknown.
    pub fn credit(&self, peer: u64) -> Credit {
        self.shared.peer(peer).map(|peer| peer.queue.credit()).unwrap_or_default()
    }

    /// Makes these the peers. Links to others are closed without a report, and their next hello is refused;
    /// links whose addresses changed are dialed anew. This node itself, if among them, is left out.
    pub fn set_peers(&self, peers: impl IntoIterator<Item = PeerAddresses>) {
        let mut map = self.shared.peers.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = BTreeMap::new();
        for addresses in peers {
            let id = addresses.id;
            if id == self.shared.member || next.contains_key(&id) {
                continue;
            }
            let link = match map.get(&id) {
                Some(link) => {
                    link.peer.addresses.send_if_modified(|current| {
                        let changed = *current != addresses.addresses;
                        *current = addresses.addresses;
                        changed
                    });
                    Link::clone(link)
                }
                None => {
                    let peer = Peer::new(addresses, &self.shared.limits);
                    let dialer = self.shared.spawn(keep_link(Arc::clone(&self.shared), Arc::clone(&peer)));
                    Link { peer, dialer }
                }
            };
            next.insert(id, link);
        }
        let removed: Vec<Link> =
            map.iter().filter(|(id, _)| !next.contains_key(id)).map(|(_, link)| link.clone()).collect();
        *map = next;
        drop(map);
        removed.iter().for_each(Link::retire);
    }

    /// All counters.
    pub fn counts(&self) -> Counts {
        // The map is let go before a peer's gate is waited for: whoever holds a gate may want the map.
        let peers: Vec<Arc<Peer>> = {
            let map = self.shared.peers.read().unwrap_or_else(PoisonError::into_inner);
            map.values().map(|link| Arc::clone(&link.peer)).collect()
        };
        Counts {
            peers: peers.iter().map(|peer| (peer.id, peer.counts())).collect(),
            accept: self.shared.accept_counters.read(),
        }
    }

    /// Ends everything. Nothing is delivered after the call, and when the future resolves all sockets are
    /// closed.
    pub fn shutdown(self) -> impl Future<Output = ()> + Send + 'static {
        let tasks = self.shared.end();
        async move {
            if let Some(mut tasks) = tasks {
                tasks.shutdown().await;
            }
        }
    }

    fn leave(&self, peer: u64, payload: Payload) -> Result<Arc<Peer>, NotSent> {
        let peer = self.shared.peer(peer).ok_or(NotSent::UnknownPeer)?;
        let queued = match payload.len() > self.shared.limits.frame_bytes_max {
            true => Err(NotSent::TooLarge),
            false => peer.queue.push(payload),
        };
        match queued {
            Ok(()) => return Ok(peer),
            Err(NotSent::Full) => peer.counters.frames_dropped_full.add(1),
            Err(NotSent::TooLarge) => peer.counters.frames_dropped_large.add(1),
            Err(NotSent::Down | NotSent::UnknownPeer) => peer.counters.frames_dropped_down.add(1),
        }
        queued.map(|()| peer)
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        drop(self.shared.end());
    }
}

/// A connection, with or without TLS.
pub(crate) type Stream = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) cluster: u64,
    pub(crate) member: u64,
    pub(crate) home: u64,
    pub(crate) homes: Homes,
    pub(crate) instance: u64,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) deliver: Box<Deliver>,
    pub(crate) door: Door,
    pub(crate) accept_counters: AcceptCounters,
    tls: Option<Renewed<Tls>>,
    peers: RwLock<BTreeMap<u64, Link>>,
    attempts: AtomicU64,
    /// `None` once the transport has ended.
    tasks: Mutex<Option<JoinSet<()>>>,
    runtime: Handle,
}

#[derive(Clone)]
struct Link {
    peer: Arc<Peer>,
    dialer: Option<AbortHandle>,
}

impl Link {
    fn retire(&self) {
        self.peer.retire();
        if let Some(dialer) = &self.dialer {
            dialer.abort();
        }
    }
}

impl Shared {
    pub(crate) fn peer(&self, id: u64) -> Option<Arc<Peer>> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.get(&id).map(|link| Arc::clone(&link.peer))
    }

    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.as_ref().map(Renewed::current)
    }

    pub(crate) fn next_attempt(&self) -> u64 {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// `None` once the transport has ended.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let mut tasks = self.tasks();
        let tasks = tasks.as_mut()?;
        // Those that have ended would pile up.
        while tasks.try_join_next().is_some() {}
        Some(tasks.spawn_on(task, &self.runtime))
    }

    /// Silences all peers and gives up the tasks, which dropping the set aborts.
    fn end(&self) -> Option<JoinSet<()>> {
        let tasks = self.tasks().take();
        let peers = std::mem::take(&mut *self.peers.write().unwrap_or_else(PoisonError::into_inner));
        peers.values().for_each(Link::retire);
        tasks
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(address: SocketAddr, runtime: &Handle) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    TcpListener::from_std(listener)
}
