//! A run without the types of its machine: what exports, comparisons and pictures need of it, in words.
//!
//! A film is made of the moments that a world kept. It holds every step with its input, effects, sends and state, every message's fate, and everything that the
//! world did, in the order in which it happened.

use synod_machine::{Fate, Input, Machine, Mono, NodeId, SendId};

use crate::{Moment, Subject, World, words};

/// A run in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Film {
    /// The nodes.
    pub nodes: Vec<NodeId>,
    /// What happened, in its order.
    pub shots: Vec<Shot>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// When, in true time.
    pub time: Mono,
    /// What.
    pub shown: Shown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A step.
    Step {
        /// The record's number.
        number: u64,
        /// Where.
        node: NodeId,
        /// The message that was received, if one was.
        cause: Option<SendId>,
        /// The input in words.
        input: String,
        /// The effects in words.
        effects: Vec<String>,
        /// Its sends.
        sends: Vec<Sent>,
        /// The node's part after it.
        role: char,
        /// The state after it, if states were kept.
        state: Vec<(String, String)>,
    },
    /// A message met its fate.
    Fate {
        /// Which send.
        id: SendId,
        /// From where.
        from: NodeId,
        /// To where.
        to: NodeId,
        /// The fate.
        fate: Fate,
    },
    /// The world did something.
    World {
        /// To one node, or to several.
        node: Option<NodeId>,
        /// What kind of thing.
        kind: &'static str,
        /// In words.
        what: String,
    },
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The send's id.
    pub id: SendId,
    /// To where.
    pub to: NodeId,
    /// Its kind in one word.
    pub kind: &'static str,
    /// It, in words.
    pub text: String,
}

impl<S: Subject> World<S> {
    /// The film of the kept moments; see [`World::keep`] and [`World::keep_states`].
    pub fn film(&self) -> Film {
        Film { nodes: self.view().nodes().collect(), shots: self.moments().map(shot).collect() }
    }
}

impl Film {
    /// How the first difference reads in words: the shots at its place, of either film.
    pub fn parting(&self, other: &Film) -> Option<usize> {
        let same = self.shots.iter().zip(&other.shots).take_while(|(mine, theirs)| mine == theirs).count();
        (same < self.shots.len() || same < other.shots.len()).then_some(same)
    }
}

impl Shot {
    /// The shot in one line, without its time.
    pub fn words(&self) -> String {
        match &self.shown {
            Shown::Step { number, node, input, .. } => format!("e{number} {node} {input}"),
            Shown::Fate { id, from, to, fate } => format!("{id} {from}→{to} {}", words::fate(fate)),
            Shown::World { node: Some(node), kind, what } => format!("{kind} {node} {what}"),
            Shown::World { node: None, kind, what } => format!("{kind} {what}"),
        }
    }
}

fn shot<M: Machine>(moment: &Moment<M>) -> Shot {
    match moment {
        Moment::Record { record, role, kinds, state } => {
            let sends = record.sends().zip(kinds).map(|((id, to, message), kind)| Sent {
                id,
                to,
                kind,
                text: words::short(message),
            });
            let cause = record.cause.filter(|_| matches!(record.input, Input::Receive { .. }));
            let shown = Shown::Step {
                number: record.number,
                node: record.node,
                cause,
                input: words::input(&record.input),
                effects: record.effects.iter().map(words::effect).collect(),
                sends: sends.collect(),
                role: *role,
                state: state.entries.clone(),
            };
            Shot { time: record.time, shown }
        }
        Moment::Fate { time, id, from, to, fate } => {
            Shot { time: *time, shown: Shown::Fate { id: *id, from: *from, to: *to, fate: fate.clone() } }
        }
        Moment::World { time, node, kind, what } => {
            Shot { time: *time, shown: Shown::World { node: *node, kind, what: what.clone() } }
        }
    }
}
