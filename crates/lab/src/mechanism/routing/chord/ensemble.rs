//! Nodes that come and go, and clients that store, read, look up, and make nodes leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Effect, Mono, NodeId, RequestId};
use synod_protocols::routing::chord::invariants::{Disorder, Members};
use synod_protocols::routing::chord::{
    Chord, Command, Config, Event, Flaws, Found, Identifier, Manner, Message, Peer, Question, Reply, Ring,
    Standing,
};
use synod_sim::{Boot, BootKind, Clients, Given, Plan, Step, Violation};

use super::{BITS, FOUNDERS, QUIET};
use crate::entry::{Ensemble, Invariant, Nodes};

/// By then all founders are up: nobody joins before.
const FOUNDERS_UP: Duration = Duration::from_millis(15);
/// Keys that clients write, each by one client: 1, 2, 3 …
const KEYS: u64 = 12;
/// The client's timers: one a node for its next operation, and one that brings nodes back.
const REJOIN: u64 = 0;

/// All nodes of a run with their clients.
#[derive(Debug)]
pub struct Dwellers {
    nodes: u64,
    successors: usize,
    answer_timeout: Duration,
    flaws: Flaws,
    /// The last moment at which a node went, by crash or order.
    went: Mono,
    crashes: u64,
    healed: bool,
    /// Founders that have not started yet: before all have, there is no ring to speak of.
    unfounded: BTreeSet<NodeId>,
    /// Nodes that clients made leave.
    away: BTreeSet<NodeId>,
    keys: BTreeMap<Identifier, Written>,
    asked: BTreeMap<RequestId, Asked>,
    /// Members that came and went: as long as it stays, an ideal ring is the same ring.
    changes: u64,
    /// Lookups that were asked of an ideal ring, with the changes until then.
    settled: BTreeMap<RequestId, u64>,
    stored: u64,
    read: u64,
    found: u64,
    found_settled: u64,
    left: u64,
    joined: u64,
    unavailable: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    begun: u64,
    complete: u64,
    open: bool,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Put { key: Identifier, value: u64 },
    Get { key: Identifier, least: u64 },
    Lookup,
    Leave,
    Join,
}

impl Dwellers {
    /// The nodes of a plan, whose messages arrive within `bound` as far as they are told.
    pub fn new(plan: &Plan, successors: usize, bound: Duration, flaws: Flaws) -> Self {
        Dwellers {
            nodes: plan.nodes,
            successors,
            // There and back, and some for clocks that run at different rates.
            answer_timeout: bound * 2 + bound / 10 + Duration::from_micros(100),
            flaws,
            went: Mono::ZERO,
            crashes: 0,
            healed: false,
            unfounded: (1..=FOUNDERS.min(plan.nodes)).map(NodeId).collect(),
            away: BTreeSet::new(),
            keys: BTreeMap::new(),
            asked: BTreeMap::new(),
            changes: 0,
            settled: BTreeMap::new(),
            stored: 0,
            read: 0,
            found: 0,
            found_settled: 0,
            left: 0,
            joined: 0,
            unavailable: 0,
        }
    }

    fn peer(node: NodeId) -> Peer {
        Peer { id: Ring::of_bits(BITS).of_node(node), node }
    }

