//! The tables of Demers et al. 1987, and any other row of them.

use synod_protocols::gossip::anti_entropy::push_cycles;
use synod_protocols::gossip::rumor::{Direction, Policy, Removal};

use super::rounds;
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Tolerance, Trial, Value,
};

const TABLE_1: &str = "Demers et al. 1987, table 1";
const TABLE_2: &str = "Demers et al. 1987, table 2";
const TABLE_3: &str = "Demers et al. 1987, table 3";
const FORMULA: &str = "Pittel 1987 by Demers et al. 1987, section 1.3; constant by simulation";

const fn residue(value: f64, tolerance: Tolerance, source: &'static str) -> Expected {
    Expected { figure: "residue", value: Value::Is(value), tolerance, source }
}

const fn traffic(value: f64, tolerance: Tolerance, source: &'static str) -> Expected {
    Expected { figure: "traffic", value: Value::Is(value), tolerance, source }
}

const fn last(value: f64) -> Expected {
    Expected {
        figure: "last delay",
        value: Value::Is(value),
        tolerance: Tolerance::Absolute(0.5),
        source: TABLE_1,
    }
}

const TENTH: Tolerance = Tolerance::Relative(0.10);
const QUARTER: Tolerance = Tolerance::Relative(0.25);
const FIFTIETH: Tolerance = Tolerance::Relative(0.02);
/// The paper rounds 1.74 to 1.7: half a unit of its last digit, and the 2 % on top.
const ROUNDED: Tolerance = Tolerance::Absolute(0.084);

const fn row(settings: &'static [(&'static str, &'static str)], expected: &'static [Expected]) -> Row {
    Row { settings, expected }
}

/// What a rumor leaves, costs and takes.
pub const RUMOR: Experiment = Experiment {
    name: "rumor",
    sentence: "Residue, messages a site and delays of one rumor in synchronous cycles; driven by the rounds of the paper's model with the mechanism's own rules of interest, not by the full simulator.",
    parameters: &[
        Parameter::integer("sites", 1_000, 2..=100_000_000, "Sites (n)."),
        Parameter::integer("k", 1, 1..=1_000, "The counter's limit, or the coin's sides."),
        Parameter::word("direction", &["push", "pull", "push-pull"], "Who begins a contact."),
        Parameter::word(
            "interest",
            &["feedback", "blind"],
            "Whether only contacts that did not need the rumor count.",
        ),
        Parameter::word("removal", &["counter", "coin"], "How interest is lost."),
    ],
    runs: 500,
    rows: &[
        row(&[("k", "1")], &[residue(0.18, TENTH, TABLE_1), traffic(1.7, ROUNDED, TABLE_1), last(16.8)]),
        row(&[("k", "2")], &[residue(0.037, TENTH, TABLE_1), traffic(3.3, FIFTIETH, TABLE_1), last(16.9)]),
        row(&[("k", "3")], &[residue(0.011, TENTH, TABLE_1), traffic(4.5, FIFTIETH, TABLE_1), last(17.4)]),
        row(&[("k", "4")], &[residue(0.0036, QUARTER, TABLE_1), traffic(5.6, FIFTIETH, TABLE_1), last(17.5)]),
        row(&[("k", "5")], &[residue(0.0012, QUARTER, TABLE_1), traffic(6.7, FIFTIETH, TABLE_1), last(17.7)]),
        row(
            &[("k", "1"), ("interest", "blind"), ("removal", "coin")],
            &[residue(0.96, TENTH, TABLE_2), traffic(0.04, Tolerance::Absolute(0.005), TABLE_2)],
        ),
        row(
            &[("k", "2"), ("interest", "blind"), ("removal", "coin")],
            &[residue(0.20, TENTH, TABLE_2), traffic(1.6, FIFTIETH, TABLE_2)],
        ),
        row(
            &[("k", "3"), ("interest", "blind"), ("removal", "coin")],
            &[residue(0.060, TENTH, TABLE_2), traffic(2.8, FIFTIETH, TABLE_2)],
        ),
        row(
            &[("k", "4"), ("interest", "blind"), ("removal", "coin")],
            &[residue(0.021, QUARTER, TABLE_2), traffic(3.9, FIFTIETH, TABLE_2)],
        ),
        row(
            &[("k", "5"), ("interest", "blind"), ("removal", "coin")],
            &[residue(0.008, QUARTER, TABLE_2), traffic(4.9, FIFTIETH, TABLE_2)],
        ),
        row(
            &[("k", "1"), ("direction", "pull")],
            &[residue(0.031, TENTH, TABLE_3), traffic(2.7, FIFTIETH, TABLE_3)],
        ),
        row(&[("k", "2"), ("direction", "pull")], &[traffic(4.5, FIFTIETH, TABLE_3)]),
        row(&[("k", "3"), ("direction", "pull")], &[traffic(6.1, FIFTIETH, TABLE_3)]),
    ],
    run: rumor,
};

/// How long anti-entropy takes to reach all.
pub const ANTI_ENTROPY: Experiment = Experiment {
    name: "anti-entropy",
    sentence: "Synchronous cycles until an update of one site is at all; driven by rounds, not by the full simulator.",
    parameters: &[
        Parameter::integer("sites", 1_000, 2..=10_000_000, "Sites (n)."),
        Parameter::word("direction", &["push", "pull", "push-pull"], "Which way updates go in an exchange."),
    ],
    runs: 200,
    rows: &[Row {
        settings: &[("sites", "*")],
        expected: &[Expected {
            figure: "cycles",
            value: Value::Of(|settings| push_cycles(settings.integer("sites"))),
            tolerance: Tolerance::Absolute(0.5),
            source: FORMULA,
        }],
    }],
    run: anti_entropy,
};

/// The direction that a setting names.
pub fn direction(settings: &Settings) -> Direction {
    match settings.word("direction").as_str() {
        "pull" => Direction::Pull,
        "push-pull" => Direction::PushPull,
        _ => Direction::Push,
    }
}

/// The policy that settings name.
pub fn policy(settings: &Settings) -> Policy {
    let k = u32::try_from(settings.integer("k")).unwrap_or(u32::MAX);
    let removal = if settings.word("removal") == "coin" { Removal::Coin(k) } else { Removal::Counter(k) };
    Policy { direction: direction(settings), feedback: settings.word("interest") == "feedback", removal }
}

fn rumor(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let policy = policy(trial.settings);
    let sites = sites(trial.settings)?;
    let outcomes = trial.collect(|_, stream| rounds::rumor(sites, policy, stream));
    let figure = |name: &str, value: fn(&rounds::Outcome) -> f64| {
        outcomes.iter().map(value).collect::<Sample>().mean_as(name)
    };
    Ok(vec![
        figure("residue", |outcome| outcome.residue),
        figure("traffic", |outcome| outcome.traffic),
        figure("average delay", |outcome| outcome.average_delay),
        figure("last delay", |outcome| outcome.last_delay as f64),
    ])
}

fn anti_entropy(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let direction = direction(trial.settings);
    let sites = sites(trial.settings)?;
    let cycles = trial.collect(|_, stream| rounds::anti_entropy(sites, direction, stream) as f64);
    Ok(vec![cycles.into_iter().collect::<Sample>().mean_as("cycles")])
}

fn sites(settings: &Settings) -> Result<u32, String> {
    u32::try_from(settings.integer("sites")).map_err(|_| "more sites than 32 bits number".to_owned())
}
