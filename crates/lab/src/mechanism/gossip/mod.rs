//! Epidemics in the laboratory: rumor mongering backed by anti-entropy.

use std::time::Duration;

use synod_protocols::gossip::anti_entropy::Comparison;
use synod_protocols::gossip::epidemic::{AntiEntropy, Config, SOURCE};
use synod_protocols::gossip::replica::Lifetimes;
use synod_protocols::gossip::rumor::Direction;
use synod_sim::{Plan, Swarm, Tolerance};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod measure;
pub mod rounds;

use ensemble::{Sites, Workload};

/// The entry.
pub struct Rumor;

impl Mechanism for Rumor {
    type Subject = Staged<Sites>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Sites> {
        let workload = Workload {
            keys: 8,
            think: settings.duration("think"),
            delete_one_in: settings.integer("delete-one-in"),
            until: plan.safety,
        };
        Staged::new(Sites::new(plan.nodes, config(settings), workload))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        let needs = <<Staged<Sites> as synod_sim::Subject>::Machine as synod_machine::Machine>::NEEDS;
        Swarm {
            needs,
            nodes: settings.sizes(&[2, 3, 5, 8]),
            safety: (Duration::from_secs(1), Duration::from_secs(4)),
            heal: Duration::from_secs(60),
            tolerance: Tolerance::default(),
            // Certificates live by the wall clock: it may drift, but not jump by hours.
            without: vec!["jump", "wipe", "rot"],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(120);
    }
}

fn config(settings: &Settings) -> Config {
    let comparison = match settings.word("comparison").as_str() {
        "full" => Comparison::Full,
        "digest" => Comparison::Digest,
        _ => Comparison::Merkle,
    };
    let direction = match settings.word("anti-entropy").as_str() {
        "push" => Some(Direction::Push),
        "pull" => Some(Direction::Pull),
        "push-pull" => Some(Direction::PushPull),
        _ => None,
    };
    Config {
        peers: Vec::new(),
        rumor: settings.switch("rumor").then(|| measure::policy(settings)),
        rumor_cycle: settings.duration("rumor-cycle"),
        anti_entropy: direction.map(|direction| AntiEntropy { direction, comparison }),
        anti_entropy_cycle: settings.duration("anti-entropy-cycle"),
        redistribute: settings.switch("redistribute"),
        lifetimes: Lifetimes { active: settings.duration("active"), dormant: settings.duration("dormant") },
        retention_sites: settings.integer("retention-sites") as usize,
        levels: 4,
    }
}

const HOURS: u64 = 3_600;

static ABOUT: About = About {
    name: "rumor",
    family: Family::Gossip,
    chapter: "14",
    question: "How does news reach everybody, if nobody knows who has it?",
    source: SOURCE,
    survives: &[
        "lost, late, repeated and reordered messages",
        "partitions, and sites that were away",
        "crashes of any number of sites, and power loss",
    ],
    parameters: &[
        Parameter::integer("nodes", 5, 2..=256, "Sites; a hunt draws 2 to 8 if it is not set."),
        Parameter::switch("rumor", true, "Whether writes are told as rumors."),
        Parameter::integer("k", 2, 1..=1_000, "The counter's limit, or the coin's sides."),
        Parameter::word("direction", &["push", "pull", "push-pull"], "Who begins a contact about rumors."),
        Parameter::word(
            "interest",
            &["feedback", "blind"],
            "Whether only contacts that did not need the rumor count.",
        ),
        Parameter::word("removal", &["counter", "coin"], "How interest is lost."),
        Parameter::duration(
            "rumor-cycle",
            Duration::from_millis(10),
            Duration::from_micros(100)..=Duration::from_secs(60),
            "Time between two contacts of a site with rumors.",
        ),
        Parameter::word(
            "anti-entropy",
            &["push-pull", "push", "pull", "none"],
            "Which way an exchange goes; none: rumors alone.",
        ),
        Parameter::word("comparison", &["merkle", "digest", "full"], "How an exchange finds what differs."),
        Parameter::duration(
            "anti-entropy-cycle",
            Duration::from_millis(100),
            Duration::from_millis(1)..=Duration::from_secs(3_600),
            "Time between two exchanges that a site begins.",
        ),
        Parameter::switch("redistribute", true, "Whether what an exchange finds becomes a rumor again."),
        Parameter::duration(
            "active",
            Duration::from_secs(24 * HOURS),
            Duration::from_millis(10)..=Duration::from_secs(24 * HOURS * 365),
            "How long a death certificate spreads.",
        ),
        Parameter::duration(
            "dormant",
            Duration::from_secs(240 * HOURS),
            Duration::ZERO..=Duration::from_secs(24 * HOURS * 3_650),
            "How long it sleeps at its retention sites after that.",
        ),
        Parameter::integer("retention-sites", 2, 0..=64, "At how many sites it sleeps."),
        Parameter::duration(
            "think",
            Duration::from_millis(20),
            Duration::from_micros(10)..=Duration::from_secs(10),
            "Time between two requests of clients, at most.",
        ),
        Parameter::integer("delete-one-in", 4, 0..=1_000, "One request in so many is a deletion; 0: none."),
    ],
    properties: &[
        Property {
            name: "liveness",
            sentence: "When writes cease, all sites come to hold the same.",
            source: "Demers et al. 1987, section 1.5",
        },
        Property {
            name: "durability",
            sentence: "A site keeps what it acknowledged, or something later.",
            source: "Demers et al. 1987, section 1.1",
        },
        Property {
            name: "no resurrection",
            sentence: "A site that has seen a version or a death of a key does not go back to an older one.",
            source: "Demers et al. 1987, section 2",
        },
        Property {
            name: "unique stamps",
            sentence: "No two updates have the same stamp.",
            source: "Demers et al. 1987, section 1.1",
        },
    ],
    costs: &[Cost {
        name: "residue of push with feedback and coin",
        formula: "s = e^(-(k+1)(1-s))",
        value: |settings| synod_protocols::gossip::rumor::residue_of_push(settings.integer("k") as u32),
        unit: "of the sites",
    }],
    papers: &[
        "Demers et al.: Epidemic Algorithms for Replicated Database Maintenance. PODC 1987",
        "Pittel: On Spreading a Rumor. SIAM Journal on Applied Mathematics 47(1), 1987",
        "DeCandia et al.: Dynamo: Amazon's Highly Available Key-value Store. SOSP 2007, section 4.7",
    ],
    figures: &[
        Figure {
            name: "susceptible, infected, removed (section 14)",
            script: include_str!("../../../../protocols/tests/gossip/scripts/rumor"),
        },
        Figure {
            name: "a death certificate and a site that was away",
            script: include_str!("../../../../protocols/tests/gossip/scripts/death"),
        },
    ],
    weaknesses: &[
        Weakness {
            name: "rumors-alone",
            sentence: "Everybody has lost interest before everybody has heard: without anti-entropy a residue stays for ever.",
            origin: Origin::Known("Demers et al. 1987, section 1.4"),
            violates: &["liveness"],
            settings: &[("anti-entropy", "none"), ("k", "1")],
            ..Weakness::EMPTY
        },
        Weakness {
            name: "short-certificates",
            sentence: "A death certificate is dropped everywhere before the last site has heard of the death, and that site brings the key back.",
            origin: Origin::Known("Demers et al. 1987, section 2"),
            violates: &["no resurrection"],
            settings: &[("active", "0.05s"), ("dormant", "0s")],
            ..Weakness::EMPTY
        },
        Weakness {
            name: "wiped-disk",
            sentence: "A site acknowledges a write and loses its disk before it has told anyone.",
            origin: Origin::Need("stable_storage"),
            violates: &["durability", "unique stamps"],
            // Sites are slow to tell, so that there is something which nobody else has.
            settings: &[("rumor-cycle", "2s"), ("anti-entropy-cycle", "5s")],
            plan: |plan| {
                plan.tolerance.wipes_max = 1;
                plan.faults = "at 0.5s wipe n1 for 0.2s".parse().expect("a fault line");
            },
            ..Weakness::EMPTY
        },
    ],
    explorations: &[],
    experiments: &[measure::RUMOR, measure::ANTI_ENTROPY],
    must_exercise: &[
        "client.writes",
        "client.deletes",
        "gossip.news",
        "gossip.found by comparison",
        "note.gossip.rumors",
    ],
};
