//! How soon a failure is noticed and known to all, and what watching costs.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::failure::swim::cost::{
    MESSAGES_PER_PERIOD, detection_periods_max, first_detection_periods,
};
use synod_protocols::failure::swim::{Config, Message, ProbeOrder, Swim};
use synod_sim::{Odds, Stream};

use super::crowd::{Failures, Pings, members};
use crate::crowd::Watch;
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Tolerance, Trial, Value,
};

const MEMBERS: Parameter = Parameter::integer("members", 1_000, 2..=1_000_000, "Size of the group (n).");
const ORDER: Parameter = Parameter::word("order", &["round-robin", "random"], "Who is probed next.");
const PERIOD: Parameter = Parameter::duration(
    "period",
    Duration::from_secs(1),
    Duration::from_millis(10)..=Duration::from_secs(60),
    "Length of a protocol period (T').",
);

fn config(settings: &Settings) -> Config {
    let period = settings.duration("period");
    let order = if settings.word("order") == "random" { ProbeOrder::Random } else { ProbeOrder::RoundRobin };
    Config { period, timeout: period / 2, order, sync_interval: None, ..Config::paper() }
}

fn failures(settings: &Settings) -> u64 {
    match settings.integer("failures") {
        0 => (settings.integer("members") / 100).max(1),
        set => set,
    }
}

/// The first ping of a failed member, and messages a member and period.
pub(super) const FIRST_DETECTION: Experiment = Experiment {
    name: "swim",
    sentence: "Periods from a failure until anybody pings the failed member, the one in which it does counted as one (timeouts come on top); messages \
               that a member sends and receives a period while all are up. Drives the members without the simulator's records.",
    parameters: &[
        MEMBERS,
        Parameter::integer(
            "failures",
            0,
            0..=10_000,
            "Members that fail in the same period (f); 0 is one of a hundred.",
        ),
        ORDER,
        PERIOD,
    ],
    runs: 200,
    rows: &[
        Row {
            settings: &[("order", "*"), ("period", "*")],
            expected: &[
                Expected {
                    figure: "first detection [periods]",
                    // e/(e-1): the row of the paper, for large n.
                    value: Value::Is(1.582),
                    tolerance: Tolerance::Relative(0.02),
                    source: "SWIM 2002, 3.1: e/(e-1) for large n",
                },
                LOAD[0],
                LOAD[1],
            ],
        },
        Row {
            settings: &[("members", "*"), ("failures", "*"), ("order", "*"), ("period", "*")],
            expected: &[
                Expected {
                    figure: "first detection [periods]",
                    value: Value::Of(|settings| {
                        first_detection_periods(settings.integer("members"), failures(settings))
                    }),
                    tolerance: Tolerance::Relative(0.02),
                    source: "SWIM 2002, 3.1: 1/(1 - (1 - 1/(n-1))^(n-f))",
                },
                LOAD[0],
                LOAD[1],
            ],
        },
    ],
    run: first_detection,
};

const LOAD: [Expected; 2] = [
    Expected {
        figure: "messages sent [a member and period]",
        value: Value::Is(MESSAGES_PER_PERIOD),
        tolerance: Tolerance::Relative(0.005),
        source: "SWIM 2002, 3.1: a ping and an ack at any n",
    },
    Expected {
        figure: "messages received [a member and period]",
        value: Value::Is(MESSAGES_PER_PERIOD),
        tolerance: Tolerance::Relative(0.005),
        source: "SWIM 2002, 3.1: a ping and an ack at any n",
    },
];

fn first_detection(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (count, failures) = (settings.integer("members"), failures(settings));
    if failures >= count {
        return Err(format!("expected fewer failures than members, found {failures} of {count}"));
    }
    let config = config(settings);
    let (mut detection, mut sent, mut received) = (Sample::default(), Sample::default(), Sample::default());
    let groups = (DETECTIONS / failures).max(1);
    let run = |run: u64, draw: &mut Stream| {
        let (mut periods, mut load) = (Vec::new(), None);
        for group in 0..groups {
            let seed = trial.seed_of(run * groups + group);
            // Messages differ little from group to group: those of one are enough.
            let weigh = group == 0 && run < LOADS;
            let (waits, messages) = one_group(seed, count, failures, weigh, &config, draw);
            periods.extend(waits);
            load = load.or(messages);
        }
        (periods, load)
    };
    trial.each(run, |_, (periods, load)| {
        detection.extend(periods);
        sent.extend(load.map(|(sent, _)| sent));
        received.extend(load.map(|(_, received)| received));
    });
    Ok(vec![
        detection.mean_as("first detection [periods]"),
        sent.mean_as("messages sent [a member and period]"),
        received.mean_as("messages received [a member and period]"),
    ])
}

/// Detections of a run: in one group, or in several small ones.
const DETECTIONS: u64 = 100;
/// Runs in which messages are counted.
const LOADS: u64 = 20;

/// Periods until each of the failed members was pinged first; messages that a member sent and received in a period in which all were up, if they are weighed.
fn one_group(
    seed: u64,
    count: u64,
    failures: u64,
    weigh: bool,
    config: &Config,
    draw: &mut Stream,
) -> (Vec<f64>, Option<(f64, f64)>) {
    let period = config.period;
    let mut crowd = members(seed, count, config, Odds::NEVER);
    // Everybody has begun by the end of the first period.
    let mut begin = period;
    let mut load = Pings::default();
    crowd.start(&mut load);
    crowd.run(begin, &mut load);
    let messages = weigh.then(|| {
        (load.sent, load.received) = (0, 0);
        begin += period;
        crowd.run(begin, &mut load);
        (load.sent as f64 / count as f64, load.received as f64 / count as f64)
    });
    let mut failed = BTreeMap::new();
    while (failed.len() as u64) < failures {
        failed.insert(NodeId(draw.between(1, count)), begin + draw.duration(Duration::ZERO, period));
    }
    for (node, at) in &failed {
        crowd.crash(*node, *at);
    }
    let mut pings = Pings::of(failed);
    crowd.run(period * PERIODS_MAX, &mut pings);
    let waits = pings.wanted.values().filter_map(|(at, first)| Some(first.as_ref()?.saturating_sub(*at)));
    (waits.map(|wait| (wait.as_secs_f64() / period.as_secs_f64()).ceil().max(1.0)).collect(), messages)
}

