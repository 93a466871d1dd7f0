//! Quorum replication: `N` copies, of which a read asks `R` and a write reaches `W`.
//!
//! # The problem
//!
//! A value is to survive the loss of nodes, and reads and writes are to go on while some cannot be reached. If every read asks `R` copies and every write reaches `W`, and
//! `R + W > N`, then each read asks a copy that has the last complete write (Gifford, "Weighted Voting for Replicated Data", SOSP 1979). That alone is not yet a register
//! that behaves like one copy, and some systems give even that up to stay writable; both ends are here.
//!
//! # The rules
//!
//! Every copy is a value that can be merged with others in any order ([`Copy`], `copy.rs`), so a message that comes late, twice or out of order does no harm.
//!
//! - **Preference list**: the `N` nodes of a key are the next distinct ones on the hash ring (DeCandia et al., "Dynamo", SOSP 2007, section 4.3).
//! - **Register** ([`Versions::Tags`]; Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems", JACM 1995: *ABD*; with several writers Lynch and Shvartsman,
//!   FTCS 1997): a write asks `R` copies for their tags, takes a larger one, and stores at `W`. A read asks `R`, takes the largest, and *writes it back* to `W` before it
//!   answers, so that no later read can see less. It spares that if `W` of the copies that it asked have it already.
//! - **Siblings** ([`Versions::Vectors`]; Dynamo, section 4.4; clocks as in `clocks/dotted`): a write goes through one of the key's own nodes, which puts it beside or in place of
//!   what its writer had seen, and sends the outcome to the others. A read gives all values that nothing replaced, and a context for the next write.
//! - **Read repair** (Dynamo, section 5): copies that turn out to be behind are sent what they lack.
//! - **Sloppy quorum and hinted hand-off** (Dynamo, section 4.6): if some of the `N` do not answer, the next nodes on the ring take a copy in their place, with a hint for whom
//!   it is, count for `W` and `R`, and hand it over when its owner is back: `hints.rs`.
//!
//! `coordinator.rs` is the node that a client talks to, `replica.rs` the node that has a copy, `invariants.rs` the properties below, `cost.rs` the formulas.
//!
//! # What is guaranteed
//!
//! Whatever messages are lost, repeated or late and whoever crashes: with tags, `R + W > N` and write-back, each key is a linearizable register (ABD, section 4). With vectors and `R + W > N`
//! and without sloppiness a read includes every write that was complete when it began, and no write is lost that no other writer had seen. With a sloppy quorum
//! writes stay possible while any `W` nodes can be reached, and all that is left is that copies converge. An acknowledged write is durable at `W` nodes.
//!
//! # What is assumed
//!
//! [`Needs::stable_storage`]: a copy that was acknowledged is there after a crash. All nodes know the same ring. Clients with vectors hand contexts back unchanged.
//! For progress `max(R, W)` of a key's nodes must be up and in touch. Tags of one node never repeat: they carry 64 random bits, since a node that crashed
//! cannot know what it began.
//!
//! # What it costs
//!
//! Register: a read 2N messages and one round trip if copies agree, else 4N and two; a write 4N and two. Siblings: a write `2 (N - 1)` and one round trip; a read `2 (N - 1)`
//! and one. A stored copy is one forced write at each of `N` nodes. Hand-off: two messages and a forced write a hint.
//!
//! # Where this differs from the papers
//!
//! A coordinator asks all `N` and takes the first `R` or `W` answers, and asks again those that are silent: links may lose messages. Dynamo's coordinator of a write
//! is any of the first `N`; here as well, and a node that is none of them says who they are instead of passing the request on.
//!
//! # What is left out
//!
//! Votes of different weight; reconfiguration of a key's nodes; anti-entropy in the background (`crate::gossip` has it), without which copies that are never read and
//! have no hint stay behind; deletion.
//!
//! # Example
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::replication::quorum::{Copy, Tag};
//!
//! // Three copies, a write that reached two, a read that asks two: they share one, whichever two they are.
//! let mut copies = [Copy::default(), Copy::default(), Copy::default()];
//! let written = Copy::Tagged { tag: Tag { counter: 1, node: NodeId(1), nonce: 7 }, value: "x=5".into() };
//! copies[0].merge(&written);
//! copies[1].merge(&written);
//! for (a, b) in [(0, 1), (0, 2), (1, 2)] {
//!     let mut read = copies[a].clone();
//!     read.merge(&copies[b]);
//!     assert_eq!(read, written);
//! }
//! ```

mod config;
mod coordinator;
mod copy;
pub mod cost;
mod hints;
pub mod invariants;
mod replica;
mod types;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};

use crate::routing::hash_ring::HashRing;

pub use config::{Config, ConfigError, Versions};
pub use copy::{Copy, Tag};
pub use types::*;

