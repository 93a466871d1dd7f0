//! Single-decree Paxos: processes that crash and come back agree on one value, once and for all.
//!
//! # The problem
//!
//! Several processes propose values; one of these is to be *chosen*, and all who learn of a choice are to learn of the same. Messages are lost, late, repeated and
//! reordered, and processes crash and restart at any moment. A single process that decides would do, until it crashes; so the choice is a majority's, and the
//! difficulty is that nobody may see a majority at the moment at which it comes about. The algorithm is Lamport's ("The Part-Time Parliament", 1998; the rules here
//! go by "Paxos Made Simple", 2001: *the paper*).
//!
//! # The rules, and where they are
//!
//! - **Ballots are never used twice.** A ballot is a round and the proposer's name; what was used is on disk before anyone hears of it (paper, sections 2.2
//!   and 2.5): `proposer.rs`.
//! - **Phase 1**: a proposer asks the acceptors to promise its ballot. An acceptor promises if it has promised nothing higher, and reports the highest-numbered
//!   proposal that it has accepted (section 2.2). A promise that reports nothing binds as well: `acceptor.rs`.
//! - **Phase 2**: with promises from a quorum, the proposer puts to the vote *the value of the highest-numbered proposal reported*, or, if none was, its own. An
//!   acceptor accepts unless it has promised a higher ballot (P1a): `proposer.rs`, `acceptor.rs`.
//! - **A value is chosen** when a quorum of acceptors has accepted it under one ballot. Whoever sees that knows, and tells the learners; or each acceptor tells
//!   them (section 2.3): `learner.rs`.
//! - **Promises and acceptances are on disk before they are spoken of** (section 2.5): an answer is held until its write is durable.
//!
//! Every node has all three roles as code, and plays those that the [`Config`] gives it; proposers, acceptors and learners may be the same nodes or not. A
//! node's own acceptor is asked without a message, and its answer counts when its own disk has it.
//!
//! Why it is safe: two quorums meet. If a value is chosen under ballot n, then every higher ballot's phase 1 hears of an acceptor that accepted it, and of
//! nothing higher but what was proposed by this very rule; so by induction every higher ballot proposes that value. `invariants.rs` says so in functions.
//!
//! # What is guaranteed
//!
//! - *Agreement*: no two nodes ever learn different values, in this life or a later one.
//! - *Validity*: what is learned was proposed by a client.
//! - *P2c*: a value is put to the vote under a ballot only if some quorum has not accepted, and never will accept, a different one below it.
//! - *Termination*, with probability 1 and not by a bound: if a proposer goes on, a quorum of acceptors is up and messages arrive at times. Duelling proposers draw
//!   back for random, growing times. No protocol can promise more where delays have no bound (Fischer, Lynch and Paterson, 1985).
//!
//! # What is assumed
//!
//! Stable storage, and that is all: what an acceptor's disk confirmed is there after a crash. An acceptor that forgets lets two values be chosen. A node whose disk was wiped may
//! not come back under its name. Nodes do not lie; nonsense is dropped and counted as `paxos.nonsense`. The configuration is the same everywhere and never changes.
//!
//! # What it costs
//!
//! One proposer without a rival, n acceptors on other nodes: 4n messages and 4 message delays until it knows (prepare, promise, accept, accepted), a fifth delay and one message a
//! learner to tell them; 2n + 1 forced writes, of which 3 follow one another. Where the proposer is one of the n acceptors: 4(n-1) messages and 2n forced writes. `cost.rs` has the formulas, also for
//! acceptors that tell the learners themselves. A proposer keeps one value and a vote an acceptor; an acceptor one proposal and one ballot; each write replaces the ones before it.
//!
//! # Where this differs from the paper, and why
//!
//! - *A refused proposer is told* ([`Message::Rejected`]) and draws back before its next ballot; the paper leaves both open.
//! - *Who knows says so*: a node that knows the outcome answers every request with it, which ends late ballots early.
//! - *Quorums of phase 1 and phase 2 may differ in size* ([`Config::prepare_quorum`]): only those of different phases must meet (Howard, Malkhi and Spiegelman, "Flexible
//!   Paxos", 2016).
//!
//! # What is left out
//!
//! A sequence of decisions with one stable leader (Multi-Paxos, of which Raft is the form used here); changes of the membership; fast and generalized variants;
//! byzantine faults. A node's knowledge of the outcome is not written: after a restart it is found out again. [`Command::Learn`] only asks acceptors: if no quorum
//! accepted under one ballot, only a proposer can bring about a decision.
//!
//! # Example
//!
//! Three nodes that play every role. `n1` proposes; the messages are carried by hand.
//!
//! ```
//! use std::{collections::VecDeque, sync::Arc};
//! use synod_machine::*;
//! use synod_protocols::consensus::paxos::*;
//!
//! let names = [NodeId(1), NodeId(2), NodeId(3)];
//! let config = Arc::new(Config::colocated(names));
//! let mut nodes = names.map(|me| (Paxos::new(me, config.clone()), Buffer::new(First, Ticket(1))));
//! let mut inputs = VecDeque::from([(NodeId(1), Input::Command { id: RequestId(1), command: Command::Propose('X') })]);
//! let mut answers = Vec::new();
//! while let Some((me, input)) = inputs.pop_front() {
//!     let (paxos, buffer) = &mut nodes[me.0 as usize - 1];
//!     paxos.step(&Context::at(me, Mono::ZERO), input, &mut buffer.effects());
//!     for effect in buffer.effects.drain(..) {
//!         match effect {
//!             // This disk is quick: a write is durable before the next message arrives anywhere.
//!             Effect::Write { ticket, .. } => inputs.push_front((me, Input::Durable(ticket))),
//!             Effect::Send { to, message, .. } => inputs.push_back((to, Input::Receive { from: me, message })),
//!             Effect::Reply { reply, .. } => answers.push(reply),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(answers, [Reply::Chosen('X')]);
//! assert!(nodes.iter().all(|(paxos, _)| paxos.learned() == Some(&'X')));
//! ```

