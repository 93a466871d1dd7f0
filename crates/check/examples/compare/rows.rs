//! The histories of the comparison.
//!
//! Each row is a kind of history, in two versions: one that keeps the model, and one in which something impossible was
//! planted near its end. The benchmarks take the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_check::generate::{self, Delivery, Random, ReadWriteHistory, Shape};
use synod_check::history::History;
use synod_check::model::Model;
use synod_check::specification::{
    At, CasInput, CasOutput, EntryInput, EntryOutput, RegisterInput, RegisterOutput,
};
use synod_check::transactions::generate::{Plant, history_with};
use synod_check::transactions::{self, Anomaly, Kind, Order};

/// A history of a register.
pub type RegisterHistory = History<CasInput<u64>, CasOutput<u64>>;
/// A history of a key-value store.
pub type StoreHistory = History<At<u64, EntryInput>, EntryOutput>;

/// A kind of history, with what is to be reached on it and what is known of Porcupine.
#[derive(Clone, Copy)]
pub struct Row {
    /// What is checked.
    pub workload: Workload,
    /// How long it may take: the correct version, and the other.
    pub to_reach: Option<(Duration, Duration)>,
    /// What Porcupine took on a machine of this kind.
    pub recorded: &'static str,
}

/// What a history is about, and how long it is.
#[derive(Clone, Copy)]
pub enum Workload {
    /// One register of so many values; with none, each write has a value of its own.
    Register { operations: usize, clients: u64, lost_per_mille: u64, swaps: bool, values: u64 },
    /// Gets, puts and appends at ten keys.
    KeyValue { operations: usize, clients: u64 },
    /// Reads and writes of a thousand keys of a replicated store.
    Replicated { model: Model, operations: usize },
    /// Transactions of ten sessions.
    Transactions { kind: Kind, model: Model, transactions: usize },
}

/// A history.
pub enum Generated {
    /// Of a register.
    Register(RegisterHistory),
    /// Of a key-value store.
    KeyValue(StoreHistory),
    /// Of a replicated store, to be judged by a model.
    Replicated(ReadWriteHistory, Model),
    /// Of transactions, to be judged by a model.
    Transactions(transactions::History, Model),
}

const fn register(operations: usize, clients: u64) -> Workload {
    Workload::Register { operations, clients, lost_per_mille: 0, swaps: false, values: VALUES }
}

const fn swaps(operations: usize, clients: u64, lost_per_mille: u64) -> Workload {
    Workload::Register { operations, clients, lost_per_mille, swaps: true, values: VALUES }
}

const fn lost(operations: usize, clients: u64) -> Workload {
    Workload::Register { operations, clients, lost_per_mille: 20, swaps: false, values: VALUES }
}

const fn unique(operations: usize, clients: u64, lost_per_mille: u64) -> Workload {
    Workload::Register { operations, clients, lost_per_mille, swaps: false, values: 0 }
}

const fn key_value(operations: usize, clients: u64) -> Workload {
    Workload::KeyValue { operations, clients }
}

const fn transactional(kind: Kind, model: Model, transactions: usize) -> Workload {
    Workload::Transactions { kind, model, transactions }
}

const fn causal(operations: usize) -> Workload {
    Workload::Replicated { model: Model::Causal, operations }
}

const fn row(workload: Workload, to_reach_micros: (u64, u64), recorded: &'static str) -> Row {
    let (correct, broken) = to_reach_micros;
    let to_reach = Some((Duration::from_micros(correct), Duration::from_micros(broken)));
    Row { workload, to_reach, recorded }
}

const fn open(workload: Workload) -> Row {
    Row { workload, to_reach: None, recorded: "-" }
}

/// Values of a register that has few.
const VALUES: u64 = 5;
const SECOND: u64 = 1_000_000;

