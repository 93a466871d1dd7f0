//! Central mutual exclusion: one process, the coordinator, says whose turn it is.
//!
//! # The problem
//! N processes share one resource that only one may hold at a time. The simplest answer is to let one of them keep the queue for all.
//!
//! # The rules (Tanenbaum and van Steen, "Distributed Systems", section "A centralized algorithm")
//! 1. To enter, a process sends the coordinator a request.
//! 2. The coordinator grants it at once if nobody is inside, and queues it otherwise.
//! 3. To leave, a process sends a release; the coordinator grants the first of its queue.
//!
//! The coordinator enters by the same queue, without messages to itself.
//!
//! # What it guarantees
//! Exclusion; no starvation, since the queue is first come, first served; and entries in the order in which requests reach the coordinator.
//!
//! # What it assumes
//! That messages arrive, in whatever order, and that the coordinator does not forget. It is a single point of failure: while it is down nobody enters,
//! and one that comes back without its memory lets a second process in. A process that crashes inside never releases.
//!
//! # What it costs
//! Three messages an entry, whatever N: request, grant, release. The synchronization delay, from one process's leaving to the next one's
//! entering, is two messages, 2T: the release and the grant. Nothing is written to disk.
//!
//! # What is left out
//! The election of another coordinator, and leases for processes that crash inside: the database's own locks have both.
//!
//! # Example
//!
//! ```
//! use synod_machine::*;
//! use synod_protocols::mutex::{Command, Reply, central::*};
//!
//! let coordinator = NodeId(1);
//! let mut nodes = [1, 2].map(|id| Process::new(NodeId(id), coordinator));
//! let mut step = |id: u64, input| {
//!     let mut buffer = Buffer::new(First, Ticket(1));
//!     nodes[id as usize - 1].step(&Context::at(NodeId(id), Mono::ZERO), input, &mut buffer.effects());
//!     buffer.effects
//! };
//! let asked = step(2, Input::Command { id: RequestId(7), command: Command::Enter });
//! assert!(matches!(asked[..], [Effect::Send { to: NodeId(1), message: Message::Request, .. }]));
//! let granted = step(1, Input::Receive { from: NodeId(2), message: Message::Request });
//! assert!(matches!(granted[..], [Effect::Send { to: NodeId(2), message: Message::Grant, .. }]));
//! let entered = step(2, Input::Receive { from: coordinator, message: Message::Grant });
//! assert!(matches!(entered.last(), Some(Effect::Reply { id: RequestId(7), reply: Reply::Entered, .. })));
//! ```

use alloc::collections::VecDeque;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, View};

use super::{Command, Reply};

mod cost;

pub use cost::{messages_per_entry, synchronization_delay};

/// This file: its leading lines are the essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// What processes and coordinator send each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Rule 1.
    Request,
    /// Rule 2: the turn is yours.
    Grant,
    /// Rule 3.
    Release,
}

/// What the coordinator knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Queue {
    holder: Option<NodeId>,
    waiting: VecDeque<NodeId>,
}

/// One process, the coordinator among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    me: NodeId,
    coordinator: NodeId,
    queue: Queue,
    waiting: Option<RequestId>,
    is_inside: bool,
}

impl Process {
    /// The process `me`, whose turns `coordinator` grants.
    pub fn new(me: NodeId, coordinator: NodeId) -> Self {
        Process { me, coordinator, queue: Queue::default(), waiting: None, is_inside: false }
    }

    /// Whether it is in the critical section.
    pub fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// Whether its client waits to be let in.
    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Tells the coordinator, which may be this process.
    fn tell(&mut self, message: Message, fx: &mut Effects<'_, Self>) {
        if self.me == self.coordinator {
            self.coordinate(self.me, message, fx);
        } else {
            fx.send(self.coordinator, message);
        }
    }

    /// The coordinator's part.
    fn coordinate(&mut self, from: NodeId, message: Message, fx: &mut Effects<'_, Self>) {
        match message {
            Message::Request if self.queue.holder.is_none() => self.grant(from, fx),
            Message::Request => self.queue.waiting.push_back(from),
            Message::Release if self.queue.holder == Some(from) => {
                self.queue.holder = None;
                if let Some(next) = self.queue.waiting.pop_front() {
                    self.grant(next, fx);
                }
            }
            Message::Release | Message::Grant => fx.note("mutex.strange message", 1),
        }
    }

    fn grant(&mut self, to: NodeId, fx: &mut Effects<'_, Self>) {
        self.queue.holder = Some(to);
        if to == self.me {
            self.granted(fx);
        } else {
            fx.send(to, Message::Grant);
        }
    }

    fn granted(&mut self, fx: &mut Effects<'_, Self>) {
        match self.waiting.take() {
            Some(id) => {
                self.is_inside = true;
                fx.note("mutex.entered", 1);
                fx.reply(id, Reply::Entered);
            }
            None => fx.note("mutex.strange message", 1),
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
        fifo: false,
        reliable: true,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Command { id, command: Command::Enter } if !self.is_inside && !self.waits() => {
                self.waiting = Some(id);
                self.tell(Message::Request, fx);
            }
            Input::Command { command: Command::Leave, .. } if self.is_inside => {
                self.is_inside = false;
                self.tell(Message::Release, fx);
            }
            Input::Command { id, .. } => fx.reply(id, Reply::Refused),
            Input::Receive { from, message: Message::Grant } if from == self.coordinator => self.granted(fx),
            Input::Receive { from, message } if self.me == self.coordinator => {
                self.coordinate(from, message, fx);
            }
            Input::Receive { .. } => fx.note("mutex.strange message", 1),
            Input::Start { .. } | Input::Durable(_) | Input::Link { .. } => {}
            Input::Fire(never) | Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        let part = match (self.is_inside, self.waiting) {
            (true, _) => "inside",
            (false, Some(_)) => "waits",
            (false, None) => "idle",
        };
        view.show("part", part);
        if self.me == self.coordinator {
            view.show("holder", self.queue.holder);
            view.show("queue", &self.queue.waiting);
        }
    }
}
