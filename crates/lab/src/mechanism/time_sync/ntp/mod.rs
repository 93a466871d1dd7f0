//! NTP in the laboratory.

use std::time::Duration;

use synod_protocols::time_sync::ntp::{Config, Flaws, Ntp, SOURCE};
use synod_sim::{Delay, Plan, Swarm, What};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod measure;

use ensemble::Clocks;

/// The entry.
pub struct Entry;

impl Mechanism for Entry {
    type Subject = Staged<Clocks>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Clocks> {
        // A path that is slower one way from the beginning is a path, not a fault.
        let is_path = |what: &What| matches!(what, What::Slow { .. });
        let has_only_paths =
            plan.faults.faults.iter().all(|f| f.at.is_zero() && f.lasts.is_none() && is_path(&f.what));
        let is_local = plan.network.delay.most() <= Duration::from_millis(1);
        let primaries = settings.integer("primaries").clamp(1, plan.nodes - 1);
        let clocks = Clocks::new(plan.nodes, primaries, config(settings), plan.workload)
            .starting_within(settings.duration("initial"))
            .accurate(has_only_paths && is_local);
        Staged::new(clocks)
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: <Ntp as synod_machine::Machine>::NEEDS,
            nodes: settings.sizes(&[3, 4, 6]),
            safety: (Duration::from_secs(20), Duration::from_secs(120)),
            heal: Duration::from_secs(240),
            // Phi, the most that an oscillator drifts that is let alone.
            drift_ppm_bound: 15,
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, _: &Settings) {
        plan.clock.drift_ppm_bound = 15;
        plan.clock.drift_ppm_max = plan.clock.drift_ppm_max.min(15);
        // Reference clocks that lie at the very edge of what they state may be right and yet find no majority: midpoints are asked for, too.
        plan.clock.wall_offset_max = plan.clock.wall_offset_max.min(plan.clock.wall_error / 5);
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_secs(8);
    }
}

fn config(settings: &Settings) -> Config {
    let exponent = |name| i8::try_from(settings.integer(name)).unwrap_or(i8::MAX);
    Config {
        min_poll: exponent("min-poll"),
        max_poll: exponent("max-poll").max(exponent("min-poll")),
        stepout: settings.duration("stepout"),
        step_threshold: settings.duration("step-threshold"),
        flaws: Flaws {
            trust_anybody: !settings.switch("selection"),
            ignore_loops: !settings.switch("loop-test"),
        },
        ..Config::default()
    }
}

static PARAMETERS: &[Parameter] = &[
    Parameter::integer("nodes", 4, 2..=64, "Nodes; a hunt draws 3 to 6 if it is not set."),
    Parameter::integer("primaries", 2, 1..=63, "The first so many have reference clocks (stratum 1)."),
    Parameter::integer("min-poll", 0, 0..=17, "Servers are asked at most every 2^min-poll s (MINPOLL)."),
    Parameter::integer("max-poll", 4, 0..=17, "And at least every 2^max-poll s (MAXPOLL)."),
    Parameter::duration(
        "step-threshold",
        Duration::from_millis(128),
        Duration::from_millis(1)..=Duration::from_secs(900),
        "Larger offsets are stepped (STEPT).",
    ),
    Parameter::duration(
        "stepout",
        Duration::from_secs(15),
        Duration::from_secs(1)..=Duration::from_secs(3_600),
        "How long such an offset must last (WATCH; the RFC has 900 s).",
    ),
    Parameter::duration(
        "initial",
        Duration::from_secs(2),
        Duration::ZERO..=Duration::from_secs(900),
        "How wrong clocks without a reference are at a start, at most.",
    ),
    Parameter::switch("selection", true, "Whether a majority must agree."),
    Parameter::switch("loop-test", true, "Whether followers of this node are not followed."),
];

