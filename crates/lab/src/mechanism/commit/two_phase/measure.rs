//! What a transaction costs by the presumption, and how long participants are in doubt when the coordinator is away.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::commit::two_phase::cost::{self, Load};
use synod_protocols::commit::two_phase::{Config, Operation, Presumption};
use synod_sim::{Delay, Fault, Plan, Run, What};

use super::bank::{Bank, Work};
use crate::entry::{
    Expected, Experiment, Measured, Parameter, Row, Settings, Staged, Tolerance, Trial, Value,
};

const BOOK: &str = "Bernstein, Hadzilacos and Goodman 1987, section 7.4";
const R_STAR: &str = "Mohan, Lindsay and Obermarck 1986, table of records and messages";

/// The delay of a message, against which disks and clients take no time.
const DELAY: Duration = Duration::from_millis(100);

const PARAMETERS: &[Parameter] = &[
    Parameter::integer(
        "participants",
        3,
        1..=62,
        "Participants that change something (n), other nodes than the coordinator.",
    ),
    Parameter::integer("readers", 0, 0..=62, "Participants that only read."),
    Parameter::word("presumption", &["nothing", "abort", "commit"], "What is presumed."),
    Parameter::word("outcome", &["commit", "abort"], "Abort: the last participant refuses."),
];

const fn exact(figure: &'static str, value: fn(&Settings) -> f64, source: &'static str) -> Expected {
    Expected { figure, value: Value::Of(value), tolerance: Tolerance::Exact, source }
}

fn n(settings: &Settings) -> f64 {
    settings.integer("participants") as f64
}

fn expected(settings: &Settings) -> cost::Cost {
    let load = Load { updating: settings.integer("participants"), reading: settings.integer("readers") };
    match settings.word("outcome").as_str() {
        "commit" => cost::commit(presumption(settings), load),
        _ => cost::abort(presumption(settings), load),
    }
}

/// The rows of the literature first, as it writes them; then every other combination, by the formulas in code.
pub(super) const COST: Experiment = Experiment {
    name: "two-phase-cost",
    sentence: "Messages, with and without acknowledgements, and forced writes of one transaction where nothing fails.",
    parameters: PARAMETERS,
    runs: 1,
    rows: &[
        Row {
            settings: &[("participants", "*")],
            expected: &[
                exact("messages without acknowledgements", |settings| 3.0 * n(settings), BOOK),
                exact("messages with acknowledgements", |settings| 4.0 * n(settings), BOOK),
                exact("forced writes", |settings| 1.0 + 2.0 * n(settings), R_STAR),
                Expected {
                    figure: "rounds until participants decide",
                    value: Value::Is(3.0),
                    tolerance: Tolerance::Relative(0.02),
                    source: BOOK,
                },
            ],
        },
        Row {
            settings: &[("participants", "*"), ("presumption", "abort"), ("outcome", "abort")],
            expected: &[
                exact("forced writes of the coordinator", |_| 0.0, R_STAR),
                exact("acknowledgements", |_| 0.0, R_STAR),
                exact("forced writes of the participants", |settings| n(settings) - 1.0, R_STAR),
            ],
        },
        Row {
            settings: &[("participants", "*"), ("presumption", "commit")],
            expected: &[
                exact("forced writes of the coordinator", |_| 2.0, R_STAR),
                exact("forced writes of the participants", n, R_STAR),
                exact("acknowledgements", |_| 0.0, R_STAR),
                exact("messages with acknowledgements", |settings| 3.0 * n(settings), R_STAR),
            ],
        },
        Row {
            settings: &[("participants", "*"), ("readers", "*"), ("presumption", "*"), ("outcome", "*")],
            expected: &[
                exact(
                    "messages without acknowledgements",
                    |settings| expected(settings).messages as f64,
                    R_STAR,
                ),
                exact("acknowledgements", |settings| expected(settings).acknowledgements as f64, R_STAR),
                exact(
                    "forced writes of the coordinator",
                    |settings| expected(settings).coordinator_forced as f64,
                    R_STAR,
                ),
                exact(
                    "forced writes of the participants",
                    |settings| expected(settings).participants_forced as f64,
                    R_STAR,
                ),
            ],
        },
    ],
    run: measure_cost,
};

pub(super) fn presumption(settings: &Settings) -> Presumption {
    match settings.word("presumption").as_str() {
        "nothing" => Presumption::Nothing,
        "commit" => Presumption::Commit,
        _ => Presumption::Abort,
    }
}

fn calm(seed: u64, nodes: u64) -> Plan {
    let mut plan = Plan::calm(seed, nodes);
    plan.network.delay = Delay::Constant(DELAY);
    plan.network.delay_bound = Some(DELAY);
    plan.client = Delay::Constant(Duration::ZERO);
    plan
}

fn run(plan: Plan, config: Config, work: Work) -> Result<Run, String> {
    let run = synod_sim::run(plan, |_| Staged::new(Bank::single(config, work)));
    let run = run.map_err(|error| error.to_string())?;
    match &run.found {
        Some(found) => Err(found.violation.to_string()),
        None => Ok(run),
    }
}