/// All rows.
pub const ROWS: &[Row] = &[
    open(register(100, 5)),
    row(register(1_000, 5), (200, 720), "1.0 / 3.6 ms"),
    row(register(1_000, 10), (680, 21_400), "3.4 / 107 ms"),
    row(register(1_000, 20), (30_000, 30_000), "0.29 s / none, 2.4 GB"),
    open(register(1_000, 50)),
    row(register(10_000, 5), (2_500, 2_500), "16 / 74 ms"),
    row(register(10_000, 10), (12_000, 12_000), "67 ms / 2.7 s, 1.8 GB"),
    row(register(10_000, 20), (500_000, 500_000), "none, 5.6 GB"),
    open(register(10_000, 50)),
    row(register(100_000, 5), (25_000, 25_000), "1.5 s, 2.2 GB / none, 9 GB"),
    open(register(100_000, 10)),
    open(register(100_000, 20)),
    open(swaps(1_000, 10, 0)),
    open(swaps(10_000, 10, 0)),
    open(swaps(10_000, 20, 0)),
    open(unique(10_000, 10, 0)),
    open(unique(10_000, 50, 50)),
    open(unique(100_000, 50, 0)),
    open(lost(1_000, 10)),
    open(lost(10_000, 10)),
    open(swaps(200, 5, 50)),
    open(swaps(200, 5, 150)),
    open(swaps(200, 5, 300)),
    open(swaps(1_000, 10, 20)),
    open(swaps(10_000, 10, 20)),
    open(key_value(1_000, 5)),
    open(key_value(1_000, 20)),
    open(key_value(10_000, 10)),
    open(key_value(10_000, 50)),
    open(key_value(100_000, 10)),
    open(causal(25_000)),
    open(causal(100_000)),
    row(causal(400_000), (400_000, 400_000), "-"),
    open(transactional(Kind::ListAppend, Model::StrictSerializable, 10_000)),
    open(transactional(Kind::ListAppend, Model::StrictSerializable, 100_000)),
    row(
        transactional(Kind::ListAppend, Model::StrictSerializable, 1_000_000),
        (20 * SECOND, 20 * SECOND),
        "-",
    ),
    open(transactional(Kind::Register, Model::TransactionalCausal, 100_000)),
    row(transactional(Kind::Register, Model::SnapshotIsolation, 4_000), (5 * SECOND, 5 * SECOND), "-"),
    row(transactional(Kind::Register, Model::Serializable, 4_000), (5 * SECOND, 5 * SECOND), "-"),
    open(transactional(Kind::Register, Model::SnapshotIsolation, 20_000)),
    open(transactional(Kind::Register, Model::Serializable, 20_000)),
];

/// Keys of a key-value history.
const STORE_KEYS: u64 = 10;
/// Texts longer than this are not appended to.
const TEXT_BYTES_MAX: usize = 12;
/// Sessions and keys of a replicated store.
const REPLICATED: (u64, u64) = (20, 1_000);
/// Where something impossible is planted, in tenths of the history.
const PLANTED_AT_TENTHS: usize = 9;

impl Workload {
    /// What the table calls it.
    pub fn name(self) -> String {
        match self {
            Self::Register { operations, clients, lost_per_mille, swaps, values } => {
                let kind = match (swaps, values) {
                    (true, _) => ", swaps",
                    (false, 0) => ", each value once",
                    _ => "",
                };
                let lost = match lost_per_mille {
                    0 => String::new(),
                    _ => format!(", {} % unanswered", lost_per_mille / 10),
                };
                format!("register{kind}, {} x {clients}{lost}", grouped(operations))
            }
            Self::KeyValue { operations, clients } => {
                format!("key-value, {} x {clients}", grouped(operations))
            }
            Self::Replicated { model, operations } => format!("{model}, {} operations", grouped(operations)),
            Self::Transactions { kind, model, transactions } => {
                format!("{} transactions on {kind}s, {model}", grouped(transactions))
            }
        }
    }

    /// Operations or transactions.
    pub fn len(self) -> usize {
        match self {
            Self::Register { operations, .. }
            | Self::KeyValue { operations, .. }
            | Self::Replicated { operations, .. } => operations,
            Self::Transactions { transactions, .. } => transactions,
        }
    }

