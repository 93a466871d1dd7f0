//! A clock that can be steered, over one that cannot.
//!
//! A machine is handed its node's monotonic time, and may not set anything. So it owns its clock as a value: what the hardware shows (the wall clock when the
//! process began, and the monotonic time since) plus a *correction* that is the machine's own. The correction changes by a frequency, by a slew that dies
//! away, and by steps. Nothing ticks: it is computed when it is asked for.
//!
//! What servers say is remembered against the hardware's time, which nobody steers. So it stays comparable through slews and steps, and what
//! its age costs is known: the oscillator gains what was learned of it, and is wrong about that by no more than it can drift.

use super::types::{Offset, Timestamp};

/// What is known of the hardware's oscillator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oscillator {
    /// Seconds that true time gains on it a second, as far as was learned.
    pub frequency: f64,
    /// The most that it drifts, in seconds a second (`PHI`).
    pub phi: f64,
}

impl Oscillator {
    /// What true time gains on it in so many seconds, as far as was learned.
    pub fn gain(self, seconds: f64) -> f64 {
        self.frequency * seconds
    }

    /// How wrong that may be: it drifts by at most phi, whatever was learned.
    pub fn error(self, seconds: f64) -> f64 {
        (self.phi + self.frequency.abs()) * seconds.max(0.0)
    }
}

/// What is added to the hardware's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftwareClock {
    /// Hardware time of the last change.
    since: Timestamp,
    /// The correction then, in seconds.
    correction: f64,
    /// Seconds gained a second.
    frequency: f64,
    /// What is still to be slewed, in seconds, as of the last change.
    pending: f64,
    /// In so many seconds a slew dies away to 1/e.
    time_constant: f64,
}

impl SoftwareClock {
    /// A clock that shows the hardware's time, gaining `frequency` seconds a second.
    pub fn new(hardware: Timestamp, frequency: f64) -> Self {
        SoftwareClock { since: hardware, correction: 0.0, frequency, pending: 0.0, time_constant: 1.0 }
    }

    /// What it shows when the hardware shows that.
    pub fn read(&self, hardware: Timestamp) -> Timestamp {
        hardware + Offset::from_seconds(self.correction(hardware))
    }

    /// What it adds to the hardware's time then, in seconds.
    pub fn correction(&self, hardware: Timestamp) -> f64 {
        let elapsed = self.elapsed(hardware);
        self.correction + self.frequency * elapsed + self.pending * (1.0 - self.left(elapsed))
    }

    /// What is still to be slewed, in seconds.
    pub fn pending(&self, hardware: Timestamp) -> f64 {
        self.pending * self.left(self.elapsed(hardware))
    }

    /// Seconds gained a second.
    pub fn frequency(&self) -> f64 {
        self.frequency
    }

    /// Gains that much, bit by bit, in place of what was pending.
    pub(super) fn slew(&mut self, hardware: Timestamp, seconds: f64, time_constant: f64) {
        self.settle(hardware);
        self.pending = seconds;
        self.time_constant = time_constant;
    }

    /// Gains that much at once; nothing is pending any more.
    pub(super) fn step(&mut self, hardware: Timestamp, seconds: f64) {
        self.settle(hardware);
        self.correction += seconds;
        self.pending = 0.0;
    }

    /// Gains so many seconds a second from now on.
    pub(super) fn set_frequency(&mut self, hardware: Timestamp, frequency: f64) {
        self.settle(hardware);
        self.frequency = frequency;
    }

    fn settle(&mut self, hardware: Timestamp) {
        let (correction, pending) = (self.correction(hardware), self.pending(hardware));
        (self.since, self.correction, self.pending) = (hardware, correction, pending);
    }

    fn elapsed(&self, hardware: Timestamp) -> f64 {
        (hardware - self.since).seconds().max(0.0)
    }

    fn left(&self, elapsed: f64) -> f64 {
        if self.pending == 0.0 { 0.0 } else { libm::exp(-elapsed / self.time_constant) }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_gains_by_frequency_slew_and_step() {
        let mut clock = SoftwareClock::new(at(100), 100e-6);
        assert!((clock.correction(at(1_100)) - 0.1).abs() < 1e-9);
        clock.slew(at(1_100), 0.05, 100.0);
        clock.set_frequency(at(1_100), 0.0);
        assert!((clock.correction(at(1_200)) - (0.1 + 0.05 * (1.0 - libm::exp(-1.0)))).abs() < 1e-9);
        assert!((clock.pending(at(1_200)) - 0.05 * libm::exp(-1.0)).abs() < 1e-9);
        assert!((clock.correction(at(9_100)) - 0.15).abs() < 1e-9);
        clock.step(at(9_100), -1.0);
        assert!((clock.read(at(9_101)) - at(9_101)).seconds() + 0.85 < 1e-6);
    }

    #[test]
    fn without_a_step_it_never_goes_back() {
        let mut clock = SoftwareClock::new(at(0), -500e-6);
        clock.slew(at(0), -0.128, 16.0);
        let mut last = clock.read(at(0));
        for tenth in 1..1_000 {
            let now = clock.read(Timestamp::since_epoch(Duration::from_millis(tenth * 100)));
            assert!(now > last);
            last = now;
        }
    }
}
