//! What a snapshot costs, and that money is conserved in it, from as many seeds as are asked for.

use std::time::Duration;

use synod_protocols::snapshot::chandy_lamport::messages;
use synod_sim::Plan;

use super::ensemble::Branches;
use super::{BALANCE, HANDED_ON, LOGGED, NODES, PACE, PERIOD, SNAPSHOTS, TRANSFERS, workload};
use crate::entry::{Expected, Experiment, Measured, Row, Staged, Tolerance, Trial, Value};

const SOURCE: &str = "Chandy and Lamport 1985, section 3.2";

/// Messages and conservation.
pub const COST: Experiment = Experiment {
    name: "chandy-lamport",
    sentence: "Markers and parts a snapshot, and runs in which a snapshot is not consistent or loses money.",
    parameters: &[NODES, BALANCE, TRANSFERS, HANDED_ON, PACE, LOGGED, SNAPSHOTS, PERIOD],
    runs: 1_000,
    rows: &[Row {
        settings: &[
            ("nodes", "*"),
            ("balance", "*"),
            ("transfers", "*"),
            ("handed-on", "*"),
            ("pace", "*"),
            ("logged-one-in", "*"),
            ("snapshots", "*"),
            ("period", "*"),
        ],
        expected: &[
            Expected {
                figure: "markers a snapshot",
                value: Value::Of(|settings| {
                    let nodes = settings.integer("nodes");
                    messages(nodes, nodes * (nodes - 1)).markers as f64
                }),
                tolerance: Tolerance::Exact,
                source: SOURCE,
            },
            Expected {
                figure: "parts a snapshot",
                value: Value::Of(|settings| messages(settings.integer("nodes"), 0).parts as f64),
                tolerance: Tolerance::Exact,
                source: SOURCE,
            },
            Expected {
                figure: "runs with a violation",
                value: Value::Is(0.0),
                tolerance: Tolerance::Exact,
                source: "Chandy and Lamport 1985, theorem 1",
            },
        ],
    }],
    run: measure,
};

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let nodes = trial.settings.integer("nodes");
    let runs = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), nodes);
        plan.network.fifo = true;
        plan.safety = Duration::from_millis(500);
        // Until every snapshot is complete: so the counts are of whole snapshots.
        plan.heal = Duration::from_secs(60);
        synod_sim::run(plan, |_| Staged::new(Branches::new(nodes, workload(trial.settings))))
    });
    let (mut markers, mut parts, mut snapshots, mut violations) = (0, 0, 0, 0);
    for run in runs {
        let run = run.map_err(|error| error.to_string())?;
        violations += u64::from(run.found.is_some());
        markers += run.exercised.count("snapshot.markers");
        parts += run.exercised.count("snapshot.parts");
        snapshots += run.exercised.count("snapshot.completed");
    }
    let each = |count: u64| count as f64 / snapshots.max(1) as f64;
    Ok(vec![
        Measured::exact("markers a snapshot", each(markers)),
        Measured::exact("parts a snapshot", each(parts)),
        Measured::exact("snapshots", snapshots as f64),
        Measured::exact("runs with a violation", violations as f64),
    ])
}
