//! The states that were seen: for each 64 bits, and 64 that say where it was first reached from.
//!
//! Open tables with linear probing, whose entries are pairs of atomic words. Whoever turns an entry's first word from empty to a state's fingerprint found the state; everybody who comes to it
//! at the same distance, finder or not, puts the least into the second word ([`Link`]). Both come out the same in whatever order threads come, without a lock, and
//! a state that was seen before costs one line of memory. The set grows between phases only, when no thread looks.
//!
//! A state costs 16 bytes in tables that are between half and three quarters full: 21 to 32 bytes, whatever the size of the state itself. The path to a state is found by
//! following links back to an initial state, and going the same way forward again with the model.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tables of the set, by the highest bits of fingerprints. One at a time grows on a thread, so that growing takes little more memory than what it leaves.
const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const SHARD_ENTRIES_MIN: usize = 256;
const ENTRY_BYTES: u64 = size_of::<Entry>() as u64;

const DEPTH_BITS: u32 = 20;
const PARENT_BITS: u32 = 64 - DEPTH_BITS;
/// The farthest that a state can be from the beginning.
pub(super) const DEPTH_MAX: u32 = (1 << DEPTH_BITS) - 2;

/// How a state was first reached: its distance from the beginning, and so much as fits of the fingerprint of a state before it. The least link is of the shortest
/// distance, and of all states that lead there from one step nearer it names the one with the least fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link(u64);

impl Link {
    /// Of an initial state.
    pub(super) const ROOT: Link = Link(0);
    const NONE: Link = Link(u64::MAX);

    pub(super) fn new(depth: u32, parent: u64) -> Self {
        Link((u64::from(depth) << PARENT_BITS) | (parent >> DEPTH_BITS))
    }

    fn depth(self) -> u32 {
        (self.0 >> PARENT_BITS) as u32
    }

    /// The least and the greatest fingerprint that the parent may have.
    fn parents(self) -> (u64, u64) {
        let least = self.0 << DEPTH_BITS;
        (least, least | ((1 << DEPTH_BITS) - 1))
    }
}

/// What was known of a state when somebody came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is in the set now.
    New,
    /// It was found at the same distance from the beginning.
    Now,
    /// It was found nearer to the beginning.
    Old,
    /// Nothing, and there is no room for it before the set grows.
    Full,
}

/// What an entry without a state holds.
const EMPTY: u64 = 0;

#[derive(Debug)]
struct Entry {
    print: AtomicU64,
    link: AtomicU64,
}

impl Default for Entry {
    fn default() -> Self {
        Entry { print: AtomicU64::new(EMPTY), link: AtomicU64::new(Link::NONE.0) }
    }
}

/// One table.
#[derive(Debug)]
struct Shard(Vec<Entry>);

impl Shard {
    fn new(entries: usize) -> Self {
        Shard((0..entries).map(|_| Entry::default()).collect())
    }

    /// Where a fingerprint would best be. It grows with the fingerprint.
    fn home(&self, print: u64) -> usize {
        let within = print << SHARD_BITS;
        ((u128::from(within) * self.0.len() as u128) >> 64) as usize
    }

    /// The entries from the best place on, each once.
    fn probe(&self, print: u64) -> impl Iterator<Item = &Entry> {
        let (before, after) = self.0.split_at(self.home(print));
        after.iter().chain(before)
    }

    // Nothing is read through an entry but its own two words, so that no order among accesses is needed; between phases threads are joined.
    #[inline]
    fn insert(&self, print: u64, link: Link) -> Known {
        let mut place = self.home(print);
        for _ in 0..self.0.len() {
            let entry = &self.0[place];
            let mut found = entry.print.load(Ordering::Relaxed);
            if found == EMPTY {
                match entry.print.compare_exchange(EMPTY, print, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => {
                        entry.link.fetch_min(link.0, Ordering::Relaxed);
                        return Known::New;
                    }
                    Err(other) => found = other,
                }
            }
            if found == print {
                // Whoever has just put it in may not have said from where: then it cannot be older.
                let known = Link(entry.link.load(Ordering::Relaxed));
                if known.depth() < link.depth() {
                    return Known::Old;
                }
                if link < known {
                    entry.link.fetch_min(link.0, Ordering::Relaxed);
                }
                return Known::Now;
            }
            place = if place + 1 == self.0.len() { 0 } else { place + 1 };
        }
        Known::Full
    }

