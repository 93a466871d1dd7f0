//! Histories of transactions: what each client's transactions did and saw, in memory that a million of them fit into.
//!
//! A transaction belongs to a session, which ran its transactions one after another, and has operations on keys. There
//! are two kinds of histories. In a *list-append* history a key holds a list, a write appends one element, and a read
//! returns the whole list: it tells which versions came before it. In a *register* history a key holds one value and a
//! read tells that value alone, so the order of the versions must be inferred. In both, a write must be recognized by
//! what it wrote: no two may write the same value to one key.
//!
//! Lists that were read would fill the memory if each were kept: a list of fifty elements is read in fifty lengths. But in
//! nearly every history all lists of one key are beginnings of one another, so the longest is kept once and a read is a
//! length; only a read that is no beginning (an anomaly) is kept as it is. A history of a million transactions with four
//! operations takes about 100 MB.
//!
//! What a transaction read is evidence only if it committed. One whose outcome is unknown may have committed: if another
//! committed transaction saw its writes, it did. What it read is not known then, for the answer never came.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::operation::{Header, Key, Kind, Operation, Session, Status, TransactionId, Value};

/// Most transactions of a history, and most operations: both are numbered with 32 bits, and labels need some of them.
pub const OPERATIONS_MAX: usize = 1 << 28;

/// A history of transactions. Made by a [`Builder`].
#[derive(Clone, Debug, Default)]
pub struct History {
    kind: Option<Kind>,
    keys: Vec<Key>,
    names: BTreeMap<Key, String>,
    value_names: BTreeMap<Value, String>,
    are_times_only_an_order: bool,
    records: Vec<Record>,
    operations: Vec<Stored>,
    trunks: Vec<Vec<i64>>,
    strays: Vec<i64>,
    sessions: Vec<Session>,
}

/// One transaction: its operations begin where those of the one before end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// The session, numbered from 0 in the order of appearance.
    pub session: u32,
    pub status: Status,
    operations_end: u32,
    /// Nanoseconds since the beginning of the run.
    pub invoked: u64,
    pub completed: u64,
}

/// A time that is not known.
pub(super) const NEVER: u64 = u64::MAX;

/// An operation as it is kept; keys are numbered from 0 in the order of appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Wrote a register or appended to a list.
    Write { key: u32, value: i64 },
    /// A read whose answer is not known.
    Unseen { key: u32 },
    /// Read a register; `None` stands apart as [`Stored::Nil`].
    Value { key: u32, value: i64 },
    /// Read a register that nobody had written.
    Nil { key: u32 },
    /// Read the first `length` elements of the key's longest list, and then `own` appends of the same transaction.
    Prefix { key: u32, length: u32, own: u32 },
    /// Read a list that is no beginning of the longest, at this place among the strays.
    Stray { key: u32, start: u32, length: u32 },
}

impl Stored {
    pub fn key(self) -> u32 {
        match self {
            Self::Write { key, .. }
            | Self::Unseen { key }
            | Self::Value { key, .. }
            | Self::Nil { key }
            | Self::Prefix { key, .. }
            | Self::Stray { key, .. } => key,
        }
    }
}

impl History {
    /// What kind of history this is; `None` when no operation tells.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// How many transactions it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many operations all transactions have.
    pub fn operations_count(&self) -> usize {
        self.operations.len()
    }

    /// How many keys were used.
    pub fn keys_count(&self) -> usize {
        self.keys.len()
    }

    /// How many sessions there are.
    pub fn sessions_count(&self) -> usize {
        self.sessions.len()
    }

    /// A transaction's session, outcome and times.
    ///
    /// # Panics
    /// When there is no such transaction.
    pub fn header(&self, transaction: TransactionId) -> Header {
        let record = self.records[transaction.index()];
        let time = |nanoseconds| (nanoseconds != NEVER).then(|| Duration::from_nanos(nanoseconds));
        Header {
            session: self.sessions[record.session as usize],
            status: record.status,
            invoked: time(record.invoked),
            completed: time(record.completed),
        }
    }

    /// A transaction's operations. What a transaction that did not commit read is [`Operation::Unseen`].
    ///
    /// # Panics
    /// When there is no such transaction.
    pub fn operations(&self, transaction: TransactionId) -> Vec<Operation> {
        let stored = self.stored(transaction.index());
        (0..stored.len()).map(|index| self.operation(stored, index)).collect()
    }

