//! The group, its clients, and what must hold of it. Its log is never cut here; snapshots, membership changes and a store on top are the database's scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Effect, Mono, NodeId, Output, RequestId, Worker};
use synod_protocols::consensus::raft::invariants::History;
use synod_protocols::consensus::raft::{
    Command, Config, Configuration, Done, Index, Job, Message, Raft, Refusal, Reply, Role, SnapshotPoint,
    Write, wire,
};
use synod_sim::{Boot, BootKind, Clients, Crash, Given, Step, Stream, Subject, View, Violation};

use super::register::Register;
use crate::chronicle::Chronicle;

/// So that every node is up.
const ALL_UP: Duration = Duration::from_millis(11);
/// How long clients pause, at most.
const PAUSE: Duration = Duration::from_millis(100);

/// The state machine's place: it has nothing to do, since the log is all that is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSnapshots;

impl Worker<Raft> for NoSnapshots {
    fn work(&mut self, _: Mono, job: Job, out: &mut Output<Raft>) {
        match job {
            Job::Read { peer, .. } => out.done(Done::Unreadable { peer }),
            Job::Install { point, .. } => out.done(Done::Uninstallable { point }),
            Job::Release { .. } => {}
        }
    }

    fn idle(&mut self, _: Mono, _: &mut Output<Raft>) -> bool {
        false
    }
}

/// All nodes of a run, with a client at each.
#[derive(Debug)]
pub struct Group {
    nodes: u64,
    config: Config,
    history: History,
    asked: u64,
    proposed: u64,
    /// The highest commit index that any node knew when a read was asked.
    reads: BTreeMap<RequestId, Index>,
    reads_served: u64,
    commit: Index,
    commit_at_heal: Option<Index>,
    register: Register,
}

impl Group {
    /// A group of so many nodes.
    pub fn new(nodes: u64, config: Config) -> Self {
        Group {
            nodes,
            config,
            history: History::default(),
            asked: 0,
            proposed: 0,
            reads: BTreeMap::new(),
            reads_served: 0,
            commit: Index(0),
            commit_at_heal: None,
            register: Register::default(),
        }
    }

    /// What clients do, in terms of the register that the log amounts to.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        self.register.chronicle()
    }

    fn send(&mut self, node: NodeId, command: Command, clients: &mut Clients<Raft>) {
        let id = clients.send(node.0, node, command.clone());
        self.register.asked(clients.now().since_start(), node, id, &command);
    }

    /// A read is linearizable if it is at or after all that was committed when it was asked.
    fn look_at_replies(&mut self, step: &Step<'_, Raft>) -> Result<(), Violation> {
        for effect in step.effects {
            let Effect::Reply { id, reply: reply @ Reply::ReadAt(index), .. } = effect else { continue };
            self.register.answered(step.time.since_start(), *id, reply);
            let Some(floor) = self.reads.remove(id) else { continue };
            self.reads_served += 1;
            if *index < floor {
                let sentence = format!(
                    "{} answers a read at {index}, though {floor} was committed when it was asked (e{})",
                    step.node, step.number
                );
                return Err(Violation::new("linearizable reads", [step.node], sentence));
            }
        }
        Ok(())
    }
}

impl Subject for Group {
    type Machine = Raft;
    type Worker = NoSnapshots;
    type Persisted = ();

    fn boot(&mut self, boot: Boot<()>) -> (Raft, NoSnapshots) {
        match boot.kind {
            BootKind::First => {}
            BootKind::Restart => self.history.restarted(boot.node),
            BootKind::Wiped => self.history.wiped(boot.node),
        }
        let configuration = Configuration::of((1..=self.nodes).map(NodeId));
        let point = SnapshotPoint { configuration, ..SnapshotPoint::default() };
        (Raft::new(boot.node, self.config.clone(), point), NoSnapshots)
    }

    fn crash_worker(&mut self, _: NodeId, _: NoSnapshots, _: Crash, _: &mut Stream) {}

    fn encode(&self, write: &Write, out: &mut Vec<u8>) {
        wire::encode_write(write, out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Write, String> {
        wire::decode_write(Bytes::copy_from_slice(bytes)).map_err(|error| error.to_string())
    }

    fn begin(&mut self, clients: &mut Clients<Raft>) {
        for node in clients.nodes().collect::<Vec<_>>() {
            let pause = clients.draw.duration(Duration::ZERO, PAUSE);
            clients.after(ALL_UP + pause, node.0);
        }
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Raft>) -> Result<(), Violation> {
        self.asked += 1;
        let node = NodeId(token);
        let command = if clients.draw.below(3) == 0 {
            Command::ReadIndex
        } else {
            Command::Propose(Bytes::from(self.asked.to_string()))
        };
        self.send(node, command, clients);
        let pause = clients.draw.duration(Duration::ZERO, PAUSE);
        clients.after(pause, token);
        Ok(())
    }

    fn on_reply(
        &mut self,
        _: NodeId,
        id: RequestId,
        reply: Reply,
        clients: &mut Clients<Raft>,
    ) -> Result<(), Violation> {
        self.register.answered(clients.now().since_start(), id, &reply);
        match reply {
            Reply::Proposed { .. } => self.proposed += 1,
            // Whoever leads takes it.
            Reply::Refused(Refusal::NotLeader(Some(leader))) => {
                self.send(leader, Command::Propose(Bytes::from(id.0.to_string())), clients);
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self, view: &View<'_, Self>, step: &Step<'_, Raft>) -> Result<(), Violation> {
        if let Given::Command(id) = step.given {
            // Only reads are looked up again.
            self.reads.insert(id, self.commit);
        }
        let raft = view.machine(step.node);
        if let Some(raft) = raft {
            self.register.committed(step.time.since_start(), raft);
        }
        self.look_at_replies(step)?;
        let Some(raft) = raft else { return Ok(()) };
        self.commit = self.commit.max(raft.commit());
        self.history.observe(raft).map_err(|sentence| {
            // The history names the property first.
            let (property, rest) = sentence.split_once(": ").unwrap_or(("state machine safety", &sentence));
            Violation::new(property, [step.node], format!("{rest} (e{})", step.number))
        })
    }

    fn heal(&mut self, _: &View<'_, Self>, _: &[NodeId], _: &mut Clients<Raft>) -> Result<(), Violation> {
        self.commit_at_heal = Some(self.commit);
        Ok(())
    }

    /// Every survivor has committed something that was not committed when the faults ended.
    fn progressed(&mut self, view: &View<'_, Self>, survivors: &[NodeId]) -> bool {
        let Some(then) = self.commit_at_heal else { return false };
        survivors.iter().all(|node| view.machine(*node).is_some_and(|raft| raft.commit() > then))
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("client.asked", self.asked),
            ("client.proposed", self.proposed),
            ("raft.reads served", self.reads_served),
            ("raft.committed", self.commit.0),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        message.name()
    }

    fn role(&self, raft: &Raft) -> char {
        match raft.role() {
            Role::Leader => 'L',
            Role::Candidate => 'C',
            Role::PreCandidate => 'c',
            Role::Follower => '·',
        }
    }
}
