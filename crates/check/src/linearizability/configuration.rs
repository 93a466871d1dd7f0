//! Configurations: possible worlds, and which of them make others superfluous.

use std::hash::Hash;

use crate::hashing::hash_of;

use super::mask::Mask;

/// One way in which everything that has returned can be explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Configuration<M> {
    /// The operations in flight that have taken effect.
    pub used: M,
    /// The overwrites in flight that have not, and were in flight at the last overwrite too: they could have taken
    /// effect just before it, seen by nobody.
    pub hideable: M,
    /// The number of the state.
    pub state: u32,
}

/// The operations in flight by what they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds<M> {
    /// Change nothing.
    pub read_only: M,
    /// Blind writes that return.
    pub overwrite: M,
    /// Blind writes, whether they return or not.
    pub blind: M,
    /// Neither reads nor blind writes, whether they return or not.
    pub general: M,
    /// Never return.
    pub unknown: M,
}

impl<M: Mask> Configuration<M> {
    /// Whether an overwrite in flight has neither taken effect nor could have done so before the last overwrite.
    pub fn has_unhideable(&self, kinds: &Kinds<M>) -> bool {
        let words = kinds.overwrite.words(&self.used);
        (0..words).any(|index| {
            kinds.overwrite.word(index) & !self.used.word(index) & !self.hideable.word(index) != 0
        })
    }

    /// The same without the operation in `slot`, which is over.
    pub fn closed(mut self, slot: usize) -> Self {
        self.used.remove(slot);
        self.hideable.remove(slot);
        self
    }

    /// Whether whatever can follow `other` can follow `self` too. The states must be equal.
    ///
    /// - A read that took effect here and not there is one obligation less; never the reverse.
    /// - A write that took effect there and not here: here it can still be placed, or hidden if it is hideable here.
    ///   The reverse is no good: there it can still give its value to a read.
    /// - A write placed in neither that can be hidden there must be hideable here.
    /// - An operation without return that took effect there and not here is one more possibility here.
    /// - Anything else must be the same on both sides.
    pub fn dominates(&self, other: &Self, kinds: &Kinds<M>) -> bool {
        let words = self.used.words(&other.used).max(self.hideable.words(&other.hideable));
        (0..words).all(|index| {
            let (used, other_used) = (self.used.word(index), other.used.word(index));
            let (hideable, other_hideable) = (self.hideable.word(index), other.hideable.word(index));
            let (read_only, overwrite) = (kinds.read_only.word(index), kinds.overwrite.word(index));
            let only_here = used & !other_used;
            let only_there = other_used & !used;
            let left_there = overwrite & !used & (other_used | other_hideable) & !hideable;
            let wrong_there = only_there & !(overwrite | kinds.unknown.word(index));
            (only_here & !read_only) | wrong_there | left_there == 0
        })
    }

    /// How little is left of what could help later: the smaller, the more promising. An unanswered overwrite that was
    /// used counts for `overwrite_price` other operations, which can help in fewer states.
    pub fn burden(&self, kinds: &Kinds<M>, overwrite_price: u32) -> (u32, u32) {
        let (mut spent, mut settled) = (0, 0);
        for index in 0..self.used.words(&self.hideable) {
            let unknown = kinds.unknown.word(index);
            let used = self.used.word(index) & unknown;
            let overwrites = (used & kinds.blind.word(index)).count_ones();
            spent += used.count_ones() - overwrites + overwrites * overwrite_price;
            settled += ((self.used.word(index) & !unknown) | self.hideable.word(index)).count_ones();
        }
        (spent, u32::MAX - settled)
    }
}

/// In a group of equal states larger than this, a configuration is compared with so many others only: the rule is
/// there to save work, not to make it.
const COMPARED_MAX: usize = 64;
/// Up to so many configurations each is compared with each, which is cheaper than to bring them into an order.
const COMPARED_IN_PLACE_MAX: usize = 16;

/// Leaves out what another makes superfluous. Deterministic: the order of what is left depends on the order of what
/// was there.
pub(super) fn reduce<M: Mask>(configurations: &mut Vec<Configuration<M>>, kinds: &Kinds<M>) {
    if configurations.len() <= COMPARED_IN_PLACE_MAX {
        reduce_few(configurations, kinds);
    } else {
        reduce_many(configurations, kinds);
    }
}

