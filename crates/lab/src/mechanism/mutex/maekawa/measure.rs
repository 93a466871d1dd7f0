//! What an entry costs, measured in the simulator, and the sizes of request sets.

use std::time::Duration;

use synod_protocols::mutex::maekawa::{Config, Coterie, cost};
use synod_sim::{Delay, Plan};

use super::super::workload::HOLD;
use super::ensemble::Processes;
use super::{DELAY, config, coterie};
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Staged, Tolerance, Trial, Value,
};
use crate::mechanism::mutex::workload::Workload;

const MAEKAWA: &str = "Maekawa 1985, section 5";

pub(super) const COST: Experiment = Experiment {
    name: "maekawa-cost",
    sentence: "Messages an entry, the delay from one leaving to the next entering, and entries per time, with messages of \
               constant delay: one process alone, all always, or all at random times.",
    parameters: &[
        Parameter::integer("nodes", 7, 2..=256, "Processes (N)."),
        COTERIE,
        Parameter::word(
            "load",
            &["alone", "saturated", "random"],
            "Who asks: one process, all always, all at times.",
        ),
        Parameter::word(
            "own",
            &["network", "direct"],
            "A message to oneself takes T like any other (the papers' model), or no time; it is counted in neither case.",
        ),
        DELAY,
        HOLD,
        Parameter::integer("entries", 2_000, 10..=1_000_000, "Entries a run, about."),
    ],
    runs: 5,
    rows: &[
        Row {
            settings: &[
                ("nodes", "*"),
                ("coterie", "*"),
                ("load", "alone"),
                ("own", "*"),
                ("delay", "*"),
                ("hold", "*"),
            ],
            expected: &[messages(
                Value::Of(|s| cost::messages_uncontended(first_set(s)) as f64),
                Tolerance::Exact,
            )],
        },
        saturated(&[("nodes", "7"), ("load", "saturated")]),
        saturated(&[("nodes", "13"), ("load", "saturated")]),
        saturated(&[("nodes", "31"), ("load", "saturated")]),
        Row {
            settings: &[
                ("nodes", "*"),
                ("coterie", "*"),
                ("load", "random"),
                ("own", "*"),
                ("delay", "*"),
                ("hold", "*"),
            ],
            expected: &[messages(
                Value::Of(|s| cost::messages_published_most(largest_set(s)) as f64),
                Tolerance::AtMost,
            )],
        },
    ],
    run: measure,
};

pub(super) const COTERIE: Parameter = Parameter::word(
    "coterie",
    &["plane", "grid"],
    "Request sets: the lines of a projective plane, or a row and a column.",
);

const fn messages(value: Value, tolerance: Tolerance) -> Expected {
    Expected { figure: "messages an entry", value, tolerance, source: MAEKAWA }
}

/// All always want to enter, a message to oneself takes its time: the delay is 2T, and the rate follows from it.
const fn saturated(settings: &'static [(&'static str, &'static str)]) -> Row {
    const EXPECTED: &[Expected] = &[
        messages(Value::Of(|s| cost::messages_published_most(largest_set(s)) as f64), Tolerance::AtMost),
        Expected {
            figure: "synchronization delay / T",
            value: Value::Is(2.0),
            tolerance: Tolerance::Relative(0.01),
            source: MAEKAWA,
        },
        Expected {
            figure: "entries per (2T + E)",
            value: Value::Is(1.0),
            tolerance: Tolerance::Relative(0.01),
            source: "1/(SD + E), Singhal and Shivaratri 1994, section 6.2",
        },
    ];
    Row { settings, expected: EXPECTED }
}

fn sets(settings: &Settings) -> Coterie {
    coterie(&settings.word("coterie"), settings.integer("nodes"))
}

fn largest_set(settings: &Settings) -> u64 {
    sets(settings).largest_set() as u64
}

fn first_set(settings: &Settings) -> u64 {
    sets(settings).set(synod_machine::NodeId(1)).len() as u64
}

fn measure(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, load) = (settings.integer("nodes"), settings.word("load"));
    let (delay, hold) = (settings.duration("delay"), settings.duration("hold"));
    let entries = u32::try_from(settings.integer("entries")).map_err(|_| "too many entries".to_owned())?;
    let coterie = sets(settings);
    let config = Config { own_by_network: settings.word("own") == "network", ..config("full") };
    let turn = cost::synchronization_delay(delay) + hold;
    // Alone an entry waits for its own grants; at random each pauses for as long as a turn of everybody.
    let (clients, think, length) = match load.as_str() {
        "alone" => (1, Duration::ZERO, turn * entries),
        "saturated" => (nodes, Duration::ZERO, turn * entries),
        _ => (nodes, turn * u32::try_from(2 * nodes).unwrap_or(u32::MAX), turn * entries * 2),
    };
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), nodes);
        plan.network.delay = Delay::Constant(delay);
        plan.network.delay_bound = Some(delay);
        plan.network.fifo = true;
        plan.client = Delay::Constant(Duration::ZERO);
        plan.safety = length;
        let made = synod_sim::run(plan, |_| {
            Staged::new(Processes::new(coterie.clone(), config.clone(), Workload::new(clients, hold, think)))
        });
        made.map_err(|error| error.to_string()).and_then(|run| match &run.found {
            Some(found) => Err(found.violation.to_string()),
            None => Ok(Counted::of(&run.exercised, run.simulated, delay, turn)),
        })
    });
    let results: Vec<Counted> = results.into_iter().collect::<Result<_, _>>()?;
    let sample = |figure: fn(&Counted) -> f64| results.iter().map(figure).collect::<Sample>();
    let mut figures = vec![sample(|counted| counted.messages).mean_as("messages an entry")];
    if load != "alone" {
        figures.push(sample(|counted| counted.delay).mean_as("synchronization delay / T"));
        figures.push(sample(|counted| counted.delay_most).mean_as("longest such delay / T"));
        figures.push(sample(|counted| counted.yields).mean_as("yields an entry"));
    }
    if load == "saturated" {
        figures.push(sample(|counted| counted.rate).mean_as("entries per (2T + E)"));
    }
    Ok(figures)
}

