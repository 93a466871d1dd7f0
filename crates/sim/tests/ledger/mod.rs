//! A small subject that uses all of the contract: each node keeps a durable total, tells its peers of each addition once it cannot be
//! lost, beats, and has a worker.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_machine::*;
use synod_sim::*;

pub const BEAT: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Hash, PartialEq)]
pub enum Message {
    Beat { sequence: u64 },
    Added { ticket: u64 },
}

#[derive(Debug, Default)]
pub struct Node<const FIFO: bool> {
    pub peers: Vec<NodeId>,
    pub total: u64,
    pub beats_sent: u64,
    pub last_beat: BTreeMap<NodeId, u64>,
    pub disorder: u64,
    pub repeated: u64,
    pub last_added: Option<(NodeId, u64)>,
    pub links_down: u64,
    pub links_up: u64,
    pub worked: u64,
    pub beats_at: Vec<Duration>,
    pub wall: Duration,
    pub version: u32,
    pub choice: u32,
}

impl<const FIFO: bool> Machine for Node<FIFO> {
    type Message = Message;
    type Timer = u8;
    type Command = u64;
    type Reply = u64;
    type Event = Never;
    type Write = u64;
    type Job = u64;
    type Done = u64;
    const NEEDS: Needs = Needs {
        fifo: FIFO,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        self.wall = cx.wall.since_epoch;
        match input {
            Input::Start { saved } => {
                self.total = saved.iter().sum();
                fx.note("starts", 1);
                fx.arm(0, BEAT..=BEAT);
            }
            Input::Fire(_) => {
                self.beats_sent += 1;
                self.beats_at.push(cx.now.since_start());
                self.choice = fx.choose("beat", 1000);
                for peer in &self.peers {
                    fx.send(*peer, Message::Beat { sequence: self.beats_sent });
                }
                fx.arm(0, BEAT..=BEAT);
            }
            Input::Command { id, command } => {
                assert!(command < 1_000, "expected an amount below 1000, found {command}");
                self.total += command;
                let ticket = fx.write(command);
                let total = self.total;
                fx.hold(ticket, |fx| {
                    fx.reply(id, total);
                    for peer in &self.peers {
                        fx.send(*peer, Message::Added { ticket: ticket.0 });
                    }
                });
                fx.work(command);
            }
            Input::Receive { from, message: Message::Beat { sequence } } => {
                let last = self.last_beat.entry(from).or_default();
                self.disorder += u64::from(sequence < *last);
                self.repeated += u64::from(sequence == *last);
                *last = sequence.max(*last);
            }
            Input::Receive { from, message: Message::Added { ticket } } => {
                self.last_added = Some((from, ticket))
            }
            Input::Done(sum) => self.worked = sum,
            Input::Link { up: true, .. } => self.links_up += 1,
            Input::Link { up: false, .. } => self.links_down += 1,
            Input::Durable(_) => {}
        }
    }

    fn inspect(&self, view: &mut synod_machine::View) {
        view.show("total", self.total);
    }
}

#[derive(Debug, Default)]
pub struct Adder {
    pub sum: u64,
    pub flushed: u64,
}

impl<const FIFO: bool> Worker<Node<FIFO>> for Adder {
    fn work(&mut self, _: Mono, job: u64, out: &mut Output<Node<FIFO>>) {
        self.sum += job;
        out.done(self.sum);
    }
    fn idle(&mut self, _: Mono, _: &mut Output<Node<FIFO>>) -> bool {
        self.flushed = self.sum;
        false
    }
}

#[derive(Debug, Default)]
pub struct Ledger<const FIFO: bool = false> {
    pub nodes: u64,
    pub acknowledged: BTreeMap<NodeId, u64>,
    pub replies: u64,
    pub replies_at_heal: u64,
    pub boots: Vec<(NodeId, BootKind, u32, Option<u64>)>,
    /// What they promised before is void.
    pub wiped: BTreeSet<NodeId>,
    /// Never makes progress again once the first phase is over.
    pub stuck: bool,
    pub silent: bool,
    /// Clients ask what breaks the machine's invariant.
    pub poisonous: bool,
}

impl<const FIFO: bool> Ledger<FIFO> {
    pub fn new(plan: &Plan) -> Self {
        Ledger { nodes: plan.nodes, ..Ledger::default() }
    }
}

impl<const FIFO: bool> Subject for Ledger<FIFO> {
    type Machine = Node<FIFO>;
    type Worker = Adder;
    type Persisted = u64;