    /// The history, correct or with something impossible.
    pub fn history(self, broken: bool) -> Generated {
        match self {
            Self::Register { operations, clients, lost_per_mille, swaps, values } => {
                let shape = Shape { seed: 1, clients, operations, lost_per_mille };
                let history = if swaps {
                    generate::cas_register(shape, values)
                } else {
                    without_swaps(&generate::register(shape, values))
                };
                let is_read = |output: &CasOutput<u64>| matches!(output, CasOutput::Value(_));
                // Nobody wrote it, or it was overwritten long ago.
                Generated::Register(planted(history, broken, is_read, CasOutput::Value(6)))
            }
            Self::KeyValue { operations, clients } => {
                let history = store(Shape { seed: 1, clients, operations, lost_per_mille: 0 });
                let is_read = |output: &EntryOutput| matches!(output, EntryOutput::Value(_));
                let impossible = EntryOutput::Value(Some("never written".into()));
                Generated::KeyValue(planted(history, broken, is_read, impossible))
            }
            Self::Replicated { model, operations } => {
                let (clients, keys) = REPLICATED;
                let shape = Shape { seed: 1, clients, operations, lost_per_mille: 0 };
                let history = generate::replicated(shape, keys, Delivery::CausalLastWriter);
                let history = if broken {
                    generate::with_anomaly(&history, generate::Anomaly::AnswerBeforeQuestion)
                } else {
                    history
                };
                Generated::Replicated(history, model)
            }
            Self::Transactions { kind, model, transactions } => {
                let shape = transactions::generate::Shape {
                    keys: 20,
                    ..transactions::generate::Shape::new(1, kind, transactions)
                };
                let history = if broken {
                    let plant = Plant { anomaly: forbidden(model), order: Order::Data };
                    history_with(shape, model, plant).expect("both kinds can show what these models forbid")
                } else {
                    transactions::generate::history(shape, model)
                };
                Generated::Transactions(history, model)
            }
        }
    }
}

/// A number with a comma before every third digit from the end.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

/// An anomaly that breaks a model and hardly anything weaker.
fn forbidden(model: Model) -> Anomaly {
    match model {
        Model::SnapshotIsolation => Anomaly::LostUpdate,
        Model::TransactionalCausal => Anomaly::G1c,
        _ => Anomaly::WriteSkew,
    }
}

/// A history in which one read near the end, if it is to be broken, saw what nobody wrote.
fn planted<I: Clone, O: Clone>(
    history: History<I, O>,
    broken: bool,
    is_read: impl Fn(&O) -> bool,
    impossible: O,
) -> History<I, O> {
    if !broken {
        return history;
    }
    let from = history.len() * PLANTED_AT_TENTHS / 10;
    let read =
        (from..history.len()).find(|&index| history.operations()[index].output().is_some_and(&is_read));
    generate::with_output(&history, read.expect("there is a read in the last tenth"), impossible)
}

/// A history of gets, puts and appends.
fn store(shape: Shape) -> StoreHistory {
    let choose = |random: &mut Random, state: &BTreeMap<u64, Arc<str>>| {
        let key = random.below(STORE_KEYS);
        let text = Arc::from(["a", "b", "c", "d", "e"][random.below(5) as usize]);
        let is_short = state.get(&key).is_none_or(|text| text.len() < TEXT_BYTES_MAX);
        let input = match random.below(4) {
            0 | 1 => EntryInput::Get,
            2 if is_short => EntryInput::Append(text),
            _ => EntryInput::Put(text),
        };
        At { key, input }
    };
    generate::history(shape, BTreeMap::new(), choose, |state, At { key, input }| {
        let mut state = state.clone();
        let text = state.entry(*key).or_insert_with(|| "".into());
        let output = match input {
            EntryInput::Get => EntryOutput::Value(Some(text.clone())),
            EntryInput::Append(more) => {
                *text = format!("{text}{more}").into();
                EntryOutput::Done
            }
            EntryInput::Put(new) => {
                *text = new.clone();
                EntryOutput::Done
            }
            other => unreachable!("no {other:?} is drawn"),
        };
        (state, output)
    })
}

/// A register's history as one of a compare-and-swap register.
fn without_swaps(history: &History<RegisterInput<u64>, RegisterOutput<u64>>) -> RegisterHistory {
    history.map(
        |input| match *input {
            RegisterInput::Read => CasInput::Read,
            RegisterInput::Write(value) => CasInput::Write(value),
        },
        |output| match *output {
            RegisterOutput::Value(value) => CasOutput::Value(value),
            RegisterOutput::Written => CasOutput::Written,
        },
    )
}
