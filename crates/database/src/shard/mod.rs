//! One group at one node: Raft, and around it what clients wait for.
//!
//! The shard turns commands into what consensus understands, remembers who waits for what, and hands what is committed to the
//! replica. What a client is promised rests on three small tables, each in a file of its own:
//! - [`changes`]: proposals go to the leader, again and again until they are applied here or their time is up;
//! - [`questions`]: reads and questions about leases wait for a linearizable moment;
//! - [`deadlines`]: one timer a table, set for the oldest entry.
//!
//! Requests are bounded ([`ShardConfig`]): one too many is refused at once, and none waits longer than its time. What a
//! peer sends is never more than a hint: a copy at the wrong node is dropped, its origin sends it again.

mod changes;
mod deadlines;
mod questions;
mod scope;
mod underway;

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Context, Input, Machine, Mono, NodeId, RequestId, View};
use synod_protocols::consensus::raft::{self, Index, Raft, Role, Term};
use synod_storage::mvcc::LeaseId;

use crate::lessor::Lessor;
use crate::proposal::{Change, ChangeName};
use crate::proposals::Proposals;
use crate::reads::{Reads, Waiter};
use crate::{Command, Consistency, Done, Event, Flaws, GroupId, Job, Message, Refusal, Reply, ShardTimer};

use self::scope::{Heard, RaftScope};
use self::underway::Underway;

pub use self::scope::{Fx, Ledger};

/// Limits and times of a group at a node.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Times and limits of consensus.
    pub raft: raft::Config,
    /// How long a client's request is tried before it is answered with a time-out.
    pub request_time: Duration,
    /// How long after its sending a forwarded request is sent again.
    pub resend_after: Duration,
    /// Changes of this node's clients that may wait.
    pub proposals_max: usize,
    /// Reads of this node's clients that may wait.
    pub reads_max: usize,
    /// Bytes of proposals in one message to the leader (one larger proposal goes alone).
    pub forward_bytes_max: usize,
    /// Leases ended by one look at the clock.
    pub lease_ends_max: usize,
    /// Known bugs, put back by tests.
    #[doc(hidden)]
    pub flaws: Flaws,
}

impl ShardConfig {
    /// Defaults, around a consensus configuration.
    pub fn new(raft: raft::Config) -> Self {
        ShardConfig {
            raft,
            request_time: Duration::from_secs(7),
            resend_after: Duration::from_millis(500),
            proposals_max: 5_000,
            reads_max: 50_000,
            forward_bytes_max: 1 << 20,
            lease_ends_max: 500,
            flaws: Flaws::default(),
        }
    }
}

/// What a shard starts from: what its replica durably has.
#[derive(Clone, Debug, Default)]
pub struct ShardBoot {
    /// The last entry that the store durably includes, with the membership as of there.
    pub applied: raft::SnapshotPoint,
    /// The leases of that state, with their times to live.
    pub leases: Vec<(LeaseId, Duration)>,
}

/// A group's part of a node.
pub struct Shard {
    group: GroupId,
    me: NodeId,
    config: ShardConfig,
    raft: Raft,
    /// Number of this node's life.
    boot: u64,
    role: Role,
    term: Term,
    leader: Option<NodeId>,
    /// Set while this node leads and its first own entry is committed.
    established: Option<Index>,
    applied: Index,
    /// Sequences below this were used.
    next_sequence: u64,
    proposals: Proposals,
    underway: Underway,
    reads: Reads,
    lessor: Lessor,
    /// Lease questions that the leader was asked.
    asked: BTreeMap<RequestId, Asked>,
    /// What this shard asked Raft.
    tokens: BTreeMap<RequestId, Token>,
    next_token: u64,
    request_timer: bool,
    resend_timer: bool,
    lease_timer: Option<Mono>,
    /// What Raft said during a step, worked off after it; kept for its room.
    heard: Vec<Heard>,
}

struct Asked {
    lease: LeaseId,
    renew: bool,
    since: Mono,
}

