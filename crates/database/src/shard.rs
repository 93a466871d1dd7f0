//! One group at one node: Raft, and around it what clients wait for.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Context, Effects, Input, Machine, Mono, NodeId, RequestId, Scope, Ticket, View};
use synod_protocols::consensus::raft::{self, Index, Raft, Role, Term};
use synod_storage::mvcc::{LeaseId, Operation};

use crate::lessor::Lessor;
use crate::proposal::{Change, Envelope};
use crate::proposals::Proposals;
use crate::reads::{Reads, Waiter};
use crate::session::INTERNAL;
use crate::{
    Applied, Command, Consistency, Done, Event, Flaws, GroupId, Job, LeaseTime, Message, Node, Query,
    Refusal, Reply, ShardTimer, Timer, Write,
};

/// Limits and times of a group at a node.
#[derive(Clone, Debug)]
pub struct ShardConfig {
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
    pub applied: raft::SnapshotPoint,
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
    Proposals(Vec<u64>),
    Round,
    Transfer(RequestId),
    LeaseEnd(LeaseId),
}

enum Heard {
    Event(raft::Event),
    Reply(RequestId, raft::Reply),
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
                self.step_raft_propose(cx, Token::Proposals(Vec::new()), envelopes, fx);
            }
            Message::Forward { .. } => fx.fx.note("forward to a node that does not lead", 1),
            Message::Lease { id, lease, renew, .. } => {
                if self.lessor.leads() {
                    self.reads.add(Waiter::Lease { from, id, lease, renew }, cx.now);
                    self.begin_round(cx, fx);
                } else {
                    fx.fx.send(from, Message::LeaseRefused { group, id });
                }
            }
            Message::LeaseAnswer { id, lease, time, .. } => {
                if self.asked.get(&id).is_some_and(|asked| asked.lease == lease) {
                    self.asked.remove(&id);
                    fx.fx.reply(id, Reply::Lease(time));
                }
            }
            Message::LeaseRefused { id, .. } => {
                if self.asked.contains_key(&id) {
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
                let token = self.token(Token::Proposals(Vec::new()));
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

    // ---- Raft's side ----

    fn hear_event(&mut self, cx: &Context<'_>, event: raft::Event, fx: &mut Fx<'_, '_>) {
        let (group, boot) = (self.group, self.boot);
        match event {
            raft::Event::Committed(entries) => fx.fx.work(Job::Apply { group, boot, entries }),
            raft::Event::Role { role, term, leader } => {
                let led = self.role == Role::Leader;
                let changed = (leader, term) != (self.leader, self.term);
                (self.role, self.term, self.leader) = (role, term, leader);
                if led && (role != Role::Leader || changed) {
                    self.established = None;
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
            (Some(Token::Proposals(sequences)), raft::Reply::Refused(raft::Refusal::Overloaded)) => {
                for sequence in sequences {
                    self.proposals.remove(sequence);
                    fx.fx.reply(RequestId(sequence), Reply::Refused(Refusal::Overloaded));
                }
            }
            (Some(Token::LeaseEnd(lease)), raft::Reply::Refused(_)) => {
                self.lessor.again(&[lease], cx.now + self.config.resend_after);
                self.arm_lease_timer(cx, fx);
            }
            (Some(Token::Transfer(id)), raft::Reply::Completed) => fx.fx.reply(id, Reply::Completed),
            (Some(Token::Transfer(id)), raft::Reply::Refused(raft::Refusal::NotLeader(_))) => {
                fx.fx.reply(id, Reply::Refused(Refusal::NotLeader));
            }
            (Some(Token::Transfer(id)), _) => fx.fx.reply(id, Reply::Refused(Refusal::BadTarget)),
            (Some(Token::Proposals(_) | Token::LeaseEnd(_)) | None, _) => {}
        }
    }

    // ---- changes ----

    fn propose(&mut self, cx: &Context<'_>, id: RequestId, change: Change, fx: &mut Fx<'_, '_>) {
        assert!(id.0 >= self.next_sequence, "command ids must grow: {} after {}", id.0, self.next_sequence);
        self.next_sequence = id.0 + 1;
        if self.proposals.len() >= self.config.proposals_max {
            fx.fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        let floor = self.proposals.floor(id.0);
        let envelope = Envelope { origin: self.me, boot: self.boot, sequence: id.0, floor, change };
        self.proposals.add(id.0, envelope.encode(), cx.now);
    }

    /// Sends what the leader does not have yet, and again what it was sent longer than `again` ago.
    fn send_proposals(&mut self, cx: &Context<'_>, again: Option<Duration>, fx: &mut Fx<'_, '_>) {
        if self.proposals.is_empty() {
            return;
        }
        self.arm_resend_timer(fx);
        let Some(leader) = self.leader else { return };
        // What is in this node's own log of this term stays there for as long as it leads.
        let again = again.filter(|_| leader != self.me);
        let due = self.proposals.due(leader, self.term, cx.now, again);
        if due.is_empty() {
            return;
        }
        if leader == self.me {
            let (sequences, envelopes) = due.into_iter().unzip();
            self.step_raft_propose(cx, Token::Proposals(sequences), envelopes, fx);
            return;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (_, envelope) in due {
            if !batch.is_empty() && bytes + envelope.len() > self.config.forward_bytes_max {
                let envelopes = std::mem::take(&mut batch);
                fx.fx.send(leader, Message::Forward { group: self.group, envelopes });
                bytes = 0;
            }
            bytes += envelope.len();
            batch.push(envelope);
        }
        fx.fx.send(leader, Message::Forward { group: self.group, envelopes: batch });
    }

    fn step_raft_propose(&mut self, cx: &Context<'_>, token: Token, batch: Vec<Bytes>, fx: &mut Fx<'_, '_>) {
        let id = self.token(token);
        self.step_raft(cx, Input::Command { id, command: raft::Command::ProposeBatch(batch) }, fx);
    }

    fn hear_applied(&mut self, cx: &Context<'_>, applied: Applied, fx: &mut Fx<'_, '_>) {
        self.applied = self.applied.max(applied.index);
        for sequence in applied.sequences {
            self.proposals.remove(sequence);
        }
        for (lease, ttl) in applied.leases {
            match ttl {
                Some(ttl) => self.lessor.grant(lease, ttl, cx.now),
                None => self.lessor.end(lease),
            }
        }
        self.promote_lessor(cx, fx);
        self.release_reads(cx, fx);
        self.arm_lease_timer(cx, fx);
    }

    // ---- reads ----

    fn begin_round(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if self.leader.is_none() {
            if self.reads.gathering() {
                self.arm_resend_timer(fx);
            }
            return;
        }
        let round = RequestId(self.next_token);
        if self.reads.begin(round) {
            let id = self.token(Token::Round);
            self.step_raft(cx, Input::Command { id, command: raft::Command::ReadIndex }, fx);
        }
    }

    fn release_reads(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        for waiter in self.reads.ready(self.applied) {
            match waiter {
                Waiter::Query { id, query } => fx.fx.work(Job::Read { group: self.group, id, query }),
                Waiter::Lease { from, id, lease, renew } => self.answer_lease(cx, from, id, lease, renew, fx),
            }
        }
    }

    // ---- leases ----

    fn ask_lease(
        &mut self,
        cx: &Context<'_>,
        id: RequestId,
        lease: LeaseId,
        renew: bool,
        fx: &mut Fx<'_, '_>,
    ) {
        if self.asked.len() + self.reads.len() >= self.config.reads_max {
            fx.fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        self.asked.insert(id, Asked { lease, renew, since: cx.now });
        self.ask_leader(cx, id, fx);
    }

    fn ask_leader(&mut self, cx: &Context<'_>, id: RequestId, fx: &mut Fx<'_, '_>) {
        let Some(Asked { lease, renew, .. }) = self.asked.get(&id) else { return };
        let (group, lease, renew) = (self.group, *lease, *renew);
        match self.leader {
            Some(leader) if leader == self.me && self.lessor.leads() => {
                self.reads.add(Waiter::Lease { from: self.me, id, lease, renew }, cx.now);
            }
            Some(leader) if leader != self.me => {
                fx.fx.send(leader, Message::Lease { group, id, lease, renew })
            }
            _ => {}
        }
        self.arm_resend_timer(fx);
    }

    fn ask_leader_again(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        let ids: Vec<RequestId> = self.asked.keys().copied().collect();
        for id in ids {
            self.ask_leader(cx, id, fx);
        }
        self.begin_round(cx, fx);
    }

    fn answer_lease(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        id: RequestId,
        lease: LeaseId,
        renew: bool,
        fx: &mut Fx<'_, '_>,
    ) {
        let group = self.group;
        if !self.lessor.leads() {
            if from == self.me {
                self.arm_resend_timer(fx);
            } else {
                fx.fx.send(from, Message::LeaseRefused { group, id });
            }
            return;
        }
        let time: Option<LeaseTime> =
            if renew { self.lessor.renew(lease, cx.now) } else { self.lessor.time(lease, cx.now) };
        self.arm_lease_timer(cx, fx);
        if from != self.me {
            fx.fx.send(from, Message::LeaseAnswer { group, id, lease, time });
        } else if self.asked.remove(&id).is_some() {
            fx.fx.reply(id, Reply::Lease(time));
        }
    }

    fn promote_lessor(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if !self.lessor.leads() && self.established.is_some_and(|index| self.applied >= index) {
            self.lessor.promote(cx.now);
            self.arm_lease_timer(cx, fx);
            self.ask_leader_again(cx, fx);
        }
    }

    fn end_leases(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        for lease in self.lessor.expired(cx.now, self.config.lease_ends_max) {
            let change = Change::Store(Operation::LeaseRevoke { id: lease });
            let envelope = Envelope { origin: INTERNAL, boot: 0, sequence: 0, floor: 0, change }.encode();
            fx.fx.note("lease expired", 1);
            match self.leader {
                // The bug of etcd 3.5 before 3.5.10: a deposed leader's verdict is sent on to its successor.
                Some(leader) if leader != self.me && self.config.flaws.lessor_outlives_leadership => {
                    fx.fx.send(leader, Message::Forward { group: self.group, envelopes: vec![envelope] });
                }
                _ => {
                    let id = self.token(Token::LeaseEnd(lease));
                    let command = raft::Command::ProposeInTerm(self.term, envelope);
                    self.step_raft(cx, Input::Command { id, command }, fx);
                }
            }
        }
        self.arm_lease_timer(cx, fx);
    }

    // ---- time ----

    fn expire_requests(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        self.request_timer = false;
        let limit = self.config.request_time;
        let refused = Reply::Refused(Refusal::TimedOut { leader_known: self.leader.is_some() });
        for sequence in self.proposals.expire(cx.now, limit) {
            fx.fx.reply(RequestId(sequence), refused.clone());
        }
        for waiter in self.reads.expire(cx.now, limit) {
            // A lease's question is answered from `asked` below, or by the node that asked.
            if let Waiter::Query { id, .. } = waiter {
                fx.fx.reply(id, refused.clone());
            }
        }
        let late: Vec<RequestId> = self
            .asked
            .iter()
            .filter(|(_, asked)| cx.now.since(asked.since) >= limit)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.asked.remove(&id);
            fx.fx.reply(id, refused.clone());
        }
        self.arm_request_timer(cx, fx);
    }

    fn arm_request_timer(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if self.request_timer {
            return;
        }
        let oldest_asked = self.asked.first_key_value().map(|(_, asked)| asked.since);
        let oldest = [self.proposals.oldest(), self.reads.oldest(), oldest_asked].into_iter().flatten().min();
        if let Some(oldest) = oldest {
            let wait = (oldest + self.config.request_time).since(cx.now);
            fx.fx.arm(Timer::Shard(self.group, ShardTimer::Request), wait..=wait);
            self.request_timer = true;
        }
    }

    fn arm_resend_timer(&mut self, fx: &mut Fx<'_, '_>) {
        let waits = !self.proposals.is_empty() || !self.asked.is_empty() || self.reads.gathering();
        if waits && !self.resend_timer {
            let after = self.config.resend_after;
            fx.fx.arm(Timer::Shard(self.group, ShardTimer::Resend), after..=after + after / 4);
            self.resend_timer = true;
        }
    }

    fn arm_lease_timer(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        let next = self.lessor.next_deadline();
        if next == self.lease_timer {
            return;
        }
        self.lease_timer = next;
        let timer = Timer::Shard(self.group, ShardTimer::Lease);
        match next {
            Some(deadline) => {
                let wait = deadline.since(cx.now);
                fx.fx.arm(timer, wait..=wait);
            }
            None => fx.fx.disarm(timer),
        }
    }

    fn token(&mut self, token: Token) -> RequestId {
        let id = RequestId(self.next_token);
        self.next_token += 1;
        self.tokens.insert(id, token);
        id
    }
}

/// A node's effects, with the book in which it keeps what its groups still need of the log.
pub struct Fx<'a, 'f> {
    pub fx: &'a mut Effects<'f, Node>,
    pub ledger: &'a mut Ledger,
}

/// Which groups have writes that are not durable, and the oldest write that each still needs.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub unsynced: BTreeMap<GroupId, Ticket>,
    pub needed: BTreeMap<GroupId, Ticket>,
    /// Some group has let go of writes since the node last looked.
    pub changed: bool,
}

struct RaftScope<'l> {
    group: GroupId,
    heard: Vec<Heard>,
    ledger: &'l mut Ledger,
}

impl Scope<Raft, Node> for RaftScope<'_> {
    fn message(&mut self, _: NodeId, message: raft::Message, _: Option<Ticket>) -> Message {
        Message::Raft { group: self.group, message }
    }

    fn timer(&mut self, timer: raft::Timer) -> Timer {
        Timer::Raft(self.group, timer)
    }

    fn write(&mut self, write: raft::Write) -> Write {
        Write::Raft { group: self.group, write }
    }

    fn written(&mut self, ticket: Ticket) {
        self.ledger.unsynced.insert(self.group, ticket);
    }

    fn work(&mut self, job: raft::Job, fx: &mut Effects<'_, Node>) {
        fx.work(Job::Snapshot { group: self.group, job });
    }

    fn reply(&mut self, id: RequestId, reply: raft::Reply, _: &mut Effects<'_, Node>) {
        self.heard.push(Heard::Reply(id, reply));
    }

    fn event(&mut self, event: raft::Event, _: &mut Effects<'_, Node>) {
        self.heard.push(Heard::Event(event));
    }

    fn forget(&mut self, before: Ticket, _: &mut Effects<'_, Node>) {
        self.ledger.needed.insert(self.group, before);
        self.ledger.changed = true;
    }
}
