//! What the operations of a log are about, and what they mean there.
//!
//! A log only has names and values. [`Object::guess`] finds out from them what kind of object was used; each kind has a
//! function here that turns the log into a history of the specification in question, and says which line does
//! not fit. Names are taken as Jepsen and its relatives use them.

mod etcd;
mod initial;
mod keys;
mod lock;
mod plain;
mod register;
mod store;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::datum::Datum;
use super::error::Fault;
use super::log::{Ending, Log, Operation};
use crate::history::{History, Recorder};

pub use etcd::{etcd, etcd_answer, etcd_request, etcd_store};
pub use initial::{assumed_initial, initial_value};
pub use keys::{Keying, Parts, keying};
pub use lock::lock;
pub(crate) use plain::times_changed;
pub use plain::{counter, queue, set};
pub use register::cas_register;
pub use store::{entries, entry};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// Read and write.
    Register,
    /// Read, write, compare-and-swap.
    CasRegister,
    /// Get, put, append, delete, compare-and-swap of texts at keys.
    KeyValue,
    /// Requests and answers of an etcd, with revisions.
    Etcd,
    /// Enqueue and dequeue.
    Queue,
    /// Add, remove, contains, and all elements.
    Set,
    /// Add, and read.
    Counter,
    /// Acquire and release, and use with a fencing token; owners count.
    Lock,
    /// Acquire and release, by anybody.
    Mutex,
    /// Transactions that append to lists and read them.
    ListAppend,
    /// Transactions that write registers and read them.
    ReadWrite,
}

impl Object {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Register,
        Self::CasRegister,
        Self::KeyValue,
        Self::Etcd,
        Self::Queue,
        Self::Set,
        Self::Counter,
        Self::Lock,
        Self::Mutex,
        Self::ListAppend,
        Self::ReadWrite,
    ];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::KeyValue => "kv",
            Self::Etcd => "etcd",
            Self::Queue => "queue",
            Self::Set => "set",
            Self::Counter => "counter",
            Self::Lock => "lock",
            Self::Mutex => "mutex",
            Self::ListAppend => "list-append",
            Self::ReadWrite => "rw-register",
        }
    }

    /// Whether its operations are transactions.
    pub fn is_transactional(self) -> bool {
        matches!(self, Self::ListAppend | Self::ReadWrite)
    }

    /// What a log is about: what its header says, or what its operations look like.
    ///
    /// # Errors
    /// The sentence that says what is not understood.
    pub fn guess(log: &Log) -> Result<Self, String> {
        if let Some(object) = log.header.object {
            return Ok(object);
        }
        let functions: BTreeSet<&str> = log.operations.iter().map(|operation| &*operation.function).collect();
        let is_among = |names: &[&str]| functions.iter().all(|function| names.contains(function));
        let has = |name: &str| functions.contains(name);
        if functions.is_empty() {
            return Err(format!(
                "line 1: expected operations, {}, found none in the whole history",
                log.format.operation()
            ));
        }
        let is_request = |operation: &Operation| matches!(operation.argument, Datum::Map(_));
        if is_among(&etcd::FUNCTIONS) && log.operations.iter().all(is_request) {
            return Ok(Self::Etcd);
        }
        if has("txn") || log.operations.iter().any(is_transaction) {
            if let Some(other) = log.operations.iter().find(|operation| !is_transaction_or_empty(operation)) {
                return Err(format!(
                    "some operations are transactions, but that of line {} is not: `{} {}`",
                    other.place.line, other.function, other.argument
                ));
            }
            return Ok(transactional(log));
        }
        if let Some(read) = log.operations.iter().find(|operation| returned_map(operation)) {
            return Err(format!(
                "the read of line {} returned several values at once, as in a test of bank accounts; such an object is \
                 not known here, but the same reads and writes are, written as transactions ({} or {})",
                read.place.line,
                Self::ListAppend,
                Self::ReadWrite
            ));
        }
        let guesses: &[(Self, &[&str])] = &[
            (Self::Register, &["read", "write"]),
            (Self::CasRegister, &["read", "write", "cas"]),
            (Self::KeyValue, &["get", "put", "append", "delete", "cas"]),
            (Self::Queue, &["enqueue", "dequeue"]),
            (Self::Mutex, &["acquire", "release"]),
            (Self::Lock, &["acquire", "release", "use"]),
            (Self::Counter, &["add-and-get", "add", "read"]),
            (Self::Set, &["add", "remove", "contains", "elements", "read", "final-read"]),
        ];
        for (object, names) in guesses {
            let fits = match object {
                // Both are added to and read; what is read tells them apart.
                Self::Counter => has("add-and-get") || reads_integers(log),
                Self::Mutex => log.operations.iter().all(|operation| operation.argument.is_nil()),
                _ => true,
            };
            if is_among(names) && fits {
                return Ok(*object);
            }
        }
        Err(unknown_object(log, &functions))
    }

    /// All names, for a sentence.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

/// What to say of operations that fit no object: what is known of such tests, or which objects there are.
fn unknown_object(log: &Log, functions: &BTreeSet<&str>) -> String {
    let first = |name: &str| log.operations.iter().find(|operation| &*operation.function == name);
    let names = functions.iter().take(FUNCTIONS_SHOWN_MAX).map(|name| match first(name) {
        Some(operation) => format!("{name} (line {})", operation.place.line),
        None => (*name).to_owned(),
    });
    let asked = names.collect::<Vec<_>>().join(", ");
    let hint = if functions.contains("drain") {
        "a drain of a queue is many dequeues at once, and it is not known in which order they were: write it as one dequeue each".to_owned()
    } else if functions.contains("transfer") {
        format!(
            "tests of bank accounts are judged if they are written as transactions ({})",
            Object::ReadWrite
        )
    } else {
        format!("say with --spec what it is ({})", Object::names())
    };
    format!("no object is known that is asked {asked}; {hint}")
}

