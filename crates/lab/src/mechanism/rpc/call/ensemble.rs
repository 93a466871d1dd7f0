//! A binder, a server and clients, what they call, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_machine::{Effect, NodeId, RequestId};
use synod_protocols::retry::RetryPolicy;
use synod_protocols::rpc::call::ledger::{COUNT, Ledger, POST};
use synod_protocols::rpc::call::{
    Binder, Client, ClientConfig, Command, Event, Interface, Message, Party, Reply, Semantics, Server,
    ServerConfig, Value, invariants,
};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

/// Who knows where the interface is served.
pub(super) const BINDER: NodeId = NodeId(1);
/// Who serves it.
pub(super) const SERVER: NodeId = NodeId(2);
/// The first of the clients.
const FIRST_CLIENT: u64 = 3;

/// The interface.
pub(super) const INTERFACE: Interface = Interface(7);

/// Postings that one run makes at most: the ledger is a state of limited size.
const POSTINGS_MAX: i64 = 400;

/// After the heal every client that has no answer yet calls, over and over: a command to a node that is not up yet is lost.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The token of that timer; it is no node's.
const ALL: u64 = 0;

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The semantics of a call: one of these.
    pub semantics: Vec<Semantics>,
    /// How long a client pauses between calls, at most.
    pub think: Duration,
    /// Calls one after the other without a pause, so many, that change nothing; for measuring.
    pub measured: Option<u64>,
    /// Hold every call to at most one execution, whatever it was promised.
    pub at_most_once: bool,
}

/// All parties of a run.
#[derive(Debug)]
pub struct Parties {
    nodes: u64,
    server: ServerConfig,
    retry: RetryPolicy,
    workload: Workload,
    executions: invariants::Executions,
    next: i64,
    /// What commands post, and how.
    asked: BTreeMap<RequestId, (i64, Semantics)>,
    /// Exactly-once postings, and whether they were answered.
    recorded: BTreeMap<i64, bool>,
    /// Clients without an answer since the heal; before it nothing.
    owed: Option<BTreeSet<NodeId>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    responses: u64,
    returned: u64,
    failed: u64,
}

impl Parties {
    /// Parties with a server like that, on a network that repeats messages or not.
    pub fn new(
        nodes: u64,
        server: ServerConfig,
        retry: RetryPolicy,
        workload: Workload,
        repeats: bool,
    ) -> Self {
        let holds_maybe = !repeats || workload.at_most_once;
        Parties {
            nodes,
            server,
            retry,
            executions: invariants::Executions::new(holds_maybe, workload.at_most_once),
            workload,
            next: 0,
            asked: BTreeMap::new(),
            recorded: BTreeMap::new(),
            owed: None,
            counts: Counts::default(),
        }
    }

    fn call(
        &mut self,
        node: NodeId,
        semantics: Semantics,
        clients: &mut Clients<Party<Ledger>>,
    ) -> RequestId {
        let (procedure, arguments) = if self.workload.measured.is_some() {
            (COUNT, Vec::new())
        } else {
            self.next += 1;
            (POST, vec![Value::Integer(self.next)])
        };
        let id = clients.send(node.0, node, Command::Call { procedure, arguments, semantics });
        if self.workload.measured.is_none() {
            self.asked.insert(id, (self.next, semantics));
            if semantics == Semantics::ExactlyOnce {
                self.recorded.insert(self.next, false);
            }
        }
        id
    }

    fn any_call(&mut self, node: NodeId, clients: &mut Clients<Party<Ledger>>) {
        let semantics = *clients.draw.pick(&self.workload.semantics);
        self.call(node, semantics, clients);
    }

    fn clients(&self) -> impl Iterator<Item = NodeId> + use<> {
        (FIRST_CLIENT..=self.nodes).map(NodeId)
    }

    /// Exactly once, at the server as it stands: each number at most once, and once if it was answered.
    fn judge_ledger(&self, server: &Server<Ledger>) -> Result<(), Violation> {
        let effects = self.recorded.iter().map(|(number, answered)| {
            (format!("posting {number}"), server.service().posted(*number), *answered)
        });
        invariants::exactly_once(effects)
            .map_err(|sentence| Violation::new("exactly once", [SERVER], sentence))
    }
}

