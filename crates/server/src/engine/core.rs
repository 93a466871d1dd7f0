//! The core: the machine, its timers, and what waits for tickets.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use synod_database::{Command, Done, Event, Job, Message, Node, Timer, wire};
use synod_machine::{
    Buffer, Choices, Context, Credit, Effect, Input, Machine, Mono, NodeId, RequestId, Ticket, Wall,
};
use synod_transport::{Permit, Transport};

use super::apply;
use super::clients::{Served, Waiter};
use super::combining::{Combining, Duty};
use super::disk::{self, Disk, DiskWork};
use super::post::Post;
use super::shared::Shared;
use super::timers::Timers;

/// Commands that become one step.
const BATCH_COMMANDS_MAX: usize = 1_024;

/// What the core is given.
#[derive(Debug)]
pub enum CoreInput {
    /// From a client of this node.
    Client(ClientCommand),
    /// From a peer; the permit is let go when it was dealt with.
    Frame {
        /// Which; the transport vouches for it.
        from: NodeId,
        /// What it says.
        message: Message,
        /// Its share of the bytes that may wait from that peer.
        permit: Permit,
    },
    /// A peer's link came up or went down.
    Link {
        /// Which.
        peer: NodeId,
        /// Whether it is up now.
        up: bool,
    },
    /// The disk has everything up to this ticket.
    Durable(Ticket),
    /// The replicas have done something.
    Done(Done),
}

/// A command and who waits for its answer.
#[derive(Debug)]
pub struct ClientCommand {
    /// What is asked.
    pub command: Command,
    /// Whom to answer, if someone wants to hear.
    pub waiter: Option<Waiter>,
}

/// The driver of one node.
pub struct Core {
    node: Node,
    me: NodeId,
    shared: Arc<Shared>,
    transport: Arc<Transport>,
    buffer: Buffer<Node, RandomChoices>,
    timers: Timers<Timer>,
    held: BTreeMap<Ticket, Vec<Effect<Node>>>,
    began: Instant,
    next_request: u64,
    writes: Vec<Bytes>,
    first_write: Option<Ticket>,
    post: Post,
    /// It is the only voter.
    alone: bool,
    /// Commands that came together; kept for its memory.
    batch: Vec<ClientCommand>,
    jobs: Vec<Job>,
    served: Vec<(RequestId, Served)>,
    scratch: BytesMut,
}

impl Core {
    /// A driver that has not started the node yet; its first write gets the ticket `next`.
    pub fn new(node: Node, shared: Arc<Shared>, transport: Arc<Transport>, next: Ticket) -> Core {
        Core {
            me: node.id(),
            node,
            shared,
            transport,
            buffer: Buffer::new(RandomChoices::new(), next),
            timers: Timers::default(),
            held: BTreeMap::new(),
            began: Instant::now(),
            next_request: 1,
            writes: Vec::new(),
            first_write: None,
            post: Post::default(),
            alone: false,
            batch: Vec::new(),
            jobs: Vec::new(),
            served: Vec::new(),
            scratch: BytesMut::new(),
        }
    }

    /// Starts the node.
    pub fn start(&mut self, saved: Vec<synod_database::Write>) {
        self.step(Input::Start { saved });
        self.flush();
    }

    fn input(&mut self, input: CoreInput, batch: &mut Vec<ClientCommand>) {
        match input {
            CoreInput::Client(command) => batch.push(command),
            CoreInput::Frame { from, message, permit } => {
                self.post.heard(from, &message);
                self.step(Input::Receive { from, message });
                drop(permit);
            }
            CoreInput::Link { peer, up } => self.step(Input::Link { peer, up }),
            CoreInput::Durable(ticket) => {
                let later = self.held.split_off(&Ticket(ticket.0 + 1));
                for effect in std::mem::replace(&mut self.held, later).into_values().flatten() {
                    self.act(effect);
                }
                self.step(Input::Durable(ticket));
            }
            CoreInput::Done(done) => self.step(Input::Done(done)),
        }
    }

    /// Makes one step of all commands that came together.
    fn commands(&mut self, batch: &mut Vec<ClientCommand>) {
        if batch.is_empty() {
            return;
        }
        let first = self.next_request;
        self.next_request += batch.len() as u64;
        let mut waiters = Vec::with_capacity(batch.len());
        let mut commands = Vec::with_capacity(batch.len());
        for (ClientCommand { command, waiter }, id) in batch.drain(..).zip(first..) {
            waiters.extend(waiter.map(|waiter| (RequestId(id), waiter)));
            commands.push(command);
        }
        // Before the step: the answer may come from another thread at once.
        self.shared.clients.wait(waiters);
        self.step(Input::Command { id: RequestId(first), command: Command::Batch(commands) });
    }

    fn step(&mut self, input: Input<Node>) {
        let credit = TransportCredit(&self.transport);
        let context = Context { me: self.me, now: self.now(), wall: wall(), credit: &credit };
        self.node.step(&context, input, &mut self.buffer.effects());
        let mut effects = std::mem::take(&mut self.buffer.effects);
        for effect in effects.drain(..) {
            match &effect {
                Effect::Send { after: Some(ticket), .. } | Effect::Reply { after: Some(ticket), .. } => {
                    self.held.entry(*ticket).or_default().push(effect);
                }
                _ => self.act(effect),
            }
        }
        self.buffer.effects = effects;
    }

