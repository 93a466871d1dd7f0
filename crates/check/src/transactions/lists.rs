//! Facts from list-append histories: a list that was read is its own history.
//!
//! # How it works
//! Every element was appended by one known transaction, so a list names the writers of all versions before it, in their
//! order (Kingsbury and Alvaro, VLDB 2020, section 4). The longest list of a key is the chain of its versions; a list that
//! is no beginning of it contradicts it. A committed element that is in no list was appended after the last list was read.

use super::anomaly::Anomaly;
use super::facts::{ASTRAY, Facts, Groups, NONE, Oddity, Read, Source, Writes, counting, report};
use super::history::{History, Stored};
use super::operation::Status;

/// What a list-append history says for certain.
pub(super) fn facts(history: &History) -> Facts {
    let mut writes = Writes::new(history);
    let ambiguous = writes.ambiguous(history);
    let keys = Keys::new(history, &mut writes);
    place_strays(history, &mut writes);
    let counts = counting(history, &writes);
    let mut chains = Groups::default();
    let mut loose = Groups::default();
    for key in 0..history.keys_count() {
        chains.push(keys.chains.get(key).iter().map(|&write| match write {
            NONE => NONE,
            write if counts[writes.transaction[write as usize] as usize] => {
                writes.transaction[write as usize]
            }
            _ => NONE,
        }));
        let unseen = writes.of_key(key as u32).iter().map(|(_, write)| *write as usize);
        let unseen = unseen.filter(|&write| writes.position[write] == NONE);
        let mut writers: Vec<u32> = unseen.map(|write| writes.transaction[write]).collect();
        writers.retain(|&writer| counts[writer as usize]);
        writers.sort_unstable();
        writers.dedup();
        loose.push(writers);
    }
    let mut reader = Reader {
        history,
        writes: &writes,
        keys: &keys,
        counts: &counts,
        reads: Vec::new(),
        oddities: Vec::new(),
        views: vec![View::default(); history.keys_count()],
        next_write: 0,
    };
    for transaction in 0..history.len() {
        reader.read(transaction as u32);
    }
    let Reader { reads, oddities, .. } = reader;
    Facts { counts, chains, loose, reads, oddities, ambiguous }
}

/// What is known of each key's longest list.
struct Keys {
    /// The write of each element, [`NONE`] where nobody wrote it.
    chains: Groups,
    /// The first element that nobody wrote, that is there for the second time, or whose writer aborted.
    garbage: Vec<u32>,
    duplicate: Vec<u32>,
    aborted: Vec<u32>,
}

impl Keys {
    fn new(history: &History, writes: &mut Writes) -> Self {
        let count = history.keys_count();
        let none = vec![NONE; count];
        let mut keys =
            Self { chains: Groups::default(), garbage: none.clone(), duplicate: none.clone(), aborted: none };
        let mut chain = Vec::new();
        for key in 0..count {
            chain.clear();
            for (place, &value) in history.trunk(key as u32).iter().enumerate() {
                let place = place as u32;
                let Some(write) = writes.find(key as u32, value) else {
                    keys.garbage[key] = keys.garbage[key].min(place);
                    chain.push(NONE);
                    continue;
                };
                if writes.position[write] == NONE {
                    writes.position[write] = place;
                } else {
                    keys.duplicate[key] = keys.duplicate[key].min(place);
                }
                let status = history.records()[writes.transaction[write] as usize].status;
                if status == Status::Aborted {
                    keys.aborted[key] = keys.aborted[key].min(place);
                }
                chain.push(write as u32);
            }
            keys.chains.push(chain.iter().copied());
        }
        keys
    }
}

/// Notes which writes were seen in lists that contradict the longest.
fn place_strays(history: &History, writes: &mut Writes) {
    for transaction in 0..history.len() {
        for operation in history.stored(transaction) {
            let Stored::Stray { key, start, length } = *operation else { continue };
            for &value in history.stray(start, length) {
                if let Some(write) = writes.find(key, value)
                    && writes.position[write] == NONE
                {
                    writes.position[write] = ASTRAY;
                }
            }
        }
    }
}

/// What a transaction has done with a key so far.
#[derive(Clone, Copy)]
struct View {
    transaction: u32,
    /// How often it appended, and where its newest element was seen.
    own: u32,
    newest: u32,
    /// How long a list it read before its own appends, [`NONE`] before it read, [`ASTRAY`] when that was a stray.
    outer: u32,
}

impl Default for View {
    fn default() -> Self {
        Self { transaction: NONE, own: 0, newest: NONE, outer: NONE }
    }
}

/// Goes through the transactions and sees what each read.
struct Reader<'a> {
    history: &'a History,
    writes: &'a Writes,
    keys: &'a Keys,
    counts: &'a [bool],
    reads: Vec<Read>,
    oddities: Vec<Oddity>,
    views: Vec<View>,
    next_write: usize,
}