fn reduce_few<M: Mask>(configurations: &mut Vec<Configuration<M>>, kinds: &Kinds<M>) {
    let mut kept = 0;
    while kept < configurations.len() {
        let (before, from) = configurations.split_at_mut(kept);
        let (one, after) = from.split_first_mut().expect("one is left");
        if before.iter().any(|other| other.state == one.state && other.dominates(one, kinds))
            || after.iter().any(|other| {
                // Of two that dominate each other the first stays.
                other.state == one.state && other.dominates(one, kinds) && !one.dominates(other, kinds)
            })
        {
            configurations.remove(kept);
        } else {
            kept += 1;
        }
    }
}

fn reduce_many<M: Mask>(configurations: &mut Vec<Configuration<M>>, kinds: &Kinds<M>) {
    // Those with equal states side by side, those with most freedom first.
    let mut order: Vec<(u32, u32, u32)> = configurations
        .iter()
        .enumerate()
        .map(|(index, configuration)| (configuration.state, configuration.used.count(), index as u32))
        .collect();
    order.sort_unstable();
    let mut superfluous = vec![false; configurations.len()];
    for (position, &(state, _, index)) in order.iter().enumerate() {
        let index = index as usize;
        if superfluous[index] {
            continue;
        }
        let one = &configurations[index];
        let nearby = order[position + 1..].iter().take(COMPARED_MAX).take_while(|near| near.0 == state);
        for &(_, _, near) in nearby {
            let near = near as usize;
            if superfluous[near] {
                continue;
            }
            let two = &configurations[near];
            if one.dominates(two, kinds) {
                superfluous[near] = true;
            } else if two.dominates(one, kinds) {
                superfluous[index] = true;
                break;
            }
        }
    }
    let mut index = 0;
    configurations.retain(|_| {
        index += 1;
        !superfluous[index - 1]
    });
}

/// Configurations, each once, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct ConfigurationSet<M> {
    list: Vec<Configuration<M>>,
    /// Places of the list by hash, a power of two of them; used once the list is long. 0 is an empty place.
    places: Vec<u32>,
    is_hashed: bool,
}

/// Lists up to this length are looked through.
const LOOKED_THROUGH_MAX: usize = 12;

impl<M> Default for ConfigurationSet<M> {
    fn default() -> Self {
        Self { list: Vec::new(), places: Vec::new(), is_hashed: false }
    }
}

impl<M: Mask> ConfigurationSet<M> {
    pub fn clear(&mut self) {
        self.list.clear();
        self.is_hashed = false;
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn get(&self, index: usize) -> &Configuration<M> {
        &self.list[index]
    }

    /// The configurations, leaving the set empty and the other list in its place.
    pub fn swap(&mut self, list: &mut Vec<Configuration<M>>) {
        list.clear();
        std::mem::swap(&mut self.list, list);
        self.is_hashed = false;
    }

    /// Whether it is new.
    #[inline]
    pub fn insert(&mut self, configuration: Configuration<M>) -> bool {
        if !self.is_hashed {
            if self.list.contains(&configuration) {
                return false;
            }
            self.list.push(configuration);
            if self.list.len() > LOOKED_THROUGH_MAX {
                self.hash_all();
            }
            return true;
        }
        let place = self.place(&configuration);
        if self.places[place] != 0 {
            return false;
        }
        self.list.push(configuration);
        self.places[place] = self.list.len() as u32;
        if self.list.len() * 2 > self.places.len() {
            self.hash_all();
        }
        true
    }

    /// Where it is, or would be.
    fn place(&self, configuration: &Configuration<M>) -> usize {
        let last = self.places.len() - 1;
        let mut place = hash_of(configuration) as usize & last;
        while let Some(index) = self.places[place].checked_sub(1)
            && self.list[index as usize] != *configuration
        {
            place = (place + 1) & last;
        }
        place
    }

    fn hash_all(&mut self) {
        let len = (self.list.len() * 4).next_power_of_two();
        self.places.clear();
        self.places.resize(len, 0);
        self.is_hashed = true;
        for index in 0..self.list.len() {
            let place = self.place(&self.list[index]);
            self.places[place] = index as u32 + 1;
        }
    }
}