    fn grow(&mut self) {
        let grown = Shard::new(self.0.len() + self.0.len() / 2);
        for entry in std::mem::take(&mut self.0) {
            let (print, link) = (entry.print.into_inner(), Link(entry.link.into_inner()));
            if print != EMPTY {
                grown.insert(print, link);
            }
        }
        *self = grown;
    }

    /// The states with a fingerprint in that range, each with its link.
    fn between(&self, least: u64, greatest: u64) -> Vec<(u64, Link)> {
        let (mut states, last) = (Vec::new(), self.home(greatest) - self.home(least));
        for (distance, entry) in self.probe(least).enumerate() {
            match entry.print.load(Ordering::Relaxed) {
                EMPTY if distance >= last => break,
                print if (least..=greatest).contains(&print) && print != EMPTY => {
                    states.push((print, Link(entry.link.load(Ordering::Relaxed))));
                }
                _ => {}
            }
        }
        states.sort_unstable();
        states
    }
}

/// All tables.
#[derive(Debug)]
pub(super) struct Seen {
    shards: Vec<Shard>,
    states: AtomicU64,
}

impl Seen {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::new(SHARD_ENTRIES_MIN)).collect();
        Seen { shards, states: AtomicU64::new(0) }
    }

    /// Somebody comes to a state. Those that are new are counted by [`Seen::add`].
    #[inline]
    pub(super) fn insert(&self, print: u64, link: Link) -> Known {
        let print = stored(print);
        self.shards[shard_of(print)].insert(print, link)
    }

    /// Asks for the memory where those states would be, all at once.
    #[inline]
    pub(super) fn touch(&self, prints: impl Iterator<Item = u64>) {
        let words = prints.map(|print| {
            let shard = &self.shards[shard_of(print)];
            shard.0[shard.home(print)].print.load(Ordering::Relaxed)
        });
        std::hint::black_box(words.fold(0, |all, word| all ^ word));
    }

    /// So many were new.
    pub(super) fn add(&self, states: u64) {
        self.states.fetch_add(states, Ordering::Relaxed);
    }

    pub(super) fn len(&self) -> u64 {
        self.states.load(Ordering::Relaxed)
    }

    /// Whether it should grow before much else is put in.
    pub(super) fn is_full(&self) -> bool {
        self.len() * 4 > self.entries() * 3
    }

    fn entries(&self) -> u64 {
        self.shards.iter().map(|shard| shard.0.len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries() * ENTRY_BYTES
    }

    /// What the next growth takes in addition.
    pub(super) fn bytes_to_grow(&self) -> u64 {
        self.bytes() / 2
    }

    /// Half as many entries again, on so many threads.
    pub(super) fn grow(&mut self, threads: usize) {
        let share = self.shards.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let mut shares = self.shards.chunks_mut(share);
            let mine = shares.next();
            for share in shares {
                scope.spawn(|| share.iter_mut().for_each(Shard::grow));
            }
            mine.into_iter().flatten().for_each(Shard::grow);
        });
    }

    /// The states that a shortest path from an initial state to that one may go through: at each distance a few, most often one.
    pub(super) fn layers(&self, print: u64) -> Vec<Vec<u64>> {
        let print = stored(print);
        let known = self.shards[shard_of(print)].between(print, print);
        let mut layer: Vec<(u64, Link)> = known;
        let mut layers = Vec::new();
        while let Some(depth) = layer.first().map(|(_, link)| link.depth()) {
            layers.push(layer.iter().map(|(print, _)| *print).collect());
            if depth == 0 {
                break;
            }
            let links = layer.iter().map(|(_, link)| *link);
            layer = links.flat_map(|link| self.parents(link)).collect();
            layer.sort_unstable();
            layer.dedup();
        }
        layers.reverse();
        layers
    }

    fn parents(&self, link: Link) -> Vec<(u64, Link)> {
        let (least, greatest) = link.parents();
        let near = self.shards[shard_of(least)].between(least, greatest);
        near.into_iter().filter(|(_, of)| of.depth() + 1 == link.depth()).collect()
    }
}