    fn members<'a>(nodes: &Nodes<'a, Self>) -> Members<'a> {
        Members::of(nodes.machines().map(|(_, chord)| chord))
    }

    fn ask(&mut self, node: NodeId, clients: &mut Clients<Chord>) {
        let key = |draw: u64| Ring::of_bits(BITS).of_name(&draw.to_le_bytes());
        let (draw, key) = (clients.draw.below(16), key(clients.draw.below(KEYS)));
        let written = self.keys.get(&key).copied().unwrap_or_default();
        let (command, asked) = match draw {
            0 if self.may_leave(node, clients.now()) => {
                self.went = clients.now();
                self.away.insert(node);
                (Command::Leave, Asked::Leave)
            }
            1 | 2 => {
                let key = Identifier(clients.draw.below(1 << BITS));
                let manner = if draw == 1 { Manner::Iterative } else { Manner::Recursive };
                (Command::Lookup { key, manner }, Asked::Lookup)
            }
            _ if draw % 2 == 0 && !written.open => {
                let value = written.begun + 1;
                self.keys.insert(key, Written { begun: value, open: true, ..written });
                (Command::Put { key, value: Bytes::from(value.to_string()) }, Asked::Put { key, value })
            }
            _ => (Command::Get { key }, Asked::Get { key, least: written.complete }),
        };
        let id = clients.send(node.0, node, command);
        self.asked.insert(id, asked);
    }

    /// Founders stay, and whoever goes leaves the others time to notice.
    fn may_leave(&self, node: NodeId, now: Mono) -> bool {
        node.0 > FOUNDERS && !self.healed && !self.away.contains(&node) && now > self.went + QUIET
    }

    fn judge(
        &mut self,
        from: NodeId,
        key: Identifier,
        least: u64,
        value: Option<&Bytes>,
    ) -> Result<(), Violation> {
        self.read += 1;
        let value = value.map_or(Ok(0), |bytes| std::str::from_utf8(bytes).unwrap_or("").parse::<u64>());
        let begun = self.keys.get(&key).map_or(0, |written| written.begun);
        let sentence = match value {
            Ok(value) if value > begun => {
                format!("key {key}: write {value} was read, but only {begun} were begun")
            }
            // A crashed node takes its keys with it.
            Ok(value) if value < least && self.crashes == 0 => {
                format!(
                    "key {key}: write {least} was complete when the read began at {from}, and it gave write {value}"
                )
            }
            Ok(_) => return Ok(()),
            Err(_) => format!("key {key}: a value was read that nobody wrote"),
        };
        Err(Violation::new("latest value", [from], sentence))
    }
}

impl Dwellers {
    /// What a lookup names holds the key, always; it names the right member where the ring was ideal all the while. In between, while members come and go, the member that it
    /// names may be one that is gone, or have a new one before it: nothing more is promised.
    fn judge_lookup(
        &mut self,
        nodes: &Nodes<'_, Self>,
        from: NodeId,
        id: RequestId,
        found: &Found,
    ) -> Result<(), Violation> {
        let ring = Ring::of_bits(BITS);
        let Found { key, owner, predecessor, .. } = *found;
        let settled = self.settled.remove(&id).filter(|changes| *changes == self.changes);
        let sentence = if !ring.up_to(predecessor.id, key, owner.id) {
            format!("expected two neighbours around key {key}, found {predecessor} and {owner}")
        } else if settled.is_none() {
            return Ok(());
        } else {
            self.found_settled += 1;
            let right = Self::members(nodes).owner(key);
            if right == Some(owner) {
                return Ok(());
            }
            let right = right.map_or("nobody".into(), |right| right.to_string());
            format!("the ring is ideal, and key {key} belongs to {right}: the lookup found {owner}")
        };
        Err(Violation::new("right owner", [from], sentence))
    }
}

