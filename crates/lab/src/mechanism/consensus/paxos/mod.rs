//! Single-decree Paxos in the laboratory.

use std::time::Duration;

use synod_machine::{Machine, NodeId};
use synod_protocols::consensus::paxos::{Announce, Config, Paxos, SOURCE, cost};
use synod_sim::{Delay, Fault, Odds, Plan, Swarm, Tolerance, What};

use crate::chronicle::Chronicle;
use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod adversary;
pub mod explore;
mod group;
mod measure;

pub use group::Group;

/// The entry.
pub struct SingleDecree;

impl Mechanism for SingleDecree {
    type Subject = Staged<Group>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Group> {
        Staged::new(Group::new(config(plan.nodes, settings), settings.duration("within")))
    }

    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        Ok(subject.ensemble_mut().chronicle())
    }

    fn space(&self, settings: &Settings) -> Swarm {
        // Where roles have nodes of their own, a group may lose all of a role: then none stays dead.
        let apart = settings.word("roles") == "apart";
        Swarm {
            needs: <Paxos<group::Value> as Machine>::NEEDS,
            nodes: settings.sizes(if apart { &[6, 8] } else { &[3, 4, 5] }),
            // The decision is made once: short runs, and many.
            safety: (Duration::from_millis(200), Duration::from_secs(4)),
            tolerance: Tolerance { wipes_max: 0, lost_max: u64::from(!apart) },
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, settings: &Settings) {
        if settings.word("roles") == "apart" {
            plan.leave_dead = 0;
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

/// The group's shape: every node plays every role, or the first two propose, the last one learns, and those between vote.
fn config(nodes: u64, settings: &Settings) -> Config {
    let mut config = if settings.word("roles") == "together" || nodes < 4 {
        Config::colocated((1..=nodes).map(NodeId))
    } else {
        settings_config(1..=2, 3..=nodes - 1, [nodes])
    };
    config.announce = announce(settings);
    config.retry = settings.duration("retry");
    config.backoff_least = settings.duration("backoff");
    if settings.is_given("prepare-quorum") {
        config.prepare_quorum =
            settings.integer("prepare-quorum").min(config.acceptors.len() as u64) as usize;
    }
    let flaws = &mut config.flaws;
    match settings.word("bug").as_str() {
        "answer-before-durable" => flaws.answer_before_durable = true,
        "accept-below-promise" => flaws.accept_below_promise = true,
        "ignore-accepted" => flaws.ignore_accepted = true,
        "adopt-lowest" => flaws.adopt_lowest = true,
        "reuse-ballot" => flaws.reuse_ballot = true,
        _ => {}
    }
    config
}

fn settings_config(
    proposers: impl IntoIterator<Item = u64>,
    acceptors: impl IntoIterator<Item = u64>,
    learners: impl IntoIterator<Item = u64>,
) -> Config {
    Config::separate(
        proposers.into_iter().map(NodeId),
        acceptors.into_iter().map(NodeId),
        learners.into_iter().map(NodeId),
    )
}

fn announce(settings: &Settings) -> Announce {
    if settings.word("announce") == "acceptors" { Announce::ByAcceptors } else { Announce::ByProposer }
}

const PLANTED: Weakness = Weakness { origin: Origin::Planted, violates: SAFETY, ..Weakness::EMPTY };

/// What a broken rule may show first.
const SAFETY: &[&str] =
    &["agreement", "only chosen is learned", "P1a", "P2b", "P2c", "acceptances kept", "one value a ballot"];

/// Proposers that are killed over and over, on a network that takes its time: few ballots come to their end.
fn restless_proposers(plan: &mut Plan) {
    plan.network.delay = Delay::micros(2_000, 30_000);
    plan.network.loss = Odds::percent(20);
    for (number, at) in (1..).zip((20..2_000).step_by(23)) {
        let what = What::Kill(NodeId(1 + number % 2));
        plan.faults.faults.push(Fault {
            at: Duration::from_millis(at),
            what,
            lasts: Some(Duration::from_millis(5)),
        });
    }
}

static ABOUT: About = About {
    name: "paxos",
    family: Family::Consensus,
    chapter: "4.2",
    question: "How do processes that crash agree on one value, and never on two?",
    source: SOURCE,
    survives: &[
        "crashes of any node at any moment, also in the middle of a sync",
        "loss, repetition, reordering and any delay of messages; partitions",
        "clocks of any rate",
    ],
    parameters: &[
        Parameter::integer(
            "nodes",
            3,
            1..=64,
            "Nodes; a hunt draws 3 to 5 (apart: 6 or 8) if it is not set.",
        ),
        Parameter::word(
            "roles",
            &["together", "apart"],
            "Every node plays every role; or n1 and n2 propose, the last node learns, the others vote.",
        ),
        Parameter::word("announce", &["proposer", "acceptors"], "Who tells the learners."),
        Parameter::duration(
            "retry",
            Duration::from_millis(200),
            Duration::from_millis(1)..=Duration::from_secs(60),
            "What was not answered for this long is asked again.",
        ),
        Parameter::duration(
            "backoff",
            Duration::from_millis(20),
            Duration::ZERO..=Duration::from_secs(2),
            "Bound of a refused proposer's first wait; it doubles.",
        ),
        Parameter::duration(
            "within",
            Duration::from_millis(40),
            Duration::ZERO..=Duration::from_secs(10),
            "All clients have asked once within this time: short, and they duel.",
        ),
        Parameter::integer(
            "prepare-quorum",
            2,
            1..=64,
            "Promises that end phase 1; a majority if it is not set.",
        ),
        Parameter::word(
            "bug",
            &[
                "none",
                "answer-before-durable",
                "accept-below-promise",
                "ignore-accepted",
                "adopt-lowest",
                "reuse-ballot",
            ],
            "A known bug to be put back.",
        ),
    ],
    properties: &[
        Property {
            name: "agreement",
            sentence: "No two nodes ever learn different values.",
            source: "Lamport 2001, section 2.1",
        },
        Property {
            name: "validity",
            sentence: "Only a value that a client proposed is learned.",
            source: "Lamport 2001, section 2.1",
        },
        Property {
            name: "only chosen is learned",
            sentence: "What a node learns has been accepted by a quorum under one ballot.",
            source: "Lamport 2001, section 2.1",
        },
        Property {
            name: "P1a",
            sentence: "What an acceptor promised, and its disk confirmed, it never goes back on.",
            source: "Lamport 2001, sections 2.2 and 2.5",
        },
        Property {
            name: "acceptances kept",
            sentence: "An acceptance that a disk confirmed is never forgotten.",
            source: "Lamport 2001, section 2.5",
        },
        Property {
            name: "one value a ballot",
            sentence: "Under one ballot at most one value is ever proposed.",
            source: "Lamport 2001, section 2.2",
        },
        Property {
            name: "P2b",
            sentence: "Once a value is chosen, nothing else is chosen under a higher ballot.",
            source: "Lamport 2001, section 2.2",
        },
        Property {
            name: "P2c",
            sentence: "A value is proposed only if a quorum, bound by that ballot, has accepted nothing else last.",
            source: "Lamport 2001, section 2.2",
        },
        Property {
            name: "liveness",
            sentence: "Once faults are over, every node that is asked says what is chosen.",
            source: "Lamport 2001, section 2.4: with back-off, with probability 1",
        },
    ],
    costs: &[
        Cost {
            name: "messages until the proposer knows, n acceptors on other nodes",
            formula: "4 n",
            value: |settings| {
                let acceptors = settings.integer("nodes");
                cost::messages(&settings_config([0], 1..=acceptors, [])) as f64
            },
            unit: "messages",
        },
        Cost {
            name: "messages until all know, every node in every role",
            formula: "5 (n - 1)",
            value: |settings| {
                let mut config = Config::colocated((1..=settings.integer("nodes")).map(NodeId));
                config.announce = Announce::ByProposer;
                cost::messages(&config) as f64
            },
            unit: "messages",
        },
        Cost {
            name: "delays until the proposer knows",
            formula: "4",
            value: |_| cost::DELAYS as f64,
            unit: "delays",
        },
        Cost {
            name: "forced writes, every node in every role",
            formula: "2 n",
            value: |settings| {
                cost::forced_writes(&Config::colocated((1..=settings.integer("nodes")).map(NodeId))) as f64
            },
            unit: "writes",
        },
    ],
    papers: &[
        "Lamport: The Part-Time Parliament. ACM TOCS 16(2), 1998",
        "Lamport: Paxos Made Simple. ACM SIGACT News 32(4), 2001",
        "Fischer, Lynch, Paterson: Impossibility of Distributed Consensus with One Faulty Process. JACM 32(2), 1985",
        "Howard, Malkhi, Spiegelman: Flexible Paxos: Quorum Intersection Revisited. OPODIS 2016",
    ],
    figures: &[Figure {
        name: "4.2",
        script: include_str!("../../../../../protocols/tests/paxos/scripts/figure_4_2"),
    }],
    weaknesses: &[
        Weakness {
            name: "forgetful-acceptor",
            sentence: "An acceptor's disk is lost, it votes again, and two quorums no longer share a memory.",
            origin: Origin::Need("stable_storage"),
            violates: SAFETY,
            space: |space| {
                space.needs.stable_storage = false;
                space.tolerance = Tolerance { wipes_max: 1_000, lost_max: 0 };
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "quorums-that-do-not-meet",
            sentence: "One promise is taken for enough: a proposer does not hear of what was chosen.",
            settings: &[("prepare-quorum", "1")],
            ..PLANTED
        },
        Weakness {
            name: "answer-before-durable",
            sentence: "An acceptor answers before its disk has the answer, and a crash takes it back.",
            settings: &[("bug", "answer-before-durable")],
            ..PLANTED
        },
        Weakness {
            name: "accept-below-promise",
            sentence: "An acceptor accepts below its promise, behind the back of the proposer that it was given to.",
            settings: &[("bug", "accept-below-promise")],
            ..PLANTED
        },
        Weakness {
            name: "ignore-accepted",
            sentence: "A proposer proposes its own value although a promise reported another.",
            settings: &[("bug", "ignore-accepted")],
            ..PLANTED
        },
        Weakness {
            name: "adopt-lowest",
            sentence: "A proposer adopts the lowest-numbered proposal that was reported, not the highest.",
            settings: &[("bug", "adopt-lowest")],
            ..PLANTED
        },
        Weakness {
            name: "reuse-ballot",
            sentence: "A restarted proposer uses a ballot again, with another value.",
            settings: &[("bug", "reuse-ballot"), ("roles", "apart")],
            plan: restless_proposers,
            ..PLANTED
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::COST, measure::UNDECIDED],
    must_exercise: &["paxos.chosen", "client.answered", "note.paxos.gave_way", "note.paxos.attempt"],
};
