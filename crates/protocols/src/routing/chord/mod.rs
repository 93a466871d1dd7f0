//! Chord: any node finds the owner of any key in `log2(N) / 2` steps, though none knows more than `log2(N)` others.
//!
//! # The problem
//!
//! A hash ring finds a key by a calculation if everybody knows all nodes. With very many nodes that come and go nobody does. Chord (Stoica, Morris, Karger, Kaashoek and
//! Balakrishnan, SIGCOMM 2001; *the paper* is the version of Transactions on Networking, 2003) has each node know a few others and pass questions on. Its hard part is not
//! the lookup but keeping one ring while nodes join and fail. The rules that were published first do not (Zave, "Using Lightweight Modeling to Understand
//! Chord", 2012); those here are the corrected ones with a proof (Zave, "Reasoning About Identifier Spaces: How to Make Chord Correct", TSE 2017: *Zave*).
//!
//! # The rules
//!
//! - **Ownership**: a key belongs to the first node at or after it on the circle of identifiers (paper, section 4.2): `identifier.rs`.
//! - **Fingers**: a node knows the first node after its own place plus 2^i, for each i (section 4.3), and looks them up anew one after the other (section 4.4, `fix_fingers`).
//! - **Lookup**: ask the known node that most closely precedes the key; the last before the key names the owner, its successor (figure 5). Successors are known nodes too.
//!   Iterative: the asking node asks each on the way. Recursive: each hands it on. A dead node is passed over; if all that a node named are dead, back to the one before:
//!   `lookup.rs`, `operations.rs`, `forward.rs`.
//! - **Join** (Zave, figure 4): find the node before one's own place, and take over *its whole list of successors*, and it as predecessor: `maintain.rs`.
//! - **Stabilize** (figure 5): take over the list of the first live successor; if that one's predecessor is nearer, ask *it* for its list, and adopt it only if it answers;
//!   then notify the first successor: `maintain.rs`.
//! - **Rectify** (figure 6): a notified node takes a nearer predecessor at once, and a farther one only when the present one is dead: `maintain.rs`.
//! - **Keys move** when a node joins (its successor grants it their range) and when one leaves (its successor is granted the range): `keys.rs`.
//!
//! `table.rs` is what a node knows, `invariants.rs` the properties below as functions, `cost.rs` the formulas.
//!
//! # What is guaranteed
//!
//! *Always*: Zave's invariant, from which one ordered ring that all members reach follows: each member has a live successor in its list, and enough members are not skipped by any
//! list (*principals*). When joins and failures pause, stabilization makes the ring ideal: lists and predecessors are exact. While nobody crashes each
//! key has at most one owner at any time and no stored value is lost: a range is granted by one message, and served by the receiver only after it. Reads then see the
//! latest completed write.
//!
//! # What is assumed
//!
//! [`Needs::reliable`] and [`Needs::bounded_delay`]: no answer within [`Config::answer_timeout`] means dead; a living node that is taken for dead may be skipped for ever.
//! A ring is founded by `successors + 1` members (a smaller one works, but a failure can take all that someone knows), which are all up before anybody joins. No node loses all nodes of its list between two
//! rounds of stabilization. A node that crashed comes back knowing nothing, and joins anew, even at its old place. Nobody lies.
//!
//! # What it costs
//!
//! A lookup: `log2(N) / 2` steps on average, `log2(N)` with high probability: two messages each iteratively; recursively two (the question and its
//! acknowledgement) and one for the result. A round of stabilization: two messages and a notice, two more when a nearer successor is found. A finger: a lookup.
//! Joining: a lookup, and its `K / N` keys. State: `log2(N)` fingers and the list of successors. No write is forced: Chord keeps nothing over a crash.
//!
//! # Where this differs from the papers, and why
//!
//! - *Identifiers have up to 64 bits*, not 160: enough for 2^20 nodes not to meet, and one machine word. They come from a hash that no adversary is assumed against.
//! - *Lists have no artificial entries.* Zave fills a list up when its head is dead, to keep its length for the proof; here it is shorter until the next round.
//! - *A crashed node may return to its place at once.* Its question for the way is the proof that its former life is over, and who hears it strikes it off.
//! - *Ownership is granted, not derived.* "Between my predecessor and me" would have two owners while a predecessor is news to one of them only.
//! - *A node that lost all successors joins anew*, and says so.
//!
//! # What is left out
//!
//! Copies of keys: what a crashed node stored is gone, as in the paper, which leaves replication along the list of successors to the layer above
//! (DHash); caches of looked-up owners; proximity in the choice of fingers; a hand-over in pieces for stores that do not fit a message.
//!
//! # Example
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::routing::chord::*;
//!
//! // The way from 8 to key 50 on the ring 8, 14, 21, 42, 56: the search as a value, with tables in place of a network.
//! let ring = Ring::of_bits(6);
//! let peers: Vec<Peer> = [8, 14, 21, 42, 56].into_iter().map(|id| Peer { id: Identifier(id), node: NodeId(id) }).collect();
//! let node = |peer: Peer| {
//!     let config = Config { ring, id: peer.id, successors: 2, founders: peers.clone(), ..Config::default() };
//!     Chord::founded(peer.node, config)
//! };
//! let mut search = Search::new(ring, Identifier(50), advise(node(peers[0]).table(), Identifier(50)));
//! let mut asked = Vec::new();
//! let owner = loop {
//!     match search.step() {
//!         Next::Ask(peer) => {
//!             asked.push(peer.id.0);
//!             search.advised(advise(node(peer).table(), Identifier(50)));
//!         }
//!         Next::Found { owner, .. } => break owner,
//!         Next::Lost => panic!("a whole ring finds every key"),
//!     }
//! };
//! assert_eq!((asked, owner.id), (vec![42], Identifier(56)));
//! ```

