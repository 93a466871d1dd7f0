//! What clocks guarantee and cost, counted on random executions.

use std::time::Duration;

use synod_protocols::clocks::hybrid::units;
use synod_protocols::clocks::{
    DifferentialClock, EventId, HybridClock, LamportClock, VectorClock, VersionVector,
};
use synod_sim::Stream;

use super::executions::{Shape, random};
use super::siblings;
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Tolerance, Trial, Value,
};

const fn exact(figure: &'static str, value: f64, source: &'static str) -> Expected {
    Expected { figure, value: Value::Is(value), tolerance: Tolerance::Exact, source }
}

const NODES: Parameter = Parameter::integer("nodes", 8, 2..=1_000, "Processes (N).");
const EVENTS: Parameter = Parameter::integer("events", 500, 2..=20_000, "Events an execution.");

/// Vector and Lamport clocks against the truth.
pub const VECTOR: Experiment = Experiment {
    name: "vector-clock",
    sentence: "All pairs of events of random executions: do the clocks say what happened before what? Driven by the clocks as values, over channels that reorder.",
    parameters: &[NODES, EVENTS],
    runs: 50,
    rows: &[Row {
        settings: &[("nodes", "*"), ("events", "*")],
        expected: &[
            exact("mismatches of vectors", 0.0, "Mattern 1989, theorem 10; Fidge 1988"),
            exact("contradictions of Lamport's clock", 0.0, "Lamport 1978, clock condition"),
            Expected {
                figure: "counterexamples to the converse",
                value: Value::Is(1.0),
                tolerance: Tolerance::AtLeast,
                source: "Lamport 1978, after the clock condition",
            },
        ],
    }],
    run: vector,
};

fn vector(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, events) = (settings.integer("nodes"), settings.integer("events"));
    let shape = Shape { nodes, events, partners: nodes - 1, fifo: false };
    let counts = trial.collect(|run, _| {
        // The same execution twice, once with each clock.
        let seed = trial.seed_of(run);
        let vectors = random(shape, VectorClock::new, &mut Stream::named(seed, "execution"));
        let lamport = random(shape, |_| LamportClock::default(), &mut Stream::named(seed, "execution"));
        let pasts = vectors.execution.pasts();
        let (mut mismatches, mut contradictions, mut converse, mut concurrent) = (0, 0, 0, 0);
        for e in 0..vectors.readings.len() {
            for f in 0..vectors.readings.len() {
                let before = pasts.happened_before(EventId(e), EventId(f));
                let says = e != f && vectors.readings[e] < vectors.readings[f];
                let smaller = lamport.readings[e] < lamport.readings[f];
                mismatches += u64::from(says != before);
                contradictions += u64::from(before && !smaller);
                if e != f && !before && !pasts.happened_before(EventId(f), EventId(e)) {
                    concurrent += 1;
                    converse += u64::from(smaller);
                }
            }
        }
        (mismatches, contradictions, converse, concurrent)
    });
    let sum = |part: fn(&(u64, u64, u64, u64)) -> u64| counts.iter().map(part).sum::<u64>();
    let pairs = counts.len() as u64 * events * (events - 1);
    Ok(vec![
        Measured::exact("mismatches of vectors", sum(|counts| counts.0) as f64),
        Measured::exact("contradictions of Lamport's clock", sum(|counts| counts.1) as f64),
        Measured::exact("counterexamples to the converse", sum(|counts| counts.2) as f64),
        Measured::share("share of pairs that are concurrent", sum(|counts| counts.3), pairs),
    ])
}

/// The differential form's savings.
pub const DIFFERENTIAL: Experiment = Experiment {
    name: "differential-clock",
    sentence: "Entries a message of the differential vector clock, on random executions over FIFO channels; driven by the clocks as values.",
    parameters: &[
        NODES,
        EVENTS,
        Parameter::integer(
            "partners",
            1_000,
            1..=1_000,
            "Processes that each sends to, its next ones on a ring; at most all others.",
        ),
    ],
    runs: 100,
    rows: &[Row {
        settings: &[("nodes", "*"), ("events", "*"), ("partners", "*")],
        expected: &[
            exact("mismatches with full vectors", 0.0, "Singhal and Kshemkalyani 1992, section 3"),
            Expected {
                figure: "entries a message",
                value: Value::Of(|settings| settings.integer("nodes") as f64),
                tolerance: Tolerance::AtMost,
                source: "Singhal and Kshemkalyani 1992, section 4",
            },
        ],
    }],
    run: differential,
};

