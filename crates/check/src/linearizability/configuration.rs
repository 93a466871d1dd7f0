//! Configurations: possible worlds, and which of them make others superfluous.

use std::hash::Hash;

use crate::hashing::{FastSet, hash_of};

use super::mask::Mask;

/// One way in which everything that has returned can be explained.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Configuration<T> {
    /// The operations in flight that have taken effect.
    pub used: Mask,
    /// The overwrites in flight that were in flight at the last overwrite too, and so could have taken effect just
    /// before it, seen by nobody.
    pub hideable: Mask,
    /// The state.
    pub state: T,
}

/// The operations in flight by what they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    /// Change nothing.
    pub read_only: Mask,
    /// Blind writes that return.
    pub overwrite: Mask,
    /// Never return.
    pub unknown: Mask,
}

impl<T: PartialEq> Configuration<T> {
    /// Whether an overwrite in flight has neither taken effect nor could have done so before the last overwrite.
    pub fn has_unhideable(&self, kinds: &Kinds) -> bool {
        let words = Mask::words_max([&kinds.overwrite]);
        (0..words).any(|index| {
            kinds.overwrite.word(index) & !self.used.word(index) & !self.hideable.word(index) != 0
        })
    }

    /// Whether whatever can follow `other` can follow `self` too. The states must be equal.
    ///
    /// - A read that took effect here and not there is one obligation less; never the reverse.
    /// - A write that took effect there and not here: here it can still be placed, or hidden if it is hideable here.
    ///   The reverse is no good: there it can still give its value to a read.
    /// - A write placed in neither that can be hidden there must be hideable here.
    /// - An operation without return that took effect there and not here is one more possibility here.
    /// - Anything else must be the same on both sides.
    fn dominates(&self, other: &Self, kinds: &Kinds) -> bool {
        let words = Mask::words_max([&self.used, &other.used, &self.hideable, &other.hideable]);
        (0..words).all(|index| {
            let (used, other_used) = (self.used.word(index), other.used.word(index));
            let (hideable, other_hideable) = (self.hideable.word(index), other.hideable.word(index));
            let (read_only, overwrite) = (kinds.read_only.word(index), kinds.overwrite.word(index));
            let unknown = kinds.unknown.word(index);
            let only_here = used & !other_used;
            let only_there = other_used & !used;
            only_here & !read_only == 0
                && only_there & !(overwrite | unknown) == 0
                && overwrite & !used & (other_used | other_hideable) & !hideable == 0
        })
    }
}

/// In a group of equal states larger than this, a configuration is compared with so many others only: the rule is
/// there to save work, not to make it.
const COMPARED_MAX: usize = 64;

/// Leaves out what is there twice and what another makes superfluous. Deterministic: the order of what is left depends
/// on the order of what was there.
pub(super) fn reduce<T: Clone + Eq + Hash>(configurations: &mut Vec<Configuration<T>>, kinds: &Kinds) {
    if configurations.len() < 2 {
        return;
    }
    let mut seen = FastSet::default();
    configurations.retain(|configuration| seen.insert(configuration.clone()));
    if configurations.len() < 2 {
        return;
    }
    // Those with equal states side by side, those with most freedom first.
    let mut order: Vec<(u64, u32, usize)> = configurations
        .iter()
        .enumerate()
        .map(|(index, configuration)| (hash_of(&configuration.state), configuration.used.len(), index))
        .collect();
    order.sort_unstable();
    let mut superfluous = vec![false; configurations.len()];
    for (position, &(hash, _, index)) in order.iter().enumerate() {
        let nearby = order[position + 1..].iter().take(COMPARED_MAX).take_while(|near| near.0 == hash);
        for &(_, _, near) in nearby {
            let (one, two) = (&configurations[index], &configurations[near]);
            if superfluous[index] || superfluous[near] || one.state != two.state {
                continue;
            }
            if one.dominates(two, kinds) {
                superfluous[near] = true;
            } else if two.dominates(one, kinds) {
                superfluous[index] = true;
            }
        }
    }
    let mut index = 0;
    configurations.retain(|_| {
        index += 1;
        !superfluous[index - 1]
    });
}
