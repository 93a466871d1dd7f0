//! The log as its clients see it: a register.
//!
//! Whoever keeps one log keeps any object; the simplest one is a register, in which each command of the log writes what it carries. A proposal is answered when it
//! is in a leader's log and may still be lost, so as a write it ends when its entry is committed, or when another entry is committed in its place. A read is
//! answered with an index: it returns what the last command up to there wrote. All of that is taken down where it happens and changes nothing in the run.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_check::format::{Datum, Object};
use synod_machine::{NodeId, RequestId};
use synod_protocols::consensus::raft::{Command, Index, Payload, Raft, Refusal, Reply, Term};

use crate::chronicle::{Asked, Chronicle};

/// What the log amounts to.
#[derive(Debug)]
pub struct Register {
    chronicle: Chronicle,
    /// What committed commands wrote, by their places.
    written: BTreeMap<Index, Datum>,
    committed: Index,
    /// Proposals that are in a leader's log, by their places.
    proposed: BTreeMap<(Index, RequestId), Term>,
}

impl Default for Register {
    fn default() -> Self {
        Register {
            chronicle: Chronicle::new(Object::Register, None),
            written: BTreeMap::new(),
            committed: Index(0),
            proposed: BTreeMap::new(),
        }
    }
}

impl Register {
    /// What clients did.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        &mut self.chronicle
    }

    /// A client sends a command to a node.
    pub fn asked(&mut self, at: Duration, node: NodeId, id: RequestId, command: &Command) {
        let value = match command {
            Command::Propose(bytes) => Some(value(bytes)),
            Command::ReadIndex => None,
            _ => return,
        };
        self.chronicle.asks(at, node.0, id.0, || match value {
            Some(value) => Asked::new("write", value),
            None => Asked::new("read", Datum::Nil),
        });
    }

    /// A node gives an answer.
    pub fn answered(&mut self, at: Duration, id: RequestId, reply: &Reply) {
        if !self.chronicle.is_open(id.0) {
            return;
        }
        match reply {
            Reply::Proposed { term, index } => {
                self.proposed.insert((*index, id), *term);
            }
            Reply::ReadAt(index) => {
                let last = self.written.range(..=*index).next_back();
                let value = last.map_or(Datum::Nil, |(_, value)| value.clone());
                self.chronicle.answers(at, id.0, || value);
            }
            // Leadership was lost while it was under way: it may have been proposed.
            Reply::Refused(Refusal::Unknown) => self.chronicle.gives_up(at, id.0),
            Reply::Refused(_) => self.chronicle.fails(at, id.0),
            _ => {}
        }
    }

    /// A node may have learned that more is committed.
    pub fn committed(&mut self, at: Duration, raft: &Raft) {
        if !self.chronicle.is_kept() || raft.commit() <= self.committed {
            return;
        }
        for entry in raft.log().range(self.committed, raft.commit()) {
            if let Payload::Command(bytes) = &entry.payload {
                self.written.insert(entry.index, value(bytes));
            }
        }
        self.committed = raft.commit();
        let later = self.proposed.split_off(&(Index(self.committed.0 + 1), RequestId(0)));
        for ((index, id), term) in std::mem::replace(&mut self.proposed, later) {
            match raft.log().term(index) == Some(term) {
                true => self.chronicle.answers(at, id.0, || Datum::Nil),
                false => self.chronicle.fails(at, id.0),
            }
        }
    }
}

fn value(bytes: &[u8]) -> Datum {
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_or_else(|_| Datum::text(&text), Datum::Integer)
}
