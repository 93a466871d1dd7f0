//! The world: nodes, links, disks, clocks and clients in virtual time, driven by one agenda of events.
//!
//! **The driver's contract** (`synod_machine`): take one input, call `step`, record it, act on the effects in order, release a held effect only after
//! its ticket is durable; a crash drops everything that is not. A run has two phases. In the first, faults happen as planned, and every
//! invariant is checked after every step. Then the world *heals*: no more faults, a majority of the nodes is brought back, and there must be progress within a
//! stated bound.
//!
//! Nothing here reads a real clock, draws from a common generator or depends on addresses of memory, and every record is hashed as it happens: the same
//! plan gives the same fingerprint. What could still break that is the subject's own code (a `HashMap`'s order, a
//! static counter); [`crate::run_twice`] finds it.

mod act;
mod clients;
mod faults;
mod lives;
mod node;
mod phases;

use std::time::Duration;

use synod_machine::{Fate, Fingerprint, Loss, Machine, NodeId, Observer, RequestId, SendId, TraceWriter};

pub(crate) use node::{Held, Node, Process};

use crate::agenda::{Agenda, Moment, Slab};
use crate::clock::Clock;
use crate::disk::LogFormat;
use crate::fault::Fault;
use crate::network::Network;
use crate::plan::{Plan, PlanError};
use crate::run::{Found, Phase, Run};
use crate::tally::Tally;
use crate::trace::{Out, Tracer};
use crate::{Clients, PlainFormat, Stream, Subject, View, Violation};

/// What can come up in the agenda. Small and without content: that lies in slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Arrive(u32),
    Timer {
        node: u32,
        life: u32,
        place: u32,
    },
    Synced {
        node: u32,
        life: u32,
    },
    Work {
        node: u32,
        life: u32,
    },
    Worked {
        node: u32,
        life: u32,
    },
    Command(u32),
    Reply(u32),
    ClientTimer(u64),
    /// `to` may have become reachable for `from`, or unreachable.
    Link {
        from: u32,
        to: u32,
    },
    Resume {
        node: u32,
        life: u32,
    },
    Boot(u32),
    Fault(u32),
    FaultEnd(u32),
    Flap {
        fault: u32,
        cut: bool,
    },
}

/// A seeded world with a subject in it.
pub struct World<S: Subject> {
    plan: Plan,
    subject: S,
    format: Box<dyn LogFormat>,
    nodes: Vec<Node<S>>,
    network: Network<<S::Machine as Machine>::Message>,
    agenda: Agenda<Event>,
    now: Moment,
    phase: Phase,
    survivors: Vec<NodeId>,
    heal_ends: Moment,
    next_look: Moment,
    /// Planned faults and those that were injected by hand; the index is the fault's number.
    faults: Vec<Fault>,
    commands: Slab<(RequestId, NodeId, <S::Machine as Machine>::Command)>,
    replies: Slab<(NodeId, RequestId, <S::Machine as Machine>::Reply)>,
    clients: Clients<S::Machine>,
    client_draw: Stream,
    notice_draw: Stream,
    heal_draw: Stream,
    wipes: u64,
    records: u64,
    sends: u64,
    fingerprint: Fingerprint,
    tally: Tally,
    notes: Tally,
    tracer: Tracer<S::Machine>,
    broken: Vec<String>,
    found: Option<Found>,
    ended: bool,
}

impl<S: Subject> World<S> {
    /// A world at its beginning: nodes are about to start.
    ///
    /// # Errors
    /// When the plan names nodes that do not exist, or breaks what the machine [needs](synod_machine::Needs) without saying so.
    pub fn new(plan: Plan, subject: S) -> Result<Self, PlanError> {
        plan.check()?;
        let broken = plan.broken(S::Machine::NEEDS);
        if !broken.is_empty() && !plan.break_assumptions {
            return Err(PlanError::Needs(broken));
        }
        let seed = plan.seed;
        let format = match plan.sabotage.accept_torn_tail {
            true => Box::new(PlainFormat { trusting: true }),
            false => subject.format(),
        };
        let clients = Clients {
            now: Moment(0).mono(),
            node_count: plan.nodes,
            next: 1,
            commands: Vec::new(),
            timers: Vec::new(),
            draw: Stream::named(plan.workload, "workload"),
        };
        let mut world = World {
            nodes: (1..=plan.nodes).map(|id| Node::new(NodeId(id), seed, draw_clock(&plan, id))).collect(),
            network: Network::new(plan.network.clone(), plan.nodes as usize, seed),
            agenda: Agenda::new(),
            now: Moment(0),
            phase: Phase::Safety,
            survivors: Vec::new(),
            heal_ends: Moment(0),
            next_look: Moment(0),
            faults: plan.faults.faults.clone(),
            commands: Slab::new(),
            replies: Slab::new(),
            clients,
            client_draw: Stream::named(seed, "client"),
            notice_draw: Stream::named(seed, "notice"),
            heal_draw: Stream::named(seed, "heal"),
            wipes: 0,
            records: 0,
            sends: 0,
            fingerprint: Fingerprint::default(),
            tally: Tally::default(),
            notes: Tally::default(),
            tracer: Tracer::off(),
            broken,
            found: None,
            ended: false,
            format,
            plan,
            subject,
        };
        world.begin();
        Ok(world)
    }

