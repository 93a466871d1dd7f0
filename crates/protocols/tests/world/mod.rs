//! A few nodes in memory, stepped by hand (golden scripts) or by chance: network, disks, timers, crashes. It depends on nothing but the contract.
#![allow(dead_code)]

pub mod chance;
pub mod script;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use synod_machine::*;

/// How a mechanism is put into words, and steered by them.
pub trait Words: Machine + Sized {
    /// A message's kind in one word, and what else it says.
    fn message(message: &Self::Message) -> (String, String);
    fn reply(reply: &Self::Reply) -> String;
    fn event(event: &Self::Event) -> String;
    /// A write in the words of the literature.
    fn write(write: &Self::Write) -> String;
    /// The timer of that name.
    fn timer(name: &str) -> Option<Self::Timer>;
    /// The state on one line.
    fn status(&self) -> String;
}

#[derive(Clone, Debug)]
pub struct Flight<T> {
    pub from: NodeId,
    pub to: NodeId,
    pub message: T,
}

enum Held<M: Machine> {
    Send(Flight<M::Message>),
    Reply(RequestId, M::Reply),
}

pub struct Node<M: Machine> {
    pub machine: Option<M>,
    /// What its disk holds, the durable part first.
    pub writes: VecDeque<(Ticket, M::Write)>,
    pub durable: Ticket,
    pub timers: BTreeSet<M::Timer>,
    held: Vec<(Ticket, Held<M>)>,
    /// `Forget` waits for what was written before it.
    forgetting: Vec<(Ticket, Ticket)>,
    next_ticket: Ticket,
}

/// What a step was, for a judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Goes,
    Begins,
    BeginsOnAnEmptyDisk,
}

/// What a judge says of a node after each of its steps, which asked for these effects.
pub type Judge<M> = Box<dyn FnMut(&M, Life, &[Effect<M>]) -> Result<(), String>>;

pub struct World<M: Words> {
    pub nodes: BTreeMap<NodeId, Node<M>>,
    boot: Box<dyn Fn(NodeId) -> M>,
    judge: Judge<M>,
    pub network: VecDeque<Flight<M::Message>>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Disks confirm writes as soon as they are made.
    pub sync_at_once: bool,
    /// Whether writes are told of.
    pub tell_writes: bool,
    /// What happened since it was last read, a line each.
    pub told: Vec<String>,
    pub violation: Option<String>,
    pub replies: Vec<(NodeId, RequestId, M::Reply)>,
    pub sent: u64,
    pub written: u64,
    /// Writes that something waited for: forced ones.
    pub forced: BTreeSet<(NodeId, Ticket)>,
    requests: u64,
    now: Mono,
}

impl<M: Words> World<M> {
    pub fn new(
        nodes: impl IntoIterator<Item = NodeId>,
        boot: impl Fn(NodeId) -> M + 'static,
        judge: Judge<M>,
    ) -> Self {
        let mut world = World {
            nodes: BTreeMap::new(),
            boot: Box::new(boot),
            judge,
            network: VecDeque::new(),
            cut: BTreeSet::new(),
            sync_at_once: true,
            tell_writes: false,
            told: Vec::new(),
            violation: None,
            replies: Vec::new(),
            sent: 0,
            written: 0,
            forced: BTreeSet::new(),
            requests: 0,
            now: Mono::ZERO,
        };
        for id in nodes {
            let node = Node {
                machine: None,
                writes: VecDeque::new(),
                durable: Ticket(0),
                timers: BTreeSet::new(),
                held: Vec::new(),
                forgetting: Vec::new(),
                next_ticket: Ticket(1),
            };
            world.nodes.insert(id, node);
            world.start(id);
        }
        world
    }

    pub fn machine(&self, id: NodeId) -> Option<&M> {
        self.nodes.get(&id)?.machine.as_ref()
    }

    fn node(&mut self, id: NodeId) -> &mut Node<M> {
        self.nodes.get_mut(&id).expect("a node of this world")
    }

    /// Boots a node from its disk.
    pub fn start(&mut self, id: NodeId) {
        let machine = (self.boot)(id);
        let node = self.node(id);
        node.machine = Some(machine);
        let saved = node.writes.iter().map(|(_, write)| write.clone()).collect();
        self.step(id, Input::Start { saved });
    }

    /// Kills a node: all is lost but what was durable, and `keep` writes more.
    pub fn crash(&mut self, id: NodeId, keep: usize) {
        let node = self.node(id);
        node.machine = None;
        node.timers.clear();
        node.held.clear();
        node.forgetting.clear();
        let durable = node.durable;
        let kept = node.writes.iter().filter(|(ticket, _)| *ticket <= durable).count() + keep;
        node.writes.truncate(kept);
        if let Some((ticket, _)) = node.writes.back() {
            node.durable = node.durable.max(*ticket);
        }
        node.next_ticket = Ticket(node.durable.0 + 1);
    }