/// The figures of a run.
struct Counted {
    messages: f64,
    delay: f64,
    delay_most: f64,
    yields: f64,
    rate: f64,
}

impl Counted {
    fn of(counts: &synod_sim::Exercised, simulated: Duration, delay: Duration, turn: Duration) -> Self {
        let count = |name: &str| counts.count(name) as f64;
        let entries = count("note.mutex.entered").max(1.0);
        let nanos = delay.as_nanos() as f64;
        Counted {
            messages: count("mutex.messages") / count("mutex.exits").max(1.0),
            delay: count("mutex.handover_ns") / count("mutex.handovers").max(1.0) / nanos,
            delay_most: count("mutex.handover_most_ns") / nanos,
            yields: count("mutex.yields") / entries,
            rate: entries * turn.as_secs_f64() / simulated.as_secs_f64(),
        }
    }
}

pub(super) const REQUEST_SETS: Experiment = Experiment {
    name: "request-sets",
    sentence: "Sizes, loads and common members of request sets, counted over all pairs.",
    parameters: &[Parameter::integer("nodes", 7, 2..=1_057, "Processes (N)."), COTERIE],
    runs: 1,
    rows: &[
        plane_row(&[("nodes", "3")]),
        plane_row(&[("nodes", "7")]),
        plane_row(&[("nodes", "13")]),
        plane_row(&[("nodes", "21")]),
        plane_row(&[("nodes", "31")]),
        grid_row(&[("nodes", "9"), ("coterie", "grid")]),
        grid_row(&[("nodes", "25"), ("coterie", "grid")]),
    ],
    run: count_sets,
};

const fn plane_row(settings: &'static [(&'static str, &'static str)]) -> Row {
    const EXPECTED: &[Expected] = &[
        set_figure("K", Value::Of(|s| cost::least_set(s.integer("nodes")) as f64)),
        set_figure("most common members", Value::Is(1.0)),
        set_figure("least common members", Value::Is(1.0)),
        set_figure("largest load", Value::Of(|s| cost::least_set(s.integer("nodes")) as f64)),
    ];
    Row { settings, expected: EXPECTED }
}

const fn grid_row(settings: &'static [(&'static str, &'static str)]) -> Row {
    const EXPECTED: &[Expected] = &[
        set_figure("K", Value::Of(|s| 2.0 * (s.integer("nodes") as f64).sqrt() - 1.0)),
        set_figure("least common members", Value::Is(2.0)),
    ];
    Row { settings, expected: EXPECTED }
}

const fn set_figure(figure: &'static str, value: Value) -> Expected {
    Expected { figure, value, tolerance: Tolerance::Exact, source: "Maekawa 1985, section 4" }
}

fn count_sets(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let coterie = sets(trial.settings);
    let (mut most, mut least) = (0, usize::MAX);
    for (node, set) in coterie.iter() {
        for (_, other) in coterie.iter().filter(|(other, _)| *other > node) {
            let common = set.intersection(other).count();
            (most, least) = (most.max(common), least.min(common));
        }
    }
    let loads = coterie.iter().map(|(node, _)| coterie.load(node));
    Ok(vec![
        Measured::exact("K", coterie.largest_set() as f64),
        Measured::exact("most common members", most as f64),
        Measured::exact("least common members", least as f64),
        Measured::exact("largest load", loads.max().unwrap_or(0) as f64),
    ])
}

pub(super) const DEADLOCK: Experiment = Experiment {
    name: "maekawa-deadlock",
    sentence: "The share of runs that end in a circular wait: every process asks at random times, with random delays.",
    parameters: &[
        Parameter::integer("nodes", 7, 2..=64, "Processes (N)."),
        COTERIE,
        Parameter::word("handling", &["full", "as-published", "none"], "What is done about circular waits."),
        HOLD,
    ],
    runs: 100,
    rows: &[
        Row {
            settings: &[("nodes", "*"), ("coterie", "*"), ("hold", "*")],
            expected: &[circular(Value::Is(0.0), Tolerance::Exact)],
        },
        Row { settings: &[("handling", "none")], expected: &[circular(Value::Is(0.5), Tolerance::AtLeast)] },
    ],
    run: deadlocks,
};

const fn circular(value: Value, tolerance: Tolerance) -> Expected {
    Expected { figure: "runs with a circular wait", value, tolerance, source: "Maekawa 1985, section 3.2" }
}

fn deadlocks(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (nodes, hold) = (settings.integer("nodes"), settings.duration("hold"));
    let (coterie, config) = (sets(settings), config(&settings.word("handling")));
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), nodes);
        plan.network.fifo = true;
        plan.safety = Duration::from_secs(5);
        plan.heal = Duration::from_secs(30);
        let workload = Workload::new(nodes, hold, hold * u32::try_from(nodes).unwrap_or(u32::MAX));
        synod_sim::run(plan, |_| {
            Staged::new(Processes::new(coterie.clone(), config.clone(), workload.clone()))
        })
    });
    let mut circles = 0;
    for result in &results {
        let run = result.as_ref().map_err(ToString::to_string)?;
        let sentence = run.found.as_ref().map(|found| found.violation.sentence.as_str());
        circles += u64::from(sentence.is_some_and(|sentence| sentence.contains("circular wait")));
    }
    Ok(vec![Measured::share("runs with a circular wait", circles, results.len() as u64)])
}