impl Ensemble for Parties {
    type Machine = Party<Ledger>;

    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Party<Ledger> {
        match boot.node {
            BINDER => Party::Binder(Binder::new()),
            SERVER => Party::Server(Server::new(SERVER, self.server.clone(), Ledger::default())),
            node => {
                let config = ClientConfig { interface: INTERFACE, binder: BINDER, retry: self.retry };
                Party::Client(Client::new(node, config))
            }
        }
    }

    fn begin(&mut self, clients: &mut Clients<Party<Ledger>>) {
        for node in self.clients() {
            clients.after(Duration::from_millis(50), node.0);
        }
    }

    fn on_timer(&mut self, node: u64, clients: &mut Clients<Party<Ledger>>) -> Result<(), Violation> {
        if node == ALL {
            let owed: Vec<NodeId> = self.owed.iter().flatten().copied().collect();
            for node in owed {
                self.call(node, Semantics::ExactlyOnce, clients);
            }
            clients.after(ASK_AGAIN, ALL);
            return Ok(());
        }
        if self.owed.is_some() || self.next >= POSTINGS_MAX {
            return Ok(());
        }
        self.any_call(NodeId(node), clients);
        if self.workload.measured.is_none() {
            let pause = clients.draw.duration(Duration::ZERO, self.workload.think);
            clients.after(pause, node);
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply,
        clients: &mut Clients<Party<Ledger>>,
    ) -> Result<(), Violation> {
        match reply {
            Reply::Returned { call, .. } => {
                self.counts.returned += 1;
                self.executions
                    .answered(call)
                    .map_err(|sentence| Violation::new("at least once", [from, SERVER], sentence))?;
                if let Some((number, Semantics::ExactlyOnce)) = self.asked.get(&id) {
                    self.recorded.insert(*number, true);
                }
                if let Some(owed) = &mut self.owed {
                    owed.remove(&from);
                }
            }
            Reply::Failed { .. } => self.counts.failed += 1,
        }
        let made = self.counts.returned + self.counts.failed;
        if self.workload.measured.is_some_and(|calls| made < calls) {
            self.any_call(from, clients);
        }
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Party<Ledger>>) -> Result<(), Violation> {
        for effect in step.effects {
            match effect {
                Effect::Send { message: Message::Request(_), .. } => self.counts.requests += 1,
                Effect::Send { message: Message::Response { .. }, .. } => self.counts.responses += 1,
                Effect::Emit(event) => {
                    self.executions.observe(step.node, event).map_err(|(property, sentence)| {
                        let culprits = match event {
                            Event::Executed { call, .. } => vec![step.node, call.activity.client],
                            _ => vec![step.node],
                        };
                        Violation::new(property, culprits, format!("{sentence} (e{})", step.number))
                    })?;
                }
                _ => {}
            }
        }
        match nodes.machine(step.node) {
            Some(Party::Server(server)) if step.node == SERVER => self.judge_ledger(server),
            _ => Ok(()),
        }
    }

    fn crashed(&mut self, node: NodeId) {
        self.executions.crashed(node);
    }

    fn heal(
        &mut self,
        _: &Nodes<'_, Self>,
        _: &[NodeId],
        clients: &mut Clients<Party<Ledger>>,
    ) -> Result<(), Violation> {
        self.owed = Some(self.clients().collect());
        clients.after(ASK_AGAIN, ALL);
        Ok(())
    }

    fn progressed(&mut self, nodes: &Nodes<'_, Self>, _: &[NodeId]) -> bool {
        let is_idle = |party: &Party<Ledger>| !matches!(party, Party::Client(client) if client.open_calls().count() > 0);
        let clients_idle = nodes.machines().all(|(_, party)| is_idle(party));
        clients_idle && self.owed.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("rpc.executions", self.executions.total()),
            ("rpc.repeated", self.executions.repeated()),
            ("rpc.requests", self.counts.requests),
            ("rpc.responses", self.counts.responses),
            ("client.returned", self.counts.returned),
            ("client.failed", self.counts.failed),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        message.name()
    }

    fn role(&self, party: &Party<Ledger>) -> char {
        match party {
            Party::Binder(_) => 'B',
            Party::Server(_) => 'S',
            Party::Client(client) if client.open_calls().count() > 0 => 'c',
            Party::Client(_) => '·',
        }
    }
}
