//! Raft: one log on several nodes, the same at each, that goes on as long as a majority does.
//!
//! # The problem
//!
//! Nodes that fail and messages that get lost are to look to a client like one machine that does neither. If every node applies the same
//! commands in the same order, any of them can answer; so what must be agreed on is a log. Raft (Ongaro and Ousterhout, "In Search of an
//! Understandable Consensus Algorithm", 2014: *the paper*; Ongaro's dissertation of the same year: *the thesis*) lets one elected leader order the
//! log, and puts all care into what happens when the leader changes.
//!
//! # The rules, and where they are
//!
//! - **Terms** number the leaders; each node votes once a term, and term and vote are on disk before anyone hears of them (paper, sections 5.1
//!   and 5.2): `election.rs`.
//! - **A vote needs a log that is not behind the voter's** (section 5.4.1), so who wins has everything committed: `election.rs`.
//! - **Entries follow what precedes them**: a follower takes an append only where its log agrees with the leader's right before it, and
//!   replaces what conflicts (section 5.3): `follower.rs`, `replication.rs`.
//! - **A leader commits an entry of its own term once a majority has it durably**, and with it all before (section 5.4.2): `replication.rs`.
//! - **Membership changes need two majorities** while they last (section 6): `membership.rs`.
//! - **A snapshot stands for the log's beginning** (section 7): `snapshot.rs`. **A life begins from what was written**: `restore.rs`.
//! - **Reads** take a round of heartbeats or rest on a lease (thesis, section 6.4): `read.rs`. **Leadership is handed over** (section 3.10): `transfer.rs`.
//!   **A group in which nothing happens rests**: `quiescence.rs`.
//!
//! `log.rs` is the log in memory, `progress.rs` what a leader knows of a follower, `wire.rs` the bytes, and `invariants.rs` the properties below as
//! functions.
//!
//! # What is guaranteed
//!
//! Under lost, repeated, late and reordered messages, crashes that lose what was not durable, and clocks of any rate: Election Safety, Leader Append-Only,
//! Log Matching, Leader Completeness and State Machine Safety (paper, figure 3). Commit indices do not fall. A durable vote and a durable entry
//! survive. [`Event::Committed`] reports each entry once a life, in order, without gaps. A [`Reply::ReadAt`] names an index that includes everything
//! that was committed anywhere when the read was asked.
//!
//! # What is assumed
//!
//! A majority of voters is up and in touch for progress; nothing but stable storage for safety. Nodes do not lie, but nonsense from one does
//! no harm here: it is dropped and counted. What a disk said is durable is so; a node whose disk was wiped must come back under
//! another name. Leases, off by default, assume that clock rates stay within [`Config::lease_drift_ppm`].
//!
//! # What it costs
//!
//! A command: one append and one answer per follower, and one notice of its commit that the next append replaces under load; one write at each node, the
//! leader's in parallel with the others': two message delays and one write until it is committed. A read: one heartbeat and one answer per follower, shared by all that wait. An
//! election: a round for the question, a round for the vote, a write each. Idle: a heartbeat and an answer per follower and interval, or nothing at rest.
//!
//! # Where this differs from the paper, and why
//!
//! - *No ticks.* Deadlines are named and re-armed lazily: the follower's deadline is not moved at each message, it looks at the last contact when it fires.
//! - *A question before the candidacy* (pre-vote, thesis 9.6) and *votes withheld from others while a leader is heard* (4.2.3): nodes that were cut off or removed do
//!   not depose leaders. With it leaders must notice that they lost their majority, or nobody would: check-quorum (6.2).
//! - *Answers wait for the disk, not the node for the disk*: messages are tied to the write that they speak of, and the node goes on. Requests for votes are
//!   tied as well; `election.rs` tells why.
//! - *Windows, probing and snapshots in pieces* replace one AppendEntries at a time and one InstallSnapshot.
//! - *A conflict is found by terms*, in one round trip a term at most instead of one an entry: the hint of section 5.3, in the form where both sides skip.
//! - *A committed entry may be applied before this node's own disk has it.* It is on a majority's; a state machine that got ahead of its log is in order at restart.
//! - *A broken connection to the leader shortens the wait* for an election, since it says more than silence does; the question keeps a false alarm harmless.
//! - *Each leader begins with an empty entry* (section 8 asks for it for reads only): it commits what earlier leaders left.
//! - *A membership counts from the moment it is in the log*, as in the paper; etcd's counts when applied. So a node that its uncommitted membership leaves out may still have to
//!   stand for election (thesis 4.2.2).
//!
//! # What is left out
//!
//! Witnesses and read-only replicas outside the group; priorities among candidates; several pieces of a snapshot under way at once; appends relayed by followers; byzantine
//! faults. Requests are not deduplicated: a client that repeats a command after a lost answer is the state machine's business.
//!
//! # Example
//!
//! Three nodes driven by hand: the first to lose patience is elected, and what it proposes is committed at all three.
//!
//! ```
//! use std::collections::VecDeque;
//! use synod_machine::*;
//! use synod_protocols::consensus::raft::*;
//!
//! let names = [NodeId(1), NodeId(2), NodeId(3)];
//! let group = SnapshotPoint { configuration: Configuration::of(names), ..SnapshotPoint::default() };
//! let mut nodes = names.map(|me| (Raft::new(me, Config::default(), group.clone()), Buffer::new(First, Ticket(1))));
//! let mut committed = Vec::new();
//! let mut drive = |first: (NodeId, Input<Raft>), now: Mono| {
//!     let mut inputs = VecDeque::from([first]);
//!     while let Some((me, input)) = inputs.pop_front() {
//!         let (raft, buffer) = &mut nodes[me.0 as usize - 1];
//!         raft.step(&Context::at(me, now), input, &mut buffer.effects());
//!         for effect in buffer.effects.drain(..) {
//!             match effect {
//!                 // This disk is quick: a write is durable before the next message arrives anywhere.
//!                 Effect::Write { ticket, .. } => inputs.push_front((me, Input::Durable(ticket))),
//!                 Effect::Send { to, message, .. } => inputs.push_back((to, Input::Receive { from: me, message })),
//!                 Effect::Emit(Event::Committed(entries)) => committed.extend(entries.into_iter().map(|e| (me, e.payload))),
//!                 _ => {} // a driver arms the timers and answers the commands, too
//!             }
//!         }
//!     }
//! };
//! let at = |ms: u64| Mono::ZERO + std::time::Duration::from_millis(ms);
//! for name in names {
//!     drive((name, Input::Start { saved: Vec::new() }), at(0));
//! }
//! drive((NodeId(1), Input::Fire(Timer::Election)), at(10_000));
//! drive((NodeId(1), Input::Command { id: RequestId(7), command: Command::Propose("x = 5".into()) }), at(10_001));
//! let taken = |(node, payload): &(NodeId, Payload)| (*payload == Payload::Command("x = 5".into())).then_some(node.0);
//! let mut everywhere: Vec<u64> = committed.iter().filter_map(taken).collect();
//! everywhere.sort_unstable();
//! assert_eq!(everywhere, [1, 2, 3]);
//! ```

