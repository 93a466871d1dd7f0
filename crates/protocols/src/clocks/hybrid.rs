//! The hybrid logical clock: timestamps that respect causality and stay near the wall clock.
//!
//! # The problem
//!
//! Lamport's numbers say nothing about when; wall clocks say when, but may put an effect before its cause. Snapshots "as of nine o'clock" need both, in 64 bits.
//!
//! # The rules
//!
//! Kulkarni, Demirbas, Madappa, Avva, Leone 2014 ("Logical physical clocks and consistent snapshots in globally distributed databases", figure 5). A timestamp is
//! a pair: `l`, the largest wall clock that any cause of the event has seen, and `c`, a counter that tells apart events of one `l`.
//!
//! - Local event or send: `l` becomes the larger of itself and the wall clock; `c` counts on if `l` stayed, and is zero if it rose: [`HybridClock::tick`].
//! - Receive: `l` becomes the largest of itself, the message's `l` and the wall clock; `c` follows the largest `c` among those whose `l` it is: [`HybridClock::receive`].
//!
//! As in the paper's section 6.2 a timestamp packs into 64 bits, 48 for `l` and 16 for `c`, in such a way that packed numbers compare as the pairs do. `l` counts
//! units of 2^-16 s, about 15.26 µs, of the wall clock since 1970; 48 bits last to the year 2106. Should `c` overflow, which the bound below puts out of reach, `l` is raised by one unit: order is kept.
//!
//! # What is guaranteed
//!
//! - If `e` happened before `f` then `(l, c)(e) < (l, c)(f)` (the paper's theorem 1).
//! - `l` is never behind the process's own wall clock, and at most ε ahead of it, ε being the largest difference between two wall clocks (theorem 2, corollary 1).
//! - `c <= N * (ε + 1)`, with ε in units, if a process's wall clock advances at least one unit between two of its events (theorem 4).
//!
//! # What is assumed
//!
//! For the first: nothing, wall clocks may jump. For the bounds: wall clocks within ε. A peer whose clock is broken would drag everybody ahead:
//! [`HybridClock::receive`] refuses a timestamp that is further ahead than a stated bound. A process that restarts takes [`HybridClock::at`] with a bound that was durable before the
//! clock passed it, or waits ε.
//!
//! # What it costs
//!
//! 64 bits a message, no message of its own, no write.
//!
//! # What is left out
//!
//! Waiting out the uncertainty, as Spanner does, so that unrelated events are ordered as real time orders them: the pair bounds the error, it does not remove it.
//!
//! ```
//! use std::time::Duration;
//! use synod_protocols::clocks::HybridClock;
//!
//! let (mut fast, mut slow) = (HybridClock::default(), HybridClock::default());
//! let sent = fast.tick(Duration::from_millis(1_005));
//! let received = slow.receive(sent, Duration::from_millis(1_000), Duration::from_millis(10)).unwrap();
//! assert!(received > sent, "although the receiver's wall clock is behind");
//! assert_eq!((received.counter(), received.logical()), (1, sent.logical()));
//! assert_eq!(slow.tick(Duration::from_millis(1_006)).counter(), 0, "the wall clock has caught up");
//! ```

use core::fmt;
use core::time::Duration;

use synod_machine::{NodeId, Wall};

use super::stamped::LogicalClock;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("hybrid.rs");

/// Bits of the counter.
const COUNTER_BITS: u32 = 16;
/// The largest wall clock that 48 bits hold, in units.
const LOGICAL_UNITS_MAX: u64 = u64::MAX >> COUNTER_BITS;

/// A timestamp: the pair `(l, c)` in 64 bits, compared as the pair.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTimestamp(u64);

impl HybridTimestamp {
    /// The pair of `l`, in units of 2^-16 s, and `c`. Larger `l` than fits is cut to the largest.
    pub fn new(logical_units: u64, counter: u16) -> Self {
        HybridTimestamp((logical_units.min(LOGICAL_UNITS_MAX) << COUNTER_BITS) | u64::from(counter))
    }

    /// From 64 bits, as [`HybridTimestamp::bits`] gave them.
    pub const fn from_bits(bits: u64) -> Self {
        HybridTimestamp(bits)
    }

