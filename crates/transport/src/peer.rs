//! What is known of one peer, and the gate through which everything about it is delivered.
//!
//! Three tasks may have something to say about a peer: the dialer, the reader of its current connection, and
//! the reader of an older one that has not yet noticed. The gate is a lock that each holds while it delivers.
//! So deliveries about a peer never run concurrently, an older connection falls silent the moment a newer one
//! is admitted, and nothing is delivered once the peer is retired.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use crate::counters::{PeerCounters, PeerCounts};
use crate::direct::Direct;
use crate::queue::Queue;
use crate::window::Window;
use crate::{Address, Delivery, Limits, PeerAddresses, Refusal};

/// Where deliveries go.
pub(crate) type Deliver = dyn Fn(Delivery) + Send + Sync;

pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) addresses: watch::Sender<Vec<Address>>,
    pub(crate) queue: Queue,
    pub(crate) direct: Direct,
    pub(crate) window: Arc<Window>,
    pub(crate) counters: PeerCounters,
    /// The peer has just shown that it is alive: no reason to wait before dialing it.
    pub(crate) dial_now: Notify,
    /// What was admitted last.
    pub(crate) admitted: watch::Sender<Admitted>,
    gate: Mutex<Gate>,
    remarks: Mutex<Remarks>,
}

/// The incoming connection that may deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Counts admissions; 0 before the first.
    pub(crate) generation: u64,
    /// The run of the peer's process.
    pub(crate) instance: u64,
    attempt: u64,
}

#[derive(Debug, Default)]
struct Gate {
    retired: bool,
    up: bool,
}

#[derive(Debug, Default)]
struct Remarks {
    round_trip: Option<Duration>,
    last_error: Option<String>,
}

impl Peer {
    pub(crate) fn new(peer: PeerAddresses, limits: &Limits) -> Arc<Peer> {
        Arc::new(Peer {
            id: peer.id,
            addresses: watch::Sender::new(peer.addresses),
            queue: Queue::new(limits.peer_queue_bytes_max, limits.peer_queue_frames_max),
            direct: Direct::default(),
            window: Window::new(limits.peer_inbound_bytes_max),
            counters: PeerCounters::default(),
            dial_now: Notify::new(),
            admitted: watch::Sender::default(),
            gate: Mutex::default(),
            remarks: Mutex::default(),
        })
    }

    /// Opens the link for sending and reports it; `None` when the peer was retired meanwhile.
    pub(crate) fn link_up<'a>(
        &'a self,
        socket: Option<Arc<TcpStream>>,
        deliver: &'a Deliver,
    ) -> Option<LinkUp<'a>> {
        let mut gate = self.gate();
        if gate.retired {
            return None;
        }
        assert!(!gate.up, "expected one link to peer {:x} at a time, found it up already", self.id);
        gate.up = true;
        self.counters.ups.add(1);
        // Before the report, so that whoever hears it can send.
        self.direct.open(socket);
        self.queue.open();
        deliver(Delivery::Up { peer: self.id });
        Some(LinkUp { peer: self, deliver })
    }

    /// Reports that the peer knows this member with another directory, unless it was retired meanwhile.
    pub(crate) fn disowned(&self, deliver: &Deliver) {
        let gate = self.gate();
        if !gate.retired {
            deliver(Delivery::Disowned { peer: self.id });
        }
    }

    /// Has what is queued written.
    pub(crate) fn flush(&self) {
        self.direct.flush(&self.queue, &self.counters);
    }

    /// Lets a new incoming connection take the place of the current one.
    pub(crate) fn admit(&self, instance: u64, attempt: u64) -> Result<Admitted, Refusal> {
        let gate = self.gate();
        if gate.retired {
            return Err(Refusal::UnknownMember);
        }
        let current = *self.admitted.borrow();
        if current.instance == instance && current.attempt >= attempt && current.generation > 0 {
            return Err(Refusal::Overtaken);
        }
        let admitted = Admitted { generation: current.generation + 1, instance, attempt };
        self.admitted.send_replace(admitted);
        self.counters.accepts.add(1);
        if !gate.up {
            self.dial_now.notify_one();
        }
        Ok(admitted)
    }

    /// Delivers what one read brought; false when the connection may not deliver any more.
    pub(crate) fn deliver_frames(
        &self,
        admitted: Admitted,
        frames: &mut Vec<Bytes>,
        deliver: &Deliver,
    ) -> bool {
        let gate = self.gate();
        if gate.retired || *self.admitted.borrow() != admitted {
            return false;
        }
        self.counters.reads.add(1);
        self.counters.frames_received.add(frames.len());
        self.counters.bytes_received.add(frames.iter().map(Bytes::len).sum());
        for bytes in frames.drain(..) {
            let permit = self.window.admit(bytes.len());
            deliver(Delivery::Frame { from: self.id, bytes, permit });
        }
        true
    }

    /// Nothing is delivered about this peer after this returns.
    pub(crate) fn retire(&self) {
        let mut gate = self.gate();
        gate.retired = true;
        self.direct.close();
        self.queue.close();
        // Ends the reader of the current connection.
        self.admitted.send_modify(|admitted| admitted.generation += 1);
    }

    pub(crate) fn note_round_trip(&self, round_trip: Duration) {
        self.remarks().round_trip = Some(round_trip);
    }

    pub(crate) fn note_error(&self, error: String) {
        self.remarks().last_error = Some(error);
    }

    pub(crate) fn counts(&self) -> PeerCounts {
        let up = self.gate().up;
        let remarks = self.remarks();
        PeerCounts {
            up,
            queued_bytes: self.queue.held_bytes() as u64,
            round_trip: remarks.round_trip,
            last_error: remarks.last_error.clone(),
            ..self.counters.read()
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // A panic under the gate is the callback's; the gate's own state is whole at every step.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remarks(&self) -> MutexGuard<'_, Remarks> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for a link that is up; dropping it, in whatever way the dialer's task ends, takes it down and says
/// so.
pub(crate) struct LinkUp<'a> {
    peer: &'a Peer,
    deliver: &'a Deliver,
}

impl Drop for LinkUp<'_> {
    fn drop(&mut self) {
        let mut gate = self.peer.gate();
        gate.up = false;
        // First: nobody may be writing when the queue forgets what is being written.
        self.peer.direct.close();
        self.peer.counters.frames_dropped_lost.add(self.peer.queue.close());
        if !gate.retired {
            (self.deliver)(Delivery::Down { peer: self.peer.id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_connection_of_a_peer_that_is_not_retired_delivers() {
        let delivered: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let sink = Arc::clone(&delivered);
        let deliver = move |delivery| {
            if let Delivery::Frame { bytes, .. } = delivery {
                sink.lock().unwrap().push(bytes);
            }
        };
        let peer = Peer::new(PeerAddresses { id: 2, addresses: vec![] }, &Limits::default());
        let send =
            |admitted, text| peer.deliver_frames(admitted, &mut vec![Bytes::from_static(text)], &deliver);
        let old = peer.admit(7, 1).unwrap();
        assert!(send(old, b"old"));
        assert_eq!(peer.admit(7, 1), Err(Refusal::Overtaken));
        let new = peer.admit(7, 2).unwrap();
        // Its reader has not been told yet, and must not need to be.
        assert!(!send(old, b"late"));
        assert!(send(new, b"new"));
        peer.retire();
        assert!(!send(new, b"after"));
        assert_eq!(peer.admit(7, 3), Err(Refusal::UnknownMember));
        assert!(peer.link_up(None, &deliver).is_none());
        assert_eq!(*delivered.lock().unwrap(), ["old", "new"]);
    }
}
