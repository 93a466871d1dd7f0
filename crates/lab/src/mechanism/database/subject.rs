//! The database as a subject of the simulator: how nodes boot and crash, where clients are called, and which check is made when.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use synod_check::etcd::LeaseEnd;
use synod_database::raft::{self, invariants};
use synod_database::{
    GroupId, Job, Message, Node, NodeConfig, Replica, ReplicaConfig, Replicas, Reply, Write, wire,
};
use synod_machine::{Effect, NodeId, RequestId};
use synod_sim::{Boot, Clients, Crash, Given, LogFormat, Plan, Step, Stream, Subject, View, Violation};
use synod_storage::kv::MemoryKv;

use super::clients::{Crowd, Wish};
use super::disk::WalFormat;
use super::leases::Leases;
use super::model;
use super::oracle::{Fact, Horizon, MARKED_KEYS_MIN, Oracle};
use super::recovery::{Recovery, errands};
use super::replicas::Comparison;
use super::setting::Setting;
use super::watchers::Watchers;
use crate::chronicle::Chronicle;

const GROUP: GroupId = GroupId(0);

/// A client looks at least so often whether its connection is broken.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How often it is looked whether recovery takes too long.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How much before the world's own bound recovery is called failed, with a better sentence.
const BEFORE_THE_END: Duration = Duration::from_secs(2);
/// So many operations are remembered, and at most twice as many. The runs of most hunts have fewer, and forget nothing.
const OPERATIONS_REMEMBERED: u64 = 10_000;
/// One message in so many is encoded and decoded.
const MESSAGES_BETWEEN: u64 = 37;

/// Kinds of the clients' timers: the upper bits of a token.
mod token {
    pub const THINK: u64 = 0;
    pub const LOOK: u64 = 1;
    pub const STREAM: u64 = 2;
    pub const RECOVERY: u64 = 3;

    /// A token of that kind for number `index` in its round.
    pub fn of(kind: u64, index: usize, round: u32) -> u64 {
        kind << 56 | (index as u64) << 32 | u64::from(round)
    }
}

/// Several database nodes and their clients.
pub struct Database {
    setting: Setting,
    heal: Duration,
    bootstrap: raft::Configuration,
    consensus: invariants::History,
    oracle: Oracle,
    comparison: Comparison,
    crowd: Crowd,
    watchers: Watchers,
    leases: Leases,
    lives: BTreeMap<NodeId, u64>,
    recovery: Option<Recovery>,
    messages: u64,
    mark: Mark,
    /// How many operations had been asked at the last mark.
    marked_at: u64,
}

/// A moment that will be the [`Horizon`] of what is remembered.
#[derive(Clone, Copy, Default)]
struct Mark {
    at: Duration,
    horizon: Horizon,
}

impl Database {
    /// The database of a plan in that setting.
    pub fn new(plan: &Plan, mut setting: Setting) -> Self {
        setting.shard.flaws = setting.flaws;
        let mut draw = Stream::named(plan.workload, "streams");
        Database {
            heal: plan.heal,
            bootstrap: raft::Configuration::of((1..=plan.nodes).map(NodeId)),
            consensus: invariants::History::default(),
            oracle: Oracle::default(),
            comparison: Comparison::default(),
            crowd: Crowd::new(&setting.load, setting.judges_at_once),
            watchers: Watchers::new(&setting.load, &mut draw),
            leases: Leases::new(plan),
            lives: BTreeMap::new(),
            recovery: None,
            messages: 0,
            mark: Mark::default(),
            marked_at: 0,
            setting,
        }
    }

