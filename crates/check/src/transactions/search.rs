//! The order of versions, where it must be searched for: snapshot isolation and serializability.
//!
//! # The problem
//! A register's value does not tell what it replaced. Whether its writers can be put in an order, key by key, such that
//! the dependencies are in no circle is NP-complete (Papadimitriou 1979 for serializability, Biswas and Enea 2019 for
//! snapshot isolation). Histories of real systems are far from the worst case.
//!
//! # How it works
//! 1. *Guess*: run the history again, each transaction when what it read is current and nobody who is yet to come read
//!    what it replaces ([`super::schedule`]). A store that keeps the model nearly always leaves a history that can be run
//!    like that; the order that results is checked like one that was known.
//! 2. *Replace*: whoever replaces what it read comes after its writer, and no two may replace the same
//!    ([`super::replacements`]). With these orders known, guess again.
//! 3. *Infer*: of two writers of a key one comes first, and all readers of its version come before the other. If that
//!    would close a circle with what is known, the opposite order is known, too (Tan et al., Cobra, OSDI 2020; Huang et
//!    al., PolySI, VLDB 2023). Repeated until nothing follows. Where neither order is possible the model is broken.
//! 4. *Search* the orders that are left, learning a clause from each circle ([`super::orders`]).
//!
//! # What it guarantees
//! An explanation is checked before it is believed, and impossibility is proven by inferences or by clauses. When a limit
//! is met the answer is unknown.
//!
//! # What it costs
//! A guess and the replacements are linear but for sorting. Inference keeps who reaches whom as a matrix of bits, [`POINTS_MAX`] squared at
//! most; a history with more points than that goes no further than the second guess.

use super::Effort;
use super::anomaly::Dependency;
use super::edges;
use super::facts::{Facts, Source};
use super::graph::{Graph, GraphBuilder, Kinds, Label, Points, View, components};
use super::history::History;
use super::orders::{self, Choice, Outcome};
use super::replacements;
use super::schedule;

/// Points (transactions, or snapshots and commits, and junctions) of which it is kept who reaches whom.
const POINTS_MAX: usize = 30_000;
/// Pairs of writers whose order is open that a search takes on.
const CHOICES_MAX: usize = 4_000_000;

/// What is asked: can the loose writers of each key be put in an order without any circle in this view?
pub(super) struct Question<'a> {
    pub history: &'a History,
    pub facts: &'a Facts,
    pub kinds: Kinds,
    pub points: Points,
}

/// What was found.
pub(super) enum Answer {
    /// There is such an order.
    Explained,
    /// There is none: even the orders that are certain make a circle in this graph.
    Impossible(Box<Graph>),
    /// There is none: every choice was tried.
    NoOrder,
    /// A limit was met.
    Unknown(String),
}

/// That one writer of a key comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub before: u32,
    pub after: u32,
    pub key: u32,
}

pub(super) fn answer(question: &Question<'_>, effort: &Effort<'_>) -> Answer {
    let graph = edges::graph(question.history, question.facts);
    let view = question.view(&graph);
    if !components(&view).is_empty() {
        return Answer::Impossible(Box::new(graph));
    }
    if question.is_explained_by(&schedule::guess(question, &graph)) {
        return Answer::Explained;
    }
    let points = view.len();
    drop(graph);
    if overtime(effort) {
        return Answer::Unknown(
            "the time limit was reached after a first guess at the order of versions".into(),
        );
    }
    if let Some(answer) = by_replacements(question) {
        return answer;
    }
    if points > POINTS_MAX {
        return Answer::Unknown(format!(
            "no order of the versions was found at once, and {} transactions are too many to search for one",
            question.history.len()
        ));
    }
    let mut inference = Inference::new(question);
    loop {
        if overtime(effort) {
            return Answer::Unknown(
                "the time limit was reached while orders of versions were inferred".into(),
            );
        }
        match inference.round() {
            Round::Impossible(graph) => return Answer::Impossible(graph),
            Round::More => {}
            Round::Nothing => break,
        }
    }
    let graph = question.graph(&inference.readers, &inference.known);
    if question.is_explained_by(&schedule::guess(question, &graph)) {
        return Answer::Explained;
    }
    if inference.open.len() > CHOICES_MAX {
        return Answer::Unknown(format!(
            "the order of {} pairs of writes is open, which is too many to search through",
            inference.open.len()
        ));
    }
    let choices = inference.open.iter().map(|pair| inference.choice(pair)).collect();
    match orders::search(&question.view(&graph), choices, effort) {
        Outcome::Found => Answer::Explained,
        Outcome::Impossible => Answer::NoOrder,
        Outcome::GivenUp(reason) => Answer::Unknown(reason),
    }
}

