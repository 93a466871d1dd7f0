//! False positives and detection with Lifeguard's parts switched on one by one (Lifeguard, section V).

use std::collections::BTreeSet;
use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::failure::swim::{Config, Lifeguard};
use synod_sim::{Odds, Stream};

use super::crowd::{Failures, members};
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Tolerance, Trial, Value,
};

const SOURCE: &str = "Dadgar, Phillips, Currey 2018, section V";

/// SWIM with none, one, and all parts of Lifeguard, in the order of the paper's false positives.
const PARTS: [(&str, Lifeguard); 5] = [
    ("SWIM", Lifeguard::NONE),
    ("Buddy", Lifeguard { buddy: true, ..Lifeguard::NONE }),
    ("LHA-Probe", Lifeguard { probe: true, ..Lifeguard::NONE }),
    ("LHA-Suspicion", Lifeguard { suspicion: true, ..Lifeguard::NONE }),
    ("Lifeguard", Lifeguard::ALL),
];

/// The paper's anomalies: how many members at once, for how long, and how long between.
const CONCURRENT: [u64; 8] = [4, 8, 12, 16, 20, 24, 28, 32];
const DURATIONS_MS: [u64; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
const INTERVALS_MS: [u64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

const fn at_most_one(figure: &'static str) -> Expected {
    Expected { figure, value: Value::Is(1.0), tolerance: Tolerance::AtMost, source: SOURCE }
}

pub(super) const LIFEGUARD: Experiment = Experiment {
    name: "lifeguard",
    sentence: "False positives (reports of failure of members that nothing is wrong with) while others neither send nor receive for a while, over and over, and the \
               time until a crashed member is first reported, for SWIM and each part of Lifeguard. Drives the members without the simulator's records.",
    parameters: &[
        Parameter::integer("members", 128, 8..=10_000, "Size of the group (n)."),
        Parameter::integer("alpha", 5, 1..=100, "A suspect has alpha log10(n) periods."),
        Parameter::integer("beta", 6, 1..=100, "LHA-Suspicion begins with beta times that."),
        Parameter::integer("confirmations", 3, 0..=64, "Confirmations that end the longer wait (K)."),
        Parameter::integer("health", 8, 0..=64, "Largest value of the local health counter (S)."),
        Parameter::integer(
            "concurrent",
            0,
            0..=10_000,
            "Members that are blocked at once (C); 0 draws from the paper's 4 to 32.",
        ),
        Parameter::duration(
            "anomaly",
            Duration::ZERO,
            Duration::ZERO..=Duration::from_secs(3_600),
            "For how long (D); 0s goes through the paper's 128 ms to 32.8 s.",
        ),
        Parameter::duration(
            "interval",
            Duration::ZERO,
            Duration::ZERO..=Duration::from_secs(3_600),
            "How long they go on between (I); 0s goes through the paper's 1 ms to 16.4 s.",
        ),
        Parameter::duration(
            "handling",
            Duration::from_micros(100),
            Duration::ZERO..=Duration::from_secs(1),
            "How long a member that was blocked takes for each message that waits.",
        ),
        Parameter::duration(
            "length",
            Duration::from_secs(120),
            Duration::from_secs(10)..=Duration::from_secs(36_000),
            "Length of a run with anomalies.",
        ),
    ],
    runs: 24,
    rows: &[Row {
        settings: &[],
        expected: &[
            // Gossip tells nearly all suspects before a ping does, so the two differ by less than chance.
            Expected {
                figure: "false positives, Buddy / SWIM",
                value: Value::Is(1.01),
                tolerance: Tolerance::AtMost,
                source: "Dadgar, Phillips, Currey 2018, section V: no more; 1 % for chance",
            },
            at_most_one("false positives, LHA-Probe / Buddy"),
            at_most_one("false positives, LHA-Suspicion / LHA-Probe"),
            at_most_one("false positives, Lifeguard / LHA-Suspicion"),
            Expected {
                figure: "false positives, Lifeguard / SWIM",
                value: Value::Is(0.10),
                tolerance: Tolerance::AtMost,
                source: SOURCE,
            },
            Expected {
                figure: "median first detection, SWIM [s]",
                value: Value::Is(12.44),
                tolerance: Tolerance::Relative(0.03),
                source: SOURCE,
            },
            Expected {
                figure: "median first detection, Lifeguard [s]",
                value: Value::Is(12.45),
                tolerance: Tolerance::Relative(0.03),
                source: SOURCE,
            },
            Expected {
                figure: "median first detection, Lifeguard / SWIM",
                value: Value::Is(12.45 / 12.44),
                tolerance: Tolerance::Relative(0.03),
                source: SOURCE,
            },
        ],
    }],
    run: measure,
};

fn config(settings: &Settings, lifeguard: Lifeguard) -> Config {
    let number = |name| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
    Config {
        alpha: number("alpha"),
        beta: number("beta"),
        confirmations: number("confirmations"),
        health_max: number("health"),
        lifeguard,
        ..Config::default()
    }
}

/// The anomalies of one run.
struct Anomalies {
    members: BTreeSet<NodeId>,
    lasts: Duration,
    interval: Duration,
}

impl Anomalies {
    /// Those of the run of that number: runs go through all pairs of the paper's durations and intervals.
    fn of(run: u64, settings: &Settings, draw: &mut Stream) -> Self {
        let count = settings.integer("members");
        let given = |name: &str, drawn: u64| match settings.duration(name) {
            Duration::ZERO => Duration::from_millis(drawn),
            set => set,
        };
        // Each duration meets each interval once in 48 runs, and fewer runs are spread over both.
        let durations = DURATIONS_MS.len() as u64;
        let place = |number: u64, of: usize| usize::try_from(number % of as u64).unwrap_or(0);
        let lasts = given("anomaly", DURATIONS_MS[place(run, DURATIONS_MS.len())]);
        let interval = given("interval", INTERVALS_MS[place(run / durations + run, INTERVALS_MS.len())]);
        let drawn = *draw.pick(&CONCURRENT);
        let concurrent = match settings.integer("concurrent") {
            0 => drawn,
            set => set,
        };
        let mut members = BTreeSet::new();
        while (members.len() as u64) < concurrent.min(count - 1) {
            members.insert(NodeId(draw.between(1, count)));
        }
        Anomalies { members, lasts, interval }
    }
}

/// Before anything goes wrong.
const QUIET: Duration = Duration::from_secs(2);

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let results = trial.collect(|run, draw| {
        let anomalies = Anomalies::of(run, trial.settings, draw);
        let seed = trial.seed_of(run);
        let by_part = PARTS.map(|(_, part)| false_positives(trial.settings, part, &anomalies, seed));
        let crashed: Vec<(Option<f64>, Option<f64>)> = (1..=CRASHES)
            .map(|crash| {
                let (plain, guarded) = (Lifeguard::NONE, Lifeguard::ALL);
                let seed = seed.wrapping_add(crash);
                (first_detection(trial.settings, plain, seed), first_detection(trial.settings, guarded, seed))
            })
            .collect();
        (by_part, crashed)
    });
    let total = |part: usize| results.iter().map(|(by_part, _)| by_part[part].0).sum::<u64>() as f64;
    let healthy = |part: usize| results.iter().map(|(by_part, _)| by_part[part].1).sum::<u64>() as f64;
    let mut figures = Vec::new();
    for (part, (name, _)) in PARTS.iter().enumerate() {
        figures.push(Measured::exact(format!("false positives, {name}"), total(part)));
    }
    for (part, (name, _)) in PARTS.iter().enumerate() {
        figures.push(Measured::exact(format!("false positives at healthy members, {name}"), healthy(part)));
    }
    let ratio = |of: f64, to: f64| if to > 0.0 { of / to } else { f64::NAN };
    for part in 1..PARTS.len() {
        let name = format!("false positives, {} / {}", PARTS[part].0, PARTS[part - 1].0);
        figures.push(Measured::exact(name, ratio(total(part), total(part - 1))));
    }
    figures.push(Measured::exact("false positives, Lifeguard / SWIM", ratio(total(4), total(0))));
    let pairs = || results.iter().flat_map(|(_, crashed)| crashed.iter());
    let mut plain: Sample = pairs().filter_map(|(plain, _)| *plain).collect();
    let mut guarded: Sample = pairs().filter_map(|(_, guarded)| *guarded).collect();
    figures.push(plain.quantile_as("median first detection, SWIM [s]", 0.5));
    figures.push(guarded.quantile_as("median first detection, Lifeguard [s]", 0.5));
    let medians = ratio(guarded.quantile(0.5), plain.quantile(0.5));
    figures.push(Measured::exact("median first detection, Lifeguard / SWIM", medians));
    Ok(figures)
}

/// Crashes that are timed in a run: more than anomalies, for they are shorter.
const CRASHES: u64 = 16;

/// Reports of healthy members' failure: by anybody, by healthy members.
fn false_positives(settings: &Settings, part: Lifeguard, anomalies: &Anomalies, seed: u64) -> (u64, u64) {
    let length = settings.duration("length");
    let crowd = members(seed, settings.integer("members"), &config(settings, part), Odds::NEVER);
    let mut crowd = crowd.handling(settings.duration("handling"));
    for node in &anomalies.members {
        let mut at = QUIET;
        while at < QUIET + length {
            crowd.block(*node, at, anomalies.lasts);
            at += anomalies.lasts + anomalies.interval;
        }
    }
    let mut failures = Failures::of(anomalies.members.iter().copied());
    crowd.start(&mut failures);
    crowd.run(QUIET + length, &mut failures);
    (failures.false_positives, failures.false_positives_at_healthy)
}

/// Seconds from a crash to its first report.
fn first_detection(settings: &Settings, part: Lifeguard, seed: u64) -> Option<f64> {
    let count = settings.integer("members");
    let mut draw = Stream::named(seed, "lifeguard.crash");
    let mut crowd = members(seed, count, &config(settings, part), Odds::NEVER);
    let victim = NodeId(draw.between(1, count));
    let at = QUIET + draw.duration(Duration::ZERO, Duration::from_secs(1));
    crowd.crash(victim, at);
    let mut failures = Failures::of([victim]);
    failures.enough = Some(1);
    crowd.start(&mut failures);
    crowd.run(at + Duration::from_secs(600), &mut failures);
    Some(failures.disturbed[&victim].first?.saturating_sub(at).as_secs_f64())
}