mod acceptor;
mod config;
pub mod cost;
pub mod invariants;
mod learner;
mod proposer;
mod renaming;
mod types;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, Ticket, View};

#[doc(hidden)]
pub use config::Flaws;
pub use config::{Announce, Config, ConfigError};
pub use types::*;

use acceptor::Acceptor;
use learner::Learner;
pub use proposer::Phase;
use proposer::Proposer;

/// This file: the essay above, for those who print it.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node of a group that agrees on one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paxos<V> {
    me: NodeId,
    config: Arc<Config>,
    proposer: Proposer<V>,
    acceptor: Acceptor<V>,
    learner: Learner<V>,
    /// What the node's own acceptor said to its other roles, with the write that must be durable first.
    own: VecDeque<(Option<Ticket>, Message<V>)>,
}

type Fx<'a, V> = Effects<'a, Paxos<V>>;

impl<V: Value> Paxos<V> {
    /// The node `me` of the group that `config` describes. What it wrote in former lives comes with `Input::Start`.
    ///
    /// # Panics
    /// When `config` does not validate.
    pub fn new(me: NodeId, config: Arc<Config>) -> Self {
        if let Err(error) = config.validate() {
            panic!("expected a valid configuration, found: {error}");
        }
        Paxos::new_unchecked(me, config)
    }

