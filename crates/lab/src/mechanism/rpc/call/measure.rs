//! Executions and messages of a call on a network that loses messages, counted in the simulator.

use std::time::Duration;

use synod_protocols::retry::RetryPolicy;
use synod_protocols::rpc::call::{ServerConfig, cost};
use synod_sim::{Delay, Odds, Plan};

use super::ensemble::{BINDER, INTERFACE, Parties, Workload};
use super::semantics;
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Staged, Tolerance, Trial, Value};

const MODEL: &str = "geometric attempts: each message is lost with probability p (cost.rs)";

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "rpc-executions",
    sentence: "Executions, requests and responses of a call whose messages are lost at the same odds, repeated until it is answered.",
    parameters: &[
        Parameter::word(
            "semantics",
            &["at-least-once", "maybe", "at-most-once", "exactly-once"],
            "What is promised of each call.",
        ),
        Parameter::number("loss", 0.1, 0.0..=0.9, "The odds that a message is lost (p)."),
        Parameter::integer("calls", 2_000, 10..=1_000_000, "Calls a run."),
    ],
    runs: 10,
    rows: &[
        Row {
            settings: &[("loss", "*"), ("calls", "*")],
            expected: &[
                executions(
                    Value::Of(|s| cost::executions_at_least_once(s.number("loss"))),
                    Tolerance::Relative(0.03),
                ),
                requests(),
                responses(),
            ],
        },
        Row {
            settings: &[("semantics", "maybe"), ("loss", "*"), ("calls", "*")],
            expected: &[executions(
                Value::Of(|s| cost::executions_maybe(s.number("loss"))),
                Tolerance::Relative(0.03),
            )],
        },
        Row {
            settings: &[("semantics", "at-most-once"), ("loss", "*"), ("calls", "*")],
            expected: &[executions(Value::Is(1.0), Tolerance::Exact), requests(), responses()],
        },
        Row {
            settings: &[("semantics", "exactly-once"), ("loss", "*"), ("calls", "*")],
            expected: &[executions(Value::Is(1.0), Tolerance::Exact), requests(), responses()],
        },
    ],
    run: measure,
};

const fn executions(value: Value, tolerance: Tolerance) -> Expected {
    Expected { figure: "executions a call", value, tolerance, source: MODEL }
}

const fn requests() -> Expected {
    Expected {
        figure: "requests a call",
        value: Value::Of(|s| cost::requests_per_call(s.number("loss"))),
        tolerance: Tolerance::Relative(0.03),
        source: MODEL,
    }
}

const fn responses() -> Expected {
    Expected {
        figure: "responses a call",
        value: Value::Of(|s| cost::responses_per_call(s.number("loss"))),
        tolerance: Tolerance::Relative(0.03),
        source: MODEL,
    }
}

/// A message takes this long.
const DELAY: Duration = Duration::from_millis(1);
/// A client waits so long before it asks again: whatever was not lost has arrived by then, disks included.
const WAIT: Duration = Duration::from_secs(1);

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (loss, calls) = (settings.number("loss"), settings.integer("calls"));
    let retry = RetryPolicy { growth_percent: 100, attempts_max: None, ..RetryPolicy::once(WAIT) };
    let workload = Workload {
        semantics: semantics(&settings.word("semantics")),
        think: Duration::ZERO,
        measured: Some(calls),
        at_most_once: false,
    };
    // Long enough for all calls but in the worst of luck: fewer are counted then.
    let attempts = cost::requests_per_call(loss);
    let length = WAIT.mul_f64(attempts * calls as f64 * 1.5) + Duration::from_secs(10);
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), 3);
        plan.network.delay = Delay::Constant(DELAY);
        plan.network.loss = Odds::per_million((loss * 1e6) as u32);
        plan.client = Delay::Constant(Duration::ZERO);
        plan.safety = length;
        synod_sim::run(plan, |plan| {
            let server = ServerConfig::new(INTERFACE, BINDER);
            Staged::new(Parties::new(plan.nodes, server, retry, workload.clone(), false))
        })
    });
    let (mut executed, mut requested, mut answered) =
        (Sample::default(), Sample::default(), Sample::default());
    for result in results {
        let run = result.map_err(|error| error.to_string())?;
        if let Some(found) = &run.found {
            return Err(found.violation.to_string());
        }
        let count = |name: &str| run.exercised.count(name) as f64;
        let made = (count("client.returned") + count("client.failed")).max(1.0);
        executed.add(count("rpc.executions") / made);
        requested.add(count("rpc.requests") / made);
        answered.add(count("rpc.responses") / made);
    }
    Ok(vec![
        executed.mean_as("executions a call"),
        requested.mean_as("requests a call"),
        answered.mean_as("responses a call"),
    ])
}
