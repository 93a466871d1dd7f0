//! A guess at the order of versions: running the history again.
//!
//! A transaction takes its snapshot when all that it depends on has happened, and what it read is current then, for
//! nobody may replace a version while somebody who is yet to come has read it. It commits when nobody waits for what it
//! replaces. Under serializability both happen at once; under snapshot isolation two writers of a key do not run at the
//! same time. Of those that may go on the one goes that was earliest in time, or earliest in the history where times are
//! not known. If nobody may go on, somebody must: then the guess is a bad one, and no harm is done, for it is checked.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::facts::{Facts, NONE, Source};
use super::graph::{Graph, Points, View};
use super::history::{History, NEVER, Stored};
use super::search::Question;

/// How it may have been.
pub(super) struct Guess {
    /// By key, the loose writers in the order in which they committed.
    pub writers: Vec<Vec<u32>>,
    /// All points in the order in which they happened. If there is no circle among what is known, all edges follow it.
    pub points: Vec<u32>,
}

/// Runs the history again.
pub(super) fn guess(question: &Question<'_>, graph: &Graph) -> Guess {
    let view = View { graph, kinds: question.kinds, points: question.points };
    let mut run = Run::new(question, view);
    while run.go_on() {}
    Guess { writers: run.order, points: run.happened }
}

/// When a point would like to happen.
type Wish = Reverse<(u64, u32)>;

struct Run<'a> {
    view: View<'a>,
    history: &'a History,
    /// By transaction: the first of its reads.
    first_read: Vec<u32>,
    facts: &'a Facts,
    /// By point, how many points must come first.
    incoming: Vec<u32>,
    ready: BinaryHeap<Wish>,
    /// By key: points that wait for readers of the current version, or for a writer to end.
    waiting: Vec<Vec<u32>>,
    /// Points that wait, in the order in which they began to: who goes when nobody may.
    stuck: VecDeque<u32>,
    is_done: Vec<bool>,
    /// By key: the writer of the current version, how many readers it has still to come, and who is about to write.
    current: Vec<u32>,
    to_come: Vec<u32>,
    running: Vec<u32>,
    /// By key and writer: how many read its version.
    readers: Vec<(u32, u32, u32)>,
    order: Vec<Vec<u32>>,
    /// Points that have happened.
    happened: Vec<u32>,
}

impl<'a> Run<'a> {
    fn new(question: &Question<'a>, view: View<'a>) -> Self {
        let (history, facts) = (question.history, question.facts);
        let mut incoming = vec![0u32; view.len()];
        for point in 0..view.len() as u32 {
            let mut cursor = 0;
            while let Some((to, _, next)) = view.next(point, cursor) {
                cursor = next;
                incoming[to as usize] += 1;
            }
        }
        let mut first_read = vec![0u32; history.len() + 1];
        facts.reads.iter().for_each(|read| first_read[read.transaction as usize + 1] += 1);
        (0..history.len()).for_each(|number| first_read[number + 1] += first_read[number]);
        let mut readers: Vec<(u32, u32, u32)> = Vec::new();
        let mut to_come = vec![0; history.keys_count()];
        for read in &facts.reads {
            match read.source {
                Source::Initial if facts.chains.get(read.key as usize).is_empty() => {
                    to_come[read.key as usize] += 1
                }
                Source::Loose(writer) => readers.push((read.key, writer, 1)),
                _ => {}
            }
        }
        readers.sort_unstable();
        readers.dedup_by(|next, kept| {
            let is_same = (next.0, next.1) == (kept.0, kept.1);
            kept.2 += if is_same { next.2 } else { 0 };
            is_same
        });
        let keys = history.keys_count();
        let mut run = Self {
            view,
            history,
            first_read,
            facts,
            is_done: vec![false; incoming.len()],
            incoming,
            ready: BinaryHeap::new(),
            waiting: vec![Vec::new(); keys],
            stuck: VecDeque::new(),
            current: vec![NONE; keys],
            to_come,
            running: vec![NONE; keys],
            readers,
            order: vec![Vec::new(); keys],
            happened: Vec::new(),
        };
        for point in 0..run.incoming.len() as u32 {
            if run.incoming[point as usize] == 0 {
                run.want(point);
            }
        }
        run
    }

