//! How long the checker of transactions takes, and how that grows: `cargo run --release -p synod-check --example
//! transactions`. With the name of a row it measures that row alone, so that the peak of memory is its own.

use std::time::{Duration, Instant};

use synod_check::linearizability::TimeLimit;
use synod_check::model::{Judgement, Model};
use synod_check::transactions::generate::{Plant, Shape, history, history_with};
use synod_check::transactions::{Anomaly, Effort, History, Kind, Order, check};

/// What no check may take longer than.
const TIME_MAX: Duration = Duration::from_secs(60);

fn main() {
    let wanted = std::env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| name.contains(wanted));
    println!("{:<58} {:>9} {:>9} {:>8}  verdict", "history and model", "to make", "to check", "peak");
    for (kind, name) in [(Kind::ListAppend, "lists"), (Kind::Register, "registers")] {
        let polynomial = [Model::ReadCommitted, Model::ReadAtomic, Model::TransactionalCausal];
        let models: &[Model] = if kind == Kind::ListAppend {
            &[Model::StrictSerializable, Model::SnapshotIsolation]
        } else {
            &polynomial
        };
        for transactions in [10_000, 100_000, 1_000_000] {
            for &model in models {
                let row = format!("{name}, {transactions}, {model}");
                if is_wanted(&row) {
                    measure(&row, model, || history(shape(kind, transactions), model));
                }
            }
        }
    }
    for transactions in [1_000, 4_000, 20_000, 100_000] {
        for model in [Model::SnapshotIsolation, Model::Serializable, Model::StrictSerializable] {
            let row = format!("registers, {transactions}, {model}");
            if is_wanted(&row) {
                measure(&row, model, || history(shape(Kind::Register, transactions), model));
            }
            let anomaly =
                if model == Model::SnapshotIsolation { Anomaly::LostUpdate } else { Anomaly::WriteSkew };
            let row = format!("registers, {transactions}, {model}, {}", anomaly.name());
            if is_wanted(&row) {
                let plant = Plant { anomaly, order: Order::Data };
                let broken = || history_with(shape(Kind::Register, transactions), model, plant);
                measure(&row, model, || broken().expect("registers can show it"));
            }
        }
    }
    for model in [Model::StrictSerializable, Model::SnapshotIsolation] {
        let row = format!("lists, 1000000, {model}, lost update");
        if is_wanted(&row) {
            let plant = Plant { anomaly: Anomaly::LostUpdate, order: Order::Data };
            let broken = || history_with(shape(Kind::ListAppend, 1_000_000), model, plant);
            measure(&row, model, || broken().expect("lists can show it"));
        }
    }
}

fn shape(kind: Kind, transactions: usize) -> Shape {
    Shape { keys: 20, ..Shape::new(1, kind, transactions) }
}

fn measure(row: &str, model: Model, make: impl FnOnce() -> History) {
    let begin = Instant::now();
    let history = make();
    let made = begin.elapsed();
    let begin = Instant::now();
    let elapsed = || begin.elapsed();
    let effort =
        Effort { steps_max: u64::MAX, time: Some(TimeLimit { time_max: TIME_MAX, elapsed: &elapsed }) };
    let judgement = check(&history, model, effort);
    let checked = begin.elapsed();
    let peak = peak_megabytes().map_or_else(|| "?".into(), |peak| format!("{peak} MB"));
    println!("{row:<58} {made:>9.2?} {checked:>9.2?} {peak:>8}  {}", verdict(&judgement));
}

fn verdict(judgement: &Judgement) -> String {
    match (judgement.is_kept(), judgement.breach()) {
        (true, _) => "kept".into(),
        (_, Some(breach)) => {
            format!("broken: {}", breach.anomaly.as_ref().map_or("?".into(), ToString::to_string))
        }
        _ => judgement.to_string(),
    }
}

/// The most memory that this process has had, where the system tells.
fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
