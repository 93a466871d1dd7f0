//! What a person writes to put a mechanism into a world: how nodes boot, what clients do, and what must hold.

use std::fmt;
use std::time::Duration;

use synod_machine::{Effect, Input, Machine, Mono, NodeId, RequestId, SendId, Ticket, Worker};
use thiserror::Error;

use crate::world::Node;
use crate::{LogFormat, PlainFormat, Stream};

/// A mechanism with its clients and its properties. The same value lives through a whole run: it is the one place that sees all nodes.
pub trait Subject: Sized {
    /// The mechanism.
    type Machine: Machine;
    /// What works beside it; [`synod_machine::NoWorker`] if nothing does.
    type Worker: Worker<Self::Machine>;
    /// What of the worker survives a crash.
    type Persisted;

    /// A node's process starts. Its log comes to the machine as `Input::Start`.
    fn boot(&mut self, boot: Boot<Self::Persisted>) -> (Self::Machine, Self::Worker);

    /// The process is gone. What is left of the worker's storage? `draw` decides what is free.
    fn crash_worker(
        &mut self,
        node: NodeId,
        worker: Self::Worker,
        crash: Crash,
        draw: &mut Stream,
    ) -> Self::Persisted;

    /// Appends the bytes of a write, as they go to disk.
    fn encode(&self, write: &<Self::Machine as Machine>::Write, out: &mut Vec<u8>);

    /// A write from its bytes; the sentence of the error says what was expected and found.
    fn decode(&self, bytes: &[u8]) -> Result<<Self::Machine as Machine>::Write, String>;

    /// How the log frames its records.
    fn format(&self) -> Box<dyn LogFormat> {
        Box::new(PlainFormat::default())
    }

    /// The run begins: clients may send and set timers.
    fn begin(&mut self, clients: &mut Clients<Self::Machine>) {
        let _ = clients;
    }

    /// A client got an answer.
    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: <Self::Machine as Machine>::Reply,
        clients: &mut Clients<Self::Machine>,
    ) -> Result<(), Violation>;

    /// A client's timer of that token passed.
    fn on_timer(&mut self, token: u64, clients: &mut Clients<Self::Machine>) -> Result<(), Violation> {
        let _ = (token, clients);
        Ok(())
    }

    /// The invariants: called after every step, before its effects are acted on.
    fn check(&mut self, view: &View<'_, Self>, step: &Step<'_, Self::Machine>) -> Result<(), Violation> {
        let _ = (view, step);
        Ok(())
    }

    /// The faults are over, `survivors` are being brought back: remember what progress is measured against.
    fn heal(
        &mut self,
        view: &View<'_, Self>,
        survivors: &[NodeId],
        clients: &mut Clients<Self::Machine>,
    ) -> Result<(), Violation> {
        let _ = (view, survivors, clients);
        Ok(())
    }

    /// Since the heal, has the system done something useful? A run ends with the first yes; none within the bound violates liveness.
    fn progressed(&mut self, view: &View<'_, Self>, survivors: &[NodeId]) -> bool {
        let _ = (view, survivors);
        true
    }

    /// The run is over: judge it as a whole.
    fn check_end(&mut self, view: &View<'_, Self>) -> Result<(), Violation> {
        let _ = view;
        Ok(())
    }

    /// What clients did and what was judged, by name: it goes into what the run exercised.
    fn exercised(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The size of a message on the wire, for queues and bandwidth.
    fn message_bytes(&self, message: &<Self::Machine as Machine>::Message) -> usize {
        let _ = message;
        256
    }

    /// The kind of a message in one word, for faults by hand and for diagrams.
    fn message_kind(&self, message: &<Self::Machine as Machine>::Message) -> &'static str {
        let _ = message;
        "message"
    }

    /// The node's part at the moment as one letter, for diagrams: `L` for a leader.
    fn role(&self, machine: &Self::Machine) -> char {
        let _ = machine;
        '·'
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Killed: what was written to files stays, synced or not.
    Kill,
    /// Power was lost: what was not synced may be gone in any part.
    Power,
}

/// How a process starts.
#[derive(Debug)]
pub struct Boot<P> {
    /// Which node.
    pub node: NodeId,
    /// On what disk.
    pub kind: BootKind,
    /// Format version of the program that starts; an upgrade raises it by one.
    pub version: u32,
    /// Counts the node's starts, from 0.
    pub life: u64,
    /// What was left of the worker; nothing on an empty disk.
    pub persisted: Option<P>,
}

/// On what disk a process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootKind {
    /// The first start ever.
    First,
    /// On the disk of its former life.
    Restart,
    /// The disk was wiped: the node remembers nothing, and others remember it.
    Wiped,
}

/// A property that does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{property} violated: {sentence}")]
pub struct Violation {
    /// The property's name.
    pub property: String,
    /// The nodes that show it.
    pub nodes: Vec<NodeId>,
    /// What was expected and what was found, in words.
    pub sentence: String,
}

