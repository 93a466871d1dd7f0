//! Moments as rows of a diagram, each with its weight.

use std::collections::{BTreeMap, BTreeSet};

use synod_machine::{Fate, Input, Machine, Mono, NodeId, Record, SendId};

use crate::{Moment, words};

/// How much a row matters when there is no room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Plain,
    Loss,
    Turn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Message { from: NodeId, to: NodeId, head: char },
    Node { node: NodeId, sign: Option<char> },
    World,
}

impl Mark {
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        match self {
            Mark::Message { from, to, .. } => vec![*from, *to],
            Mark::Node { node, .. } => vec![*node],
            Mark::World => Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub time: Mono,
    pub mark: Mark,
    pub text: String,
    /// `e12` or `m17`.
    pub name: String,
    pub weight: Weight,
    pub roles: BTreeMap<NodeId, char>,
    pub down: BTreeSet<NodeId>,
    pub paused: BTreeSet<NodeId>,
}

impl Row {
    pub(super) fn touches(&self, node: NodeId) -> bool {
        match &self.mark {
            Mark::Message { from, to, head } => node == *from || (node == *to && matches!(head, '▶' | '»')),
            Mark::Node { node: at, .. } => node == *at,
            Mark::World => false,
        }
    }
}

/// Reads moments in their order.
#[derive(Default)]
pub(super) struct Rows {
    pub rows: Vec<Row>,
    kinds: BTreeMap<SendId, &'static str>,
    roles: BTreeMap<NodeId, char>,
    down: BTreeSet<NodeId>,
    paused: BTreeSet<NodeId>,
}

impl Rows {
    pub(super) fn of<'a, M: Machine + 'a>(moments: impl Iterator<Item = &'a Moment<M>>) -> Self {
        let mut rows = Rows::default();
        for moment in moments {
            match moment {
                Moment::Record { record, role, kinds, .. } => rows.record(record, *role, kinds),
                Moment::Fate { time, id, from, to, fate } => rows.fate(*time, *id, (*from, *to), fate),
                Moment::World { time, node, kind, what } => rows.world(*time, *node, kind, what),
            }
        }
        rows
    }

    fn record<M: Machine>(&mut self, record: &Record<M>, role: char, kinds: &[&'static str]) {
        let Record { number, node, time, .. } = record;
        for ((id, _, _), kind) in record.sends().zip(kinds) {
            self.kinds.insert(id, kind);
        }
        let before = self.roles.insert(*node, role);
        let received = matches!(record.input, Input::Receive { .. });
        if !received {
            let text = format!("{node} {}", words::input(&record.input));
            self.push(
                *time,
                Mark::Node { node: *node, sign: None },
                text,
                format!("e{number}"),
                Weight::Plain,
            );
        } else if let Some(row) = self.rows.last_mut() {
            // The arrow was drawn with its fate; the receiver stands there as it is after the step.
            row.roles.insert(*node, role);
            if let Input::Receive { message, .. } = &record.input {
                let contents = words::contents(message);
                row.text += if contents.is_empty() { "" } else { " " };
                row.text += &contents;
            }
        }
        // The row of the step says so itself, and is kept where others are folded.
        if before.is_some_and(|before| before != role)
            && let Some(row) = self.rows.last_mut()
        {
            row.text += &format!(", {node} is {role} now");
            row.name = format!("e{number}");
            row.weight = Weight::Turn;
        }
    }

    fn fate(&mut self, time: Mono, id: SendId, (from, to): (NodeId, NodeId), fate: &Fate) {
        let kind = self.kinds.remove(&id).unwrap_or("message");
        let (head, weight, end) = match fate {
            Fate::Delivered(_) => ('▶', Weight::Plain, String::new()),
            Fate::Duplicated(_) => ('»', Weight::Plain, format!(" {}", words::fate(fate))),
            Fate::Dropped(_) => ('✕', Weight::Loss, format!(" {}", words::fate(fate))),
            Fate::Blocked(_) => ('▮', Weight::Loss, format!(" {}", words::fate(fate))),
            Fate::InFlight => ('○', Weight::Plain, format!(" {}", words::fate(fate))),
        };
        let text = format!("{from}→{to} {kind}{end}");
        self.push(time, Mark::Message { from, to, head }, text, id.to_string(), weight);
    }

    fn world(&mut self, time: Mono, node: Option<NodeId>, kind: &str, what: &str) {
        let sign = match (kind, node) {
            ("crash" | "lost", Some(node)) => {
                self.paused.remove(&node);
                self.down.insert(node);
                Some('#')
            }
            ("start", Some(node)) => {
                if !self.down.remove(&node) {
                    // The first that is heard of it: it was down all the while.
                    self.rows.iter_mut().for_each(|row| {
                        row.down.insert(node);
                    });
                }
                Some('*')
            }
            ("resume", Some(node)) => {
                self.paused.remove(&node);
                None
            }
            ("fault", Some(node)) if what.contains(" pause ") && !self.down.contains(&node) => {
                self.paused.insert(node);
                None
            }
            ("violation", _) => Some('!'),
            _ => None,
        };
        let mark = node.map_or(Mark::World, |node| Mark::Node { node, sign });
        let name = if kind == "fault" { String::new() } else { kind.to_owned() };
        let subject = node.map_or(String::new(), |node| format!("{node} "));
        let text = match kind {
            "fault" | "fault end" | "violation" | "heal" | "resume" => what.to_owned(),
            _ => format!("{subject}{what}"),
        };
        self.push(time, mark, text, name, Weight::Turn);
    }

    fn push(&mut self, time: Mono, mark: Mark, text: String, name: String, weight: Weight) {
        let (roles, down, paused) = (self.roles.clone(), self.down.clone(), self.paused.clone());
        self.rows.push(Row { time, mark, text, name, weight, roles, down, paused });
    }
}
