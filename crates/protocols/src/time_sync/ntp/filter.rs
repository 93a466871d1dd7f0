//! The clock filter: of the last eight samples of a server the one with the least delay (RFC 5905, section 10).
//!
//! Queues in the network add to the delay of one way, and so to the error; the sample with the least delay has the least of it. This comes *first*: what is
//! chosen among servers are their best samples. Beyond the Allan intercept the dispersion
//! that grows with age is added to the delay, as the reference implementation does, so that an old good sample gives way to a newer one.

use alloc::vec::Vec;

use super::clock::Oscillator;
use super::config::Config;
use super::types::{Offset, Timestamp};

/// Stages of the register (`NSTAGE`).
pub const STAGES: usize = 8;
/// Dispersion of a stage without a sample, in seconds (`MAXDISP`).
pub const DISPERSION_MAX: f64 = 16.0;
/// An offset that differs from the last by more than so many jitters is a spike (`SGATE`).
pub const SPIKE_GATE: f64 = 3.0;

/// What one exchange said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// How far the server is ahead of this node's *hardware* time.
    pub offset: Offset,
    /// Round trip, in seconds.
    pub delay: f64,
    /// Error of reading clocks, and of drift during the exchange, in seconds, when it was taken.
    pub dispersion: f64,
    /// Round trip from the server to its reference clock, as it said with this sample, in seconds.
    pub root_delay: f64,
    /// Dispersion from the server to its reference clock, as it said with this sample, in seconds.
    pub root_dispersion: f64,
    /// When it was taken, by the hardware's time.
    pub at: Timestamp,
}

/// What the filter makes of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filtered {
    /// Of the best sample.
    pub offset: Offset,
    /// Of the best sample, in seconds.
    pub delay: f64,
    /// Of all samples, weighted by their order, in seconds; at least that of the best sample.
    pub dispersion: f64,
    /// Root mean square of the other offsets against the best, in seconds.
    pub jitter: f64,
    /// Of the best sample, in seconds.
    pub root_delay: f64,
    /// Of the best sample, in seconds.
    pub root_dispersion: f64,
    /// When the best sample was taken.
    pub at: Timestamp,
}

impl Filtered {
    /// How far the server is ahead of the hardware's time then, in seconds.
    pub fn offset_at(&self, now: Timestamp, oscillator: Oscillator) -> f64 {
        self.offset.seconds() + oscillator.gain((now - self.at).seconds())
    }
}

/// The register of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockFilter {
    /// The newest last.
    samples: Vec<Sample>,
}