enum Token {
    /// Whatever comes of it, nobody waits.
    Aside,
    Proposals(Vec<u64>),
    Forwarded(Vec<ChangeName>),
    Round,
    Transfer(RequestId),
    LeaseEnd(LeaseId),
}

impl Shard {
    /// A group as its replica left it.
    pub fn new(group: GroupId, me: NodeId, config: ShardConfig, boot: ShardBoot) -> Self {
        let raft = Raft::new(me, config.raft.clone(), boot.applied.clone());
        let mut lessor = Lessor::default();
        lessor.replace(boot.leases, Mono::ZERO);
        Shard {
            group,
            me,
            config,
            raft,
            boot: 0,
            role: Role::Follower,
            term: Term::default(),
            leader: None,
            established: None,
            applied: boot.applied.index,
            next_sequence: 0,
            proposals: Proposals::default(),
            underway: Underway::default(),
            reads: Reads::default(),
            lessor,
            asked: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: 1,
            request_timer: false,
            resend_timer: false,
            lease_timer: None,
            heard: Vec::new(),
        }
    }

    /// The group's consensus, to look at.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The leader that this node knows of.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// How far the replica has come.
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// The first step of a life, with the writes of this group that survived.
    pub fn start(&mut self, cx: &Context<'_>, boot: u64, saved: Vec<raft::Write>, fx: &mut Fx<'_, '_>) {
        self.boot = boot;
        self.step_raft(cx, Input::Start { saved }, fx);
    }

    /// An input for this group's consensus.
    pub fn step_raft(&mut self, cx: &Context<'_>, input: Input<Raft>, fx: &mut Fx<'_, '_>) {
        let mut scope =
            RaftScope { group: self.group, heard: std::mem::take(&mut self.heard), ledger: &mut *fx.ledger };
        let raft = &mut self.raft;
        fx.fx.scope(&mut scope, |fx| raft.step(cx, input, fx));
        let mut heard = scope.heard;
        for heard in heard.drain(..) {
            match heard {
                Heard::Event(event) => self.hear_event(cx, event, fx),
                Heard::Reply(id, reply) => self.hear_reply(cx, id, reply, fx),
            }
        }
        if self.heard.capacity() < heard.capacity() {
            self.heard = heard;
        }
    }

    /// A client's commands, each with its id; proposals go to the log together, reads share a round.
    pub fn commands(
        &mut self,
        cx: &Context<'_>,
        commands: impl IntoIterator<Item = (RequestId, Command)>,
        fx: &mut Fx<'_, '_>,
    ) {
        for (id, command) in commands {
            self.command(cx, id, command, fx);
        }
        self.send_proposals(cx, None, fx);
        self.begin_round(cx, fx);
        self.arm_request_timer(cx, fx);
    }

    fn command(&mut self, cx: &Context<'_>, id: RequestId, command: Command, fx: &mut Fx<'_, '_>) {
        let group = self.group;
        match command {
            Command::Batch(_) => unreachable!("the node has taken batches apart"),
            Command::Propose(operation) => self.propose(cx, id, Change::Store(operation), fx),
            Command::Publish(attributes) => self.propose(cx, id, Change::Publish(attributes), fx),
            Command::Read { query, consistency: Consistency::Serializable } => {
                fx.fx.work(Job::Read { group, id, query });
            }
            Command::Read { query, consistency: Consistency::Linearizable } => {
                if self.reads.len() >= self.config.reads_max {
                    fx.fx.reply(id, Reply::Refused(Refusal::Overloaded));
                } else {
                    self.reads.add(Waiter::Query { id, query }, cx.now);
                    if self.config.flaws.read_joins_round {
                        self.reads.join();
                    }
                }
            }
            Command::LeaseRenew(lease) => self.ask_lease(cx, id, lease, true, fx),
            Command::LeaseTime(lease) => self.ask_lease(cx, id, lease, false, fx),
            Command::Watch { stream, control } => fx.fx.work(Job::Watch { group, stream, control }),
            Command::WatchTaken { stream, outputs } => fx.fx.work(Job::WatchTaken { group, stream, outputs }),
            Command::WatchClosed { stream } => fx.fx.work(Job::WatchClosed { group, stream }),
            Command::AwaitCompaction(revision) => fx.fx.work(Job::AwaitCompaction { group, id, revision }),
            Command::Persist => fx.fx.work(Job::Persist { group, id: Some(id) }),
            Command::Transfer(to) => {
                let token = self.token(Token::Transfer(id));
                self.step_raft(cx, Input::Command { id: token, command: raft::Command::Transfer(to) }, fx);
            }
        }
    }

