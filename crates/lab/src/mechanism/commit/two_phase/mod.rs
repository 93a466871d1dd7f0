//! Two-phase commit in the laboratory.

use std::time::Duration;

use synod_machine::Machine;
use synod_protocols::commit::two_phase::cost::{self, Load};
use synod_protocols::commit::two_phase::{Accounts, Config, Presumption, SOURCE, TwoPhase};
use synod_sim::{Plan, Swarm, Tolerance};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod bank;
pub mod explore;
mod measure;

pub use bank::Bank;

/// The entry.
pub struct TwoPhaseCommit;

impl Mechanism for TwoPhaseCommit {
    type Subject = Staged<Bank>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Bank> {
        Staged::new(Bank::new(config(plan, settings), settings.duration("think")))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: <TwoPhase<Accounts> as Machine>::NEEDS,
            nodes: settings.sizes(&[2, 3, 4, 5]),
            safety: (Duration::from_secs(1), Duration::from_secs(10)),
            // All failures are repaired in the end, or nothing is owed (AC5).
            tolerance: Tolerance { wipes_max: 0, lost_max: 0 },
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, _: &Settings) {
        plan.leave_dead = 0;
    }
}

fn config(plan: &Plan, settings: &Settings) -> Config {
    // A hunt looks at every presumption, with and without help from peers.
    let draw = |options: u64, place: u32| (plan.workload >> place) % options;
    let presumption = match settings.word("presumption").as_str() {
        "nothing" => Presumption::Nothing,
        "abort" => Presumption::Abort,
        "commit" => Presumption::Commit,
        _ => [Presumption::Nothing, Presumption::Abort, Presumption::Commit][draw(3, 0) as usize],
    };
    let cooperative = match settings.word("cooperative").as_str() {
        "yes" => true,
        "no" => false,
        _ => draw(2, 8) == 0,
    };
    let mut config = Config {
        presumption,
        cooperative,
        votes_within: settings.duration("votes-within"),
        retry: settings.duration("retry"),
        records_max: [3, 20, 4_096][draw(3, 16) as usize],
        outcomes_max: [8, 1_024][draw(2, 24) as usize],
        ..Config::default()
    };
    let flaws = &mut config.flaws;
    match settings.word("bug").as_str() {
        "vote-before-durable" => flaws.vote_before_durable = true,
        "tell-before-durable" => flaws.tell_before_durable = true,
        "abort-in-doubt" => flaws.abort_in_doubt = true,
        "commit-without-all-votes" => flaws.commit_without_all_votes = true,
        "ask-readers" => flaws.ask_readers = true,
        "skip-collecting" => flaws.skip_collecting = true,
        _ => {}
    }
    config
}

const ATOMICITY: &[&str] = &["AC1", "AC2", "AC3", "promises kept"];
const PLANTED: Weakness = Weakness { origin: Origin::Planted, violates: ATOMICITY, ..Weakness::EMPTY };

/// The settings' number of participants, all of which change something.
fn load(settings: &Settings) -> Load {
    Load { updating: settings.integer("nodes").saturating_sub(1), reading: 0 }
}

