//! The one policy for trying again: how long to wait after each attempt, and when to give up.
//!
//! Waits grow by a factor up to a longest one, so that a peer that is overloaded or gone is asked ever less often (exponential back-off; Metcalfe and Boggs 1976 for a
//! shared medium, Jacobson 1988 for a congested one), and each is drawn from a range, so that those who failed together do not come back together. A policy is a value: the
//! machine arms a timer with the range, and the driver draws.

use core::ops::RangeInclusive;
use core::time::Duration;

/// How often to try, and how long to wait in between.
///
/// ```
/// use core::time::Duration;
/// use synod_protocols::retry::RetryPolicy;
///
/// let policy = RetryPolicy { spread_percent: 0, attempts_max: Some(4), ..RetryPolicy::default() };
/// let waits: Vec<_> = (1..).map_while(|attempt| policy.wait(attempt)).map(|range| range.end().as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 800]); // after the last wait the caller is told
/// assert_eq!(policy.patience(), Some(Duration::from_millis(1_500)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// The longest wait after the first attempt.
    pub first: Duration,
    /// Each wait is so much of the one before: 200 doubles.
    pub growth_percent: u32,
    /// No wait is longer.
    pub longest: Duration,
    /// How much of a wait may be drawn away: at 50 it is between half of it and all.
    pub spread_percent: u32,
    /// After so many attempts the answer is given up; `None`: never.
    pub attempts_max: Option<u32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            first: Duration::from_millis(100),
            growth_percent: 200,
            longest: Duration::from_secs(2),
            spread_percent: 50,
            attempts_max: None,
        }
    }
}

impl RetryPolicy {
    /// One attempt, and a wait for its answer.
    pub fn once(wait: Duration) -> Self {
        RetryPolicy {
            first: wait,
            longest: wait,
            spread_percent: 0,
            attempts_max: Some(1),
            ..Self::default()
        }
    }

    /// How long to wait for an answer after that attempt, the first being 1; `None` if it was one too many.
    pub fn wait(&self, attempt: u32) -> Option<RangeInclusive<Duration>> {
        if attempt == 0 || self.attempts_max.is_some_and(|most| attempt > most) {
            return None;
        }
        let mut wait = self.first.min(self.longest);
        for _ in 1..attempt {
            let longer = wait.saturating_mul(self.growth_percent) / 100;
            if wait == self.longest || longer == wait {
                break;
            }
            wait = longer.min(self.longest);
        }
        let least = wait * (100 - self.spread_percent.min(100)) / 100;
        Some(least..=wait)
    }

    /// Whether another attempt follows that one.
    pub fn continues_after(&self, attempt: u32) -> bool {
        self.attempts_max.is_none_or(|most| attempt < most)
    }

    /// The longest time from the first attempt to giving up; `None`: for ever.
    pub fn patience(&self) -> Option<Duration> {
        let most = self.attempts_max?;
        Some((1..=most).filter_map(|attempt| self.wait(attempt)).map(|range| *range.end()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_keep_within_their_spread() {
        let policy = RetryPolicy { attempts_max: Some(20), ..RetryPolicy::default() };
        let waits: alloc::vec::Vec<_> =
            (1..=20).map(|attempt| policy.wait(attempt).expect("an attempt")).collect();
        assert!(waits.windows(2).all(|pair| pair[0].end() <= pair[1].end()));
        assert!(waits.iter().all(|wait| *wait.start() * 2 == *wait.end() && *wait.end() <= policy.longest));
        assert_eq!(waits[19].end(), &policy.longest);
        assert_eq!((policy.wait(0), policy.wait(21)), (None, None));
    }

    #[test]
    fn a_policy_that_does_not_grow_ends_too() {
        let policy = RetryPolicy { growth_percent: 100, ..RetryPolicy::default() };
        assert_eq!(policy.wait(u32::MAX), policy.wait(1));
        assert_eq!(policy.patience(), None);
        assert!(!RetryPolicy::once(Duration::from_secs(1)).continues_after(1));
    }
}
