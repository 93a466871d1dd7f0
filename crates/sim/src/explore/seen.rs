//! The states that were seen: 64 bits each, and for each a link to where it was first reached from.
//!
//! A state costs 8 bytes for its link and 8 for its fingerprint in a table that is between three eighths and three quarters full: 19 to 30 bytes, whatever the
//! size of the state itself. The path to a state is found by following links to an initial state and going the same way forward again.

/// Parts of the set, by the highest bits of fingerprints: threads insert into different parts at a time.
pub(super) const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const ORDINAL_BITS: u32 = 20;

/// Names a state: its shard, and its place there in the order of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StateId(u64);

impl StateId {
    /// No state comes before it.
    pub(super) const LEAST: StateId = StateId(0);

    fn new(shard: usize, place: usize) -> Self {
        let id = ((place as u64) << SHARD_BITS) | shard as u64;
        assert!(id < ROOT.0, "{id} states in one exploration are too many to name");
        StateId(id)
    }

    fn shard(self) -> usize {
        (self.0 % SHARDS as u64) as usize
    }

    fn place(self) -> usize {
        (self.0 >> SHARD_BITS) as usize
    }
}

/// How a state was first reached: from which other, and as the how-manieth of its successors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(u64);

/// The parent of initial states.
pub(super) const ROOT: StateId = StateId((1 << (64 - ORDINAL_BITS)) - 1);

impl Link {
    pub(super) fn new(parent: StateId, ordinal: usize) -> Self {
        assert!(ordinal < 1 << ORDINAL_BITS, "{ordinal} successors of one state are too many");
        Link((parent.0 << ORDINAL_BITS) | ordinal as u64)
    }

    fn parent(self) -> StateId {
        StateId(self.0 >> ORDINAL_BITS)
    }

    fn ordinal(self) -> usize {
        (self.0 & ((1 << ORDINAL_BITS) - 1)) as usize
    }
}

pub(super) fn shard_of(fingerprint: u64) -> usize {
    (fingerprint >> (64 - SHARD_BITS)) as usize
}

/// One part: an open table of fingerprints with linear probing, and links in the order of discovery.
#[derive(Debug)]
pub(super) struct Shard {
    number: usize,
    table: Vec<u64>,
    links: Vec<Link>,
}

const TABLE_ENTRIES_MIN: usize = 64;
/// What an empty place of the table holds.
const EMPTY: u64 = 0;

impl Shard {
    fn new(number: usize) -> Self {
        Shard { number, table: vec![EMPTY; TABLE_ENTRIES_MIN], links: Vec::new() }
    }

    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        self.table[self.find(fingerprint)] != EMPTY
    }

    /// Puts in what is new, and names it.
    pub(super) fn insert(&mut self, fingerprint: u64, link: Link) -> Option<StateId> {
        let place = self.find(fingerprint);
        if self.table[place] != EMPTY {
            return None;
        }
        self.table[place] = stored(fingerprint);
        self.links.push(link);
        if self.links.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        Some(StateId::new(self.number, self.links.len() - 1))
    }

    fn find(&self, fingerprint: u64) -> usize {
        let (sought, mask) = (stored(fingerprint), self.table.len() - 1);
        let mut place = sought as usize & mask;
        while self.table[place] != EMPTY && self.table[place] != sought {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let twice = vec![EMPTY; self.table.len() * 2];
        for fingerprint in std::mem::replace(&mut self.table, twice) {
            if fingerprint != EMPTY {
                let place = self.find(fingerprint);
                self.table[place] = fingerprint;
            }
        }
    }
}

fn stored(fingerprint: u64) -> u64 {
    if fingerprint == EMPTY { 1 } else { fingerprint }
}

/// All parts.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) shards: Vec<Shard>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Seen { shards: (0..SHARDS).map(Shard::new).collect() }
    }

    pub(super) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.links.len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        let entries = self.shards.iter().map(|shard| shard.table.capacity() + shard.links.capacity());
        8 * entries.sum::<usize>() as u64
    }

    /// The ordinals that lead from the initial states (the first is which of them) to that state.
    pub(super) fn path(&self, mut id: StateId) -> Vec<usize> {
        let mut path = Vec::new();
        while id != ROOT {
            let link = self.shards[id.shard()].links[id.place()];
            path.push(link.ordinal());
            id = link.parent();
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::fingerprint;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut seen = Seen::new();
        let mut last = ROOT;
        for number in 0..10_000u64 {
            let print = fingerprint(&number);
            let shard = &mut seen.shards[shard_of(print)];
            assert!(!shard.contains(print));
            last = shard.insert(print, Link::new(last, number as usize)).expect("it is new");
            assert!(shard.contains(print));
            assert_eq!(shard.insert(print, Link::new(ROOT, 0)), None);
        }
        assert_eq!(seen.len(), 10_000);
        assert_eq!(seen.path(last), (0..10_000).collect::<Vec<_>>());
        assert!(seen.bytes() < 10_000 * 40, "{}", seen.bytes());
    }

    #[test]
    fn the_fingerprint_of_an_empty_place_is_a_state_too() {
        let mut shard = Shard::new(0);
        assert!(shard.insert(0, Link::new(ROOT, 0)).is_some());
        assert!(shard.contains(0));
    }
}