impl Reader<'_> {
    fn read(&mut self, transaction: u32) {
        let stored = self.history.stored(transaction as usize);
        let counts = self.counts[transaction as usize];
        for (index, operation) in stored.iter().enumerate() {
            let key = operation.key();
            let view = &mut self.views[key as usize];
            if view.transaction != transaction {
                *view = View { transaction, ..View::default() };
            }
            match *operation {
                Stored::Write { value, .. } => {
                    view.own += 1;
                    let position = self.writes.position[self.next_write];
                    let (outer, before) = (view.outer, std::mem::replace(&mut view.newest, position));
                    let is_first = view.own == 1;
                    self.next_write += 1;
                    // Its elements are seen in another order than it appended them, or without an earlier one.
                    if counts && !is_first && position < before && position != NONE {
                        self.odd(Anomaly::IncompatibleOrder, transaction, key, Some(value), NONE);
                    }
                    // It read its own element before it appended it.
                    if counts && outer < ASTRAY && position < outer {
                        self.odd(Anomaly::Internal, transaction, key, Some(value), NONE);
                    }
                }
                Stored::Prefix { length, own, .. } => self.prefix(transaction, key, length, own),
                Stored::Stray { start, length, .. } => {
                    let before = view.outer;
                    view.outer = ASTRAY;
                    let list = self.history.stray(start, length);
                    self.stray(transaction, key, list);
                    // Rare, so it may take long: what did the list look like before, what should it be now?
                    let disagrees = stored[..index]
                        .iter()
                        .rposition(|operation| {
                            matches!(operation, Stored::Prefix { .. } | Stored::Stray { .. })
                                && operation.key() == key
                        })
                        .is_some_and(|read| {
                            let mut expected = self.history.list(stored, read);
                            expected.extend(appends(&stored[read..index], key));
                            expected != list
                        });
                    let own: Vec<i64> = appends(&stored[..index], key).collect();
                    if before != NONE && disagrees || !list.ends_with(&own) {
                        self.odd(Anomaly::Internal, transaction, key, None, NONE);
                    }
                }
                _ => {}
            }
        }
    }

    fn prefix(&mut self, transaction: u32, key: u32, length: u32, own: u32) {
        let view = &mut self.views[key as usize];
        let (before, missing) = (view.outer, own != view.own);
        view.outer = length;
        if missing || (before != NONE && before != length) {
            self.odd(Anomaly::Internal, transaction, key, None, NONE);
        }
        if before == length {
            return;
        }
        let chain = self.keys.chains.get(key as usize);
        let trunk = self.history.trunk(key);
        let at = |place: u32| (Some(trunk[place as usize]), chain[place as usize]);
        let garbage = self.keys.garbage[key as usize];
        if garbage < length {
            self.odd(Anomaly::GarbageRead, transaction, key, at(garbage).0, NONE);
        }
        let duplicate = self.keys.duplicate[key as usize];
        if duplicate < length {
            self.odd(Anomaly::DuplicateElements, transaction, key, at(duplicate).0, NONE);
        }
        let aborted = self.keys.aborted[key as usize];
        if aborted < length {
            let (value, write) = at(aborted);
            let writer = self.writes.transaction[write as usize];
            self.odd(Anomaly::G1a, transaction, key, value, writer);
            let after =
                (aborted + 1..length).map(|place| chain[place as usize]).filter(|&write| write != NONE);
            let mut after = after.map(|write| self.writes.transaction[write as usize]);
            if let Some(updater) = after.find(|&writer| self.counts[writer as usize]) {
                self.odd(Anomaly::DirtyUpdate, updater, key, value, writer);
            }
        }
        let Some(last) = length.checked_sub(1) else {
            return self.reads.push(Read { transaction, key, source: Source::Initial });
        };
        let (value, write) = at(last);
        if write != NONE && !self.writes.is_last[write as usize] {
            let writer = self.writes.transaction[write as usize];
            if writer != transaction && self.counts[writer as usize] {
                self.odd(Anomaly::G1b, transaction, key, value, writer);
            }
        }
        self.reads.push(Read { transaction, key, source: Source::Chain(last) });
    }

    /// A list that contradicts the longest one of its key.
    fn stray(&mut self, transaction: u32, key: u32, list: &[i64]) {
        self.odd(Anomaly::IncompatibleOrder, transaction, key, None, NONE);
        let mut sorted = list.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            self.odd(Anomaly::DuplicateElements, transaction, key, Some(pair[0]), NONE);
        }
        for &value in list {
            let Some(write) = self.writes.find(key, value) else {
                self.odd(Anomaly::GarbageRead, transaction, key, Some(value), NONE);
                continue;
            };
            let writer = self.writes.transaction[write];
            if self.history.records()[writer as usize].status == Status::Aborted {
                self.odd(Anomaly::G1a, transaction, key, Some(value), writer);
            }
        }
    }

    fn odd(&mut self, anomaly: Anomaly, transaction: u32, key: u32, value: Option<i64>, other: u32) {
        report(&mut self.oddities, Oddity { anomaly, transaction, key, value, other });
    }
}

/// What operations appended to a key.
fn appends(stored: &[Stored], key: u32) -> impl Iterator<Item = i64> {
    stored.iter().filter_map(move |operation| match *operation {
        Stored::Write { key: written, value } if written == key => Some(value),
        _ => None,
    })
}
