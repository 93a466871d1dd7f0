//! A small cluster in memory, stepped by hand or by a seed: network, disks, state machines, crashes. The tests' own world; it
//! depends on nothing but the contract.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use synod_machine::*;
use synod_protocols::consensus::raft::invariants::History;
use synod_protocols::consensus::raft::*;

/// A message under way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub from: NodeId,
    pub to: NodeId,
    pub message: Message,
}

/// The state machine and its snapshots, in place of a worker.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub point: SnapshotPoint,
    pub commands: Vec<Bytes>,
    /// Pieces of a snapshot coming in.
    partial: Vec<Bytes>,
    /// The next piece that comes in is found to be damaged.
    pub spoils_next: bool,
}

/// What a node's disk holds.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub writes: VecDeque<(Ticket, Write)>,
    pub durable: Ticket,
    pub machine: Replica,
}

/// Replies and events, for scripts to show.
#[derive(Clone, Debug)]
pub enum Seen {
    Reply(NodeId, RequestId, Reply),
    Event(NodeId, Event),
    Note(NodeId, &'static str, u64),
}

pub struct Node {
    pub raft: Option<Raft>,
    pub disk: Disk,
    pub machine: Replica,
    pub config: Config,
    pub timers: BTreeMap<Timer, (Mono, Mono)>,
    pub held: Vec<(Ticket, Held)>,
    pub jobs: VecDeque<Job>,
    pub snapshots: BTreeMap<NodeId, Replica>,
    pub next_ticket: Ticket,
    pub lives: u64,
}

pub enum Held {
    Send(Flight),
    Reply(RequestId, Reply),
}

/// Choices: entropy differs by life, lots are the driver's.
struct Lives(u64);
impl Choices for Lives {
    fn choose(&mut self, _: &'static str, _: u32) -> u32 {
        0
    }
    fn entropy(&mut self) -> u64 {
        self.0 << 32
    }
}

pub struct Cluster {
    pub nodes: BTreeMap<NodeId, Node>,
    pub network: VecDeque<Flight>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub now: Mono,
    pub seen: Vec<Seen>,
    /// The disk confirms a write as soon as it is made.
    pub sync_at_once: bool,
    /// Jobs are done as soon as they are given.
    pub work_at_once: bool,
    pub history: History,
    pub violation: Option<String>,
    pub chunk_commands: usize,
    pub credit_bytes: usize,
    pub notes: BTreeMap<&'static str, u64>,
    busy: bool,
}

struct Bounded(usize);
impl Credit for Bounded {
    fn bytes(&self, _: NodeId) -> usize {
        self.0
    }
}

impl Cluster {
    pub fn new() -> Self {
        Cluster {
            nodes: BTreeMap::new(),
            network: VecDeque::new(),
            cut: BTreeSet::new(),
            now: Mono::ZERO,
            seen: Vec::new(),
            sync_at_once: true,
            work_at_once: true,
            history: History::default(),
            violation: None,
            chunk_commands: 2,
            credit_bytes: usize::MAX,
            notes: BTreeMap::new(),
            busy: false,
        }
    }

    pub fn add(&mut self, id: NodeId, config: Config, first: Configuration) {
        let point = SnapshotPoint { configuration: first, ..SnapshotPoint::default() };
        let machine = Replica { point, ..Replica::default() };
        let disk = Disk { machine: machine.clone(), ..Disk::default() };
        let node = Node {
            raft: None,
            disk,
            machine,
            config,
            timers: BTreeMap::new(),
            held: Vec::new(),
            jobs: VecDeque::new(),
            snapshots: BTreeMap::new(),
            next_ticket: Ticket(1),
            lives: 0,
        };
        self.nodes.insert(id, node);
        self.start(id);
    }

    /// Boots a node from its disk.
    pub fn start(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        node.lives += 1;
        node.machine = node.disk.machine.clone();
        node.raft = Some(Raft::new(id, node.config.clone(), node.machine.point.clone()));
        node.next_ticket = node.disk.writes.back().map_or(node.disk.durable, |(ticket, _)| *ticket);
        node.next_ticket.0 += 1;
        let saved = node.disk.writes.iter().map(|(_, write)| write.clone()).collect();
        self.history.restarted(id);
        self.step(id, Input::Start { saved });
    }

    /// Stops a node; of the writes that are not durable the first `keep` survive.
    pub fn crash(&mut self, id: NodeId, keep: usize) {
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        node.raft = None;
        node.timers.clear();
        node.held.clear();
        node.jobs.clear();
        node.snapshots.clear();
        let durable = node.disk.durable;
        let kept = node.disk.writes.iter().filter(|(ticket, _)| *ticket <= durable).count() + keep;
        node.disk.writes.truncate(kept);
        if let Some((ticket, _)) = node.disk.writes.back() {
            node.disk.durable = node.disk.durable.max(*ticket);
        }
    }

