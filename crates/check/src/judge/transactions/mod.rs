//! The models of transactions, for a log.
//!
//! Each operation of the log is a transaction: a list of micro-operations, `[append k v]` and `[r k list]` on lists, `[w k v]` and
//! `[r k v]` on registers. They are numbered as the operations of the log are, so that `T7` of a verdict is the seventh of
//! the file (counted from 0). Keys and values that are no numbers get some, and keep their names.

mod as_steps;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Anomalous, Explained, Question, without_core};
use crate::format::objects::initial_value;
use crate::format::{Datum, Ending, Fault, Log, Object, Operation};
use crate::model::{Judgement, Model};
use crate::transactions::{
    self, Builder, Effort, Header, History, Key, Operation as Micro, Session, Status, Value,
};

/// Judges a log by some models, and names all anomalies that were met.
pub(super) fn judge(
    log: &Log,
    object: Object,
    question: &Question<'_>,
    models: &[Model],
) -> Result<(Vec<Explained>, Vec<Anomalous>), Fault> {
    let initial = initial_value(log, object);
    let effort = Effort { time: question.effort.time, ..Effort::default() };
    let mut report = match written_again(log, &initial) {
        None => transactions::check_each(&history(log, object, &initial)?, models, effort),
        Some(reason) => transactions::Report {
            judgements: models.iter().map(|&model| Judgement::unknown(model, reason.clone())).collect(),
            witnesses: Vec::new(),
        },
    };
    if object == Object::ReadWrite {
        as_steps::settle(log, &initial, question, &mut report.judgements)?;
    }
    let anomalies = report.witnesses.iter().map(|witness| Anomalous {
        name: witness.name(),
        meaning: witness.anomaly.meaning(),
        breaks: witness.breaks,
        operations: witness.transactions.iter().map(|transaction| transaction.index()).collect(),
    });
    Ok((report.judgements.into_iter().map(without_core).collect(), anomalies.collect()))
}

/// The sentence that says that what the registers held at first was written to one of them, if it was: then it cannot be
/// told who read it from where.
fn written_again(log: &Log, initial: &Datum) -> Option<String> {
    if initial.is_nil() {
        return None;
    }
    let is_again = |part: &Datum| match part.as_list() {
        Some([function, _, value]) => matches!(function.as_name(), Some("w" | "write")) && value == initial,
        _ => false,
    };
    let again = log.operations.iter().find(|operation| {
        !matches!(operation.ending, Ending::Failed { .. })
            && operation.argument.as_list().is_some_and(|parts| parts.iter().any(is_again))
    })?;
    let line = again.place.line;
    Some(format!(
        "{initial}, which was there at first, was written again (line {line}), so reads of it prove nothing"
    ))
}

/// The log as a history of transactions, in the same order. Who reads `initial` reads what nobody wrote.
fn history(log: &Log, object: Object, initial: &Datum) -> Result<History, Fault> {
    let mut builder = Builder::new();
    let times = times(log, &mut builder);
    let mut numbers = Numbers { initial: initial.clone(), ..Numbers::default() };
    for (operation, &(invoked, ended)) in log.operations.iter().zip(&times) {
        let (status, completed) = match &operation.ending {
            Ending::Returned { .. } => (Status::Committed, Some(ended)),
            Ending::Failed { .. } => (Status::Aborted, Some(ended)),
            Ending::Unknown { .. } => (Status::Unknown, None),
        };
        let session = Session(operation.client.0);
        let header = Header { session, status, invoked: Some(invoked), completed };
        let parts = micro_operations(object, operation, &mut numbers, &mut builder)?;
        let added = builder.push(header, &parts);
        added.map_err(|error| Fault::new(operation.place, "a transaction", error.to_string()))?;
    }
    Ok(builder.finish())
}

/// When each operation began and ended. Where times do not tell one event from the next, the places in the order of
/// events stand for them.
fn times(log: &Log, builder: &mut Builder) -> Vec<(Duration, Duration)> {
    let is_exact = log.is_timed && log.ends().zip(log.ends().skip(1)).all(|(one, next)| one.at < next.at);
    if !is_exact {
        builder.times_are_only_an_order();
    }
    let mut times = vec![(Duration::ZERO, Duration::MAX); log.operations.len()];
    for (rank, end) in log.ends().enumerate() {
        let at = if is_exact { end.at } else { Duration::from_nanos(rank as u64) };
        match end.is_invocation {
            true => times[end.operation].0 = at,
            false => times[end.operation].1 = at,
        }
    }
    times
}