    /// A message about this group that is not Raft's.
    pub fn receive(&mut self, cx: &Context<'_>, from: NodeId, message: Message, fx: &mut Fx<'_, '_>) {
        let group = self.group;
        match message {
            Message::Raft { message, .. } => self.step_raft(cx, Input::Receive { from, message }, fx),
            // A copy that comes to the wrong node is dropped: its origin sends it again when it knows the leader.
            Message::Forward { envelopes, .. } if self.role == Role::Leader => {
                self.take_forwarded(cx, envelopes, fx);
            }
            Message::Forward { .. } => fx.fx.note("forward to a node that does not lead", 1),
            Message::Lease { boot, id, lease, renew, .. } => {
                if self.reads.len() >= self.config.reads_max {
                    fx.fx.note("lease question beyond the limit", 1);
                } else if self.lessor.leads() {
                    self.reads.add(Waiter::Lease { from, boot, id, lease, renew }, cx.now);
                    self.begin_round(cx, fx);
                } else {
                    fx.fx.send(from, Message::LeaseRefused { group, boot, id });
                }
            }
            Message::LeaseAnswer { boot, id, lease, time, .. } => {
                if boot == self.boot && self.asked.get(&id).is_some_and(|asked| asked.lease == lease) {
                    self.asked.remove(&id);
                    fx.fx.reply(id, Reply::Lease(time));
                }
            }
            Message::LeaseRefused { boot, id, .. } => {
                if boot == self.boot && self.asked.contains_key(&id) {
                    self.arm_resend_timer(fx);
                }
            }
        }
    }

    /// News from the replica.
    pub fn done(&mut self, cx: &Context<'_>, done: Done, fx: &mut Fx<'_, '_>) {
        match done {
            Done::Applied { applied, .. } => self.hear_applied(cx, applied, fx),
            Done::Persisted { point, .. } => {
                let token = self.token(Token::Aside);
                self.step_raft(cx, Input::Command { id: token, command: raft::Command::Compact(point) }, fx);
            }
            Done::Restored { leases, .. } => {
                self.lessor.replace(leases, cx.now);
                self.arm_lease_timer(cx, fx);
            }
            Done::Snapshot { done, .. } => self.step_raft(cx, Input::Done(done), fx),
        }
    }

    /// One of the shard's own deadlines.
    pub fn fire(&mut self, cx: &Context<'_>, timer: ShardTimer, fx: &mut Fx<'_, '_>) {
        match timer {
            ShardTimer::Request => self.expire_requests(cx, fx),
            ShardTimer::Resend => {
                self.resend_timer = false;
                self.wake_raft(cx, fx);
                self.send_proposals(cx, Some(self.config.resend_after), fx);
                self.begin_round(cx, fx);
                self.ask_leader_again(cx, fx);
            }
            ShardTimer::Lease => {
                self.lease_timer = None;
                self.end_leases(cx, fx);
            }
        }
    }

    /// Shows the state.
    pub fn inspect(&self, view: &mut View) {
        view.show("role", self.role);
        view.show("term", self.term.0);
        view.show("leader", self.leader);
        view.show("applied", self.applied.0);
        view.show("proposals waiting", self.proposals.len());
        view.show("reads waiting", self.reads.len());
        view.show("leases", self.lessor.len());
        view.scope("raft", |view| self.raft.inspect(view));
    }

