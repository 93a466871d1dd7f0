//! SWIM and Lifeguard in the laboratory.

use std::time::Duration;

use synod_protocols::failure::swim::cost::{
    MESSAGES_PER_PERIOD, detection_periods_max, false_probe_probability, first_detection_periods,
};
use synod_protocols::failure::swim::{Config, Flaws, Lifeguard, ProbeOrder, SOURCE, Swim};
use synod_sim::{Delay, Odds, Plan, Script, Swarm};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod crowd;
mod detection;
mod ensemble;
mod lifeguard;

use ensemble::Group;

/// The entry.
pub struct Entry;

impl Mechanism for Entry {
    type Subject = Staged<Group>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Group> {
        let is_calm = plan.faults.faults.is_empty();
        Staged::new(Group::new(plan.nodes, config(plan, settings), is_calm, plan.workload.is_multiple_of(4)))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: <Swim as synod_machine::Machine>::NEEDS,
            nodes: settings.sizes(&[2, 3, 5, 8]),
            safety: (Duration::from_secs(2), Duration::from_secs(20)),
            heal: Duration::from_secs(90),
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, settings: &Settings) {
        // Not to be read as a story: somebody who leaves.
        plan.workload = 1;
        plan.safety = settings.duration("period") * 4;
    }
}

fn config(plan: &Plan, settings: &Settings) -> Config {
    let small = |name| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
    let period = settings.duration("period");
    let drawn = plan.workload >> 8;
    let is_on = |bit: u64| drawn >> bit & 1 == 1;
    let lifeguard = match settings.word("lifeguard").as_str() {
        "all" => Lifeguard::ALL,
        "none" => Lifeguard::NONE,
        "probe" => Lifeguard { probe: true, ..Lifeguard::NONE },
        "suspicion" => Lifeguard { suspicion: true, ..Lifeguard::NONE },
        "buddy" => Lifeguard { buddy: true, ..Lifeguard::NONE },
        _ => Lifeguard { probe: is_on(0), suspicion: is_on(1), buddy: is_on(2) },
    };
    let order = match settings.word("order").as_str() {
        "random" => ProbeOrder::Random,
        _ => ProbeOrder::RoundRobin,
    };
    Config {
        period,
        timeout: period * 2 / 5,
        helpers: small("helpers"),
        order,
        suspicion: settings.switch("suspicion"),
        alpha: small("alpha"),
        beta: small("beta"),
        confirmations: small("confirmations"),
        health_max: small("health"),
        lambda: small("lambda"),
        gossip: if is_on(3) { Config::default().gossip } else { None },
        sync_interval: Some(settings.duration("sync")),
        // Small, so that reservations run out.
        reservation: 4,
        lifeguard,
        flaws: Flaws {
            refute_without_incarnation: !settings.switch("incarnations"),
            forgetful_incarnation: settings.switch("forgetful"),
        },
        ..Config::default()
    }
}

static PARAMETERS: &[Parameter] = &[
    Parameter::integer("nodes", 5, 2..=64, "Members (n); a hunt draws 2 to 8 if it is not set."),
    Parameter::duration(
        "period",
        Duration::from_millis(500),
        Duration::from_millis(10)..=Duration::from_secs(60),
        "Length of a protocol period (T'); a direct answer may take two fifths of it.",
    ),
    Parameter::integer("helpers", 3, 0..=16, "Members that are asked to ping in one's place (k)."),
    Parameter::word("order", &["round-robin", "random"], "Who is probed next."),
    Parameter::switch("suspicion", true, "Whether a member without answer is suspected before it failed."),
    Parameter::integer("alpha", 5, 1..=100, "A suspect has alpha log10(n) periods to refute."),
    Parameter::integer("beta", 6, 1..=100, "With LHA-Suspicion at first beta times that."),
    Parameter::integer("confirmations", 3, 0..=64, "Independent confirmations that end the longer wait (K)."),
    Parameter::integer("health", 8, 0..=64, "Largest value of the local health counter (S)."),
    Parameter::integer("lambda", 4, 1..=100, "A rumour is passed on lambda ceil(log10(n + 1)) times."),
    Parameter::word(
        "lifeguard",
        &["drawn", "all", "none", "probe", "suspicion", "buddy"],
        "Which parts of Lifeguard are on; drawn from the seed if it is not set.",
    ),
    Parameter::duration(
        "sync",
        Duration::from_secs(5),
        Duration::from_millis(100)..=Duration::from_secs(3_600),
        "How often a member compares its table with another's.",
    ),
    Parameter::switch("incarnations", true, "Whether a refutation raises the incarnation."),
    Parameter::switch("forgetful", false, "Whether a life begins with the incarnations of the former."),
    Parameter::number("loss", 0.01, 0.0..=1.0, "Loss rate of a message, for the cost formulas (1 - p)."),
];

