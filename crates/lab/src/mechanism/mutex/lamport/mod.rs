//! Lamport's mutual exclusion in the laboratory.

use std::time::Duration;

use synod_machine::{Machine, NodeId};
use synod_protocols::mutex::lamport::{Message, Process, SOURCE, messages_per_entry, synchronization_delay};
use synod_sim::{Delay, Plan, Swarm};

use super::ensemble::{self, Processes};
use super::measure::{self, measure};
use super::workload::{self, Workload};
use crate::chronicle::Chronicle;
use crate::entry::{
    About, Cost, Expected, Experiment, Family, Mechanism, Origin, Parameter, Property, Row, Settings, Staged,
    Tolerance, Value, Weakness,
};

mod explore;

/// The entry.
pub struct Lamport;

impl ensemble::Process for Process {
    fn start(me: NodeId, nodes: u64) -> Self {
        Process::new(me, (1..=nodes).map(NodeId))
    }

    fn is_inside(&self) -> bool {
        self.inside().is_some()
    }

    fn waits(&self) -> bool {
        Process::waits(self)
    }

    fn kind(message: &Message) -> &'static str {
        match message {
            Message::Request(_) => "request",
            Message::Acknowledge(_) => "acknowledge",
            Message::Release(_) => "release",
        }
    }

    fn stamp(&self) -> Option<u64> {
        self.inside()
    }
}

impl Mechanism for Lamport {
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
            nodes: settings.sizes(&[2, 3, 5, 7]),
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
    name: "lamport-mutex",
    family: Family::Mutex,
    chapter: "5",
    question: "How do equals take turns, without anybody to ask?",
    source: SOURCE,
    survives: &["any delay and any pause", "any number of processes asking at once"],
    parameters: &[
        Parameter::integer("nodes", 3, 2..=64, "Processes; a hunt draws 2 to 7 if it is not set."),
        workload::HOLD,
        workload::THINK,
        workload::DELAY,
    ],
    properties: &[
        Property {
            name: "exclusion",
            sentence: "At most one process is in its critical section.",
            source: "Lamport 1978, condition I",
        },
        Property {
            name: "order",
            sentence: "Requests are granted in the order of their stamps.",
            source: "Lamport 1978, condition II",
        },
        Property {
            name: "liveness",
            sentence: "Who asks gets in, if everybody who is in leaves again.",
            source: "Lamport 1978, condition III",
        },
    ],
    costs: &[
        Cost {
            name: "messages an entry",
            formula: "3 (N - 1)",
            value: |settings| messages_per_entry(settings.integer("nodes")) as f64,
            unit: "messages",
        },
        Cost {
            name: "synchronization delay",
            formula: "T",
            value: |settings| synchronization_delay(settings.duration("delay")).as_secs_f64() * 1e3,
            unit: "ms",
        },
    ],
    papers: &["Lamport: Time, Clocks, and the Ordering of Events in a Distributed System. CACM 21(7), 1978"],
    weaknesses: &[
        Weakness {
            name: "no-fifo",
            sentence: "An acknowledgement overtakes the request that was sent before it, and two processes enter.",
            origin: Origin::Need("fifo"),
            violates: &["exclusion", "order"],
            plan: |plan| {
                plan.network.fifo = false;
                plan.network.delay = Delay::micros(100, 10_000);
                plan.network.delay_bound = Some(plan.network.delay.most());
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "lost-message",
            sentence: "A request is lost: who never heard of it enters as well, or nobody enters any more.",
            origin: Origin::Need("reliable"),
            violates: &["exclusion", "order", "liveness"],
            plan: |plan| {
                plan.faults = "at 0.2s drop request n1 -> n2 x1".parse().expect("a fault line");
            },
            ..Weakness::EMPTY
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[Experiment {
        name: "lamport-mutex-cost",
        sentence: "Messages an entry and entries a second of processes that always ask, with messages of constant delay.",
        parameters: measure::PARAMETERS,
        runs: 5,
        rows: &[Row {
            settings: &[("nodes", "*"), ("delay", "*"), ("hold", "*"), ("entries", "*")],
            expected: &[
                Expected {
                    figure: "messages an entry",
                    value: Value::Of(|settings| messages_per_entry(settings.integer("nodes")) as f64),
                    tolerance: Tolerance::Relative(0.01),
                    source: "Lamport 1978: 3 (N - 1)",
                },
                Expected {
                    figure: "entries a second",
                    value: Value::Of(|settings| {
                        let delay = synchronization_delay(settings.duration("delay"));
                        (delay + settings.duration("hold")).as_secs_f64().recip()
                    }),
                    tolerance: Tolerance::Relative(0.01),
                    source: "heavy load: 1 / (SD + E), SD = T",
                },
            ],
        }],
        run: |trial| measure::<Process>(trial, 1),
    }],
    must_exercise: &["note.mutex.entered", "mutex.waited"],
    ..About::EMPTY
};