    /// A key as people write it.
    pub fn key_name(&self, key: Key) -> String {
        self.names.get(&key).cloned().unwrap_or_else(|| key.0.to_string())
    }

    /// A value as people write it.
    pub fn value_name(&self, value: Value) -> String {
        self.value_names.get(&value).cloned().unwrap_or_else(|| value.0.to_string())
    }

    /// Whether the times say what came first, but not when.
    pub(super) fn are_times_only_an_order(&self) -> bool {
        self.are_times_only_an_order
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(super) fn key(&self, key: u32) -> Key {
        self.keys[key as usize]
    }

    pub(super) fn trunk(&self, key: u32) -> &[i64] {
        &self.trunks[key as usize]
    }

    pub(super) fn stray(&self, start: u32, length: u32) -> &[i64] {
        &self.strays[start as usize..start as usize + length as usize]
    }

    pub(super) fn stored(&self, transaction: usize) -> &[Stored] {
        let start = if transaction == 0 { 0 } else { self.records[transaction - 1].operations_end };
        &self.operations[start as usize..self.records[transaction].operations_end as usize]
    }

    /// The elements that a stored read of a list returned.
    pub(super) fn list(&self, stored: &[Stored], index: usize) -> Vec<i64> {
        match stored[index] {
            Stored::Prefix { key, length, own } => {
                let appended = stored[..index].iter().filter_map(|operation| match *operation {
                    Stored::Write { key: written, value } if written == key => Some(value),
                    _ => None,
                });
                let mut list = self.trunk(key)[..length as usize].to_vec();
                list.extend(appended.take(own as usize));
                list
            }
            Stored::Stray { start, length, .. } => self.stray(start, length).to_vec(),
            _ => Vec::new(),
        }
    }

    fn operation(&self, stored: &[Stored], index: usize) -> Operation {
        let name = |key: u32| self.keys[key as usize];
        match stored[index] {
            Stored::Write { key, value } if self.kind == Some(Kind::Register) => {
                Operation::Write(name(key), Value(value))
            }
            Stored::Write { key, value } => Operation::Append(name(key), Value(value)),
            Stored::Unseen { key } => Operation::Unseen(name(key)),
            Stored::Value { key, value } => Operation::Read(name(key), Some(Value(value))),
            Stored::Nil { key } => Operation::Read(name(key), None),
            Stored::Prefix { key, .. } | Stored::Stray { key, .. } => {
                Operation::ReadList(name(key), self.list(stored, index).into_iter().map(Value).collect())
            }
        }
    }
}

/// Why a transaction was not taken into a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Lists and registers in one history.
    #[error(
        "transaction {transaction} has an operation on a {found}, expected one on a {expected}: a history is of lists or of registers"
    )]
    Mixed {
        /// The transaction's number.
        transaction: usize,
        /// The kind of what came before.
        expected: Kind,
        /// The kind of this operation.
        found: Kind,
    },
    /// The transaction ended before it began.
    #[error("transaction {transaction} completed at {completed:?}, before it was invoked at {invoked:?}")]
    Backwards {
        /// The transaction's number.
        transaction: usize,
        /// When it was invoked.
        invoked: Duration,
        /// When it is said to have completed.
        completed: Duration,
    },
    /// Too many operations.
    #[error("more than {operations_max} operations or elements read: divide the history")]
    TooLong {
        /// The limit.
        operations_max: usize,
    },
}

/// Takes transactions one by one, those of one session in their order.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    history: History,
    key_numbers: BTreeMap<Key, u32>,
    session_numbers: BTreeMap<Session, u32>,
}

impl Builder {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how people write a key that is not a number.
    pub fn name_key(&mut self, key: Key, name: impl Into<String>) {
        self.history.names.insert(key, name.into());
    }

    /// Says how people write a value that is not a number.
    pub fn name_value(&mut self, value: Value, name: impl Into<String>) {
        self.history.value_names.insert(value, name.into());
    }

    /// Says that the times only tell what came first. They count, but are not shown.
    pub fn times_are_only_an_order(&mut self) {
        self.history.are_times_only_an_order = true;
    }