    fn act(&mut self, effect: Effect<Node>) {
        match effect {
            Effect::Send { to, message, .. } => {
                self.post.take(&*self.transport, Instant::now(), to, &message);
            }
            Effect::Reply { id, reply, .. } => self.served.push((id, Served::Reply(reply))),
            Effect::Emit(event) => self.hear(event),
            Effect::Arm { timer, least, most } => {
                let spread = most.saturating_sub(least);
                let drawn = spread.mul_f64(self.buffer.choices.fraction());
                let deadline = self.now() + least + drawn;
                self.timers.arm(timer, deadline);
            }
            Effect::Disarm(timer) => self.timers.disarm(&timer),
            Effect::Write { ticket, write } => {
                self.first_write.get_or_insert(ticket);
                self.scratch.clear();
                wire::encode_write(&write, &mut self.scratch);
                self.writes.push(self.scratch.split().freeze());
            }
            Effect::Forget { before } => {
                self.flush_writes(Combining::extend);
                self.shared.disk.extend([DiskWork::Forget { before }]);
            }
            // The client's own task reads: the view that is published has come as far as the machine demands.
            Effect::Work(Job::Read { id, query, .. }) => self.served.push((id, Served::Read(query))),
            Effect::Work(job) => self.jobs.push(job),
            Effect::Note { name, value } => self.shared.metrics.note(name, value),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Role { role, term, leader, .. } => {
                let was = self.shared.standing().leader;
                self.shared.set_standing(|standing| {
                    (standing.role, standing.term, standing.leader) = (role, term.0, leader);
                });
                if leader.is_some() && leader != was {
                    self.shared.metrics.leader_changes.inc();
                }
                let leader = leader.map_or_else(|| "none".to_owned(), |leader| format!("{:x}", leader.0));
                tracing::info!(member = format!("{:x}", self.me.0), ?role, term = term.0, leader, "role");
            }
            Event::Configured { configuration, .. } => {
                self.alone = configuration.voters.len() == 1 && configuration.voters.contains(&self.me);
                let learner = configuration.learners.contains(&self.me);
                self.shared.set_standing(|standing| standing.learner = learner);
            }
        }
    }

    fn flush(&mut self) {
        // Alone, a member has nothing to do while its disk writes, if but few clients wait: one of their threads may as well.
        let here = self.alone
            && self.shared.is_quiet()
            && self.shared.syncs_quickly()
            && disk::is_quick(&self.writes);
        // The disk takes longest, and begins first.
        if !here {
            self.flush_writes(Combining::extend);
        }
        self.post.hand_over(&*self.transport);
        if !self.served.is_empty() {
            self.shared.clients.serve(self.served.drain(..));
        }
        if !self.jobs.is_empty() {
            if self.shared.is_quiet() && apply::is_quick(&self.jobs) {
                self.shared.apply.bring(self.jobs.drain(..));
            } else {
                self.shared.apply.extend(self.jobs.drain(..));
            }
        }
        if here {
            self.flush_writes(Combining::bring);
        }
    }

    fn flush_writes(&mut self, give: impl FnOnce(&Combining<Disk>, [DiskWork; 1]) -> bool) {
        if let Some(first) = self.first_write.take() {
            let writes = std::mem::take(&mut self.writes);
            // A disk that takes nothing any more has failed, and the member with it.
            give(&self.shared.disk, [DiskWork::Append { first, writes }]);
        }
    }

    fn publish(&self) {
        if let Some(shard) = self.node.shard(synod_database::GroupId::default()) {
            let committed = shard.raft().commit().0;
            self.shared.set_standing(|standing| {
                (standing.committed, standing.applied) = (committed, shard.applied().0);
            });
        }
    }

    fn now(&self) -> Mono {
        Mono::from_start(self.began.elapsed())
    }
}

impl Duty for Core {
    type Item = CoreInput;

    fn work(&mut self, inputs: &mut VecDeque<CoreInput>) {
        let mut batch = std::mem::take(&mut self.batch);
        for input in inputs.drain(..) {
            self.input(input, &mut batch);
            if batch.len() >= BATCH_COMMANDS_MAX {
                self.commands(&mut batch);
            }
        }
        self.commands(&mut batch);
        self.batch = batch;
        self.flush();
        self.publish();
    }

    fn tend(&mut self) {
        self.post.tend(&*self.transport, Instant::now());
        let now = self.now();
        if self.timers.next().is_none_or(|deadline| deadline > now) {
            return;
        }
        while let Some(timer) = self.timers.pop_due(now) {
            self.step(Input::Fire(timer));
        }
        self.flush();
        self.publish();
    }

    fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.next().map(|at| self.began + at.since_start());
        [timer, self.post.deadline()].into_iter().flatten().min()
    }
}

fn wall() -> Wall {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall { since_epoch, error: std::time::Duration::MAX }
}

struct TransportCredit<'t>(&'t Transport);

impl Credit for TransportCredit<'_> {
    fn bytes(&self, peer: NodeId) -> usize {
        self.0.credit(peer.0).bytes
    }
}

/// Choices of a real node: from a generator that the system's randomness seeds.
struct RandomChoices {
    state: u64,
}

impl RandomChoices {
    fn new() -> Self {
        // The standard library keys its hasher from the system's random source: all that is needed of one here.
        RandomChoices { state: RandomState::new().hash_one(std::process::id()) }
    }

    /// A step of SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Choices for RandomChoices {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        (self.next() % u64::from(options)) as u32
    }

    fn entropy(&mut self) -> u64 {
        self.next()
    }
}
