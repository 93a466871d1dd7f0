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
//! 3. *Search* what is open, learning a clause from each circle ([`super::orders`]), but not for long.
//! 4. *Infer*: of two writers of a key one comes first, and all readers of its version come before the other. If that
//!    would close a circle with what is known, the opposite order is known, too (Tan et al., Cobra, OSDI 2020; Huang et
//!    al., PolySI, VLDB 2023). Repeated as long as much follows. Where neither order is possible the model is broken.
//! 5. Search and infer in turn, each time for longer, until nothing more follows and a search has said the last word.
//!
//! # What it guarantees
//! An explanation is checked before it is believed, and impossibility is proven by inferences or by clauses. When a limit
//! is met the answer is unknown.
//!
//! # What it costs
//! A guess and the replacements are linear but for sorting. Who reaches whom is kept as a band of bits: points in an order
//! that all edges follow, and for each those among the next ones that it reaches, [`super::reached`]: a thousand at first,
//! and when nothing more follows from those as many as fit into memory. What is far apart is left to the search, which
//! begins with the order of the guess; the two seldom meet, for whoever is far apart is ordered by those between. Where
//! there are too many pairs of writers nothing is inferred, and all is left to the search.

use super::Effort;
use super::anomaly::Dependency;
use super::edges;
use super::facts::{Facts, Groups, Source};
use super::graph::{Graph, GraphBuilder, Kinds, Label, Points, View, components};
use super::history::History;
use super::orders::{self, Outcome};
use super::reached::Reached;
use super::replacements;
use super::schedule;

/// Words of 64 bits in which it is kept who reaches whom: 128 MB.
const REACHED_WORDS_MAX: usize = 16 << 20;
/// How many of them for each point at first: a thousand points that follow one another.
const REACHED_WORDS_FIRST: usize = 16;
/// Pairs of writers of one key of which it is inferred which comes first, where there are not more.
const PAIRS_MAX: usize = 4_000_000;
/// Steps of the search before anything is inferred: so many for each point, and so many at any rate.
const STEPS_FIRST_PER_POINT: u64 = 4;
const STEPS_FIRST_MIN: u64 = 50_000;
/// How much longer each search is than the one before.
const STEPS_FACTOR: u64 = 16;
/// Of the pairs that are open, at least one in so many must be inferred for another round at once.
const PROGRESS: usize = 64;

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
    Inference::new(question, known).run(effort)
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
    fn graph(&self, readers: &Readers<'_>, known: &[Known]) -> Graph {
        let mut builder = edges::builder(self.history, self.facts);
        for order in known {
            add(&mut builder, readers, *order);
        }
        builder.finish()
    }

    /// Whether there is no circle when the writers of each key come in this order.
    pub fn is_explained_by(&self, order: &[Vec<u32>]) -> bool {
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

    /// The point at which a transaction's writes take effect.
    pub fn commit(&self, transaction: u32) -> u32 {
        if self.points == Points::One { transaction } else { 2 * transaction + 1 }
    }

    /// The node that a point belongs to.
    pub fn node(&self, point: u32) -> u32 {
        if self.points == Points::One { point } else { point / 2 }
    }

    /// Where a dependency leads from and to, as points.
    pub fn edge(&self, from: u32, to: u32, dependency: Dependency) -> (u32, u32) {
        match (self.points, dependency) {
            (Points::One, _) => (from, to),
            (Points::Two, Dependency::ReadWrite) => (2 * from, 2 * to + 1),
            (Points::Two, _) => (2 * from + 1, 2 * to),
        }
    }
}

fn add(builder: &mut GraphBuilder, readers: &Readers<'_>, order: Known) {
    builder.edge(order.before, order.after, Label::new(Dependency::WriteWrite, order.key));
    for &reader in readers.of(order.key, order.before) {
        builder.edge(reader, order.after, Label::new(Dependency::ReadWrite, order.key));
    }
}

/// By key and loose writer, who read its version.
pub(super) struct Readers<'a> {
    loose: &'a Groups,
    /// A group for each loose writer of each key.
    readers: Groups,
}

impl<'a> Readers<'a> {
    pub fn new(facts: &'a Facts) -> Self {
        let loose = &facts.loose;
        let read = |read: &super::facts::Read| match read.source {
            Source::Loose(writer) => {
                let place = loose.get(read.key as usize).binary_search(&writer).ok()?;
                Some((loose.number(read.key as usize, place), read.transaction))
            }
            _ => None,
        };
        let mut all: Vec<(usize, u32)> = facts.reads.iter().filter_map(read).collect();
        all.sort_unstable();
        all.dedup();
        let mut readers = Groups::default();
        let mut rest = all.as_slice();
        for key in 0..loose.len() {
            for place in 0..loose.get(key).len() {
                let number = loose.number(key, place);
                let count = rest.iter().take_while(|(writer, _)| *writer == number).count();
                readers.push(rest[..count].iter().map(|(_, reader)| *reader));
                rest = &rest[count..];
            }
        }
        Self { loose, readers }
    }