static ABOUT: About = About {
    name: "ntp",
    family: Family::TimeSync,
    chapter: "10",
    question: "What time is it, and how wrong may that be?",
    source: SOURCE,
    survives: &[
        "lost, late, doubled and reordered packets; paths that change",
        "crashes, restarts and pauses of servers and clients",
        "partitions: clocks run on with a bound that grows",
        "oscillators that drift by up to phi (15 ppm), and change their rate",
    ],
    parameters: PARAMETERS,
    properties: PROPERTIES,
    costs: &[
        Cost { name: "messages a server and poll", formula: "2", value: |_| 2.0, unit: "messages" },
        Cost {
            name: "shortest poll interval",
            formula: "2^min-poll",
            value: |settings| (1_u64 << settings.integer("min-poll")) as f64,
            unit: "s",
        },
    ],
    papers: &[
        "Mills, Martin, Burbank, Kasch: Network Time Protocol Version 4. RFC 5905, 2010",
        "Marzullo: Maintaining the Time in a Distributed System. PhD thesis, Stanford, 1984",
    ],
    figures: &[
        Figure {
            name: "10.1 Offset and delay",
            script: include_str!("../../../../../protocols/tests/ntp/scripts/survey_10_1"),
        },
        Figure {
            name: "10.2 Hierarchy",
            script: include_str!("../../../../../protocols/tests/ntp/scripts/survey_10_2"),
        },
    ],
    weaknesses: WEAKNESSES,
    explorations: &[],
    experiments: &[measure::EXCHANGE, measure::MARZULLO, measure::ACCURACY],
    must_exercise: &["ntp.followed", "ntp.stepped", "ntp.ran on", "note.ntp slews", "note.ntp samples"],
};

static PROPERTIES: &[Property] = &[
    Property {
        name: "within its bound",
        sentence: "The true time lies within the error that a synchronized clock states.",
        source: "RFC 5905, 11.2; Marzullo 1984",
    },
    Property {
        name: "forward",
        sentence: "Between steps a clock does not go back.",
        source: "RFC 5905, 11.3",
    },
    Property {
        name: "stratum",
        sentence: "A reference clock's server is stratum 1, others are 2 to 15, or 16 and unsynchronized.",
        source: "RFC 5905, 7.3",
    },
    Property {
        name: "no loop",
        sentence: "Nobody follows a server that says that it follows him.",
        source: "RFC 5905, 11.1",
    },
    Property {
        name: "accuracy",
        sentence: "Where both ways of a local network take about equally long, a clock is within 3 ms a minute after it synchronized.",
        source: "RFC 5905, 4 and 8: errors are half the asymmetry of paths",
    },
    Property {
        name: "liveness",
        sentence: "Once the faults are over every clock follows somebody, if a reference clock is up.",
        source: "RFC 5905, 9",
    },
];

/// A local network and nothing else that is wrong.
fn calm(plan: &mut Plan, faults: &str) {
    plan.faults = faults.parse().expect("fault lines");
    plan.network = synod_sim::NetworkShape::default();
    plan.network.delay = Delay::micros(200, 1_000);
    plan.safety = Duration::from_secs(120);
    plan.heal = Duration::ZERO;
}

static WEAKNESSES: &[Weakness] = &[
    Weakness {
        name: "asymmetric-path",
        sentence: "The way to the client takes longer than the way back; the clock is off by half the difference, and cannot know.",
        origin: Origin::Known("RFC 5905, 8"),
        violates: &["accuracy"],
        settings: &[("nodes", "2"), ("primaries", "1")],
        plan: |plan| calm(plan, "at 0s slow n1 -> n2 x50"),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "falsetickers-in-majority",
        sentence: "Two of three reference clocks are wrong by the same: a majority agrees on a wrong time.",
        origin: Origin::Need("wall_clock"),
        violates: &["within its bound"],
        settings: &[("nodes", "4"), ("primaries", "3")],
        plan: |plan| calm(plan, "at 5s jump n1 +3s\nat 5s jump n2 +3s"),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "drifting-oscillator",
        sentence: "Oscillators drift by more than phi; while servers are out of reach the stated error grows more slowly than the true one.",
        origin: Origin::Need("bounded_drift"),
        violates: &["within its bound"],
        settings: &[("nodes", "4"), ("primaries", "2"), ("initial", "0s")],
        plan: |plan| {
            calm(plan, "at 60s partition n1 n2 | n3 | n4 for 60s");
            plan.clock.drift_ppm_max = 2_000;
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "one-falseticker-without-selection",
        sentence: "One of three reference clocks is wrong, and it happens to be the nearest; without a selection it is believed.",
        origin: Origin::Planted,
        violates: &["within its bound"],
        settings: &[("nodes", "4"), ("primaries", "3"), ("selection", "false")],
        plan: |plan| {
            calm(plan, "at 5s jump n1 +3s");
            plan.break_assumptions = true;
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "followers-of-followers",
        sentence: "The reference clock is gone, and two clocks follow each other.",
        origin: Origin::Planted,
        violates: &["no loop"],
        settings: &[("nodes", "4"), ("primaries", "1"), ("loop-test", "false")],
        plan: |plan| calm(plan, "at 40s crash n1"),
        ..Weakness::EMPTY
    },
];
