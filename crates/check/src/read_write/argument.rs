//! From an order that cannot be to an argument that a person can follow.
//!
//! What comes before what is known for three reasons: the order of a session, a read that returned a write, and what
//! was inferred from these. An argument is a shortest chain of such reasons (the fewest that leave a session), each
//! in a sentence; what was inferred is argued for in turn, from what was known when it was inferred.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::graph::Graph;
use super::sources::NONE;
use crate::history::OperationId;
use crate::model::{AnomalyName, Breach, Step};

/// How many steps an argument shows.
const STEPS_MAX: usize = 40;

/// What was inferred to come before what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inferred {
    pub(super) before: u32,
    pub(super) after: u32,
    pub(super) rule: Rule,
}

/// How it was inferred.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// `before` writes the key of the read, and comes before it; `after` is what the read returned.
    BeforeSource {
        /// Which read.
        read: u32,
    },
    /// `before` is a read, and `after` overwrites what it returned.
    BeforeOverwrite,
}

/// Which orders an argument may use.
pub(super) struct Grounds<'g, 't, 'h> {
    pub(super) graph: &'g Graph<'t, 'h>,
    /// The chain whose reads are taken into account, or all.
    pub(super) observer: Option<u32>,
    pub(super) inferred: Vec<Inferred>,
    /// The inferred orders that end in each operation.
    into: BTreeMap<u32, Vec<u32>>,
}

#[derive(Clone, Copy)]
enum Why {
    Session,
    ReadsFrom,
    Inferred(u32),
}

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    why: Why,
}

impl<'g, 't, 'h> Grounds<'g, 't, 'h> {
    /// Sessions, and what reads returned.
    pub(super) fn new(graph: &'g Graph<'t, 'h>, observer: Option<u32>) -> Self {
        Self { graph, observer, inferred: Vec::new(), into: BTreeMap::new() }
    }

    pub(super) fn infer(&mut self, inferred: Inferred) {
        self.into.entry(inferred.after).or_default().push(self.inferred.len() as u32);
        self.inferred.push(inferred);
    }

    pub(super) fn inferred_before(&self, operation: u32) -> impl Iterator<Item = u32> + '_ {
        let into = self.into.get(&operation).map_or(&[][..], Vec::as_slice);
        into.iter().map(|&index| self.inferred[index as usize].before)
    }

    /// Whether the source of the read is taken into account.
    pub(super) fn follows(&self, read: u32) -> bool {
        self.observer.is_none_or(|chain| self.graph.chain_of[read as usize] == chain)
    }

    /// The shortest chain of reasons, of which inferred ones are among the first `known`; empty if there is none.
    fn path(&self, from: u32, to: u32, known: u32) -> Vec<Link> {
        let graph = self.graph;
        // Backwards: which operation each one was reached from, and why it comes before that.
        let mut reached: BTreeMap<u32, Link> = BTreeMap::new();
        let mut done: BTreeSet<u32> = BTreeSet::new();
        let mut queue = VecDeque::from([to]);
        while let Some(operation) = queue.pop_front() {
            if !done.insert(operation) {
                continue;
            }
            let mut visit = |before: u32, why: Why, queue: &mut VecDeque<u32>| {
                if !reached.contains_key(&before) || (matches!(why, Why::Session) && !done.contains(&before))
                {
                    reached.insert(before, Link { before, after: operation, why });
                }
                // Steps within a session cost nothing.
                if matches!(why, Why::Session) { queue.push_front(before) } else { queue.push_back(before) }
            };
            if let Some(source) = graph.written_source(operation).filter(|_| self.follows(operation)) {
                visit(source, Why::ReadsFrom, &mut queue);
            }
            for &index in self.into.get(&operation).into_iter().flatten().filter(|&&index| index < known) {
                visit(self.inferred[index as usize].before, Why::Inferred(index), &mut queue);
            }
            let parent = graph.parent[operation as usize];
            if parent != NONE {
                visit(parent, Why::Session, &mut queue);
            }
            if reached.contains_key(&from) {
                break;
            }
        }
        self.unwind(&reached, from, to)
    }

    /// The links from `from` on, steps within a session joined.
    fn unwind(&self, reached: &BTreeMap<u32, Link>, from: u32, to: u32) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        let mut at = from;
        while let Some(&link) = reached.get(&at) {
            match links.last_mut() {
                Some(last) if matches!((last.why, link.why), (Why::Session, Why::Session)) => {
                    last.after = link.after;
                }
                _ => links.push(link),
            }
            at = link.after;
            if at == to {
                break;
            }
        }
        links
    }

    /// A breach whose argument is why the first of each pair of `paths` comes before the second.
    pub(super) fn breach(
        &self,
        anomaly: impl Into<Option<&'static str>>,
        sentence: String,
        paths: &[(u32, u32)],
    ) -> Breach {
        let mut argument =
            Argument { grounds: self, steps: Vec::new(), said: BTreeSet::new(), witness: BTreeSet::new() };
        for &(from, to) in paths {
            argument.chain(from, to, self.inferred.len() as u32);
        }
        let Argument { mut steps, mut witness, .. } = argument;
        if steps.len() > STEPS_MAX {
            // The end is what the argument comes to.
            let left_out = steps.len() - STEPS_MAX;
            let text = format!("(The first {left_out} steps are left out.)");
            steps.splice(..left_out, [Step { text, operations: Vec::new() }]);
        }
        witness.extend(paths.iter().flat_map(|&(from, to)| [from, to]));
        Breach {
            anomaly: anomaly.into().map(AnomalyName::from),
            sentence,
            witness: witness.into_iter().map(|operation| self.graph.trace.summary(operation)).collect(),
            steps,
        }
    }

    /// The argument that the order is a cycle through `operation`.
    pub(super) fn cycle(&self, anomaly: &'static str, sentence: String, operation: u32) -> Breach {
        self.breach(anomaly, sentence, &[(operation, operation)])
    }
}