    pub fn of(&self, key: u32, writer: u32) -> &[u32] {
        match self.loose.get(key as usize).binary_search(&writer) {
            Ok(place) => self.readers.get(self.loose.number(key as usize, place)),
            Err(_) => &[],
        }
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
    readers: Readers<'a>,
    known: Vec<Known>,
    open: Vec<Pair>,
}

impl<'a> Inference<'a> {
    fn new(question: &'a Question<'a>, known: Vec<Known>) -> Self {
        Self { question, readers: Readers::new(question.facts), known, open: Vec::new() }
    }

    /// Searches and infers in turn: each search is longer than the one before, and begins with more that is known.
    fn run(mut self, effort: &Effort<'_>) -> Answer {
        let points = self.question.view(&edges::graph(self.question.history, self.question.facts)).len();
        let mut steps_max = STEPS_FIRST_PER_POINT * points as u64 + STEPS_FIRST_MIN;
        let mut outcome = self.search(&Effort { steps_max: steps_max.min(effort.steps_max), ..*effort });
        if let Outcome::Found = outcome {
            return Answer::Explained;
        }
        if pairs_count(self.question.facts) <= PAIRS_MAX {
            self.open = all_pairs(self.question.facts);
        }
        let mut words = REACHED_WORDS_FIRST;
        loop {
            if overtime(effort) {
                return Answer::Unknown(
                    "the time limit was reached while orders of versions were inferred".into(),
                );
            }
            let progress = match self.round(words.saturating_mul(points).min(REACHED_WORDS_MAX)) {
                Err(graph) => return Answer::Impossible(graph),
                Ok(Progress::Much) => continue,
                Ok(progress) => progress,
            };
            let is_last = progress == Progress::None && words == usize::MAX;
            // What is refuted already is inferred from for the sake of a circle that shows why.
            if !matches!(outcome, Outcome::Impossible) {
                steps_max = if is_last { u64::MAX } else { steps_max.saturating_mul(STEPS_FACTOR) };
                outcome = self.search(&Effort { steps_max: steps_max.min(effort.steps_max), ..*effort });
            }
            match outcome {
                Outcome::Found => return Answer::Explained,
                Outcome::Impossible if is_last => return Answer::NoOrder,
                Outcome::GivenUp(reason) if is_last => return Answer::Unknown(reason),
                _ if progress == Progress::None => words = usize::MAX,
                _ => {}
            }
        }
    }

    fn search(&self, effort: &Effort<'_>) -> Outcome {
        let graph = self.question.graph(&self.readers, &self.known);
        let view = self.question.view(&graph);
        let guess = schedule::guess(self.question, &graph);
        orders::search(self.question, &self.readers, &view, &guess.points, effort)
    }

    /// Infers once with at most so many words of who reaches whom; or the graph, if there is a circle in it.
    fn round(&mut self, words_max: usize) -> Result<Progress, Box<Graph>> {
        let graph = self.question.graph(&self.readers, &self.known);
        let view = self.question.view(&graph);
        let guess = schedule::guess(self.question, &graph);
        let Some(reached) = Reached::new(&view, &guess.points, words_max) else {
            return Err(Box::new(graph));
        };
        let before = self.open.len();
        let is_new = self.infer(&reached);
        Ok(match before - self.open.len() {
            _ if !is_new => Progress::None,
            inferred if inferred * PROGRESS >= before => Progress::Much,
            _ => Progress::Little,
        })
    }

    /// Infers what follows from who reaches whom; whether anything new does. Of a pair of which neither order is possible
    /// one is taken, and makes the circle.
    fn infer(&mut self, reached: &Reached) -> bool {
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
}

/// How much a round has inferred.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Much,
    Little,
    None,
}

fn pairs_count(facts: &Facts) -> usize {
    let writers = (0..facts.loose.len()).map(|key| facts.loose.get(key).len());
    writers.map(|writers| writers * writers.saturating_sub(1) / 2).sum()
}

/// All pairs of writers of one key.
fn all_pairs(facts: &Facts) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for key in 0..facts.loose.len() {
        let writers = facts.loose.get(key);
        for (place, &first) in writers.iter().enumerate() {
            let pair = |&second| Pair { key: key as u32, first, second };
            pairs.extend(writers[place + 1..].iter().map(pair));
        }
    }
    pairs
}
