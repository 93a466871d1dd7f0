//! Read atomicity and causal consistency: what a transaction had seen must come before what it read.
//!
//! # The rules
//! Biswas and Enea (OOPSLA 2019, figure 3): there is one order of all commits, which includes who read from whom (and
//! for causality the order of sessions), such that if a transaction read a key from one writer and had *seen* another
//! writer of the key, the other committed before the one it read. For read atomicity it has seen those it read
//! something from; for causality also those that these had seen, and so on, and its session's past.
//!
//! So each read demands an order of some pairs of writers, and the model is kept exactly if all demands together with
//! what is known are in no circle. No demand depends on another: no search is needed.
//!
//! # Costs
//! What a transaction had seen is a vector clock, one number a session, kept until its last successor has been visited. A
//! read looks up the newest write of its key in each session that wrote the key: time is reads times sessions that wrote
//! the key.

use super::facts::{Facts, NONE, Read, Source};
use super::history::{History, Stored};
use super::operation::Status;

/// What the reads of a history demand.
#[derive(Debug, Default)]
pub(super) struct Demands {
    /// The first writer comes before the second, which wrote the same key.
    pub orders: Vec<Demand>,
    /// A read of an older version than one that is known to be later, or of none at all: who read, whom it had seen,
    /// and the key.
    pub skips: Vec<(u32, u32, u32)>,
}

/// That one writer of a key came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Demand {
    pub before: u32,
    pub after: u32,
    pub key: u32,
}

impl Demands {
    /// Notes what follows from the fact that the reader of a version had seen another writer of the key, whose version
    /// has this place in the chain.
    fn seen(&mut self, facts: &Facts, read: &Read, seen: u32, place: u32) {
        if facts.writer_of(read) == Some(seen) || read.transaction == seen {
            return;
        }
        match read.source {
            Source::Initial => self.skips.push((read.transaction, seen, read.key)),
            Source::Chain(chosen) if place > chosen => self.skips.push((read.transaction, seen, read.key)),
            Source::Chain(_) => {}
            Source::Loose(writer) => self.orders.push(Demand { before: seen, after: writer, key: read.key }),
        }
    }

    fn sorted(mut self) -> Self {
        self.orders.sort_unstable();
        self.orders.dedup();
        self.skips.sort_unstable();
        self.skips.dedup();
        self
    }
}

/// By key, who wrote it: chain of the transaction, place in it, transaction, place of the version.
struct Writers {
    starts: Vec<u32>,
    entries: Vec<(u32, u32, u32, u32)>,
}

impl Writers {
    fn new(history: &History, facts: &Facts, line: &Lines) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for key in 0..history.keys_count() {
            let begin = entries.len();
            let placed =
                facts.chains.get(key).iter().enumerate().map(|(place, writer)| (place as u32, *writer));
            let loose = facts.loose.get(key).iter().map(|writer| (NONE, *writer));
            for (place, writer) in placed.chain(loose).filter(|(_, writer)| *writer != NONE) {
                let (line, number) = line.of[writer as usize];
                entries.push((line, number, writer, place));
            }
            entries[begin..].sort_unstable();
            // Of several versions by one transaction the last counts.
            let mut kept = begin;
            for index in begin..entries.len() {
                if index + 1 == entries.len() || entries[index + 1].2 != entries[index].2 {
                    entries[kept] = entries[index];
                    kept += 1;
                }
            }
            entries.truncate(kept);
            starts.push(entries.len() as u32);
        }
        Self { starts, entries }
    }

    fn of_key(&self, key: u32) -> &[(u32, u32, u32, u32)] {
        &self.entries[self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize]
    }
}

/// Lines of transactions each of which has seen the one before: sessions. A transaction of unknown outcome is a line of
/// its own, for its session went on without waiting for it.
struct Lines {
    /// By transaction: its line, and its number in it from 1.
    of: Vec<(u32, u32)>,
    /// By transaction: the one before it in its session.
    before: Vec<u32>,
    count: usize,
}

impl Lines {
    fn new(history: &History, facts: &Facts) -> Self {
        let mut lines = Self {
            of: vec![(NONE, 0); history.len()],
            before: vec![NONE; history.len()],
            count: history.sessions_count(),
        };
        let mut last = vec![(NONE, 0u32); history.sessions_count()];
        for (number, record) in history.records().iter().enumerate() {
            if !facts.counts[number] {
                continue;
            }
            let (before, length) = &mut last[record.session as usize];
            lines.before[number] = *before;
            if record.status == Status::Committed {
                *length += 1;
                *before = number as u32;
                lines.of[number] = (record.session, *length);
            } else {
                lines.of[number] = (lines.count as u32, 1);
                lines.count += 1;
            }
        }
        lines
    }
}

/// What read atomicity demands.
pub(super) fn atomic_demands(history: &History, facts: &Facts) -> Demands {
    let writers = places(history, facts);
    let mut demands = Demands::default();
    // The read of each key by the transaction in question.
    let mut reads_of = vec![NONE; history.keys_count()];
    let mut begin = 0;
    while begin < facts.reads.len() {
        let reader = facts.reads[begin].transaction;
        let length = facts.reads[begin..].iter().take_while(|read| read.transaction == reader).count();
        let reads = &facts.reads[begin..begin + length];
        for (index, read) in reads.iter().enumerate() {
            reads_of[read.key as usize] = index as u32;
        }
        let mut sources: Vec<u32> = reads.iter().filter_map(|read| facts.writer_of(read)).collect();
        sources.sort_unstable();
        sources.dedup();
        for source in sources.into_iter().filter(|&source| source != reader) {
            for operation in history.stored(source as usize) {
                let Stored::Write { key, .. } = *operation else { continue };
                if let Some(read) = reads.get(reads_of[key as usize] as usize)
                    && read.key == key
                {
                    demands.seen(facts, read, source, place_of(&writers, key, source));
                }
            }
        }
        begin += length;
    }
    demands.sorted()
}

