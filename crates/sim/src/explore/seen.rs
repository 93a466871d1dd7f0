//! The states that were seen: 64 bits each, and for each a link to where it was first reached from.
//!
//! A state costs 8 bytes for its link and 8 for its fingerprint in a table that is between three eighths and three quarters full: 19 to 30 bytes, whatever the
//! size of the state itself. Where actions may be asleep, the table also says where to find the state among those of its level: 24 to 40 bytes. The path to a state is found by following links to an initial state and going the same way forward again.

/// Parts of the set, by the highest bits of fingerprints: threads insert into different parts at a time.
pub(super) const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const ORDINAL_BITS: u32 = 24;

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

/// How a state was first reached: from which other, and which way. See [`super::path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(u64);

/// The parent of initial states.
pub(super) const ROOT: StateId = StateId((1 << (64 - ORDINAL_BITS)) - 1);

impl Link {
    pub(super) fn new(parent: StateId, ordinal: usize) -> Self {
        assert!(ordinal < 1 << ORDINAL_BITS, "{ordinal} initial states are too many");
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
    /// Beside the table, the place of each in the order of discovery; only if it is asked for.
    places: Option<Vec<u32>>,
    links: Vec<Link>,
    /// How many there were when the level began that is being looked beyond.
    level: usize,
}

/// What is known of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    New,
    /// It was found since the level began; its place among those. Only told where places are kept.
    Now(usize),
    /// It was found.
    Old,
}

const TABLE_ENTRIES_MIN: usize = 64;
/// What an empty place of the table holds.
const EMPTY: u64 = 0;

impl Shard {
    fn new(number: usize, keeps_places: bool) -> Self {
        let places = keeps_places.then(|| vec![0; TABLE_ENTRIES_MIN]);
        Shard { number, table: vec![EMPTY; TABLE_ENTRIES_MIN], places, links: Vec::new(), level: 0 }
    }

    pub(super) fn begin_level(&mut self) {
        self.level = self.links.len();
    }

    pub(super) fn look(&self, fingerprint: u64) -> Known {
        self.known(self.find(fingerprint))
    }

    /// Puts in what is new, and names it.
    pub(super) fn insert(&mut self, fingerprint: u64, link: Link) -> Result<StateId, Known> {
        let place = self.find(fingerprint);
        match self.known(place) {
            Known::New => {}
            known => return Err(known),
        }
        self.table[place] = stored(fingerprint);
        if let Some(places) = &mut self.places {
            places[place] = u32::try_from(self.links.len()).expect("fewer than 2^38 states in all");
        }
        self.links.push(link);
        if self.links.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        Ok(StateId::new(self.number, self.links.len() - 1))
    }

    fn known(&self, place: usize) -> Known {
        if self.table[place] == EMPTY {
            return Known::New;
        }
        let since = self.places.as_ref().and_then(|places| (places[place] as usize).checked_sub(self.level));
        since.map_or(Known::Old, Known::Now)
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
        let entries = self.table.len() * 2;
        let table = std::mem::replace(&mut self.table, vec![EMPTY; entries]);
        let places = self.places.as_mut().map(|places| std::mem::replace(places, vec![0; entries]));
        for (old, fingerprint) in table.into_iter().enumerate() {
            if fingerprint == EMPTY {
                continue;
            }
            let place = self.find(fingerprint);
            self.table[place] = fingerprint;
            if let (Some(new), Some(places)) = (&mut self.places, &places) {
                new[place] = places[old];
            }
        }
    }

    fn bytes(&self) -> usize {
        let places = self.places.as_ref().map_or(0, Vec::capacity);
        8 * (self.table.capacity() + self.links.capacity()) + 4 * places
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
    /// `keeps_places`: whether [`Known::Now`] is told.
    pub(super) fn new(keeps_places: bool) -> Self {
        Seen { shards: (0..SHARDS).map(|number| Shard::new(number, keeps_places)).collect() }
    }

    pub(super) fn begin_level(&mut self) {
        self.shards.iter_mut().for_each(Shard::begin_level);
    }

    pub(super) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.links.len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes() as u64).sum()
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
        for keeps_places in [false, true] {
            let mut seen = Seen::new(keeps_places);
            let mut last = ROOT;
            for number in 0..10_000u64 {
                if number == 6_000 {
                    seen.begin_level();
                }
                let print = fingerprint(&number);
                let shard = &mut seen.shards[shard_of(print)];
                assert_eq!(shard.look(print), Known::New);
                last = shard.insert(print, Link::new(last, number as usize)).expect("it is new");
                let known = shard.look(print);
                assert_eq!(matches!(known, Known::Now(_)), keeps_places, "{known:?}");
                assert_eq!(shard.insert(print, Link::new(ROOT, 0)), Err(known));
            }
            assert_eq!(seen.len(), 10_000);
            assert_eq!(seen.path(last), (0..10_000).collect::<Vec<_>>());
            assert!(seen.bytes() < 10_000 * if keeps_places { 52 } else { 40 }, "{}", seen.bytes());
            let known = |number: u64| seen.shards[shard_of(fingerprint(&number))].look(fingerprint(&number));
            assert!((0..6_000).all(|number| known(number) == Known::Old));
            assert!((6_000..10_000).all(|number| matches!(known(number), Known::Now(_)) == keeps_places));
        }
    }

    #[test]
    fn the_fingerprint_of_an_empty_place_is_a_state_too() {
        let mut shard = Shard::new(0, false);
        assert!(shard.insert(0, Link::new(ROOT, 0)).is_ok());
        assert_eq!(shard.look(0), Known::Old);
    }
}
