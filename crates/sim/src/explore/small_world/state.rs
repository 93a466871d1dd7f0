//! A [`State`]: everything that matters of a small world at a moment, cheap to copy and to hash.
//!
//! An action changes one node and a few messages, so the rest is shared with the state before: nodes, messages and the memory are counted references that carry
//! their own hash. Messages are kept in an order that does not depend on the order of their sends, so that states that differ only in that are the same.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use synod_machine::{Machine, Mono, NodeId, RequestId, SendId, Ticket};

use super::super::{FastHasher, fingerprint};
use super::symmetry::Symmetry;
use super::{Budgets, Explorable, Remembers};

/// A world at a moment. Properties see it through a [`View`](super::View).
pub struct State<M: Machine, H> {
    pub(super) nodes: Vec<Arc<Node<M>>>,
    /// Under way, by receiver, sender, and then the order of sends if that is kept, otherwise by hash.
    pub(super) network: Vec<Arc<Envelope<M>>>,
    pub(super) left: Budgets,
    pub(super) memory: Arc<Memory<H>>,
    /// What a machine said when it gave up.
    pub(super) panic: Option<Arc<str>>,
    /// Counts sends, for pictures: not a part of what is compared.
    pub(super) sends: u64,
}

impl<M: Machine, H> Clone for State<M, H> {
    fn clone(&self) -> Self {
        State {
            nodes: self.nodes.clone(),
            network: self.network.clone(),
            left: self.left,
            memory: Arc::clone(&self.memory),
            panic: self.panic.clone(),
            sends: self.sends,
        }
    }
}

impl<M: Explorable, H: Remembers> State<M, H> {
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = FastHasher::default();
        self.nodes.iter().for_each(|node| hasher.write_u64(node.hash));
        hasher.write_u64(self.network.len() as u64);
        self.network.iter().for_each(|envelope| hasher.write_u64(envelope.hash));
        self.left.hash(&mut hasher);
        hasher.write_u64(self.memory.hash);
        hasher.write_u8(u8::from(self.panic.is_some()));
        hasher.finish()
    }

    /// Puts a message under way.
    pub(super) fn send(&mut self, envelope: Envelope<M>, fifo: bool) {
        let key = envelope.key(fifo);
        let place = self.network.partition_point(|other| other.key(fifo) <= key);
        self.network.insert(place, Arc::new(envelope));
    }
}

/// A message under way.
pub(super) struct Envelope<M: Machine> {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) message: M::Message,
    pub(super) hash: u64,
    /// Under each of the names that the world's nodes may have.
    pub(super) renamed: Box<[u64]>,
    pub(super) id: SendId,
}

impl<M: Machine> Envelope<M> {
    pub(super) fn new(id: SendId, from: NodeId, to: NodeId, message: M::Message) -> Self {
        let hash = fingerprint(&(from, to, &message));
        Envelope { from, to, message, hash, renamed: Box::default(), id }
    }

    fn key(&self, fifo: bool) -> (NodeId, NodeId, u64) {
        (self.to, self.from, if fifo { 0 } else { self.hash })
    }
}

/// The memory of observations.
pub(super) struct Memory<H> {
    pub(super) value: H,
    hash: u64,
    /// Under each of the names that the world's nodes may have.
    pub(super) renamed: Box<[u64]>,
}

impl<H: Remembers> Memory<H> {
    pub(super) fn new<M: Explorable>(value: H, symmetry: Option<&Symmetry<M, H>>) -> Self {
        let hash = fingerprint(&value);
        let renamed = symmetry.map(|symmetry| symmetry.memory_hashes(&value)).unwrap_or_default();
        Memory { value, hash, renamed }
    }
}

/// One node: its process, if it is up, and its disk.
pub(super) struct Node<M: Machine> {
    pub(super) machine: Option<M>,
    /// Armed, in order.
    pub(super) timers: Vec<M::Timer>,
    pub(super) durable: Vec<(Ticket, M::Write)>,
    pub(super) unsynced: Vec<(Ticket, M::Write)>,
    /// What waits for tickets, in the order in which it was asked for.
    pub(super) held: Vec<(Ticket, Held<M>)>,
    /// When everything up to the first is durable, what is before the second goes.
    pub(super) forgetting: Vec<(Ticket, Ticket)>,
    /// The next write's.
    pub(super) next: Ticket,
    /// How many of the clients' commands have come.
    pub(super) asked: usize,
    /// Whether the last of them was answered.
    pub(super) answered: bool,
    /// How much entropy was drawn.
    pub(super) drawn: u64,
    /// What its clock shows.
    pub(super) now: Mono,
    pub(super) hash: u64,
    /// Under each of the names that the world's nodes may have.
    pub(super) renamed: Box<[u64]>,
}