    fn boot(&mut self, boot: Boot<u64>) -> (Node<FIFO>, Adder) {
        self.boots.push((boot.node, boot.kind, boot.version, boot.persisted));
        if boot.kind == BootKind::Wiped {
            self.wiped.insert(boot.node);
        }
        let peers = (1..=self.nodes).map(NodeId).filter(|peer| *peer != boot.node).collect();
        let sum = boot.persisted.unwrap_or(0);
        (Node { peers, version: boot.version, ..Node::default() }, Adder { sum, flushed: sum })
    }

    fn crash_worker(&mut self, _: NodeId, worker: Adder, crash: Crash, draw: &mut Stream) -> u64 {
        match crash {
            Crash::Kill => worker.sum,
            Crash::Power => draw.between(worker.flushed, worker.sum),
        }
    }

    fn encode(&self, write: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&write.to_le_bytes());
        // A record of several sectors, so that it can be torn.
        out.resize(out.len() + 1_500, 0xa5);
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, String> {
        let word = bytes.first_chunk().ok_or("expected eight bytes")?;
        Ok(u64::from_le_bytes(*word))
    }

    fn begin(&mut self, clients: &mut Clients<Node<FIFO>>) {
        if !self.silent {
            (0..4).for_each(|lane| clients.after(Duration::from_millis(1 + lane), lane));
        }
    }

    fn on_timer(&mut self, lane: u64, clients: &mut Clients<Node<FIFO>>) -> Result<(), Violation> {
        let node = NodeId(clients.draw.between(1, self.nodes));
        clients.send(lane, node, if self.poisonous { 1_000 } else { lane + 1 });
        clients.after(Duration::from_millis(5), lane);
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        _: RequestId,
        total: u64,
        _: &mut Clients<Node<FIFO>>,
    ) -> Result<(), Violation> {
        self.replies += 1;
        let known = self.acknowledged.entry(from).or_default();
        *known = total.max(*known);
        Ok(())
    }

    fn check(
        &mut self,
        view: &synod_sim::View<'_, Self>,
        step: &Step<'_, Node<FIFO>>,
    ) -> Result<(), Violation> {
        let node = step.node;
        let machine = view.machine(node).expect("a node that steps is up");
        let acknowledged = self.acknowledged.get(&node).copied().unwrap_or(0);
        if machine.total < acknowledged && !self.wiped.contains(&node) {
            let sentence = format!("{node} has {}, but acknowledged {acknowledged}", machine.total);
            return Err(Violation::new("durability", [node], sentence));
        }
        if let (Given::Receive(_), Some((from, ticket))) = (step.given, machine.last_added) {
            let durable = view.durable(from).expect("a peer").0;
            if view.wiped(from) {
                self.wiped.insert(from);
            }
            if ticket > durable && step.cause.is_some() && !self.wiped.contains(&from) {
                let sentence = format!("{node} heard of write {ticket} of {from}, durable to {durable}");
                return Err(Violation::new("held effects", [from, node], sentence));
            }
        }
        Ok(())
    }

    fn heal(
        &mut self,
        _: &synod_sim::View<'_, Self>,
        _: &[NodeId],
        _: &mut Clients<Node<FIFO>>,
    ) -> Result<(), Violation> {
        self.replies_at_heal = self.replies;
        Ok(())
    }

    fn progressed(&mut self, _: &synod_sim::View<'_, Self>, _: &[NodeId]) -> bool {
        self.replies > self.replies_at_heal && !self.stuck
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Beat { .. } => "beat",
            Message::Added { .. } => "added",
        }
    }

    fn role(&self, machine: &Node<FIFO>) -> char {
        if machine.peers.is_empty() { 'L' } else { '·' }
    }
}

pub fn plan(seed: u64, script: &str) -> Plan {
    let mut plan = Plan::calm(seed, 3);
    plan.safety = Duration::from_secs(3);
    plan.faults = script.parse().expect("a script");
    plan.tolerance = Tolerance { wipes_max: 0, lost_max: 1 };
    plan
}

/// Runs to the end and demands that nothing was violated.
pub fn sound(plan: Plan) -> (World<Ledger>, Run) {
    let subject = Ledger::new(&plan);
    let mut world = World::new(plan, subject).expect("the plan can be run");
    let run = world.run();
    assert_eq!(run.found, None);
    (world, run)
}