/// How many functions a sentence names.
const FUNCTIONS_SHOWN_MAX: usize = 8;

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Object {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|object| object.name() == name);
        known.ok_or_else(|| format!("one of {}", Self::names()))
    }
}

/// Whether what reads return, where they return anything, are whole numbers.
fn reads_integers(log: &Log) -> bool {
    let mut reads = log.operations.iter().filter(|operation| &*operation.function == "read");
    reads.all(|operation| match &operation.ending {
        Ending::Returned { value, .. } => value.as_integer().is_some(),
        Ending::Failed { .. } | Ending::Unknown { .. } => true,
    })
}

/// Whether an operation is asked, or returned, a list of micro-operations: `[[r x nil] [w y 3]]`.
fn is_transaction(operation: &Operation) -> bool {
    let is_list =
        |value: &Datum| value.as_list().is_some_and(|parts| !parts.is_empty() && parts.iter().all(is_part));
    is_list(&operation.argument) || returned(operation).is_some_and(is_list)
}

/// Whether a value is a micro-operation: its name, a key, and a value, which a read may leave out.
pub(crate) fn is_part(value: &Datum) -> bool {
    let Some([name, _key, rest @ ..]) = value.as_list() else { return false };
    rest.len() <= 1
        && matches!(name, Datum::Word(_) | Datum::Text(_))
        && name.as_name().is_some_and(|name| PARTS.contains(&name))
}

/// The names of micro-operations.
pub(crate) const PARTS: [&str; 5] = ["r", "read", "w", "write", "append"];

/// A transaction, or one of no parts: nothing is asked then.
fn is_transaction_or_empty(operation: &Operation) -> bool {
    let is_empty = |value: &Datum| value.is_nil() || value.as_list().is_some_and(<[Datum]>::is_empty);
    is_transaction(operation) || &*operation.function == "txn" || is_empty(&operation.argument)
}

/// Whether a read returned a map: values of many objects, by name.
fn returned_map(operation: &Operation) -> bool {
    &*operation.function == "read" && matches!(returned(operation), Some(Datum::Map(_)))
}

/// Which kind of transactions: those with appends are of lists.
fn transactional(log: &Log) -> Object {
    let is_append = |operation: &Operation| {
        let of_lists = |part: &Datum| match part.as_list() {
            // Whoever reads a list reads one that was appended to.
            Some([name, _, value]) => name.as_name() == Some("append") || value.as_list().is_some(),
            _ => false,
        };
        [Some(&operation.argument), returned(operation)]
            .into_iter()
            .flatten()
            .filter_map(Datum::as_list)
            .any(|parts| parts.iter().any(of_lists))
    };
    if log.operations.iter().any(is_append) { Object::ListAppend } else { Object::ReadWrite }
}

/// A history of a specification, and from where its operations are.
#[derive(Clone, Debug)]
pub struct Typed<I, O> {
    /// The history.
    pub history: History<I, O>,
    /// For each operation of it, the index of that of the log.
    pub sources: Vec<usize>,
}

/// Makes a history of a log. `convert` gives the input and, of an operation that returned, the output; nothing for an
/// operation that is no part of the history, which those that failed usually are.
///
/// # Errors
/// What `convert` says.
pub fn typed<I, O>(
    log: &Log,
    mut convert: impl FnMut(&Operation) -> Result<Option<(I, Option<O>)>, Fault>,
) -> Result<Typed<I, O>, Fault> {
    let mut recorder = Recorder::new();
    let mut sources = Vec::new();
    let mut in_flight = std::collections::BTreeMap::new();
    for end in log.ends() {
        let operation = &log.operations[end.operation];
        let impossible = "the log was put together so";
        if end.is_invocation {
            let Some((input, output)) = convert(operation)? else { continue };
            let id = recorder.invoke(operation.client, end.at, input).expect(impossible);
            in_flight.insert(end.operation, (id, output));
            sources.push(end.operation);
        } else if let Some((id, output)) = in_flight.remove(&end.operation) {
            match output {
                Some(output) => recorder.complete(id, end.at, output).expect(impossible),
                None => recorder.abandon(id).expect(impossible),
            }
        }
    }
    Ok(Typed { history: recorder.finish(), sources })
}

/// The value with which an operation returned; nothing if it failed or is unknown.
fn returned(operation: &Operation) -> Option<&Datum> {
    match &operation.ending {
        Ending::Returned { value, .. } => Some(value),
        Ending::Failed { .. } | Ending::Unknown { .. } => None,
    }
}

/// Whether an operation certainly did not happen.
fn has_failed(operation: &Operation) -> bool {
    matches!(operation.ending, Ending::Failed { .. })
}

/// The error that an operation does not fit the object.
fn misfit(operation: &Operation, expected: &str, found: impl fmt::Display) -> Fault {
    Fault::new(operation.place, expected, format!("`{found}`"))
}

/// The error that an operation was answered strangely.
fn strange_answer(operation: &Operation, expected: &str, found: impl fmt::Display) -> Fault {
    let place = match &operation.ending {
        Ending::Returned { place, .. } => *place,
        Ending::Failed { .. } | Ending::Unknown { .. } => operation.place,
    };
    Fault::new(place, expected, format!("`{found}`"))
}
