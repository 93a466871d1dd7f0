//! A small group in memory, stepped by hand or by a seed: network, disks, crashes. The tests' own world; it depends on nothing but the contract.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use synod_machine::*;
use synod_protocols::failure::swim::invariants::History;
use synod_protocols::failure::swim::*;

/// A message under way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub from: NodeId,
    pub to: NodeId,
    pub message: Message,
}

/// Replies and events, for scripts to show.
#[derive(Clone, Debug)]
pub enum Seen {
    Reply(NodeId, Reply),
    Event(NodeId, Event),
}

/// Choices as set; when none is left, the first option. Entropy differs by life.
#[derive(Clone, Debug, Default)]
pub struct Lots {
    pub next: VecDeque<u32>,
    pub random: Option<u64>,
    entropy: u64,
}

impl Lots {
    /// Choices and numbers that follow from a seed.
    pub fn seeded(seed: u64) -> Self {
        Lots { next: VecDeque::new(), random: Some(seed), entropy: seed }
    }

    fn bits(&mut self) -> u64 {
        // SplitMix64.
        self.entropy = self.entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.entropy ^ (self.entropy >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}

impl Choices for Lots {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        match self.random {
            Some(_) => (self.bits() % u64::from(options)) as u32,
            None => self.next.pop_front().unwrap_or(0).min(options - 1),
        }
    }
    fn entropy(&mut self) -> u64 {
        self.bits()
    }
}

pub struct Node {
    pub swim: Option<Swim>,
    pub config: Config,
    pub table: Vec<NodeId>,
    pub seeds: Vec<NodeId>,
    pub timers: BTreeMap<Timer, (Mono, Mono)>,
    pub writes: Vec<(Ticket, Write)>,
    pub lots: Lots,
    pub lives: u64,
}

/// The group and what is under way.
pub struct Group {
    pub nodes: BTreeMap<NodeId, Node>,
    pub network: VecDeque<Flight>,
    pub mute: BTreeSet<NodeId>,
    pub now: Mono,
    pub seen: Vec<Seen>,
    pub history: History,
    pub violation: Option<String>,
    pub seed: Option<u64>,
    requests: u64,
}

impl Group {
    pub fn new(seed: Option<u64>) -> Self {
        Group {
            nodes: BTreeMap::new(),
            network: VecDeque::new(),
            mute: BTreeSet::new(),
            now: Mono::ZERO,
            seen: Vec::new(),
            history: History::default(),
            violation: None,
            seed,
            requests: 0,
        }
    }

    /// A node that knows those in `table`, up.
    pub fn add(&mut self, id: NodeId, config: Config, table: Vec<NodeId>, seeds: Vec<NodeId>) {
        let node = Node {
            swim: None,
            config,
            table,
            seeds,
            timers: BTreeMap::new(),
            writes: Vec::new(),
            lots: Lots::default(),
            lives: 0,
        };
        self.nodes.insert(id, node);
        self.start(id);
    }

    /// Boots a node from its disk; the disk confirms every write as soon as it is made.
    pub fn start(&mut self, id: NodeId) {
        let random = self.seed;
        let node = self.nodes.get_mut(&id).expect("a node of the group");
        node.lives += 1;
        let entropy = random.unwrap_or(0) ^ (id.0 << 32) ^ node.lives;
        node.lots = Lots { next: VecDeque::new(), random, entropy };
        let table = Table::new(node.table.iter().map(|known| Member::new(*known)).collect());
        node.swim = Some(Swim::new(id, node.config.clone(), table, node.seeds.clone()));
        let saved = node.writes.iter().map(|(_, write)| *write).collect();
        self.history.restarted(id);
        self.step(id, Input::Start { saved });
    }

    pub fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the group");
        node.swim = None;
        node.timers.clear();
    }

    pub fn command(&mut self, id: NodeId, command: Command) {
        self.requests += 1;
        self.step(id, Input::Command { id: RequestId(self.requests), command });
    }

