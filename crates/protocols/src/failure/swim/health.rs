//! Local health: how much reason a member has to doubt itself (Lifeguard, section IV-A, "Local Health Multiplier").
//!
//! A member that is slow to handle its messages finds everybody else silent. The counter goes up with what points at this node: a probe that nobody
//! answered, a helper that did not even say that it tried, and a suspicion against this node; it goes down with each probe that was answered.
//! Probe timeout and period are multiplied by it, so that a member in doubt accuses less.

use core::time::Duration;

/// The counter, from 0 (well) to a maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LocalHealth {
    doubts: u32,
    most: u32,
}

impl LocalHealth {
    /// A member that is well. The counter ends at `most`; 0 switches it off.
    pub fn new(most: u32) -> Self {
        LocalHealth { doubts: 0, most }
    }

    /// The counter.
    pub fn doubts(self) -> u32 {
        self.doubts
    }

    /// So many signs against this node.
    pub(super) fn doubt(&mut self, signs: u32) {
        self.doubts = self.doubts.saturating_add(signs).min(self.most);
    }

    /// A sign for it.
    pub(super) fn reassure(&mut self) {
        self.doubts = self.doubts.saturating_sub(1);
    }

    /// What a duration becomes.
    pub fn stretch(self, duration: Duration) -> Duration {
        duration * (self.doubts + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_stays_within_its_bounds() {
        let mut health = LocalHealth::new(8);
        health.reassure();
        assert_eq!(health.doubts(), 0);
        health.doubt(3);
        assert_eq!(health.stretch(Duration::from_secs(1)), Duration::from_secs(4));
        health.doubt(u32::MAX);
        assert_eq!(health.doubts(), 8);
        let mut off = LocalHealth::new(0);
        off.doubt(5);
        assert_eq!(off.stretch(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
