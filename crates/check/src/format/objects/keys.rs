//! Which object an operation is about, where a log has many of one kind.
//!
//! Either the file names a key on each line, or the values are Jepsen's tuples `[key value]`, as its independent tests
//! write them. Newer tests of etcd write a version besides: `[key [version value]]`; it is left away.

use super::super::datum::Datum;
use super::super::error::Fault;
use super::super::log::{Ending, Log, Operation};
use super::misfit;

/// How the operations of a log name their object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keying {
    /// There is one object.
    Single,
    /// By a key beside the value.
    Field,
    /// By tuples of key and value; and whether the value is one of version and value.
    Tuple {
        /// Whether versions stand before the values.
        is_versioned: bool,
    },
}

/// Finds out how a log names its objects.
pub fn keying(log: &Log) -> Keying {
    if log.operations.iter().any(|operation| operation.key.is_some()) {
        return Keying::Field;
    }
    // A read asks for nothing but what its key says.
    let mut reads = log.operations.iter().filter(|operation| &*operation.function == "read").peekable();
    let is_tuple = |value: &Datum| value.as_pair().is_some();
    let of_reads = reads.peek().is_some() && reads.all(|operation| is_tuple(&operation.argument));
    let mut swaps = log.operations.iter().filter(|operation| &*operation.function == "cas").peekable();
    let of_swaps = swaps.peek().is_some()
        && swaps.all(|operation| {
            operation
                .argument
                .as_pair()
                .is_some_and(|(key, value)| key.as_list().is_none() && is_tuple(value))
        });
    if !of_reads && !of_swaps {
        return Keying::Single;
    }
    Keying::Tuple { is_versioned: log.operations.iter().any(has_version) }
}

/// Whether a write was given `[key [nil value]]` and answered `[key [version value]]`.
fn has_version(operation: &Operation) -> bool {
    let Ending::Returned { value, .. } = &operation.ending else { return false };
    let asked = operation.argument.as_pair().and_then(|(_, value)| value.as_pair());
    let answered = value.as_pair().and_then(|(_, value)| value.as_pair());
    &*operation.function == "write"
        && matches!((asked, answered), (Some((Datum::Nil, put)), Some((Datum::Integer(_), same))) if put == same)
}

impl Keying {
    /// The key of an operation, its argument without it, and what it returned without it.
    ///
    /// # Errors
    /// The operation has no key, though others have.
    pub fn split<'a>(self, operation: &'a Operation) -> Result<Parts<'a>, Fault> {
        let answer = super::returned(operation);
        let Self::Tuple { is_versioned } = self else {
            let key = operation.key.as_ref();
            if self == Self::Field && key.is_none() {
                return Err(misfit(operation, "a key, as other operations have", &operation.argument));
            }
            return Ok(Parts { key, argument: &operation.argument, answer });
        };
        let Some((key, argument)) = operation.argument.as_pair() else {
            return Err(misfit(
                operation,
                "a tuple `[key value]`, as other operations have",
                &operation.argument,
            ));
        };
        // What returned may leave the key out.
        let answer = answer.map(|answer| match answer.as_pair() {
            Some((same, value)) if same == key => value,
            _ => answer,
        });
        let unversioned = |value: &'a Datum| match value.as_pair() {
            Some((_, value)) if is_versioned => value,
            _ => value,
        };
        Ok(Parts { key: Some(key), argument: unversioned(argument), answer: answer.map(unversioned) })
    }
}

/// An operation without its key.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Which object; nothing if there is only one.
    pub key: Option<&'a Datum>,
    /// With what.
    pub argument: &'a Datum,
    /// What it returned, if it did.
    pub answer: Option<&'a Datum>,
}
