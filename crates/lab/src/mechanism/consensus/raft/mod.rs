//! Raft in the laboratory: a plain group that agrees on a log of commands.

use std::time::Duration;

use synod_machine::{Machine, NodeId};
use synod_protocols::consensus::raft::{Config, Raft, SOURCE};
use synod_sim::{Delay, Fault, Plan, Stream, Swarm, Tolerance, What};

use crate::chronicle::Chronicle;
use crate::entry::{About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Weakness};

mod clockwork;
mod elections;
mod explore;
mod group;
mod register;

pub use group::Group;

/// The entry.
pub struct PlainRaft;

impl Mechanism for PlainRaft {
    type Subject = Group;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Group {
        Group::new(plan.nodes, config(plan, settings))
    }

    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        Ok(subject.chronicle())
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: <Raft as Machine>::NEEDS,
            nodes: settings.sizes(&[3, 5]),
            safety: (Duration::from_secs(1), Duration::from_secs(10)),
            drift_ppm_bound: DRIFT_PPM_BOUND,
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(450);
    }
}

/// What leases count on.
const DRIFT_PPM_BOUND: u32 = 500;

fn config(plan: &Plan, settings: &Settings) -> Config {
    // A hunt looks at all combinations of what can be chosen; a drawn bit of the workload each.
    let chosen = |name: &str, bit: u32| match settings.word(name).as_str() {
        "yes" => true,
        "no" => false,
        _ => plan.workload >> bit & 1 == 1,
    };
    let least = settings.duration("timeout-least");
    let leases = chosen("leases", 2);
    let pre_vote = chosen("pre-vote", 0);
    let mut config = Config {
        election_least: least,
        election_most: settings.duration("timeout-most").max(least),
        heartbeat: least / 5,
        retry: least / 3,
        read_retry: least / 2,
        suspicion: (plan.workload >> 4 & 1 == 1).then_some(least / 5),
        pre_vote,
        check_quorum: chosen("check-quorum", 1) || leases,
        lease_drift_ppm: leases.then_some(DRIFT_PPM_BOUND),
        // The log stays whole: a snapshot needs a state machine.
        retained_entries_max: usize::MAX,
        retained_bytes_max: usize::MAX,
        ..Config::default()
    };
    let flaws = &mut config.flaws;
    match settings.word("bug").as_str() {
        "reply-before-durable" => flaws.reply_before_durable = true,
        "forget-vote" => flaws.forget_vote = true,
        "commit-older-term" => {
            flaws.commit_older_term = true;
            // One entry an append, as in the figure: else the leader's own first entry travels with the old ones, and hides it.
            (config.append_bytes_max, config.inflight_messages_max) = (1, 1);
        }
        "read-without-quorum" => flaws.read_without_quorum = true,
        "lease-ignores-drift" => flaws.lease_ignores_drift = true,
        "vote-for-stale-log" => flaws.vote_for_stale_log = true,
        "append-without-check" => flaws.append_without_check = true,
        _ => {}
    }
    config
}

/// What a broken rule may show first.
const SAFETY: &[&str] = &[
    "election safety",
    "leader append-only",
    "log matching",
    "leader completeness",
    "state machine safety",
    "durability",
    "durability of votes",
    "durability of entries",
    "no panic",
];
const PLANTED: Weakness = Weakness { origin: Origin::Planted, violates: SAFETY, ..Weakness::EMPTY };

/// Nodes that crash over and over, in turns, on a network that takes its time: many leaders whose entries reach some and not others.
fn restless_leaders(plan: &mut Plan) {
    let mut draw = Stream::named(plan.seed, "restless");
    plan.network.delay = Delay::micros(2_000, 30_000);
    plan.heal = Duration::ZERO;
    plan.faults.faults.clear();
    let mut at = Duration::from_millis(200);
    while at < plan.safety {
        let what = What::Kill(NodeId(1 + draw.below(plan.nodes)));
        let lasts = draw.duration(Duration::from_millis(50), Duration::from_millis(900));
        plan.faults.faults.push(Fault { at, what, lasts: Some(lasts) });
        at += draw.duration(Duration::from_millis(20), Duration::from_millis(250));
    }
}

