//! Chandy and Lamport's snapshots in the laboratory, with the detection of termination on top.

use std::time::Duration;

use synod_machine::Machine as _;
use synod_protocols::snapshot::chandy_lamport::{SOURCE, messages};
use synod_sim::{Delay, Plan, Swarm};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod explore;
mod measure;

use ensemble::{Branch, Branches, Workload};

/// The entry.
pub struct ChandyLamport;

impl Mechanism for ChandyLamport {
    type Subject = Staged<Branches>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Branches> {
        Staged::new(Branches::new(plan.nodes, workload(settings)))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Branch::NEEDS,
            nodes: settings.sizes(&[2, 3, 4, 6]),
            safety: (Duration::from_millis(500), Duration::from_secs(2)),
            heal: Duration::from_secs(30),
            // Processes do not crash in this model: what ends one is left out.
            without: vec!["crash", "kill", "crash-at-sync", "upgrade", "wipe", "fail-sync", "fill", "rot"],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(250);
    }
}

fn workload(settings: &Settings) -> Workload {
    Workload {
        balance: settings.integer("balance"),
        transfers: settings.integer("transfers"),
        handed_on: settings.integer("handed-on") as u32,
        // Nobody sends before everybody is up.
        pace: Duration::from_millis(15)..=Duration::from_millis(15) + settings.duration("pace"),
        logged_one_in: settings.integer("logged-one-in") as u32,
        snapshots: settings.integer("snapshots"),
        period: settings.duration("period"),
    }
}

const NODES: Parameter =
    Parameter::integer("nodes", 3, 2..=64, "Processes, all connected; a hunt draws 2 to 6 if it is not set.");
const BALANCE: Parameter = Parameter::integer("balance", 1_000, 1..=1_000_000_000, "Money at each process.");
const TRANSFERS: Parameter =
    Parameter::integer("transfers", 4, 0..=1_000, "Transfers that each process begins with.");
const HANDED_ON: Parameter = Parameter::integer("handed-on", 2, 0..=100, "How often each is handed on.");
const PACE: Parameter = Parameter::duration(
    "pace",
    Duration::from_millis(10),
    Duration::ZERO..=Duration::from_secs(10),
    "Time between two transfers of a process varies by so much.",
);
const LOGGED: Parameter =
    Parameter::integer("logged-one-in", 3, 0..=1_000, "One transfer in so many waits for the disk; 0: none.");
const SNAPSHOTS: Parameter = Parameter::integer("snapshots", 3, 0..=64, "Snapshots that clients ask for.");
const PERIOD: Parameter = Parameter::duration(
    "period",
    Duration::from_millis(50),
    Duration::from_millis(1)..=Duration::from_secs(3_600),
    "How often n1 takes a snapshot to see whether all is over.",
);

static ABOUT: About = About {
    name: "chandy-lamport",
    family: Family::Snapshot,
    chapter: "3",
    question: "What is the state of the whole, if nobody sees all at one moment?",
    source: SOURCE,
    survives: &[
        "any delay and any pause",
        "several snapshots and several initiators at once",
        "messages that wait for their sender's disk",
    ],
    parameters: &[NODES, BALANCE, TRANSFERS, HANDED_ON, PACE, LOGGED, SNAPSHOTS, PERIOD],
    properties: &[
        Property {
            name: "consistent cut",
            sentence: "No message was received before its receiver recorded and sent after its sender did.",
            source: "Chandy and Lamport 1985, theorem 1",
        },
        Property {
            name: "channel state",
            sentence: "A channel's state is what was sent before its sender recorded and not received before its receiver did.",
            source: "Chandy and Lamport 1985, section 3.2",
        },
        Property {
            name: "conservation",
            sentence: "The money in a snapshot, in accounts and channels, is all the money there is.",
            source: "Chandy and Lamport 1985, section 2.2",
        },
        Property {
            name: "one marker a channel",
            sentence: "A snapshot sends one marker over each directed channel.",
            source: "Chandy and Lamport 1985, section 3.2",
        },
        Property {
            name: "termination",
            sentence: "If termination is detected, nobody is active and nothing is under way.",
            source: "Chandy and Lamport 1985, section 5",
        },
        Property {
            name: "liveness",
            sentence: "Every snapshot is completed, and termination is detected once it is there.",
            source: "Chandy and Lamport 1985, sections 3.3 and 5",
        },
    ],
    costs: &[
        Cost {
            name: "markers a snapshot",
            formula: "N (N - 1), one a directed channel",
            value: |settings| cost(settings).markers as f64,
            unit: "messages",
        },
        Cost {
            name: "parts to the collector",
            formula: "N - 1",
            value: |settings| cost(settings).parts as f64,
            unit: "messages",
        },
    ],
    papers: &[
        "Chandy, Lamport: Distributed Snapshots: Determining Global States of Distributed Systems. ACM TOCS 3(1), 1985",
    ],
    figures: &[Figure {
        name: "the snapshot algorithm (section 3.1)",
        script: include_str!("../../../../../protocols/tests/snapshot/scripts/survey"),
    }],
    weaknesses: &[
        Weakness {
            name: "no-fifo",
            sentence: "A marker is overtaken by money that was sent after it, or overtakes money that was sent before.",
            origin: Origin::Need("fifo"),
            violates: &["consistent cut", "channel state", "conservation"],
            plan: |plan| {
                plan.network.fifo = false;
                plan.network.delay = Delay::micros(100, 30_000);
                plan.network.delay_bound = Some(plan.network.delay.most());
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "lost-message",
            sentence: "Money is lost, or a marker, for which its receiver waits for ever.",
            origin: Origin::Need("reliable"),
            violates: &["channel state", "conservation", "liveness"],
            plan: |plan| plan.faults = "at 0.04s drop * n1 -> n2 x2".parse().expect("a fault line"),
            ..Weakness::EMPTY
        },
        Weakness {
            name: "crash",
            sentence: "A process crashes, and forgets its part of the snapshot, or its money.",
            origin: Origin::Known("Chandy and Lamport 1985, section 2: processes do not fail"),
            violates: &["liveness", "conservation", "channel state", "consistent cut", "termination"],
            plan: |plan| plan.faults = "at 0.06s kill n2 for 0.1s".parse().expect("a fault line"),
            ..Weakness::EMPTY
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::COST],
    must_exercise: &["snapshot.completed", "snapshot.messages caught in channels", "termination.detected"],
};

fn cost(settings: &Settings) -> synod_protocols::snapshot::chandy_lamport::Messages {
    let nodes = settings.integer("nodes");
    messages(nodes, nodes * (nodes - 1))
}