mod config;
pub mod cost;
mod forward;
mod identifier;
pub mod invariants;
mod keys;
mod lookup;
mod maintain;
mod operations;
mod table;
mod telling;
mod types;

use alloc::collections::BTreeMap;

use bytes::Bytes;
use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, View};

pub use config::{Config, Flaws, SUCCESSORS_MAX};
pub use identifier::{Identifier, Peer, Ring};
pub use lookup::{ALTERNATIVES_MAX, Advice, Next, Routes, STEPS_MAX, Search, advise};
pub use table::Table;
pub use types::*;

use forward::Hop;
use operations::Operation;

/// This file: its leading comment is the mechanism's essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node of one ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    config: Config,
    table: Table,
    standing: Standing,
    /// The keys after this place up to the node's own are served here; nothing is while it waits for its range.
    owned_after: Option<Identifier>,
    store: BTreeMap<Identifier, Bytes>,
    /// Rounds in which the predecessor reported although the owned range begins after it.
    short_rounds: u32,
    next_finger: u32,
    calls: BTreeMap<Call, Pending>,
    next_call: Call,
    searches: BTreeMap<Errand, Search>,
    operations: BTreeMap<Call, Operation>,
    next_contact: usize,
}

/// Where a node stands towards the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Not part of it; `left` if it was and handed its keys over.
    Outside {
        /// Whether it left in order.
        left: bool,
    },
    /// Looking for its place.
    Joining,
    /// Part of it.
    Member,
    /// Handing its keys over; still part of it.
    Leaving {
        /// Whom to tell.
        id: RequestId,
    },
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    peer: Peer,
    purpose: Purpose,
}

/// What a question is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// Stabilize: the first successor's neighbours.
    Successor,
    /// Stabilize: the neighbours of a node that may be a nearer successor.
    Candidate,
    /// Rectify: is the predecessor alive? If not, this one takes its place.
    Predecessor { instead: Option<Peer>, wants_keys: bool },
    /// A step of a search of the node's own.
    Search(Errand),
    /// A step of a client's operation, or its end.
    Operation(Call),
    /// A step of someone's recursive lookup.
    Hop(Hop),
    /// A range is granted to a node that joined.
    Grant,
    /// The own range is granted to the successor.
    Leave,
}

/// What a node searches for on its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Errand {
    Join,
    Finger(u32),
}

type Fx<'a> = Effects<'a, Chord>;

