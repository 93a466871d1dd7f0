//! What registers hold before the first operation, where nobody says.
//!
//! Nothing, as Jepsen's registers do. But many a test begins with 0, and its history does not say so. It shows: a read
//! returned 0 before anybody had asked to write it. With nothing there at first that would be impossible whatever else
//! happened, so 0 is taken to have been there, unless some read found nothing. A value other than 0 is never guessed:
//! a read of what nobody wrote is the very thing that a checker is to find.

use std::collections::BTreeSet;

use super::super::datum::Datum;
use super::super::log::{Ending, Log, Operation};
use super::keys::{Keying, keying};
use super::{Object, returned};

/// What the tests that begin with something begin with.
const USUAL: Datum = Datum::Integer(0);

/// What registers hold at first: what the log says, or what it shows, or nothing.
pub fn initial_value(log: &Log, object: Object) -> Datum {
    log.header.initial.clone().or_else(|| assumed_initial(log, object)).unwrap_or_default()
}

/// What registers must have held at first though the log does not say so; nothing of other objects.
pub fn assumed_initial(log: &Log, object: Object) -> Option<Datum> {
    let accesses = match object {
        Object::Register | Object::CasRegister => of_operation,
        Object::ReadWrite => of_transaction,
        _ => return None,
    };
    if log.header.initial.is_some() {
        return None;
    }
    let keying = keying(log);
    let mut is_shown = false;
    let mut written: BTreeSet<&Datum> = BTreeSet::new();
    for end in log.ends() {
        let operation = &log.operations[end.operation];
        let mut is_empty_seen = false;
        accesses(keying, operation, &mut |access| match access {
            Access::Write(key, value) if end.is_invocation && *value == USUAL => {
                written.insert(key);
            }
            Access::Read(key, value) if !end.is_invocation => {
                is_empty_seen |= value.is_nil();
                is_shown |= *value == USUAL && !written.contains(key);
            }
            _ => {}
        });
        if is_empty_seen {
            return None;
        }
    }
    is_shown.then_some(USUAL)
}

/// What an operation did to one register. What was asked to be written counts, whether it was or not.
enum Access<'a> {
    Read(&'a Datum, &'a Datum),
    Write(&'a Datum, &'a Datum),
}

/// The one register where keys are not named.
const ALONE: &Datum = &Datum::Nil;

fn of_operation<'a>(keying: Keying, operation: &'a Operation, access: &mut dyn FnMut(Access<'a>)) {
    let Ok(parts) = keying.split(operation) else { return };
    let key = parts.key.unwrap_or(ALONE);
    match &*operation.function {
        "read" | "r" | "get" => {
            if let Some(value) = parts.answer {
                access(Access::Read(key, value));
            }
        }
        "cas" => {
            if let Some((_, new)) = parts.argument.as_pair() {
                access(Access::Write(key, new));
            }
        }
        _ => access(Access::Write(key, parts.argument)),
    }
}

fn of_transaction<'a>(_: Keying, operation: &'a Operation, access: &mut dyn FnMut(Access<'a>)) {
    let answered = returned(operation).filter(|value| !value.is_nil());
    let is_answered = matches!(operation.ending, Ending::Returned { .. }) && answered.is_some();
    let list = answered.unwrap_or(&operation.argument);
    let mut own: BTreeSet<&Datum> = BTreeSet::new();
    for part in list.as_list().unwrap_or_default() {
        let Some([function, key, value]) = part.as_list() else { continue };
        match function.as_name() {
            Some("w" | "write") => {
                own.insert(key);
                access(Access::Write(key, value));
            }
            Some("r" | "read") if is_answered && !own.contains(key) => access(Access::Read(key, value)),
            _ => {}
        }
    }
}
