//! What an entry costs, measured in the simulator: the same for every mechanism of the family.

use std::time::Duration;

use synod_sim::{Delay, Plan, PlanError, World};

use super::ensemble::{Process, Processes};
use super::workload::Workload;
use crate::entry::{Measured, Parameter, Sample, Staged, Trial};

/// The parameters of the family's cost experiments.
pub(super) const PARAMETERS: &[Parameter] = &[
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
];

/// Until every process is up and every client has asked.
const WARM_UP: Duration = Duration::from_millis(20);
const WARM_UP_TURNS: u32 = 20;

/// Runs processes that always ask, with messages of constant delay, for so many turns of `delays` T and one E.
///
/// # Errors
/// When a world cannot be made of the settings.
pub(super) fn measure<P: Process>(trial: &Trial<'_>, delays: u32) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, delay, hold) =
        (settings.integer("nodes"), settings.duration("delay"), settings.duration("hold"));
    let turn = delay * delays + hold;
    let entries = u32::try_from(settings.integer("entries")).map_err(|_| "too many entries".to_owned())?;
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), nodes);
        plan.network.delay = Delay::Constant(delay);
        plan.network.delay_bound = Some(delay);
        plan.network.fifo = P::NEEDS.fifo;
        // A process hears of its client at once, as if both were one.
        plan.client = Delay::Constant(Duration::ZERO);
        // Counted from one moment to another, both in the middle of it: neither the first entries nor the last are like the others.
        let from = WARM_UP + turn * WARM_UP_TURNS;
        let to = from + turn * entries;
        plan.safety = to + turn;
        let clients = Workload::new(nodes, hold, Duration::ZERO);
        let mut world = World::new(plan, Staged::new(Processes::<P>::new(nodes, clients)))?;
        let mut count = |until: Duration| {
            world.run_until(until);
            let exercised = world.report().exercised;
            (exercised.count("note.mutex.entered") as f64, exercised.count("message.delivered") as f64)
        };
        let ((entered, messages), (entered_then, messages_then)) = (count(from), count(to));
        let entries = (entered_then - entered).max(1.0);
        Ok(((messages_then - messages) / entries, entries / (to - from).as_secs_f64()))
    });
    let results: Result<Vec<(f64, f64)>, PlanError> = results.into_iter().collect();
    let results = results.map_err(|error| error.to_string())?;
    let messages: Sample = results.iter().map(|(messages, _)| *messages).collect();
    let rate: Sample = results.iter().map(|(_, rate)| *rate).collect();
    Ok(vec![messages.mean_as("messages an entry"), rate.mean_as("entries a second")])
}
