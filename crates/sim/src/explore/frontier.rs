//! States that were found and not yet looked beyond: with the thread that found them, in parts that do not depend on who that was.
//!
//! A state's memory is near the thread that made it, so that this thread should look beyond it and give the memory back; others take its chunks only when they have none. To end a
//! level early with one result, it is taken in rounds, and which states make a round follows from their fingerprints alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::footprint::Asleep;

/// States that a thread takes at a time.
const CHUNK_STATES: usize = 128;
/// Parts of a level, by the highest bits of fingerprints.
const PARTS: usize = 256;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// A round has at least so many states, if the level has.
const ROUND_STATES_MIN: usize = 32_768;

/// A state that was found and not yet looked beyond.
#[derive(Debug)]
pub(super) struct Item<S> {
    pub(super) state: S,
    pub(super) print: u64,
    pub(super) asleep: Asleep,
}

pub(super) type Chunk<S> = Vec<Item<S>>;

/// What one thread found at a level.
#[derive(Debug)]
pub(super) struct Frontier<S> {
    parts: Vec<Vec<Chunk<S>>>,
    states: usize,
}

impl<S> Default for Frontier<S> {
    fn default() -> Self {
        Frontier { parts: (0..PARTS).map(|_| Vec::new()).collect(), states: 0 }
    }
}

impl<S> Frontier<S> {
    pub(super) fn len(&self) -> usize {
        self.states
    }

    pub(super) fn push(&mut self, item: Item<S>) {
        let part = &mut self.parts[(item.print >> (64 - PART_BITS)) as usize];
        self.states += 1;
        match part.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_STATES => chunk.push(item),
            _ => part.push(vec![item]),
        }
    }
}

/// A level that is being looked beyond, by who found its states.
#[derive(Debug)]
pub(super) struct Level<S> {
    frontiers: Vec<Frontier<S>>,
    part: usize,
}

impl<S> Level<S> {
    pub(super) fn new(frontiers: Vec<Frontier<S>>) -> Self {
        Level { frontiers, part: 0 }
    }

    /// States that are in no round yet.
    pub(super) fn len(&self) -> usize {
        self.frontiers.iter().map(Frontier::len).sum()
    }

    /// The next of its states, until there are none.
    pub(super) fn round(&mut self) -> Option<Round<S>> {
        let mut round = Round { shares: self.frontiers.iter().map(|_| Vec::new()).collect(), states: 0 };
        while self.part < PARTS && round.states < ROUND_STATES_MIN {
            for (share, frontier) in round.shares.iter_mut().zip(&mut self.frontiers) {
                let chunks = std::mem::take(&mut frontier.parts[self.part]);
                let states: usize = chunks.iter().map(Vec::len).sum();
                (round.states, frontier.states) = (round.states + states, frontier.states - states);
                share.extend(chunks);
            }
            self.part += 1;
        }
        (round.states > 0).then_some(round)
    }
}

/// Chunks of states, by who found them.
#[derive(Debug)]
pub(super) struct Round<S> {
    shares: Vec<Vec<Chunk<S>>>,
    pub(super) states: usize,
}

/// The chunks of a round, for all threads to take.
#[derive(Debug)]
pub(super) struct Queues<S>(Vec<Queue<S>>);

#[derive(Debug)]
struct Queue<S> {
    chunks: Vec<Mutex<Chunk<S>>>,
    taken: AtomicUsize,
}

impl<S> Queues<S> {
    /// Nothing to take.
    pub(super) fn none() -> Self {
        Queues(Vec::new())
    }

    pub(super) fn new(round: Round<S>) -> Self {
        let queue = |chunks: Vec<Chunk<S>>| Queue {
            chunks: chunks.into_iter().map(Mutex::new).collect(),
            taken: AtomicUsize::new(0),
        };
        Queues(round.shares.into_iter().map(queue).collect())
    }

    /// The next chunk for that thread: of its own, or else of anybody's.
    pub(super) fn take(&self, thread: usize) -> Option<Chunk<S>> {
        let (before, from) = self.0.split_at_checked(thread)?;
        from.iter().chain(before).find_map(|queue| {
            let chunk = queue.chunks.get(queue.taken.fetch_add(1, Ordering::Relaxed))?;
            Some(std::mem::take(&mut *chunk.lock().unwrap_or_else(PoisonError::into_inner)))
        })
    }

    /// Whether every chunk was taken.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|queue| queue.taken.load(Ordering::Relaxed) >= queue.chunks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::fingerprint;

    fn frontier(numbers: impl Iterator<Item = u64>) -> Frontier<u64> {
        let mut frontier = Frontier::default();
        for state in numbers {
            frontier.push(Item { state, print: fingerprint(&state), asleep: Asleep::default() });
        }
        frontier
    }

    /// The states of each round, sorted.
    fn rounds(mut level: Level<u64>) -> Vec<Vec<u64>> {
        let mut rounds = Vec::new();
        while let Some(round) = level.round() {
            let queues = Queues::new(round);
            let mut states = Vec::new();
            while let Some(chunk) = queues.take(0) {
                states.extend(chunk.iter().map(|item| item.state));
            }
            assert!(queues.are_empty());
            states.sort_unstable();
            rounds.push(states);
        }
        assert_eq!(level.len(), 0);
        rounds
    }

    #[test]
    fn rounds_do_not_depend_on_who_found_what() {
        const STATES: u64 = 100_000;
        let alone = rounds(Level::new(vec![frontier(0..STATES)]));
        let odd = |state: &u64| state.is_multiple_of(3);
        let shared =
            vec![frontier((0..STATES).filter(odd)), frontier((0..STATES).rev().filter(|state| !odd(state)))];
        assert_eq!(rounds(Level::new(shared)), alone);
        assert!(alone.len() >= 2 && alone[0].len() >= ROUND_STATES_MIN);
        assert_eq!(alone.iter().map(Vec::len).sum::<usize>() as u64, STATES);
    }
}