    /// The state machine is made durable as it stands.
    pub fn persist(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        node.disk.machine = Replica { partial: Vec::new(), ..node.machine.clone() };
    }

    /// Persists the state machine and lets the log be cut.
    pub fn compact(&mut self, id: NodeId) {
        self.persist(id);
        let point = self.nodes[&id].disk.machine.point.clone();
        self.step(id, Input::Command { id: RequestId(0), command: Command::Compact(point) });
    }

    pub fn raft(&self, id: NodeId) -> Option<&Raft> {
        self.nodes.get(&id).and_then(|node| node.raft.as_ref())
    }

    pub fn leader(&self) -> Option<NodeId> {
        let leaders = self.nodes.values().filter_map(|node| node.raft.as_ref());
        leaders.filter(|raft| raft.role() == Role::Leader).max_by_key(|raft| raft.term()).map(Raft::id)
    }

    pub fn step(&mut self, id: NodeId, input: Input<Raft>) {
        self.with(id, |raft, cx, fx| raft.step(cx, input, fx));
    }

    /// Writes everything that a node's next start needs anew.
    pub fn renew(&mut self, id: NodeId) {
        self.with(id, |raft, _, fx| raft.renew(fx));
    }

    /// Gives a node a past: it comes back with these entries of these terms, having voted for nobody in the last of them or in `term`.
    pub fn remember(&mut self, id: NodeId, terms: &[u64], term: u64) {
        self.crash(id, 0);
        let entry = |(place, term): (usize, &u64)| Entry {
            term: Term(*term),
            index: Index(place as u64 + 1),
            payload: Payload::Noop,
        };
        let entries: Vec<Entry> = terms.iter().enumerate().map(entry).collect();
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        let vote = Write::Vote { term: Term(term), vote: None };
        node.disk.writes = [(Ticket(1), vote), (Ticket(2), Write::Append(entries))].into();
        node.disk.durable = Ticket(2);
        self.start(id);
    }

    fn with(&mut self, id: NodeId, act: impl FnOnce(&mut Raft, &Context<'_>, &mut Effects<'_, Raft>)) {
        let credit = Bounded(self.credit_bytes);
        let cx = Context { me: id, now: self.now, wall: Wall::default(), credit: &credit };
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(raft) = &mut node.raft else { return };
        let mut buffer = Buffer::new(Lives(node.lives), node.next_ticket);
        act(raft, &cx, &mut buffer.effects());
        node.next_ticket = buffer.next_ticket();
        let effects = std::mem::take(&mut buffer.effects);
        for effect in effects {
            self.act(id, effect);
        }
        self.check();
        self.settle();
    }

