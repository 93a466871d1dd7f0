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
//! A guess and the replacements are linear but for sorting. Who reaches whom is kept as a band of bits: points in an order
//! that all edges follow, and for each those among the next ones that it reaches, [`super::reached`]. Up to some
//! thirty thousand points that is all of them. In a longer history what is far apart is not inferred but left to the
//! search, which begins with the order of the guess; the two seldom meet, for whoever is far apart is ordered by those
//! between. Pairs of writers and the edges that they could add are bounded, and with them memory.

use super::Effort;
use super::anomaly::Dependency;
use super::edges;
use super::facts::{Facts, Source};
use super::graph::{Graph, GraphBuilder, Kinds, Label, Points, View, components};
use super::history::History;
use super::orders::{self, Choice, Outcome};
use super::reached::Reached;
use super::replacements;
use super::schedule;

/// Words of 64 bits in which it is kept who reaches whom: 128 MB.
const REACHED_WORDS_MAX: usize = 16 << 20;
/// Pairs of writers whose order is open that a search takes on.
const CHOICES_MAX: usize = 4_000_000;
/// Edges that all these orders could add, at eight bytes each.
const CHOICE_EDGES_MAX: usize = 40_000_000;

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
    if question.is_explained_by(&schedule::guess(question, &graph).writers) {
        return Answer::Explained;
    }
    drop(graph);
    if overtime(effort) {
        return Answer::Unknown(
            "the time limit was reached after a first guess at the order of versions".into(),
        );
    }
    let known = match by_replacements(question) {
        Ok(answer) => return answer,
        Err(known) => known,
    };
    let loose = &question.facts.loose;
    let pairs: usize =
        (0..loose.len()).map(|key| loose.get(key).len()).map(|len| len * len.saturating_sub(1) / 2).sum();
    if pairs > CHOICES_MAX {
        return too_many(&format!("{pairs} pairs of writes to one key"));
    }
    let mut inference = Inference::new(question, known);
    loop {
        if overtime(effort) {
            return Answer::Unknown(
                "the time limit was reached while orders of versions were inferred".into(),
            );
        }
        let graph = question.graph(&inference.readers, &inference.known);
        let view = question.view(&graph);
        let guess = schedule::guess(question, &graph);
        let Some(reached) = Reached::new(&view, &guess.points, REACHED_WORDS_MAX) else {
            return Answer::Impossible(Box::new(graph));
        };
        if question.is_explained_by(&guess.writers) {
            return Answer::Explained;
        }
        if inference.round(&reached) {
            continue;
        }
        if inference.open.iter().map(|pair| inference.edges_of(pair)).sum::<usize>() > CHOICE_EDGES_MAX {
            return too_many("the dependencies of its pairs of writes");
        }
        let choices = inference.open.iter().map(|pair| inference.choice(pair)).collect();
        return match orders::search(&view, &guess.points, choices, effort) {
            Outcome::Found => Answer::Explained,
            Outcome::Impossible => Answer::NoOrder,
            Outcome::GivenUp(reason) => Answer::Unknown(reason),
        };
    }
}

fn too_many(what: &str) -> Answer {
    Answer::Unknown(format!("no order of the versions was found at once, and {what} are too many to search"))
}

/// What follows from who replaced what it had read; or, if that does not decide, what is known then.
fn by_replacements(question: &Question<'_>) -> Result<Answer, Vec<Known>> {
    let readers = Readers::new(question.facts);
    let mut known = replacements::replacements(question.facts);
    let graph = question.graph(&readers, &known);
    if !components(&question.view(&graph)).is_empty() {
        return Ok(Answer::Impossible(Box::new(graph)));
    }
    if let Some(order) = replacements::lost_update(question.facts) {
        known.push(order);
        let graph = question.graph(&readers, &known);
        if !components(&question.view(&graph)).is_empty() {
            return Ok(Answer::Impossible(Box::new(graph)));
        }
    }
    Err(known)
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

impl<'a> Inference<'a> {
    fn new(question: &'a Question<'a>, known: Vec<Known>) -> Self {
        let readers = Readers::new(question.facts);
        Self { question, readers, known, open: all_pairs(question.facts) }
    }

    /// Infers what follows from who reaches whom; whether anything new does. Of a pair of which neither order is possible
    /// one is taken, and makes the circle.
    fn round(&mut self, reached: &Reached) -> bool {
        let mut open = Vec::new();
        let mut is_new = false;
        for pair in std::mem::take(&mut self.open) {
            let forth = Known { before: pair.first, after: pair.second, key: pair.key };
            let back = Known { before: pair.second, after: pair.first, key: pair.key };
            let known = match (self.closes_circle(reached, forth), self.closes_circle(reached, back)) {
                (false, false) => {
                    open.push(pair);
                    continue;
                }
                (false, true) => forth,
                (true, _) => back,
            };
            if self.edges(known).any(|(from, to)| !reached.has(from, to)) {
                is_new = true;
                self.known.push(known);
            }
        }
        self.open = open;
        is_new
    }

    /// How many edges the orders of a pair could add.
    fn edges_of(&self, pair: &Pair) -> usize {
        let readers = |writer| self.readers.of(pair.key, writer).len();
        2 + readers(pair.first) + readers(pair.second)
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

/// All pairs of writers of one key, those far apart in the history first: a search decides the last ones first, and whoever
/// is far apart is mostly ordered by those between.
fn all_pairs(facts: &Facts) -> Vec<Pair> {
    let writers: Vec<&[u32]> = (0..facts.loose.len()).map(|key| facts.loose.get(key)).collect();
    let longest = writers.iter().map(|writers| writers.len()).max().unwrap_or_default();
    let mut pairs = Vec::new();
    for apart in (1..longest).rev() {
        for (key, writers) in writers.iter().enumerate().filter(|(_, writers)| writers.len() > apart) {
            let pair = |(&first, &second)| Pair { key: key as u32, first, second };
            pairs.extend(writers.iter().zip(&writers[apart..]).map(pair));
        }
    }
    pairs
}
