//! Central mutual exclusion in the laboratory.

use std::time::Duration;

use synod_machine::{Machine, NodeId};
use synod_protocols::mutex::central::{Message, Process, SOURCE, messages_per_entry, synchronization_delay};
use synod_sim::{Plan, Swarm};

use super::ensemble::{self, Processes};
use super::measure::{self, measure};
use super::workload::{self, Workload};
use crate::chronicle::Chronicle;
use crate::entry::{
    About, Cost, Expected, Experiment, Family, Mechanism, Origin, Parameter, Property, Row, Settings, Staged,
    Tolerance, Value, Weakness,
};

mod explore;

/// The process that grants turns.
const COORDINATOR: NodeId = NodeId(1);

/// The entry.
pub struct Central;

impl ensemble::Process for Process {
    // The coordinator serves, and asks for nothing itself: its own entries would cost no message.
    const FIRST_CLIENT: NodeId = NodeId(2);

    fn start(me: NodeId, _: u64) -> Self {
        Process::new(me, COORDINATOR)
    }

    fn is_inside(&self) -> bool {
        Process::is_inside(self)
    }

    fn waits(&self) -> bool {
        Process::waits(self)
    }

    fn kind(message: &Message) -> &'static str {
        match message {
            Message::Request => "request",
            Message::Grant => "grant",
            Message::Release => "release",
        }
    }
}

impl Mechanism for Central {
    type Subject = Staged<Processes<Process>>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Self::Subject {
        let clients = Workload::new(plan.nodes, settings.duration("hold"), settings.duration("think"));
        Staged::new(Processes::new(plan.nodes, clients))
    }

    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        Ok(subject.ensemble_mut().chronicle())
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Process::NEEDS,
            nodes: settings.sizes(&[2, 3, 5, 9]),
            safety: (Duration::from_secs(1), Duration::from_secs(5)),
            // Processes do not crash in this model: what ends one is left out.
            without: vec!["crash", "kill", "crash-at-sync", "upgrade", "wipe", "fail-sync", "fill", "rot"],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

static ABOUT: About = About {
    name: "central",
    family: Family::Mutex,
    chapter: "5",
    question: "How do processes take turns, if there is somebody to ask?",
    source: SOURCE,
    survives: &["any delay, any order of messages and any pause", "any number of processes asking at once"],
    parameters: &[
        Parameter::integer(
            "nodes",
            4,
            2..=1_024,
            "Processes, the coordinator among them; a hunt draws 2 to 9 if it is not set.",
        ),
        workload::HOLD,
        workload::THINK,
        workload::DELAY,
    ],
    properties: &[
        Property {
            name: "exclusion",
            sentence: "At most one process is in its critical section.",
            source: "Dijkstra 1965",
        },
        Property {
            name: "liveness",
            sentence: "Who asks gets in, if everybody who is in leaves again.",
            source: "Dijkstra 1965",
        },
    ],
    costs: &[
        Cost {
            name: "messages an entry",
            formula: "3",
            value: |_| messages_per_entry() as f64,
            unit: "messages",
        },
        Cost {
            name: "synchronization delay",
            formula: "2T",
            value: |settings| synchronization_delay(settings.duration("delay")).as_secs_f64() * 1e3,
            unit: "ms",
        },
    ],
    papers: &[
        "Tanenbaum, van Steen: Distributed Systems. Section on mutual exclusion, a centralized algorithm",
    ],
    weaknesses: &[
        Weakness {
            name: "lost-message",
            sentence: "A release is lost, and the coordinator waits for it for ever.",
            origin: Origin::Need("reliable"),
            violates: &["liveness"],
            plan: |plan| {
                plan.faults = "at 0.2s drop release n2 -> n1 x1".parse().expect("a fault line");
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "forgetful-coordinator",
            sentence: "The coordinator crashes and comes back without its memory while a process is inside, and lets another in.",
            origin: Origin::Known("Tanenbaum, van Steen: the coordinator is a single point of failure"),
            violates: &["exclusion"],
            settings: &[("think", "60ms"), ("hold", "30ms")],
            space: |space| space.nodes = vec![3, 5],
            plan: |plan| {
                plan.faults = "at 0.2s crash n1 for 0.005s".parse().expect("a fault line");
            },
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[Experiment {
        name: "central-cost",
        sentence: "Messages an entry and entries a second of processes that always ask, with messages of constant delay.",
        parameters: measure::PARAMETERS,
        runs: 5,
        rows: &[Row {
            settings: &[("nodes", "*"), ("delay", "*"), ("hold", "*"), ("entries", "*")],
            expected: &[
                Expected {
                    figure: "messages an entry",
                    value: Value::Of(|_| messages_per_entry() as f64),
                    tolerance: Tolerance::Relative(0.01),
                    source: "Tanenbaum, van Steen: 3",
                },
                Expected {
                    figure: "entries a second",
                    value: Value::Of(|settings| {
                        let delay = synchronization_delay(settings.duration("delay"));
                        (delay + settings.duration("hold")).as_secs_f64().recip()
                    }),
                    tolerance: Tolerance::Relative(0.01),
                    source: "heavy load: 1 / (SD + E), SD = 2T",
                },
            ],
        }],
        run: |trial| measure::<Process>(trial, 2),
    }],
    must_exercise: &["note.mutex.entered", "mutex.waited"],
    ..About::EMPTY
};
