//! Replicas with clients that read and write a few keys, and what their answers are held to.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_check::format::{Datum, Object};
use synod_check::history::{Client, OperationId};
use synod_check::linearizability::{Limits, Online};
use synod_check::specification::{At, Keyed, Register, RegisterInput, RegisterOutput};
use synod_check::verdict::Verdict;
use synod_machine::{NodeId, RequestId};
use synod_protocols::clocks::{Dot, VersionVector};
use synod_protocols::replication::quorum::{
    Command, Config, Copy, Key, Message, Quorum, Record, Reply, Versions, invariants,
};
use synod_protocols::routing::hash_ring::{self, HashRing, Member};
use synod_sim::{Boot, Clients, Violation};

use crate::chronicle::{Asked as Question, Chronicle};
use crate::entry::{Ensemble, Invariant, Nodes};

/// Clients, each with one request at a time.
const CLIENTS: u64 = 5;
/// A client that has heard nothing for so long goes on: its request may take effect any time or never.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// All replicas of a run with their clients.
#[derive(Debug)]
pub struct Replicas {
    config: Config,
    key_count: u64,
    /// The longest pause of a client between two requests.
    think: Duration,
    ring: HashRing,
    clients: Vec<Session>,
    asked: BTreeMap<RequestId, Asked>,
    register: Judge,
    chronicle: Chronicle,
    keys: BTreeMap<Key, Versioned>,
    writes: u64,
    healed: bool,
    answered_since_heal: u64,
    written: u64,
    read: u64,
    unavailable: u64,
    siblings: u64,
}

type Judge = Online<Keyed<Register<u64>, u64>>;

/// One client.
#[derive(Clone, Debug, Default)]
struct Session {
    /// Its request under way.
    waits_for: Option<RequestId>,
    /// What it has seen of each key.
    seen: BTreeMap<Key, VersionVector>,
    /// Where its next request goes, if it was told.
    sent_to: Option<NodeId>,
    requests: u64,
}

#[derive(Clone, Debug)]
struct Asked {
    client: u64,
    key: Key,
    /// The value, if it is a write.
    value: Option<u64>,
    /// In the checker's history, for registers.
    operation: Option<OperationId>,
    /// Complete writes of the key when it began.
    complete: usize,
}

/// What is known of a key with vectors.
#[derive(Clone, Debug, Default)]
struct Versioned {
    complete: Vec<(Dot, u64)>,
    /// What writers had seen: only that may be replaced.
    replaced: VersionVector,
}

impl Replicas {
    /// So many nodes with this configuration, whose clients use `key_count` keys.
    pub fn new(nodes: u64, config: Config, key_count: u64, think: Duration) -> Self {
        let mut ring = HashRing::new(hash_ring::Config::default());
        for node in 1..=nodes {
            ring.insert(NodeId(node), Member { weight: 1, zone: node });
        }
        Replicas {
            config,
            key_count,
            think,
            ring,
            clients: vec![Session::default(); CLIENTS as usize],
            asked: BTreeMap::new(),
            register: Judge::new(Keyed::new(Register { initial: 0 }), Limits::default()),
            chronicle: Chronicle::new(Object::Register, Some(Datum::Integer(0))),
            keys: BTreeMap::new(),
            writes: 0,
            healed: false,
            answered_since_heal: 0,
            written: 0,
            read: 0,
            unavailable: 0,
            siblings: 0,
        }
    }

    fn has_tags(&self) -> bool {
        self.config.versions == Versions::Tags
    }

