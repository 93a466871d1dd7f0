//! Every bound that the edge puts on a client, in one place; the defaults are etcd's where etcd has one.
//!
//! What one connection can cost at most: `connection_window_bytes` of unread data, `partial_request_bytes_max` of requests
//! that have not arrived in full, and for each of its `streams_max` streams one message of `message_bytes_max`, a header
//! list of `header_bytes_max` and, for a stream of watches, the backend's bounded queues.

use std::time::Duration;

/// Longest lease, in seconds, as in etcd.
pub const LEASE_TTL_SECONDS_MAX: i64 = 9_000_000_000;

/// Bounds on what clients may ask and hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest request that goes into the log, in its wire form. Larger: InvalidArgument "request is too large".
    pub request_bytes_max: usize,
    /// Room above `request_bytes_max` for what surrounds a request in a message. Larger messages are not read at all.
    pub message_overhead_bytes_max: usize,
    /// Operations in a transaction, nested ones counted against what their parents left.
    pub txn_operations_max: usize,
    /// A watch answer that may be split is split above this.
    pub watch_response_bytes_max: usize,
    /// Watches in one stream. Further ones are refused.
    pub watches_per_stream_max: usize,
    /// The shortest lease; a shorter wish is raised to it, in whole seconds.
    pub lease_ttl_min: Duration,
    /// Open client connections; further ones are closed at once.
    pub connections_max: usize,
    /// Streams that a connection may have open at once.
    pub streams_max: u32,
    /// Header list of a request.
    pub header_bytes_max: u32,
    /// Bytes of requests that have begun to arrive on a connection and are not complete.
    pub partial_request_bytes_max: usize,
    /// Bytes that a client may send on one stream before they are read.
    pub stream_window_bytes: u32,
    /// Bytes that a client may send on one connection before they are read.
    pub connection_window_bytes: u32,
    /// Bytes of one stream's answers that wait for the client to read them.
    pub send_buffer_bytes_max: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte to the end of a request's head, and for the first byte itself.
    pub head_timeout: Duration,
    /// A connection that was silent for so long is asked for a sign of life (HTTP/2).
    pub keep_alive_interval: Duration,
    /// It has so long to give one.
    pub keep_alive_timeout: Duration,
    /// At shutdown, open requests have so long to end.
    pub shutdown_grace: Duration,
    /// How long a health probe may wait for its read.
    pub probe_timeout: Duration,
}

impl Limits {
    /// Largest message that is read.
    pub fn message_bytes_max(&self) -> usize {
        self.request_bytes_max + self.message_overhead_bytes_max
    }

    /// The shortest lease in seconds, rounded up.
    pub fn lease_ttl_seconds_min(&self) -> i64 {
        let seconds = self.lease_ttl_min.as_secs() + u64::from(self.lease_ttl_min.subsec_nanos() > 0);
        i64::try_from(seconds).unwrap_or(LEASE_TTL_SECONDS_MAX).clamp(1, LEASE_TTL_SECONDS_MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let mebibyte = 1024 * 1024;
        Limits {
            request_bytes_max: mebibyte * 3 / 2,
            message_overhead_bytes_max: 512 * 1024,
            txn_operations_max: 128,
            watch_response_bytes_max: mebibyte * 3 / 2,
            watches_per_stream_max: 65_536,
            lease_ttl_min: Duration::from_millis(1_500),
            connections_max: 16_384,
            streams_max: 4_096,
            header_bytes_max: 16 * 1024,
            partial_request_bytes_max: 64 * mebibyte,
            stream_window_bytes: mebibyte as u32,
            connection_window_bytes: 4 * mebibyte as u32,
            send_buffer_bytes_max: mebibyte,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(20),
            shutdown_grace: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_lease_is_rounded_up_to_whole_seconds() {
        let seconds = |min| Limits { lease_ttl_min: min, ..Limits::default() }.lease_ttl_seconds_min();
        assert_eq!(Limits::default().lease_ttl_seconds_min(), 2);
        assert_eq!(seconds(Duration::from_secs(3)), 3);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::ZERO), 1);
    }
}
