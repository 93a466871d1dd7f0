//! Lookups right after many nodes failed at once, before anybody noticed.

use super::measure::{Paths, figures};
use super::tables::Tables;
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Tolerance, Trial, Value};

const PAPER: &str = "Stoica et al. 2003, table II";

/// A row of the paper's table: the share that failed, the mean path and the timeouts.
macro_rules! row {
    ($failed:literal, $path:literal, $timeouts:literal) => {
        Row {
            settings: &[("failed", $failed), ("lookups", "*")],
            expected: &[
                Expected {
                    figure: "mean path",
                    value: Value::Is($path),
                    tolerance: Tolerance::Relative(0.05),
                    source: PAPER,
                },
                Expected {
                    figure: "timeouts a lookup",
                    value: Value::Is($timeouts),
                    tolerance: Tolerance::Relative(0.25),
                    source: PAPER,
                },
                Expected {
                    figure: "failed lookups",
                    value: Value::Is(0.0),
                    tolerance: Tolerance::Exact,
                    source: PAPER,
                },
            ],
        }
    };
}

pub(super) const FAILURES: Experiment = Experiment {
    name: "chord-failures",
    sentence: "Path lengths and timeouts after a share of the nodes failed at once and before any stabilization. The mechanism's own lookup over \
               tables in memory.",
    parameters: &[
        Parameter::integer("nodes", 1_000, 2..=1 << 22, "Nodes (N)."),
        Parameter::integer("successors", 20, 1..=64, "Successors that a node knows (r)."),
        Parameter::number("failed", 0.1, 0.0..=0.9, "The share of the nodes that failed (p)."),
        Parameter::integer(
            "lookups",
            2_000,
            1..=100_000_000,
            "Lookups a run; each run has a ring of its own.",
        ),
    ],
    runs: 20,
    rows: &[row!("0", 3.84, 0.0), row!("0.1", 4.03, 0.60), row!("0.2", 4.22, 1.17), row!("0.3", 4.44, 2.02)],
    run: measure,
};

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, successors, failed, lookups) = (
        settings.integer("nodes"),
        settings.integer("successors"),
        settings.number("failed"),
        settings.integer("lookups"),
    );
    let runs = trial.collect(|_, draw| {
        let mut tables = Tables::draw(nodes, successors, draw);
        tables.fail(failed, draw);
        Paths::of(lookups, || tables.lookup(draw))
    });
    Ok(figures(runs))
}
