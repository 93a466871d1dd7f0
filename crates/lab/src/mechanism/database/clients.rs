//! Clients of keys and leases: one operation, or one batch, at a time each, to any node, with little patience.
//!
//! A client that waited too long goes on with something new; what it asked before may take effect at any time or never, and is
//! recorded so. How answers are judged stands beside this, in `answers`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_check::etcd::Windows;
use synod_check::format::Object;
use synod_check::format::objects::{etcd_answer, etcd_request};
use synod_check::history::{Client, OperationId};
use synod_check::linearizability::Limits;
use synod_check::specification::key_value::{Answer as ModelAnswer, Request};
use synod_database::{Answer, Command, Consistency, Node, Query, Refusal, Reply};
use synod_machine::{NodeId, RequestId};
use synod_sim::{Clients, Violation};
use synod_storage::mvcc::Revision;

use super::answers::judge_applied;
use super::leases::Leases;
use super::model;
use super::oracle::{Horizon, Oracle};
use super::setting::Load;
use super::workload::{Knowledge, LANE, draw_command};
use crate::chronicle::{Asked, Chronicle};

/// Ids from here on name streams of watches.
const STREAMS_FROM: u64 = 1 << 62;

/// So many operations are judged together, at least.
const WINDOW_OPERATIONS: usize = 200;
/// What the search for an explanation of a window may cost; the oracle's history leaves it little to search.
const LIMITS: Limits = Limits { steps_max: 2_000_000, configurations_max: 20_000 };

/// All clients of a run.
pub struct Crowd {
    pub(super) judges_at_once: bool,
    clients: Vec<Actor>,
    owners: BTreeMap<RequestId, usize>,
    newest_request: RequestId,
    /// Where all answers together are judged.
    pub(super) windows: Windows,
    /// Changes whose clients have given up, and which are not decided.
    pub(super) ghosts: BTreeMap<RequestId, Ghost>,
    /// What they know together.
    pub known: Knowledge,
    pub(super) old_reads: u64,
    /// Hashes of keys by revision and compaction, with who gave them first.
    pub(super) hashes: BTreeMap<(Revision, Revision), (NodeId, u64)>,
    /// The newest revision that a node showed in its present life.
    pub(super) shown: BTreeMap<NodeId, (u64, Revision)>,
    /// How often each node's process has ended, and which are up.
    pub(super) deaths: BTreeMap<NodeId, u64>,
    up: BTreeSet<NodeId>,
    /// In which life a node received a request.
    pub(super) received: BTreeMap<RequestId, u64>,
    /// Answers that were judged.
    pub answers: u64,
    /// Operations that were given up.
    pub abandoned: u64,
    /// What was asked of the keys and answered.
    pub chronicle: Chronicle,
}

/// A change whose client has given up.
pub(super) struct Ghost {
    pub operation: OperationId,
    /// Through which node it was proposed.
    pub node: NodeId,
}

/// One client.
#[derive(Default)]
struct Actor {
    home: NodeId,
    waiting: BTreeMap<RequestId, Pending>,
    /// Numbers its rounds, so that a timer of an earlier one is known.
    round: u32,
    /// It asks these, one after the other, until each has succeeded, and nothing else.
    errands: Option<Vec<Command>>,
}

/// An operation whose answer has not come.
pub(super) struct Pending {
    pub command: Command,
    pub recorded: Option<OperationId>,
    pub node: NodeId,
    pub sent: Duration,
    /// What was known when it was sent.
    pub floor: Revision,
    /// The life of the node and what it had shown in it, when it was sent.
    pub shown: Option<(u64, Revision)>,
    /// How often its node's process had ended.
    pub deaths: u64,
    /// The id under which its node received it: that of its batch.
    pub envelope: RequestId,
}

/// What a client wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To be asked again after this long, in this round.
    Think(Duration, u32),
    /// To look soon, in this round, whether it is worth waiting on.
    Wait(u32),
    /// Nothing any more.
    Nothing,
}

