//! A driver written out by hand: one node, its log, its replica and its clock, moved on step by step.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use synod_database::*;
use synod_machine::*;
use synod_storage::kv::MemoryKv;

pub const ME: NodeId = NodeId(1);
pub const PEER: NodeId = NodeId(2);

pub struct Driver {
    pub node: Node,
    pub replicas: Replicas<MemoryKv>,
    buffer: Buffer<Node, First>,
    pub now: Mono,
    timers: BTreeMap<Timer, Mono>,
    /// Durable writes.
    pub log: BTreeMap<Ticket, Write>,
    /// Written, but not synced.
    pub unsynced: BTreeMap<Ticket, Write>,
    held: Vec<(Ticket, Effect<Node>)>,
    /// Jobs that the replica has not done.
    pub jobs: VecDeque<Job>,
    /// Messages that left the node.
    pub sent: Vec<(NodeId, Message)>,
    pub replies: Vec<(RequestId, Reply)>,
    pub notes: BTreeMap<&'static str, u64>,
    next_request: u64,
}

impl Driver {
    /// A node that has never run, among these voters.
    pub fn new(voters: &[NodeId]) -> Driver {
        Driver::open(voters, BTreeMap::new(), MemoryKv::new())
    }

    fn open(voters: &[NodeId], log: BTreeMap<Ticket, Write>, engine: MemoryKv) -> Driver {
        let group = GroupId::default();
        let bootstrap =
            raft::Configuration { voters: voters.iter().copied().collect(), ..Default::default() };
        let replica = Replica::open(ReplicaConfig::new(ME, group, bootstrap), engine).unwrap();
        let boot = replica.boot().unwrap();
        let shard = ShardConfig::new(raft::Config::default());
        let next = log.last_key_value().map_or(Ticket(1), |(last, _)| Ticket(last.0 + 1));
        Driver {
            node: Node::new(NodeConfig { me: ME, groups: vec![(group, shard, boot)] }),
            replicas: Replicas::new([(group, replica)]),
            buffer: Buffer::new(First, next),
            now: Mono::ZERO,
            timers: BTreeMap::new(),
            log,
            unsynced: BTreeMap::new(),
            held: Vec::new(),
            jobs: VecDeque::new(),
            sent: Vec::new(),
            replies: Vec::new(),
            notes: BTreeMap::new(),
            next_request: 1,
        }
    }

    /// The first step of this life.
    pub fn start(&mut self) {
        let saved = self.log.values().cloned().collect();
        self.step(Input::Start { saved });
    }

    /// A node that was started and leads its group of one.
    pub fn leading() -> Driver {
        let mut driver = Driver::new(&[ME]);
        driver.start();
        driver.run();
        driver.fire_next();
        driver.run();
        assert_eq!(driver.shard().leader(), Some(ME), "one voter elects itself");
        driver
    }

    /// Power is cut: only the log and what the engine persisted come back.
    pub fn crash(self, voters: &[NodeId]) -> Driver {
        let mut engine = self.replicas.into_inner().remove(&GroupId::default()).unwrap().into_engine();
        engine.crash(0);
        Driver::open(voters, self.log, engine)
    }

    pub fn shard(&self) -> &Shard {
        self.node.shard(GroupId::default()).unwrap()
    }

    pub fn replica(&self) -> &Replica<MemoryKv> {
        self.replicas.get(GroupId::default()).unwrap()
    }

    pub fn command(&mut self, command: Command) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.step(Input::Command { id, command });
        id
    }

    pub fn step(&mut self, input: Input<Node>) {
        let cx = Context::at(ME, self.now);
        self.node.step(&cx, input, &mut self.buffer.effects());
        for effect in std::mem::take(&mut self.buffer.effects) {
            match effect {
                Effect::Send { after: Some(ticket), .. } | Effect::Reply { after: Some(ticket), .. }
                    if !self.is_durable(ticket) =>
                {
                    self.held.push((ticket, effect));
                }
                effect => self.act(effect),
            }
        }
    }

    fn act(&mut self, effect: Effect<Node>) {
        match effect {
            Effect::Send { to, message, .. } => self.sent.push((to, message)),
            Effect::Reply { id, reply, .. } => self.replies.push((id, reply)),
            Effect::Arm { timer, least, .. } => drop(self.timers.insert(timer, self.now + least)),
            Effect::Disarm(timer) => drop(self.timers.remove(&timer)),
            Effect::Write { ticket, write } => drop(self.unsynced.insert(ticket, write)),
            Effect::Work(job) => self.jobs.push_back(job),
            Effect::Note { name, value } => *self.notes.entry(name).or_default() += value,
            Effect::Emit(_) | Effect::Forget { .. } => {}
        }
    }

    fn is_durable(&self, ticket: Ticket) -> bool {
        self.unsynced.first_key_value().is_none_or(|(first, _)| ticket < *first)
    }

    /// Makes everything that was written durable.
    pub fn sync(&mut self) {
        let Some(last) = self.unsynced.last_key_value().map(|(last, _)| *last) else { return };
        self.log.append(&mut self.unsynced);
        for (ticket, effect) in std::mem::take(&mut self.held) {
            if self.is_durable(ticket) { self.act(effect) } else { self.held.push((ticket, effect)) }
        }
        self.step(Input::Durable(last));
    }

    /// Lets the replica do the jobs that wait.
    pub fn work(&mut self) {
        while let Some(job) = self.jobs.pop_front() {
            let mut out = Output::default();
            self.replicas.work(self.now, job, &mut out);
            self.replies.append(&mut out.replies);
            out.done.into_iter().for_each(|done| self.step(Input::Done(done)));
        }
    }

    /// Goes on until nothing but time is waited for.
    pub fn run(&mut self) {
        while !self.unsynced.is_empty() || !self.jobs.is_empty() {
            self.sync();
            self.work();
        }
    }

    /// The next deadline passes.
    pub fn fire_next(&mut self) {
        let (timer, at) = self.timers.iter().min_by_key(|(_, at)| **at).expect("some deadline is set");
        let (timer, at) = (*timer, *at);
        self.now = self.now.max(at);
        self.timers.remove(&timer);
        self.step(Input::Fire(timer));
    }

    /// Time passes, and everything that it brings happens.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.timers.values().any(|at| *at <= until) {
            self.fire_next();
            self.run();
        }
        self.now = until;
    }

    /// The answers to a request, taken.
    pub fn answers(&mut self, id: RequestId) -> Vec<Reply> {
        let (mine, others) = std::mem::take(&mut self.replies).into_iter().partition(|(to, _)| *to == id);
        self.replies = others;
        let mine: Vec<(RequestId, Reply)> = mine;
        mine.into_iter().map(|(_, reply)| reply).collect()
    }
}
