//! Sets of slots: which of the operations in flight a configuration has dealt with.
//!
//! The first [`INLINE_BITS`] slots cost no allocation. More are in use only with that many clients, or when that many
//! operations were never answered.

/// Slots that fit into a mask without allocation.
const INLINE_BITS: usize = u128::BITS as usize;
const WORD_BITS: usize = u64::BITS as usize;

/// A set of small numbers. Equal sets are equal values: no trailing empty words are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Mask {
    low: u128,
    high: Vec<u64>,
}

impl Mask {
    pub fn contains(&self, slot: usize) -> bool {
        if slot < INLINE_BITS {
            return self.low >> slot & 1 == 1;
        }
        let (word, bit) = place(slot);
        self.high.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    pub fn insert(&mut self, slot: usize) {
        if slot < INLINE_BITS {
            self.low |= 1 << slot;
            return;
        }
        let (word, bit) = place(slot);
        if self.high.len() <= word {
            self.high.resize(word + 1, 0);
        }
        self.high[word] |= 1 << bit;
    }

    pub fn remove(&mut self, slot: usize) {
        if slot < INLINE_BITS {
            self.low &= !(1 << slot);
            return;
        }
        let (word, bit) = place(slot);
        if let Some(word) = self.high.get_mut(word) {
            *word &= !(1 << bit);
            while self.high.last() == Some(&0) {
                self.high.pop();
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.low == 0 && self.high.is_empty()
    }

    /// How many slots are in the set.
    pub fn len(&self) -> u32 {
        self.low.count_ones() + self.high.iter().map(|word| word.count_ones()).sum::<u32>()
    }

    /// Keeps only what is in `other` too.
    pub fn intersect(&mut self, other: &Self) {
        self.low &= other.low;
        self.high.truncate(other.high.len());
        for (word, other) in self.high.iter_mut().zip(&other.high) {
            *word &= other;
        }
        while self.high.last() == Some(&0) {
            self.high.pop();
        }
    }

    /// The words of the set, for conditions over several sets at once: [`Mask::word`] of `0..Mask::words_max(..)`.
    pub fn words_max<const N: usize>(masks: [&Self; N]) -> usize {
        1 + masks.iter().map(|mask| mask.high.len().div_ceil(2)).max().unwrap_or(0)
    }

    /// The `index`th group of 128 slots.
    pub fn word(&self, index: usize) -> u128 {
        let Some(pair) = index.checked_sub(1) else { return self.low };
        let part = |word: usize| u128::from(self.high.get(word).copied().unwrap_or(0));
        part(pair * 2) | part(pair * 2 + 1) << WORD_BITS
    }
}

fn place(slot: usize) -> (usize, usize) {
    ((slot - INLINE_BITS) / WORD_BITS, (slot - INLINE_BITS) % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_and_equal_sets_are_equal_values(
            changes in prop::collection::vec((0_usize..400, prop::bool::ANY), 0..60),
            other in prop::collection::btree_set(0_usize..400, 0..60),
        ) {
            let (mut mask, mut model) = (Mask::default(), BTreeSet::new());
            for (slot, insert) in changes {
                if insert {
                    mask.insert(slot);
                    model.insert(slot);
                } else {
                    mask.remove(slot);
                    model.remove(&slot);
                }
            }
            let of = |set: &BTreeSet<usize>| {
                let mut mask = Mask::default();
                set.iter().for_each(|&slot| mask.insert(slot));
                mask
            };
            prop_assert_eq!(&mask, &of(&model));
            prop_assert_eq!(mask.len() as usize, model.len());
            prop_assert_eq!(mask.is_empty(), model.is_empty());
            for slot in 0..400 {
                prop_assert_eq!(mask.contains(slot), model.contains(&slot));
                prop_assert_eq!(mask.word(slot / 128) >> (slot % 128) & 1 == 1, model.contains(&slot));
            }
            prop_assert!(model.iter().all(|slot| slot / 128 < Mask::words_max([&mask])));
            mask.intersect(&of(&other));
            prop_assert_eq!(mask, of(&model.intersection(&other).copied().collect()));
        }
    }
}
