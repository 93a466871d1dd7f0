//! How Raft's effects become the node's.
//!
//! Messages, timers, writes and jobs are wrapped with the group. What Raft says to its shard is kept until its step is over:
//! a shard that acted in the middle of it would step Raft within Raft.

use std::collections::BTreeMap;

use synod_machine::{Effects, NodeId, RequestId, Scope, Ticket};
use synod_protocols::consensus::raft::{self, Raft};

use crate::{GroupId, Job, Message, Node, Timer, Write};

/// A node's effects, with the book in which it keeps what its groups still need of the log.
pub struct Fx<'a, 'f> {
    pub fx: &'a mut Effects<'f, Node>,
    pub ledger: &'a mut Ledger,
}

/// Which groups have writes that are not durable, and the oldest write that each still needs.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub unsynced: BTreeMap<GroupId, Ticket>,
    pub needed: BTreeMap<GroupId, Ticket>,
    /// Some group has let go of writes since the node last looked.
    pub changed: bool,
}

/// What Raft said during a step.
pub(super) enum Heard {
    Event(raft::Event),
    Reply(RequestId, raft::Reply),
}

/// Between one step of Raft and its node.
pub(super) struct RaftScope<'l> {
    pub group: GroupId,
    pub heard: Vec<Heard>,
    pub ledger: &'l mut Ledger,
}

impl Scope<Raft, Node> for RaftScope<'_> {
    fn message(&mut self, _: NodeId, message: raft::Message, _: Option<Ticket>) -> Message {
        Message::Raft { group: self.group, message }
    }

    fn timer(&mut self, timer: raft::Timer) -> Timer {
        Timer::Raft(self.group, timer)
    }

    fn write(&mut self, write: raft::Write) -> Write {
        Write::Raft { group: self.group, write }
    }

    fn written(&mut self, ticket: Ticket) {
        self.ledger.unsynced.insert(self.group, ticket);
    }

    fn work(&mut self, job: raft::Job, fx: &mut Effects<'_, Node>) {
        fx.work(Job::Snapshot { group: self.group, job });
    }

    fn reply(&mut self, id: RequestId, reply: raft::Reply, _: &mut Effects<'_, Node>) {
        self.heard.push(Heard::Reply(id, reply));
    }

    fn event(&mut self, event: raft::Event, _: &mut Effects<'_, Node>) {
        self.heard.push(Heard::Event(event));
    }

    fn forget(&mut self, before: Ticket, _: &mut Effects<'_, Node>) {
        self.ledger.needed.insert(self.group, before);
        self.ledger.changed = true;
    }
}