    /// Keeps the last so many moments for a [diagram](crate::Diagram).
    pub fn keep(&mut self, moments_max: usize) {
        self.tracer.keep(moments_max);
    }

    /// Keeps with each step the state of the machine after it, as [`Machine::inspect`] shows it.
    pub fn keep_states(&mut self) {
        self.tracer.states = true;
    }

    /// Writes every moment as JSON lines. Asked for before the first step, the trace is whole.
    ///
    /// # Errors
    /// When `out` takes not even the first line.
    pub fn trace_to(&mut self, machine: &str, out: Box<dyn std::fmt::Write>) -> Result<(), std::fmt::Error> {
        let nodes: Vec<NodeId> = self.view().nodes().collect();
        let writer = TraceWriter::begin(Out(out), machine, Some(self.plan.seed), &nodes)?;
        self.tracer.write_to(writer, Observer::new(nodes));
        Ok(())
    }

    /// Runs to the end: through both phases, or to the first violation.
    pub fn run(&mut self) -> Run {
        while self.advance() {}
        self.report()
    }

    /// Runs until that time since the beginning, or to the run's end.
    pub fn run_until(&mut self, time: Duration) {
        let time = Moment::of(time);
        while !self.ended && self.agenda.next_at().is_some_and(|at| at <= time) && self.advance() {}
    }

    /// Takes one event; whether the run goes on.
    pub fn advance(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if let Err(violation) = self.take_event() {
            self.found =
                Some(Found { violation, time: self.now.mono(), record: self.records, phase: self.phase });
            self.end();
        }
        !self.ended
    }

    /// A fault from now on, by hand.
    pub fn inject(&mut self, what: crate::What, lasts: Option<Duration>) {
        let number = self.faults.len() as u32;
        self.faults.push(Fault { at: self.now.duration(), what, lasts });
        self.agenda.put(self.now, Event::Fault(number));
    }

    /// All nodes.
    pub fn view(&self) -> View<'_, S> {
        View { nodes: &self.nodes, now: self.now.mono() }
    }

    /// The subject, with what it remembers.
    pub fn subject(&self) -> &S {
        &self.subject
    }

    /// The subject, when the run is over.
    pub fn into_subject(self) -> S {
        self.subject
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The hash of all records so far.
    pub fn fingerprint(&self) -> u64 {
        std::hash::Hasher::finish(&self.fingerprint)
    }

    /// How many records there were.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The kept moments, oldest first.
    pub fn moments(&self) -> impl Iterator<Item = &crate::Moment<S::Machine>> {
        self.tracer.moments().iter()
    }

    /// What the run came to so far.
    pub fn report(&self) -> Run {
        let mut exercised = self.tally.exercised(&self.notes);
        for (name, count) in self.subject.exercised() {
            exercised.add(name, count);
        }
        let vacuous = match &self.found {
            Some(_) => None,
            None => exercised.vacuous(self.plan.faults.faults.len()),
        };
        Run {
            seed: self.plan.seed,
            found: self.found.clone(),
            vacuous,
            exercised,
            records: self.records,
            simulated: self.now.duration(),
            fingerprint: self.fingerprint(),
            broken_needs: self.broken.clone(),
        }
    }

    fn begin(&mut self) {
        let mut draw = Stream::named(self.plan.seed, "start");
        for index in 0..self.nodes.len() {
            let at = Moment(draw.below(10_000_000));
            self.agenda.put(at, Event::Boot(index as u32));
        }
        let mut order: Vec<usize> = (0..self.faults.len()).collect();
        order.sort_by_key(|index| self.faults[*index].at);
        for index in order {
            self.agenda.put(Moment::of(self.faults[index].at), Event::Fault(index as u32));
        }
        self.subject.begin(&mut self.clients);
        self.send_clients();
    }

    fn settle(&mut self, id: SendId, from: NodeId, to: NodeId, fate: &Fate) {
        self.tally.fate(fate);
        self.tracer.fate(self.now.mono(), id, (from, to), fate);
    }

    fn never_left(&mut self, id: SendId, from: NodeId, to: NodeId) {
        self.settle(id, from, to, &Fate::Dropped(Loss::NeverLeft));
    }

    fn index(&self, node: NodeId) -> Option<usize> {
        let index = (node.0 as usize).checked_sub(1)?;
        (index < self.nodes.len()).then_some(index)
    }
}

fn draw_clock(plan: &Plan, node: u64) -> Clock {
    let mut draw = Stream::numbered(plan.seed, "clock", node);
    let shape = &plan.clock;
    let most = i64::from(shape.drift_ppm_max);
    let drift = draw.between(0, 2 * most as u64) as i64 - most;
    let off = crate::stream::nanos(shape.wall_offset_max);
    let offset = draw.between(0, 2 * off) as i64 - off as i64;
    Clock::new(drift as i32, offset, shape.wall_error)
}

/// A violation of what the world itself demands.
fn world_violation(property: &str, node: NodeId, sentence: String) -> Violation {
    Violation::new(property, [node], sentence)
}
