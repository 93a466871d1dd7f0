//! Lamport's mutual exclusion in the laboratory.

use std::time::Duration;

use synod_protocols::mutex::lamport::{SOURCE, messages_per_entry, synchronization_delay};
use synod_sim::{Delay, Plan, Swarm};

use super::workload::Workload;
use crate::entry::{About, Cost, Family, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness};

mod ensemble;
mod explore;
mod measure;

use ensemble::Processes;

/// The entry.
pub struct Lamport;

impl Mechanism for Lamport {
    type Subject = Staged<Processes>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Processes> {
        let clients = Workload::new(plan.nodes, settings.duration("hold"), settings.duration("think"));
        Staged::new(Processes::new(plan.nodes, clients))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        let needs = <synod_protocols::mutex::lamport::Process as synod_machine::Machine>::NEEDS;
        Swarm {
            needs,
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
        Parameter::duration(
            "hold",
            Duration::from_millis(2),
            Duration::ZERO..=Duration::from_secs(10),
            "How long a client stays in its critical section (E).",
        ),
        Parameter::duration(
            "think",
            Duration::from_millis(10),
            Duration::ZERO..=Duration::from_secs(10),
            "How long it pauses, at most, before it asks again; 0s is the heaviest load.",
        ),
        Parameter::duration(
            "delay",
            Duration::from_millis(1),
            Duration::ZERO..=Duration::from_secs(1),
            "How long a message is under way (T), for the cost formulas.",
        ),
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
            sentence: "One message is lost, and nobody enters any more.",
            origin: Origin::Need("reliable"),
            violates: &["liveness"],
            plan: |plan| {
                plan.faults = "at 0.2s drop * n1 -> n2 x1".parse().expect("a fault line");
            },
            ..Weakness::EMPTY
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::EXPERIMENT],
    must_exercise: &["note.mutex.entered", "mutex.waited"],
    ..About::EMPTY
};