/// What leaves only when its ticket is durable.
pub(super) enum Held<M: Machine> {
    Send { id: SendId, to: NodeId, message: M::Message },
    Reply { id: RequestId, reply: M::Reply },
}

impl<M: Machine> Clone for Held<M> {
    fn clone(&self) -> Self {
        match self {
            Held::Send { id, to, message } => Held::Send { id: *id, to: *to, message: message.clone() },
            Held::Reply { id, reply } => Held::Reply { id: *id, reply: reply.clone() },
        }
    }
}

impl<M: Machine> Hash for Held<M> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        match self {
            // The number of the send is for pictures.
            Held::Send { to, message, .. } => (0u8, to, message).hash(state),
            Held::Reply { id, reply } => (1u8, id, reply).hash(state),
        }
    }
}

impl<M: Machine + Clone> Clone for Node<M> {
    fn clone(&self) -> Self {
        Node {
            machine: self.machine.clone(),
            timers: self.timers.clone(),
            durable: self.durable.clone(),
            unsynced: self.unsynced.clone(),
            held: self.held.clone(),
            forgetting: self.forgetting.clone(),
            next: self.next,
            asked: self.asked,
            answered: self.answered,
            drawn: self.drawn,
            now: self.now,
            hash: self.hash,
            renamed: Box::default(),
        }
    }
}

impl<M: Explorable> Node<M> {
    /// A node that never ran.
    pub(super) fn new() -> Self {
        Node {
            machine: None,
            timers: Vec::new(),
            durable: Vec::new(),
            unsynced: Vec::new(),
            held: Vec::new(),
            forgetting: Vec::new(),
            next: Ticket(1),
            asked: 0,
            answered: true,
            drawn: 0,
            now: Mono::ZERO,
            hash: 0,
            renamed: Box::default(),
        }
    }

    pub(super) fn up(&self) -> bool {
        self.machine.is_some()
    }

    /// To be called when its changes are done.
    pub(super) fn seal(&mut self) {
        let mut hasher = FastHasher::default();
        self.machine.hash(&mut hasher);
        self.timers.hash(&mut hasher);
        self.durable.hash(&mut hasher);
        self.unsynced.hash(&mut hasher);
        self.held.hash(&mut hasher);
        self.forgetting.hash(&mut hasher);
        (self.next, self.asked, self.answered, self.drawn, self.now).hash(&mut hasher);
        self.hash = hasher.finish();
    }

    pub(super) fn arm(&mut self, timer: M::Timer) {
        if let Err(place) = self.timers.binary_search(&timer) {
            self.timers.insert(place, timer);
        }
    }

    pub(super) fn disarm(&mut self, timer: &M::Timer) {
        if let Ok(place) = self.timers.binary_search(timer) {
            self.timers.remove(place);
        }
    }

    /// Every ticket up to this one is durable.
    pub(super) fn durable_to(&self) -> Ticket {
        self.unsynced.first().map_or(Ticket(self.next.0 - 1), |(ticket, _)| Ticket(ticket.0 - 1))
    }

    /// The oldest `count` writes become durable, and what waited to be forgotten may go.
    pub(super) fn sync(&mut self, count: usize) -> Ticket {
        self.durable.extend(self.unsynced.drain(..count));
        let durable = self.durable_to();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.forgetting).into_iter().partition(|(after, _)| *after <= durable);
        self.forgetting = waiting;
        ready.into_iter().for_each(|(_, before)| self.forget(before));
        durable
    }

    pub(super) fn forget(&mut self, before: Ticket) {
        self.durable.retain(|(ticket, _)| *ticket >= before);
    }

    /// The process is gone; of the writes that were not durable the oldest `kept` are left.
    pub(super) fn crash(&mut self, kept: usize) {
        self.next = Ticket(self.durable_to().0 + 1 + kept as u64);
        self.unsynced.truncate(kept);
        self.durable.append(&mut self.unsynced);
        self.end();
    }

    /// The process is gone, and the disk with it.
    pub(super) fn wipe(&mut self) {
        self.durable.clear();
        self.unsynced.clear();
        self.next = Ticket(1);
        self.end();
    }

    fn end(&mut self) {
        self.machine = None;
        self.timers.clear();
        self.held.clear();
        self.forgetting.clear();
    }
}
