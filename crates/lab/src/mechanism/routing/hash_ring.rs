//! The figures of hash rings: how even shares are, what a change moves, and that loads stay bounded.

use synod_machine::NodeId;
use synod_protocols::routing::hash_ring::{BoundedLoads, Config, HashRing, Member, Slack, cost};

use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Tolerance, Trial, Value};

const KARGER: &str = "Karger et al. 1997, section 4";

fn even(nodes: u64, points: u64, seed: u64) -> HashRing {
    let mut ring = HashRing::new(Config { points_per_weight: points as u32, seed });
    for node in 1..=nodes {
        ring.insert(NodeId(node), Member { weight: 1, zone: 0 });
    }
    ring
}

const NODES: Parameter = Parameter::integer("nodes", 1_000, 1..=1 << 20, "Nodes (n), the papers' buckets.");
const POINTS: Parameter =
    Parameter::integer("points", 1, 1..=100_000, "Points of each node on the ring (v): its virtual nodes.");

pub(super) const BALANCE: Experiment = Experiment {
    name: "hash-ring-balance",
    sentence: "The relative standard deviation of the nodes' shares of the ring.",
    parameters: &[NODES, POINTS],
    runs: 100,
    rows: &[
        Row { settings: &[("points", "1")], expected: &[deviation(Value::Is(0.998))] },
        Row { settings: &[("points", "100")], expected: &[deviation(Value::Is(0.0997))] },
    ],
    run: balance,
};

const fn deviation(value: Value) -> Expected {
    Expected {
        figure: "relative deviation",
        value,
        tolerance: Tolerance::Relative(0.02),
        source: "beta distribution of a share; Lamping and Veach 2014, table 1",
    }
}

fn balance(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (nodes, points) = (trial.settings.integer("nodes"), trial.settings.integer("points"));
    let sample: Sample = trial
        .collect(|_, draw| {
            let shares = even(nodes, points, draw.bits()).shares();
            let mean = 1.0 / nodes as f64;
            let squares: f64 = shares.values().map(|share| (share - mean).powi(2)).sum();
            (squares / nodes as f64).sqrt() / mean
        })
        .into_iter()
        .collect();
    let formula = cost::relative_deviation_squared(nodes, points).sqrt();
    Ok(vec![sample.mean_as("relative deviation"), Measured::exact("by the formula", formula)])
}

pub(super) const JOIN: Experiment = Experiment {
    name: "hash-ring-join",
    sentence: "The share of all keys that move when one node joins, and where to.",
    parameters: &[
        Parameter::integer("nodes", 100, 1..=1 << 16, "Nodes before it joins (n)."),
        Parameter::integer("points", 100, 1..=10_000, "Points of each node on the ring (v)."),
    ],
    runs: 100,
    rows: &[Row {
        settings: &[("nodes", "*"), ("points", "*")],
        expected: &[
            Expected {
                figure: "share that moves",
                value: Value::Of(|settings| cost::joining_moves(settings.integer("nodes"))),
                tolerance: Tolerance::Relative(0.05),
                source: KARGER,
            },
            Expected {
                figure: "share that moves elsewhere",
                value: Value::Is(0.0),
                tolerance: Tolerance::Exact,
                source: KARGER,
            },
        ],
    }],
    run: join,
};

fn join(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (nodes, points) = (trial.settings.integer("nodes"), trial.settings.integer("points"));
    let new = NodeId(nodes + 1);
    let runs = trial.collect(|_, draw| {
        let before = even(nodes, points, draw.bits());
        let mut after = before.clone();
        after.insert(new, Member { weight: 1, zone: 0 });
        let moves = before.moves_to(&after);
        let share = |to_new: bool| {
            moves
                .iter()
                .filter(|moved| (moved.to == Some(new)) == to_new)
                .map(|moved| moved.share())
                .sum::<f64>()
        };
        (share(true), share(false))
    });
    let moved: Sample = runs.iter().map(|(moved, _)| *moved).collect();
    let elsewhere: Sample = runs.iter().map(|(_, elsewhere)| *elsewhere).collect();
    Ok(vec![
        moved.mean_as("share that moves"),
        Measured::exact("share that moves elsewhere", elsewhere.most().abs()),
    ])
}

pub(super) const BOUNDED: Experiment = Experiment {
    name: "hash-ring-bounded",
    sentence: "The fullest node at any time while keys come and go, as a share of ceil((1 + epsilon) m / n), and what one key moves.",
    parameters: &[
        Parameter::integer("nodes", 100, 1..=10_000, "Nodes (n)."),
        Parameter::integer("points", 10, 1..=1_000, "Points of each node on the ring (v)."),
        Parameter::integer("keys", 10_000, 1..=10_000_000, "Keys (m)."),
        Parameter::number("epsilon", 0.25, 0.0..=10.0, "How much more than its fair share a node may have."),
    ],
    runs: 4,
    rows: &[Row {
        settings: &[("nodes", "*"), ("points", "*"), ("keys", "*"), ("epsilon", "*")],
        expected: &[Expected {
            figure: "fullest over its bound",
            value: Value::Is(1.0),
            tolerance: Tolerance::AtMost,
            source: "Mirrokni, Thorup, Zadimoghaddam 2018, section 1",
        }],
    }],
    run: bounded,
};

fn bounded(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, points, keys) =
        (settings.integer("nodes"), settings.integer("points"), settings.integer("keys"));
    let epsilon = settings.number("epsilon");
    let slack = Slack { per_thousand: (epsilon * 1_000.0).round() as u32 };
    let runs = trial.collect(|_, draw| {
        let mut loads = BoundedLoads::new(even(nodes, points, draw.bits()), slack);
        let (mut fullest, mut moved) = (0.0_f64, 0_u64);
        for key in 0..keys {
            let relocations = loads.assign(key, draw.bits());
            // Every fourth key goes again, so that capacities shrink as well.
            let back = if key % 4 == 3 { loads.release(&draw.below(key)) } else { Vec::new() };
            moved += (relocations.len() + back.len()) as u64 - 1 - u64::from(!back.is_empty());
            // Only nodes that were given a key can have become fuller.
            for node in relocations.iter().chain(&back).filter_map(|moved| moved.to) {
                let bound = ((1.0 + f64::from(slack.per_thousand) / 1e3) * loads.len() as f64 / nodes as f64
                    - 1e-9)
                    .ceil();
                fullest = fullest.max(loads.load(node) as f64 / bound);
            }
        }
        (fullest, moved as f64 / (keys + keys / 4) as f64)
    });
    let fullest: Sample = runs.iter().map(|(fullest, _)| *fullest).collect();
    let moved: Sample = runs.iter().map(|(_, moved)| *moved).collect();
    Ok(vec![
        Measured::exact("fullest over its bound", fullest.most()),
        moved.mean_as("other keys moved by a change"),
    ])
}
