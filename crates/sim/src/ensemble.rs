//! The ready subject for the common case: machines without a worker, whose writes need no byte form, with a workload and a list of invariants.
//!
//! An [`Ensemble`] says what differs from mechanism to mechanism. [`Staged`] makes a [`Subject`] of it: it keeps writes on a shelf, checks
//! every invariant after every step, and counts how often. What needs a worker or a format of its own writes a `Subject` instead.

use crate::shelf::Shelf;
use crate::{Boot, Clients, Crash, Step, Stream, Subject, View, Violation};
use synod_machine::{Machine, Never, NoWorker, NodeId, RequestId};

/// All nodes, as an ensemble's invariants see them.
pub type Nodes<'a, E> = View<'a, Staged<E>>;

/// A mechanism's machines with their clients and their properties. The same value lives through a whole run.
pub trait Ensemble: Sized + 'static {
    /// The machine at each node.
    type Machine: Machine<Job = Never>;

    /// What must hold after every step.
    const INVARIANTS: &'static [Invariant<Self>];

    /// A node's process starts; its log comes to the machine as `Input::Start`.
    fn boot(&mut self, boot: &Boot<()>) -> Self::Machine;

    /// The run begins: the workload sends its first commands, or sets timers.
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
    ) -> Result<(), Violation> {
        let _ = (from, id, reply, clients);
        Ok(())
    }

    /// A client's timer of that token passed.
    fn on_timer(&mut self, token: u64, clients: &mut Clients<Self::Machine>) -> Result<(), Violation> {
        let _ = (token, clients);
        Ok(())
    }

    /// After every step, before the invariants: what they must remember, and what a step's effects alone show.
    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Self::Machine>) -> Result<(), Violation> {
        let _ = (nodes, step);
        Ok(())
    }

    /// A node's process is gone.
    fn crashed(&mut self, node: NodeId) {
        let _ = node;
    }

    /// The faults are over, `survivors` are being brought back: remember what progress is measured against.
    fn heal(
        &mut self,
        nodes: &Nodes<'_, Self>,
        survivors: &[NodeId],
        clients: &mut Clients<Self::Machine>,
    ) -> Result<(), Violation> {
        let _ = (nodes, survivors, clients);
        Ok(())
    }

    /// Since the heal, has the system done what liveness demands? None within the plan's bound violates `liveness`.
    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let _ = (nodes, survivors);
        true
    }

    /// The run is over: judge it as a whole.
    fn check_end(&mut self, nodes: &Nodes<'_, Self>) -> Result<(), Violation> {
        let _ = nodes;
        Ok(())
    }

    /// What clients did and what was judged, by name.
    fn exercised(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The kind of a message in one word, for faults by hand and for diagrams.
    fn message_kind(&self, message: &<Self::Machine as Machine>::Message) -> &'static str {
        let _ = message;
        "message"
    }

    /// The size of a message on the wire.
    fn message_bytes(&self, message: &<Self::Machine as Machine>::Message) -> usize {
        let _ = message;
        256
    }

    /// The size of a write on disk; more than a sector can be torn.
    fn write_bytes(&self, write: &<Self::Machine as Machine>::Write) -> usize {
        let _ = write;
        700
    }

    /// The node's part at the moment as one letter, for diagrams; `·` for none.
    fn role(&self, machine: &Self::Machine) -> char {
        let _ = machine;
        '·'
    }
}

/// An invariant: the property that it belongs to, and the function that looks at all nodes.
#[derive(Debug)]
pub struct Invariant<E: Ensemble> {
    /// A property of the entry.
    pub property: &'static str,
    /// Looks; a violation's sentence says what was expected and found.
    pub holds: fn(&E, &Nodes<'_, E>) -> Result<(), Violation>,
}

/// An ensemble as a subject of the simulator.
#[derive(Debug)]
pub struct Staged<E: Ensemble> {
    ensemble: E,
    shelf: Shelf<<E::Machine as Machine>::Write>,
    checks: u64,
}

impl<E: Ensemble> Staged<E> {
    /// Puts an ensemble on stage.
    pub fn new(ensemble: E) -> Self {
        Staged { ensemble, shelf: Shelf::new(), checks: 0 }
    }

    /// The ensemble, with what it remembers.
    pub fn ensemble(&self) -> &E {
        &self.ensemble
    }

    /// The same, to be told something.
    pub fn ensemble_mut(&mut self) -> &mut E {
        &mut self.ensemble
    }
}

impl<E: Ensemble> Subject for Staged<E> {
    type Machine = E::Machine;
    type Worker = NoWorker;
    type Persisted = ();

    fn boot(&mut self, boot: Boot<()>) -> (E::Machine, NoWorker) {
        (self.ensemble.boot(&boot), NoWorker)
    }

    fn crash_worker(&mut self, node: NodeId, _: NoWorker, _: Crash, _: &mut Stream) {
        self.ensemble.crashed(node);
    }

    fn encode(&self, write: &<E::Machine as Machine>::Write, out: &mut Vec<u8>) {
        self.shelf.encode(write, self.ensemble.write_bytes(write), out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<<E::Machine as Machine>::Write, String> {
        self.shelf.decode(bytes)
    }

    fn begin(&mut self, clients: &mut Clients<E::Machine>) {
        self.ensemble.begin(clients);
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: <E::Machine as Machine>::Reply,
        clients: &mut Clients<E::Machine>,
    ) -> Result<(), Violation> {
        self.ensemble.on_reply(from, id, reply, clients)
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<E::Machine>) -> Result<(), Violation> {
        self.ensemble.on_timer(token, clients)
    }

    fn check(&mut self, view: &View<'_, Self>, step: &Step<'_, E::Machine>) -> Result<(), Violation> {
        self.ensemble.observe(view, step)?;
        self.checks += 1;
        E::INVARIANTS.iter().try_for_each(|invariant| (invariant.holds)(&self.ensemble, view))
    }

    fn heal(
        &mut self,
        view: &View<'_, Self>,
        survivors: &[NodeId],
        clients: &mut Clients<E::Machine>,
    ) -> Result<(), Violation> {
        self.ensemble.heal(view, survivors, clients)
    }

    fn progressed(&mut self, view: &View<'_, Self>, survivors: &[NodeId]) -> bool {
        self.ensemble.progressed(view, survivors)
    }

    fn check_end(&mut self, view: &View<'_, Self>) -> Result<(), Violation> {
        self.ensemble.check_end(view)
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let mut exercised = self.ensemble.exercised();
        exercised.push(("checks.all invariants", self.checks));
        exercised
    }

    fn message_bytes(&self, message: &<E::Machine as Machine>::Message) -> usize {
        self.ensemble.message_bytes(message)
    }

    fn message_kind(&self, message: &<E::Machine as Machine>::Message) -> &'static str {
        self.ensemble.message_kind(message)
    }

    fn role(&self, machine: &E::Machine) -> char {
        self.ensemble.role(machine)
    }
}
