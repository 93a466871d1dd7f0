//! Locks: with owners and fencing tokens, or plain ones.
//!
//! The owner is what an operation names, or its client. A plain lock, Jepsen's mutex, does not ask who releases it. A lock
//! that was not obtained is a failed operation, or the answer `false`; the answer to an acquisition in our own notation
//! may be its fencing token.

use super::super::Format;
use super::super::datum::Datum;
use super::super::error::Fault;
use super::super::log::Operation;
use super::keys::{Keying, Parts};
use super::{Object, has_failed, misfit};
use crate::specification::{ANYBODY, LockInput, LockOutput};

/// An operation of a lock.
///
/// # Errors
/// It is something else.
pub fn lock(
    object: Object,
    format: Format,
    keying: Keying,
    operation: &Operation,
) -> Result<Option<(LockInput, Option<LockOutput>)>, Fault> {
    let Parts { argument, answer, .. } = keying.split(operation)?;
    let owner = match argument.as_integer().and_then(|owner| u64::try_from(owner).ok()) {
        _ if object == Object::Mutex => ANYBODY,
        Some(owner) => owner,
        None => operation.client.0,
    };
    let is_refused = answer == Some(&Datum::Bool(false));
    let choose = |refused, granted| answer.map(|_| if is_refused { refused } else { granted });
    let (input, output) = match &*operation.function {
        "acquire" => {
            let token = match answer {
                Some(Datum::Integer(token)) if format == Format::Lines => u64::try_from(*token).ok(),
                _ => None,
            };
            (LockInput::Acquire { owner }, choose(LockOutput::Busy, LockOutput::Acquired(token)))
        }
        "release" => (LockInput::Release { owner }, choose(LockOutput::NotHeld, LockOutput::Released)),
        "use" if object == Object::Lock => {
            let token = argument.as_integer().and_then(|token| u64::try_from(token).ok());
            let token =
                token.ok_or_else(|| misfit(operation, "the fencing token, a whole number", argument))?;
            (LockInput::Use { token }, choose(LockOutput::Fenced, LockOutput::Used))
        }
        other => return Err(misfit(operation, "acquire or release, which a lock is asked", other)),
    };
    Ok((!has_failed(operation)).then_some((input, output)))
}
