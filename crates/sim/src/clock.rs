//! A node's two clocks, as its hardware gets them wrong.
//!
//! The monotonic clock runs at a rate of its own (drift, in parts per million) and never goes back; the rate may change while the node
//! runs, the reading does not jump. It starts at zero with every start of the process, as on a real machine after a reboot. The wall clock is the true time plus an offset that a fault may
//! change at any moment in either direction. A machine is told an error bound with every wall reading; whether the bound is true is
//! the world's business: see [`crate::ClockShape`].

use std::time::Duration;

use synod_machine::{Mono, Wall};

use crate::agenda::Moment;

/// 2026-01-01T00:00:00Z: when simulated worlds begin. True time is this plus the time of the world.
pub const EPOCH: Duration = Duration::from_secs(1_767_225_600);

const MILLION: i64 = 1_000_000;

/// The fastest and slowest that a clock may run against the true time, in parts per million.
pub const DRIFT_PPM_MAX: i32 = 900_000;

/// One node's clocks.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    since: Moment,
    reading: u64,
    drift_ppm: i64,
    wall_offset_nanos: i64,
    wall_error: Duration,
}

impl Clock {
    pub(crate) fn new(drift_ppm: i32, wall_offset_nanos: i64, wall_error: Duration) -> Self {
        let drift_ppm = i64::from(drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX));
        Clock { since: Moment(0), reading: 0, drift_ppm, wall_offset_nanos, wall_error }
    }

    /// The process starts: its monotonic clock begins at zero.
    pub(crate) fn restart(&mut self, now: Moment) {
        (self.since, self.reading) = (now, 0);
    }

    pub(crate) fn mono(&self, now: Moment) -> Mono {
        Mono::from_start(Duration::from_nanos(self.read(now)))
    }

    pub(crate) fn wall(&self, now: Moment) -> Wall {
        let offset = Duration::from_nanos(self.wall_offset_nanos.unsigned_abs());
        let right = EPOCH + now.duration();
        let since_epoch =
            if self.wall_offset_nanos < 0 { right.saturating_sub(offset) } else { right + offset };
        Wall { since_epoch, error: self.wall_error }
    }

    pub(crate) fn read(&self, now: Moment) -> u64 {
        let elapsed = now.since(self.since);
        if self.drift_ppm == 0 {
            return self.reading + elapsed;
        }
        let elapsed = i64::try_from(elapsed).expect("a run is shorter than 292 years");
        // In two parts, or the product would overflow after hours.
        let gained =
            elapsed / MILLION * self.drift_ppm + (elapsed % MILLION * self.drift_ppm).div_euclid(MILLION);
        self.reading + (elapsed + gained) as u64
    }

    /// The first true moment at which the monotonic clock shows at least `reading`.
    pub(crate) fn when(&self, reading: u64) -> Moment {
        let ahead = reading.saturating_sub(self.reading);
        if self.drift_ppm == 0 {
            return self.since.plus(ahead);
        }
        let rate = (MILLION + self.drift_ppm) as u128;
        let mut moment = self.since.plus((u128::from(ahead) * MILLION as u128 / rate) as u64);
        while self.read(moment) < reading {
            moment = moment.plus(1);
        }
        moment
    }

    pub(crate) fn set_drift(&mut self, now: Moment, drift_ppm: i32) {
        self.reading = self.read(now);
        self.since = now;
        self.drift_ppm = i64::from(drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX));
    }

    pub(crate) fn drift_ppm(&self) -> i32 {
        self.drift_ppm as i32
    }

    pub(crate) fn jump_wall(&mut self, by_nanos: i64) {
        self.wall_offset_nanos = self.wall_offset_nanos.saturating_add(by_nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_gains_and_never_goes_back() {
        let mut clock = Clock::new(200, 0, Duration::ZERO);
        let hour = Moment::of(Duration::from_secs(3600));
        assert_eq!(clock.read(hour), 3_600_720_000_000);
        clock.set_drift(hour, -500);
        let mut last = clock.read(hour);
        assert_eq!(last, 3_600_720_000_000);
        for step in 0..5_000 {
            let reading = clock.read(hour.plus(step * 37));
            assert!(reading >= last, "a monotonic clock went from {last} to {reading}");
            last = reading;
        }
    }

    #[test]
    fn when_is_the_first_moment_of_a_reading() {
        for drift in [-900_000, -333, -1, 0, 1, 250, 900_000] {
            let mut clock = Clock::new(drift, 0, Duration::ZERO);
            clock.restart(Moment(1_000_003));
            for reading in [0, 1, 999, 1_000_000, 123_456_789, 86_400_000_000_007] {
                let moment = clock.when(reading);
                assert!(clock.read(moment) >= reading);
                assert!(reading == 0 || clock.read(Moment(moment.0 - 1)) < reading, "drift {drift}");
            }
        }
    }

    #[test]
    fn the_wall_jumps_either_way() {
        let mut clock = Clock::new(0, 0, Duration::from_millis(3));
        let before = clock.wall(Moment(7));
        clock.jump_wall(-5_000_000_000);
        assert_eq!(before.since_epoch - clock.wall(Moment(7)).since_epoch, Duration::from_secs(5));
        assert_eq!(clock.mono(Moment(7)), Mono::from_start(Duration::from_nanos(7)));
    }
}
