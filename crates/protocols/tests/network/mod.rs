//! Any machine on a network that is steered by hand: what scripts and property tests of several mechanisms share.
#![allow(dead_code)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use synod_machine::*;

/// A message under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight<T> {
    /// Names it in its run.
    pub id: u64,
    pub from: NodeId,
    pub to: NodeId,
    pub message: T,
}

/// What a step did, in order, as a test wants to see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<M: Machine> {
    Sent(Flight<M::Message>),
    Replied(NodeId, RequestId, M::Reply),
    Told(NodeId, M::Event),
    Noted(NodeId, &'static str, u64),
}

/// Numbers from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % end
    }
}

impl Choices for Draw {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        self.below(u64::from(options)) as u32
    }
    fn entropy(&mut self) -> u64 {
        self.below(u64::MAX)
    }
}

struct Node<M: Machine> {
    machine: M,
    timers: BTreeMap<M::Timer, Mono>,
    next_ticket: Ticket,
    durable: Ticket,
    held: VecDeque<(Ticket, Flight<M::Message>)>,
    wall_offset: Duration,
}

/// Nodes, and what is under way between them.
pub struct Network<M: Machine> {
    nodes: BTreeMap<NodeId, Node<M>>,
    /// In the order of leaving.
    pub flights: Vec<Flight<M::Message>>,
    /// What happened since the last look.
    pub seen: Vec<Seen<M>>,
    pub now: Mono,
    pub draw: Draw,
    /// Disks sync at once.
    pub sync_at_once: bool,
    sends: u64,
}

impl<M: Machine> Network<M> {
    pub fn new(seed: u64) -> Self {
        Network {
            nodes: BTreeMap::new(),
            flights: Vec::new(),
            seen: Vec::new(),
            now: Mono::ZERO,
            draw: Draw(seed),
            sync_at_once: true,
            sends: 0,
        }
    }

    /// Adds nodes, then starts them all.
    pub fn start(&mut self, machines: impl IntoIterator<Item = (NodeId, M)>) {
        for (id, machine) in machines {
            let node = Node {
                machine,
                timers: BTreeMap::new(),
                next_ticket: Ticket(1),
                durable: Ticket(0),
                held: VecDeque::new(),
                wall_offset: Duration::ZERO,
            };
            self.nodes.insert(id, node);
        }
        for id in self.ids() {
            self.step(id, Input::Start { saved: Vec::new() });
        }
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub fn machine(&self, id: NodeId) -> &M {
        &self.nodes[&id].machine
    }

    pub fn set_wall_offset(&mut self, id: NodeId, offset: Duration) {
        self.nodes.get_mut(&id).expect("a node of the network").wall_offset = offset;
    }

    pub fn step(&mut self, id: NodeId, input: Input<M>) {
        let node = self.nodes.get_mut(&id).expect("a node of the network");
        let wall = Wall { since_epoch: self.now.since_start() + node.wall_offset, error: Duration::ZERO };
        let cx = Context { me: id, now: self.now, wall, credit: &Unlimited };
        let mut buffer = Buffer::new(self.draw.clone(), node.next_ticket);
        node.machine.step(&cx, input, &mut buffer.effects());
        node.next_ticket = buffer.next_ticket();
        self.draw = buffer.choices.clone();
        for effect in std::mem::take(&mut buffer.effects) {
            self.act(id, effect);
        }
        if self.sync_at_once {
            self.sync(id);
        }
    }

    fn act(&mut self, id: NodeId, effect: Effect<M>) {
        let node = self.nodes.get_mut(&id).expect("a node of the network");
        match effect {
            Effect::Send { to, message, after } => {
                self.sends += 1;
                let flight = Flight { id: self.sends, from: id, to, message };
                self.seen.push(Seen::Sent(flight.clone()));
                match after.filter(|ticket| *ticket > node.durable) {
                    Some(ticket) => node.held.push_back((ticket, flight)),
                    None => self.flights.push(flight),
                }
            }
            Effect::Reply { id: request, reply, .. } => self.seen.push(Seen::Replied(id, request, reply)),
            Effect::Emit(event) => self.seen.push(Seen::Told(id, event)),
            Effect::Arm { timer, least, most } => {
                let width = (most - least).as_nanos() as u64;
                let after = least + Duration::from_nanos(self.draw.below(width + 1));
                node.timers.insert(timer, self.now + after);
            }
            Effect::Disarm(timer) => {
                node.timers.remove(&timer);
            }
            Effect::Note { name, value } => self.seen.push(Seen::Noted(id, name, value)),
            Effect::Write { .. } | Effect::Forget { .. } | Effect::Work(_) => {}
        }
    }

    /// Makes everything written at a node durable: what waited for it leaves.
    pub fn sync(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the network");
        let last = Ticket(node.next_ticket.0 - 1);
        if last <= node.durable {
            return;
        }
        node.durable = last;
        self.flights.extend(node.held.drain(..).map(|(_, flight)| flight));
        self.step(id, Input::Durable(last));
    }

    /// Delivers the message at that place among those under way.
    pub fn deliver(&mut self, place: usize) -> Flight<M::Message> {
        let flight = self.flights.remove(place);
        self.step(flight.to, Input::Receive { from: flight.from, message: flight.message.clone() });
        flight
    }

    /// The oldest message of each channel, by its place.
    pub fn heads(&self) -> Vec<usize> {
        let mut heads = BTreeMap::new();
        for (place, flight) in self.flights.iter().enumerate() {
            heads.entry((flight.from, flight.to)).or_insert(place);
        }
        heads.into_values().collect()
    }

    /// The armed timers with their moments, earliest first.
    pub fn timers(&self) -> Vec<(Mono, NodeId, M::Timer)> {
        let of_node = |(id, node): (&NodeId, &Node<M>)| {
            let id = *id;
            node.timers.clone().into_iter().map(move |(timer, at)| (at, id, timer))
        };
        let mut timers: Vec<_> = self.nodes.iter().flat_map(of_node).collect();
        timers.sort();
        timers
    }

    /// Lets time pass until that timer is due, and fires it.
    pub fn fire(&mut self, id: NodeId, timer: M::Timer) -> bool {
        let node = self.nodes.get_mut(&id).expect("a node of the network");
        let Some(at) = node.timers.remove(&timer) else { return false };
        self.now = self.now.max(at);
        self.step(id, Input::Fire(timer));
        true
    }
}