    /// The 64 bits; they compare as timestamps do.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// `l` in units of 2^-16 s since 1970.
    pub const fn logical_units(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// `l`, since 1970, rounded down to a unit.
    pub fn logical(self) -> Duration {
        let (units, per_second) = (self.logical_units(), 1 << COUNTER_BITS);
        Duration::from_secs(units / per_second)
            + Duration::from_nanos((units % per_second) * 1_000_000_000 / per_second)
    }

    /// `c`.
    pub const fn counter(self) -> u16 {
        self.0 as u16
    }

    fn successor(self) -> Self {
        // An overflowing counter carries into `l`: the next number in any case.
        HybridTimestamp(self.0.checked_add(1).expect("the year 2106 is not over"))
    }
}

impl fmt::Debug for HybridTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.logical_units(), self.counter())
    }
}

/// A wall clock, since 1970, in units of 2^-16 s, rounded down.
pub fn units(wall: Duration) -> u64 {
    let fraction = (u64::from(wall.subsec_nanos()) << COUNTER_BITS) / 1_000_000_000;
    wall.as_secs().saturating_mul(1 << COUNTER_BITS).saturating_add(fraction)
}

/// A timestamp that is further ahead than clocks can be apart: its sender's clock is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarAhead {
    /// By so much is `l` ahead of this process's wall clock.
    pub ahead: Duration,
    /// By so much it may be.
    pub offset_max: Duration,
}

impl fmt::Display for TooFarAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a timestamp at most {:?} ahead of the wall clock, found {:?}: check the sender's clock",
            self.offset_max, self.ahead
        )
    }
}

impl core::error::Error for TooFarAhead {}

/// The clock of one process: the timestamp of its last event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HybridClock(HybridTimestamp);

impl HybridClock {
    /// A clock whose next event gets a larger timestamp than `last`.
    pub const fn at(last: HybridTimestamp) -> Self {
        HybridClock(last)
    }

    /// The timestamp of the last event.
    pub const fn now(&self) -> HybridTimestamp {
        self.0
    }

    /// A local event or a send, when the wall clock shows `wall`; its timestamp.
    pub fn tick(&mut self, wall: Duration) -> HybridTimestamp {
        self.0 = HybridTimestamp::new(units(wall), 0).max(self.0.successor());
        self.0
    }

    /// The receive of a message that was sent at `sent`, when the wall clock shows `wall`; its timestamp.
    ///
    /// # Errors
    /// When `sent` is more than `offset_max` ahead of `wall`. The clock is as before; the message had better be dropped.
    pub fn receive(
        &mut self,
        sent: HybridTimestamp,
        wall: Duration,
        offset_max: Duration,
    ) -> Result<HybridTimestamp, TooFarAhead> {
        let ahead = sent.logical().saturating_sub(wall);
        if ahead > offset_max {
            return Err(TooFarAhead { ahead, offset_max });
        }
        // The three cases of the paper are one: the larger of the pairs, counted on, unless the wall clock is past both.
        self.0 = HybridTimestamp::new(units(wall), 0).max(self.0.max(sent).successor());
        Ok(self.0)
    }
}

/// The hybrid clock beside a machine believes peers that are this far ahead: beyond any error that a wall clock states.
const STAMPED_OFFSET_MAX: Duration = Duration::from_secs(3_600);

impl LogicalClock for HybridClock {
    type Stamp = HybridTimestamp;
    type Reading = HybridTimestamp;

    fn local(&mut self, wall: Wall) {
        self.tick(wall.since_epoch);
    }

    fn send(&mut self, _: NodeId, wall: Wall) -> HybridTimestamp {
        self.tick(wall.since_epoch)
    }

    fn receive(&mut self, _: NodeId, stamp: &HybridTimestamp, wall: Wall) {
        if HybridClock::receive(self, *stamp, wall.since_epoch, STAMPED_OFFSET_MAX).is_err() {
            self.tick(wall.since_epoch);
        }
    }

    fn reading(&self) -> HybridTimestamp {
        self.0
    }
}
