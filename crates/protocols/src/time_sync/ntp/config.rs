//! The parameters of RFC 5905, by its names.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// Options and limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Servers are asked at least every 2 to that power of seconds (`MAXPOLL`).
    pub max_poll: i8,
    /// And at most every (`MINPOLL`).
    pub min_poll: i8,
    /// Questions in quick succession when a server is asked first.
    pub burst: u32,
    /// The clock shows steps of 2 to that power of seconds.
    pub precision: i8,
    /// The most that a clock that is let alone drifts, in parts per thousand million (`PHI`, 15 ppm).
    pub phi_ppb: u32,
    /// Offsets beyond it are not slewed (`STEPT`): 0.128 s as in the appendix; the text says 0.125 s.
    pub step_threshold: Duration,
    /// How long an offset beyond the threshold must last before the clock is set (`WATCH`).
    pub stepout: Duration,
    /// Offsets beyond it are not believed (`PANICT`).
    pub panic_threshold: Duration,
    /// Servers farther from their reference clock than that are not followed (`MAXDIST`).
    pub distance_max: Duration,
    /// Clustering leaves at least so many (`NMIN`).
    pub survivors_min: usize,
    /// The frequency is corrected by at most so much, in parts per thousand million (`MAXFREQ`, 500 ppm).
    pub frequency_max_ppb: u32,
    /// Polling this often or less, frequency is learned from frequency rather than from phase (`ALLAN`).
    pub allan: Duration,
    /// How often the frequency is written down.
    pub save_interval: Duration,
    /// Bugs that are put back, to prove that they are found.
    #[doc(hidden)]
    pub flaws: Flaws,
}

/// Bugs that are put back.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// Follow whoever answers best, whatever the others say.
    pub trust_anybody: bool,
    /// Follow those who follow this node.
    pub ignore_loops: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_poll: 10,
            min_poll: 6,
            burst: 8,
            precision: -20,
            phi_ppb: 15_000,
            step_threshold: Duration::from_millis(128),
            stepout: Duration::from_secs(900),
            panic_threshold: Duration::from_secs(1_000),
            distance_max: Duration::from_secs(1),
            survivors_min: 3,
            frequency_max_ppb: 500_000,
            allan: Duration::from_secs(1_500),
            save_interval: Duration::from_secs(3_600),
            flaws: Flaws::default(),
        }
    }
}

impl Config {
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let (least, most) = (self.min_poll, self.max_poll);
        if !(-2..=17).contains(&least) || !(least..=17).contains(&most) {
            return Err(format!("expected -2 <= min_poll <= max_poll <= 17, found {least} and {most}"));
        }
        if self.step_threshold >= self.panic_threshold {
            let (step, panic) = (self.step_threshold, self.panic_threshold);
            return Err(format!(
                "expected a step threshold below the panic threshold, found {step:?} and {panic:?}"
            ));
        }
        if self.phi_ppb > self.frequency_max_ppb || self.frequency_max_ppb > 1_000_000 {
            let (phi, most) = (self.phi_ppb, self.frequency_max_ppb);
            return Err(format!("expected phi_ppb <= frequency_max_ppb <= 1000000, found {phi} and {most}"));
        }
        Ok(())
    }

    /// The most that an oscillator drifts, in seconds a second.
    pub(super) fn phi(&self) -> f64 {
        f64::from(self.phi_ppb) * 1e-9
    }

    /// Half a step of the clock, both ways, in seconds.
    pub(super) fn resolution(&self) -> f64 {
        power_of_two(self.precision)
    }
}

/// Seconds of an exponent.
pub(super) fn power_of_two(exponent: i8) -> f64 {
    libm::ldexp(1.0, i32::from(exponent))
}