static ABOUT: About = About {
    name: "swim",
    family: Family::Failure,
    chapter: "9.2",
    question: "Who is up, in a group of any size, for two messages a period?",
    source: SOURCE,
    survives: &[
        "lost, late, doubled and reordered messages, at any rate",
        "crashes and restarts; pauses; slow, full and failing disks",
        "partitions, one-way cuts, links that come and go: the halves find each other again",
        "clocks of any rate and wall clocks that jump",
    ],
    parameters: PARAMETERS,
    properties: PROPERTIES,
    costs: &[
        Cost {
            name: "messages a member and period",
            formula: "2 sent, 2 received",
            value: |_| MESSAGES_PER_PERIOD,
            unit: "messages",
        },
        Cost {
            name: "first detection",
            formula: "1 / (1 - (1 - 1/(n-1))^(n-1)) -> e/(e-1)",
            value: |settings| first_detection_periods(settings.integer("nodes"), 1),
            unit: "periods",
        },
        Cost {
            name: "detection by each",
            formula: "2n - 1",
            value: |settings| detection_periods_max(settings.integer("nodes")) as f64,
            unit: "periods",
        },
        Cost {
            name: "false probe",
            formula: "(1 - p^2) (1 - p^4)^k",
            value: |settings| {
                let helpers = u32::try_from(settings.integer("helpers")).unwrap_or(u32::MAX);
                false_probe_probability(settings.number("loss"), helpers)
            },
            unit: "probability",
        },
    ],
    papers: &[
        "Das, Gupta, Motivala: SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol. DSN 2002",
        "Dadgar, Phillips, Currey: Lifeguard: Local Health Awareness for More Accurate Failure Detection. DSN-W 2018",
    ],
    figures: &[Figure {
        name: "9.2 SWIM",
        script: include_str!("../../../../../protocols/tests/swim/scripts/survey_9_2"),
    }],
    weaknesses: WEAKNESSES,
    explorations: &[],
    experiments: &[
        detection::FIRST_DETECTION,
        detection::ROUND_ROBIN,
        detection::DISSEMINATION,
        lifeguard::LIFEGUARD,
    ],
    must_exercise: &[
        "swim.suspected",
        "swim.refuted",
        "swim.failed",
        "swim.joined",
        "swim.left",
        "swim.said",
    ],
};

static PROPERTIES: &[Property] = &[
    Property {
        name: "one metadata an incarnation",
        sentence: "Over all lives of a member an incarnation stands for one announcement.",
        source: "SWIM 2002, 4.2",
    },
    Property {
        name: "incarnations are their owners'",
        sentence: "Nobody knows a member in an incarnation that it never announced.",
        source: "SWIM 2002, 4.2",
    },
    Property {
        name: "knowledge never goes back",
        sentence: "What a member knows of another is only ever replaced by what overrides it.",
        source: "SWIM 2002, 4.2",
    },
    Property {
        name: "suspects have a deadline",
        sentence: "A suspicion always ends: the suspect refutes, leaves or fails.",
        source: "SWIM 2002, 4.2",
    },
    Property {
        name: "local health within bounds",
        sentence: "The local health counter stays between 0 and S.",
        source: "Lifeguard 2018, IV-A",
    },
    Property {
        name: "accuracy",
        sentence: "Where nothing goes wrong but that a tenth of the messages are lost, no member that is up is taken for failed.",
        source: "SWIM 2002, 4.2",
    },
    Property {
        name: "liveness",
        sentence: "Once the faults are over everybody up knows who is up and what they say, and that the others are not.",
        source: "SWIM 2002, 3: strong completeness; Chandra and Toueg 1996: eventual accuracy",
    },
];

/// Nothing but lost messages, so that a failure that is reported is a wrong one.
fn only_loss(plan: &mut Plan, percent: u32) {
    plan.faults = Script::default();
    plan.network.delay = Delay::micros(200, 1_000);
    plan.network.loss = Odds::percent(percent);
    plan.safety = Duration::from_secs(30);
    plan.workload |= 1;
}

static WEAKNESSES: &[Weakness] = &[
    Weakness {
        name: "wiped-disk",
        sentence: "A member whose disk was wiped begins with the incarnations of its former life, and says something else under one of them.",
        origin: Origin::Need("stable_storage"),
        violates: &["one metadata an incarnation", "incarnations are their owners'"],
        plan: |plan| {
            plan.faults = "at 2s wipe n2 for 0.5s".parse().expect("a fault line");
            plan.tolerance.wipes_max = 1;
            plan.safety = Duration::from_secs(6);
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "no-incarnations",
        sentence: "A suspect's answer under the same incarnation does not count: a member that was suspected once is lost for ever.",
        origin: Origin::Known("SWIM 2002, 4.2"),
        violates: &["liveness", "accuracy"],
        settings: &[("incarnations", "false")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "no-suspicion",
        sentence: "Without suspicion a few lost messages in one period are enough to take a live member for failed.",
        origin: Origin::Known("SWIM 2002, 4.2"),
        violates: &["accuracy"],
        settings: &[("suspicion", "false"), ("helpers", "1")],
        plan: |plan| only_loss(plan, 10),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "unreachable-by-loss",
        sentence: "Where most messages are lost neither helpers nor the time to refute save a live member.",
        origin: Origin::Known("SWIM 2002, 3.1: the probability of a false detection grows with loss"),
        violates: &["accuracy"],
        plan: |plan| only_loss(plan, 70),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "forgetful-incarnation",
        sentence: "Incarnations are not written, so that each life gives the same ones again.",
        origin: Origin::Planted,
        violates: &["one metadata an incarnation", "incarnations are their owners'"],
        settings: &[("forgetful", "true")],
        ..Weakness::EMPTY
    },
];
