//! A lean driver of Raft for experiments of many elections: time, messages with a delay, deadlines. Disks take no time, nothing is lost, and dead nodes are nodes that
//! were never started. The machines are those of the full simulator and of the server.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Buffer, Context, Effect, First, Input, Machine, Mono, NodeId, RequestId, Ticket};
use synod_protocols::consensus::raft::{
    Command, Config, Configuration, Event, Index, Message, Raft, Reply, Role, SnapshotPoint, Term, Timer,
    Write,
};
use synod_sim::Stream;

/// What is due.
#[derive(Debug)]
enum Due {
    Arrival {
        from: NodeId,
        to: NodeId,
        message: Message,
    },
    /// Only if the deadline was not set anew since.
    Deadline {
        node: NodeId,
        timer: Timer,
        set: u64,
    },
}

/// A leader, and when it won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// Who.
    pub leader: NodeId,
    /// When.
    pub at: Duration,
    /// In which term.
    pub term: Term,
}

/// A group in time.
pub struct Clockwork<'a> {
    nodes: BTreeMap<NodeId, (Raft, Ticket)>,
    agenda: BTreeMap<(Duration, u64), Due>,
    armed: BTreeMap<(NodeId, Timer), u64>,
    counter: u64,
    now: Duration,
    latency: &'a dyn Fn(&Message, &mut Stream) -> Duration,
    stream: &'a mut Stream,
    /// The last election won.
    pub won: Option<Won>,
    /// Messages sent, by kind.
    pub sent: BTreeMap<&'static str, u64>,
    /// When the leader proposed each entry of a client, and when it knew it committed.
    pub proposed: BTreeMap<Index, Duration>,
    pub committed: BTreeMap<Index, Duration>,
}

impl<'a> Clockwork<'a> {
    /// The `alive` of a group of `servers`; each begins with what `saved` gives it, at time zero.
    pub fn new(
        servers: u64,
        alive: impl IntoIterator<Item = NodeId>,
        config: &Config,
        saved: impl Fn(NodeId) -> Vec<Write>,
        latency: &'a dyn Fn(&Message, &mut Stream) -> Duration,
        stream: &'a mut Stream,
    ) -> Self {
        let configuration = Configuration::of((1..=servers).map(NodeId));
        let point = SnapshotPoint { configuration, ..SnapshotPoint::default() };
        let mut work = Clockwork {
            nodes: BTreeMap::new(),
            agenda: BTreeMap::new(),
            armed: BTreeMap::new(),
            counter: 0,
            now: Duration::ZERO,
            latency,
            stream,
            won: None,
            sent: BTreeMap::new(),
            proposed: BTreeMap::new(),
            committed: BTreeMap::new(),
        };
        for node in alive {
            let saved = saved(node);
            let next = Ticket(1 + saved.len() as u64);
            work.nodes.insert(node, (Raft::new(node, config.clone(), point.clone()), next));
            work.step(node, Input::Start { saved });
        }
        work
    }

    /// Lets time pass until `done`, or nothing is due, or `most` is over; whether it was done.
    pub fn run(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        while !done(self) {
            let Some(((at, _), due)) = self.agenda.pop_first() else { return false };
            if at > most {
                return false;
            }
            self.now = at;
            match due {
                Due::Arrival { from, to, message } => self.step(to, Input::Receive { from, message }),
                Due::Deadline { node, timer, set } if self.armed.get(&(node, timer)) == Some(&set) => {
                    self.armed.remove(&(node, timer));
                    self.step(node, Input::Fire(timer));
                }
                Due::Deadline { .. } => {}
            }
        }
        true
    }

    /// The highest term that anybody is in.
    pub fn term(&self) -> Term {
        self.nodes.values().map(|(raft, _)| raft.term()).max().unwrap_or_default()
    }

    /// The moment.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// A client asks the leader to append something.
    pub fn propose(&mut self) {
        if let Some(Won { leader, .. }) = self.won {
            let command = Command::Propose(Bytes::from_static(b"x=5"));
            self.step(leader, Input::Command { id: RequestId(1), command });
        }
    }

    fn step(&mut self, node: NodeId, input: Input<Raft>) {
        let Some((raft, next)) = self.nodes.get_mut(&node) else { return };
        let cx = Context::at(node, Mono::from_start(self.now));
        let mut buffer = Buffer::new(First, *next);
        raft.step(&cx, input, &mut buffer.effects());
        let wrote = buffer.next_ticket() > *next;
        *next = buffer.next_ticket();
        let last = Ticket(next.0 - 1);
        for effect in buffer.effects {
            self.act(node, effect);
        }
        if wrote {
            self.step(node, Input::Durable(last));
        }
    }

    fn act(&mut self, node: NodeId, effect: Effect<Raft>) {
        match effect {
            Effect::Send { to, message, .. } => {
                *self.sent.entry(message.name()).or_default() += 1;
                let at = self.now + (self.latency)(&message, self.stream);
                self.put(at, Due::Arrival { from: node, to, message });
            }
            Effect::Arm { timer, least, most } => {
                let at = self.now + self.stream.duration(least, most);
                let set = self.put(at, Due::Deadline { node, timer, set: self.counter });
                self.armed.insert((node, timer), set);
            }
            Effect::Disarm(timer) => {
                self.armed.remove(&(node, timer));
            }
            Effect::Emit(Event::Role { role: Role::Leader, term, .. }) => {
                self.won = Some(Won { leader: node, at: self.now, term });
            }
            Effect::Emit(Event::Committed(entries)) if self.won.is_some_and(|won| won.leader == node) => {
                for entry in entries {
                    self.committed.insert(entry.index, self.now);
                }
            }
            Effect::Reply { reply: Reply::Proposed { index, .. }, .. } => {
                self.proposed.insert(index, self.now);
            }
            _ => {}
        }
    }

    fn put(&mut self, at: Duration, due: Due) -> u64 {
        let number = self.counter;
        self.counter += 1;
        self.agenda.insert((at, number), due);
        number
    }
}
