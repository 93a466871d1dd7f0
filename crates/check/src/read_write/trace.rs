//! A history of reads and writes in numbers: what the checkers of this module walk.
//!
//! Keys and values become small numbers, accesses stand in the order of their invocation, and each knows its session.
//! The words are kept at hand, for verdicts.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hash};
use std::time::Duration;

use crate::hashing::FastHasher;
use crate::history::{Client, Event, History, OperationId, Outcome};
use crate::specification::{At, RegisterInput, RegisterOutput};
use crate::verdict::OperationSummary;

/// The number of the value that a key has before the first write.
pub(crate) const INITIAL_VALUE: u32 = 0;
/// The value of a read that was never answered.
pub(crate) const NO_VALUE: u32 = u32::MAX;

/// A history of reads and writes of keys that begin with one initial value. A single register is a history of one key
/// without a name.
///
/// A session is what one client did, in the order in which it did it. A write that was never answered follows what its
/// client did before and precedes nothing: it may have taken effect late.
pub struct Trace<'h> {
    pub(crate) accesses: Vec<Access>,
    pub(crate) sessions: Vec<Client>,
    pub(crate) keys_count: usize,
    pub(crate) values_count: usize,
    pub(crate) events: &'h [Event],
    /// The name of a key, or nothing if there is but one register.
    key_text: Box<dyn Fn(u32) -> Option<String> + Sync + 'h>,
    value_text: Box<dyn Fn(u32) -> String + Sync + 'h>,
}

/// A read or a write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) operation: OperationId,
    pub(crate) session: u32,
    pub(crate) is_write: bool,
    pub(crate) key: u32,
    /// What was written or returned; [`NO_VALUE`] for a read that was never answered.
    pub(crate) value: u32,
    pub(crate) invoked: Duration,
    /// `None` if it was never answered.
    pub(crate) returned: Option<Duration>,
    /// Its place in the order of all events.
    pub(crate) invoked_rank: u32,
    /// The same for its return; the largest number if it was never answered.
    pub(crate) returned_rank: u32,
}

/// Why a history is not one of reads and writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A read was answered like a write, or a write like a read.
    #[error("operation {operation} has an answer of the wrong kind: a read returns a value, a write none")]
    WrongAnswer {
        /// Which operation.
        operation: OperationId,
    },
    /// There are more operations than the checkers can number.
    #[error("the history has {found} operations; at most {OPERATIONS_MAX} can be checked at once")]
    TooLong {
        /// How many there are.
        found: usize,
    },
}

/// How many operations a trace may have.
pub const OPERATIONS_MAX: usize = 1 << 30;

impl<'h> Trace<'h> {
    /// The trace of one register.
    ///
    /// # Errors
    /// An answer is of the wrong kind, or there are too many operations.
    pub fn of_register<V: Eq + Hash + Debug + Sync>(
        history: &'h History<RegisterInput<V>, RegisterOutput<V>>,
        initial: &'h V,
    ) -> Result<Self, TraceError> {
        Self::build(history, initial, |input| ((), input), |()| None)
    }

    /// The trace of a register for each key.
    ///
    /// # Errors
    /// An answer is of the wrong kind, or there are too many operations.
    pub fn of_keyed<K: Eq + Hash + Debug + Sync, V: Eq + Hash + Debug + Sync>(
        history: &'h History<At<K, RegisterInput<V>>, RegisterOutput<V>>,
        initial: &'h V,
    ) -> Result<Self, TraceError> {
        Self::build(history, initial, |at| (&at.key, &at.input), |key| Some(format!("{key:?}")))
    }