impl Chord {
    /// The node `me`. It founds a ring with others if the configuration names founders, which it does at the first start of the first members only; else it joins
    /// through a contact; without contacts it waits for [`Command::Join`].
    ///
    /// # Panics
    /// When the number of successors is not 1 to [`SUCCESSORS_MAX`].
    pub fn new(me: NodeId, config: Config) -> Self {
        let kept = config.successors;
        assert!(
            (1..=SUCCESSORS_MAX).contains(&kept),
            "expected 1 to {SUCCESSORS_MAX} successors, found {kept}"
        );
        let table = Table::new(config.ring, Peer { id: config.id, node: me }, kept);
        Chord {
            config,
            table,
            standing: Standing::Outside { left: false },
            owned_after: None,
            store: BTreeMap::new(),
            short_rounds: 0,
            next_finger: 0,
            calls: BTreeMap::new(),
            next_call: Call(0),
            searches: BTreeMap::new(),
            operations: BTreeMap::new(),
            next_contact: 0,
        }
    }

    /// A founder as it is after its start, for tables without a network.
    pub fn founded(me: NodeId, config: Config) -> Self {
        let mut chord = Chord::new(me, config);
        chord.found();
        chord
    }

    /// This node.
    pub fn me(&self) -> Peer {
        self.table.me
    }

    /// Whom it knows.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Options and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it stands towards the ring.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it answers as a part of the ring.
    pub fn is_member(&self) -> bool {
        matches!(self.standing, Standing::Member | Standing::Leaving { .. })
    }

    /// The keys after this place up to the node's own are its to serve.
    pub fn owned_after(&self) -> Option<Identifier> {
        self.owned_after.filter(|_| self.standing == Standing::Member)
    }

    /// What it stores, also what it keeps of others' keys until they have them.
    pub fn store(&self) -> &BTreeMap<Identifier, Bytes> {
        &self.store
    }

    fn found(&mut self) {
        let founders = core::mem::take(&mut self.config.founders);
        self.table.found(&founders);
        self.standing = Standing::Member;
        self.owned_after = self.table.predecessor.map(|peer| peer.id);
        self.config.founders = founders;
    }

    fn start(&mut self, fx: &mut Fx<'_>) {
        if !self.config.founders.is_empty() {
            self.found();
            self.begin_rounds(fx);
            fx.emit(Event::Joined);
        } else if !self.config.contacts.is_empty() {
            let wait = self.config.join_after;
            if wait.is_zero() { self.join(fx) } else { fx.arm(Timer::Join, wait..=wait) }
        }
    }

    /// Asks another node; [`Chord::answered`] or [`Chord::unanswered`] follows.
    fn ask(&mut self, peer: Peer, question: Question, purpose: Purpose, fx: &mut Fx<'_>) {
        let call = self.next_call;
        self.next_call = Call(call.0 + 1);
        self.calls.insert(call, Pending { peer, purpose });
        fx.arm(Timer::Answer(call), self.config.answer_timeout..=self.config.answer_timeout);
        fx.send(peer.node, Message::Ask { call, question });
    }

    fn asks(&self, purpose: impl Fn(&Purpose) -> bool) -> bool {
        self.calls.values().any(|pending| purpose(&pending.purpose))
    }

    /// Another node asks.
    fn asked(&mut self, from: NodeId, call: Call, question: Question, fx: &mut Fx<'_>) {
        if !self.is_member() {
            let answer = Answer::NotAMember { left: self.standing == Standing::Outside { left: true } };
            return fx.send(from, Message::Answer { call, answer });
        }
        let answer = match question {
            Question::Neighbours => Answer::Neighbours {
                predecessor: self.table.predecessor,
                successors: self.table.successors.clone(),
            },
            Question::Route { key, joining } => {
                if let Some(peer) = joining {
                    self.strike_off(peer, fx);
                }
                Answer::Advice(advise(&self.table, key))
            }
            Question::Forward { origin, lookup, key, hops, timeouts } => {
                fx.send(from, Message::Answer { call, answer: Answer::Accepted });
                return self.forward(Hop { origin, lookup, key, hops, timeouts }, fx);
            }
            Question::Put { key, value } => self.put(key, value),
            Question::Get { key } => self.get(key),
            Question::Take { keys, after, leaving } => self.take(keys, after, leaving),
        };
        fx.send(from, Message::Answer { call, answer });
    }