    /// One point happens; false when all have.
    fn go_on(&mut self) -> bool {
        while let Some(Reverse((_, point))) = self.ready.pop() {
            if self.is_done[point as usize] {
                continue;
            }
            if let Some(key) = self.obstacle(point) {
                self.waiting[key as usize].push(point);
                self.stuck.push_back(point);
                continue;
            }
            self.happen(point);
            return true;
        }
        while let Some(point) = self.stuck.pop_front() {
            if !self.is_done[point as usize] {
                self.happen(point);
                return true;
            }
        }
        false
    }

    fn want(&mut self, point: u32) {
        let node = self.view.node(point);
        let wish = if node < self.view.graph.transactions {
            let record = self.history.records()[node as usize];
            let times = (record.invoked, record.completed);
            let is_commit = self.view.points == Points::One || point % 2 == 1;
            match times {
                (NEVER, NEVER) => u64::from(node),
                (begin, NEVER) => begin,
                (_, end) if is_commit => end,
                (begin, _) => begin,
            }
        } else {
            0
        };
        self.ready.push(Reverse((wish, point)));
    }

    /// What a point means: the transaction, whether it reads here, and whether it writes here.
    fn meaning(&self, point: u32) -> Option<(u32, bool, bool)> {
        let node = self.view.node(point);
        if node >= self.view.graph.transactions || !self.facts.counts[node as usize] {
            return None;
        }
        Some(match self.view.points {
            Points::One => (node, true, true),
            Points::Two => (node, point.is_multiple_of(2), point % 2 == 1),
        })
    }

    /// The key at which a point must wait.
    fn obstacle(&self, point: u32) -> Option<u32> {
        let (transaction, reads, writes) = self.meaning(point)?;
        self.writes(transaction).find(|&key| {
            let place = key as usize;
            let own = u32::from(writes && reads && self.reads_current(transaction, key));
            let is_read = writes && self.to_come[place] > own && self.current[place] != transaction;
            let is_taken =
                reads && !writes && self.running[place] != NONE && self.running[place] != transaction;
            is_read || is_taken
        })
    }

    fn reads_current(&self, transaction: u32, key: u32) -> bool {
        self.reads(transaction).any(|(other, writer)| other == key && writer == self.current[key as usize])
    }

    /// The keys whose loose versions a transaction read, with the writer or [`NONE`] for the beginning.
    fn reads(&self, transaction: u32) -> impl Iterator<Item = (u32, u32)> {
        let range = self.first_read[transaction as usize] as usize
            ..self.first_read[transaction as usize + 1] as usize;
        self.facts.reads[range].iter().filter_map(|read| match read.source {
            Source::Initial => Some((read.key, NONE)),
            Source::Loose(writer) => Some((read.key, writer)),
            Source::Chain(_) => None,
        })
    }

    fn writes(&self, transaction: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (facts, stored) = (self.facts, self.history.stored(transaction as usize));
        stored.iter().enumerate().filter_map(move |(index, operation)| match *operation {
            Stored::Write { key, .. }
                if facts.loose.get(key as usize).binary_search(&transaction).is_ok()
                    && !stored[..index].iter().any(
                        |earlier| matches!(*earlier, Stored::Write { key: other, .. } if other == key),
                    ) =>
            {
                Some(key)
            }
            _ => None,
        })
    }

    fn happen(&mut self, point: u32) {
        self.is_done[point as usize] = true;
        self.happened.push(point);
        if let Some((transaction, reads, writes)) = self.meaning(point) {
            if reads {
                let read: Vec<(u32, u32)> = self.reads(transaction).collect();
                for (key, writer) in read {
                    let place = key as usize;
                    if self.current[place] == writer && self.to_come[place] > 0 {
                        self.to_come[place] -= 1;
                        self.wake(key);
                    }
                }
            }
            for key in self.writes(transaction) {
                let place = key as usize;
                if !writes {
                    self.running[place] = transaction;
                    continue;
                }
                self.running[place] = NONE;
                self.current[place] = transaction;
                self.to_come[place] = self.readers_of(key, transaction);
                self.order[place].push(transaction);
                self.wake(key);
            }
        }
        let mut cursor = 0;
        while let Some((to, _, next)) = self.view.next(point, cursor) {
            cursor = next;
            self.incoming[to as usize] -= 1;
            if self.incoming[to as usize] == 0 {
                self.want(to);
            }
        }
    }

    fn readers_of(&self, key: u32, writer: u32) -> u32 {
        self.readers
            .binary_search_by_key(&(key, writer), |(key, writer, _)| (*key, *writer))
            .map_or(0, |place| self.readers[place].2)
    }

    fn wake(&mut self, key: u32) {
        for point in std::mem::take(&mut self.waiting[key as usize]) {
            self.want(point);
        }
    }
}
