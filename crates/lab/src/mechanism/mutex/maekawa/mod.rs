//! Maekawa's algorithm in the laboratory.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_machine::Machine;
use synod_protocols::mutex::maekawa::{Config, Coterie, Handling, Maekawa as Process, SOURCE, cost};
use synod_sim::{Delay, Odds, Plan, Swarm};

use super::workload::{self, Workload};
use crate::chronicle::Chronicle;
use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod explore;
mod measure;

use ensemble::Processes;

/// The entry.
pub struct Maekawa;

impl Mechanism for Maekawa {
    type Subject = Staged<Processes>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Processes> {
        let clients = Workload::new(plan.nodes, settings.duration("hold"), settings.duration("think"));
        let sets = coterie(&settings.word("coterie"), plan.nodes);
        Staged::new(Processes::new(sets, config(&settings.word("handling")), clients))
    }

    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        Ok(subject.ensemble_mut().chronicle())
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Process::NEEDS,
            nodes: settings.sizes(&[3, 4, 7, 9, 13]),
            safety: (Duration::from_secs(1), Duration::from_secs(5)),
            // A process that crashes takes its permission with it: what ends one is left out.
            without: vec!["crash", "kill", "crash-at-sync", "upgrade", "wipe", "fail-sync", "fill", "rot"],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(40);
    }
}

/// The request sets of so many processes.
fn coterie(word: &str, nodes: u64) -> Coterie {
    let nodes = u32::try_from(nodes).expect("worlds have at most some thousand nodes");
    let sets = if word == "grid" { Coterie::grid(nodes) } else { Coterie::folded_plane(nodes) };
    sets.expect("parameters are within what can be built")
}

/// What all processes have in common; each is given its own request set.
fn config(handling: &str) -> Config {
    let handling = match handling {
        "none" => Handling::None,
        "as-published" => Handling::AsPublished,
        _ => Handling::Full,
    };
    Config { request_set: BTreeSet::new(), handling, hold: None, own_by_network: false }
}

const DELAY: Parameter = Parameter::duration(
    "delay",
    Duration::from_millis(1),
    Duration::from_micros(1)..=Duration::from_secs(1),
    "How long a message is under way (T).",
);

/// K, by the settings.
fn set(settings: &Settings) -> u64 {
    coterie(&settings.word("coterie"), settings.integer("nodes")).largest_set() as u64
}

static ABOUT: About = About {
    name: "maekawa",
    family: Family::Mutex,
    chapter: "5.3",
    question: "How few must be asked so that no two enter at once?",
    source: SOURCE,
    survives: &["any delay and any pause", "any number of processes asking at once"],
    parameters: &[
        Parameter::integer("nodes", 7, 2..=256, "Processes (N); a hunt draws 3 to 13 if it is not set."),
        measure::COTERIE,
        Parameter::word(
            "handling",
            &["full", "as-published", "none"],
            "What is done about circular waits: FAILED, INQUIRE and YIELD with Sanders' correction, as in 1985, or nothing.",
        ),
        workload::HOLD,
        workload::THINK,
        DELAY,
    ],
    properties: PROPERTIES,
    costs: COSTS,
    papers: &[
        "Maekawa: A √N Algorithm for Mutual Exclusion in Decentralized Systems. ACM TOCS 3(2), 1985",
        "Sanders: The Information Structure of Distributed Mutual Exclusion Algorithms. ACM TOCS 5(3), 1987",
        "Singer: A Theorem in Finite Projective Geometry. Transactions of the AMS 43, 1938",
    ],
    figures: &[Figure {
        name: "5.3, two request sets that meet in P2",
        script: include_str!("../../../../../protocols/tests/maekawa/scripts/figure"),
    }],
    weaknesses: WEAKNESSES,
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::COST, measure::REQUEST_SETS, measure::DEADLOCK],
    must_exercise: &["note.mutex.entered", "mutex.handovers", "mutex.inquiries", "mutex.yields"],
};

const PROPERTIES: &[Property] = &[
    Property {
        name: "exclusion",
        sentence: "At most one process is in its critical section.",
        source: "Maekawa 1985, section 1; Lamport 1986, mutual exclusion property",
    },
    Property {
        name: "no deadlock",
        sentence: "When processes wait and nobody stays inside for ever, one of them enters: no circle of waiting stays.",
        source: "Maekawa 1985, section 3.2; Sanders 1987",
    },
    Property {
        name: "fairness",
        sentence: "Before a request that all its arbiters know, every other process enters at most twice.",
        source: "Maekawa 1985, section 3.2 (requests are served by their stamps)",
    },
    Property {
        name: "liveness",
        sentence: "Who asks gets in, if everybody who is in leaves again.",
        source: "Maekawa 1985, section 3.2",
    },
];

const COSTS: &[Cost] = &[
    Cost {
        name: "messages an entry, alone",
        formula: "3 (K - 1)",
        value: |settings| cost::messages_uncontended(set(settings)) as f64,
        unit: "messages",
    },
    Cost {
        name: "messages an entry, most (published)",
        formula: "5 (K - 1)",
        value: |settings| cost::messages_published_most(set(settings)) as f64,
        unit: "messages",
    },
    Cost {
        name: "synchronization delay",
        formula: "2 T",
        value: |settings| cost::synchronization_delay(settings.duration("delay")).as_secs_f64() * 1e3,
        unit: "ms",
    },
];

const WEAKNESSES: &[Weakness] = &[
    Weakness {
        name: "no-handling",
        sentence: "Arbiters only queue: processes that hold each other's grants wait in a circle.",
        origin: Origin::Known("Maekawa 1985, section 3.2"),
        violates: &["no deadlock", "liveness"],
        settings: &[("handling", "none")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "as-published",
        sentence: "A request that is overtaken in an arbiter's queue is not told: it gives nothing back, and a circle closes.",
        origin: Origin::Known("Sanders 1987"),
        violates: &["no deadlock", "liveness"],
        settings: &[("handling", "as-published"), ("think", "0s")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "no-fifo",
        sentence: "An INQUIRE overtakes the grant that it is about and is lost: nobody gives back, and a circle closes.",
        origin: Origin::Need("fifo"),
        violates: &["exclusion", "no deadlock", "liveness"],
        plan: |plan| {
            plan.network.fifo = false;
            plan.network.delay = Delay::micros(100, 10_000);
            plan.network.delay_bound = Some(plan.network.delay.most());
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "repeated-message",
        sentence: "A grant that was given back arrives again: its process enters although the arbiter has granted another.",
        origin: Origin::Need("reliable"),
        violates: &["exclusion"],
        settings: &[("think", "0s")],
        plan: |plan| {
            plan.network.duplication = Odds::percent(20);
            plan.network.delay = Delay::micros(100, 10_000);
            plan.network.delay_bound = Some(plan.network.delay.most());
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "lost-message",
        sentence: "One message is lost, and those that share its arbiter wait for ever.",
        origin: Origin::Need("reliable"),
        violates: &["no deadlock", "liveness"],
        plan: |plan| plan.faults = "at 0.2s drop * n1 -> n2 x1".parse().expect("a fault line"),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "forgetful-arbiter",
        sentence: "A process crashes and comes back without its memory: who waited for its permission waits for ever, and what it had granted it grants again.",
        origin: Origin::Known("Maekawa 1985: its processes do not fail"),
        violates: &["exclusion", "no deadlock", "liveness"],
        settings: &[("think", "0s")],
        plan: |plan| plan.faults = "at 0.3s kill n2 for 0.01s".parse().expect("a fault line"),
        ..Weakness::EMPTY
    },
];