    /// A question of this node was answered, by whom it was put to.
    fn answered(&mut self, from: NodeId, call: Call, answer: Answer, fx: &mut Fx<'_>) {
        if self.calls.get(&call).is_none_or(|pending| pending.peer.node != from) {
            return fx.note("chord.answers_late", 1);
        }
        let Pending { peer, purpose } = self.calls.remove(&call).expect("the call was just seen");
        fx.disarm(Timer::Answer(call));
        if let Answer::NotAMember { left } = answer {
            return self.gone(peer, purpose, Gone::Said { left }, fx);
        }
        match purpose {
            Purpose::Successor => self.successor_answered(peer, answer, fx),
            Purpose::Candidate => self.candidate_answered(peer, answer, fx),
            Purpose::Predecessor { .. } | Purpose::Hop(_) => {}
            Purpose::Search(errand) => self.search_answered(errand, answer, fx),
            Purpose::Operation(operation) => self.operation_answered(operation, peer, answer, fx),
            Purpose::Grant => self.granted(peer),
            Purpose::Leave => self.leave_answered(answer, fx),
        }
    }

    /// The peer is dead, or is no member, which comes to the same.
    fn gone(&mut self, peer: Peer, purpose: Purpose, how: Gone, fx: &mut Fx<'_>) {
        self.table.forget_finger(peer.node);
        match purpose {
            Purpose::Successor => self.successor_gone(peer, fx),
            Purpose::Candidate => self.notify_successor(fx),
            Purpose::Predecessor { instead, wants_keys } => {
                self.predecessor_gone(peer, instead, wants_keys, how, fx);
            }
            Purpose::Search(errand) => self.search_failed(errand, peer, fx),
            Purpose::Operation(operation) => self.operation_failed(operation, peer, fx),
            Purpose::Hop(hop) => self.hop_failed(hop, peer, fx),
            // What is granted to the dead comes back when the predecessor is found dead.
            Purpose::Grant => {}
            Purpose::Leave => self.leave_later(fx),
        }
    }
}

/// How it is known that a node is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// It did not answer in time.
    Silent,
    /// It said that it is no member; `left` if its keys are in good hands.
    Said { left: bool },
}

impl Machine for Chord {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Never;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: true,
        bounded_delay: true,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Fx<'_>) {
        match input {
            Input::Start { .. } => self.start(fx),
            Input::Receive { from, message: Message::Ask { call, question } } => {
                self.asked(from, call, question, fx);
            }
            Input::Receive { from, message: Message::Answer { call, answer } } => {
                self.answered(from, call, answer, fx);
            }
            Input::Receive { message: Message::Notify { peer, wants_keys }, .. } => {
                self.notified(peer, wants_keys, fx);
            }
            Input::Receive { message: Message::Arrived { lookup, found }, .. } => {
                self.arrived(lookup, found, fx)
            }
            Input::Fire(Timer::Stabilize) => self.stabilize(fx),
            Input::Fire(Timer::FixFinger) => self.fix_finger(fx),
            Input::Fire(Timer::Join) => self.join(fx),
            Input::Fire(Timer::Answer(call)) => {
                if let Some(Pending { peer, purpose }) = self.calls.remove(&call) {
                    fx.note("chord.timeouts", 1);
                    self.gone(peer, purpose, Gone::Silent, fx);
                }
            }
            Input::Fire(Timer::Retry(operation)) => self.try_operation(operation, fx),
            Input::Fire(Timer::Leave) => self.try_leave(fx),
            Input::Command { id, command } => self.command(id, command, fx),
            Input::Durable(_) | Input::Done(_) | Input::Link { .. } => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        let list = |peers: &[Peer]| peers.iter().map(|peer| peer.id.0).collect::<alloc::vec::Vec<_>>();
        view.show("identifier", self.table.me.id.0);
        view.show("standing", self.standing);
        view.show("predecessor", self.table.predecessor.map(|peer| peer.id.0));
        view.show("successors", list(&self.table.successors));
        view.show("owned after", self.owned_after.map(|id| id.0));
        view.show("keys", self.store.len());
        let mut fingers: alloc::vec::Vec<Peer> = self.table.fingers.iter().flatten().copied().collect();
        fingers.dedup();
        view.show("fingers", list(&fingers));
    }
}
