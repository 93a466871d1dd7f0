//! The worlds that are looked at while one return is explained.

use super::configuration::{Configuration, ConfigurationSet, Kinds};
use super::mask::Mask;

/// A new world is compared with at most so many others with its state.
const COMPARED_MAX: usize = 64;

/// No index.
const NONE: u32 = u32::MAX;

/// Worlds in the order in which they were found. A world that one found before makes superfluous is not taken in; those
/// found before have fewer operations placed, so the superfluous ones come late.
#[derive(Clone, Debug)]
pub(super) struct Explored<M> {
    worlds: ConfigurationSet<M>,
    /// For each world, the one found before it with the same state.
    before: Vec<u32>,
    /// By state: the last one found.
    last: Vec<u32>,
}

impl<M> Default for Explored<M> {
    fn default() -> Self {
        Self { worlds: ConfigurationSet::default(), before: Vec::new(), last: Vec::new() }
    }
}

impl<M: Mask> Explored<M> {
    pub fn clear(&mut self) {
        for index in 0..self.worlds.len() {
            self.last[self.worlds.get(index).state as usize] = NONE;
        }
        self.worlds.clear();
        self.before.clear();
    }

    pub fn len(&self) -> usize {
        self.worlds.len()
    }

    pub fn get(&self, index: usize) -> &Configuration<M> {
        self.worlds.get(index)
    }

    /// Takes in a world of the frontier, where no two are alike.
    pub fn begin_with(&mut self, world: Configuration<M>) {
        let state = world.state;
        if self.worlds.insert(world) {
            self.link(state);
        }
    }

    /// Takes in a world unless there is one that is as good.
    pub fn insert(&mut self, world: Configuration<M>, kinds: &Kinds<M>) {
        let state = world.state;
        let mut compared = 0;
        let mut other = self.last.get(state as usize).copied().unwrap_or(NONE);
        while other != NONE && compared < COMPARED_MAX {
            if self.worlds.get(other as usize).dominates(&world, kinds) {
                return;
            }
            other = self.before[other as usize];
            compared += 1;
        }
        if self.worlds.insert(world) {
            self.link(state);
        }
    }

    fn link(&mut self, state: u32) {
        let state = state as usize;
        if self.last.len() <= state {
            self.last.resize(state + 1, NONE);
        }
        self.before.push(self.last[state]);
        self.last[state] = self.before.len() as u32 - 1;
    }
}
