//! Times that can be behind, packets, and what the embedder asks and is told.

use core::fmt;
use core::ops::{Add, Neg, Sub};
use core::time::Duration;

use synod_machine::NodeId;

const NANOSECONDS_A_SECOND: f64 = 1e9;

/// A span of time with a sign: how far one clock is ahead of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    nanoseconds: i64,
}

impl Offset {
    /// None.
    pub const ZERO: Offset = Offset { nanoseconds: 0 };

    /// So many nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Offset { nanoseconds }
    }

    /// So many seconds, to the nearest nanosecond.
    pub fn from_seconds(seconds: f64) -> Self {
        Offset { nanoseconds: libm::round(seconds * NANOSECONDS_A_SECOND) as i64 }
    }

    /// In nanoseconds.
    pub const fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.nanoseconds as f64 / NANOSECONDS_A_SECOND
    }

    /// Without its sign.
    pub const fn magnitude(self) -> Duration {
        Duration::from_nanos(self.nanoseconds.unsigned_abs())
    }

    /// Half of it.
    #[must_use]
    pub const fn half(self) -> Self {
        Offset { nanoseconds: self.nanoseconds / 2 }
    }
}

impl Add for Offset {
    type Output = Offset;
    fn add(self, other: Offset) -> Offset {
        Offset { nanoseconds: self.nanoseconds.saturating_add(other.nanoseconds) }
    }
}

impl Sub for Offset {
    type Output = Offset;
    fn sub(self, other: Offset) -> Offset {
        Offset { nanoseconds: self.nanoseconds.saturating_sub(other.nanoseconds) }
    }
}

impl Neg for Offset {
    type Output = Offset;
    fn neg(self) -> Offset {
        Offset { nanoseconds: self.nanoseconds.saturating_neg() }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.3} ms", self.nanoseconds as f64 / 1e6)
    }
}

/// What a clock shows, since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanoseconds: i64,
}

impl Timestamp {
    /// So long after the Unix epoch.
    pub fn since_epoch(since_epoch: Duration) -> Self {
        Timestamp { nanoseconds: i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// Since the Unix epoch, in nanoseconds.
    pub const fn nanoseconds(self) -> i64 {
        self.nanoseconds
    }
}

impl Sub for Timestamp {
    type Output = Offset;
    fn sub(self, earlier: Timestamp) -> Offset {
        Offset { nanoseconds: self.nanoseconds.saturating_sub(earlier.nanoseconds) }
    }
}

impl Add<Offset> for Timestamp {
    type Output = Timestamp;
    fn add(self, offset: Offset) -> Timestamp {
        Timestamp { nanoseconds: self.nanoseconds.saturating_add(offset.nanoseconds) }
    }
}

/// What kind of packet it is (RFC 5905, figure 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A question.
    Client,
    /// An answer.
    Server,
}

/// A packet, with the fields of RFC 5905, section 7.3, that the machine looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Question or answer.
    pub mode: Mode,
    /// Hops to a reference clock; [`STRATUM_MAX`] is unsynchronized.
    pub stratum: u8,
    /// The sender's clock shows steps of 2 to that power of seconds.
    pub precision: i8,
    /// Round trip to the reference clock.
    pub root_delay: Duration,
    /// Dispersion to the reference clock.
    pub root_dispersion: Duration,
    /// Whom the sender follows: what loops are found by.
    pub reference: Option<NodeId>,
    /// The question's `transmit`, in an answer.
    pub origin: Timestamp,
    /// When the question came in, by the server's clock.
    pub receive: Timestamp,
    /// When this packet went out, by the sender's clock.
    pub transmit: Timestamp,
}

/// Unsynchronized (RFC 5905, `MAXSTRAT`).
pub const STRATUM_MAX: u8 = 16;

/// The names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// That server is asked.
    Poll(NodeId),
    /// The frequency is written down.
    Save,
}

/// What the embedder asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// What time is it?
    Read,
}

/// What it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The time.
    Time(Reading),
}

/// What the steered clock shows, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// What it shows.
    pub time: Timestamp,
    /// True time lies within `time ± error`, if no more servers are wrong than were thrown out; nothing is known while it is not synchronized.
    pub error: Option<Duration>,
    /// Hops to a reference clock.
    pub stratum: u8,
}

/// What the embedder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The clock follows this server now.
    Follows(NodeId),
    /// No majority of servers agrees any more: it runs on by itself.
    Holdover,
    /// It was set, by so much.
    Stepped(Offset),
    /// The servers are so far off that nothing is believed; a person must look.
    Panicked(Offset),
}

/// What is worth keeping over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// The frequency correction, in parts per thousand million: the drift file.
    Frequency(i32),
}
