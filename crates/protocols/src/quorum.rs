//! The arithmetic of majorities, also of two at once.
//!
//! Consensus rests on one fact: two majorities of one set share a member. During a change of membership decisions need a
//! majority of the old set *and* one of the new (joint consensus; Ongaro and Ousterhout 2014, section 6), so that decisions
//! of the old set, of the new one and of both pairwise share a member. An empty set asks for nothing: a single set is the joint
//! case with an empty second one.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use synod_machine::NodeId;

/// How many of `members` make a majority.
pub fn majority(members: usize) -> usize {
    members / 2 + 1
}

/// The voters of a decision: one set, or two while the membership changes.
#[derive(Clone, Copy, Debug)]
pub struct Voters<'a> {
    incoming: &'a BTreeSet<NodeId>,
    outgoing: &'a BTreeSet<NodeId>,
}

/// How a ballot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Every set has a majority in favour.
    Won,
    /// Some set cannot reach one any more.
    Lost,
    /// Neither yet.
    Open,
}

impl<'a> Voters<'a> {
    /// Decisions need a majority of `incoming` and, unless it is empty, one of `outgoing`.
    pub fn joint(incoming: &'a BTreeSet<NodeId>, outgoing: &'a BTreeSet<NodeId>) -> Self {
        Voters { incoming, outgoing }
    }

    /// Whether these nodes decide: a majority in each set. Nobody decides for an empty membership.
    pub fn decided_by(self, in_favour: impl Fn(NodeId) -> bool) -> bool {
        let enough = |set: &BTreeSet<NodeId>| {
            set.iter().filter(|node| in_favour(**node)).count() >= majority(set.len())
        };
        enough(self.incoming) && (self.outgoing.is_empty() || enough(self.outgoing))
    }

    /// How a ballot stands, given what each node said, if it did.
    pub fn tally(self, vote: impl Fn(NodeId) -> Option<bool>) -> Tally {
        if self.decided_by(|node| vote(node) == Some(true)) {
            return Tally::Won;
        }
        // Lost when even all who are silent could not make it up.
        if self.decided_by(|node| vote(node) != Some(false)) { Tally::Open } else { Tally::Lost }
    }

    /// The highest value that a majority of each set has reached; `None` for an empty membership.
    pub fn reached<T: Ord + Copy>(self, value: impl Fn(NodeId) -> T) -> Option<T> {
        let incoming = reached_by(self.incoming, &value)?;
        match reached_by(self.outgoing, &value) {
            Some(outgoing) => Some(incoming.min(outgoing)),
            None => Some(incoming),
        }
    }
}

fn reached_by<T: Ord + Copy>(set: &BTreeSet<NodeId>, value: &impl Fn(NodeId) -> T) -> Option<T> {
    // Memberships are small: up to seven values are sorted without a heap.
    const SMALL: usize = 7;
    let place = set.len().checked_sub(majority(set.len()))?;
    let mut values = set.iter().map(|node| value(*node));
    if set.len() <= SMALL {
        let mut small = [values.next()?; SMALL];
        for (slot, next) in small[1..].iter_mut().zip(values) {
            *slot = next;
        }
        let small = &mut small[..set.len()];
        small.sort_unstable();
        return Some(small[place]);
    }
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    Some(values[place])
}
