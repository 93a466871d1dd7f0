//! Queues, sets and counters.

use std::collections::BTreeMap;

use super::super::datum::Datum;
use super::super::error::Fault;
use super::super::log::{Log, Operation};
use super::keys::{Keying, Parts};
use super::{has_failed, misfit, strange_answer};
use crate::specification::{CounterInput, CounterOutput, QueueInput, QueueOutput, SetInput, SetOutput};

/// An operation of a queue.
///
/// # Errors
/// It is something else.
pub fn queue(
    keying: Keying,
    operation: &Operation,
) -> Result<Option<(QueueInput<Datum>, Option<QueueOutput<Datum>>)>, Fault> {
    let Parts { argument, answer, .. } = keying.split(operation)?;
    let (input, output) = match &*operation.function {
        "enqueue" => (QueueInput::Enqueue(argument.clone()), answer.map(|_| QueueOutput::Enqueued)),
        "dequeue" => {
            let taken = |answer: &Datum| (!answer.is_nil()).then(|| answer.clone());
            (QueueInput::Dequeue, answer.map(|answer| QueueOutput::Dequeued(taken(answer))))
        }
        other => return Err(misfit(operation, "enqueue or dequeue, which a queue is asked", other)),
    };
    Ok((!has_failed(operation)).then_some((input, output)))
}

/// An operation of a set. `times_changed` says how often each value is added or removed: where an answer does not say whether it
/// made a difference, it is only known if nobody else could have made it before.
///
/// # Errors
/// It is something else, or its answer leaves open what must be known.
pub fn set(
    keying: Keying,
    times_changed: &BTreeMap<(Option<Datum>, Datum), u64>,
    operation: &Operation,
) -> Result<Option<(SetInput<Datum>, Option<SetOutput<Datum>>)>, Fault> {
    let Parts { key, argument, answer } = keying.split(operation)?;
    let value = argument.clone();
    let changed = || match answer {
        None => Ok(None),
        Some(Datum::Bool(changed)) => Ok(Some(SetOutput::Changed(*changed))),
        Some(_) if times_changed.get(&(key.cloned(), value.clone())) == Some(&1) => {
            Ok(Some(SetOutput::Changed(true)))
        }
        Some(answer) => {
            let expected =
                "true or false: whether it made a difference, since the value is changed more than once";
            Err(strange_answer(operation, expected, answer))
        }
    };
    let (input, output) = match &*operation.function {
        "add" => (SetInput::Add(value.clone()), changed()?),
        "remove" => (SetInput::Remove(value.clone()), changed()?),
        "contains" => {
            let contained = answer.map(|answer| match answer {
                Datum::Bool(is_in) => Ok(SetOutput::Contained(*is_in)),
                other => Err(strange_answer(operation, "true or false", other)),
            });
            (SetInput::Contains(value), contained.transpose()?)
        }
        "read" | "elements" | "final-read" => {
            let elements = answer.map(|answer| match answer {
                Datum::List(values) => Ok(SetOutput::Elements(values.iter().cloned().collect())),
                Datum::Nil => Ok(SetOutput::Elements([].into())),
                other => Err(strange_answer(operation, "a list of elements", other)),
            });
            (SetInput::Elements, elements.transpose()?)
        }
        other => {
            return Err(misfit(operation, "add, remove, contains or elements, which a set is asked", other));
        }
    };
    Ok((!has_failed(operation)).then_some((input, output)))
}

/// How often each value of a set is added or removed.
///
/// # Errors
/// An operation has no key.
pub(crate) fn times_changed(
    log: &Log,
    keying: Keying,
) -> Result<BTreeMap<(Option<Datum>, Datum), u64>, Fault> {
    let mut times = BTreeMap::new();
    for operation in &log.operations {
        if matches!(&*operation.function, "add" | "remove") && !has_failed(operation) {
            let Parts { key, argument, .. } = keying.split(operation)?;
            *times.entry((key.cloned(), argument.clone())).or_default() += 1;
        }
    }
    Ok(times)
}

/// An operation of a counter.
///
/// # Errors
/// It is something else.
pub fn counter(
    keying: Keying,
    operation: &Operation,
) -> Result<Option<(CounterInput, Option<CounterOutput>)>, Fault> {
    let Parts { argument, answer, .. } = keying.split(operation)?;
    let amount = || argument.as_integer().ok_or_else(|| misfit(operation, "a whole number to add", argument));
    let shown = || {
        let number = |answer: &Datum| match answer {
            Datum::Integer(number) => Ok(CounterOutput::Value(*number)),
            other => Err(strange_answer(operation, "a whole number", other)),
        };
        answer.map(number).transpose()
    };
    let (input, output) = match &*operation.function {
        "read" => (CounterInput::Read, shown()?),
        "add" => (CounterInput::Add(amount()?), answer.map(|_| CounterOutput::Added)),
        "add-and-get" => (CounterInput::AddAndGet(amount()?), shown()?),
        other => {
            return Err(misfit(operation, "read, add or add-and-get, which a counter is asked", other));
        }
    };
    Ok((!has_failed(operation)).then_some((input, output)))
}
