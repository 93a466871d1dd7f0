//! The differential vector clock: only what changed since the last message to the same receiver.
//!
//! # The problem
//!
//! A vector clock puts N numbers on every message, and most of them are those of the message before.
//!
//! # The rules
//!
//! Singhal and Kshemkalyani 1992 ("An efficient implementation of vector clocks", section 3). Beside its vector a process keeps two more:
//!
//! - *last sent*, `LS[j]`: its own clock when it last sent to `j`;
//! - *last update*, `LU[k]`: its own clock when component `k` last changed.
//!
//! A message to `j` carries the components with `LU[k] > LS[j]`: [`DifferentialClock::send_to`]. The receiver takes the larger of each component that came:
//! [`DifferentialClock::receive`]. What did not come has not changed, and the receiver has it from an earlier message.
//!
//! # What is guaranteed
//!
//! After every receive the receiver's vector is what the full vector would have made it. So all that holds of [vector clocks](super::vector) holds.
//!
//! # What is assumed
//!
//! Channels are FIFO, lose nothing and repeat nothing: an entry that is lost or overtaken does not come again.
//!
//! # What it costs
//!
//! The entries that changed, each with its name: at most N, often few when processes talk to few others. Two more vectors a process.
//!
//! # What is left out
//!
//! Reset after a reconnect: a process that lost a channel's past sends `LS[j] = 0`, everything, as [`DifferentialClock::forget_peer`] does; that the receiver
//! noticed is its transport's word. The dependency form (Fowler and Zwaenepoel 1990), which sends one number and computes vectors off line.
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::clocks::DifferentialClock;
//!
//! let (p1, p2, p3) = (NodeId(1), NodeId(2), NodeId(3));
//! let mut a = DifferentialClock::new(p1);
//! let mut c = DifferentialClock::new(p3);
//! a.receive(&c.send_to(p1));
//! assert_eq!(a.send_to(p2).len(), 2, "p2 has heard of neither p1 nor p3");
//! assert_eq!(a.send_to(p2).len(), 1, "of p3 nothing new");
//! ```

use alloc::collections::BTreeMap;

use synod_machine::{NodeId, Wall};

use super::stamped::LogicalClock;
use super::version_vector::VersionVector;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("differential.rs");

/// The clock of one process, with what it sent last to whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DifferentialClock {
    me: NodeId,
    vector: VersionVector,
    last_sent: BTreeMap<NodeId, u64>,
    last_update: BTreeMap<NodeId, u64>,
}

impl DifferentialClock {
    /// The clock of the process `me` before its first event.
    pub fn new(me: NodeId) -> Self {
        let (last_sent, last_update) = (BTreeMap::new(), BTreeMap::new());
        DifferentialClock { me, vector: VersionVector::new(), last_sent, last_update }
    }

    /// The full vector of the last event.
    pub fn now(&self) -> &VersionVector {
        &self.vector
    }

    /// A local event.
    pub fn tick(&mut self) {
        let own = self.vector.advance(self.me).counter;
        self.last_update.insert(self.me, own);
    }

    /// A send; the components that the receiver lacks.
    pub fn send_to(&mut self, to: NodeId) -> VersionVector {
        self.tick();
        let last_sent = self.last_sent.insert(to, self.vector.get(&self.me)).unwrap_or(0);
        let changed = |node: &NodeId| self.last_update.get(node).is_some_and(|at| *at > last_sent);
        self.vector.iter().filter(|(node, _)| changed(node)).map(|(node, clock)| (*node, clock)).collect()
    }

    /// The receive of a message that carried `changed`.
    pub fn receive(&mut self, changed: &VersionVector) {
        self.tick();
        let own = self.vector.get(&self.me);
        for (node, clock) in changed.iter().filter(|(node, _)| **node != self.me) {
            if clock > self.vector.get(node) {
                self.vector.raise(*node, clock);
                self.last_update.insert(*node, own);
            }
        }
    }

    /// The channel to that peer was lost with what it held: the next message carries everything.
    pub fn forget_peer(&mut self, peer: NodeId) {
        self.last_sent.remove(&peer);
    }
}

impl LogicalClock for DifferentialClock {
    type Stamp = VersionVector;
    type Reading = VersionVector;
    const NEEDS_CHANNELS: bool = true;

    fn local(&mut self, _: Wall) {
        self.tick();
    }

    fn send(&mut self, to: NodeId, _: Wall) -> VersionVector {
        self.send_to(to)
    }

    fn receive(&mut self, _: NodeId, stamp: &VersionVector, _: Wall) {
        DifferentialClock::receive(self, stamp);
    }

    fn reading(&self) -> VersionVector {
        self.vector.clone()
    }
}