    /// What clients ask of the keys.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        &mut self.crowd.chronicle
    }

    fn act(&mut self, index: usize, clients: &mut Clients<Node>) {
        let draining = self.recovery.is_some();
        let wish = self.crowd.act(index, &self.setting.load, draining, clients);
        self.grant(index, wish, clients);
    }

    fn grant(&self, index: usize, wish: Wish, clients: &mut Clients<Node>) {
        match wish {
            Wish::Think(pause, round) => clients.after(pause, token::of(token::THINK, index, round)),
            Wish::Wait(round) => {
                let pause = self.setting.load.patience.min(WAIT_MAX);
                clients.after(pause, token::of(token::LOOK, index, round));
            }
            Wish::Nothing => {}
        }
    }

    fn targets(&self, clients: &Clients<Node>) -> Vec<NodeId> {
        match &self.recovery {
            Some(recovery) => recovery.survivors.clone(),
            None => clients.nodes().collect(),
        }
    }

    /// What committed entries mean to the rest.
    fn committed(&mut self, step: &Step<'_, Node>, entries: &[raft::Entry]) -> Result<(), Violation> {
        let now = step.time.since_start();
        self.forget(now)?;
        let known = self.oracle.history().changes.len();
        let facts = self.oracle.feed(step.node, entries)?;
        let changes = &self.oracle.history().changes[known..];
        changes.iter().for_each(|change| self.crowd.windows.changed(change.clone()));
        for fact in facts {
            match fact {
                Fact::Decided(id) => self.crowd.decided(id, now, &self.oracle)?,
                Fact::Ended { lease, revision, revoked } => {
                    self.leases.ended(step.node, lease, LeaseEnd { at: now, revision, revoked })?;
                    if let Some(revision) = revision.filter(|_| !revoked) {
                        self.crowd.lease_expired(lease, revision, now)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Forgets what is so long past that nobody asks for it any more, or hardly anybody.
    fn forget(&mut self, now: Duration) -> Result<(), Violation> {
        let asked = self.crowd.known.operations;
        if asked < self.marked_at + OPERATIONS_REMEMBERED {
            return Ok(());
        }
        self.marked_at = asked;
        let request = self.crowd.newest_request();
        let newest = Mark { at: now, horizon: Horizon { revision: self.oracle.revision(), request } };
        let Mark { at, horizon } = std::mem::replace(&mut self.mark, newest);
        self.leases.judge_all(&self.oracle)?;
        self.leases.forget(model::number(horizon.revision), at);
        self.oracle.forget(horizon);
        self.crowd.forget(horizon, now, &self.oracle);
        self.comparison.forget(&self.oracle);
        Ok(())
    }

    /// What goes over the wire comes out as it went in.
    fn check_wire(&mut self, node: NodeId, message: &Message) -> Result<(), Violation> {
        self.messages += 1;
        if !self.messages.is_multiple_of(MESSAGES_BETWEEN) {
            return Ok(());
        }
        let mut bytes = BytesMut::new();
        wire::encode_message(message, &mut bytes);
        match wire::decode_message(bytes.freeze()) {
            Some(decoded) if decoded == *message => Ok(()),
            decoded => {
                let sentence = format!("{message:?} is read back as {decoded:?}");
                Err(Violation::new("messages survive the wire", [node], sentence))
            }
        }
    }

    fn compare(&mut self, view: &View<'_, Self>, node: NodeId) -> Result<(), Violation> {
        match view.worker(node) {
            Some(worker) => self.comparison.compare(&self.oracle, node, worker),
            None => Ok(()),
        }
    }
}

impl Subject for Database {
    type Machine = Node;
    type Worker = Replicas<MemoryKv>;
    type Persisted = MemoryKv;

    fn boot(&mut self, boot: Boot<MemoryKv>) -> (Node, Replicas<MemoryKv>) {
        let me = boot.node;
        let setting = &self.setting;
        let config = ReplicaConfig {
            persist_entries: setting.persist_entries,
            compact_step_changes: setting.compact_step_changes,
            chunk_bytes: setting.chunk_bytes,
            marked_keys_min: MARKED_KEYS_MIN,
            flaws: setting.flaws,
            ..ReplicaConfig::new(me, GROUP, self.bootstrap.clone())
        };
        let replica = Replica::open(config, boot.persisted.unwrap_or_default())
            .unwrap_or_else(|error| panic!("expected {me}'s engine to open, found: {error}"));
        let shard = replica.boot().unwrap_or_else(|error| panic!("expected {me}'s leases, found: {error}"));
        let life = self.lives.entry(me).or_default();
        *life += 1;
        self.crowd.node_started(me, *life);
        let node = Node::new(NodeConfig { me, groups: vec![(GROUP, setting.shard.clone(), shard)] });
        (node, Replicas::new([(GROUP, replica)]))
    }

    fn crash_worker(
        &mut self,
        node: NodeId,
        worker: Replicas<MemoryKv>,
        crash: Crash,
        draw: &mut Stream,
    ) -> MemoryKv {
        self.watchers.node_gone(node);
        self.crowd.node_gone(node);
        let replica = worker.into_inner().remove(&GROUP).expect("every node has the group");
        let mut engine = replica.into_engine();
        let pending = engine.batches_pending() as u64;
        // A killed process may have handed all of it to the operating system.
        let keep = match crash {
            Crash::Kill if draw.below(2) == 0 => pending,
            _ => draw.between(0, pending),
        };
        engine.crash(keep as usize);
        engine
    }

    fn encode(&self, write: &Write, out: &mut Vec<u8>) {
        let mut bytes = BytesMut::new();
        wire::encode_write(write, &mut bytes);
        out.extend_from_slice(&bytes);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Write, String> {
        wire::decode_write(Bytes::copy_from_slice(bytes))
            .ok_or_else(|| format!("expected a write of this version, found {} other bytes", bytes.len()))
    }

    fn format(&self) -> Box<dyn LogFormat> {
        Box::new(WalFormat)
    }

    fn begin(&mut self, clients: &mut Clients<Node>) {
        for index in 0..self.crowd.len() {
            let pause = Duration::from_millis(clients.draw.between(1, 500));
            clients.after(pause, token::of(token::THINK, index, 0));
        }
        for index in 0..self.watchers.len() {
            let pause = Duration::from_millis(clients.draw.between(1, 3_000));
            clients.after(pause, token::of(token::STREAM, index, 0));
        }
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply,
        clients: &mut Clients<Node>,
    ) -> Result<(), Violation> {
        if let Reply::Watch(output) = &reply {
            return self.watchers.output(from, id, output, &self.oracle);
        }
        let now = clients.now().since_start();
        let free = self.crowd.reply(from, id, &reply, now, &mut self.oracle, &mut self.leases)?;
        if let Some(index) = free {
            let think = u64::try_from(self.setting.load.think.as_micros()).unwrap_or(u64::MAX);
            let pause = Duration::from_micros(clients.draw.between(0, think * 2));
            let round = self.crowd.round(index);
            self.grant(index, Wish::Think(pause, round), clients);
        }
        Ok(())
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Node>) -> Result<(), Violation> {
        let (kind, index, round) = (token >> 56, (token >> 32 & 0xff_ffff) as usize, token as u32);
        match kind {
            token::THINK => {
                if self.crowd.round(index) == round {
                    self.act(index, clients);
                }
            }
            token::LOOK => {
                let patience = self.setting.load.patience;
                let wish = self.crowd.look(index, round, patience, &self.oracle, clients)?;
                self.grant(index, wish, clients);
            }
            token::STREAM => {
                let targets = self.targets(clients);
                let next = self.watchers.tick(index, &self.oracle, &targets, clients);
                clients.after(next, token);
            }
            _ => {
                if let Some(recovery) = &self.recovery
                    && clients.now().since_start() >= recovery.ends
                {
                    let sentence = format!(
                        "all faults ended {:?} ago, and {}",
                        self.heal - BEFORE_THE_END,
                        recovery.obstacle
                    );
                    return Err(Violation::new("liveness", recovery.survivors.clone(), sentence));
                }
                clients.after(LOOK_EVERY, token);
            }
        }
        Ok(())
    }

    fn check(&mut self, view: &View<'_, Self>, step: &Step<'_, Node>) -> Result<(), Violation> {
        let node = step.node;
        let machine = view.machine(node).expect("a node that steps is up");
        let raft = machine.shard(GROUP).expect("every node has the group").raft();
        match step.given {
            Given::Start => {
                self.consensus.restarted(node);
                self.compare(view, node)?;
            }
            Given::Command(id) => self.crowd.request_received(node, id),
            Given::Done if self.comparison.due(node) => self.compare(view, node)?,
            _ => {}
        }
        self.consensus.observe(raft).map_err(|sentence| {
            let (property, sentence) = sentence.split_once(": ").unwrap_or(("consensus", &sentence));
            Violation::new(property, [node], sentence)
        })?;
        for effect in step.effects {
            match effect {
                Effect::Work(Job::Apply { entries, .. }) => self.committed(step, entries)?,
                Effect::Send { message, .. } => self.check_wire(node, message)?,
                Effect::Note { name: "raft.snapshot_installed", .. } => self.compare(view, node)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn heal(
        &mut self,
        _: &View<'_, Self>,
        survivors: &[NodeId],
        clients: &mut Clients<Node>,
    ) -> Result<(), Violation> {
        let now = clients.now().since_start();
        let ends = now + self.heal.saturating_sub(BEFORE_THE_END);
        let obstacle = "nothing was looked at".to_owned();
        self.recovery = Some(Recovery { survivors: survivors.to_vec(), ends, obstacle });
        for node in survivors {
            let index = self.crowd.add_errands(*node, errands(*node));
            self.act(index, clients);
        }
        clients.after(LOOK_EVERY, token::of(token::RECOVERY, 0, 0));
        Ok(())
    }

    fn progressed(&mut self, view: &View<'_, Self>, _: &[NodeId]) -> bool {
        let Some(recovery) = &mut self.recovery else { return true };
        match recovery.missing(view, &self.crowd, &self.oracle, &mut self.watchers) {
            Ok(()) => true,
            Err(obstacle) => {
                recovery.obstacle = obstacle;
                false
            }
        }
    }

    fn check_end(&mut self, view: &View<'_, Self>) -> Result<(), Violation> {
        for node in view.nodes() {
            self.compare(view, node)?;
        }
        self.leases.judge_all(&self.oracle)?;
        self.crowd.judge_rest(view.now().since_start())
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let revisions = u64::try_from(self.oracle.revision()).unwrap_or(0);
        let judged = self.crowd.windows.counts();
        vec![
            ("client.operations", self.crowd.known.operations),
            ("client.answers judged", self.crowd.answers),
            ("client.abandoned", self.crowd.abandoned),
            ("client.windows judged", judged.windows),
            ("client.windows not explained", judged.unexplained),
            ("client.operations held, at most", judged.held_max as u64),
            ("client.old reads judged", judged.old_reads),
            ("client.old reads too old to be judged", judged.old_reads_unjudged),
            ("store.revisions", revisions),
            ("store.compared with the oracle", self.comparison.made),
            ("watch.outputs", self.watchers.outputs),
            ("watch.reopened", self.watchers.reopened),
            ("watch.compacted", self.watchers.compacted),
            ("watch.events too old to be judged", self.watchers.unjudged),
            ("lease.lives", self.leases.len() as u64),
        ]
    }

    fn message_bytes(&self, message: &Message) -> usize {
        const HEADER_BYTES: usize = 64;
        HEADER_BYTES
            + match message {
                Message::Raft { message: raft::Message::Append { entries, .. }, .. } => {
                    entries.iter().map(raft::Entry::bytes).sum()
                }
                Message::Raft { message: raft::Message::Snapshot { chunk, .. }, .. } => chunk.data.len(),
                Message::Forward { envelopes, .. } => envelopes.iter().map(Bytes::len).sum(),
                _ => 0,
            }
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Raft { message, .. } => raft_kind(message),
            Message::Forward { .. } => "forward",
            Message::Lease { .. } => "lease?",
            Message::LeaseAnswer { .. } | Message::LeaseRefused { .. } => "lease",
        }
    }

    fn role(&self, machine: &Node) -> char {
        match machine.shard(GROUP).map(|shard| shard.raft().role()) {
            Some(raft::Role::Leader) => 'L',
            Some(raft::Role::Candidate) => 'C',
            Some(raft::Role::PreCandidate) => 'P',
            _ => '·',
        }
    }
}

fn raft_kind(message: &raft::Message) -> &'static str {
    match message {
        raft::Message::Vote { pre: true, .. } => "prevote?",
        raft::Message::Vote { .. } => "vote?",
        raft::Message::Voted { .. } => "vote",
        raft::Message::Append { .. } => "append",
        raft::Message::Appended { .. } | raft::Message::Rejected { .. } => "appended",
        raft::Message::Heartbeat { .. } => "heartbeat",
        raft::Message::Alive { .. } => "alive",
        raft::Message::Committed { .. } => "commit",
        raft::Message::ReadRequest { .. } => "read?",
        raft::Message::ReadAnswer { .. } => "read",
        raft::Message::Snapshot { .. } => "snapshot",
        raft::Message::SnapshotProgress { .. } => "piece",
        raft::Message::TimeoutNow { .. } => "transfer",
        raft::Message::Outdated { .. } => "outdated",
    }
}