/// What follows from who replaced what it had read, if that decides.
fn by_replacements(question: &Question<'_>) -> Option<Answer> {
    let readers = Readers::new(question.facts);
    let mut known = replacements::replacements(question.facts);
    let graph = question.graph(&readers, &known);
    if !components(&question.view(&graph)).is_empty() {
        return Some(Answer::Impossible(Box::new(graph)));
    }
    if let Some(order) = replacements::lost_update(question.facts) {
        known.push(order);
        let graph = question.graph(&readers, &known);
        if !components(&question.view(&graph)).is_empty() {
            return Some(Answer::Impossible(Box::new(graph)));
        }
    }
    question.is_explained_by(&schedule::guess(question, &graph)).then_some(Answer::Explained)
}

/// Whether the caller's clock says that it is enough.
pub(super) fn overtime(effort: &Effort<'_>) -> bool {
    effort.time.is_some_and(|limit| (limit.elapsed)() >= limit.time_max)
}

impl Question<'_> {
    fn view<'a>(&self, graph: &'a Graph) -> View<'a> {
        View { graph, kinds: self.kinds, points: self.points }
    }

    /// The graph with these orders added: of writers, and of readers of the earlier before the later.
    fn graph(&self, readers: &Readers, known: &[Known]) -> Graph {
        let mut builder = edges::builder(self.history, self.facts);
        for order in known {
            add(&mut builder, readers, *order);
        }
        builder.finish()
    }

    /// Whether there is no circle when the writers of each key come in this order.
    fn is_explained_by(&self, order: &[Vec<u32>]) -> bool {
        let readers = Readers::new(self.facts);
        let mut builder = edges::builder(self.history, self.facts);
        for (key, writers) in order.iter().enumerate() {
            for pair in writers.windows(2) {
                add(&mut builder, &readers, Known { before: pair[0], after: pair[1], key: key as u32 });
            }
        }
        let graph = builder.finish();
        components(&self.view(&graph)).is_empty()
    }

    /// Where a dependency leads from and to, as points.
    fn edge(&self, from: u32, to: u32, dependency: Dependency) -> (u32, u32) {
        match (self.points, dependency) {
            (Points::One, _) => (from, to),
            (Points::Two, Dependency::ReadWrite) => (2 * from, 2 * to + 1),
            (Points::Two, _) => (2 * from + 1, 2 * to),
        }
    }
}

fn add(builder: &mut GraphBuilder, readers: &Readers, order: Known) {
    builder.edge(order.before, order.after, Label::new(Dependency::WriteWrite, order.key));
    for &reader in readers.of(order.key, order.before) {
        builder.edge(reader, order.after, Label::new(Dependency::ReadWrite, order.key));
    }
}

/// By key and loose writer, who read its version.
pub(super) struct Readers {
    /// Key, writer, reader; sorted.
    all: Vec<(u32, u32, u32)>,
    readers: Vec<u32>,
}