    /// As [`Paxos::new`], also with quorums that need not meet: to see what becomes of it.
    #[doc(hidden)]
    pub fn new_unchecked(me: NodeId, config: Arc<Config>) -> Self {
        Paxos {
            me,
            config,
            proposer: Proposer::default(),
            acceptor: Acceptor::default(),
            learner: Learner::default(),
            own: VecDeque::new(),
        }
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// The group.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is chosen, if this node knows.
    pub fn learned(&self) -> Option<&V> {
        self.learner.learned.as_ref()
    }

    /// What binds its acceptor.
    pub fn pledge(&self) -> &Pledge<V> {
        &self.acceptor.pledge
    }

    /// The part of it that a crash would leave at least.
    pub fn durable_pledge(&self) -> &Pledge<V> {
        &self.acceptor.durable
    }

    /// Where its proposer stands.
    pub fn phase(&self) -> &Phase<V> {
        &self.proposer.phase
    }

    /// The value that its proposer would like to see chosen.
    pub fn wanted(&self) -> Option<&V> {
        self.proposer.wanted.as_ref()
    }

    fn is_acceptor(&self) -> bool {
        self.config.acceptors.contains(&self.me)
    }

    fn start(&mut self, saved: alloc::vec::Vec<Write<V>>) {
        for write in saved {
            match write {
                Write::Attempted(ballot) => self.proposer.seen = self.proposer.seen.max(ballot),
                Write::Pledged(pledge) => self.acceptor = Acceptor::restored(pledge),
            }
        }
        // What its acceptor promised includes what its proposer asked it for.
        self.proposer.seen = self.proposer.seen.max(self.acceptor.pledge.promised);
    }

    fn receive(&mut self, from: NodeId, message: Message<V>, fx: &mut Fx<V>) {
        if !self.is_sensible(from, &message) {
            fx.note("paxos.nonsense", 1);
            return;
        }
        match message {
            Message::Chosen(value) => self.learn(value, false, fx),
            Message::Prepare { .. } | Message::Accept(_) | Message::Inquire
                if self.learner.learned.is_some() =>
            {
                self.tell_chosen(from, fx);
            }
            Message::Prepare { ballot } => self.on_prepare(from, ballot, fx),
            Message::Accept(proposal) => self.on_accept(proposal, fx),
            Message::Inquire => self.on_inquire(from, fx),
            Message::Promise { ballot, accepted } => self.on_promise(from, ballot, accepted, fx),
            Message::Accepted(proposal) => self.on_accepted(from, proposal, fx),
            Message::Rejected { ballot, promised } => self.on_rejected(ballot, promised, fx),
        }
    }

    /// Whether a message may come from that node at all, and concerns a role that this one plays.
    fn is_sensible(&self, from: NodeId, message: &Message<V>) -> bool {
        let config = &self.config;
        match message {
            Message::Prepare { ballot } | Message::Accept(Proposal { ballot, .. }) => {
                from == ballot.proposer && config.proposers.contains(&from) && self.is_acceptor()
            }
            Message::Promise { ballot, .. } | Message::Rejected { ballot, .. } => {
                ballot.proposer == self.me && config.acceptors.contains(&from)
            }
            Message::Accepted(_) => config.acceptors.contains(&from),
            Message::Chosen(_) | Message::Inquire => true,
        }
    }

    /// Sends to another node, or keeps for this one's other roles, once the acceptor's pledge is durable.
    fn answer(&mut self, to: NodeId, message: Message<V>, fx: &mut Fx<V>) {
        let after = self.acceptor.unsynced().filter(|_| !self.config.flaws.answer_before_durable);
        if to == self.me {
            self.own.push_back((after, message));
            return;
        }
        match after {
            Some(ticket) => fx.hold(ticket, |fx| fx.send(to, message)),
            None => fx.send(to, message),
        }
    }

    /// Hands this node's roles what its own acceptor said, as far as its disk allows.
    fn hear_own(&mut self, durable: Option<Ticket>, fx: &mut Fx<V>) {
        while let Some((after, _)) = self.own.front()
            && *after <= durable
            && let Some((_, message)) = self.own.pop_front()
        {
            self.receive(self.me, message, fx);
        }
    }

    fn command(&mut self, id: RequestId, command: Command<V>, fx: &mut Fx<V>) {
        if let Some(value) = &self.learner.learned {
            fx.reply(id, Reply::Chosen(value.clone()));
            return;
        }
        if self.learner.waiting.len() >= self.config.requests_max {
            fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        match command {
            Command::Propose(_) if !self.config.proposers.contains(&self.me) => {
                fx.reply(id, Reply::Refused(Refusal::NotProposer));
            }
            Command::Propose(value) => {
                self.learner.waiting.push(id);
                self.propose(value, fx);
            }
            Command::Learn => {
                self.learner.waiting.push(id);
                self.inquire(fx);
            }
        }
    }
}

impl<V: Value> Machine for Paxos<V> {
    type Message = Message<V>;
    type Timer = Timer;
    type Command = Command<V>;
    type Reply = Reply<V>;
    type Event = Event<V>;
    type Write = Write<V>;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        let mut durable = None;
        match input {
            Input::Start { saved } => self.start(saved),
            Input::Receive { from, message } => self.receive(from, message, fx),
            Input::Command { id, command } => self.command(id, command, fx),
            Input::Fire(Timer::Attempt) => self.attempt(fx),
            Input::Fire(Timer::Retry) => self.ask_again(fx),
            Input::Fire(Timer::Learn) => self.inquire(fx),
            Input::Durable(ticket) => {
                self.acceptor.confirm(ticket);
                durable = Some(ticket);
            }
            Input::Done(never) => match never {},
            Input::Link { .. } => {}
        }
        self.hear_own(durable, fx);
    }

    fn inspect(&self, view: &mut View) {
        view.show("chosen", &self.learner.learned);
        view.show("promised", self.acceptor.pledge.promised);
        view.show("accepted", &self.acceptor.pledge.accepted);
        view.show("phase", &self.proposer.phase);
        view.show("wanted", &self.proposer.wanted);
        view.show("seen", self.proposer.seen);
        view.show("waiting", self.learner.waiting.len());
    }
}