struct Argument<'a, 'g, 't, 'h> {
    grounds: &'a Grounds<'g, 't, 'h>,
    steps: Vec<Step>,
    /// Inferred orders that have been argued for.
    said: BTreeSet<u32>,
    witness: BTreeSet<u32>,
}

impl Argument<'_, '_, '_, '_> {
    /// Says why `from` comes before `to`.
    fn chain(&mut self, from: u32, to: u32, known: u32) {
        for link in self.grounds.path(from, to, known) {
            self.witness.extend([link.before, link.after]);
            match link.why {
                Why::Session => {
                    let trace = self.grounds.graph.trace;
                    let client = trace.sessions[trace.access(link.before).session as usize];
                    let text = format!(
                        "{} is before {} in the session of {client}.",
                        self.id(link.before),
                        self.id(link.after)
                    );
                    self.say(text, &[link.before, link.after]);
                }
                Why::ReadsFrom => {
                    let text =
                        format!("{} returned what {} wrote.", self.id(link.after), self.id(link.before));
                    self.say(text, &[link.before, link.after]);
                }
                Why::Inferred(index) => self.inferred(index),
            }
        }
    }

    /// Says why an inferred order holds, once.
    fn inferred(&mut self, index: u32) {
        // A long argument is cut when it is shown; what is cut need not be made.
        if self.said.len() >= STEPS_MAX || !self.said.insert(index) {
            return;
        }
        let Inferred { before, after, rule } = self.grounds.inferred[index as usize];
        let source = self.grounds.graph.written_source(before);
        match rule {
            Rule::BeforeSource { read } => {
                self.witness.insert(read);
                self.chain(before, read, index);
                let text = format!(
                    "{} had come before {}, which returned {} all the same: so {} is before {}.",
                    self.id(before),
                    self.id(read),
                    self.id(after),
                    self.id(before),
                    self.id(after)
                );
                self.say(text, &[before, read, after]);
            }
            Rule::BeforeOverwrite => {
                let what = match source {
                    Some(source) => {
                        self.chain(source, after, index);
                        format!(
                            "{} overwrites {}, which {} returned",
                            self.id(after),
                            self.id(source),
                            self.id(before)
                        )
                    }
                    None => format!(
                        "{} overwrites the first value, which {} returned",
                        self.id(after),
                        self.id(before)
                    ),
                };
                let text = format!("{what}: so {} is before {}.", self.id(before), self.id(after));
                let mut operations = vec![before, after];
                operations.extend(source);
                self.say(text, &operations);
            }
        }
        self.witness.extend([before, after]);
    }

    fn say(&mut self, text: String, operations: &[u32]) {
        let operations = operations.iter().map(|&operation| self.id(operation)).collect();
        self.steps.push(Step { text, operations });
    }

    fn id(&self, operation: u32) -> OperationId {
        self.grounds.graph.trace.id(operation)
    }
}