impl ClockFilter {
    /// Shifts a sample in.
    pub fn add(&mut self, sample: Sample) {
        if self.samples.len() == STAGES {
            self.samples.remove(0);
        }
        self.samples.push(sample);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// What the samples say at that time.
    pub fn output(&self, now: Timestamp, oscillator: Oscillator, config: &Config) -> Option<Filtered> {
        let aged = |sample: &Sample| {
            (sample.dispersion + oscillator.error((now - sample.at).seconds())).min(DISPERSION_MAX)
        };
        let mut order: Vec<&Sample> = self.samples.iter().collect();
        // Beyond the Allan intercept an oscillator's wandering outweighs the network's noise, and a sample is as good as it is young.
        let intercept = config.allan.as_secs_f64();
        let quality = |sample: &Sample| {
            let is_old = (now - sample.at).seconds() > intercept;
            sample.delay + if is_old { aged(sample) } else { 0.0 }
        };
        // Of equals the newer.
        order.sort_by(|one, other| quality(one).total_cmp(&quality(other)).then(other.at.cmp(&one.at)));
        let best = **order.first()?;
        let (mut dispersion, mut squares) = (0.0, 0.0);
        for stage in 0..STAGES {
            let weight = libm::ldexp(1.0, -(stage as i32 + 1));
            dispersion += weight * order.get(stage).map_or(DISPERSION_MAX, |sample| aged(sample));
        }
        for sample in &order {
            let gained = oscillator.gain((best.at - sample.at).seconds());
            let difference = (sample.offset - best.offset).seconds() + gained;
            squares += difference * difference;
        }
        let others = order.len().saturating_sub(1).max(1) as f64;
        Some(Filtered {
            offset: best.offset,
            delay: best.delay,
            // The weights of an old best sample and young others could add up to less than its own.
            dispersion: dispersion.max(aged(&best)),
            jitter: libm::sqrt(squares / others).max(config.resolution()),
            root_delay: best.root_delay,
            root_dispersion: best.root_dispersion,
            at: best.at,
        })
    }

    /// Whether an output differs so much from the last that it is taken for a popcorn spike, unless the last is older than two polls.
    pub fn is_spike(last: &Filtered, new: &Filtered, oscillator: Oscillator, poll_seconds: f64) -> bool {
        let gained = oscillator.gain((new.at - last.at).seconds());
        let difference = ((new.offset - last.offset).seconds() - gained).abs();
        difference > SPIKE_GATE * last.jitter.max(new.delay / 2.0)
            && (new.at - last.at).seconds() < 2.0 * poll_seconds
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const QUARTZ: Oscillator = Oscillator { frequency: 0.0, phi: 15e-6 };

    fn sample(second: u64, offset_ms: i64, delay_ms: u64) -> Sample {
        Sample {
            offset: Offset::from_nanoseconds(offset_ms * 1_000_000),
            delay: delay_ms as f64 / 1e3,
            dispersion: 1e-6,
            root_delay: 0.0,
            root_dispersion: 0.0,
            at: Timestamp::since_epoch(Duration::from_secs(second)),
        }
    }

    fn output(filter: &ClockFilter, second: u64) -> Filtered {
        let now = Timestamp::since_epoch(Duration::from_secs(second));
        filter.output(now, QUARTZ, &Config::default()).expect("there are samples")
    }

    #[test]
    fn the_sample_of_least_delay_is_taken() {
        let mut filter = ClockFilter::default();
        for (second, (offset, delay)) in [(9, 20), (2, 5), (40, 90), (7, 17)].into_iter().enumerate() {
            filter.add(sample(second as u64 * 64, offset, delay));
        }
        let taken = output(&filter, 200);
        assert_eq!((taken.offset, taken.delay), (Offset::from_nanoseconds(2_000_000), 0.005));
        // Four of eight stages are empty: 16 s (1/32 + 1/64 + 1/128 + 1/256).
        assert!((taken.dispersion - 0.9375).abs() < 0.01, "{}", taken.dispersion);
        let expected = libm::sqrt((49.0 + 1444.0 + 25.0) / 3.0) / 1e3;
        assert!((taken.jitter - expected).abs() < 1e-9);
    }

    #[test]
    fn the_ninth_sample_pushes_the_first_out() {
        let mut filter = ClockFilter::default();
        (0..9).for_each(|second| filter.add(sample(second, second as i64, 1 + second)));
        assert_eq!(output(&filter, 9).offset, Offset::from_nanoseconds(1_000_000));
    }

    #[test]
    fn what_the_oscillator_gains_is_no_jitter() {
        let mut filter = ClockFilter::default();
        (0..8).for_each(|turn| filter.add(sample(turn * 1_000, turn as i64 * 100, 5)));
        let now = Timestamp::since_epoch(Duration::from_secs(8_000));
        let jitter = |frequency| {
            let output = filter.output(now, Oscillator { frequency, phi: 15e-6 }, &Config::default());
            output.map_or(0.0, |output| output.jitter)
        };
        assert!(jitter(0.0) > 0.3);
        assert!(jitter(100e-6) < 1e-5);
    }

    #[test]
    fn a_single_outlier_is_a_spike_and_a_lasting_change_is_none() {
        let filtered = |second: u64, offset_ms: i64| Filtered {
            offset: Offset::from_nanoseconds(offset_ms * 1_000_000),
            delay: 0.001,
            dispersion: 0.01,
            jitter: 0.001,
            root_delay: 0.0,
            root_dispersion: 0.0,
            at: Timestamp::since_epoch(Duration::from_secs(second)),
        };
        assert!(ClockFilter::is_spike(&filtered(0, 1), &filtered(64, 60), QUARTZ, 64.0));
        assert!(!ClockFilter::is_spike(&filtered(0, 1), &filtered(64, 3), QUARTZ, 64.0));
        assert!(!ClockFilter::is_spike(&filtered(0, 1), &filtered(200, 60), QUARTZ, 64.0));
    }
}
