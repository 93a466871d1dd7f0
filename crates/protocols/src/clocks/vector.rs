//! The vector clock: numbers that say exactly what happened before what.
//!
//! # The problem
//!
//! Lamport's clock orders all events, also those that know nothing of each other. To see that two events are *concurrent*, that no message path leads from one to
//! the other, takes more than a number.
//!
//! # The rules
//!
//! Fidge 1988 ("Timestamps in message-passing systems that preserve the partial ordering"), Mattern 1989 ("Virtual time and global states of distributed systems").
//!
//! - Each process counts its events in its own component: [`VectorClock::tick`]. A send is an event, and its message carries the vector.
//! - A receive takes the larger of each component, then counts itself: [`VectorClock::receive`].
//! - `e` happened before `f` iff `V(e) < V(f)`: no component larger, one smaller. Neither way: concurrent. If the processes are known, one
//!   look suffices: [`precedes`].
//!
//! The vector is the [`VersionVector`] that replicas use; here it counts events.
//!
//! # What is guaranteed
//!
//! `e` happened before `f` if *and only if* `V(e) < V(f)`. Charron-Bost 1991: nothing with fewer than one component a process can do that.
//!
//! # What is assumed
//!
//! Nothing of the network: messages may be lost, repeated and reordered. A process that crashes remembers its vector, or comes back under another
//! name.
//!
//! # What it costs
//!
//! N numbers a message for N processes; the [differential form](super::differential) sends fewer over FIFO channels. No message of its own, no write.
//!
//! # What is left out
//!
//! Causal delivery, which holds a message back until what it depends on is there. Processes that come and go: their components stay.
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::clocks::VectorClock;
//!
//! let (mut p1, mut p2) = (VectorClock::new(NodeId(1)), VectorClock::new(NodeId(2)));
//! let sent = p1.tick();
//! let beside = p2.tick();
//! assert!(sent.concurrent(&beside));
//! let received = p2.receive(&sent);
//! assert!(sent < received && beside < received);
//! ```

use synod_machine::{NodeId, Wall};

use super::stamped::LogicalClock;
use super::version_vector::VersionVector;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("vector.rs");

/// The clock of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VectorClock {
    me: NodeId,
    vector: VersionVector,
}

impl VectorClock {
    /// The clock of the process `me` before its first event.
    pub fn new(me: NodeId) -> Self {
        VectorClock { me, vector: VersionVector::new() }
    }

    /// The vector of the last event.
    pub fn now(&self) -> &VersionVector {
        &self.vector
    }

    /// A local event or a send; its vector.
    pub fn tick(&mut self) -> VersionVector {
        self.vector.advance(self.me);
        self.vector.clone()
    }

    /// The receive of a message that was sent at `sent`; its vector.
    pub fn receive(&mut self, sent: &VersionVector) -> VersionVector {
        self.vector.merge(sent);
        self.tick()
    }
}

/// Whether the event at `e`'s process with vector `of_e` happened before another event, at whatever process, with vector `of_f`. One comparison:
/// whoever knows that event of `e`'s process knows all that it knew.
pub fn precedes(e: NodeId, of_e: &VersionVector, of_f: &VersionVector) -> bool {
    of_e.get(&e) <= of_f.get(&e) && of_e != of_f
}

impl LogicalClock for VectorClock {
    type Stamp = VersionVector;
    type Reading = VersionVector;

    fn local(&mut self, _: Wall) {
        self.tick();
    }

    fn send(&mut self, _: NodeId, _: Wall) -> VersionVector {
        self.tick()
    }

    fn receive(&mut self, _: NodeId, stamp: &VersionVector, _: Wall) {
        VectorClock::receive(self, stamp);
    }

    fn reading(&self) -> VersionVector {
        self.vector.clone()
    }
}