    fn build<I, K: Copy + Eq + Hash + Sync + 'h, V: Eq + Hash + Debug + Sync>(
        history: &'h History<I, RegisterOutput<V>>,
        initial: &'h V,
        split: impl Fn(&'h I) -> (K, &'h RegisterInput<V>),
        key_text: impl Fn(K) -> Option<String> + Sync + 'h,
    ) -> Result<Self, TraceError> {
        if history.len() > OPERATIONS_MAX {
            return Err(TraceError::TooLong { found: history.len() });
        }
        let mut keys = Numbering::default();
        let mut values = Numbering::default();
        let mut sessions = Numbering::default();
        values.number(initial);
        let mut accesses: Vec<Access> = Vec::with_capacity(history.len());
        let mut access_of = vec![0_u32; history.len()];
        for (rank, event) in history.events().iter().enumerate() {
            let index = match *event {
                Event::Invoked(index) => index,
                Event::Returned(index) => {
                    accesses[access_of[index] as usize].returned_rank = rank as u32;
                    continue;
                }
            };
            let operation = &history.operations()[index];
            let id = OperationId(index as u64);
            let (key, input) = split(&operation.input);
            let value = match (input, operation.output()) {
                (RegisterInput::Write(value), None | Some(RegisterOutput::Written)) => values.number(value),
                (RegisterInput::Read, Some(RegisterOutput::Value(value))) => values.number(value),
                (RegisterInput::Read, None) => NO_VALUE,
                _ => return Err(TraceError::WrongAnswer { operation: id }),
            };
            access_of[index] = accesses.len() as u32;
            accesses.push(Access {
                operation: id,
                session: sessions.number(operation.client),
                is_write: matches!(input, RegisterInput::Write(_)),
                key: keys.number(key),
                value,
                invoked: operation.invoked,
                returned: match operation.outcome {
                    Outcome::Returned { at, .. } => Some(at),
                    Outcome::Open => None,
                },
                invoked_rank: rank as u32,
                returned_rank: u32::MAX,
            });
        }
        let (keys, values) = (keys.all, values.all);
        Ok(Self {
            accesses,
            sessions: sessions.all,
            keys_count: keys.len(),
            values_count: values.len(),
            events: history.events(),
            key_text: Box::new(move |key| key_text(keys[key as usize])),
            value_text: Box::new(move |value| format!("{:?}", values[value as usize])),
        })
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.accesses.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.accesses.is_empty()
    }

    pub(crate) fn access(&self, index: u32) -> &Access {
        &self.accesses[index as usize]
    }

    pub(crate) fn id(&self, index: u32) -> OperationId {
        self.access(index).operation
    }

    pub(crate) fn value_text(&self, value: u32) -> String {
        if value == NO_VALUE { "?".to_owned() } else { (self.value_text)(value) }
    }

    /// The key as a phrase that follows a noun: " of \"x\"", or nothing.
    pub(crate) fn of_key(&self, key: u32) -> String {
        (self.key_text)(key).map_or_else(String::new, |name| format!(" of {name}"))
    }

    pub(crate) fn key_text(&self, key: u32) -> String {
        (self.key_text)(key).unwrap_or_else(|| "the register".to_owned())
    }

    /// The operation in words, as in the verdicts of the linearizability checker.
    pub(crate) fn summary(&self, index: u32) -> OperationSummary {
        let access = self.access(index);
        let value = self.value_text(access.value);
        let what = if access.is_write { format!("write {value}") } else { format!("read → {value}") };
        let key = (self.key_text)(access.key).map_or_else(String::new, |key| format!("{key}: "));
        let until = access.returned.map_or_else(|| "never answered".to_owned(), |at| format!("to {at:?}"));
        let client = self.sessions[access.session as usize];
        let id = access.operation;
        OperationSummary {
            id,
            text: format!("{id} {key}{what} of {client} (from {:?}, {until})", access.invoked),
        }
    }
}

/// Gives equal things equal numbers, in the order in which they come.
struct Numbering<T> {
    numbers: HashMap<T, u32, BuildHasherDefault<FastHasher>>,
    all: Vec<T>,
}

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), all: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Numbering<T> {
    fn number(&mut self, thing: T) -> u32 {
        *self.numbers.entry(thing).or_insert_with(|| {
            self.all.push(thing);
            self.all.len() as u32 - 1
        })
    }
}