    /// As a crash, and the disk is lost as well.
    pub fn wipe(&mut self, id: NodeId) {
        self.crash(id, 0);
        self.node(id).writes.clear();
    }

    pub fn ask(&mut self, id: NodeId, command: M::Command) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.step(id, Input::Command { id: request, command });
        request
    }

    pub fn step(&mut self, id: NodeId, input: Input<M>) {
        let life = match &input {
            Input::Start { saved } if saved.is_empty() => Life::BeginsOnAnEmptyDisk,
            Input::Start { .. } => Life::Begins,
            _ => Life::Goes,
        };
        let cx = Context::at(id, self.now);
        let node = self.nodes.get_mut(&id).expect("a node of this world");
        let Some(machine) = &mut node.machine else { return };
        let mut buffer = Buffer::new(First, node.next_ticket);
        machine.step(&cx, input, &mut buffer.effects());
        node.next_ticket = buffer.next_ticket();
        if let Err(sentence) = (self.judge)(machine, life, &buffer.effects) {
            self.violation.get_or_insert(sentence);
        }
        for effect in std::mem::take(&mut buffer.effects) {
            self.act(id, effect);
        }
        if self.sync_at_once {
            self.sync(id);
        }
    }

    fn act(&mut self, id: NodeId, effect: Effect<M>) {
        if let Effect::Send { after: Some(ticket), .. } | Effect::Reply { after: Some(ticket), .. } = &effect
        {
            self.forced.insert((id, *ticket));
        }
        let node = self.nodes.get_mut(&id).expect("a node of this world");
        let waits = |after: Option<Ticket>, durable: Ticket| after.filter(|ticket| *ticket > durable);
        match effect {
            Effect::Send { to, message, after } => {
                let flight = Flight { from: id, to, message };
                match waits(after, node.durable) {
                    Some(ticket) => node.held.push((ticket, Held::Send(flight))),
                    None => self.depart(flight),
                }
            }
            Effect::Reply { id: request, reply, after } => match waits(after, node.durable) {
                Some(ticket) => node.held.push((ticket, Held::Reply(request, reply))),
                None => self.answer(id, request, reply),
            },
            Effect::Emit(event) => self.told.push(format!("{id} {}", M::event(&event))),
            Effect::Arm { timer, .. } => {
                node.timers.insert(timer);
            }
            Effect::Disarm(timer) => {
                node.timers.remove(&timer);
            }
            Effect::Write { ticket, write } => {
                if self.tell_writes {
                    self.told.push(format!("{id} writes {}", M::write(&write)));
                }
                node.writes.push_back((ticket, write));
                self.written += 1;
            }
            Effect::Forget { before } => {
                let newest = node.writes.back().map_or(node.durable, |(ticket, _)| *ticket);
                node.forgetting.push((newest, before));
                node.forget();
            }
            Effect::Work(_) => unreachable!("no mechanism of these tests has a worker"),
            Effect::Note { .. } => {}
        }
    }

    fn depart(&mut self, flight: Flight<M::Message>) {
        self.sent += 1;
        self.network.push_back(flight);
    }

    fn answer(&mut self, id: NodeId, request: RequestId, reply: M::Reply) {
        self.told.push(format!("{id} answers request {}: {}", request.0, M::reply(&reply)));
        self.replies.push((id, request, reply));
    }

    /// Makes everything written at a node durable.
    pub fn sync(&mut self, id: NodeId) -> bool {
        let node = self.node(id);
        let Some(ticket) = node.writes.back().map(|(ticket, _)| *ticket) else { return false };
        if ticket <= node.durable || node.machine.is_none() {
            return false;
        }
        node.durable = ticket;
        node.forget();
        for (_, held) in std::mem::take(&mut node.held) {
            match held {
                Held::Send(flight) => self.depart(flight),
                Held::Reply(request, reply) => self.answer(id, request, reply),
            }
        }
        self.step(id, Input::Durable(ticket));
        true
    }

    /// Takes a message off the network, unless a cut stops it.
    pub fn receive(&mut self, flight: Flight<M::Message>) -> bool {
        let Flight { from, to, message } = flight;
        if self.cut.contains(&(from, to)) || self.machine(to).is_none() {
            return false;
        }
        self.step(to, Input::Receive { from, message });
        true
    }

    /// Fires a timer; no if it is not armed.
    pub fn fire(&mut self, id: NodeId, timer: M::Timer) -> bool {
        if !self.node(id).timers.remove(&timer) {
            return false;
        }
        self.step(id, Input::Fire(timer));
        true
    }
}

impl<M: Machine> Node<M> {
    fn forget(&mut self) {
        let durable = self.durable;
        for (_, before) in self.forgetting.extract_if(.., |(after, _)| *after <= durable) {
            self.writes.retain(|(ticket, _)| *ticket >= before);
        }
    }
}
