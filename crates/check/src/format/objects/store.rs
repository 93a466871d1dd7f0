//! A plain key-value store of texts: get, put, append, delete, compare-and-swap.

use std::sync::Arc;

use super::super::datum::Datum;
use super::super::error::Fault;
use super::super::log::{Ending, Log, Operation};
use super::keys::{Keying, Parts};
use super::{has_failed, misfit};
use crate::specification::{Entry, EntryInput, EntryOutput};

/// What is at a key before the first operation. Where no get says that there is nothing, but some say that there is an empty
/// text, the store does not tell these two apart.
pub fn entry(log: &Log) -> Entry {
    if let Some(initial) = &log.header.initial {
        return Entry { initial: text(initial) };
    }
    let mut is_empty_seen = false;
    for operation in &log.operations {
        match (&*operation.function, &operation.ending) {
            ("delete", _) | ("get", Ending::Returned { value: Datum::Nil, .. }) => return Entry::default(),
            ("get", Ending::Returned { value: Datum::Text(value), .. }) if value.is_empty() => {
                is_empty_seen = true;
            }
            _ => {}
        }
    }
    Entry { initial: is_empty_seen.then(|| Arc::from("")) }
}

/// An operation of a key-value store, at its key.
///
/// # Errors
/// It is something else.
pub fn entries(
    keying: Keying,
    operation: &Operation,
) -> Result<Option<(EntryInput, Option<EntryOutput>)>, Fault> {
    let Parts { argument, answer, .. } = keying.split(operation)?;
    let needed = || text(argument).ok_or_else(|| misfit(operation, "a text to put or to append", argument));
    let done = answer.map(|_| EntryOutput::Done);
    let (input, output) = match &*operation.function {
        "get" | "read" => (EntryInput::Get, answer.map(|answer| EntryOutput::Value(text(answer)))),
        "put" | "write" => (EntryInput::Put(needed()?), done),
        "append" => (EntryInput::Append(needed()?), done),
        "delete" => (EntryInput::Delete, done),
        "cas" => {
            let Some((expected, new)) = argument.as_pair() else {
                return Err(misfit(operation, "a compare-and-swap of `[expected new]`", argument));
            };
            let new = text(new).ok_or_else(|| misfit(operation, "a text to swap in", new))?;
            let swapped = answer.map(|answer| EntryOutput::Swapped(*answer != Datum::Bool(false)));
            (EntryInput::CompareAndSwap { expected: text(expected), new }, swapped)
        }
        other => {
            return Err(misfit(operation, "get, put, append, delete or cas, which a kv is asked", other));
        }
    };
    Ok((!has_failed(operation)).then_some((input, output)))
}

/// A value as a text; nothing for nothing.
fn text(value: &Datum) -> Option<Arc<str>> {
    match value {
        Datum::Nil => None,
        Datum::Text(text) => Some(Arc::clone(text)),
        other => Some(other.to_string().into()),
    }
}
