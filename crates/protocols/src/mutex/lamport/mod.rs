//! Lamport's mutual exclusion (Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", CACM 1978,
//! section "Ordering the Events Totally"): every process keeps the whole queue, and logical clocks order it the same everywhere.
//!
//! # The problem
//! N processes share one resource that only one may hold at a time. No process is special, and requests must be granted in
//! the order in which they were made, as far as "order" means something between processes: by happens-before.
//!
//! # The rules (numbered as in the paper)
//! 1. To enter, a process stamps a request with its clock, puts it into its own queue, and sends it to every other process.
//! 2. Who receives a request puts it into its queue and answers with a stamped acknowledgement.
//! 3. To leave, a process takes its request out of its queue and sends a stamped release to every other process.
//! 4. Who receives a release takes the sender's request out of its queue.
//! 5. A process enters when its own request is the first of its queue, by (stamp, process), and it has received a message with a
//!    later stamp from every other process.
//!
//! # What it guarantees
//! Exclusion; no starvation; and entries in the order of the requests' stamps, so that a request that happened before another is
//! granted before it.
//!
//! # What it assumes
//! That channels are FIFO: rule 5 takes a later message as proof that no earlier request is under way. Let an acknowledgement
//! overtake the request that was sent before it, and two processes enter. And that channels are reliable and processes do not crash: one
//! message that is missing from one process stops everybody.
//!
//! # What it costs
//! 3 (N - 1) messages an entry: request, acknowledgement and release, each to or from every other process. The synchronization
//! delay, from one process's leaving to the next one's entering, is one message, T. Nothing is written to disk.
//!
//! # What is left out
//! An acknowledgement may be omitted when a later message was sent to the requester anyhow; that is what Ricart and Agrawala made of it.
//!
//! # Example
//!
//! Both ask at once, with the same stamp; the tie goes to the smaller name, at both.
//!
//! ```
//! use synod_machine::*;
//! use synod_protocols::mutex::{Command, Reply, lamport::*};
//!
//! let names = [NodeId(1), NodeId(2)];
//! let mut nodes = names.map(|me| Process::new(me, names));
//! let mut step = |id: u64, input| {
//!     let mut buffer = Buffer::new(First, Ticket(1));
//!     nodes[id as usize - 1].step(&Context::at(NodeId(id), Mono::ZERO), input, &mut buffer.effects());
//!     buffer.effects.iter().any(|effect| matches!(effect, Effect::Reply { reply: Reply::Entered, .. }))
//! };
//! step(1, Input::Command { id: RequestId(7), command: Command::Enter });
//! step(2, Input::Command { id: RequestId(8), command: Command::Enter });
//! step(1, Input::Receive { from: NodeId(2), message: Message::Request(1) });
//! step(2, Input::Receive { from: NodeId(1), message: Message::Request(1) });
//! assert!(!step(2, Input::Receive { from: NodeId(1), message: Message::Acknowledge(2) }));
//! assert!(step(1, Input::Receive { from: NodeId(2), message: Message::Acknowledge(2) }));
//! ```

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, View};

use super::{Command, Reply};

mod cost;
mod invariants;

pub use cost::{messages_per_entry, synchronization_delay};
pub use invariants::{exclusion, same_order};

/// This file: its leading lines are the essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// What processes send each other, each with the sender's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Rule 1.
    Request(u64),
    /// Rule 2.
    Acknowledge(u64),
    /// Rule 3.
    Release(u64),
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    me: NodeId,
    peers: Vec<NodeId>,
    clock: u64,
    /// Requests that are known here and not released, by stamp, then process.
    queue: BTreeSet<(u64, NodeId)>,
    /// The latest stamp from each peer.
    heard: BTreeMap<NodeId, u64>,
    /// The client that waits, with its request's stamp.
    waiting: Option<(RequestId, u64)>,
    inside: Option<u64>,
}

impl Process {
    /// The process `me` of `processes`, `me` among them or not.
    pub fn new(me: NodeId, processes: impl IntoIterator<Item = NodeId>) -> Self {
        let peers: Vec<NodeId> = processes.into_iter().filter(|peer| *peer != me).collect();
        Process {
            me,
            heard: peers.iter().map(|peer| (*peer, 0)).collect(),
            peers,
            clock: 0,
            queue: BTreeSet::new(),
            waiting: None,
            inside: None,
        }
    }

    /// The stamp of the request under which it is in the critical section, if it is.
    pub fn inside(&self) -> Option<u64> {
        self.inside
    }

    /// Whether its client waits to be let in.
    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    fn tell_all(&self, message: Message, fx: &mut Effects<'_, Self>) {
        self.peers.iter().for_each(|peer| fx.send(*peer, message));
    }

    fn command(&mut self, id: RequestId, command: Command, fx: &mut Effects<'_, Self>) {
        match command {
            Command::Enter if self.waiting.is_none() && self.inside.is_none() => {
                self.clock += 1;
                self.waiting = Some((id, self.clock));
                self.queue.insert((self.clock, self.me));
                self.tell_all(Message::Request(self.clock), fx);
                self.enter_if_first(fx);
            }
            Command::Leave if self.inside.is_some() => {
                let stamp = self.inside.take().expect("it is inside");
                self.queue.remove(&(stamp, self.me));
                self.clock += 1;
                self.tell_all(Message::Release(self.clock), fx);
            }
            Command::Enter | Command::Leave => fx.reply(id, Reply::Refused),
        }
    }

    fn receive(&mut self, from: NodeId, message: Message, fx: &mut Effects<'_, Self>) {
        let (Message::Request(stamp) | Message::Acknowledge(stamp) | Message::Release(stamp)) = message;
        let Some(heard) = self.heard.get_mut(&from) else {
            fx.note("mutex.stranger", 1);
            return;
        };
        *heard = stamp.max(*heard);
        self.clock = self.clock.max(stamp) + 1;
        match message {
            Message::Request(stamp) => {
                self.queue.insert((stamp, from));
                self.clock += 1;
                fx.send(from, Message::Acknowledge(self.clock));
            }
            Message::Acknowledge(_) => {}
            Message::Release(_) => self.queue.retain(|(_, owner)| *owner != from),
        }
        self.enter_if_first(fx);
    }

    /// Rule 5.
    fn enter_if_first(&mut self, fx: &mut Effects<'_, Self>) {
        let Some((id, stamp)) = self.waiting else { return };
        let first = self.queue.first() == Some(&(stamp, self.me));
        if first && self.heard.values().all(|heard| *heard > stamp) {
            (self.waiting, self.inside) = (None, Some(stamp));
            fx.note("mutex.entered", 1);
            fx.reply(id, Reply::Entered);
        }
    }
}

impl Machine for Process {
    type Message = Message;
    type Timer = Never;
    type Command = Command;
    type Reply = Reply;
    type Event = Never;
    type Write = Never;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: true,
        reliable: true,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Command { id, command } => self.command(id, command, fx),
            Input::Receive { from, message } => self.receive(from, message, fx),
            Input::Start { .. } | Input::Durable(_) | Input::Link { .. } => {}
            Input::Fire(never) | Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        let part = match (self.inside, self.waiting) {
            (Some(_), _) => "inside",
            (None, Some(_)) => "waits",
            (None, None) => "idle",
        };
        view.show("part", part);
        view.show("clock", self.clock);
        view.show("queue", &self.queue);
        view.show("heard", &self.heard);
    }
}