/// Longer than anybody waits to be pinged.
const PERIODS_MAX: u32 = 10_000;

/// Round-robin's bound on the time between two probes of one member by another.
pub(super) const ROUND_ROBIN: Experiment = Experiment {
    name: "swim-round-robin",
    sentence: "Periods between two pings of one member by another, over several passes. Drives the members without the simulator's records.",
    parameters: &[
        Parameter::integer("members", 50, 3..=10_000, "Size of the group (n)."),
        Parameter::integer("passes", 12, 2..=1_000, "Passes over all members."),
        ORDER,
        PERIOD,
    ],
    runs: 8,
    rows: &[Row {
        settings: &[("members", "*"), ("passes", "*"), ("period", "*")],
        expected: &[
            Expected {
                figure: "longest [periods]",
                value: Value::Of(|settings| detection_periods_max(settings.integer("members")) as f64),
                tolerance: Tolerance::AtMost,
                source: "SWIM 2002, 4.3: 2n - 1",
            },
            Expected {
                figure: "mean [periods]",
                value: Value::Of(|settings| settings.integer("members") as f64 - 1.0),
                tolerance: Tolerance::Relative(0.05),
                source: "model: each of n - 1 others once a pass",
            },
        ],
    }],
    run: round_robin,
};

#[derive(Debug, Default)]
struct Gaps {
    /// Pings of a member so far: its periods, while all are up.
    periods: BTreeMap<NodeId, u64>,
    last: BTreeMap<(NodeId, NodeId), u64>,
    gaps: Vec<u64>,
}

impl Watch<Swim> for Gaps {
    fn sent(&mut self, _: Duration, from: NodeId, to: NodeId, message: &Message) {
        if matches!(message, Message::Ping { .. }) {
            let period = self.periods.entry(from).or_default();
            *period += 1;
            if let Some(last) = self.last.insert((from, to), *period) {
                self.gaps.push(*period - last);
            }
        }
    }
}

fn round_robin(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (count, period) = (settings.integer("members"), settings.duration("period"));
    let periods =
        u32::try_from(count * settings.integer("passes")).map_err(|_| "too many passes".to_owned())?;
    let config = config(settings);
    let mut gaps = Sample::default();
    let run = |run: u64, _: &mut Stream| {
        let mut crowd = members(trial.seed_of(run), count, &config, Odds::NEVER);
        let mut seen = Gaps::default();
        crowd.start(&mut seen);
        crowd.run(period * periods, &mut seen);
        seen.gaps
    };
    trial.each(run, |_, seen| gaps.extend(seen.into_iter().map(|gap| gap as f64)));
    Ok(vec![Measured::exact("longest [periods]", gaps.most()), gaps.mean_as("mean [periods]")])
}

/// How long a failure is news.
pub(super) const DISSEMINATION: Experiment = Experiment {
    name: "swim-dissemination",
    sentence: "Periods from the first report of a failure until every member has it, by piggybacking alone. Drives the members without the \
               simulator's records.",
    parameters: &[
        MEMBERS,
        Parameter::integer("lambda", 4, 1..=100, "A rumour is passed on lambda log10(n + 1) times."),
        ORDER,
        PERIOD,
    ],
    runs: 20,
    rows: &[Row {
        settings: &[("members", "*"), ("order", "*"), ("period", "*")],
        expected: &[Expected {
            figure: "until all know [periods]",
            value: Value::Of(|settings| 2.0 * (settings.integer("members") as f64).ln()),
            tolerance: Tolerance::AtMost,
            source: "SWIM 2002, 4.1: O(log n); two pushes a period, infection in 2 ln n at the most",
        }],
    }],
    run: dissemination,
};

fn dissemination(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (count, period) = (settings.integer("members"), settings.duration("period"));
    // Who is told of the suspicion first would know of the failure by its own clock: the report alone shall travel.
    let config = Config {
        suspicion: false,
        lambda: u32::try_from(settings.integer("lambda")).unwrap_or(u32::MAX),
        ..config(settings)
    };
    let results = trial.collect(|run, draw| {
        let mut crowd = members(trial.seed_of(run), count, &config, Odds::NEVER);
        let victim = NodeId(draw.between(1, count));
        crowd.crash(victim, period * 2);
        let mut failures = Failures::of([victim]);
        failures.enough = Some(count - 1);
        crowd.start(&mut failures);
        crowd.run(period * 200, &mut failures);
        let reported = failures.disturbed[&victim];
        let first = reported.first.unwrap_or_default();
        let spread = reported.last.unwrap_or_default().saturating_sub(first);
        (spread.as_secs_f64() / period.as_secs_f64(), count - 1 - reported.count)
    });
    let spread: Sample = results.iter().map(|(periods, _)| *periods).collect();
    let missed: Sample = results.iter().map(|(_, missed)| *missed as f64).collect();
    Ok(vec![spread.mean_as("until all know [periods]"), missed.mean_as("never told [members]")])
}
