//! What a transport counts: relaxed atomics inside, plain values ([`Counts`]) outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A reading of all counters. They grow from the start of the transport; a peer's, from when it was made
/// known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By member id.
    pub peers: BTreeMap<u64, PeerCounts>,
    /// The accepting side, before a connection belongs to a peer.
    pub accept: AcceptCounts,
}

macro_rules! counters {
    ($(#[$about:meta])* $cells:ident => $counts:ident { $($(#[$doc:meta])* $name:ident,)* }
        $( extra { $($(#[$extra_doc:meta])* $extra:ident: $extra_type:ty,)* } )?) => {
        #[derive(Debug, Default)]
        pub(crate) struct $cells { $(pub(crate) $name: Counter,)* }

        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $counts {
            $($(#[$doc])* pub $name: u64,)*
            $($($(#[$extra_doc])* pub $extra: $extra_type,)*)?
        }

        impl $cells {
            pub(crate) fn read(&self) -> $counts {
                let mut counts = $counts::default();
                $(counts.$name = self.$name.get();)*
                counts
            }
        }
    };
}

counters! {
    /// What happened with one peer.
    PeerCounters => PeerCounts {
        /// Frames of payload handed to the system.
        frames_sent,
        /// Their payload, in bytes.
        bytes_sent,
        /// Writes that carried them: frames by writes is how well they are batched.
        writes,
        /// Frames of payload delivered.
        frames_received,
        /// Their payload, in bytes.
        bytes_received,
        /// Reads that carried them.
        reads,
        /// Frames refused because the queue was full.
        frames_dropped_full,
        /// Frames refused because the link was down.
        frames_dropped_down,
        /// Frames refused because they were over the limit.
        frames_dropped_large,
        /// Frames that had been accepted and went down with their connection.
        frames_dropped_lost,
        /// Times that this node tried to dial the peer.
        dials,
        /// Times that the link came up: all after the first are reconnections.
        ups,
        /// Times that the peer refused this node.
        refusals_received,
        /// Connections of the peer that were admitted.
        accepts,
        /// Connections of the peer that were closed for bytes that are no frame.
        bad_frames,
        /// Connections, either way, that were closed because something did not move for too long.
        stalls,
    }
    extra {
        /// Whether the link is up.
        up: bool,
        /// Payload waiting to be written, in bytes.
        queued_bytes: u64,
        /// The last round trip that a ping measured.
        round_trip: Option<Duration>,
        /// Why the link is down, or was the last time.
        last_error: Option<String>,
    }
}

counters! {
    /// What happened at the door.
    AcceptCounters => AcceptCounts {
        /// Connections accepted by the system.
        connections,
        /// Pending handshakes evicted because too many were pending.
        evicted,
        /// Handshakes that failed: TLS, timeout, bytes that are no hello.
        handshakes_failed,
        /// Hellos refused with a reason.
        refusals_sent,
        /// Failures of the system to accept a connection.
        errors,
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        // Relaxed: it orders nothing; readers want a number, not a moment.
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
