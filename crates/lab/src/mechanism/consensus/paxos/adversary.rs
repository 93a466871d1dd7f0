//! An adversary that owns the schedule (Fischer, Lynch and Paterson, 1985) and keeps a group undecided.
//!
//! It may neither lose a message nor stop a process: it only orders events. Its rule is one look ahead: of the oldest events first, it takes the first one after which
//! nothing is chosen yet. An acceptance that would complete a quorum is thereby put off, until another proposer's promise has made it void; then it is delivered, and refused.
//! The run is admissible: every process goes on taking steps, and every message arrives, later than others but not never.
//!
//! It drives the machines by events without time, not the full simulator: a timer may fire as soon as it is armed, which the theorem's model allows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use synod_machine::{Buffer, Context, Effect, First, Input, Machine, Mono, NodeId, RequestId, Ticket};
use synod_protocols::consensus::paxos::invariants::History;
use synod_protocols::consensus::paxos::{Command, Config, Message, Paxos, Timer};

use super::group::Value;

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    Arrival { from: NodeId, to: NodeId, message: Message<Value> },
    Firing(NodeId, Timer),
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Steps made.
    pub steps: u64,
    /// Whether a quorum accepted a value.
    pub decided: bool,
    /// Ballots that were begun.
    pub ballots: u64,
    /// The longest that an event was put off, in steps.
    pub wait_steps_max: u64,
    /// Properties that did not hold.
    pub violations: u64,
}

struct Schedule {
    machines: BTreeMap<NodeId, (Paxos<Value>, Ticket)>,
    /// With the step at which each became possible, the oldest first.
    events: VecDeque<(u64, Event)>,
    history: History<Value>,
    accept_quorum: usize,
    outcome: Outcome,
}

/// Runs a group in which every proposer proposes, for so many steps. With an adversary, `patience` is how many steps it may put an event off; without, the
/// oldest event is always the next.
pub fn run(config: Config, steps: u64, patience: Option<u64>) -> Outcome {
    let config = Arc::new(config);
    let nodes = config.proposers.iter().chain(&config.acceptors).chain(&config.learners);
    let machines = nodes.map(|node| (*node, (Paxos::new(*node, config.clone()), Ticket(1)))).collect();
    let mut schedule = Schedule {
        machines,
        events: VecDeque::new(),
        history: History::default(),
        accept_quorum: config.accept_quorum,
        outcome: Outcome::default(),
    };
    for node in schedule.machines.keys().copied().collect::<Vec<_>>() {
        schedule.step(node, Input::Start { saved: Vec::new() });
    }
    for (number, proposer) in (1..).zip(&config.proposers) {
        schedule.step(*proposer, Input::Command { id: RequestId(number), command: Command::Propose(number) });
    }
    while schedule.outcome.steps < steps && !schedule.outcome.decided {
        let Some(place) = schedule.next(patience) else { break };
        schedule.happen(place);
    }
    schedule.outcome
}

impl Schedule {
    /// The place of the next event: the oldest, or the oldest that decides nothing, unless one has been put off for too long.
    fn next(&self, patience: Option<u64>) -> Option<usize> {
        let (oldest, _) = self.events.front()?;
        let Some(patience) = patience else { return Some(0) };
        if self.outcome.steps - oldest >= patience {
            return Some(0);
        }
        let found = self.events.iter().position(|(_, event)| !self.would_decide(event));
        // Where each would decide there is no choice left.
        found.or(Some(0))
    }

    /// Whether an acceptance now would be the last that some ballot lacks.
    fn would_decide(&self, event: &Event) -> bool {
        let (to, ballot) = match event {
            Event::Arrival { to, message: Message::Accept(proposal), .. } => (to, proposal.ballot),
            // A proposer that is an acceptor itself accepts when its promises are complete.
            Event::Arrival { to, message: Message::Promise { ballot, .. }, .. } => (to, *ballot),
            _ => return false,
        };
        let Some((paxos, next)) = self.machines.get(to) else { return false };
        let mut after = paxos.clone();
        let Event::Arrival { from, message, .. } = event.clone() else { return false };
        let mut buffer = Buffer::new(First, *next);
        after.step(&Context::at(*to, Mono::ZERO), Input::Receive { from, message }, &mut buffer.effects());
        let voted = |paxos: &Paxos<Value>| {
            paxos.pledge().accepted.as_ref().is_some_and(|proposal| proposal.ballot == ballot)
        };
        voted(&after) && !voted(paxos) && self.history.votes(ballot) + 1 >= self.accept_quorum
    }

    fn happen(&mut self, place: usize) {
        let Some((since, event)) = self.events.remove(place) else { return };
        self.outcome.steps += 1;
        self.outcome.wait_steps_max = self.outcome.wait_steps_max.max(self.outcome.steps - since);
        match event {
            Event::Arrival { from, to, message } => self.step(to, Input::Receive { from, message }),
            Event::Firing(node, timer) => self.step(node, Input::Fire(timer)),
        }
    }

    /// A step, and the sync of what it wrote: disks are not what the adversary plays with.
    fn step(&mut self, node: NodeId, input: Input<Paxos<Value>>) {
        let now = self.outcome.steps;
        let Some((paxos, next)) = self.machines.get_mut(&node) else { return };
        let mut buffer = Buffer::new(First, *next);
        paxos.step(&Context::at(node, Mono::ZERO), input, &mut buffer.effects());
        *next = buffer.next_ticket();
        let last = Ticket(next.0 - 1);
        let wrote = buffer.effects.iter().any(|effect| matches!(effect, Effect::Write { .. }));
        if self.history.observe(paxos).is_err() {
            self.outcome.violations += 1;
        }
        for effect in buffer.effects {
            match effect {
                Effect::Send { to, message, .. } => {
                    self.events.push_back((now, Event::Arrival { from: node, to, message }));
                }
                Effect::Arm { timer, .. } => {
                    self.disarm(node, timer);
                    self.events.push_back((now, Event::Firing(node, timer)));
                }
                Effect::Disarm(timer) => self.disarm(node, timer),
                Effect::Note { name: "paxos.attempt", .. } => self.outcome.ballots += 1,
                _ => {}
            }
        }
        self.outcome.decided |= self.history.chosen().is_some();
        if wrote {
            self.step(node, Input::Durable(last));
        }
    }

    fn disarm(&mut self, node: NodeId, timer: Timer) {
        self.events.retain(
            |(_, event)| !matches!(event, Event::Firing(other, armed) if (*other, *armed) == (node, timer)),
        );
    }
}
