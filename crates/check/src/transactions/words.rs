//! Transactions and dependencies in words.

use super::anomaly::{Anomaly, Dependency, Order, Step, Witness};
use super::facts::{NONE, Oddity};
use super::history::{History, Stored};
use super::operation::{Kind, Operation, Status, TransactionId, Value};
use crate::model::Model;

/// Longest list that is written in full; of a longer one the end is shown, where the versions differ.
const ELEMENTS_SHOWN_MAX: usize = 6;
/// Most operations of a transaction that are written.
const OPERATIONS_SHOWN_MAX: usize = 12;

/// A transaction in words: who, what, and how it ended.
pub(super) fn transaction(history: &History, id: TransactionId) -> String {
    let header = history.header(id);
    let operations = history.operations(id);
    let mut shown: Vec<String> =
        operations.iter().take(OPERATIONS_SHOWN_MAX).map(|each| operation(history, each)).collect();
    if operations.len() > OPERATIONS_SHOWN_MAX {
        shown.push(format!("and {} more", operations.len() - OPERATIONS_SHOWN_MAX));
    }
    let outcome = match header.status {
        Status::Committed => "",
        Status::Aborted => ", aborted",
        Status::Unknown => ", outcome unknown",
    };
    let times = match (header.invoked, header.completed) {
        _ if history.are_times_only_an_order() => String::new(),
        (Some(invoked), Some(completed)) => format!(", {invoked:?} to {completed:?}"),
        (Some(invoked), None) => format!(", from {invoked:?}"),
        _ => String::new(),
    };
    format!("{id} (session {}{times}{outcome}): {}", header.session.0, shown.join(", "))
}

fn operation(history: &History, operation: &Operation) -> String {
    let key = history.key_name(operation.key());
    match operation {
        Operation::Append(_, value) => format!("append {} to {key}", history.value_name(*value)),
        Operation::ReadList(_, values) => {
            let values: Vec<i64> = values.iter().map(|value| value.0).collect();
            format!("read {key} = {}", list(history, &values))
        }
        Operation::Write(_, value) => format!("write {key} = {}", history.value_name(*value)),
        Operation::Read(_, Some(value)) => format!("read {key} = {}", history.value_name(*value)),
        Operation::Read(_, None) => format!("read {key} = nothing"),
        Operation::Unseen(_) => format!("read {key}, unseen"),
    }
}

fn list(history: &History, values: &[i64]) -> String {
    let hidden = values.len().saturating_sub(ELEMENTS_SHOWN_MAX);
    let mut shown: Vec<String> =
        values[hidden..].iter().map(|value| history.value_name(Value(*value))).collect();
    if hidden > 0 {
        shown.insert(0, format!("… {hidden} more"));
    }
    format!("[{}]", shown.join(", "))
}

/// Why one transaction is before another: the operations that prove it.
pub(super) fn justification(
    history: &History,
    dependency: Dependency,
    key: u32,
    from: TransactionId,
    to: TransactionId,
) -> String {
    let is_list = history.kind() != Some(Kind::Register);
    match dependency {
        Dependency::Process => {
            format!("session {} ran {from} and then {to}", history.header(from).session.0)
        }
        Dependency::RealTime => {
            let time = |time: Option<std::time::Duration>| {
                let shown = time.filter(|_| !history.are_times_only_an_order());
                shown.map_or_else(String::new, |at| format!(" at {at:?}"))
            };
            let (completed, invoked) = (history.header(from).completed, history.header(to).invoked);
            format!("{from} completed{} before {to} was invoked{}", time(completed), time(invoked))
        }
        _ => {
            let name = history.key_name(history.key(key));
            let (wrote, verb) = (|id| written(history, id, key), if is_list { "appended" } else { "wrote" });
            let target = |value: String| {
                if is_list { format!("{value} to {name}") } else { format!("{name} = {value}") }
            };
            match dependency {
                Dependency::WriteWrite if !is_list => {
                    let because = if read(history, to, key) == wrote(from) {
                        format!("{to} had read that")
                    } else {
                        "the other order would close a circle, too".into()
                    };
                    format!(
                        "{from} wrote {} before {to} wrote {}: {because}",
                        target(wrote(from)),
                        target(wrote(to))
                    )
                }
                Dependency::WriteWrite => {
                    format!("{from} {verb} {}, and {to} {verb} {} after it", target(wrote(from)), wrote(to))
                }
                Dependency::WriteRead => {
                    format!(
                        "{to} read {name} = {}, and {from} {verb} {}",
                        read(history, to, key),
                        wrote(from)
                    )
                }
                _ if !is_list => format!(
                    "{from} read {name} = {}, which {to} replaced by {}",
                    read(history, from, key),
                    wrote(to)
                ),
                _ => format!(
                    "{from} read {name} = {}, which does not have {} yet that {to} {verb}",
                    read(history, from, key),
                    wrote(to)
                ),
            }
        }
    }
}