/// The parts of a transaction, each with its name, key and value: as they came back, or, where nothing did, as they were
/// asked, and which of the two it is.
type Parts<'a> = (Vec<(&'a Datum, [&'a Datum; 3])>, bool);

fn parts(object: Object, operation: &Operation) -> Result<Parts<'_>, Fault> {
    let (list, was_answered) = match &operation.ending {
        Ending::Returned { value, .. } if !value.is_nil() => (value, true),
        _ => (&operation.argument, false),
    };
    let misfit = |found: &Datum| misfit(object, operation, found);
    let mut parts = Vec::new();
    for part in list.as_list().ok_or_else(|| misfit(list))? {
        let triple = match part.as_list().unwrap_or_default() {
            [function, key, value] => [function, key, value],
            // A read that is only asked for may leave the value out.
            [function, key] if matches!(function.as_name(), Some("r" | "read")) => {
                [function, key, &Datum::Nil]
            }
            _ => return Err(misfit(part)),
        };
        parts.push((part, triple));
    }
    Ok((parts, was_answered))
}

/// The parts of a transaction, in the checker's terms.
fn micro_operations(
    object: Object,
    operation: &Operation,
    numbers: &mut Numbers,
    builder: &mut Builder,
) -> Result<Vec<Micro>, Fault> {
    let (parts, was_answered) = parts(object, operation)?;
    let misfit = |found: &Datum| misfit(object, operation, found);
    let mut micro = Vec::with_capacity(parts.len());
    for (part, [function, key, value]) in parts {
        let key = numbers.key(key, builder);
        micro.push(match (function.as_name(), object) {
            (Some("r" | "read"), _) if !was_answered => Micro::Unseen(key),
            (Some("r" | "read"), Object::ListAppend) => {
                let elements = match value {
                    Datum::Nil => &[],
                    _ => value.as_list().ok_or_else(|| misfit(part))?,
                };
                Micro::ReadList(key, elements.iter().map(|each| numbers.value(each, builder)).collect())
            }
            (Some("r" | "read"), _) => {
                let is_initial = value.is_nil() || *value == numbers.initial;
                Micro::Read(key, (!is_initial).then(|| numbers.value(value, builder)))
            }
            (Some("append"), Object::ListAppend) => Micro::Append(key, numbers.value(value, builder)),
            (Some("w" | "write"), Object::ReadWrite) => Micro::Write(key, numbers.value(value, builder)),
            _ => return Err(misfit(part)),
        });
    }
    Ok(micro)
}

/// The error that a transaction, or a part of it, is none of the object.
fn misfit(object: Object, operation: &Operation, found: &Datum) -> Fault {
    let place = match &operation.ending {
        Ending::Returned { value, place, .. } if !value.is_nil() => *place,
        _ => operation.place,
    };
    Fault::new(place, expected(object), format!("`{found}`"))
}

fn expected(object: Object) -> &'static str {
    match object {
        Object::ListAppend => "a transaction of `[append key value]` and `[r key list]`",
        _ => "a transaction of `[w key value]` and `[r key value]`",
    }
}

/// Numbers for keys and values that are none, and the value that was there before all.
#[derive(Default)]
struct Numbers {
    initial: Datum,
    keys: BTreeMap<Datum, u64>,
    values: BTreeMap<Datum, i64>,
}

/// Keys with names are numbered from here up, values with names from the least number up: whoever counts begins elsewhere.
const NAMED_KEYS_FROM: u64 = 1 << 63;

impl Numbers {
    fn key(&mut self, key: &Datum, builder: &mut Builder) -> Key {
        if let Some(number) = key.as_integer().and_then(|number| u64::try_from(number).ok()) {
            return Key(number);
        }
        let next = NAMED_KEYS_FROM + self.keys.len() as u64;
        let number = *self.keys.entry(key.clone()).or_insert_with(|| {
            builder.name_key(Key(next), key.as_name().map_or_else(|| key.to_string(), str::to_owned));
            next
        });
        Key(number)
    }

    fn value(&mut self, value: &Datum, builder: &mut Builder) -> Value {
        if let Some(number) = value.as_integer() {
            return Value(number);
        }
        let next = i64::MIN + self.values.len() as i64;
        let number = *self.values.entry(value.clone()).or_insert_with(|| {
            builder.name_value(Value(next), value.to_string());
            next
        });
        Value(number)
    }
}
