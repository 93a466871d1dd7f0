//! What is asleep in states that several ways of one level lead to: only what is asleep by all of them.
//!
//! A state goes on with what was asleep by the first way. What further ways say is kept here, under its fingerprint, until the state's own turn comes: to intersect sets gives
//! the same in any order, so that nobody need know where the state waits or who came first.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, PoisonError};

use super::FastHasher;
use super::footprint::Asleep;

type Met = HashMap<u64, Asleep, BuildHasherDefault<FastHasher>>;

/// Threads seldom want the same of so many.
const SHARDS: u64 = 64;

#[derive(Debug)]
pub(super) struct Sleepers {
    /// Of the level that is being looked beyond.
    now: Vec<Met>,
    /// Of the level that is being found.
    next: Vec<Mutex<Met>>,
}

impl Sleepers {
    pub(super) fn new() -> Self {
        Sleepers {
            now: (0..SHARDS).map(|_| Met::default()).collect(),
            next: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The next level begins.
    pub(super) fn begin_level(&mut self) {
        for (now, next) in self.now.iter_mut().zip(&mut self.next) {
            *now = std::mem::take(next.get_mut().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A further way leads to a state of the level that is being found.
    pub(super) fn meet(&self, print: u64, asleep: Asleep) {
        let shard = &self.next[(print % SHARDS) as usize];
        let mut met = shard.lock().unwrap_or_else(PoisonError::into_inner);
        match met.get_mut(&print) {
            Some(known) => known.intersect(&asleep),
            None => {
                met.insert(print, asleep);
            }
        }
    }

    /// What is asleep by all further ways to a state whose turn has come; none if there was only the first.
    pub(super) fn met(&self, print: u64) -> Option<&Asleep> {
        self.now[(print % SHARDS) as usize].get(&print)
    }
}