    fn hear_event(&mut self, cx: &Context<'_>, event: raft::Event, fx: &mut Fx<'_, '_>) {
        let (group, boot) = (self.group, self.boot);
        match event {
            raft::Event::Committed(entries) => {
                self.note_committed(&entries);
                fx.fx.work(Job::Apply { group, boot, entries });
            }
            raft::Event::Role { role, term, leader } => {
                let led = self.role == Role::Leader;
                let changed = (leader, term) != (self.leader, self.term);
                (self.role, self.term, self.leader) = (role, term, leader);
                if led && (role != Role::Leader || changed) {
                    self.established = None;
                    self.underway.clear();
                    if !self.config.flaws.lessor_outlives_leadership {
                        self.lessor.demote();
                    }
                    self.arm_lease_timer(cx, fx);
                }
                fx.fx.emit(Event::Role { group, role, term, leader });
                if changed && leader.is_some() {
                    self.send_proposals(cx, None, fx);
                    self.begin_round(cx, fx);
                    self.ask_leader_again(cx, fx);
                }
            }
            raft::Event::Established { index, .. } => {
                self.established = Some(index);
                self.promote_lessor(cx, fx);
            }
            raft::Event::Restored(point) => {
                self.applied = self.applied.max(point.index);
                self.release_reads(cx, fx);
            }
            raft::Event::Configured(configuration) => fx.fx.emit(Event::Configured { group, configuration }),
        }
    }

    fn hear_reply(&mut self, cx: &Context<'_>, id: RequestId, reply: raft::Reply, fx: &mut Fx<'_, '_>) {
        match (self.tokens.remove(&id), reply) {
            (Some(Token::Round), raft::Reply::ReadAt(index)) => {
                self.reads.confirm(id, index);
                self.release_reads(cx, fx);
                self.begin_round(cx, fx);
            }
            (Some(Token::Round), _) => {
                self.reads.refuse(id);
                self.arm_resend_timer(fx);
            }
            (Some(Token::Proposals(sequences)), raft::Reply::Refused(refusal)) => {
                let overloaded = refusal == raft::Refusal::Overloaded;
                for sequence in sequences {
                    if self.proposals.refused(sequence, overloaded) {
                        fx.fx.reply(RequestId(sequence), Reply::Refused(Refusal::Overloaded));
                    }
                }
                self.arm_resend_timer(fx);
            }
            (Some(Token::Proposals(sequences)), _) => self.proposals.left(sequences),
            (Some(Token::Forwarded(names)), raft::Reply::Refused(_)) => self.underway.refused(names),
            (Some(Token::LeaseEnd(lease)), raft::Reply::Refused(_)) => {
                self.lessor.again(&[lease], cx.now + self.config.resend_after);
                self.arm_lease_timer(cx, fx);
            }
            (Some(Token::Transfer(id)), raft::Reply::Completed) => fx.fx.reply(id, Reply::Completed),
            (Some(Token::Transfer(id)), raft::Reply::Refused(raft::Refusal::NotLeader(_))) => {
                fx.fx.reply(id, Reply::Refused(Refusal::NotLeader));
            }
            (Some(Token::Transfer(id)), _) => fx.fx.reply(id, Reply::Refused(Refusal::BadTarget)),
            (Some(Token::Forwarded(_) | Token::LeaseEnd(_) | Token::Aside) | None, _) => {}
        }
    }

    /// Something waits for an answer from the leader: a group at rest would not notice that it is gone.
    fn wake_raft(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if self.raft.is_quiescent() {
            let id = self.token(Token::Aside);
            self.step_raft(cx, Input::Command { id, command: raft::Command::Wake }, fx);
        }
    }

    fn token(&mut self, token: Token) -> RequestId {
        let id = RequestId(self.next_token);
        self.next_token += 1;
        self.tokens.insert(id, token);
        id
    }
}