impl Crowd {
    /// So many clients.
    pub fn new(load: &Load, judges_at_once: bool) -> Self {
        Crowd {
            judges_at_once,
            clients: (0..load.clients).map(|_| Actor::default()).collect(),
            owners: BTreeMap::new(),
            newest_request: RequestId::default(),
            windows: Windows::new(WINDOW_OPERATIONS, LIMITS),
            ghosts: BTreeMap::new(),
            known: Knowledge { revision: 1, ..Knowledge::default() },
            old_reads: 0,
            hashes: BTreeMap::new(),
            shown: BTreeMap::new(),
            deaths: BTreeMap::new(),
            up: BTreeSet::new(),
            received: BTreeMap::new(),
            answers: 0,
            abandoned: 0,
            chronicle: Chronicle::new(Object::Etcd, None),
        }
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// One more client, which does errands at one node and nothing else. Gives its index.
    pub fn add_errands(&mut self, home: NodeId, errands: Vec<Command>) -> usize {
        self.clients.push(Actor { home, errands: Some(errands), ..Actor::default() });
        self.clients.len() - 1
    }

    /// Whether every errand is done.
    pub fn errands_done(&self) -> bool {
        self.clients.iter().all(|client| client.errands.as_ref().is_none_or(Vec::is_empty))
    }

    /// A node's process began another life.
    pub fn node_started(&mut self, node: NodeId, life: u64) {
        self.shown.insert(node, (life, 0));
        self.up.insert(node);
    }

    /// A node's process is gone: its clients' connections break.
    pub fn node_gone(&mut self, node: NodeId) {
        *self.deaths.entry(node).or_default() += 1;
        self.up.remove(&node);
    }

    /// A node received a request.
    pub fn request_received(&mut self, node: NodeId, id: RequestId) {
        if let Some((life, _)) = self.shown.get(&node)
            && id.0 < STREAMS_FROM
        {
            self.received.insert(id, *life);
        }
    }

    /// A client begins a round. With `errands_only`, clients that have none stop.
    pub fn act(
        &mut self,
        index: usize,
        load: &Load,
        errands_only: bool,
        clients: &mut Clients<Node>,
    ) -> Wish {
        let over = self.known.operations >= load.operations_max;
        let actor = &mut self.clients[index];
        let nodes = clients.nodes().count() as u64;
        actor.round += 1;
        let commands = match &actor.errands {
            Some(errands) => errands.first().cloned().into_iter().collect(),
            None if errands_only || over => Vec::new(),
            None => {
                if actor.home == NodeId::default() || clients.draw.below(8) == 0 {
                    actor.home = NodeId(clients.draw.between(1, nodes));
                }
                let count = clients.draw.between(1, load.batch_max);
                (0..count).map(|_| draw_command(load, &mut self.known, nodes, &mut clients.draw)).collect()
            }
        };
        if commands.is_empty() {
            return Wish::Nothing;
        }
        self.send(index, commands, clients);
        Wish::Wait(self.clients[index].round)
    }

    /// A waiting client looks whether its patience is over or its connection broken, if it still is in that round.
    pub fn look(
        &mut self,
        index: usize,
        round: u32,
        patience: Duration,
        oracle: &Oracle,
        clients: &mut Clients<Node>,
    ) -> Result<Wish, Violation> {
        let now = clients.now().since_start();
        let actor = &mut self.clients[index];
        let Some(pending) = actor.waiting.values().next().filter(|_| actor.round == round) else {
            return Ok(Wish::Nothing);
        };
        let deaths = self.deaths.get(&pending.node).copied().unwrap_or_default();
        let broken = deaths != pending.deaths || !self.up.contains(&pending.node);
        if !broken && now < pending.sent + patience {
            return Ok(Wish::Wait(round));
        }
        if actor.errands.is_none() {
            // Perhaps another node answers.
            actor.home = NodeId(clients.draw.between(1, clients.nodes().count() as u64));
        }
        for (id, pending) in std::mem::take(&mut actor.waiting) {
            self.owners.remove(&id);
            self.give_up(id, &pending, now, oracle)?;
        }
        Ok(Wish::Think(Duration::from_millis(1), round))
    }

    fn send(&mut self, index: usize, commands: Vec<Command>, clients: &mut Clients<Node>) {
        let now = clients.now().since_start();
        let node = self.clients[index].home;
        let mut batch = commands.clone();
        let command = if batch.len() == 1 { batch.remove(0) } else { Command::Batch(batch) };
        let envelope = clients.send(LANE, node, command);
        self.newest_request = envelope;
        for (slot, command) in (0..).zip(commands) {
            let id = RequestId(envelope.0 + slot);
            let recorded = model_of(&command).map(|request| {
                self.chronicle.asks(now, index as u64, id.0, || asked(&request));
                // One client of the history each: the operations of a batch are concurrent, and so is what was given up.
                let client = Client(id.0);
                self.windows.invoke(client, now, request)
            });
            let pending = Pending {
                command,
                recorded,
                node,
                sent: now,
                floor: self.known.revision,
                shown: self.shown.get(&node).copied(),
                deaths: self.deaths.get(&node).copied().unwrap_or_default(),
                envelope,
            };
            self.owners.insert(id, index);
            self.clients[index].waiting.insert(id, pending);
        }
    }

    /// An answer arrived; gives the client's index when it has all that it waited for.
    pub fn reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: &Reply,
        now: Duration,
        oracle: &mut Oracle,
        leases: &mut Leases,
    ) -> Result<Option<usize>, Violation> {
        self.answers += 1;
        self.note_answer(id, reply, now);
        // What comes so late that the oracle has forgotten it was given up long ago.
        if matches!(reply, Reply::Applied { .. }) && id >= oracle.horizon().request {
            judge_applied(from, id, reply, oracle)?;
        }
        let Some(index) = self.owners.remove(&id) else { return Ok(None) };
        let Some(pending) = self.clients[index].waiting.remove(&id) else { return Ok(None) };
        let succeeded = self.judge(from, id, &pending, reply, now, oracle, leases)?;
        self.received.remove(&id);
        let actor = &mut self.clients[index];
        if succeeded && let Some(errands) = &mut actor.errands {
            errands.remove(0);
        }
        Ok(actor.waiting.is_empty().then_some(index))
    }