    /// Adds a transaction.
    ///
    /// # Errors
    /// When it cannot belong to the history; the history is as before then.
    pub fn push(&mut self, header: Header, operations: &[Operation]) -> Result<TransactionId, HistoryError> {
        let transaction = self.history.records.len();
        self.admit(transaction, header, operations)?;
        let sessions = &mut self.history.sessions;
        let session = *self.session_numbers.entry(header.session).or_insert_with(|| {
            sessions.push(header.session);
            sessions.len() as u32 - 1
        });
        let begin = self.history.operations.len();
        for operation in operations {
            let key = self.key_number(operation.key());
            let stored = match operation {
                Operation::Append(_, value) | Operation::Write(_, value) => {
                    Stored::Write { key, value: value.0 }
                }
                _ if header.status != Status::Committed => Stored::Unseen { key },
                Operation::Unseen(_) => Stored::Unseen { key },
                Operation::Read(_, Some(value)) => Stored::Value { key, value: value.0 },
                Operation::Read(_, None) => Stored::Nil { key },
                Operation::ReadList(_, list) => self.history.store_list(begin, key, list),
            };
            self.history.operations.push(stored);
        }
        let nanoseconds = |time: Option<Duration>| {
            time.map_or(NEVER, |at| u64::try_from(at.as_nanos()).unwrap_or(NEVER - 1))
        };
        self.history.records.push(Record {
            session,
            status: header.status,
            operations_end: self.history.operations.len() as u32,
            invoked: nanoseconds(header.invoked),
            completed: nanoseconds(header.completed),
        });
        Ok(TransactionId(transaction as u32))
    }

    /// The history.
    pub fn finish(mut self) -> History {
        self.history.trunks.resize(self.history.keys.len(), Vec::new());
        self.history
    }

    fn admit(
        &mut self,
        transaction: usize,
        header: Header,
        operations: &[Operation],
    ) -> Result<(), HistoryError> {
        if let (Some(invoked), Some(completed)) = (header.invoked, header.completed)
            && completed < invoked
        {
            return Err(HistoryError::Backwards { transaction, invoked, completed });
        }
        let mut kind = self.history.kind;
        let mut elements = 0;
        for operation in operations {
            if let Operation::ReadList(_, list) = operation {
                elements += list.len();
            }
            if let Some(found) = operation.kind()
                && let expected = *kind.get_or_insert(found)
                && expected != found
            {
                return Err(HistoryError::Mixed { transaction, expected, found });
            }
        }
        let more = |have: usize, new: usize| have.saturating_add(new) > OPERATIONS_MAX;
        if more(self.history.operations.len(), operations.len())
            || more(self.history.strays.len(), elements)
            || more(transaction, 1)
        {
            return Err(HistoryError::TooLong { operations_max: OPERATIONS_MAX });
        }
        self.history.kind = kind;
        Ok(())
    }

    fn key_number(&mut self, key: Key) -> u32 {
        let history = &mut self.history;
        *self.key_numbers.entry(key).or_insert_with(|| {
            history.keys.push(key);
            history.trunks.push(Vec::new());
            history.keys.len() as u32 - 1
        })
    }
}

impl History {
    /// Keeps a list that was read by the transaction whose operations start at `begin`.
    fn store_list(&mut self, begin: usize, key: u32, list: &[Value]) -> Stored {
        let mut own = 0;
        for operation in self.operations[begin..].iter().rev() {
            if let Stored::Write { key: written, value } = *operation
                && written == key
            {
                if own == list.len() || list[list.len() - 1 - own].0 != value {
                    own = 0;
                    break;
                }
                own += 1;
            }
        }
        // What others see is what stands before the transaction's own appends. Where these are missing the transaction
        // disagrees with itself, and what it read is taken as it is.
        let outer = &list[..list.len() - own];
        let trunk = &mut self.trunks[key as usize];
        let shared = trunk.len().min(outer.len());
        if trunk[..shared].iter().zip(outer).any(|(kept, read)| *kept != read.0) {
            return self.store_stray(key, list);
        }
        trunk.extend(outer[shared..].iter().map(|value| value.0));
        Stored::Prefix { key, length: outer.len() as u32, own: own as u32 }
    }

    fn store_stray(&mut self, key: u32, list: &[Value]) -> Stored {
        let start = self.strays.len() as u32;
        self.strays.extend(list.iter().map(|value| value.0));
        Stored::Stray { key, start, length: list.len() as u32 }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListAppend => "list",
            Self::Register => "register",
        })
    }
}