fn differential(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let shape = Shape {
        nodes: settings.integer("nodes"),
        events: settings.integer("events"),
        partners: settings.integer("partners"),
        fifo: true,
    };
    let results = trial.collect(|run, _| {
        let seed = trial.seed_of(run);
        let full = random(shape, VectorClock::new, &mut Stream::named(seed, "execution"));
        let form = random(shape, DifferentialClock::new, &mut Stream::named(seed, "execution"));
        let mismatches = full.readings.iter().zip(&form.readings).filter(|(full, form)| full != form).count();
        let mean = |stamps: &[VersionVector]| {
            stamps.iter().map(VersionVector::len).sum::<usize>() as f64 / stamps.len().max(1) as f64
        };
        (mismatches as f64, mean(&form.stamps), mean(&full.stamps))
    });
    let sample = |part: fn(&(f64, f64, f64)) -> f64| results.iter().map(part).collect::<Sample>();
    Ok(vec![
        Measured::exact("mismatches with full vectors", results.iter().map(|result| result.0).sum()),
        sample(|result| result.1).mean_as("entries a message"),
        sample(|result| result.2).mean_as("entries a message of full vectors"),
    ])
}

const HLC: &str = "Kulkarni et al. 2014";

const AHEAD: Expected = Expected {
    figure: "l - pt at most, ms",
    // Timestamps count units of 2^-16 s: one of them for rounding.
    value: Value::Of(|settings| settings.duration("epsilon").as_secs_f64() * 1e3 + 1e3 / 65_536.0),
    tolerance: Tolerance::AtMost,
    source: "Kulkarni et al. 2014, corollary 1",
};

const COUNTER: Expected = Expected {
    figure: "c at most",
    value: Value::Of(|settings| {
        settings.integer("nodes") as f64 * (settings.duration("epsilon").as_millis() as f64 + 1.0)
    }),
    tolerance: Tolerance::AtMost,
    source: "Kulkarni et al. 2014, theorem 4",
};

/// The hybrid clock's bounds.
pub const HYBRID: Experiment = Experiment {
    name: "hybrid-clock",
    sentence: "How far l runs ahead and how large c grows, when every node has an event in each millisecond; driven by the clocks as values.",
    parameters: &[
        Parameter::integer("nodes", 32, 2..=10_000, "Nodes (N)."),
        Parameter::duration(
            "epsilon",
            Duration::from_millis(5),
            Duration::ZERO..=Duration::from_secs(10),
            "How far wall clocks are apart at most (ε), in whole milliseconds.",
        ),
        Parameter::duration(
            "delay",
            Duration::from_millis(1),
            Duration::ZERO..=Duration::from_secs(10),
            "How long a message is under way at most.",
        ),
        Parameter::number(
            "sends",
            0.5,
            0.0..=1.0,
            "The probability that an event which receives nothing sends.",
        ),
        Parameter::duration(
            "length",
            Duration::from_secs(5),
            Duration::from_millis(10)..=Duration::from_secs(3_600),
            "How long a run is.",
        ),
    ],
    runs: 10,
    rows: &[
        Row {
            settings: &[("nodes", "*"), ("length", "*")],
            expected: &[
                AHEAD,
                COUNTER,
                Expected {
                    figure: "share of events with c <= 4",
                    value: Value::Is(0.99),
                    tolerance: Tolerance::AtLeast,
                    source: HLC,
                },
            ],
        },
        Row {
            settings: &[("nodes", "*"), ("delay", "*"), ("sends", "*"), ("length", "*"), ("epsilon", "*")],
            expected: &[AHEAD, COUNTER],
        },
    ],
    run: hybrid,
};

/// What one run of the hybrid clock came to.
#[derive(Clone, Copy, Default)]
struct Bounds {
    ahead_units: u64,
    counter: u16,
    events: u64,
    small: u64,
}

/// The counter that nearly all events stay within.
const SMALL_COUNTER: u16 = 4;

fn hybrid(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let all = trial.collect(|_, stream| hybrid_run(trial.settings, stream));
    let ahead = all.iter().map(|bounds| bounds.ahead_units).max().unwrap_or(0);
    let counter = all.iter().map(|bounds| bounds.counter).max().unwrap_or(0);
    let (small, events) =
        all.iter().fold((0, 0), |sum, bounds| (sum.0 + bounds.small, sum.1 + bounds.events));
    Ok(vec![
        Measured::exact("l - pt at most, ms", ahead as f64 * 1e3 / 65_536.0),
        Measured::exact("c at most", f64::from(counter)),
        Measured::share("share of events with c <= 4", small, events),
    ])
}

