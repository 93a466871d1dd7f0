//! Registers, with and without compare-and-swap.
//!
//! A compare-and-swap that failed did not happen, whatever the reason. The log of a test of Jepsen's is more exact: where
//! the reason is not the value, it stands in its place (`:fail :cas :timed-out`), so one that failed without is one that
//! found another value; that is an observation, and it is checked. Of a history in EDN, in JSON or in a text of its own
//! that is not believed, since many tests say less there.

use super::super::Format;
use super::super::datum::Datum;
use super::super::error::Fault;
use super::super::log::{Ending, Operation};
use super::keys::{Keying, Parts};
use super::{Object, misfit};
use crate::specification::{CasInput, CasOutput};

/// An operation of a register. `object` says whether it may be a compare-and-swap.
///
/// # Errors
/// It is something else.
pub fn cas_register(
    object: Object,
    format: Format,
    keying: Keying,
    operation: &Operation,
) -> Result<Option<(CasInput<Datum>, Option<CasOutput<Datum>>)>, Fault> {
    let Parts { argument, answer, .. } = keying.split(operation)?;
    let is_refusal = format == Format::JepsenLog
        && matches!(&operation.ending, Ending::Failed { error: None, value, .. } if *value == operation.argument);
    match &*operation.function {
        "read" | "r" | "get" => {
            Ok((!super::has_failed(operation))
                .then(|| (CasInput::Read, answer.cloned().map(CasOutput::Value))))
        }
        "write" | "w" | "put" => Ok((!super::has_failed(operation))
            .then(|| (CasInput::Write(argument.clone()), answer.map(|_| CasOutput::Written)))),
        "cas" if object == Object::CasRegister => {
            let Some((expected, new)) = argument.as_pair() else {
                return Err(misfit(operation, "a compare-and-swap of `[expected new]`", argument));
            };
            let input = CasInput::CompareAndSwap { expected: expected.clone(), new: new.clone() };
            Ok(match answer {
                Some(answer) => Some((input, Some(CasOutput::Swapped(*answer != Datum::Bool(false))))),
                None if is_refusal => Some((input, Some(CasOutput::Swapped(false)))),
                None if super::has_failed(operation) => None,
                None => Some((input, None)),
            })
        }
        other => {
            let expected = match object {
                Object::CasRegister => "read, write or cas, which a cas-register is asked",
                _ => "read or write, which a register is asked",
            };
            Err(misfit(operation, expected, other))
        }
    }
}