static ABOUT: About = About {
    name: "two-phase-commit",
    family: Family::Commit,
    chapter: "6.2",
    question: "How does a transaction on several nodes take effect at all or at none?",
    source: SOURCE,
    survives: &[
        "crashes of coordinators and participants at any moment, also in the middle of a sync",
        "loss, repetition, reordering and any delay of messages; partitions",
        "but it may have to wait for a crashed coordinator to return",
    ],
    parameters: &[
        Parameter::integer(
            "nodes",
            3,
            2..=64,
            "Nodes, each coordinator and participant; a hunt draws 2 to 5 if it is not set.",
        ),
        Parameter::word(
            "presumption",
            &["any", "nothing", "abort", "commit"],
            "What is presumed of a transaction that nobody remembers; any: a run draws it.",
        ),
        Parameter::word(
            "cooperative",
            &["any", "yes", "no"],
            "Whether participants in doubt ask their peers.",
        ),
        Parameter::duration(
            "votes-within",
            Duration::from_millis(300),
            Duration::from_millis(1)..=Duration::from_secs(60),
            "A coordinator that misses a vote for this long aborts.",
        ),
        Parameter::duration(
            "retry",
            Duration::from_millis(200),
            Duration::from_millis(1)..=Duration::from_secs(60),
            "What was not answered for this long is asked again.",
        ),
        Parameter::duration(
            "think",
            Duration::from_millis(200),
            Duration::from_millis(1)..=Duration::from_secs(60),
            "How long clients pause, at most.",
        ),
        Parameter::word(
            "bug",
            &[
                "none",
                "vote-before-durable",
                "tell-before-durable",
                "abort-in-doubt",
                "commit-without-all-votes",
                "ask-readers",
                "skip-collecting",
            ],
            "A known bug to be put back.",
        ),
    ],
    properties: &[
        Property {
            name: "AC1",
            sentence: "All nodes that reach a decision reach the same one.",
            source: "Bernstein, Hadzilacos and Goodman 1987, section 7.3",
        },
        Property {
            name: "AC2",
            sentence: "No node reverses its decision.",
            source: "Bernstein, Hadzilacos and Goodman 1987, section 7.3",
        },
        Property {
            name: "AC3",
            sentence: "Commit is decided only if all participants voted Yes.",
            source: "Bernstein, Hadzilacos and Goodman 1987, section 7.3",
        },
        Property {
            name: "promises kept",
            sentence: "A participant that voted Yes does not vote No.",
            source: "Bernstein, Hadzilacos and Goodman 1987, section 7.3, AC2",
        },
        Property {
            name: "liveness",
            sentence: "AC5: once all failures are repaired, every node reaches a decision.",
            source: "Bernstein, Hadzilacos and Goodman 1987, section 7.3",
        },
    ],
    costs: &[
        Cost {
            name: "messages without acknowledgements, n participants",
            formula: "3 n",
            value: |settings| cost::commit(Presumption::Nothing, load(settings)).messages as f64,
            unit: "messages",
        },
        Cost {
            name: "messages with acknowledgements",
            formula: "4 n",
            value: |settings| cost::commit(Presumption::Nothing, load(settings)).all_messages() as f64,
            unit: "messages",
        },
        Cost {
            name: "forced writes, nothing or abort presumed",
            formula: "1 + 2 n",
            value: |settings| cost::commit(Presumption::Nothing, load(settings)).forced() as f64,
            unit: "writes",
        },
        Cost {
            name: "forced writes, commit presumed",
            formula: "2 + n",
            value: |settings| cost::commit(Presumption::Commit, load(settings)).forced() as f64,
            unit: "writes",
        },
        Cost {
            name: "delays until the client knows",
            formula: "2",
            value: |_| cost::DELAYS_UNTIL_DECIDED as f64,
            unit: "delays",
        },
    ],
    papers: &[
        "Gray: Notes on Data Base Operating Systems. LNCS 60, 1978",
        "Mohan, Lindsay, Obermarck: Transaction Management in the R* Distributed Database Management System. ACM TODS 11(4), 1986",
        "Bernstein, Hadzilacos, Goodman: Concurrency Control and Recovery in Database Systems. 1987, chapter 7",
        "Skeen: Nonblocking Commit Protocols. SIGMOD 1981",
    ],
    figures: &[Figure {
        name: "6.2",
        script: include_str!("../../../../../protocols/tests/two_phase/scripts/figure_6_2"),
    }],
    weaknesses: &[
        Weakness {
            name: "blocking",
            sentence: "A coordinator that dies after all voted Yes leaves them in doubt for as long as it is away.",
            origin: Origin::Known("Bernstein, Hadzilacos and Goodman 1987, section 7.4; Skeen 1981"),
            violates: &["liveness"],
            plan: |plan| plan.leave_dead = 1,
            space: |space| space.nodes = vec![3, 4, 5],
            ..Weakness::EMPTY
        },
        Weakness {
            name: "forgetful-node",
            sentence: "A disk is lost, and with it a promise or a decision that others rest on.",
            origin: Origin::Need("stable_storage"),
            violates: ATOMICITY,
            space: |space| {
                space.needs.stable_storage = false;
                space.tolerance = Tolerance { wipes_max: 1_000, lost_max: 0 };
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "vote-before-durable",
            sentence: "A participant votes Yes before its disk has its promise, and a crash takes it back.",
            settings: &[("bug", "vote-before-durable")],
            ..PLANTED
        },
        Weakness {
            name: "tell-before-durable",
            sentence: "A coordinator tells a decision before its disk has it, and after a crash presumes another.",
            settings: &[("bug", "tell-before-durable")],
            ..PLANTED
        },
        Weakness {
            name: "abort-in-doubt",
            sentence: "A participant that waited long enough aborts although it voted Yes.",
            settings: &[("bug", "abort-in-doubt")],
            ..PLANTED
        },
        Weakness {
            name: "commit-without-all-votes",
            sentence: "A coordinator commits with the votes that it has when its patience ends.",
            settings: &[("bug", "commit-without-all-votes")],
            ..PLANTED
        },
        Weakness {
            name: "ask-readers",
            sentence: "A participant that only read, and kept no record, is asked by one in doubt, and aborts what was committed.",
            settings: &[("bug", "ask-readers"), ("cooperative", "yes")],
            ..PLANTED
        },
        Weakness {
            name: "skip-collecting",
            sentence: "With commit presumed, a coordinator that wrote nothing before its questions crashes, and its participants commit.",
            settings: &[("bug", "skip-collecting"), ("presumption", "commit")],
            ..PLANTED
        },
    ],
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::COST, measure::BLOCKING],
    must_exercise: &["client.committed", "client.aborted", "two_phase.was in doubt"],
};
