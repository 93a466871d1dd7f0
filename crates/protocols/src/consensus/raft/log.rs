//! A node's log in memory: the entries after a base, which of them are durable, and which writes hold them.
//!
//! Everything after the base is in memory. The base moves up by compaction, which keeps a bounded tail; what lies between
//! is bounded by the leader's limit on uncommitted bytes and by how often the embedder compacts.
//!
//! Two queues of tickets stand beside the entries. `pending` are writes that the disk has not confirmed: the durable index rises as
//! they are. `written` are all writes that hold live entries: what comes before the first of them may be forgotten.
//! Cutting the log clips both, since a cut entry is not made durable by a late confirmation of its write.
//!
//! What a compaction takes out may be tens of thousands of entries, and to free so much memory takes as long as several rounds of
//! the protocol. So it is put aside, and freed bit by bit ([`Log::tidy`]).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use synod_machine::Ticket;

use super::{Configuration, Entry, Index, Payload, Place, SnapshotPoint, Term};

/// Entries taken out that are freed at once: so many, or a share of what is left, so that a node at rest comes to an end, too.
const FREED_MIN: usize = 16;
const FREED_SHARE: usize = 64;

/// The log of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    base: Place,
    entries: VecDeque<Entry>,
    freed: Freed,
    bytes: usize,
    /// Memberships by the index from which they are in force; the first is that of the base.
    configurations: VecDeque<(Index, Configuration)>,
    durable: Index,
    pending: VecDeque<Held>,
    written: VecDeque<Held>,
    generation: u64,
}

/// Entries that one write holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    ticket: Ticket,
    first: Index,
    last: Index,
}

/// Entries that are no longer part of the log, to be freed bit by bit. Two logs are the same whatever lies here.
#[derive(Debug, Default)]
struct Freed(VecDeque<Entry>);

impl Clone for Freed {
    fn clone(&self) -> Self {
        Freed::default()
    }
}

impl PartialEq for Freed {
    fn eq(&self, _: &Freed) -> bool {
        true
    }
}

impl Eq for Freed {}

impl Hash for Freed {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Log {
    /// A log without entries that begins after `base`.
    pub fn new(base: SnapshotPoint) -> Self {
        Log {
            base: base.place(),
            entries: VecDeque::new(),
            freed: Freed::default(),
            bytes: 0,
            durable: base.index,
            configurations: VecDeque::from([(base.index, base.configuration)]),
            pending: VecDeque::new(),
            written: VecDeque::new(),
            generation: 0,
        }
    }

    /// What the log begins after.
    pub fn base(&self) -> Place {
        self.base
    }

    /// The index of the first entry, or of the one that would be.
    pub fn first(&self) -> Index {
        self.base.index.next()
    }

    /// The last entry's place, or the base.
    pub fn last(&self) -> Place {
        self.entries.back().map_or(self.base, Entry::place)
    }

    /// Everything up to here survives a crash.
    pub fn durable(&self) -> Index {
        self.durable
    }