fn shard_of(print: u64) -> usize {
    (print >> (64 - SHARD_BITS)) as usize
}

/// A fingerprint as it stands in the set.
pub(super) fn stored(print: u64) -> u64 {
    if print == EMPTY { 1 } else { print }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::fingerprint;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        const STATES: u64 = 100_000;
        let (mut seen, mut parent) = (Seen::new(), 0);
        for number in 0..STATES {
            if seen.is_full() {
                seen.grow(1 + number as usize % 3);
            }
            let (print, link) = (fingerprint(&number), Link::new(number as u32, parent));
            assert_eq!(seen.insert(print, link), Known::New);
            seen.add(1);
            assert_eq!(seen.insert(print, link), Known::Now);
            assert_eq!(seen.insert(print, Link::new(number as u32 + 1, 0)), Known::Old);
            parent = print;
        }
        assert_eq!(seen.len(), STATES);
        let expected: Vec<Vec<u64>> = (0..STATES).map(|number| vec![fingerprint(&number)]).collect();
        assert_eq!(seen.layers(parent), expected);
        assert!(seen.bytes() < STATES * 33, "{}", seen.bytes());
    }

    #[test]
    fn threads_that_come_at_once_find_each_state_once_and_agree_from_where() {
        let seen = Seen::new();
        let prints: Vec<u64> = (0..8_000u64).map(|number| fingerprint(&number)).collect();
        let come = |turned: bool| {
            let mut new = 0;
            for place in 0..prints.len() {
                let place = if turned { prints.len() - 1 - place } else { place };
                let link = Link::new(1, if turned { 7 << 32 } else { 5 << 32 });
                new += u64::from(seen.insert(prints[place], link) == Known::New);
            }
            new
        };
        let (here, there) = std::thread::scope(|scope| {
            let other = scope.spawn(|| come(true));
            (come(false), other.join().expect("it does not panic"))
        });
        assert_eq!(here + there, 8_000);
        let links = prints.iter().map(|print| seen.shards[shard_of(*print)].between(*print, *print));
        for (print, found) in prints.iter().zip(links) {
            assert_eq!(found, [(*print, Link::new(1, 5 << 32))]);
        }
    }

    #[test]
    fn a_parent_that_is_told_by_its_first_bits_is_found_among_its_neighbours() {
        let seen = Seen::new();
        let (one, other) = (0x0123_4567_89ab_c000, 0x0123_4567_89ab_c001);
        seen.insert(one, Link::ROOT);
        seen.insert(other, Link::ROOT);
        seen.insert(77 << 50, Link::new(1, one));
        assert_eq!(seen.layers(77 << 50), [vec![one, other], vec![77 << 50]]);
    }

    #[test]
    fn a_table_without_room_says_so_and_an_empty_fingerprint_is_a_state_too() {
        let seen = Seen::new();
        assert_eq!(seen.insert(0, Link::ROOT), Known::New);
        assert_eq!(seen.insert(0, Link::new(1, 9)), Known::Old);
        let told: Vec<Known> =
            (2..=SHARD_ENTRIES_MIN as u64 + 1).map(|print| seen.insert(print, Link::ROOT)).collect();
        assert_eq!(told.last(), Some(&Known::Full));
        assert!(told[..told.len() - 1].iter().all(|known| *known == Known::New));
    }
}
