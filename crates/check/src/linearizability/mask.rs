//! Sets of slots: which of the operations in flight a configuration has dealt with.
//!
//! A search holds millions of them, so they are as small as the number of slots in use allows: one word while there are
//! at most 64, four words up to 256, and a vector without bound for histories with many operations that were never
//! answered. A search begins with the smallest and is made wider when it runs out of slots.

use std::fmt::Debug;
use std::hash::Hash;

pub(super) const WORD_BITS: usize = u64::BITS as usize;

/// A set of slots. Equal sets are equal values.
pub(super) trait Mask: Clone + Debug + Default + PartialEq + Eq + Hash {
    /// How many slots there can be.
    const SLOTS_MAX: usize;

    /// How many words have to be looked at to see all of both sets.
    fn words(&self, other: &Self) -> usize;
    /// The `index`th group of 64 slots.
    fn word(&self, index: usize) -> u64;
    /// The word in which the slot with `index * 64` is, to be changed.
    fn change(&mut self, index: usize, change: impl FnOnce(u64) -> u64);

    fn contains(&self, slot: usize) -> bool {
        self.word(slot / WORD_BITS) >> (slot % WORD_BITS) & 1 == 1
    }

    fn insert(&mut self, slot: usize) {
        self.change(slot / WORD_BITS, |word| word | 1 << (slot % WORD_BITS));
    }

    fn remove(&mut self, slot: usize) {
        self.change(slot / WORD_BITS, |word| word & !(1 << (slot % WORD_BITS)));
    }

    fn is_empty(&self) -> bool {
        (0..self.words(self)).all(|index| self.word(index) == 0)
    }

    /// How many slots are in the set.
    fn count(&self) -> u32 {
        (0..self.words(self)).map(|index| self.word(index).count_ones()).sum()
    }

    /// What is in both.
    fn and(&self, other: &Self) -> Self {
        self.merged(other, |one, two| one & two)
    }

    /// What is in this set and not in the other.
    fn without(&self, other: &Self) -> Self {
        self.merged(other, |one, two| one & !two)
    }

    /// What is in either.
    fn or(&self, other: &Self) -> Self {
        self.merged(other, |one, two| one | two)
    }

    /// Word by word.
    fn merged(&self, other: &Self, merge: impl Fn(u64, u64) -> u64) -> Self {
        let mut merged = Self::default();
        for index in 0..self.words(other) {
            let word = merge(self.word(index), other.word(index));
            if word != 0 {
                merged.change(index, |_| word);
            }
        }
        merged
    }

    /// The slots in the set, in order.
    fn slots(&self) -> impl Iterator<Item = usize> {
        (0..self.words(self)).flat_map(|index| {
            let mut left = self.word(index);
            std::iter::from_fn(move || {
                let slot = left.trailing_zeros() as usize;
                (left != 0).then(|| {
                    left &= left - 1;
                    index * WORD_BITS + slot
                })
            })
        })
    }

    /// The same set in another width, which must have room for it.
    fn widened<N: Mask>(&self) -> N {
        let mut wide = N::default();
        self.slots().for_each(|slot| wide.insert(slot));
        wide
    }
}

/// A set of up to `64 * N` slots, which costs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Words<const N: usize>([u64; N]);

impl<const N: usize> Default for Words<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Mask for Words<N> {
    const SLOTS_MAX: usize = N * WORD_BITS;

    #[inline]
    fn words(&self, _: &Self) -> usize {
        N
    }

    #[inline]
    fn word(&self, index: usize) -> u64 {
        self.0[index]
    }

    #[inline]
    fn change(&mut self, index: usize, change: impl FnOnce(u64) -> u64) {
        self.0[index] = change(self.0[index]);
    }
}

/// A set without bound. No empty words are kept at the end, so that equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Unbounded(Vec<u64>);

impl Mask for Unbounded {
    const SLOTS_MAX: usize = usize::MAX;

    fn words(&self, other: &Self) -> usize {
        self.0.len().max(other.0.len())
    }

    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn change(&mut self, index: usize, change: impl FnOnce(u64) -> u64) {
        let word = change(self.word(index));
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = word;
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What a set does, held against the library's.
    fn is_a_set<M: Mask>(changes: &[(usize, bool)], other: &BTreeSet<usize>) -> Result<(), TestCaseError> {
        let (mut mask, mut model) = (M::default(), BTreeSet::new());
        for &(slot, insert) in changes.iter().filter(|change| change.0 < M::SLOTS_MAX) {
            if insert {
                mask.insert(slot);
                model.insert(slot);
            } else {
                mask.remove(slot);
                model.remove(&slot);
            }
        }
        let of = |set: &BTreeSet<usize>| {
            let mut mask = M::default();
            set.iter().for_each(|&slot| mask.insert(slot));
            mask
        };
        let other: BTreeSet<usize> = other.iter().copied().filter(|&slot| slot < M::SLOTS_MAX).collect();
        prop_assert_eq!(&mask, &of(&model));
        prop_assert_eq!(mask.count() as usize, model.len());
        prop_assert_eq!(mask.is_empty(), model.is_empty());
        prop_assert_eq!(mask.slots().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        prop_assert!((0..M::SLOTS_MAX.min(400)).all(|slot| mask.contains(slot) == model.contains(&slot)));
        prop_assert_eq!(mask.and(&of(&other)), of(&model.intersection(&other).copied().collect()));
        prop_assert_eq!(mask.or(&of(&other)), of(&model.union(&other).copied().collect()));
        prop_assert_eq!(mask.without(&of(&other)), of(&model.difference(&other).copied().collect()));
        prop_assert_eq!(mask.widened::<Unbounded>().slots().collect::<BTreeSet<_>>(), model);
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_a_set_and_equal_sets_are_equal_values(
            changes in prop::collection::vec((0_usize..400, prop::bool::ANY), 0..60),
            other in prop::collection::btree_set(0_usize..400, 0..60),
        ) {
            is_a_set::<Words<1>>(&changes, &other)?;
            is_a_set::<Words<4>>(&changes, &other)?;
            is_a_set::<Unbounded>(&changes, &other)?;
        }
    }
}
