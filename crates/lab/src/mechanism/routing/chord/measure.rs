//! How long lookups are, and how even the keys lie, at any number of nodes.

use synod_protocols::routing::chord::cost;

use super::tables::{Tables, Walked};
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Tolerance, Trial, Value};

const PAPER: &str = "Stoica et al. 2003, section 6.3 and figure 10";

pub(super) const LOOKUP: Experiment = Experiment {
    name: "chord-lookup",
    sentence: "Path lengths on an ideal ring, the asking node and the owner not counted. The mechanism's own lookup over tables in memory, \
               not the simulator: 2^20 nodes take seconds.",
    parameters: &[
        Parameter::integer("nodes", 1_024, 2..=1 << 22, "Nodes (N)."),
        Parameter::integer("successors", 1, 1..=64, "Successors that a node knows beside its fingers (r)."),
        Parameter::integer(
            "lookups",
            2_000,
            1..=100_000_000,
            "Lookups a run; each run has a ring of its own.",
        ),
    ],
    runs: 20,
    rows: &[
        Row {
            settings: &[("lookups", "*")],
            expected: &[
                Expected {
                    figure: "mean path",
                    value: Value::Is(4.87),
                    tolerance: Tolerance::Absolute(0.15),
                    source: PAPER,
                },
                NONE_FAILS,
            ],
        },
        Row {
            settings: &[("nodes", "*"), ("lookups", "*")],
            expected: &[
                Expected {
                    figure: "mean path",
                    value: Value::Of(|settings| cost::mean_path((settings.integer("nodes") as f64).log2())),
                    tolerance: Tolerance::Absolute(0.25),
                    source: "log2(N) / 2: Stoica et al. 2003, section 6.3",
                },
                NONE_FAILS,
            ],
        },
    ],
    run: lookup,
};

const NONE_FAILS: Expected = Expected {
    figure: "failed lookups",
    value: Value::Is(0.0),
    tolerance: Tolerance::Exact,
    source: "Stoica et al. 2003, theorem 2",
};

fn lookup(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, successors, lookups) =
        (settings.integer("nodes"), settings.integer("successors"), settings.integer("lookups"));
    let runs = trial.collect(|_, draw| {
        let tables = Tables::draw(nodes, successors, draw);
        Paths::of(lookups, || tables.lookup(draw))
    });
    Ok(figures(runs))
}

/// The paths of one run, counted by length: a hundred million lookups take no more memory than one.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    by_hops: Vec<u64>,
    lookups: u64,
    timeouts: u64,
    wrong: u64,
}

impl Paths {
    pub(super) fn of(lookups: u64, mut lookup: impl FnMut() -> Walked) -> Self {
        let mut paths = Paths::default();
        for _ in 0..lookups {
            paths.add(lookup());
        }
        paths
    }

    fn add(&mut self, walked: Walked) {
        let hops = walked.hops as usize;
        if self.by_hops.len() <= hops {
            self.by_hops.resize(hops + 1, 0);
        }
        self.by_hops[hops] += 1;
        self.lookups += 1;
        self.timeouts += u64::from(walked.timeouts);
        self.wrong += u64::from(!walked.right);
    }

    fn mean(&self) -> f64 {
        let hops: u64 = self.by_hops.iter().enumerate().map(|(hops, count)| hops as u64 * count).sum();
        hops as f64 / self.lookups.max(1) as f64
    }

    fn merge(&mut self, other: &Paths) {
        self.by_hops.resize(self.by_hops.len().max(other.by_hops.len()), 0);
        self.by_hops.iter_mut().zip(&other.by_hops).for_each(|(sum, count)| *sum += count);
        self.lookups += other.lookups;
        self.timeouts += other.timeouts;
        self.wrong += other.wrong;
    }

    /// The length that this share of the lookups does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let enough = (self.lookups as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        let length = self.by_hops.iter().position(|count| {
            sum += count;
            sum >= enough
        });
        length.unwrap_or(0) as f64
    }
}

/// The figures of all runs; intervals come from the differences between rings.
pub(super) fn figures(runs: Vec<Paths>) -> Vec<Measured> {
    let mean: Sample = runs.iter().map(Paths::mean).collect();
    let timeouts: Sample = runs.iter().map(|run| run.timeouts as f64 / run.lookups.max(1) as f64).collect();
    let mut all = Paths::default();
    runs.iter().for_each(|run| all.merge(run));
    vec![
        mean.mean_as("mean path"),
        Measured::exact("p1 path", all.quantile(0.01)),
        Measured::exact("p99 path", all.quantile(0.99)),
        timeouts.mean_as("timeouts a lookup"),
        Measured::exact("failed lookups", all.wrong as f64),
    ]
}

pub(super) const KEYS: Experiment = Experiment {
    name: "chord-keys",
    sentence: "How many keys a node has, without virtual nodes.",
    parameters: &[
        Parameter::integer("nodes", 10_000, 2..=1 << 22, "Nodes (N)."),
        Parameter::integer("keys", 500_000, 1..=1_000_000_000, "Keys (K)."),
    ],
    runs: 10,
    rows: &[Row {
        settings: &[],
        expected: &[
            Expected {
                figure: "p99 over mean",
                value: Value::Is(4.6),
                tolerance: Tolerance::Relative(0.03),
                source: "Stoica et al. 2003, section 6.2 and figure 8",
            },
            Expected {
                figure: "p1 of keys",
                value: Value::Is(0.0),
                tolerance: Tolerance::Exact,
                source: "Stoica et al. 2003, section 6.2 and figure 8",
            },
        ],
    }],
    run: keys,
};

fn keys(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (nodes, keys) = (trial.settings.integer("nodes"), trial.settings.integer("keys"));
    let runs = trial.collect(|_, draw| {
        let tables = Tables::draw(nodes, 1, draw);
        let mut counts = vec![0_u64; tables.nodes().len()];
        for _ in 0..keys {
            counts[tables.owner(draw.bits())] += 1;
        }
        let mean = keys as f64 / nodes as f64;
        let mut sample: Sample = counts.into_iter().map(|count| count as f64).collect();
        (sample.quantile(0.99) / mean, sample.quantile(0.01))
    });
    let p99: Sample = runs.iter().map(|(p99, _)| *p99).collect();
    let mut p1: Sample = runs.iter().map(|(_, p1)| *p1).collect();
    Ok(vec![p99.mean_as("p99 over mean"), Measured::exact("p1 of keys", p1.quantile(0.5))])
}