    pub fn step(&mut self, id: NodeId, input: Input<Swim>) {
        let node = self.nodes.get_mut(&id).expect("a node of the group");
        let Some(swim) = &mut node.swim else { return };
        let next = Ticket(node.writes.last().map_or(0, |(ticket, _)| ticket.0) + 1);
        let mut buffer = Buffer::new(std::mem::take(&mut node.lots), next);
        swim.step(&Context::at(id, self.now), input, &mut buffer.effects());
        node.lots = buffer.choices;
        let mut durable = None;
        for effect in buffer.effects {
            match effect {
                Effect::Send { to, message, .. } => self.network.push_back(Flight { from: id, to, message }),
                Effect::Reply { reply, .. } => self.seen.push(Seen::Reply(id, reply)),
                Effect::Emit(event) => self.seen.push(Seen::Event(id, event)),
                Effect::Arm { timer, least, most } => {
                    node.timers.insert(timer, (self.now + least, self.now + most));
                }
                Effect::Disarm(timer) => {
                    node.timers.remove(&timer);
                }
                Effect::Write { ticket, write } => {
                    node.writes.push((ticket, write));
                    durable = Some(ticket);
                }
                Effect::Forget { before } => node.writes.retain(|(ticket, _)| *ticket >= before),
                Effect::Work(never) => match never {},
                Effect::Note { .. } => {}
            }
        }
        if self.violation.is_none()
            && let Err((property, sentence)) = self.history.observe(swim)
        {
            self.violation = Some(format!("{property}: {sentence}"));
        }
        if let Some(ticket) = durable {
            self.step(id, Input::Durable(ticket));
        }
    }

    /// A timer passes, if it is armed; its time comes to be now at the earliest.
    pub fn fire(&mut self, id: NodeId, timer: Timer) -> bool {
        let node = self.nodes.get_mut(&id).expect("a node of the group");
        let Some((least, _)) = node.timers.remove(&timer) else { return false };
        self.now = self.now.max(least);
        self.step(id, Input::Fire(timer));
        true
    }

    /// The timer that is due first: by its latest moment, so that ranges keep their order.
    pub fn next_timer(&self) -> Option<(Mono, NodeId, Timer)> {
        let all = self.nodes.iter().flat_map(|(id, node)| {
            node.timers.iter().map(|(timer, (least, most))| (*least + (*most - *least) / 2, *id, *timer))
        });
        all.min()
    }

    /// Takes the message at that place to its receiver. Whether it got there.
    pub fn deliver(&mut self, place: usize) -> Option<(Flight, bool)> {
        let flight = self.network.remove(place)?;
        let is_up = self.nodes.get(&flight.to).is_some_and(|node| node.swim.is_some());
        let arrives = is_up && !self.mute.contains(&flight.to) && !self.mute.contains(&flight.from);
        if arrives {
            let Flight { from, to, message } = flight.clone();
            self.step(to, Input::Receive { from, message });
        }
        Some((flight, arrives))
    }

    /// Time passes: timers fire, and messages arrive at once or, at these odds in 100, never.
    pub fn pass(&mut self, duration: Duration, lost_percent: u64, draw: &mut Lots) {
        let end = self.now + duration;
        loop {
            while !self.network.is_empty() {
                let place = (draw.bits() % self.network.len() as u64) as usize;
                if draw.bits() % 100 < lost_percent {
                    self.network.remove(place);
                } else {
                    self.deliver(place);
                }
            }
            match self.next_timer() {
                Some((at, id, timer)) if at <= end => {
                    self.now = self.now.max(at);
                    let node = self.nodes.get_mut(&id).expect("it has the timer");
                    node.timers.remove(&timer);
                    self.step(id, Input::Fire(timer));
                }
                _ => break,
            }
        }
        self.now = end;
    }

    pub fn state(&self, viewer: NodeId, subject: NodeId) -> Option<State> {
        self.nodes[&viewer].swim.as_ref()?.table().get(subject).map(|member| member.state)
    }
}