    /// What clients do, if they use registers.
    pub fn chronicle(&mut self) -> Result<&mut Chronicle, &'static str> {
        if self.has_tags() {
            return Ok(&mut self.chronicle);
        }
        Err("copies with vectors keep siblings, and no object of synod check has several values at once; \
             --set versions=tags makes registers")
    }

    fn note_question(&mut self, client: u64, id: RequestId, key: Key, value: Option<u64>, at: Duration) {
        if self.has_tags() {
            self.chronicle.asks(at, client, id.0, || Question {
                function: if value.is_some() { "write" } else { "read" },
                key: Some(Datum::Integer(key.0 as i64)),
                value: value.map_or(Datum::Nil, |value| Datum::Integer(value as i64)),
            });
        }
    }

    fn note_answer(&mut self, id: RequestId, reply: &Reply, at: Duration) {
        match reply {
            Reply::Written { .. } => self.chronicle.answers(at, id.0, || Datum::Nil),
            Reply::Values { values, .. } => {
                let value = values.first().map_or(0, number);
                self.chronicle.answers(at, id.0, || Datum::Integer(value as i64));
            }
            Reply::Unavailable => self.chronicle.gives_up(at, id.0),
            Reply::NotAReplica { .. } => self.chronicle.fails(at, id.0),
        }
    }

    fn ask(&mut self, client: u64, clients: &mut Clients<Quorum>) {
        let nodes: Vec<NodeId> = clients.nodes().collect();
        let somewhere = *clients.draw.pick(&nodes);
        let (key, writes) =
            (Key(clients.draw.below(self.key_count)), clients.draw.below(2) == 0 && !self.healed);
        let session = &mut self.clients[client as usize];
        let node = session.sent_to.take().unwrap_or(somewhere);
        let (command, value) = if writes {
            self.writes += 1;
            let seen = session.seen.get(&key).cloned().unwrap_or_default();
            self.keys.entry(key).or_default().replaced.merge(&seen);
            (Command::Write { key, value: Bytes::from(self.writes.to_string()), seen }, Some(self.writes))
        } else {
            (Command::Read { key }, None)
        };
        let operation =
            if self.has_tags() { self.invoke(client, key, value, clients.now().since_start()) } else { None };
        let complete = self.keys.entry(key).or_default().complete.len();
        let id = clients.send(client, node, command);
        self.note_question(client, id, key, value, clients.now().since_start());
        let session = &mut self.clients[client as usize];
        (session.waits_for, session.requests) = (Some(id), session.requests + 1);
        self.asked.insert(id, Asked { client, key, value, operation, complete });
        clients.after(PATIENCE, client + CLIENTS * session.requests);
    }

    fn invoke(&mut self, client: u64, key: Key, value: Option<u64>, at: Duration) -> Option<OperationId> {
        let input = At { key: key.0, input: value.map_or(RegisterInput::Read, RegisterInput::Write) };
        self.register.invoke(Client(client), at, input).ok()
    }

    fn verdict(verdict: Verdict, from: impl IntoIterator<Item = NodeId>) -> Result<(), Violation> {
        match verdict {
            Verdict::Violation(violation) => {
                Err(Violation::new("linearizability", from, violation.to_string()))
            }
            Verdict::Linearizable | Verdict::Unknown(_) => Ok(()),
        }
    }

    /// A register's answer.
    fn judge_register(
        &mut self,
        from: NodeId,
        asked: &Asked,
        reply: &Reply,
        at: Duration,
    ) -> Result<(), Violation> {
        let Some(operation) = asked.operation else { return Ok(()) };
        let outcome = match reply {
            Reply::Written { .. } => self.register.complete(operation, at, RegisterOutput::Written),
            Reply::Values { values, .. } => {
                let value = values.first().map_or(0, number);
                self.register.complete(operation, at, RegisterOutput::Value(value))
            }
            Reply::Unavailable => self.register.abandon(operation),
            Reply::NotAReplica { .. } => self.register.refuse(operation),
        };
        outcome.map_err(|error| Violation::new("linearizability", [from], error.to_string()))?;
        Self::verdict(self.register.verdict(), [from])
    }

    /// An answer with vectors.
    fn judge_vectors(&mut self, from: NodeId, asked: &Asked, reply: &Reply) -> Result<(), Violation> {
        let known = self.keys.entry(asked.key).or_default();
        match reply {
            Reply::Written { dot: Some(dot) } => known.complete.push((*dot, asked.value.unwrap_or(0))),
            Reply::Values { values, context } => {
                self.siblings += u64::from(values.len() > 1);
                let values: Vec<u64> = values.iter().map(number).collect();
                for (dot, value) in &known.complete[..asked.complete] {
                    invariants::not_stale(asked.key, reply, dot)
                        .map_err(|sentence| Violation::new("no stale read", [from], sentence))?;
                    if !values.contains(value) && !known.replaced.contains(dot) {
                        let key = asked.key.0;
                        let sentence = format!(
                            "key {key}: write {dot} of value {value} is not read, and nobody who had seen it wrote"
                        );
                        return Err(Violation::new("no lost write", [from], sentence));
                    }
                }
                self.clients[asked.client as usize].seen.insert(asked.key, context.clone());
            }
            _ => {}
        }
        Ok(())
    }
}