/// By key, the writers with the place of their last version, in the order of writers.
fn places(history: &History, facts: &Facts) -> Vec<Vec<(u32, u32)>> {
    (0..history.keys_count())
        .map(|key| {
            let placed =
                facts.chains.get(key).iter().enumerate().map(|(place, writer)| (*writer, place as u32));
            let mut all: Vec<(u32, u32)> =
                placed.chain(facts.loose.get(key).iter().map(|writer| (*writer, NONE))).collect();
            all.sort_unstable();
            all
        })
        .collect()
}

fn place_of(places: &[Vec<(u32, u32)>], key: u32, writer: u32) -> u32 {
    let all = &places[key as usize];
    let end = all.partition_point(|(other, _)| *other <= writer);
    match end.checked_sub(1).map(|last| all[last]) {
        Some((found, place)) if found == writer => place,
        _ => 0,
    }
}

/// What causality demands; `None` when sessions and reads are in a circle themselves.
pub(super) fn causal_demands(history: &History, facts: &Facts) -> Option<Demands> {
    let lines = Lines::new(history, facts);
    let writers = Writers::new(history, facts, &lines);
    let mut successors = vec![0u32; history.len()];
    let mut first_read = vec![0u32; history.len() + 1];
    for read in &facts.reads {
        first_read[read.transaction as usize + 1] += 1;
    }
    for number in 0..history.len() {
        first_read[number + 1] += first_read[number];
    }
    let sources_of = |number: usize| {
        let reads = &facts.reads[first_read[number] as usize..first_read[number + 1] as usize];
        let sources = reads.iter().filter_map(|read| facts.writer_of(read));
        sources
            .chain([lines.before[number]])
            .filter(move |&source| source != NONE && source as usize != number)
    };
    for number in (0..history.len()).filter(|&number| facts.counts[number]) {
        sources_of(number).for_each(|source| successors[source as usize] += 1);
    }
    let mut demands = Demands::default();
    let mut clocks: Vec<Option<Box<[u32]>>> = vec![None; history.len()];
    for number in order(history.len(), &facts.counts, sources_of)? {
        let mut clock = vec![0u32; lines.count].into_boxed_slice();
        for source in sources_of(number as usize) {
            let source = source as usize;
            let seen =
                clocks[source].as_deref().expect("a source comes before its reader and is kept for it");
            clock.iter_mut().zip(seen).for_each(|(own, seen)| *own = (*own).max(*seen));
            let (line, place) = lines.of[source];
            clock[line as usize] = clock[line as usize].max(place);
            successors[source] -= 1;
            if successors[source] == 0 {
                clocks[source] = None;
            }
        }
        let reads =
            &facts.reads[first_read[number as usize] as usize..first_read[number as usize + 1] as usize];
        for read in reads {
            newest_seen(writers.of_key(read.key), &clock, |writer, place| {
                demands.seen(facts, read, writer, place)
            });
        }
        if successors[number as usize] > 0 {
            clocks[number as usize] = Some(clock);
        }
    }
    Some(demands.sorted())
}

/// The newest writer of a key in each line up to what a clock says, and the place of its version.
fn newest_seen(writers: &[(u32, u32, u32, u32)], clock: &[u32], mut each: impl FnMut(u32, u32)) {
    let mut rest = writers;
    while let Some(&(line, ..)) = rest.first() {
        let length = rest.partition_point(|(other, ..)| *other == line);
        let seen = rest[..length].partition_point(|(_, number, ..)| *number <= clock[line as usize]);
        if let Some(&(_, _, writer, place)) = seen.checked_sub(1).map(|last| &rest[last]) {
            each(writer, place);
        }
        rest = &rest[length..];
    }
}

/// An order in which sources come first (Kahn 1962), or `None` if there is none.
fn order<I: Iterator<Item = u32>>(
    count: usize,
    counts: &[bool],
    sources_of: impl Fn(usize) -> I,
) -> Option<Vec<u32>> {
    // Histories are nearly in order already: go through them, and back to what was not ready.
    let mut is_done = vec![false; count];
    let mut is_open = vec![false; count];
    let mut order = Vec::with_capacity(count);
    let mut stack: Vec<(u32, bool)> = Vec::new();
    for number in (0..count as u32).filter(|&number| counts[number as usize]) {
        stack.push((number, false));
        while let Some((node, is_expanded)) = stack.pop() {
            let index = node as usize;
            if is_expanded {
                is_done[index] = true;
                order.push(node);
            } else if !is_done[index] {
                if is_open[index] {
                    return None;
                }
                is_open[index] = true;
                stack.push((node, true));
                for source in sources_of(index).filter(|&source| !is_done[source as usize]) {
                    if is_open[source as usize] {
                        return None;
                    }
                    stack.push((source, false));
                }
            }
        }
    }
    Some(order)
}
