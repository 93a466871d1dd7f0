//! A little world for machines in tests: one agenda, delays from a seed, nodes that crash and come back knowing what was durable. Everything written is durable at once.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::*;

/// A message under way.
#[derive(Debug, Clone)]
pub struct Flight<M: Machine> {
    pub from: NodeId,
    pub to: NodeId,
    pub message: M::Message,
}

enum Event<M: Machine> {
    Arrive(Flight<M>),
    Fire { node: NodeId, life: u64, timer: M::Timer, armed: u64 },
}

struct Node<M: Machine> {
    machine: Option<M>,
    life: u64,
    saved: Vec<M::Write>,
    armed: BTreeMap<M::Timer, u64>,
}

/// Nodes, and what is under way between them.
pub struct World<M: Machine> {
    pub now: Duration,
    /// Shortest and longest delay of a message.
    pub delay: (Duration, Duration),
    /// Answers to commands, in order.
    pub replies: Vec<(Duration, NodeId, RequestId, M::Reply)>,
    pub events: Vec<(NodeId, M::Event)>,
    /// Messages delivered so far.
    pub delivered: u64,
    nodes: BTreeMap<NodeId, Node<M>>,
    agenda: BTreeMap<(Duration, u64), Event<M>>,
    sequence: u64,
    requests: u64,
    random: Random,
}

/// A generator whose numbers are the same for ever: a counter through a mixing function.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 += 1;
        synod_protocols::position::of_numbers(self.0, 0, 0) % limit
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

impl Choices for Random {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        self.below(options.into()) as u32
    }

    fn entropy(&mut self) -> u64 {
        self.below(u64::MAX)
    }
}

impl<M: Machine> World<M> {
    pub fn new(seed: u64) -> Self {
        World {
            now: Duration::ZERO,
            delay: (Duration::from_micros(500), Duration::from_micros(4_000)),
            replies: Vec::new(),
            events: Vec::new(),
            delivered: 0,
            nodes: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            requests: 0,
            random: Random(seed.wrapping_mul(1_000_003)),
        }
    }

    /// Starts a node, with what its former life left.
    pub fn start(&mut self, id: NodeId, machine: M) {
        let empty = || Node { machine: None, life: 0, saved: Vec::new(), armed: BTreeMap::new() };
        let node = self.nodes.entry(id).or_insert_with(empty);
        (node.machine, node.life) = (Some(machine), node.life + 1);
        let saved = node.saved.clone();
        self.step(id, Input::Start { saved });
    }

    pub fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node that was started");
        node.machine = None;
        node.armed.clear();
    }

    pub fn machine(&self, id: NodeId) -> Option<&M> {
        self.nodes.get(&id)?.machine.as_ref()
    }

    pub fn machines(&self) -> impl Iterator<Item = (NodeId, &M)> {
        self.nodes.iter().filter_map(|(id, node)| Some((*id, node.machine.as_ref()?)))
    }

    pub fn command(&mut self, id: NodeId, command: M::Command) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.step(id, Input::Command { id: request, command });
        request
    }

    /// The answer to a command, if it came.
    pub fn reply(&self, request: RequestId) -> Option<&M::Reply> {
        self.replies.iter().find(|(_, _, id, _)| *id == request).map(|(_, _, _, reply)| reply)
    }

    /// Lets the next thing happen; gives the message, if it was one that arrived.
    pub fn next(&mut self) -> Option<Option<Flight<M>>> {
        let ((at, _), event) = self.agenda.pop_first()?;
        self.now = at;
        match event {
            Event::Arrive(flight) => {
                self.delivered += 1;
                let input = Input::Receive { from: flight.from, message: flight.message.clone() };
                self.step(flight.to, input);
                Some(Some(flight))
            }
            Event::Fire { node: id, life, timer, armed } => {
                let node = self.nodes.get_mut(&id)?;
                if node.life == life && node.armed.get(&timer) == Some(&armed) {
                    node.armed.remove(&timer);
                    self.step(id, Input::Fire(timer));
                }
                Some(None)
            }
        }
    }

    /// Runs for a while; `watch` sees the world after every event.
    pub fn run(&mut self, time: Duration, mut watch: impl FnMut(&Self)) {
        let end = self.now + time;
        while self.agenda.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.next();
            watch(self);
        }
        self.now = end;
    }

    fn step(&mut self, id: NodeId, input: Input<M>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(machine) = &mut node.machine else { return };
        let mut buffer = Buffer::new(self.random.clone(), Ticket(node.saved.len() as u64 + 1));
        let context = Context::at(id, Mono::from_start(self.now));
        machine.step(&context, input, &mut buffer.effects());
        self.random = buffer.choices.clone();
        let effects = std::mem::take(&mut buffer.effects);
        let mut durable = None;
        for effect in effects {
            durable = durable.max(self.act(id, effect));
        }
        if let Some(ticket) = durable {
            self.step(id, Input::Durable(ticket));
        }
    }

    fn act(&mut self, id: NodeId, effect: Effect<M>) -> Option<Ticket> {
        let node = self.nodes.get_mut(&id).expect("a node that made a step");
        self.sequence += 1;
        match effect {
            Effect::Send { to, message, .. } => {
                let (least, most) = self.delay;
                let delay =
                    least + Duration::from_nanos(self.random.below((most - least).as_nanos() as u64 + 1));
                let flight = Flight { from: id, to, message };
                self.agenda.insert((self.now + delay, self.sequence), Event::Arrive(flight));
            }
            Effect::Reply { id: request, reply, .. } => self.replies.push((self.now, id, request, reply)),
            Effect::Emit(event) => self.events.push((id, event)),
            Effect::Arm { timer, least, most } => {
                let delay =
                    least + Duration::from_nanos(self.random.below((most - least).as_nanos() as u64 + 1));
                node.armed.insert(timer.clone(), self.sequence);
                let event = Event::Fire { node: id, life: node.life, timer, armed: self.sequence };
                self.agenda.insert((self.now + delay, self.sequence), event);
            }
            Effect::Disarm(timer) => {
                node.armed.remove(&timer);
            }
            Effect::Write { ticket, write } => {
                node.saved.push(write);
                return Some(ticket);
            }
            Effect::Forget { .. } | Effect::Work(_) | Effect::Note { .. } => {}
        }
        None
    }
}
