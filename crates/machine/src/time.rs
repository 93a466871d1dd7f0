//! Two clocks that cannot be mixed up: one that only goes forward, and one that people set.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// Monotonic time of one node since its driver started. Never goes back; says nothing about other nodes' time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(Duration);

impl Mono {
    /// The driver's start.
    pub const ZERO: Mono = Mono(Duration::ZERO);

    /// The moment `since_start` after the driver's start.
    pub const fn from_start(since_start: Duration) -> Self {
        Mono(since_start)
    }

    /// Time since the driver's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time since `earlier`, zero if that lies ahead.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, after: Duration) -> Mono {
        Mono(self.0.saturating_add(after))
    }
}

impl Sub<Mono> for Mono {
    type Output = Duration;
    fn sub(self, earlier: Mono) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.0.as_millis(), self.0.as_micros() % 1000)
    }
}

/// Wall-clock time: since the Unix epoch, with a bound on its error. It may jump either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wall {
    /// Since 1970-01-01T00:00:00Z.
    pub since_epoch: Duration,
    /// True time lies within `since_epoch ± error`.
    pub error: Duration,
}
