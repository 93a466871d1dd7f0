//! Logical clocks in the laboratory: Lamport's, the vector and the hybrid clock round processes that talk.

use std::time::Duration;

use synod_machine::Machine as _;
use synod_protocols::clocks::{Stamped, vector};
use synod_sim::{Plan, Swarm};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod all;
mod chatter;
mod differential;
mod ensemble;
mod executions;
mod measure;
mod siblings;

use all::AllClocks;
use chatter::Chatter;
pub use differential::Differential;
use ensemble::{Claimed, Processes, Talk};

/// The entry.
pub struct Clocks;

impl Mechanism for Clocks {
    type Subject = Staged<Processes<AllClocks>>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Self::Subject {
        let claims = Claimed {
            converse: settings.switch("converse"),
            // Offsets lie on both sides of true time; drift adds to them.
            epsilon: plan.clock.wall_offset_max * 2 + DRIFT_SLACK,
            nodes: plan.nodes,
        };
        Staged::new(Processes::new(claims, talk(settings)))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Stamped::<Chatter, AllClocks>::NEEDS,
            nodes: settings.sizes(&[2, 3, 5, 8]),
            safety: (Duration::from_millis(500), Duration::from_secs(2)),
            // A process that forgets its clock is another process; a wall clock that jumps leaves ε.
            without: vec![
                "crash",
                "kill",
                "crash-at-sync",
                "upgrade",
                "wipe",
                "fail-sync",
                "fill",
                "rot",
                "jump",
                "drift",
            ],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

/// What rates of wall clocks add to their offsets in a run.
const DRIFT_SLACK: Duration = Duration::from_millis(5);

const PACE: Parameter = Parameter::duration(
    "pace",
    Duration::from_millis(20),
    Duration::from_micros(1)..=Duration::from_secs(10),
    "Time between two utterances of a process, at most.",
);

const UTTERANCES: Parameter = Parameter::integer(
    "utterances",
    25,
    1..=1_000,
    "How often each process speaks, or is silent when it might.",
);

fn talk(settings: &Settings) -> Talk {
    Talk { pace: settings.duration("pace"), utterances: settings.integer("utterances") }
}

static ABOUT: About = About {
    name: "clocks",
    family: Family::Clocks,
    chapter: "2",
    question: "What happened before what, if nobody has the right time?",
    source: vector::SOURCE,
    survives: &[
        "lost, late, repeated and reordered messages",
        "partitions and pauses",
        "wall clocks that are wrong, for all but the hybrid clock's bound",
    ],
    parameters: &[
        Parameter::integer("nodes", 3, 2..=64, "Processes; a hunt draws 2 to 8 if it is not set."),
        PACE,
        UTTERANCES,
        Parameter::switch("converse", false, "Claim also that a smaller Lamport clock means before."),
    ],
    properties: &[
        Property {
            name: "clock condition",
            sentence: "If e happened before f, then C(e) < C(f).",
            source: "Lamport 1978, clock condition",
        },
        Property {
            name: "isomorphism",
            sentence: "e happened before f if and only if V(e) < V(f).",
            source: "Mattern 1989; Fidge 1988",
        },
        Property {
            name: "hybrid order",
            sentence: "If e happened before f, then (l, c)(e) < (l, c)(f).",
            source: "Kulkarni et al. 2014, theorem 1",
        },
        Property {
            name: "hybrid bound",
            sentence: "l is not behind the process's wall clock, and at most ε ahead.",
            source: "Kulkarni et al. 2014, corollary 1",
        },
        Property {
            name: "converse",
            sentence: "If C(e) < C(f), then e happened before f. It does not hold; it is claimed only to see it fail.",
            source: "Lamport 1978, after the clock condition",
        },
    ],
    costs: &[
        Cost { name: "Lamport: numbers a message", formula: "1", value: |_| 1.0, unit: "numbers" },
        Cost {
            name: "vector: numbers a message",
            formula: "N",
            value: |settings| settings.integer("nodes") as f64,
            unit: "numbers",
        },
        Cost { name: "hybrid: bits a message", formula: "48 + 16", value: |_| 64.0, unit: "bits" },
    ],
    papers: &[
        "Lamport: Time, Clocks, and the Ordering of Events in a Distributed System. CACM 21(7), 1978",
        "Fidge: Timestamps in Message-Passing Systems That Preserve the Partial Ordering. ACSC 1988",
        "Mattern: Virtual Time and Global States of Distributed Systems. 1989",
        "Kulkarni, Demirbas, Madappa, Avva, Leone: Logical Physical Clocks. OPODIS 2014",
        "Preguiça, Baquero, Almeida, Fonte, Gonçalves: Dotted Version Vectors. 2010",
    ],
    figures: &[
        Figure {
            name: "Lamport's clock (section 2.1)",
            script: include_str!("../../../../protocols/tests/clocks/scripts/lamport"),
        },
        Figure {
            name: "vector clocks (section 2.2)",
            script: include_str!("../../../../protocols/tests/clocks/scripts/vector"),
        },
    ],
    weaknesses: &[
        Weakness {
            name: "lamport-converse",
            sentence: "Of two events that know nothing of each other one has the smaller number.",
            origin: Origin::Known("Lamport 1978, after the clock condition"),
            violates: &["converse"],
            settings: &[("converse", "true")],
            ..Weakness::EMPTY
        },
        Weakness {
            name: "wall-clock-jump",
            sentence: "One wall clock jumps ahead, and drags the hybrid clock of everybody who hears of it beyond ε.",
            origin: Origin::Known("Kulkarni et al. 2014, section 5"),
            violates: &["hybrid bound"],
            plan: |plan| plan.faults = "at 0.05s jump n1 +1s".parse().expect("a fault line"),
            ..Weakness::EMPTY
        },
    ],
    explorations: &[],
    experiments: &[measure::VECTOR, measure::HYBRID, measure::SIBLINGS],
    must_exercise: &["clocks.events", "clocks.pairs ordered", "clocks.pairs concurrent"],
};
