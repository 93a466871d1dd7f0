//! What a history says for certain: who wrote which version, who read which, and what is wrong without any cycle.
//!
//! Lists and registers come to one form here. Each key has a *chain*, versions whose order is known, and *loose* writers,
//! which come after the chain in an order that is not known. Of a list the chain is the longest list read and the loose
//! writers are those whose elements nobody read. Of a register the chain is empty, and all writers are loose.

use super::anomaly::Anomaly;
use super::history::{History, Stored};
use super::operation::{Key, Kind, Status, Value};
use super::{lists, registers};

/// No transaction, no position.
pub(super) const NONE: u32 = u32::MAX;
/// Seen in a list that is not the longest's beginning: the place in the order of versions is not known.
pub(super) const ASTRAY: u32 = u32::MAX - 1;
/// How many anomalies of one kind are kept. One is enough to break a model; a few show what it has to do with.
pub(super) const ODDITIES_MAX: usize = 8;

/// What a history says for certain.
pub(super) struct Facts {
    /// Whether a transaction takes part: it committed, or somebody saw its writes.
    pub counts: Vec<bool>,
    /// By key: the writer of each version whose place is known, [`NONE`] where that is nobody who counts.
    pub chains: Groups,
    /// By key: writers of a version after the chain, in no known order, each once.
    pub loose: Groups,
    /// What was read from others, in the order of transactions.
    pub reads: Vec<Read>,
    /// Anomalies that are no cycles.
    pub oddities: Vec<Oddity>,
    /// A value written twice to one key: then it cannot be told who was read.
    pub ambiguous: Option<(Key, Value)>,
}

/// A read of what another transaction wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub transaction: u32,
    pub key: u32,
    pub source: Source,
}

/// Which version was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The one before anybody wrote.
    Initial,
    /// The version at this place of the chain.
    Chain(u32),
    /// The version of this loose writer.
    Loose(u32),
}

/// An anomaly that is no cycle: who saw it, in which key, at which value, and whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oddity {
    pub anomaly: Anomaly,
    pub transaction: u32,
    pub key: u32,
    /// The value that is wrong, where one is.
    pub value: Option<i64>,
    /// The other transaction, or [`NONE`].
    pub other: u32,
}

/// Lists of numbers, by group, in one piece of memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Groups {
    /// Adds a group after the others.
    pub fn push(&mut self, items: impl IntoIterator<Item = u32>) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.items.extend(items);
        self.starts.push(self.items.len() as u32);
    }

    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The number that an item has among those of all groups.
    pub fn number(&self, group: usize, place: usize) -> usize {
        self.starts[group] as usize + place
    }

    pub fn get(&self, group: usize) -> &[u32] {
        &self.items[self.starts[group] as usize..self.starts[group + 1] as usize]
    }
}

impl Facts {
    pub fn new(history: &History) -> Self {
        match history.kind() {
            Some(Kind::Register) => registers::facts(history),
            Some(Kind::ListAppend) | None => lists::facts(history),
        }
    }

    pub fn writer_of(&self, read: &Read) -> Option<u32> {
        match read.source {
            Source::Initial => None,
            Source::Chain(place) => {
                let writer = self.chains.get(read.key as usize)[place as usize];
                (writer != NONE).then_some(writer)
            }
            Source::Loose(writer) => Some(writer),
        }
    }
}

/// Keeps an oddity, unless there are enough of its kind.
pub(super) fn report(oddities: &mut Vec<Oddity>, oddity: Oddity) {
    if oddities.iter().filter(|known| known.anomaly == oddity.anomaly).count() < ODDITIES_MAX
        && !oddities.contains(&oddity)
    {
        oddities.push(oddity);
    }
}

/// All writes of a history, found by key and value.
pub(super) struct Writes {
    /// By number of the write, in the order of the history.
    pub transaction: Vec<u32>,
    /// Whether it was its transaction's last to the key.
    pub is_last: Vec<bool>,
    /// Where the version stands in its chain; [`NONE`] before anybody saw it.
    pub position: Vec<u32>,
    starts: Vec<u32>,
    /// By key, in the order of values: the value and the number of its write.
    index: Vec<(i64, u32)>,
}

impl Writes {
    pub fn new(history: &History) -> Self {
        let keys = history.keys_count();
        let mut starts = vec![0u32; keys + 1];
        let mut transaction = Vec::new();
        for (number, _) in history.records().iter().enumerate() {
            for operation in history.stored(number) {
                if let Stored::Write { key, .. } = *operation {
                    starts[key as usize + 1] += 1;
                    transaction.push(number as u32);
                }
            }
        }
        for key in 0..keys {
            starts[key + 1] += starts[key];
        }
        let mut next = starts.clone();
        let mut index = vec![(0, 0); transaction.len()];
        let mut is_last = vec![true; transaction.len()];
        // The newest write of each key, to see whether one of the same transaction follows.
        let mut newest = vec![NONE; keys];
        let mut write = 0u32;
        for number in 0..history.len() {
            for operation in history.stored(number) {
                let Stored::Write { key, value } = *operation else { continue };
                let key = key as usize;
                index[next[key] as usize] = (value, write);
                next[key] += 1;
                let before = newest[key];
                if before != NONE && transaction[before as usize] == number as u32 {
                    is_last[before as usize] = false;
                }
                newest[key] = write;
                write += 1;
            }
        }
        for key in 0..keys {
            index[starts[key] as usize..starts[key + 1] as usize].sort_unstable();
        }
        let position = vec![NONE; transaction.len()];
        Self { transaction, is_last, position, starts, index }
    }

    /// The write of a value to a key.
    pub fn find(&self, key: u32, value: i64) -> Option<usize> {
        let writes = self.of_key(key);
        let place = writes.binary_search_by_key(&value, |(written, _)| *written).ok()?;
        Some(writes[place].1 as usize)
    }

    /// All writes to a key, by value.
    pub fn of_key(&self, key: u32) -> &[(i64, u32)] {
        &self.index[self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize]
    }

    /// A value that was written twice to one key.
    pub fn ambiguous(&self, history: &History) -> Option<(Key, Value)> {
        (0..history.keys_count() as u32).find_map(|key| {
            let twice = self.of_key(key).windows(2).find(|pair| pair[0].0 == pair[1].0)?;
            Some((history.key(key), Value(twice[0].0)))
        })
    }
}

/// Which transactions count: those that committed, and those of unknown outcome of which a write was seen.
pub(super) fn counting(history: &History, writes: &Writes) -> Vec<bool> {
    let mut counts: Vec<bool> =
        history.records().iter().map(|record| record.status == Status::Committed).collect();
    for (write, transaction) in writes.transaction.iter().enumerate() {
        let transaction = *transaction as usize;
        if writes.position[write] != NONE && history.records()[transaction].status == Status::Unknown {
            counts[transaction] = true;
        }
    }
    counts
}
