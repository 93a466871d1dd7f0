//! Chord in the laboratory: nodes join, leave and crash while clients store and look up.

use std::time::Duration;

use synod_machine::{Machine, NodeId};
use synod_protocols::routing::chord::{Chord as Node, Flaws, Ring, SOURCE, cost};
use synod_sim::{Delay, Fault, Plan, Swarm, What};

use super::hash_ring;
use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod failures;
mod measure;
mod tables;

use ensemble::Dwellers;

/// The entry.
pub struct Chord;

/// Identifiers of this many bits tell the nodes of a world apart and stay short enough to read.
const BITS: u32 = 16;
/// So many nodes found the ring whatever the list's length: one more than the longest list.
const FOUNDERS: u64 = 5;
/// By then all founders have started and know each other.
const FOUNDED: Duration = Duration::from_millis(200);
/// Between two nodes that go, the others have time to notice: what the mechanism assumes.
const QUIET: Duration = Duration::from_millis(900);

impl Mechanism for Chord {
    type Subject = Staged<Dwellers>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Dwellers> {
        let flaws = Flaws {
            original_join: settings.switch("original-join"),
            serve_at_once: settings.switch("serve-at-once"),
        };
        let bound = plan.network.delay_bound.unwrap_or(plan.network.delay.most());
        Staged::new(Dwellers::new(plan, settings.integer("successors") as usize, bound, flaws))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Node::NEEDS,
            nodes: settings.sizes(&[6, 8, 12]),
            safety: (Duration::from_secs(2), Duration::from_secs(8)),
            // Nothing is on disk: what only concerns disks is left out.
            without: vec!["crash-at-sync", "upgrade", "wipe", "fail-sync", "fill", "stall", "rot"],
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, _: &Settings) {
        plan.leave_dead = plan.leave_dead.min(1);
        space_out(plan);
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

/// Keeps of the crashes those that leave the others time to notice, and enough members.
fn space_out(plan: &mut Plan) {
    let spare = (plan.nodes - FOUNDERS.min(plan.nodes)) as usize;
    let mut kept: Vec<(Duration, Duration)> = Vec::new();
    plan.faults.faults.retain_mut(|fault: &mut Fault| {
        if !matches!(fault.what, What::Crash(_) | What::Kill(_)) {
            return true;
        }
        let back = fault.at + fault.lasts.unwrap_or(plan.safety);
        let down = kept.iter().filter(|(_, back)| *back > fault.at).count();
        let soon = kept.last().is_some_and(|(at, _)| fault.at < *at + QUIET);
        let keep = !soon && down < spare && fault.at > FOUNDED;
        if keep {
            kept.push((fault.at, back));
        }
        keep
    });
}

/// As many neighbours on the ring as a list has entries crash at once.
fn crash_a_whole_list(plan: &mut Plan) {
    let ring = Ring::of_bits(BITS);
    let mut order: Vec<NodeId> = (1..=plan.nodes).map(NodeId).collect();
    order.sort_by_key(|node| ring.of_node(*node));
    for node in order.into_iter().take(SUCCESSORS as usize) {
        plan.faults.faults.push(Fault {
            at: Duration::from_millis(1_500),
            what: What::Crash(node),
            lasts: Some(Duration::from_secs(1)),
        });
    }
    plan.faults.faults.sort_by_key(|fault| fault.at);
}

const SUCCESSORS: u64 = 3;

static ABOUT: About = About {
    name: "chord",
    family: Family::Routing,
    chapter: "8.1",
    question: "Where is a key, if nobody knows all nodes?",
    source: SOURCE,
    survives: &[
        "nodes that join and leave at any time, also many at once",
        "crashes of fewer neighbours than a list has entries between two rounds of stabilization",
        "nodes that come back to their old place knowing nothing",
        "any order of messages within the bound on their delay",
    ],
    parameters: &[
        Parameter::integer(
            "nodes",
            8,
            6..=64,
            "Nodes; the first five found the ring. A hunt draws 6 to 12 if it is not set.",
        ),
        Parameter::integer("successors", SUCCESSORS, 1..=4, "Successors that a node keeps (r)."),
        Parameter::switch("original-join", false, "Join, stabilize and notify as published in 2001."),
        Parameter::switch("serve-at-once", false, "A node that joins serves its keys before it has them."),
    ],
    properties: &[
        Property {
            name: "one live successor",
            sentence: "Every member has a live successor in its list.",
            source: "Zave 2017, section 5: OneLiveSuccessor",
        },
        Property {
            name: "one ordered ring",
            sentence: "Along first live successors all members come to one ring, in the order of identifiers.",
            source: "Zave 2012, section 3: AtLeastOneRing, AtMostOneRing, OrderedRing, ConnectedAppendages",
        },
        Property {
            name: "ordered lists",
            sentence: "A member's list goes round the ring at most once and names nobody twice.",
            source: "Zave 2017, section 5: NoDuplicates, OrderedSuccessorLists",
        },
        Property {
            name: "right owner",
            sentence: "A lookup names two nodes and its key lies between them; in an ideal ring, the first member at or after the key and the one before it.",
            source: "Stoica et al. 2003, theorem 2, whose assumption is the ideal ring",
        },
        Property {
            name: "one owner",
            sentence: "While nobody crashes no key is served by two members.",
            source: "follows from granting ranges; Stoica et al. 2003, section 4.2",
        },
        Property {
            name: "latest value",
            sentence: "While nobody crashes a read sees the last write that was complete when it began, or a later one.",
            source: "follows from one owner",
        },
        Property {
            name: "liveness",
            sentence: "When joins and failures pause, all who live are members of an ideal ring, and serve what is theirs.",
            source: "Zave 2017, theorem 1",
        },
    ],
    costs: &[
        Cost {
            name: "mean path of a lookup",
            formula: "log2(N) / 2",
            value: |settings| cost::mean_path((settings.integer("nodes") as f64).log2()),
            unit: "nodes",
        },
        Cost {
            name: "messages of an iterative lookup",
            formula: "log2(N)",
            value: |settings| 2.0 * cost::mean_path((settings.integer("nodes") as f64).log2()),
            unit: "messages",
        },
        Cost {
            name: "messages of a round of stabilization",
            formula: "3",
            value: |_| cost::STABILIZE_MESSAGES as f64,
            unit: "messages",
        },
        Cost {
            name: "share of the keys that move to a joining node",
            formula: "1 / (N + 1)",
            value: |settings| cost::keys_moved(1.0, settings.integer("nodes")),
            unit: "of all",
        },
    ],
    papers: &[
        "Stoica, Morris, Liben-Nowell, Karger, Kaashoek, Dabek, Balakrishnan: Chord. Transactions on Networking 11(1), 2003",
        "Zave: Reasoning About Identifier Spaces: How to Make Chord Correct. Transactions on Software Engineering 43(12), 2017",
        "Zave: Using Lightweight Modeling to Understand Chord. Computer Communication Review 42(2), 2012",
        "Karger, Lehman, Leighton, Panigrahy, Levine, Lewin: Consistent Hashing and Random Trees. STOC 1997",
        "Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads. SODA 2018",
    ],
    figures: &[
        Figure {
            name: "8.1 The ring 8, 14, 21, 42, 56 and key 50",
            script: include_str!("../../../../../protocols/tests/chord/scripts/survey_figure"),
        },
        Figure {
            name: "8.2 Virtual nodes",
            script: include_str!("../../../../../protocols/tests/hash_ring/scripts/survey_figure"),
        },
    ],
    weaknesses: &[
        Weakness {
            name: "original-join",
            sentence: "A node that has just joined knows its successor only; that one fails, and nobody alive is left in the list.",
            origin: Origin::Known("Zave 2012, section 4"),
            violates: &["one live successor", "one ordered ring", "ordered lists", "liveness"],
            settings: &[("original-join", "true")],
            space: |space| space.nodes = vec![6],
            // n1 follows n6, and goes after n6 has joined and before it has asked n1 who else there is.
            plan: |plan| {
                let slow = Duration::from_millis(10);
                plan.network.delay = Delay::Constant(slow);
                plan.network.delay_bound = Some(slow);
                plan.faults = "at 0.06s crash n1 for 0.3s".parse().expect("a fault line");
            },
        },
        Weakness {
            name: "lost-messages",
            sentence: "Answers are lost, living nodes are taken for dead, and lists lose those who are alive.",
            origin: Origin::Need("reliable"),
            violates: &[
                "one live successor",
                "one ordered ring",
                "ordered lists",
                "one owner",
                "latest value",
                "liveness",
            ],
            plan: |plan| plan.network.loss = synod_sim::Odds::percent(30),
            ..Weakness::EMPTY
        },
        Weakness {
            name: "late-answers",
            sentence: "Messages take longer than the stated bound, and living nodes are taken for dead.",
            origin: Origin::Need("bounded_delay"),
            violates: &[
                "one live successor",
                "one ordered ring",
                "ordered lists",
                "one owner",
                "latest value",
                "liveness",
            ],
            plan: |plan| {
                plan.network.delay = Delay::micros(1_000, 30_000);
                plan.network.delay_bound = Some(Duration::from_millis(2));
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "whole-list-crashes",
            sentence: "All nodes of one list crash at once: who had that list knows nobody alive.",
            origin: Origin::Known("Zave 2017, section 4: the assumption on failures"),
            violates: &["one live successor", "one ordered ring"],
            plan: crash_a_whole_list,
            ..Weakness::EMPTY
        },
        Weakness {
            name: "serve-at-once",
            sentence: "A node serves its range before the keys are handed over, and reads miss what was stored.",
            origin: Origin::Planted,
            violates: &["one owner", "latest value"],
            settings: &[("serve-at-once", "true")],
            space: |space| space.without.extend(["crash", "kill"]),
            ..Weakness::EMPTY
        },
    ],
    explorations: &[],
    experiments: &[
        measure::LOOKUP,
        failures::FAILURES,
        measure::KEYS,
        hash_ring::BALANCE,
        hash_ring::JOIN,
        hash_ring::BOUNDED,
    ],
    must_exercise: &[
        "client.stored",
        "client.read",
        "client.found_ideal",
        "client.left",
        "chord.joined",
        "fault.crash",
    ],
};