    /// Bytes of all entries held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rises whenever entries are cut off or the log begins anew: as long as it stays, entries are only added.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The term at an index, if the log reaches there.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            Some(self.base.term)
        } else {
            self.entry(index).map(|entry| entry.term)
        }
    }

    /// The entry at an index.
    pub fn entry(&self, index: Index) -> Option<&Entry> {
        let place = index.0.checked_sub(self.base.index.0.checked_add(1)?)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// Whether the log has this place with this term, and so everything before it.
    pub fn matches(&self, place: Place) -> bool {
        self.term(place.index) == Some(place.term)
    }

    /// Entries from `first` on, as many as fit into `bytes_max`, at least one if there is one.
    pub fn slice(&self, first: Index, bytes_max: usize) -> Vec<Entry> {
        let skip = first.0.saturating_sub(self.first().0);
        let Ok(skip) = usize::try_from(skip) else { return Vec::new() };
        let mut bytes = 0usize;
        let fits = |entry: &&Entry| {
            let before = bytes;
            bytes = bytes.saturating_add(entry.bytes());
            before == 0 || bytes <= bytes_max
        };
        self.entries.range(skip.min(self.entries.len())..).take_while(fits).cloned().collect()
    }

    /// Entries after `after`, up to and including `last`.
    pub fn range(&self, after: Index, last: Index) -> impl Iterator<Item = &Entry> {
        let place = |index: Index| {
            usize::try_from(index.0.saturating_sub(self.base.index.0))
                .unwrap_or(usize::MAX)
                .min(self.entries.len())
        };
        let (from, to) = (place(after), place(last));
        self.entries.range(from.min(to)..to)
    }

    /// The membership in force: the newest in the log, committed or not (paper, section 6).
    pub fn configuration(&self) -> &Configuration {
        &self.newest().1
    }

    /// Where the membership in force stands in the log.
    pub fn configuration_index(&self) -> Index {
        self.newest().0
    }

    /// The membership as of an index that the log reaches.
    pub fn configuration_at(&self, index: Index) -> &Configuration {
        let found = self.configurations.iter().rev().find(|(from, _)| *from <= index);
        &found.unwrap_or(&self.configurations[0]).1
    }

    /// The membership as of `index`, and all later ones.
    pub fn configurations_from(&self, index: Index) -> impl Iterator<Item = &Configuration> {
        let place = self.configurations.iter().rposition(|(from, _)| *from <= index).unwrap_or(0);
        self.configurations.range(place..).map(|(_, configuration)| configuration)
    }

    /// The base as a point to write down.
    pub fn base_point(&self) -> SnapshotPoint {
        let configuration = self.configurations[0].1.clone();
        SnapshotPoint { index: self.base.index, term: self.base.term, configuration }
    }

    /// The last place not after `place` whose term is not after its: where a log with `place` in it may agree with this one.
    /// Skips whole terms, so that two logs meet in as many rounds as they have terms in conflict.
    pub fn agree_before(&self, place: Place) -> Place {
        let mut index = place.index.min(self.last().index);
        while index > self.base.index {
            match self.term(index) {
                Some(term) if term <= place.term => return Place { term, index },
                _ => index = index.previous(),
            }
        }
        self.base
    }

    /// Adds entries that follow the last.
    pub fn append(&mut self, entries: &[Entry]) {
        for entry in entries {
            let expected = self.last().index.next();
            assert!(entry.index == expected, "expected an entry at {expected}, found {}", entry.index);
            assert!(entry.term >= self.last().term, "expected terms not to fall, found {}", entry.term);
            if let Payload::Configuration(configuration) = &entry.payload {
                self.configurations.push_back((entry.index, configuration.clone()));
            }
            self.bytes += entry.bytes();
            self.entries.push_back(entry.clone());
        }
    }

    /// These entries were given to the disk under `ticket`.
    pub fn wrote(&mut self, ticket: Ticket, first: Index, last: Index) {
        let held = Held { ticket, first, last };
        self.pending.push_back(held);
        self.written.push_back(held);
    }

    /// Cuts off everything from `index` on.
    pub fn truncate(&mut self, index: Index) {
        assert!(index > self.base.index, "expected to cut after the base {:?}, found {index}", self.base);
        while self.last().index >= index
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes -= entry.bytes();
        }
        while self.configurations.len() > 1 && self.newest().0 >= index {
            self.configurations.pop_back();
        }
        let last = index.previous();
        self.durable = self.durable.min(last);
        for queue in [&mut self.pending, &mut self.written] {
            queue.retain_mut(|held| {
                held.last = held.last.min(last);
                held.first <= held.last
            });
        }
        self.generation += 1;
    }

    /// Writes up to `ticket` are durable. Returns whether the durable index rose.
    pub fn confirm(&mut self, ticket: Ticket) -> bool {
        let before = self.durable;
        while let Some(held) = self.pending.front().filter(|held| held.ticket <= ticket) {
            self.durable = self.durable.max(held.last);
            self.pending.pop_front();
        }
        self.durable > before
    }

    /// Everything is durable; what a log read back from disk is. Its entries stand in writes older than any ticket of this life.
    pub fn confirm_all(&mut self) {
        self.pending.clear();
        self.durable = self.last().index;
        self.written.clear();
        if !self.entries.is_empty() {
            self.written.push_back(Held { ticket: Ticket(0), first: self.first(), last: self.durable });
        }
    }

    /// The ticket that must be durable before everything up to `index` is; `None` if it is already.
    pub fn ticket_for(&self, index: Index) -> Option<Ticket> {
        if index <= self.durable {
            return None;
        }
        self.pending.iter().rev().find(|held| held.first <= index).map(|held| held.ticket)
    }

    /// The oldest write that holds a live entry.
    pub fn oldest_ticket(&self) -> Option<Ticket> {
        self.written.front().map(|held| held.ticket)
    }

    /// Moves the base up to `index`, which the log must reach.
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.term(index) else {
            panic!("expected to compact within the log {:?}..={:?}, found {index}", self.base, self.last());
        };
        // What stays is bounded, and moved; what goes is not.
        let stay = self.entries.split_off((index.0 - self.base.index.0) as usize);
        let mut gone = core::mem::replace(&mut self.entries, stay);
        self.bytes -= gone.iter().map(Entry::bytes).sum::<usize>();
        if self.freed.0.is_empty() {
            self.freed.0 = gone;
        } else {
            self.freed.0.append(&mut gone);
        }
        self.base = Place { term, index };
        while self.configurations.get(1).is_some_and(|(from, _)| *from <= index) {
            self.configurations.pop_front();
        }
        self.durable = self.durable.max(index);
        self.written.retain(|held| held.last > index);
    }

    /// Frees a bounded part of what compactions took out.
    pub fn tidy(&mut self) {
        let left = self.freed.0.len();
        self.freed.0.drain(..left.min(FREED_MIN.max(left / FREED_SHARE)));
        if left <= FREED_MIN && self.freed.0.capacity() > 0 {
            self.freed = Freed::default();
        }
    }

    /// Begins anew after `base`. Returns whether later entries stay because the log already went through `base`.
    pub fn rebase(&mut self, base: SnapshotPoint) -> bool {
        if base.index >= self.base.index && self.matches(base.place()) {
            self.compact(base.index);
            // The same membership either way; the log may not have known it when it began without one.
            self.configurations[0] = (base.index, base.configuration);
            return true;
        }
        let generation = self.generation + 1;
        *self = Log { generation, ..Log::new(base) };
        false
    }

    /// All live entries are written again under `ticket`.
    pub fn rewritten(&mut self, ticket: Ticket) {
        self.written.clear();
        if !self.entries.is_empty() {
            let (first, last) = (self.first(), self.last().index);
            self.written.push_back(Held { ticket, first, last });
        }
    }

    /// The lowest base that keeps at most so many entries and bytes up to `upto`.
    pub fn tail_before(&self, upto: Index, entries_max: usize, bytes_max: usize) -> Index {
        let (mut index, mut bytes, mut entries) = (upto.min(self.last().index), 0usize, 0usize);
        while index > self.base.index
            && entries < entries_max
            && let Some(entry) = self.entry(index)
        {
            bytes += entry.bytes();
            if bytes > bytes_max {
                break;
            }
            entries += 1;
            index = index.previous();
        }
        index
    }

    fn newest(&self) -> &(Index, Configuration) {
        self.configurations.back().expect("the base's membership is never removed")
    }
}