static ABOUT: About = About {
    name: "raft",
    family: Family::Consensus,
    chapter: "4.3",
    question: "How do nodes that fail keep one log, and go on as long as a majority does?",
    source: SOURCE,
    survives: &[
        "crashes of any node at any moment, also in the middle of a sync; disks that are lost for good, below a majority",
        "loss, repetition, reordering and any delay of messages; partitions",
        "clocks of any rate; with leases, within the stated bound",
    ],
    parameters: &[
        Parameter::integer("nodes", 3, 1..=9, "Nodes; a hunt draws 3 or 5 if it is not set."),
        Parameter::duration(
            "timeout-least",
            Duration::from_millis(150),
            Duration::from_millis(10)..=Duration::from_secs(60),
            "Shortest election timeout.",
        ),
        Parameter::duration(
            "timeout-most",
            Duration::from_millis(300),
            Duration::from_millis(10)..=Duration::from_secs(60),
            "Longest election timeout.",
        ),
        Parameter::word(
            "pre-vote",
            &["any", "yes", "no"],
            "Whether a node asks before it stands; any: a run draws it.",
        ),
        Parameter::word(
            "check-quorum",
            &["any", "yes", "no"],
            "Whether a leader without a majority steps down.",
        ),
        Parameter::word(
            "leases",
            &["any", "yes", "no"],
            "Whether reads rest on leases; brings check-quorum.",
        ),
        Parameter::word(
            "bug",
            &[
                "none",
                "reply-before-durable",
                "forget-vote",
                "commit-older-term",
                "read-without-quorum",
                "lease-ignores-drift",
                "vote-for-stale-log",
                "append-without-check",
            ],
            "A known bug to be put back.",
        ),
    ],
    properties: &[
        Property {
            name: "election safety",
            sentence: "At most one leader is elected in a term.",
            source: "Ongaro and Ousterhout 2014, figure 3",
        },
        Property {
            name: "leader append-only",
            sentence: "A leader never overwrites or deletes entries of its log.",
            source: "Ongaro and Ousterhout 2014, figure 3",
        },
        Property {
            name: "log matching",
            sentence: "Logs with an entry of the same index and term are identical up to it.",
            source: "Ongaro and Ousterhout 2014, figure 3",
        },
        Property {
            name: "leader completeness",
            sentence: "What is committed in a term is in the log of every later leader.",
            source: "Ongaro and Ousterhout 2014, figure 3",
        },
        Property {
            name: "state machine safety",
            sentence: "No two nodes apply different entries at one index.",
            source: "Ongaro and Ousterhout 2014, figure 3",
        },
        Property {
            name: "durability",
            sentence: "What is committed is on the disks of a majority.",
            source: "Ongaro and Ousterhout 2014, section 5.1",
        },
        Property {
            name: "durability of votes",
            sentence: "A durable vote is neither forgotten nor changed.",
            source: "Ongaro and Ousterhout 2014, figure 2",
        },
        Property {
            name: "durability of entries",
            sentence: "A durable entry is there after a crash.",
            source: "Ongaro and Ousterhout 2014, figure 2",
        },
        Property {
            name: "monotone commit",
            sentence: "A node's commit index does not fall.",
            source: "Ongaro and Ousterhout 2014, figure 2",
        },
        Property {
            name: "monotone term",
            sentence: "A node's term does not fall.",
            source: "Ongaro and Ousterhout 2014, figure 2",
        },
        Property {
            name: "linearizable reads",
            sentence: "A read includes all that was committed anywhere when it was asked.",
            source: "Ongaro 2014 (thesis), section 6.4",
        },
        Property {
            name: "liveness",
            sentence: "Once faults are over, every survivor commits what is new.",
            source: "Ongaro and Ousterhout 2014, section 5.6",
        },
        Property {
            name: "no panic",
            sentence: "No node meets a state that its own assertions exclude.",
            source: "the assertions of the machine",
        },
    ],
    costs: &[
        Cost {
            name: "messages a command, steady state",
            formula: "2 (n - 1)",
            value: |settings| 2.0 * (settings.integer("nodes") - 1) as f64,
            unit: "messages",
        },
        Cost { name: "delays until the leader commits", formula: "2", value: |_| 2.0, unit: "delays" },
    ],
    papers: &[
        "Ongaro, Ousterhout: In Search of an Understandable Consensus Algorithm. USENIX ATC 2014 (extended version)",
        "Ongaro: Consensus: Bridging Theory and Practice. Dissertation, Stanford, 2014",
    ],
    figures: &[Figure {
        name: "4.3",
        script: include_str!("../../../../../protocols/tests/raft/scripts/figure_4_3"),
    }],
    weaknesses: &[
        Weakness {
            name: "lost-disk",
            sentence: "A node's disk is lost, it votes again, and a majority no longer remembers.",
            origin: Origin::Need("stable_storage"),
            violates: SAFETY,
            space: |space| {
                space.needs.stable_storage = false;
                space.tolerance = Tolerance { wipes_max: 1_000, lost_max: 0 };
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "lease-past-drift",
            sentence: "Clocks run further apart than leases count on, and a deposed leader serves an old state.",
            origin: Origin::Known("Ongaro 2014 (thesis), section 6.4.1"),
            violates: &["linearizable reads"],
            settings: &[("leases", "yes")],
            plan: |plan| plan.clock.drift_ppm_max = 600_000,
            ..Weakness::EMPTY
        },
        Weakness {
            name: "forget-vote",
            sentence: "A restarted node does not remember for whom it voted, and elects a second leader.",
            settings: &[("bug", "forget-vote")],
            ..PLANTED
        },
        Weakness {
            name: "commit-older-term",
            sentence: "Entries of older terms are committed by counting, and lost (figure 8).",
            settings: &[("bug", "commit-older-term"), ("nodes", "5"), ("leases", "no"), ("pre-vote", "no")],
            plan: restless_leaders,
            ..PLANTED
        },
        Weakness {
            name: "reply-before-durable",
            sentence: "Votes and entries are acknowledged before the disk has them.",
            settings: &[("bug", "reply-before-durable")],
            ..PLANTED
        },
        Weakness {
            name: "read-without-quorum",
            sentence: "A leader serves reads without asking whether it still leads.",
            settings: &[("bug", "read-without-quorum")],
            violates: &["linearizable reads"],
            ..PLANTED
        },
        Weakness {
            name: "vote-for-stale-log",
            sentence: "Votes are given to candidates whose logs are behind.",
            settings: &[("bug", "vote-for-stale-log")],
            ..PLANTED
        },
        Weakness {
            name: "append-without-check",
            sentence: "A follower takes entries without looking at what precedes them.",
            settings: &[("bug", "append-without-check")],
            ..PLANTED
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[elections::SPLIT_VOTE, elections::WAN, elections::LAN, elections::STEADY],
    must_exercise: &["client.proposed", "raft.committed", "raft.reads served", "note.raft.election"],
};
