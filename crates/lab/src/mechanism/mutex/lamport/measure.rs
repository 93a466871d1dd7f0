//! What an entry costs, measured in the simulator.

use std::time::Duration;

use synod_protocols::mutex::lamport::messages_per_entry;
use synod_sim::{Delay, Plan};

use super::ensemble::Processes;
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Staged, Tolerance, Trial, Value};
use crate::mechanism::mutex::workload::Workload;

const SOURCE: &str = "Lamport 1978; Raynal 1986, section 3";

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "lamport-mutex-cost",
    sentence: "Messages an entry and entries per time of N processes that always ask, with messages of constant delay.",
    parameters: &[
        Parameter::integer("nodes", 5, 2..=64, "Processes (N)."),
        Parameter::duration(
            "delay",
            Duration::from_millis(1),
            Duration::from_micros(1)..=Duration::from_secs(1),
            "How long a message is under way (T).",
        ),
        Parameter::duration(
            "hold",
            Duration::from_millis(2),
            Duration::from_micros(1)..=Duration::from_secs(10),
            "How long a client stays inside (E).",
        ),
        Parameter::integer("entries", 200, 10..=100_000, "Entries a run, about."),
    ],
    runs: 5,
    rows: &[Row {
        settings: &[("nodes", "*"), ("delay", "*"), ("hold", "*"), ("entries", "*")],
        expected: &[
            Expected {
                figure: "messages an entry",
                value: Value::Of(|settings| messages_per_entry(settings.integer("nodes")) as f64),
                tolerance: Tolerance::Relative(0.01),
                source: SOURCE,
            },
            Expected {
                figure: "entries per (T + E)",
                value: Value::Is(1.0),
                tolerance: Tolerance::Relative(0.01),
                source: SOURCE,
            },
        ],
    }],
    run: measure,
};

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, delay, hold) =
        (settings.integer("nodes"), settings.duration("delay"), settings.duration("hold"));
    let turn = delay + hold;
    let entries = u32::try_from(settings.integer("entries")).map_err(|_| "too many entries".to_owned())?;
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), nodes);
        plan.network.delay = Delay::Constant(delay);
        plan.network.delay_bound = Some(delay);
        plan.network.fifo = true;
        plan.client = Delay::Constant(Duration::ZERO);
        plan.safety = turn * entries;
        let made = synod_sim::run(plan, |plan| {
            Staged::new(Processes::new(nodes, Workload::new(plan.nodes, hold, Duration::ZERO)))
        });
        made.map(|run| {
            let entered = run.exercised.count("note.mutex.entered") as f64;
            let messages = run.exercised.count("message.delivered") as f64;
            (messages / entered.max(1.0), entered * turn.as_secs_f64() / run.simulated.as_secs_f64())
        })
    });
    let results: Result<Vec<(f64, f64)>, _> = results.into_iter().collect();
    let results = results.map_err(|error| error.to_string())?;
    let messages: Sample = results.iter().map(|(messages, _)| *messages).collect();
    let rate: Sample = results.iter().map(|(_, rate)| *rate).collect();
    Ok(vec![messages.mean_as("messages an entry"), rate.mean_as("entries per (T + E)")])
}
