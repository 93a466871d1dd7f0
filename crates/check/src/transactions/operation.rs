//! The parts of a history of transactions: keys, values, sessions, operations, outcomes.

use std::fmt;
use std::time::Duration;

/// A key. Any number that tells the keys of one history apart; [`Builder::name_key`](super::Builder::name_key) gives it a
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// A value, or an element of a list. It tells which write wrote it: no two writes to one key write the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub i64);

/// A session (a process, in the terms of Jepsen): it runs one transaction at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

/// The number of a transaction in its history, in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

impl TransactionId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

/// What the keys of a history hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lists: writes append one element, reads return the whole list.
    ListAppend,
    /// One value: writes replace it, reads return it.
    Register,
}

/// How a transaction ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is known to have committed.
    Committed,
    /// It is known to have aborted: nobody may see what it wrote.
    Aborted,
    /// No answer came: it may have committed, may yet, or never.
    Unknown,
}

/// What is known of a transaction besides its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its session.
    pub session: Session,
    /// How it ended.
    pub status: Status,
    /// When it was invoked, since the beginning of the run. Without it the transaction counts as concurrent with all
    /// that follow.
    pub invoked: Option<Duration>,
    /// When its outcome came back. Without it the transaction counts as concurrent with all that came after it.
    pub completed: Option<Duration>,
}

impl Header {
    /// A committed transaction at unknown times.
    pub fn committed(session: u64) -> Self {
        Self { session: Session(session), status: Status::Committed, invoked: None, completed: None }
    }

    /// The same with another outcome.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The same with times.
    pub fn at(self, invoked: Duration, completed: Duration) -> Self {
        Self { invoked: Some(invoked), completed: Some(completed), ..self }
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Appended an element to a list.
    Append(Key, Value),
    /// Read a whole list; a list that nobody appended to is empty.
    ReadList(Key, Vec<Value>),
    /// Wrote a register.
    Write(Key, Value),
    /// Read a register; `None` before anybody wrote it.
    Read(Key, Option<Value>),
    /// Read something, but what is not known.
    Unseen(Key),
}

impl Operation {
    /// The key that it is on.
    pub fn key(&self) -> Key {
        match self {
            Self::Append(key, _)
            | Self::ReadList(key, _)
            | Self::Write(key, _)
            | Self::Read(key, _)
            | Self::Unseen(key) => *key,
        }
    }

    /// What its key holds, where that can be told.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Append(..) | Self::ReadList(..) => Some(Kind::ListAppend),
            Self::Write(..) | Self::Read(..) => Some(Kind::Register),
            Self::Unseen(_) => None,
        }
    }
}
