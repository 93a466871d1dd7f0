//! Lamport's clock: numbers that never contradict causality.
//!
//! # The problem
//!
//! Processes without a common clock are to agree on an order of what they do, and the order must not put an effect before its cause.
//!
//! # The rules
//!
//! Lamport 1978 ("Time, clocks, and the ordering of events in a distributed system"), rules IR1 and IR2.
//!
//! - Each event raises its process's clock by one: [`LamportClock::tick`]. A send is an event, and its message carries the clock.
//! - A receive first raises the clock to what the message carries, then counts itself: [`LamportClock::receive`].
//! - Ties are broken by the process: [`Timestamp`] is a total order (the paper's `⇒`).
//!
//! # What is guaranteed
//!
//! The clock condition: if `e` happened before `f`, then `C(e) < C(f)`. The converse does not hold: a smaller number may just mean a less busy
//! process. Who needs the converse takes a [vector clock](super::vector).
//!
//! # What is assumed
//!
//! Nothing of the network: messages may be lost, repeated and reordered. A process that crashes remembers its clock, or comes back as another one;
//! [`LamportClock::at`] resumes from a bound that was made durable before the clock passed it.
//!
//! # What it costs
//!
//! One number a message, no message of its own, no write.
//!
//! # What is left out
//!
//! The paper's second half, clocks that stay near physical time: that is the [hybrid clock](super::hybrid) here. Mutual exclusion by these timestamps is a mechanism
//! of its own.
//!
//! ```
//! use synod_protocols::clocks::LamportClock;
//!
//! let (mut p1, mut p2) = (LamportClock::default(), LamportClock::default());
//! let sent = p1.tick();
//! p2.tick();
//! p2.tick();
//! assert_eq!(p2.receive(sent), 3, "max(2, 1) + 1");
//! assert_eq!(p1.receive(p2.tick()), 5, "max(1, 4) + 1");
//! ```

use synod_machine::{NodeId, Wall};

use super::stamped::LogicalClock;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("lamport.rs");

/// The clock of one process: the number of its last event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportClock(u64);

impl LamportClock {
    /// A clock whose next event gets a larger number than `last`.
    pub const fn at(last: u64) -> Self {
        LamportClock(last)
    }

    /// The number of the last event; zero before the first.
    pub const fn now(self) -> u64 {
        self.0
    }

    /// A local event or a send; its number.
    pub fn tick(&mut self) -> u64 {
        self.0 = self.0.checked_add(1).expect("2^64 events take longer than any process lives");
        self.0
    }

    /// The receive of a message that was sent at `sent`; its number. A peer that sends the largest number there is leaves no later one to anybody, so it is not believed.
    pub fn receive(&mut self, sent: u64) -> u64 {
        if sent < u64::MAX {
            self.0 = self.0.max(sent);
        }
        self.tick()
    }
}

/// An event's place in the total order: by clock, then by process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// The clock.
    pub clock: u64,
    /// The process.
    pub node: NodeId,
}

impl LogicalClock for LamportClock {
    type Stamp = u64;
    type Reading = u64;

    fn local(&mut self, _: Wall) {
        self.tick();
    }

    fn send(&mut self, _: NodeId, _: Wall) -> u64 {
        self.tick()
    }

    fn receive(&mut self, _: NodeId, stamp: &u64, _: Wall) {
        LamportClock::receive(self, *stamp);
    }

    fn reading(&self) -> u64 {
        self.0
    }
}
