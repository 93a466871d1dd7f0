//! Two-phase commit: a transaction on several nodes takes effect at all of them or at none, whatever crashes in between.
//!
//! # The problem
//!
//! A transaction has changed, or would change, something at several resource managers. Each can do its part or refuse it; each may crash and come back; messages are lost. All are to
//! end alike. The trouble is that a node cannot tell the others its decision and act on it in one atomic step. So one node, the *coordinator*, decides, and the others promise beforehand to
//! be able to follow either way (Gray, "Notes on Data Base Operating Systems", 1978; Lampson and Sturgis, 1976; Bernstein, Hadzilacos and Goodman, "Concurrency Control and Recovery in
//! Database Systems", 1987, chapter 7: *the book*).
//!
//! # The rules, and where they are
//!
//! - **Voting phase**: the coordinator sends each participant its part. Who can promise it writes that down, and then votes Yes; who cannot aborts its part and votes No; whose part
//!   changes nothing votes read-only and is out (book, section 7.4): `participant.rs`.
//! - **Decision phase**: with Yes from all, the coordinator writes *commit*, which is the transaction's commit point, and tells all; with a No, or a vote missing for too long, it aborts: `coordinator.rs`.
//! - **A participant that voted Yes is in doubt** until it hears a decision. It holds its locks and may do neither by itself. It asks the coordinator, and its peers
//!   if it may: one that knows the decision says so, one that has not voted yet aborts (*cooperative termination*, book, section 7.4): `participant.rs`.
//! - **Recovery**: a coordinator goes on telling what it decided, and takes what it did not decide for aborted; a participant goes on asking (section 7.5): both folds of the log, `ledger.rs`.
//! - **What nobody remembers is presumed**: nothing, abort or commit (Mohan, Lindsay and Obermarck, "Transaction Management in the R* Distributed Database Management System", 1986); `config.rs`
//!   says which records and acknowledgements each presumption spares.
//!
//! A record is *forced* when a message or an answer waits for it; in the machine's contract, when its ticket holds something back. A record that is not forced is written all the same, and is durable with the next one
//! that is. So forced writes can be counted from outside, as the tickets that anything was held for.
//!
//! # What is guaranteed
//!
//! The atomic commitment problem's five conditions (book, section 7.3), under any crashes and restarts, lost, late, repeated and reordered messages:
//!
//! - *AC1*: all nodes that reach a decision reach the same one. *AC2*: no node reverses its decision.
//! - *AC3*: commit is decided only if all participants voted Yes (or read-only). *AC4*: if all vote Yes and nothing fails, commit is decided.
//! - *AC5*: if all failures are repaired and no new ones occur for long enough, all nodes reach a decision.
//!
//! # What it does not guarantee: it blocks
//!
//! If the coordinator crashes after all voted Yes and before any participant heard a decision, all of them stay in doubt, with their locks, until it is back. No protocol avoids this where messages
//! are lost (Skeen, 1982; Two Generals). It is a state here, not a fault: [`TwoPhase::in_doubt`] lists it, [`Event::InDoubt`] tells of it, and work that needs those locks is refused.
//! Only those who voted Yes are blocked: a participant that voted No has aborted alone, and one that has not voted may.
//!
//! # What is assumed
//!
//! Stable storage. Transactions' names are never given twice. Time is used for patience only: slow clocks or messages abort transactions and do no harm. All nodes share the presumption.
//!
//! # What it costs
//!
//! n participants besides the coordinator, commit, *presumed nothing*: 3n messages (prepare, vote, decision) in 3 message delays, n more for acknowledgements that nobody waits for; 1 + 2n forced writes (the coordinator's
//! commit, each participant's prepared and commit). *Presumed abort*: the same on commit; an abort takes no record at the coordinator and no acknowledgement. *Presumed commit*: 3n messages, the coordinator forces 2 records,
//! a participant 1. A read-only participant: no record and, beside the question, 1 message. `cost.rs` has all of it as code.
//!
//! # Where this differs from the literature, and why
//!
//! - *Channels may reorder and repeat.* The papers assume sessions. So a decision may overtake its question, and a participant that learns of an abort before it was asked writes that down where a presumption would
//!   otherwise turn against it (presumed commit: also before it votes No).
//! - *A participant that only reads is never asked by peers*: it keeps no record, and after a crash could not tell that it has voted from that it has not. The coordinator knows who only reads and names the others.
//! - *Locks are not waited for*: who meets one votes No. So there are no deadlocks.
//!
//! # What is left out
//!
//! Heuristic decisions by operators (they break AC1), trees of coordinators and the linear and decentralized variants (one level and one coordinator here), transfer of coordination, the work
//! of the transaction before it commits, waiting for locks. Three-phase commit avoids blocking under crashes alone; a coordinator that is itself replicated by consensus avoids it in practice.
//!
//! # Example
//!
//! ```
//! use std::{collections::{BTreeMap, VecDeque}, sync::Arc};
//! use synod_machine::*;
//! use synod_protocols::commit::two_phase::*;
//!
//! let names = [NodeId(1), NodeId(2), NodeId(3)];
//! let config = Arc::new(Config::default());
//! let mut nodes =
//!     names.map(|me| (TwoPhase::<Accounts>::new(me, config.clone()), Buffer::new(First, Ticket(1))));
//! // 5 to an account at n2, and 7 to one at n3, or neither; n1 coordinates.
//! let work = BTreeMap::from([(names[1], vec![Operation::Add('a', 5)]), (names[2], vec![Operation::Add('b', 7)])]);
//! let ask = Input::Command { id: RequestId(1), command: Command::Commit { number: 1, work } };
//! let mut inputs = VecDeque::from([(names[0], ask)]);
//! let mut answers = Vec::new();
//! while let Some((me, input)) = inputs.pop_front() {
//!     let (node, buffer) = &mut nodes[me.0 as usize - 1];
//!     node.step(&Context::at(me, Mono::ZERO), input, &mut buffer.effects());
//!     for effect in buffer.effects.drain(..) {
//!         match effect {
//!             // This disk is quick: a record is durable before the next message arrives anywhere.
//!             Effect::Write { ticket, .. } => inputs.push_front((me, Input::Durable(ticket))),
//!             Effect::Send { to, message, .. } => inputs.push_back((to, Input::Receive { from: me, message })),
//!             Effect::Reply { reply, .. } => answers.push(reply),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(answers, [Reply::Decided(Outcome::Commit)]);
//! assert_eq!(nodes[1].0.ledger().resource.balances[&'a'], 5);
//! assert_eq!(nodes[2].0.ledger().resource.balances[&'b'], 7);
//! ```