mod config;
mod election;
mod follower;
pub mod invariants;
mod leader;
mod log;
mod membership;
mod message;
mod progress;
mod quiescence;
mod read;
mod replication;
mod restore;
mod snapshot;
mod transfer;
mod types;
pub mod wire;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use synod_machine::{Context, Effects, Input, Machine, Mono, Needs, NodeId, RequestId, Ticket, View};

#[doc(hidden)]
pub use config::Flaws;
pub use config::{Config, ConfigError};
pub use log::Log;
pub use message::Message;
pub use progress::{Mode, Progress, Transfer, Window};
pub use types::*;

use crate::quorum::Voters;
use election::{Ballot, Ballots, Contact};
use leader::Leader;
use read::Forwarded;
use snapshot::Installing;
use transfer::Handover;

/// This file: the essay above, for those who print it.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node of one Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft {
    me: NodeId,
    config: Config,
    /// What the state machine included when this life began.
    applied: SnapshotPoint,
    term: Term,
    vote: Option<NodeId>,
    ballot: Ballot,
    log: Log,
    commit: Index,
    leader: Option<NodeId>,
    state: State,
    contact: Contact,
    forwarded: Forwarded,
    installing: Option<Installing>,
    handover: Option<Handover>,
    down: BTreeSet<NodeId>,
    quiescent: bool,
    /// The write that holds the base, and what may be forgotten once a later write is durable.
    base_ticket: Ticket,
    forgetting: Option<Forgetting>,
}

/// Older writes are void once `after` is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Forgetting {
    after: Ticket,
    before: Ticket,
}

/// The role with what belongs to it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Follower,
    PreCandidate(Ballots),
    Candidate(Ballots),
    Leader(Box<Leader>),
}

type Fx<'a> = Effects<'a, Raft>;