use coordinator::Operation;

/// This file: its leading comment is the mechanism's essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node, with its copies and the requests that it coordinates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    me: NodeId,
    config: Config,
    ring: HashRing,
    copies: BTreeMap<Key, Copy>,
    /// Copies kept for others, by whom and what they are for.
    hints: BTreeMap<(NodeId, Key), Copy>,
    operations: BTreeMap<Serial, Operation>,
    next: Serial,
    /// The last write, and up to where writes are durable.
    last: Ticket,
    durable: Ticket,
    /// This node's answers to itself that wait for the disk.
    own: BTreeMap<Ticket, Vec<Own>>,
    /// Records in the log since the last that stands for all before.
    records: usize,
}

/// An answer of a node to itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Own {
    Fetched { serial: Serial, copy: Copy },
    Stored { serial: Serial },
}

type Fx<'a> = Effects<'a, Quorum>;

impl Quorum {
    /// A node among those of the ring.
    ///
    /// # Panics
    /// When `config` does not validate.
    pub fn new(me: NodeId, ring: HashRing, config: Config) -> Self {
        if let Err(error) = config.validate(ring.members().count()) {
            panic!("expected a valid configuration, found: {error}");
        }
        Quorum {
            me,
            config,
            ring,
            copies: BTreeMap::new(),
            hints: BTreeMap::new(),
            operations: BTreeMap::new(),
            next: Serial(0),
            last: Ticket(0),
            durable: Ticket(0),
            own: BTreeMap::new(),
            records: 0,
        }
    }

    /// The copy of a key that this node has.
    pub fn copy(&self, key: Key) -> Option<&Copy> {
        self.copies.get(&key)
    }

    /// Copies that wait for their owners.
    pub fn hints(&self) -> usize {
        self.hints.len()
    }

    /// Options and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The nodes of a key, in the order of the ring.
    pub fn preference(&self, key: Key) -> Vec<NodeId> {
        self.ring.replicas(self.place(key), self.config.copies)
    }

    fn place(&self, key: Key) -> u64 {
        self.ring.place(&key.0.to_le_bytes())
    }

    /// Logs a record. From time to time one stands for all before it.
    fn record(&mut self, record: Record, fx: &mut Fx<'_>) -> Ticket {
        self.records += 1;
        if self.records <= self.config.records_max {
            self.last = fx.write(record);
            return self.last;
        }
        self.records = 0;
        let (copies, hints) = (self.copies.clone(), self.hints.clone());
        let ticket = fx
            .write(Record::All { copies: copies.into_iter().collect(), hints: hints.into_iter().collect() });
        fx.forget(ticket);
        self.last = ticket;
        ticket
    }

    fn restore(&mut self, saved: Vec<Record>) {
        self.records = saved.len();
        for record in saved {
            match record {
                Record::Copy { key, copy } => {
                    self.copies.insert(key, copy);
                }
                Record::Hint { owner, key, copy } => {
                    self.hints.insert((owner, key), copy);
                }
                Record::HandedOver { owner, key } => {
                    self.hints.remove(&(owner, key));
                }
                Record::All { copies, hints } => {
                    self.copies = copies.into_iter().collect();
                    self.hints = hints.into_iter().collect();
                }
            }
        }
    }
}

impl Machine for Quorum {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Never;
    type Write = Record;
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

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Fx<'_>) {
        match input {
            Input::Start { saved } => {
                self.restore(saved);
                self.offer_later(fx);
            }
            Input::Command { id, command } => self.command(id, command, fx),
            Input::Receive { from, message } => match message {
                Message::Fetch { serial, key } => self.fetch(from, serial, key, fx),
                Message::Store { serial, key, copy, owner } => self.store(from, serial, key, copy, owner, fx),
                Message::Fetched { serial, copy } => self.fetched(from, serial, copy, fx),
                Message::Stored { serial } => self.stored(from, serial, fx),
                Message::Offer { key, copy } => self.offered(from, key, copy, fx),
                Message::Taken { key, copy } => self.taken(from, key, &copy, fx),
            },
            Input::Fire(Timer::Again(serial)) => self.again(serial, fx),
            Input::Fire(Timer::GiveUp(serial)) => self.give_up(serial, fx),
            Input::Fire(Timer::Offer) => self.offer(fx),
            Input::Durable(ticket) => self.is_durable(ticket, fx),
            Input::Done(_) | Input::Link { .. } => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        let Config { copies, read, write, .. } = self.config;
        view.show("N, R, W", (copies, read, write));
        view.show("under way", self.operations.len());
        view.show("hints", self.hints.len());
        for (key, copy) in &self.copies {
            view.show(&alloc::format!("key {}", key.0), copy);
        }
    }
}