/// What a transaction wrote to a key last.
fn written(history: &History, id: TransactionId, key: u32) -> String {
    let mut values = history.stored(id.index()).iter().rev().filter_map(|operation| match *operation {
        Stored::Write { key: written, value } if written == key => Some(history.value_name(Value(value))),
        _ => None,
    });
    values.next().unwrap_or_else(|| "nothing".into())
}

/// What a transaction read from a key first.
fn read(history: &History, id: TransactionId, key: u32) -> String {
    let stored = history.stored(id.index());
    let index = stored.iter().position(|operation| {
        operation.key() == key && !matches!(operation, Stored::Write { .. } | Stored::Unseen { .. })
    });
    match index.map(|index| (index, stored[index])) {
        Some((_, Stored::Value { value, .. })) => history.value_name(Value(value)),
        Some((index, Stored::Prefix { .. } | Stored::Stray { .. })) => {
            list(history, &history.list(stored, index))
        }
        _ => "nothing".into(),
    }
}

/// The witness of an anomaly that is no cycle.
pub(super) fn oddity(history: &History, oddity: &Oddity) -> Witness {
    let (reader, other) = (TransactionId(oddity.transaction), TransactionId(oddity.other));
    let key = history.key_name(history.key(oddity.key));
    let value = oddity.value.map_or_else(|| "nothing".into(), |value| history.value_name(Value(value)));
    let sentence = match oddity.anomaly {
        Anomaly::GarbageRead => format!("{reader} read {value} in {key}, which nobody wrote"),
        Anomaly::DuplicateElements => {
            format!("{reader} read {value} twice in {key}, where it was appended once")
        }
        Anomaly::IncompatibleOrder if oddity.value.is_some() => {
            format!("{value} was seen in {key} before or without what {reader} had appended there earlier")
        }
        Anomaly::IncompatibleOrder => {
            format!(
                "{reader} read a list of {key} that contradicts the longest one, {}",
                longest(history, oddity.key)
            )
        }
        Anomaly::G1a => format!("{reader} read {value} in {key}, which {other} wrote and aborted"),
        Anomaly::DirtyUpdate => {
            format!("{reader} wrote to {key} on top of {value}, which {other} wrote and aborted")
        }
        Anomaly::G1b => {
            format!("{reader} read {value} in {key}, which {other} replaced itself before it committed")
        }
        _ => format!("{reader} contradicts in {key} what it had read or written itself"),
    };
    let mut transactions = vec![reader];
    if oddity.other != NONE {
        transactions.push(other);
    }
    Witness {
        anomaly: oddity.anomaly,
        order: Order::Data,
        breaks: if oddity.anomaly == Anomaly::Internal { Model::ReadAtomic } else { Model::ReadCommitted },
        descriptions: transactions.iter().map(|id| transaction(history, *id)).collect(),
        transactions,
        steps: Vec::new(),
        sentence,
    }
}

fn longest(history: &History, key: u32) -> String {
    list(history, history.trunk(key))
}

/// The witness that a cycle is: the steps lead from each transaction to the next and from the last to the first.
pub(super) fn cycle(
    history: &History,
    (anomaly, order, breaks): (Anomaly, Order, Model),
    path: &[(u32, Dependency, u32)],
    justify: &dyn Fn(Dependency, u32, TransactionId, TransactionId) -> String,
) -> Witness {
    let transactions: Vec<TransactionId> = path.iter().map(|(from, ..)| TransactionId(*from)).collect();
    let steps = path.iter().enumerate().map(|(index, &(_, dependency, key))| {
        let (from, to) = (transactions[index], transactions[(index + 1) % transactions.len()]);
        Step { from, to, dependency, justification: justify(dependency, key, from, to) }
    });
    let steps = steps.collect();
    let names: Vec<String> = transactions.iter().map(ToString::to_string).collect();
    let sentence = format!("{} ({})", anomaly.meaning(), names.join(", "));
    let descriptions = transactions.iter().map(|id| transaction(history, *id)).collect();
    Witness { anomaly, order, breaks, transactions, descriptions, steps, sentence }
}