impl Raft {
    /// The node `me`, whose state machine durably includes `applied` at this start: for a new group, index 0 with the group's first
    /// membership; for a node that is to join a group, index 0 with an empty one. The log comes with `Input::Start`.
    ///
    /// # Panics
    /// When `config` does not validate.
    pub fn new(me: NodeId, config: Config, applied: SnapshotPoint) -> Self {
        if let Err(error) = config.validate() {
            panic!("expected a valid configuration, found: {error}");
        }
        Raft {
            me,
            config,
            log: Log::new(applied.clone()),
            commit: applied.index,
            applied,
            term: Term(0),
            vote: None,
            ballot: Ballot::default(),
            leader: None,
            state: State::Follower,
            contact: Contact::default(),
            forwarded: Forwarded::default(),
            installing: None,
            handover: None,
            down: BTreeSet::new(),
            quiescent: false,
            base_ticket: Ticket(0),
            forgetting: None,
        }
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Options and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The term this node is in.
    pub fn term(&self) -> Term {
        self.term
    }

    /// For whom it voted in this term.
    pub fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// Term and vote as a crash would leave them at least.
    pub fn durable_vote(&self) -> (Term, Option<NodeId>) {
        self.ballot.durable
    }

    /// Where it stands.
    pub fn role(&self) -> Role {
        match self.state {
            State::Follower => Role::Follower,
            State::PreCandidate(_) => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// Who leads, as far as it knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Everything up to here is committed, and was reported.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The first entry that its log still has.
    pub fn first_index(&self) -> Index {
        self.log.first()
    }

    /// The last entry of its log.
    pub fn last_index(&self) -> Index {
        self.log.last().index
    }

    /// Everything in its log up to here survives a crash.
    pub fn durable_index(&self) -> Index {
        self.log.durable()
    }

    /// The membership in force.
    pub fn configuration(&self) -> &Configuration {
        self.log.configuration()
    }

    /// What a leader knows of its followers; `None` at others.
    pub fn progress(&self) -> Option<&BTreeMap<NodeId, Progress>> {
        self.as_leader().map(|leader| &leader.progress)
    }

    /// Whether a leader's first own entry is committed, so that it knows all that is.
    pub fn is_established(&self) -> bool {
        self.as_leader().is_some_and(|leader| leader.established)
    }

    /// Whether the group rests: no timer is armed.
    pub fn is_quiescent(&self) -> bool {
        self.quiescent
    }

    fn as_leader(&self) -> Option<&Leader> {
        match &self.state {
            State::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    fn as_leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.state {
            State::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    fn is_leader(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    fn voters(&self) -> Voters<'_> {
        let configuration = self.log.configuration();
        Voters::joint(&configuration.voters, &configuration.outgoing)
    }

    /// Sends a message, held back until the term that it speaks in is durable: no node may hear of a term that
    /// this one could forget.
    fn send(&mut self, to: NodeId, message: Message, fx: &mut Fx) {
        self.write_ballot(fx);
        match self.ballot.pending {
            Some(ticket) if !self.config.flaws.reply_before_durable => {
                fx.hold(ticket, |fx| fx.send(to, message));
            }
            _ => fx.send(to, message),
        }
    }

    /// As `send`, held back as well until the log is durable up to `index`.
    fn send_when_durable(&mut self, index: Index, to: NodeId, message: Message, fx: &mut Fx) {
        match self.log.ticket_for(index) {
            Some(ticket) if !self.config.flaws.reply_before_durable => {
                fx.hold(ticket, |fx| self.send(to, message, fx));
            }
            _ => self.send(to, message, fx),
        }
    }

    fn receive(&mut self, cx: &Context<'_>, from: NodeId, message: Message, fx: &mut Fx) {
        if from == self.me {
            fx.note("raft.nonsense", 1);
            return;
        }
        if !self.enter_term_of(cx, from, &message, fx) {
            return;
        }
        if message.is_leaders() && !self.follow(cx, from, &message, fx) {
            return;
        }
        match message {
            Message::Vote { term, last, pre, transfer } => {
                self.on_vote(cx, from, term, last, pre, transfer, fx);
            }
            Message::Voted { ballot, pre, granted, .. } => self.on_voted(cx, from, ballot, pre, granted, fx),
            Message::Append { previous, entries, commit, .. } => {
                self.on_append(cx, from, previous, entries, commit, fx);
            }
            Message::Appended { matched, .. } => self.on_appended(cx, from, matched, fx),
            Message::Rejected { previous, hint, .. } => self.on_rejected(cx, from, previous, hint, fx),
            Message::Heartbeat { commit, round, quiesce, .. } => {
                self.on_heartbeat(from, commit, round, quiesce, fx);
            }
            Message::Alive { round, .. } => self.on_alive(cx, from, round, fx),
            Message::Committed { commit, .. } => self.on_committed(commit, fx),
            Message::ReadRequest { token, .. } => self.on_read_request(cx, from, token, fx),
            Message::ReadAnswer { token, index, .. } => self.on_read_answer(token, index, fx),
            Message::Snapshot { point, chunk, .. } => self.on_snapshot(from, point, chunk, fx),
            Message::SnapshotProgress { index, next, .. } => {
                self.on_snapshot_progress(cx, from, index, next, fx);
            }
            Message::TimeoutNow { .. } => self.on_timeout_now(cx, fx),
            Message::Outdated { .. } => {}
        }
    }

    fn command(&mut self, cx: &Context<'_>, id: RequestId, command: Command, fx: &mut Fx) {
        match command {
            Command::Propose(bytes) => self.propose(cx, id, None, Vec::from([bytes]), false, fx),
            Command::ProposeInTerm(term, bytes) => {
                self.propose(cx, id, Some(term), Vec::from([bytes]), false, fx);
            }
            Command::ProposeBatch(batch) => self.propose(cx, id, None, batch, true, fx),
            Command::ReadIndex => self.read(cx, id, fx),
            Command::Wake => {
                self.wake(cx, fx);
                fx.reply(id, Reply::Completed);
            }
            Command::Transfer(target) => self.transfer(cx, id, target, fx),
            Command::Configure { voters, learners } => self.configure(cx, id, voters, learners, fx),
            Command::Compact(point) => self.compact(id, &point, fx),
        }
    }

    fn fire(&mut self, cx: &Context<'_>, timer: Timer, fx: &mut Fx) {
        match timer {
            Timer::Election => self.on_election_timer(cx, fx),
            Timer::Heartbeat => self.on_heartbeat_timer(cx, fx),
            Timer::CheckQuorum => self.on_check_quorum_timer(cx, fx),
            Timer::Transfer => self.on_transfer_timer(fx),
            Timer::Retry(peer) => self.on_retry_timer(cx, peer, fx),
            Timer::Read => self.on_read_timer(fx),
        }
    }

    fn on_durable(&mut self, cx: &Context<'_>, ticket: Ticket, fx: &mut Fx) {
        if let Some(forgetting) = self.forgetting.filter(|forgetting| forgetting.after <= ticket) {
            self.forgetting = None;
            fx.forget(forgetting.before);
        }
        let rose = self.log.confirm(ticket);
        if self.ballot.confirm(ticket, self.term, self.vote) {
            self.count_own_vote(cx, fx);
        }
        if rose && self.is_leader() {
            self.commit_what_majority_has(cx, fx);
        }
    }

    fn on_link(&mut self, cx: &Context<'_>, peer: NodeId, up: bool, fx: &mut Fx) {
        if up {
            self.down.remove(&peer);
        } else {
            self.down.insert(peer);
        }
        if self.is_leader() {
            self.leader_link(cx, peer, up, fx);
        } else if self.leader == Some(peer) {
            self.follower_link(cx, up, fx);
        }
    }

    /// Since when a moment of silence counts, for callers with the time at hand.
    fn silent_for(&self, now: Mono) -> core::time::Duration {
        now.since(self.contact.since)
    }
}

impl Machine for Raft {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Job;
    type Done = Done;

    /// Leases, which are off by default, need `bounded_drift` as well: see [`Config::lease_drift_ppm`].
    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.start(cx, saved, fx),
            Input::Receive { from, message } => self.receive(cx, from, message, fx),
            Input::Fire(timer) => self.fire(cx, timer, fx),
            Input::Command { id, command } => self.command(cx, id, command, fx),
            Input::Durable(ticket) => self.on_durable(cx, ticket, fx),
            Input::Done(done) => self.on_done(cx, done, fx),
            Input::Link { peer, up } => self.on_link(cx, peer, up, fx),
        }
        // A term that was entered without a message to tell of it is written all the same, before anything else is.
        self.write_ballot(fx);
        self.log.tidy();
    }

    fn inspect(&self, view: &mut View) {
        view.show("role", self.role());
        view.show("term", self.term.0);
        view.show("leader", self.leader.map(|node| node.0));
        view.show("commit", self.commit.0);
        view.show("last", (self.log.last().term.0, self.log.last().index.0));
        view.show("durable", self.log.durable().0);
        view.show("first", self.log.first().0);
        view.show("vote", self.vote.map(|node| node.0));
        view.show("configuration", self.log.configuration());
        view.show("quiescent", self.quiescent);
        if let State::Leader(leader) = &self.state {
            view.show("established", leader.established);
            for (peer, progress) in &leader.progress {
                view.show(
                    &alloc::format!("progress.{peer}"),
                    (progress.matched.0, progress.next.0, &progress.mode),
                );
            }
        }
    }
}