fn hybrid_run(settings: &Settings, stream: &mut Stream) -> Bounds {
    let nodes = settings.integer("nodes");
    let epsilon = settings.duration("epsilon").as_millis() as u64;
    let delay = settings.duration("delay").as_millis() as u64;
    let sends = (settings.number("sends") * 1e6) as u64;
    // Some clock is the slowest and some the fastest; a year after 1970.
    let mut offsets: Vec<u64> = (0..nodes).map(|_| stream.between(0, epsilon)).collect();
    (offsets[0], offsets[1]) = (0, epsilon);
    let mut clocks = vec![HybridClock::default(); nodes as usize];
    let mut inboxes = vec![Vec::new(); nodes as usize];
    let mut bounds = Bounds::default();
    for now in 0..settings.duration("length").as_millis() as u64 {
        for node in 0..nodes as usize {
            let wall = Duration::from_secs(31_536_000) + Duration::from_millis(now + offsets[node]);
            let due = inboxes[node].iter().position(|(at, _)| *at <= now);
            let reading = if let Some(place) = due {
                let (_, sent) = inboxes[node].swap_remove(place);
                clocks[node].receive(sent, wall, Duration::MAX).unwrap_or_default()
            } else {
                let reading = clocks[node].tick(wall);
                if stream.below(1_000_000) < sends {
                    let to = (node as u64 + 1 + stream.below(nodes - 1)) % nodes;
                    inboxes[to as usize].push((now + 1 + stream.between(0, delay), reading));
                }
                reading
            };
            bounds.ahead_units = bounds.ahead_units.max(reading.logical_units().saturating_sub(units(wall)));
            bounds.counter = bounds.counter.max(reading.counter());
            bounds.events += 1;
            bounds.small += u64::from(reading.counter() <= SMALL_COUNTER);
        }
    }
    bounds
}

const DVV: &str = "Preguiça et al. 2010; Almeida et al. 2014";

/// Dotted version vectors beside plain ones.
pub const SIBLINGS: Experiment = Experiment {
    name: "siblings",
    sentence: "False and lost siblings and the length of clocks, by dotted version vectors and by plain ones with a counter a server or a client; driven by the clocks as values, held against full causal histories.",
    parameters: &[
        Parameter::integer("replicas", 3, 1..=64, "Replicas that coordinate writes of the key."),
        Parameter::integer("clients", 50, 1..=10_000, "Clients that read and write it."),
        Parameter::integer("operations", 400, 1..=20_000, "Reads, writes and exchanges a run."),
    ],
    runs: 50,
    rows: &[Row {
        settings: &[],
        expected: &[
            exact("false siblings, dotted", 0.0, DVV),
            exact("lost siblings, dotted", 0.0, DVV),
            Expected {
                figure: "counters at most, dotted",
                value: Value::Of(|settings| settings.integer("replicas") as f64),
                tolerance: Tolerance::AtMost,
                source: DVV,
            },
            Expected {
                figure: "lost siblings, a counter a server",
                value: Value::Is(1.0),
                tolerance: Tolerance::AtLeast,
                source: DVV,
            },
            exact("lost siblings, a counter a client", 0.0, DVV),
            Expected {
                figure: "counters at most, a counter a client",
                // Far more than replicas: it goes to the number of clients.
                value: Value::Of(|settings| settings.integer("clients") as f64 * 0.8),
                tolerance: Tolerance::AtLeast,
                source: DVV,
            },
        ],
    }],
    run: siblings,
};

fn siblings(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (replicas, clients) = (settings.integer("replicas"), settings.integer("clients"));
    let operations = settings.integer("operations");
    let outcomes = trial.collect(|_, stream| siblings::life(replicas, clients, operations, stream));
    let sum = |name: &str, part: fn(&siblings::Outcome) -> u64| {
        Measured::exact(name, outcomes.iter().map(part).sum::<u64>() as f64)
    };
    let most = |name: &str, part: fn(&siblings::Outcome) -> u64| {
        Measured::exact(name, outcomes.iter().map(part).max().unwrap_or(0) as f64)
    };
    Ok(vec![
        sum("false siblings, dotted", |outcome| outcome.dotted_false),
        sum("lost siblings, dotted", |outcome| outcome.dotted_lost),
        most("counters at most, dotted", |outcome| outcome.dotted_counters),
        sum("lost siblings, a counter a server", |outcome| outcome.server_lost),
        sum("lost siblings, a counter a client", |outcome| outcome.client_lost),
        most("counters at most, a counter a client", |outcome| outcome.client_counters),
    ])
}