mod config;
mod coordinator;
pub mod cost;
pub mod invariants;
mod ledger;
mod participant;
mod renaming;
mod resource;
mod types;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};

#[doc(hidden)]
pub use config::Flaws;
pub use config::{Config, ConfigError, Presumption};
pub use coordinator::Round;
pub use ledger::{Coordinated, Ledger, Prepared};
pub use resource::{Accounts, Operation, Resource};
pub use types::*;

/// This file: the essay above, for those who print it.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node: coordinator of what its clients ask, participant in what others do, or both at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TwoPhase<R: Resource> {
    me: NodeId,
    config: Arc<Config>,
    ledger: Ledger<R>,
    rounds: BTreeMap<TransactionId, Round<R::Work>>,
    /// The newest record about each transaction, while it may be lost.
    underway: BTreeMap<TransactionId, Ticket>,
    /// What this node says to itself and to its embedder, with the record that must be durable first.
    own: VecDeque<(Option<Ticket>, Own<R::Work>)>,
    /// Records since the last checkpoint.
    records: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Own<W> {
    Message(Message<W>),
    Event(Event),
}

type Fx<'a, R> = Effects<'a, TwoPhase<R>>;

impl<R: Resource> TwoPhase<R> {
    /// The node `me`. What it wrote in former lives comes with `Input::Start`.
    ///
    /// # Panics
    /// When `config` does not validate.
    pub fn new(me: NodeId, config: Arc<Config>) -> Self {
        if let Err(error) = config.validate() {
            panic!("expected a valid configuration, found: {error}");
        }
        TwoPhase {
            me,
            config,
            ledger: Ledger::default(),
            rounds: BTreeMap::new(),
            underway: BTreeMap::new(),
            own: VecDeque::new(),
            records: 0,
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

    /// What its log comes to, with what is not durable yet.
    pub fn ledger(&self) -> &Ledger<R> {
        &self.ledger
    }

    /// The transactions that it coordinates and still has something to do for.
    pub fn rounds(&self) -> &BTreeMap<TransactionId, Round<R::Work>> {
        &self.rounds
    }

    /// The transactions that it has promised and knows no decision of, with what they lock.
    pub fn in_doubt(&self) -> impl Iterator<Item = (TransactionId, &R::Work)> {
        self.ledger.prepared.iter().map(|(transaction, prepared)| (*transaction, &prepared.work))
    }

    /// Whether a transaction's newest record may still be lost.
    pub fn is_underway(&self, transaction: TransactionId) -> bool {
        self.underway.contains_key(&transaction)
    }

    fn start(&mut self, saved: Vec<Record<R>>, fx: &mut Fx<R>) {
        self.records = saved.len();
        for record in saved {
            self.ledger.apply(record, self.config.presumption, self.config.outcomes_max);
        }
        self.resume_coordinating(fx);
        for transaction in self.ledger.prepared.keys() {
            fx.arm(Timer::InDoubt(*transaction), self.config.retry..=self.config.retry);
        }
    }

    fn receive(&mut self, from: NodeId, message: Message<R::Work>, fx: &mut Fx<R>) {
        let coordinated_here = message.transaction().coordinator == self.me;
        match message {
            Message::Prepare { transaction, work, peers } if transaction.coordinator == from => {
                self.on_prepare(transaction, work, peers, fx);
            }
            Message::Vote { transaction, vote } if coordinated_here => {
                self.on_vote(from, transaction, vote, fx);
            }
            Message::Ack { transaction } if coordinated_here => self.on_ack(from, transaction, fx),
            Message::Inquire { transaction } if coordinated_here => {
                self.answer_inquiry(from, transaction, fx);
            }
            Message::Inquire { transaction } => self.answer_peer(from, transaction, fx),
            Message::Decision { transaction, outcome } => self.on_decision(from, transaction, outcome, fx),
            Message::Prepare { .. } | Message::Vote { .. } | Message::Ack { .. } => {
                fx.note("two_phase.nonsense", 1);
            }
        }
    }

    /// Writes a record, and a checkpoint in place of all when there are many.
    fn write(&mut self, transaction: TransactionId, record: Record<R>, fx: &mut Fx<R>) {
        self.ledger.apply(record.clone(), self.config.presumption, self.config.outcomes_max);
        let mut ticket = fx.write(record);
        self.records += 1;
        if self.records > self.config.records_max {
            ticket = fx.write(Record::Checkpoint(Box::new(self.ledger.clone())));
            fx.forget(ticket);
            self.records = 1;
        }
        self.underway.insert(transaction, ticket);
    }

    /// Sends to another node, or keeps for this one's other role. `forced`: not before the transaction's newest record is durable.
    fn send(&mut self, to: NodeId, message: Message<R::Work>, forced: bool, fx: &mut Fx<R>) {
        let after = self.underway.get(&message.transaction()).copied().filter(|_| forced);
        if to == self.me {
            self.own.push_back((after, Own::Message(message)));
            return;
        }
        match after {
            Some(ticket) => fx.hold(ticket, |fx| fx.send(to, message)),
            None => fx.send(to, message),
        }
    }

    /// Tells the embedder, once the transaction's newest record is durable.
    fn tell(&mut self, transaction: TransactionId, event: Event) {
        self.own.push_back((self.underway.get(&transaction).copied(), Own::Event(event)));
    }

    fn settle(&mut self, durable: Option<Ticket>, fx: &mut Fx<R>) {
        if let Some(durable) = durable {
            self.underway.retain(|_, ticket| *ticket > durable);
        }
        let mut place = 0;
        while let Some((after, _)) = self.own.get(place) {
            if *after > durable {
                place += 1;
                continue;
            }
            match self.own.remove(place) {
                Some((_, Own::Event(event))) => fx.emit(event),
                Some((_, Own::Message(message))) => self.receive(self.me, message, fx),
                None => {}
            }
        }
    }
}

impl<R: Resource> Machine for TwoPhase<R> {
    type Message = Message<R::Work>;
    type Timer = Timer;
    type Command = Command<R::Work>;
    type Reply = Reply;
    type Event = Event;
    type Write = Record<R>;
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
            Input::Start { saved } => self.start(saved, fx),
            Input::Receive { from, message } => self.receive(from, message, fx),
            Input::Command { id, command: Command::Commit { number, work } } => {
                self.begin(id, number, work, fx);
            }
            Input::Fire(Timer::Votes(transaction)) => self.on_votes_timer(transaction, fx),
            Input::Fire(Timer::Acks(transaction)) => self.tell_again(transaction, fx),
            Input::Fire(Timer::InDoubt(transaction)) => self.on_doubt_timer(transaction, fx),
            Input::Durable(ticket) => durable = Some(ticket),
            Input::Done(never) => match never {},
            Input::Link { .. } => {}
        }
        self.settle(durable, fx);
    }

    fn inspect(&self, view: &mut View) {
        for (transaction, prepared) in &self.ledger.prepared {
            view.show(&alloc::format!("in doubt {transaction}, locks"), &prepared.work);
        }
        for (transaction, round) in &self.rounds {
            view.show(&alloc::format!("coordinates {transaction}"), round);
        }
        view.show("resource", &self.ledger.resource);
        view.show("outcomes", &self.ledger.outcomes);
        view.show("records", self.records);
    }
}
