//! How long a suspect has (Lifeguard, section IV-B, "Local Health Aware Suspicion").
//!
//! A member that is cut off or overloaded suspects many, and nobody shares its suspicions. So a suspicion begins with a long wait, and each
//! member that suspects the same *of its own knowledge* shortens it: with `c` of `k` confirmations the wait is
//! `most - (most - least) · log(c + 1) / log(k + 1)`, at least `least`. Where most equals least it is SWIM's fixed wait.

use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Mono, NodeId};

/// A suspicion that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Suspicion {
    since: Mono,
    least: Duration,
    most: Duration,
    needed: u32,
    /// The first is who raised it.
    accusers: Vec<NodeId>,
}

impl Suspicion {
    /// Raised by `accuser`; `needed` confirmations bring the wait from `most` down to `least`.
    pub(super) fn new(accuser: NodeId, since: Mono, least: Duration, most: Duration, needed: u32) -> Self {
        Suspicion { since, least, most, needed, accusers: alloc::vec![accuser] }
    }

    /// One more member suspects the same. Whether that is news that shortens the wait.
    pub(super) fn confirm(&mut self, accuser: NodeId) -> bool {
        if self.confirmations() >= self.needed || self.accusers.contains(&accuser) {
            return false;
        }
        self.accusers.push(accuser);
        true
    }

    /// Confirmations so far, without who raised it.
    pub fn confirmations(&self) -> u32 {
        self.accusers.len() as u32 - 1
    }

    /// The whole wait, by what is known now.
    pub fn wait(&self) -> Duration {
        if self.needed == 0 {
            return self.least;
        }
        let share =
            libm::log(f64::from(self.confirmations()) + 1.0) / libm::log(f64::from(self.needed) + 1.0);
        self.most.saturating_sub((self.most - self.least).mul_f64(share)).max(self.least)
    }

    /// What is left of the wait.
    pub(super) fn left(&self, now: Mono) -> Duration {
        self.wait().saturating_sub(now.since(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_confirmations_shorten_the_wait() {
        let seconds = Duration::from_secs;
        let mut suspicion = Suspicion::new(NodeId(1), Mono::ZERO, seconds(10), seconds(60), 3);
        let mut waits = alloc::vec![suspicion.wait().as_secs()];
        assert!(!suspicion.confirm(NodeId(1)), "who raised it does not confirm it");
        for accuser in 2..=4 {
            assert!(suspicion.confirm(NodeId(accuser)));
            assert!(!suspicion.confirm(NodeId(accuser)));
            waits.push(suspicion.wait().as_secs());
        }
        assert!(!suspicion.confirm(NodeId(5)), "beyond the third nothing is gained");
        assert_eq!(waits, [60, 35, 20, 10]);
        assert_eq!(suspicion.left(Mono::from_start(seconds(4))), seconds(6));
    }

    #[test]
    fn too_small_a_group_for_confirmations_waits_least() {
        let suspicion =
            Suspicion::new(NodeId(1), Mono::ZERO, Duration::from_secs(5), Duration::from_secs(30), 0);
        assert_eq!(suspicion.wait(), Duration::from_secs(5));
    }
}