fn judged(
    all: &Dwellers,
    nodes: &Nodes<'_, Dwellers>,
    property: &'static str,
    holds: fn(&Members<'_>) -> Result<(), Disorder>,
) -> Result<(), Violation> {
    if !all.unfounded.is_empty() {
        return Ok(());
    }
    holds(&Dwellers::members(nodes))
        .map_err(|Disorder { nodes, sentence }| Violation::new(property, nodes, sentence))
}

impl Ensemble for Dwellers {
    type Machine = Chord;

    const INVARIANTS: &'static [Invariant<Self>] = &[
        Invariant {
            property: "one live successor",
            holds: |all, nodes| {
                judged(all, nodes, "one live successor", |members| members.one_live_successor())
            },
        },
        Invariant {
            property: "ordered lists",
            holds: |all, nodes| judged(all, nodes, "ordered lists", |members| members.ordered_lists()),
        },
        Invariant {
            property: "one ordered ring",
            holds: |all, nodes| judged(all, nodes, "one ordered ring", |members| members.one_ordered_ring()),
        },
        Invariant {
            property: "one owner",
            holds: |all, nodes| match all.crashes {
                0 => judged(all, nodes, "one owner", |members| members.one_owner()),
                _ => Ok(()),
            },
        },
    ];

    fn boot(&mut self, boot: &Boot<()>) -> Chord {
        let others = || (1..=self.nodes).map(NodeId).filter(|node| *node != boot.node).map(Self::peer);
        let founds = boot.kind == BootKind::First && boot.node.0 <= FOUNDERS;
        let config = Config {
            ring: Ring::of_bits(BITS),
            id: Self::peer(boot.node).id,
            successors: self.successors,
            founders: if founds {
                (1..=FOUNDERS).map(|node| Self::peer(NodeId(node))).collect()
            } else {
                Vec::new()
            },
            contacts: others().collect(),
            join_after: if boot.kind == BootKind::First { FOUNDERS_UP } else { Duration::ZERO },
            answer_timeout: self.answer_timeout,
            flaws: self.flaws,
            ..Config::default()
        };
        Chord::new(boot.node, config)
    }

    fn begin(&mut self, clients: &mut Clients<Chord>) {
        for node in 1..=self.nodes {
            let pause =
                Duration::from_millis(11) + clients.draw.duration(Duration::ZERO, Duration::from_millis(30));
            clients.after(pause, node);
        }
        clients.after(QUIET, REJOIN);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Chord>) -> Result<(), Violation> {
        if token == REJOIN {
            for node in self.away.clone() {
                let id = clients.send(node.0, node, Command::Join);
                self.asked.insert(id, Asked::Join);
            }
            clients.after(QUIET, REJOIN);
            return Ok(());
        }
        self.ask(NodeId(token), clients);
        let pause = clients.draw.duration(Duration::from_millis(1), Duration::from_millis(60));
        clients.after(pause, token);
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply,
        _: &mut Clients<Chord>,
    ) -> Result<(), Violation> {
        let Some(asked) = self.asked.remove(&id) else { return Ok(()) };
        match (asked, reply) {
            (Asked::Put { key, value }, Reply::Stored) => {
                let written = self.keys.entry(key).or_default();
                (written.complete, written.open) = (written.complete.max(value), false);
                self.stored += 1;
            }
            (Asked::Put { key, .. }, Reply::NotAMember) => self.keys.entry(key).or_default().open = false,
            (Asked::Get { key, least }, Reply::Value(value)) => {
                self.judge(from, key, least, value.as_ref())?
            }
            (Asked::Lookup, Reply::Found(_)) => self.found += 1,
            (Asked::Leave, Reply::Left) => self.left += 1,
            (Asked::Leave, _) => {
                self.away.remove(&from);
            }
            (_, Reply::Unavailable) => self.unavailable += 1,
            _ => {}
        }
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Chord>) -> Result<(), Violation> {
        if let Given::Command(id) = step.given
            && matches!(self.asked.get(&id), Some(Asked::Lookup))
            && self.unfounded.is_empty()
            && Self::members(nodes).ideal().is_ok()
        {
            self.settled.insert(id, self.changes);
        }
        for effect in step.effects {
            match effect {
                Effect::Emit(event) => {
                    self.changes += 1;
                    if *event == Event::Joined {
                        self.joined += 1;
                        self.unfounded.remove(&step.node);
                        self.away.remove(&step.node);
                    }
                }
                Effect::Reply { id, reply: Reply::Found(found), .. } => {
                    self.judge_lookup(nodes, step.node, *id, found)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn crashed(&mut self, node: NodeId) {
        self.crashes += 1;
        self.changes += 1;
        self.away.remove(&node);
    }

    fn heal(
        &mut self,
        nodes: &Nodes<'_, Self>,
        _: &[NodeId],
        _: &mut Clients<Chord>,
    ) -> Result<(), Violation> {
        self.healed = true;
        let outside =
            |chord: &Chord| matches!(chord.standing(), Standing::Outside { .. } | Standing::Leaving { .. });
        self.away.extend(nodes.machines().filter(|(_, chord)| outside(chord)).map(|(node, _)| node));
        Ok(())
    }

    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let members = Self::members(nodes);
        members.len() == survivors.len() && members.ideal().is_ok() && members.every_key_owned().is_ok()
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("client.operations", self.stored + self.read + self.found),
            ("client.stored", self.stored),
            ("client.read", self.read),
            ("client.found", self.found),
            ("client.found_ideal", self.found_settled),
            ("client.left", self.left),
            ("client.unavailable", self.unavailable),
            ("chord.joined", self.joined),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Ask { question, .. } => match question {
                Question::Neighbours => "neighbours",
                Question::Route { joining: Some(_), .. } => "join",
                Question::Route { .. } => "route",
                Question::Forward { .. } => "forward",
                Question::Put { .. } => "put",
                Question::Get { .. } => "get",
                Question::Take { .. } => "take",
            },
            Message::Answer { .. } => "answer",
            Message::Notify { .. } => "notify",
            Message::Arrived { .. } => "arrived",
        }
    }

    fn role(&self, chord: &Chord) -> char {
        match chord.standing() {
            Standing::Outside { .. } => '·',
            Standing::Joining => 'j',
            Standing::Member if chord.owned_after().is_some() => 'M',
            Standing::Member => 'm',
            Standing::Leaving { .. } => 'l',
        }
    }
}
