//! What a decision costs, measured in the simulator; and how long an adversary puts one off.

use std::time::Duration;

use synod_protocols::consensus::paxos::Config;
use synod_sim::{Delay, Plan};

use super::adversary;
use super::group::Group;
use super::{announce, settings_config};
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Staged, Tolerance, Trial, Value};

const SIMPLE: &str = "Lamport 2001, sections 2.2 and 2.3";
const FLP: &str = "Fischer, Lynch and Paterson 1985, theorem 1";

/// The delay of a message, against which disks and clients take no time.
const DELAY: Duration = Duration::from_secs(1);

pub(super) const COST: Experiment = Experiment {
    name: "paxos-cost",
    sentence: "Messages, message delays and forced writes of one decision by one proposer without a rival, that is no acceptor.",
    parameters: &[
        Parameter::integer("acceptors", 3, 1..=63, "Acceptors (n), other nodes than the proposer."),
        Parameter::integer("learners", 0, 0..=63, "Learners, other nodes than both."),
        Parameter::word("announce", &["proposer", "acceptors"], "Who tells the learners."),
    ],
    runs: 1,
    rows: &[Row {
        settings: &[("acceptors", "*"), ("announce", "*")],
        expected: &[
            Expected {
                figure: "messages",
                value: Value::Of(|settings| 4.0 * settings.integer("acceptors") as f64),
                tolerance: Tolerance::Exact,
                source: SIMPLE,
            },
            Expected {
                figure: "delays until the proposer knows",
                value: Value::Is(4.0),
                tolerance: Tolerance::Relative(0.01),
                source: SIMPLE,
            },
            Expected {
                figure: "forced writes",
                value: Value::Of(|settings| 1.0 + 2.0 * settings.integer("acceptors") as f64),
                tolerance: Tolerance::Exact,
                source: "Lamport 2001, section 2.5",
            },
        ],
    }],
    run: measure_cost,
};

fn measure_cost(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let acceptors = trial.settings.integer("acceptors");
    let learners = trial.settings.integer("learners");
    let mut config = settings_config([1], 2..=1 + acceptors, 2 + acceptors..=1 + acceptors + learners);
    config.announce = announce(trial.settings);
    // Nothing is lost: nobody needs to ask twice.
    config.retry = DELAY * 100;
    let mut plan = Plan::calm(trial.seed_of(0), 1 + acceptors + learners);
    plan.network.delay = Delay::Constant(DELAY);
    plan.network.delay_bound = Some(DELAY);
    plan.client = Delay::Constant(Duration::ZERO);
    plan.safety = DELAY * 10;
    let run = synod_sim::run(plan, |_| Staged::new(Group::once(config)));
    let run = run.map_err(|error| error.to_string())?;
    if let Some(found) = run.found {
        return Err(found.violation.to_string());
    }
    let count = |name: &str| run.exercised.count(name) as f64;
    let delays = |name: &str| count(name) / DELAY.as_micros() as f64;
    Ok(vec![
        Measured::exact("messages", count("message.delivered")),
        Measured::exact("delays until the proposer knows", delays("paxos.decided after us")),
        Measured::exact("delays until all know", delays("paxos.learned after us")),
        Measured::exact("forced writes", count("paxos.forced writes")),
    ])
}

pub(super) const UNDECIDED: Experiment = Experiment {
    name: "flp",
    sentence: "An adversary that only orders events keeps Paxos undecided: of the oldest events first it takes the first that \
               decides nothing. Driven by events without time, not by the full simulator.",
    parameters: &[
        Parameter::integer("steps", 10_000, 1..=10_000_000, "Steps after which the adversary has won."),
        Parameter::integer(
            "proposers",
            2,
            1..=16,
            "Processes that propose; one alone has no rival to be played against.",
        ),
        Parameter::integer("acceptors", 3, 2..=63, "Acceptors, other nodes than the proposers."),
        Parameter::word(
            "scheduler",
            &["adversary", "fair"],
            "Who orders events; a fair one takes the oldest.",
        ),
        Parameter::integer(
            "patience",
            100,
            1..=1_000_000,
            "Steps for which the adversary may put an event off: no message waits for ever.",
        ),
    ],
    runs: 1,
    rows: &[
        Row {
            settings: &[("steps", "*"), ("acceptors", "*")],
            expected: &[
                Expected {
                    figure: "decided",
                    value: Value::Is(0.0),
                    tolerance: Tolerance::Exact,
                    source: FLP,
                },
                Expected {
                    figure: "steps",
                    value: Value::Of(|settings| settings.integer("steps") as f64),
                    tolerance: Tolerance::Exact,
                    source: FLP,
                },
                Expected {
                    figure: "safety violations",
                    value: Value::Is(0.0),
                    tolerance: Tolerance::Exact,
                    source: "Lamport 2001, section 2.1",
                },
            ],
        },
        Row {
            // Not for any number of steps: the adversary may spend its patience first.
            settings: &[("acceptors", "*"), ("proposers", "1")],
            expected: &[Expected {
                figure: "decided",
                value: Value::Is(1.0),
                tolerance: Tolerance::Exact,
                source: "Lamport 2001, section 2.4: a single proposer suffices",
            }],
        },
    ],
    run: measure_undecided,
};

fn measure_undecided(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (proposers, acceptors) = (settings.integer("proposers"), settings.integer("acceptors"));
    let config: Config = settings_config(1..=proposers, proposers + 1..=proposers + acceptors, []);
    let patience = (settings.word("scheduler") == "adversary").then(|| settings.integer("patience"));
    let outcome = adversary::run(config, settings.integer("steps"), patience);
    Ok(vec![
        Measured::exact("decided", f64::from(u8::from(outcome.decided))),
        Measured::exact("steps", outcome.steps as f64),
        Measured::exact("ballots", outcome.ballots as f64),
        Measured::exact("longest wait of an event, in steps", outcome.wait_steps_max as f64),
        Measured::exact("safety violations", outcome.violations as f64),
    ])
}