impl Violation {
    /// A violation of `property` at `nodes`.
    pub fn new(property: &str, nodes: impl IntoIterator<Item = NodeId>, sentence: impl Into<String>) -> Self {
        Violation {
            property: property.to_owned(),
            nodes: nodes.into_iter().collect(),
            sentence: sentence.into(),
        }
    }
}

/// All nodes, as no one inside the world can see them.
pub struct View<'a, S: Subject> {
    pub(crate) nodes: &'a [Node<S>],
    pub(crate) now: Mono,
}

impl<'a, S: Subject> View<'a, S> {
    /// True time since the beginning.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// Every node, up or down.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<'a, S> {
        (1..=self.nodes.len() as u64).map(NodeId)
    }

    /// The machine of a node that is up.
    pub fn machine(&self, node: NodeId) -> Option<&'a S::Machine> {
        self.node(node)?.machine()
    }

    /// The worker of a node that is up.
    pub fn worker(&self, node: NodeId) -> Option<&'a S::Worker> {
        self.node(node)?.worker()
    }

    /// The worker's storage of a node that is down.
    pub fn persisted(&self, node: NodeId) -> Option<&'a S::Persisted> {
        self.node(node)?.persisted.as_ref()
    }

    /// The nodes that are up with their machines.
    pub fn machines(&self) -> impl Iterator<Item = (NodeId, &'a S::Machine)> + use<'a, S> {
        let nodes = self.nodes;
        nodes.iter().filter_map(|node| Some((node.id, node.machine()?)))
    }

    /// Every write up to here survives a crash of that node.
    pub fn durable(&self, node: NodeId) -> Option<Ticket> {
        self.node(node).map(|node| Ticket(node.disk.durable()))
    }

    /// The format version that a node runs.
    pub fn version(&self, node: NodeId) -> Option<u32> {
        self.node(node).map(|node| node.version)
    }

    /// Whether a node's disk is lost for good.
    pub fn lost(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|node| node.lost)
    }

    /// Whether a node's disk was wiped and it has not started since.
    pub fn wiped(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|node| node.wiped)
    }

    fn node(&self, node: NodeId) -> Option<&'a Node<S>> {
        self.nodes.get((node.0 as usize).checked_sub(1)?)
    }
}

impl<S: Subject> fmt::Debug for View<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes at {}", self.nodes.len(), self.now)
    }
}

/// What a step was given. The input itself went into the machine; whoever needs it saw it leave as a send, a command or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// `Input::Start`.
    Start,
    /// `Input::Receive` from that node.
    Receive(NodeId),
    /// `Input::Fire`.
    Fire,
    /// `Input::Command` with that id.
    Command(RequestId),
    /// `Input::Durable` up to that ticket.
    Durable(Ticket),
    /// `Input::Done`.
    Done,
    /// `Input::Link`.
    Link(NodeId, bool),
}

impl Given {
    pub(crate) fn of<M: Machine>(input: &Input<M>) -> Self {
        match input {
            Input::Start { .. } => Given::Start,
            Input::Receive { from, .. } => Given::Receive(*from),
            Input::Fire(_) => Given::Fire,
            Input::Command { id, .. } => Given::Command(*id),
            Input::Durable(ticket) => Given::Durable(*ticket),
            Input::Done(_) => Given::Done,
            Input::Link { peer, up } => Given::Link(*peer, *up),
        }
    }
}

/// One step, as invariants see it.
#[derive(Debug)]
pub struct Step<'a, M: Machine> {
    /// Counts the run's records.
    pub number: u64,
    /// Where.
    pub node: NodeId,
    /// True time.
    pub time: Mono,
    /// The message that was received, if one was.
    pub cause: Option<SendId>,
    /// What the machine was given.
    pub given: Given,
    /// What it asked for.
    pub effects: &'a [Effect<M>],
}

/// What clients can do: send commands to nodes, and wait.
#[derive(Debug)]
pub struct Clients<M: Machine> {
    pub(crate) now: Mono,
    pub(crate) node_count: u64,
    pub(crate) next: u64,
    pub(crate) commands: Vec<(RequestId, NodeId, M::Command)>,
    pub(crate) timers: Vec<(Duration, u64)>,
    /// Random numbers of the workload.
    pub draw: Stream,
}

/// Connections that clients may have to each node. See [`Clients::send`].
pub const LANES_MAX: u64 = 64;

impl<M: Machine> Clients<M> {
    /// True time: clients' clocks are right.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<M> {
        (1..=self.node_count).map(NodeId)
    }

    /// Sends a command and gives the id that its answers carry, unique in the run. It arrives after a client's delay, or never if the node is down then.
    /// A lane is a client's connection (taken modulo [`LANES_MAX`]): what goes over one lane to or from one node keeps its order.
    pub fn send(&mut self, lane: u64, node: NodeId, command: M::Command) -> RequestId {
        let id = RequestId(self.next * LANES_MAX + lane % LANES_MAX);
        self.next += 1;
        self.commands.push((id, node, command));
        id
    }

    /// Calls [`Subject::on_timer`] with `token` after `delay`.
    pub fn after(&mut self, delay: Duration, token: u64) {
        self.timers.push((delay, token));
    }
}
