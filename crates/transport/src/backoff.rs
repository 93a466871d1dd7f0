//! How long to wait before dialing again: twice as long after each failure, within bounds, with jitter.
//!
//! Jitter keeps the peers of a node that returns from dialing it in step. The wait is drawn from the upper
//! half of the current step, so that it never collapses to nothing. Pure: the caller sleeps.

use std::time::Duration;

/// The waits of one link.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
    random: u64,
}

impl Backoff {
    /// Waits from `min` to `max`; `seed` picks the jitter.
    pub(crate) fn new(min: Duration, max: Duration, seed: u64) -> Backoff {
        Backoff { min, max, step: min, random: seed }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let half = self.step / 2;
        let wait = half + half.mul_f64(self.fraction());
        self.step = (self.step * 2).min(self.max);
        wait
    }

    /// The link was healthy: begin again with the shortest wait.
    pub(crate) fn reset(&mut self) {
        self.step = self.min;
    }

    /// In [0, 1): the next output of SplitMix64 (Steele, Lea, Flood 2014).
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        f64::from((z >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_and_begin_again_after_a_reset() {
        let (min, max) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut backoff = Backoff::new(min, max, 7);
        let mut step = min;
        for _ in 0..20 {
            let wait = backoff.next_wait();
            assert!(wait >= step / 2 && wait <= step, "expected {:?}..={step:?}, found {wait:?}", step / 2);
            step = (step * 2).min(max);
        }
        backoff.reset();
        assert!(backoff.next_wait() <= min);
    }

    #[test]
    fn two_links_do_not_wait_in_step() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2), seed);
            (0..8).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_ne!(waits(1), waits(2));
    }
}
