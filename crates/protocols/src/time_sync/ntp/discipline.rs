//! From offsets to a steered clock: states, steps and slews, phase- and frequency-locked loop (RFC 5905, section 11.3).
//!
//! Small offsets are slewed, and teach how fast the oscillator runs: from the phase when polling is frequent (PLL), from the change of offset when it is
//! rare (FLL). Large offsets are a spike first; only if they last the clock is set.

use super::clock::SoftwareClock;
use super::config::{Config, power_of_two};
use super::filter::STAGES;
use super::types::Timestamp;

/// Gain of the phase-locked loop: that of the reference implementation. The appendix says 65536, with which an offset would take weeks.
pub const PLL_GAIN: f64 = 16.0;
/// Gain of the frequency-locked loop (`FLL`, one more than `MAXPOLL`).
pub const FLL_GAIN: f64 = 18.0;
/// Averaging constant of jitter and wander (`AVG`): 4 as in the appendix.
pub const AVERAGE: f64 = 4.0;
/// The poll interval grows while the offset is below so many jitters (`PGATE`).
pub const POLL_GATE: f64 = 4.0;
/// How far the poll counter goes (`LIMIT`).
pub const POLL_LIMIT: i32 = 30;

/// The state of the discipline (RFC 5905, figure 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Never set (`NSET`).
    NeverSet,
    /// The frequency is known from a former life (`FSET`).
    FrequencySet,
    /// The frequency is being measured (`FREQ`).
    Measuring,
    /// An offset beyond the threshold was seen (`SPIK`).
    Spike,
    /// Following (`SYNC`).
    Synchronized,
}

/// What became of an offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Too far: nothing is believed.
    Panic,
    /// A spike, so far.
    Ignored,
    /// It is slewed.
    Slewed,
    /// The clock was set, by so many seconds.
    Stepped(f64),
}

/// The loop's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Discipline {
    mode: Mode,
    /// Offset of the hardware's time at the last update, in seconds, and when.
    last: (f64, Timestamp),
    /// The same when the measurement of the frequency began.
    base: (f64, Timestamp),
    jitter: f64,
    wander: f64,
    poll: i8,
    count: i32,
}

impl Discipline {
    /// Before the first offset.
    pub fn new(is_frequency_known: bool, now: Timestamp, config: &Config) -> Self {
        Discipline {
            mode: if is_frequency_known { Mode::FrequencySet } else { Mode::NeverSet },
            last: (0.0, now),
            base: (0.0, now),
            jitter: config.resolution(),
            wander: 0.0,
            poll: config.min_poll,
            count: 0,
        }
    }

    /// Its state.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Servers are asked every 2 to that power of seconds.
    pub fn poll(&self) -> i8 {
        self.poll
    }

    /// Of the clock, in seconds.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Of the frequency, in seconds a second.
    pub fn wander(&self) -> f64 {
        self.wander
    }

    /// Takes the servers' combined offset, in seconds against the steered clock, as of the hardware's time `now`.
    pub(super) fn update(
        &mut self,
        offset: f64,
        now: Timestamp,
        clock: &mut SoftwareClock,
        config: &Config,
    ) -> Outcome {
        if offset.abs() > config.panic_threshold.as_secs_f64() {
            return Outcome::Panic;
        }
        let hardware_offset = offset + clock.correction(now);
        let since = (now - self.last.1).seconds().max(0.0);
        let outcome = if offset.abs() > config.step_threshold.as_secs_f64() {
            self.large(offset, hardware_offset, now, since, clock, config)
        } else {
            self.small(offset, hardware_offset, now, since, clock, config);
            Outcome::Slewed
        };
        if outcome != Outcome::Ignored {
            self.last = (hardware_offset, now);
            self.adjust_poll(offset, config);
        }
        outcome
    }

    fn large(
        &mut self,
        offset: f64,
        hardware_offset: f64,
        now: Timestamp,
        since: f64,
        clock: &mut SoftwareClock,
        config: &Config,
    ) -> Outcome {
        match self.mode {
            Mode::Synchronized => {
                self.mode = Mode::Spike;
                return Outcome::Ignored;
            }
            Mode::Spike | Mode::Measuring if since < config.stepout.as_secs_f64() => return Outcome::Ignored,
            Mode::Measuring => self.learn_frequency(hardware_offset, now, clock, config),
            Mode::NeverSet | Mode::FrequencySet | Mode::Spike => {}
        }
        clock.step(now, offset);
        self.count = 0;
        self.poll = config.min_poll;
        if self.mode == Mode::NeverSet {
            self.mode = Mode::Measuring;
            self.base = (hardware_offset, now);
        } else {
            self.mode = Mode::Synchronized;
        }
        Outcome::Stepped(offset)
    }

    fn small(
        &mut self,
        offset: f64,
        hardware_offset: f64,
        now: Timestamp,
        since: f64,
        clock: &mut SoftwareClock,
        config: &Config,
    ) {
        // Neither what is still being slewed nor the frequency already learned is noise.
        let surprise = offset - clock.pending(now);
        self.jitter = average(self.jitter, surprise.abs().max(config.resolution()));
        match self.mode {
            Mode::NeverSet => {
                self.mode = Mode::Measuring;
                self.base = (hardware_offset, now);
            }
            Mode::Measuring => {
                if (now - self.base.1).seconds() >= config.stepout.as_secs_f64() {
                    self.learn_frequency(hardware_offset, now, clock, config);
                    self.mode = Mode::Synchronized;
                }
            }
            Mode::FrequencySet => self.mode = Mode::Synchronized,
            Mode::Spike | Mode::Synchronized => {
                let change = self.frequency_change(offset, surprise, since, config);
                self.change_frequency(change, now, clock, config);
                self.mode = Mode::Synchronized;
            }
        }
        let interval = power_of_two(self.poll).min(config.allan.as_secs_f64());
        clock.slew(now, offset, PLL_GAIN * interval);
    }