fn number(bytes: &Bytes) -> u64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

impl Ensemble for Replicas {
    type Machine = Quorum;

    // What holds of answers is judged when they come; copies alone are free to differ.
    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Quorum {
        Quorum::new(boot.node, self.ring.clone(), self.config.clone())
    }

    fn begin(&mut self, clients: &mut Clients<Quorum>) {
        for client in 0..CLIENTS {
            let pause =
                Duration::from_millis(11) + clients.draw.duration(Duration::ZERO, Duration::from_millis(20));
            clients.after(pause, client);
        }
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Quorum>) -> Result<(), Violation> {
        let (client, request) = (token % CLIENTS, token / CLIENTS);
        let session = &mut self.clients[client as usize];
        if request == 0 {
            self.ask(client, clients);
        } else if request == session.requests
            && let Some(id) = session.waits_for.take()
        {
            self.chronicle.gives_up(clients.now().since_start(), id.0);
            if let Some(operation) = self.asked.remove(&id).and_then(|asked| asked.operation) {
                let outcome = self.register.abandon(operation);
                outcome.map_err(|error| Violation::new("linearizability", [], error.to_string()))?;
            }
            self.ask(client, clients);
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply,
        clients: &mut Clients<Quorum>,
    ) -> Result<(), Violation> {
        let Some(asked) = self.asked.remove(&id) else { return Ok(()) };
        self.clients[asked.client as usize].waits_for = None;
        self.note_answer(id, &reply, clients.now().since_start());
        match &reply {
            Reply::Written { .. } => self.written += 1,
            Reply::Values { .. } => self.read += 1,
            Reply::Unavailable => self.unavailable += 1,
            Reply::NotAReplica { preference } => {
                let node = *clients.draw.pick(preference);
                self.clients[asked.client as usize].sent_to = Some(node);
            }
        }
        if self.has_tags() {
            self.judge_register(from, &asked, &reply, clients.now().since_start())?;
        } else {
            self.judge_vectors(from, &asked, &reply)?;
        }
        self.answered_since_heal += u64::from(self.healed && matches!(reply, Reply::Values { .. }));
        let pause = clients.draw.duration(Duration::ZERO, self.think);
        clients.after(pause, asked.client);
        Ok(())
    }

    fn heal(&mut self, _: &Nodes<'_, Self>, _: &[NodeId], _: &mut Clients<Quorum>) -> Result<(), Violation> {
        self.healed = true;
        Ok(())
    }

    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let machines: Vec<&Quorum> = survivors.iter().filter_map(|node| nodes.machine(*node)).collect();
        self.answered_since_heal > self.key_count * 2
            && machines.len() == survivors.len()
            && invariants::converged(machines.into_iter(), (0..self.key_count).map(Key)).is_ok()
    }

    fn check_end(&mut self, _: &Nodes<'_, Self>) -> Result<(), Violation> {
        let empty = Judge::new(Keyed::new(Register { initial: 0 }), Limits::default());
        Self::verdict(std::mem::replace(&mut self.register, empty).finish(), [])
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("client.operations", self.written + self.read),
            ("client.written", self.written),
            ("client.read", self.read),
            ("client.unavailable", self.unavailable),
            ("quorum.siblings", self.siblings),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Fetch { .. } => "fetch",
            Message::Fetched { .. } => "fetched",
            Message::Store { serial: None, .. } => "repair",
            Message::Store { owner: Some(_), .. } => "hint",
            Message::Store { .. } => "store",
            Message::Stored { .. } => "stored",
            Message::Offer { .. } => "offer",
            Message::Taken { .. } => "taken",
        }
    }

    fn write_bytes(&self, record: &Record) -> usize {
        match record {
            Record::Copy { copy, .. } | Record::Hint { copy, .. } => 64 + copy_bytes(copy),
            Record::HandedOver { .. } => 32,
            Record::All { copies, hints } => {
                let copies = copies.iter().map(|(_, copy)| copy).chain(hints.iter().map(|(_, copy)| copy));
                64 + copies.map(|copy| 16 + copy_bytes(copy)).sum::<usize>()
            }
        }
    }
}

fn copy_bytes(copy: &Copy) -> usize {
    copy.values().iter().map(|value| 24 + value.len()).sum::<usize>() + 16 * copy.context().len()
}