impl Readers {
    pub fn new(facts: &Facts) -> Self {
        let mut all: Vec<(u32, u32, u32)> = facts
            .reads
            .iter()
            .filter_map(|read| match read.source {
                Source::Loose(writer) => Some((read.key, writer, read.transaction)),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        let readers = all.iter().map(|(_, _, reader)| *reader).collect();
        Self { all, readers }
    }

    pub fn of(&self, key: u32, writer: u32) -> &[u32] {
        let begin = self.all.partition_point(|&(k, w, _)| (k, w) < (key, writer));
        let length = self.all[begin..].partition_point(|&(k, w, _)| (k, w) == (key, writer));
        &self.readers[begin..begin + length]
    }
}

/// Two writers of a key whose order is open.
struct Pair {
    key: u32,
    first: u32,
    second: u32,
}

/// What is known, and what is open.
struct Inference<'a> {
    question: &'a Question<'a>,
    readers: Readers,
    known: Vec<Known>,
    open: Vec<Pair>,
}

enum Round {
    Impossible(Box<Graph>),
    More,
    Nothing,
}

impl<'a> Inference<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        let loose = &question.facts.loose;
        let mut open = Vec::new();
        for key in 0..loose.len() {
            let writers = loose.get(key);
            for (index, &first) in writers.iter().enumerate() {
                open.extend(writers[index + 1..].iter().map(|&second| Pair {
                    key: key as u32,
                    first,
                    second,
                }));
            }
        }
        Self { question, readers: Readers::new(question.facts), known: Vec::new(), open }
    }

    /// Infers what follows from what is known now.
    fn round(&mut self) -> Round {
        let graph = self.question.graph(&self.readers, &self.known);
        let view = self.question.view(&graph);
        let Some(reached) = Reached::new(&view) else { return Round::Impossible(Box::new(graph)) };
        let mut open = Vec::new();
        let mut is_new = false;
        for pair in std::mem::take(&mut self.open) {
            let forth = Known { before: pair.first, after: pair.second, key: pair.key };
            let back = Known { before: pair.second, after: pair.first, key: pair.key };
            let known = match (self.closes_circle(&reached, forth), self.closes_circle(&reached, back)) {
                (false, false) => {
                    open.push(pair);
                    continue;
                }
                (false, true) => forth,
                // If neither is possible, either will show the circle.
                (true, _) => back,
            };
            if self.edges(known).any(|(from, to)| !reached.has(from, to)) {
                is_new = true;
                self.known.push(known);
            }
        }
        self.open = open;
        if is_new { Round::More } else { Round::Nothing }
    }

    /// The points that an order of two writers connects.
    fn edges(&self, order: Known) -> impl Iterator<Item = (u32, u32)> + '_ {
        let written = self.question.edge(order.before, order.after, Dependency::WriteWrite);
        let readers = self.readers.of(order.key, order.before).iter();
        let read = readers
            .filter(move |reader| **reader != order.after)
            .map(move |&reader| self.question.edge(reader, order.after, Dependency::ReadWrite));
        std::iter::once(written).chain(read)
    }

    fn closes_circle(&self, reached: &Reached, order: Known) -> bool {
        self.edges(order).any(|(from, to)| reached.has(to, from))
    }

    fn choice(&self, pair: &Pair) -> Choice {
        let order = |before, after| self.edges(Known { before, after, key: pair.key }).collect();
        Choice { forth: order(pair.first, pair.second), back: order(pair.second, pair.first) }
    }
}

/// Which point reaches which: a matrix of bits.
struct Reached {
    words: usize,
    bits: Vec<u64>,
}

impl Reached {
    /// `None` if there is a circle.
    fn new(view: &View<'_>) -> Option<Self> {
        let order = topological(view)?;
        let words = view.len().div_ceil(64);
        let mut reached = Self { words, bits: vec![0; words * view.len()] };
        for &point in order.iter().rev() {
            let mut row = vec![0u64; words];
            let mut cursor = 0;
            while let Some((to, _, next)) = view.next(point, cursor) {
                cursor = next;
                row[to as usize / 64] |= 1 << (to % 64);
                let begin = to as usize * words;
                row.iter_mut()
                    .zip(&reached.bits[begin..begin + words])
                    .for_each(|(own, other)| *own |= other);
            }
            let begin = point as usize * words;
            reached.bits[begin..begin + words].copy_from_slice(&row);
        }
        Some(reached)
    }

    fn has(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }
}

/// The points in an order that all edges follow, or `None` if there is none (Kahn 1962).
pub(super) fn topological(view: &View<'_>) -> Option<Vec<u32>> {
    let mut incoming = vec![0u32; view.len()];
    let each = |point: u32, with: &mut dyn FnMut(u32)| {
        let mut cursor = 0;
        while let Some((to, _, next)) = view.next(point, cursor) {
            cursor = next;
            with(to);
        }
    };
    (0..view.len() as u32).for_each(|point| each(point, &mut |to| incoming[to as usize] += 1));
    let mut order: Vec<u32> = (0..view.len() as u32).filter(|point| incoming[*point as usize] == 0).collect();
    let mut done = 0;
    while let Some(&point) = order.get(done) {
        done += 1;
        each(point, &mut |to| {
            incoming[to as usize] -= 1;
            if incoming[to as usize] == 0 {
                order.push(to);
            }
        });
    }
    (order.len() == view.len()).then_some(order)
}