    /// Both loops; the poll interval decides which weighs more. The time since the last update counts up to the span of a server's filter, since only a new best
    /// sample makes an update; counted up to one poll, as in the appendix, the frequency would take days.
    fn frequency_change(&self, offset: f64, surprise: f64, since: f64, config: &Config) -> f64 {
        let (poll, allan) = (power_of_two(self.poll), config.allan.as_secs_f64());
        let mut change = 0.0;
        if poll > allan / 2.0 {
            let gain = (FLL_GAIN - f64::from(self.poll)).max(AVERAGE);
            change += surprise / (since.max(allan) * gain);
        }
        let time_constant = 4.0 * PLL_GAIN * poll;
        change + offset * since.min(poll * STAGES as f64) / (time_constant * time_constant)
    }

    /// What the hardware's clock gained since the measurement began, by which nothing that was slewed or stepped meanwhile is mistaken for drift.
    fn learn_frequency(
        &mut self,
        hardware_offset: f64,
        now: Timestamp,
        clock: &mut SoftwareClock,
        config: &Config,
    ) {
        let (base, began) = self.base;
        let measured = (hardware_offset - base) / (now - began).seconds().max(1.0);
        self.change_frequency(measured - clock.frequency(), now, clock, config);
    }

    fn change_frequency(&mut self, change: f64, now: Timestamp, clock: &mut SoftwareClock, config: &Config) {
        let most = f64::from(config.frequency_max_ppb) * 1e-9;
        let frequency = (clock.frequency() + change).clamp(-most, most);
        self.wander = average(self.wander, change);
        clock.set_frequency(now, frequency);
    }

    /// Polls less while offsets are noise, more while they are not.
    fn adjust_poll(&mut self, offset: f64, config: &Config) {
        if offset.abs() < POLL_GATE * self.jitter {
            self.count += i32::from(self.poll.max(1));
            if self.count > POLL_LIMIT {
                self.count = POLL_LIMIT;
                if self.poll < config.max_poll {
                    (self.count, self.poll) = (0, self.poll + 1);
                }
            }
        } else {
            self.count -= 2 * i32::from(self.poll.max(1));
            if self.count < -POLL_LIMIT {
                self.count = -POLL_LIMIT;
                if self.poll > config.min_poll {
                    (self.count, self.poll) = (0, self.poll - 1);
                }
            }
        }
    }
}

/// The exponential average of squares.
fn average(old: f64, new: f64) -> f64 {
    libm::sqrt(old * old + (new * new - old * old) / AVERAGE)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::since_epoch(Duration::from_secs(1_000_000 + seconds))
    }

    fn fresh(is_frequency_known: bool) -> (Discipline, SoftwareClock, Config) {
        let config = Config::default();
        (Discipline::new(is_frequency_known, at(0), &config), SoftwareClock::new(at(0), 0.0), config)
    }

    #[test]
    fn a_spike_is_ignored_and_a_lasting_offset_steps() {
        let (mut discipline, mut clock, config) = fresh(true);
        assert_eq!(discipline.update(0.001, at(0), &mut clock, &config), Outcome::Slewed);
        assert_eq!(discipline.update(0.5, at(64), &mut clock, &config), Outcome::Ignored);
        assert_eq!(discipline.mode(), Mode::Spike);
        assert_eq!(discipline.update(0.5, at(600), &mut clock, &config), Outcome::Ignored);
        assert_eq!(discipline.update(0.5, at(901), &mut clock, &config), Outcome::Stepped(0.5));
        assert_eq!(discipline.update(2_000.0, at(950), &mut clock, &config), Outcome::Panic);
    }

    #[test]
    fn the_threshold_between_slew_and_step_is_128_milliseconds() {
        let (mut discipline, mut clock, config) = fresh(false);
        assert_eq!(discipline.update(0.128, at(0), &mut clock, &config), Outcome::Slewed);
        let (mut discipline, mut clock, config) = fresh(false);
        assert_eq!(discipline.update(0.1281, at(0), &mut clock, &config), Outcome::Stepped(0.1281));
        assert_eq!(discipline.mode(), Mode::Measuring);
    }

    /// An oscillator that loses 50 ppm, measured with some noise: the frequency is learned, phase and frequency stay right, and polls become
    /// rare.
    #[test]
    fn the_frequency_is_learned() {
        let (mut discipline, mut clock, config) = fresh(false);
        let mut now = 0;
        for turn in 0..1_000 {
            let noise = if turn % 2 == 0 { 0.3e-3 } else { -0.3e-3 };
            let true_offset = 50e-6 * now as f64 + 0.02;
            let offset = true_offset + noise - clock.correction(at(now));
            discipline.update(offset, at(now), &mut clock, &config);
            now += 1 << discipline.poll();
        }
        assert!((clock.frequency() - 50e-6).abs() < 1e-6, "{}", clock.frequency());
        let offset = 50e-6 * now as f64 + 0.02 - clock.correction(at(now));
        assert!(offset.abs() < 1.5e-3, "{offset}");
        assert_eq!(discipline.poll(), config.max_poll);
    }
}
