//! The writers of each key in the order of a ranking, and where that order does not yet explain who read whom.

use super::super::anomaly::Dependency;
use super::super::facts::{Groups, Source};
use super::super::search::{Question, Readers};
use super::ranking::Ranking;

/// Two writers of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub key: u32,
    pub first: u32,
    pub second: u32,
}

impl Pair {
    /// The same for both orders of a pair.
    pub fn named(self) -> Self {
        if self.first < self.second { self } else { self.swapped() }
    }

    pub fn swapped(self) -> Self {
        Self { key: self.key, first: self.second, second: self.first }
    }
}

/// Writers by key, and which keys have to be looked at again.
pub(super) struct Versions<'a> {
    question: &'a Question<'a>,
    readers: &'a Readers<'a>,
    /// By key: its loose writers as they were ordered when it was looked at last.
    writers: Vec<Vec<u32>>,
    /// By transaction: keys of which it is a loose writer, or read one.
    keys: Groups,
    is_pending: Vec<bool>,
    pending: Vec<u32>,
}

impl<'a> Versions<'a> {
    pub fn new(question: &'a Question<'a>, readers: &'a Readers<'a>) -> Self {
        let loose = &question.facts.loose;
        let writers: Vec<Vec<u32>> = (0..loose.len()).map(|key| loose.get(key).to_vec()).collect();
        let mut concerned: Vec<(u32, u32)> = Vec::new();
        for (key, writers) in writers.iter().enumerate() {
            concerned.extend(writers.iter().map(|&writer| (writer, key as u32)));
        }
        for read in &question.facts.reads {
            if let Source::Loose(_) = read.source {
                concerned.push((read.transaction, read.key));
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        let mut keys = Groups::default();
        let mut rest = concerned.as_slice();
        for transaction in 0..question.history.len() as u32 {
            let (own, others) = rest.split_at(rest.partition_point(|(other, _)| *other <= transaction));
            keys.push(own.iter().map(|(_, key)| *key));
            rest = others;
        }
        let is_pending = vec![true; writers.len()];
        let pending = (0..writers.len() as u32).rev().collect();
        Self { question, readers, writers, keys, is_pending, pending }
    }

    /// The keys that this point has to do with are to be looked at again.
    pub fn touch(&mut self, point: u32) {
        let node = self.question.node(point);
        if node as usize >= self.question.history.len() {
            return;
        }
        for &key in self.keys.get(node as usize) {
            if !std::mem::replace(&mut self.is_pending[key as usize], true) {
                self.pending.push(key);
            }
        }
    }

    /// Looks at all keys that have changed. Gives every two writers that follow one another in the ranking, but of
    /// whose first somebody reads when the second has written; if there are none, the ranking explains all keys.
    pub fn unexplained(&mut self, ranking: &Ranking, mut with: impl FnMut(Pair)) -> u64 {
        let mut steps = 0;
        while let Some(key) = self.pending.pop() {
            self.is_pending[key as usize] = false;
            let mut writers = std::mem::take(&mut self.writers[key as usize]);
            steps += writers.len() as u64;
            writers.sort_by_key(|writer| ranking.rank(self.commit(*writer)));
            for pair in writers.windows(2) {
                let pair = Pair { key, first: pair[0], second: pair[1] };
                if !self.is_followed(ranking, pair) {
                    with(pair);
                }
            }
            self.writers[key as usize] = writers;
        }
        steps
    }

    /// Whether the ranking follows all edges of this order of two writers.
    pub fn is_followed(&self, ranking: &Ranking, pair: Pair) -> bool {
        self.edges(pair).all(|(from, to)| ranking.is_before(from, to))
    }

    /// The pair in the order in which its writers stand in the ranking.
    pub fn as_ranked(&self, ranking: &Ranking, pair: Pair) -> Pair {
        let is_before = ranking.is_before(self.commit(pair.first), self.commit(pair.second));
        if is_before { pair } else { pair.swapped() }
    }

    /// The edges of an order of two writers: the earlier and its readers come before the later.
    pub fn edges(&self, pair: Pair) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let Pair { key, first, second } = pair;
        let question = self.question;
        let written = question.edge(first, second, Dependency::WriteWrite);
        let readers = self.readers.of(key, first).iter().filter(move |reader| **reader != second);
        let read = readers.map(move |&reader| question.edge(reader, second, Dependency::ReadWrite));
        std::iter::once(written).chain(read)
    }

    pub fn commit(&self, writer: u32) -> u32 {
        self.question.commit(writer)
    }
}