    /// The disk and the worker do at once what they are to do at once.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.busy, true) {
            return;
        }
        loop {
            let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
            let mut acted = false;
            for id in ids {
                if self.sync_at_once {
                    acted |= self.sync(id);
                }
                if self.work_at_once {
                    acted |= self.work(id);
                }
            }
            if !acted {
                break;
            }
        }
        self.busy = false;
    }

    fn check(&mut self) {
        let views: Vec<(NodeId, &Raft)> =
            self.nodes.iter().filter_map(|(id, node)| node.raft.as_ref().map(|raft| (*id, raft))).collect();
        if self.violation.is_none()
            && let Err(sentence) = self.history.check(&views)
        {
            self.violation = Some(sentence);
        }
    }

    fn act(&mut self, id: NodeId, effect: Effect<Raft>) {
        let now = self.now;
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        match effect {
            Effect::Send { to, message, after } => {
                let flight = Flight { from: id, to, message };
                match after.filter(|ticket| *ticket > node.disk.durable) {
                    Some(ticket) => node.held.push((ticket, Held::Send(flight))),
                    None => self.depart(flight),
                }
            }
            Effect::Reply { id: request, reply, after } => {
                match after.filter(|ticket| *ticket > node.disk.durable) {
                    Some(ticket) => node.held.push((ticket, Held::Reply(request, reply))),
                    None => self.seen.push(Seen::Reply(id, request, reply)),
                }
            }
            Effect::Emit(event) => {
                match &event {
                    Event::Committed(entries) => node.apply(entries),
                    Event::Restored(point) => {
                        assert_eq!(*point, node.machine.point, "the state is the snapshot's");
                    }
                    _ => {}
                }
                self.seen.push(Seen::Event(id, event));
            }
            Effect::Arm { timer, least, most } => {
                node.timers.insert(timer, (now + least, now + most));
            }
            Effect::Disarm(timer) => {
                node.timers.remove(&timer);
            }
            Effect::Write { ticket, write } => node.disk.writes.push_back((ticket, write)),
            Effect::Forget { before } => node.disk.writes.retain(|(ticket, _)| *ticket >= before),
            Effect::Work(job) => node.jobs.push_back(job),
            Effect::Note { name, value } => {
                *self.notes.entry(name).or_default() += 1;
                self.seen.push(Seen::Note(id, name, value));
            }
        }
    }

    fn depart(&mut self, flight: Flight) {
        self.network.push_back(flight);
    }

    /// Makes everything written at a node durable.
    pub fn sync(&mut self, id: NodeId) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else { return false };
        let Some((ticket, _)) = node.disk.writes.back() else { return false };
        let ticket = *ticket;
        if ticket <= node.disk.durable || node.raft.is_none() {
            return false;
        }
        node.disk.durable = ticket;
        for (_, held) in std::mem::take(&mut node.held) {
            match held {
                Held::Send(flight) => self.depart(flight),
                Held::Reply(request, reply) => self.seen.push(Seen::Reply(id, request, reply)),
            }
        }
        self.step(id, Input::Durable(ticket));
        true
    }

    /// Does a node's oldest job.
    pub fn work(&mut self, id: NodeId) -> bool {
        let chunk_commands = self.chunk_commands;
        let Some(node) = self.nodes.get_mut(&id) else { return false };
        let Some(job) = node.jobs.pop_front() else { return false };
        if let Some(done) = node.work(job, chunk_commands) {
            self.step(id, Input::Done(done));
        }
        true
    }

    /// Takes a message off the network, unless a cut stops it.
    pub fn receive(&mut self, flight: Flight) -> bool {
        let Flight { from, to, message } = flight;
        if self.cut.contains(&(from, to)) || self.raft(to).is_none() {
            return false;
        }
        self.step(to, Input::Receive { from, message });
        true
    }

    /// Fires the timer with the earliest latest moment, at that moment. For runs without a seed.
    pub fn fire(&mut self, id: NodeId, timer: Timer) -> bool {
        let Some((_, most)) = self.nodes.get_mut(&id).and_then(|node| node.timers.remove(&timer)) else {
            return false;
        };
        self.now = self.now.max(most);
        self.step(id, Input::Fire(timer));
        true
    }

    /// Lets time pass without anything happening.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }
}

impl Node {
    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            let expected = self.machine.point.index.0 + 1;
            assert_eq!(entry.index.0, expected, "entries are reported in order, without gap");
            self.machine.point.index = entry.index;
            self.machine.point.term = entry.term;
            match &entry.payload {
                Payload::Command(bytes) => self.machine.commands.push(bytes.clone()),
                Payload::Configuration(c) => self.machine.point.configuration = c.clone(),
                Payload::Noop => {}
            }
        }
    }

    fn work(&mut self, job: Job, chunk_commands: usize) -> Option<Done> {
        match job {
            Job::Read { peer, point, cursor } => {
                if point.is_none() {
                    self.snapshots.insert(peer, self.machine.clone());
                }
                let known = self.snapshots.get(&peer);
                let Some(snapshot) = known.filter(|s| point.as_ref().is_none_or(|point| *point == s.point))
                else {
                    return Some(Done::Unreadable { peer });
                };
                let place = if cursor.is_empty() { 0 } else { usize::from(cursor[0]) };
                let end = (place + chunk_commands).min(snapshot.commands.len());
                let data: Vec<u8> = snapshot.commands[place..end]
                    .iter()
                    .flat_map(|command| {
                        let mut piece = vec![u8::try_from(command.len()).expect("short commands")];
                        piece.extend_from_slice(command);
                        piece
                    })
                    .collect();
                let next = (end < snapshot.commands.len())
                    .then(|| Bytes::from(vec![u8::try_from(end).expect("few commands")]));
                let point = snapshot.point.clone();
                Some(Done::Read { peer, point, chunk: Chunk { cursor, next, data: data.into() } })
            }
            Job::Release { peer } => {
                self.snapshots.remove(&peer);
                None
            }
            Job::Install { point, chunk, .. } => {
                if std::mem::take(&mut self.machine.spoils_next) {
                    return Some(Done::Uninstallable { point });
                }
                if chunk.cursor.is_empty() {
                    self.machine.partial.clear();
                }
                let mut data = chunk.data;
                while !data.is_empty() {
                    let length = usize::from(data.split_to(1)[0]);
                    self.machine.partial.push(data.split_to(length));
                }
                if chunk.next.is_none() {
                    let commands = std::mem::take(&mut self.machine.partial);
                    self.machine = Replica { point: point.clone(), commands, ..Replica::default() };
                    self.disk.machine = self.machine.clone();
                }
                Some(Done::Installed { point, next: chunk.next })
            }
        }
    }
}