fn measure_cost(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (updating, reading) = (settings.integer("participants"), settings.integer("readers"));
    let last = 1 + reading + updating;
    let refused = settings.word("outcome") == "abort";
    let part = |id: u64| match id {
        _ if id <= 1 + reading => Operation::Read('a'),
        _ if id == last && refused => Operation::Add('a', -1),
        _ => Operation::Add('a', 1),
    };
    let work = (2..=last).map(|id| (NodeId(id), vec![part(id)])).collect();
    let mut plan = calm(trial.seed_of(0), last);
    plan.safety = DELAY * 20;
    if refused {
        // Its vote is to be the last one, so that the others have promised.
        plan.faults.faults.push(Fault {
            at: Duration::ZERO,
            what: What::Slow { from: NodeId(last), to: NodeId(1), factor: 2 },
            lasts: None,
        });
    }
    let long = DELAY * 100;
    let config =
        Config { presumption: presumption(settings), votes_within: long, retry: long, ..Config::default() };
    let run = run(plan, config, work)?;
    let count = |name: &str| run.exercised.count(name) as f64;
    let rounds = |name: &str| count(name) / DELAY.as_micros() as f64;
    let (messages, acknowledgements) = (count("two_phase.messages"), count("two_phase.acknowledgements"));
    let (coordinator, participants) = (count("two_phase.forced at n1"), count("two_phase.forced at others"));
    Ok(vec![
        Measured::exact("messages without acknowledgements", messages),
        Measured::exact("acknowledgements", acknowledgements),
        Measured::exact("messages with acknowledgements", messages + acknowledgements),
        Measured::exact("forced writes of the coordinator", coordinator),
        Measured::exact("forced writes of the participants", participants),
        Measured::exact("forced writes", coordinator + participants),
        Measured::exact("rounds until the client knows", rounds("two_phase.answered after us")),
        Measured::exact(
            "rounds until participants decide",
            rounds("two_phase.last participant decided after us"),
        ),
    ])
}

pub(super) const BLOCKING: Experiment = Experiment {
    name: "two-phase-blocking",
    sentence: "The coordinator loses power when all have voted Yes and none has heard a decision, and is away for a while.",
    parameters: &[
        Parameter::integer("participants", 3, 1..=62, "Participants (n), other nodes than the coordinator."),
        Parameter::word("presumption", &["nothing", "abort", "commit"], "What is presumed."),
        Parameter::switch("cooperative", true, "Whether participants in doubt ask each other."),
        Parameter::duration(
            "away",
            Duration::from_secs(10),
            Duration::from_secs(1)..=Duration::from_secs(3_600),
            "How long it is away.",
        ),
        Parameter::duration(
            "retry",
            Duration::from_millis(500),
            Duration::from_millis(10)..=Duration::from_secs(1),
            "How often participants in doubt ask.",
        ),
    ],
    runs: 1,
    rows: &[Row {
        settings: &[("participants", "*"), ("presumption", "*"), ("cooperative", "*"), ("away", "*")],
        expected: &[
            exact("decided while it was away", |_| 0.0, BOOK),
            exact("decided when it was back", n, BOOK),
            Expected {
                figure: "least time in doubt, s",
                value: Value::Of(|settings| settings.duration("away").as_secs_f64()),
                tolerance: Tolerance::AtLeast,
                source: BOOK,
            },
            Expected {
                figure: "most time in doubt, s",
                value: Value::Of(|settings| settings.duration("away").as_secs_f64() + 1.0),
                tolerance: Tolerance::AtMost,
                source: "the time away, one round of questions and two messages",
            },
        ],
    }],
    run: measure_blocking,
};

fn measure_blocking(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (participants, away) = (settings.integer("participants"), settings.duration("away"));
    let work: Work = (2..=1 + participants).map(|id| (NodeId(id), vec![Operation::Add('a', 1)])).collect();
    // Clients ask after 11 ms; questions arrive one delay later, and votes another.
    let voted = Duration::from_millis(11) + DELAY + DELAY / 2;
    let mut plan = calm(trial.seed_of(0), 1 + participants);
    plan.safety = voted + away + Duration::from_secs(10);
    plan.faults.faults.push(Fault { at: voted, what: What::Crash(NodeId(1)), lasts: Some(away) });
    let config = Config {
        presumption: presumption(settings),
        cooperative: settings.switch("cooperative"),
        retry: settings.duration("retry"),
        ..Config::default()
    };
    let returned = voted + away;
    let mut cut = plan.clone();
    cut.safety = returned;
    let before = run(cut, config.clone(), work.clone())?;
    let after = run(plan, config, work)?;
    let seconds = |name: &str| {
        // Since the client asked; participants have been in doubt since their votes.
        after.exercised.count(name) as f64 / 1e6 - DELAY.as_secs_f64()
    };
    Ok(vec![
        Measured::exact(
            "decided while it was away",
            before.exercised.count("two_phase.participants decided") as f64,
        ),
        Measured::exact(
            "decided when it was back",
            after.exercised.count("two_phase.participants decided") as f64,
        ),
        Measured::exact("least time in doubt, s", seconds("two_phase.first participant decided after us")),
        Measured::exact("most time in doubt, s", seconds("two_phase.last participant decided after us")),
    ])
}