    /// Takes down what a client of the keys is told, before anything is made of it.
    fn note_answer(&mut self, id: RequestId, reply: &Reply, now: Duration) {
        if !self.chronicle.is_open(id.0) {
            return;
        }
        let answer = match reply {
            Reply::Applied { revision, outcome: Ok(outcome) } => model::outcome(*revision, outcome),
            Reply::Read { revision, answer: Ok(Answer::Range(response)) } => {
                let reply = model::range_reply(response);
                Some(ModelAnswer { revision: model::number(*revision), reply })
            }
            Reply::Read { revision, answer: Ok(Answer::Txn(response)) } => {
                let reply = model::txn_reply(response);
                Some(ModelAnswer { revision: model::number(*revision), reply })
            }
            // Whether it was done is told when that is decided.
            Reply::Refused(Refusal::TimedOut { .. }) => return,
            _ => None,
        };
        match answer {
            Some(answer) => self.chronicle.answers(now, id.0, || etcd_answer(&answer)),
            None => self.chronicle.fails(now, id.0),
        }
    }

    /// The id that the next request will not fall below.
    pub fn newest_request(&self) -> RequestId {
        self.newest_request
    }

    /// Forgets what was before that moment, and the changes that will never be decided.
    pub fn forget(&mut self, horizon: Horizon, now: Duration, oracle: &Oracle) {
        self.received = self.received.split_off(&horizon.request);
        self.hashes.retain(|(revision, _), _| *revision > horizon.revision);
        let (chronicle, windows) = (&mut self.chronicle, &mut self.windows);
        self.ghosts.retain(|id, ghost| {
            let is_over = oracle.is_over(ghost.node, *id);
            if is_over {
                chronicle.fails(now, id.0);
                windows.refuse(ghost.operation);
            }
            !is_over
        });
    }

    /// The round that a client is in.
    pub fn round(&self, index: usize) -> u32 {
        self.clients[index].round
    }
}

/// A request as histories in files have it.
pub(super) fn asked(request: &Request) -> Asked {
    let (function, value) = etcd_request(request);
    Asked::new(function, value)
}

/// What the checkers' model knows a command as, if it is about the present state of keys.
fn model_of(command: &Command) -> Option<Request> {
    match command {
        Command::Propose(operation) => model::operation(operation),
        Command::Read { query, consistency: Consistency::Linearizable } => match query {
            Query::Range(request) if request.revision == 0 => Some(model::range(request)),
            Query::Txn(request) => Some(model::txn(request)),
            _ => None,
        },
        _ => None,
    }
}
