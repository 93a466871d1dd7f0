//! The workload of the family: at each process one client that asks, enters, leaves and pauses, over and over.

use std::time::Duration;

use synod_check::format::{Datum, Object};
use synod_machine::{Machine, NodeId};
use synod_protocols::mutex::{Command, Reply};
use synod_sim::{Clients, Violation};

use crate::chronicle::{Asked, Chronicle};
use crate::entry::Parameter;

/// How long clients stay inside.
pub(super) const HOLD: Parameter = Parameter::duration(
    "hold",
    Duration::from_millis(2),
    Duration::ZERO..=Duration::from_secs(10),
    "How long a client stays in its critical section (E).",
);
/// How long they pause.
pub(super) const THINK: Parameter = Parameter::duration(
    "think",
    Duration::from_millis(10),
    Duration::ZERO..=Duration::from_secs(10),
    "How long it pauses, at most, before it asks again; 0s is the heaviest load.",
);
/// What formulas of the cost take for the delay of a message.
pub(super) const DELAY: Parameter = Parameter::duration(
    "delay",
    Duration::from_millis(1),
    Duration::ZERO..=Duration::from_secs(1),
    "How long a message is under way (T), for the cost formulas.",
);

/// What the client of a process does next when its timer rings.
const ASK: u64 = 0;
const LEAVE: u64 = 1;

/// Clients of a family's machines.
#[derive(Clone, Debug)]
pub struct Workload {
    nodes: u64,
    hold: Duration,
    think: Duration,
    /// Commands to enter.
    pub asked: u64,
    /// Entries.
    pub entered: u64,
    /// Answers that refused.
    pub refused: u64,
    /// What the lock was asked and when it changed hands.
    pub chronicle: Chronicle,
}

impl Workload {
    /// Clients of `nodes` processes that stay inside for `hold` and pause for at most `think`.
    pub fn new(nodes: u64, hold: Duration, think: Duration) -> Self {
        let chronicle = Chronicle::new(Object::Lock, None);
        Workload { nodes, hold, think, asked: 0, entered: 0, refused: 0, chronicle }
    }

    /// The clients, of which the first is at process `first`, pause each before its first command.
    pub fn begin<M: Machine<Command = Command>>(&mut self, first: NodeId, clients: &mut Clients<M>) {
        for node in first.0..=self.nodes {
            // A moment, so that every process is up.
            let pause = Duration::from_millis(11) + clients.draw.duration(Duration::ZERO, self.think);
            clients.after(pause, token(NodeId(node), ASK));
        }
    }

    /// A client's pause, or its time inside, is over.
    pub fn on_timer<M: Machine<Command = Command>>(&mut self, token: u64, clients: &mut Clients<M>) {
        let (node, kind) = (NodeId(token >> 1), token & 1);
        self.note(node, kind, clients.now().since_start());
        match kind {
            ASK => {
                self.asked += 1;
                clients.send(node.0, node, Command::Enter);
            }
            _ => {
                clients.send(node.0, node, Command::Leave);
                let pause = clients.draw.duration(Duration::ZERO, self.think);
                clients.after(pause, self::token(node, ASK));
            }
        }
    }

    fn note(&mut self, node: NodeId, kind: u64, at: Duration) {
        let function = if kind == ASK { "acquire" } else { "release" };
        let owner = Datum::Integer(node.0 as i64);
        self.chronicle.asks(at, node.0, token(node, kind), || Asked::new(function, owner));
    }

    /// A process is in its critical section from now on, or no longer.
    pub fn passed(&mut self, node: NodeId, is_inside: bool, at: Duration) {
        let kind = if is_inside { ASK } else { LEAVE };
        // Not every entry was asked for by a client of these.
        self.note(node, kind, at);
        self.chronicle.answers(at, token(node, kind), || Datum::Nil);
    }

    /// A client is inside, or was refused.
    pub fn on_reply<M: Machine<Command = Command>>(
        &mut self,
        from: NodeId,
        reply: Reply,
        clients: &mut Clients<M>,
    ) -> Result<(), Violation> {
        match reply {
            Reply::Entered => {
                self.entered += 1;
                clients.after(self.hold, token(from, LEAVE));
                Ok(())
            }
            Reply::Refused => {
                self.refused += 1;
                self.chronicle.fails(clients.now().since_start(), token(from, ASK));
                Ok(())
            }
        }
    }
}

fn token(node: NodeId, kind: u64) -> u64 {
    node.0 << 1 | kind
}
