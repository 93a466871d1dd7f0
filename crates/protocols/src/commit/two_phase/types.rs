//! What nodes that commit together send, are asked, log and report.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use synod_machine::NodeId;

use super::{Ledger, Resource};

/// A transaction, for ever: its name is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    /// Who coordinates it, and is asked how it ended.
    pub coordinator: NodeId,
    /// Given by the client, unique at that coordinator; about growing, since what lies far below others is taken for old.
    pub number: u64,
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.coordinator, self.number)
    }
}

/// How a transaction ends, at all participants alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All of its work is done.
    Commit,
    /// None of it is.
    Abort,
}

/// A participant's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vote {
    /// It can do its part whatever happens, also after a crash, and will not do otherwise by itself. From here it is in doubt.
    Yes,
    /// It has aborted its part already.
    No,
    /// Its part changes nothing: it does not care for the outcome, and is out.
    ReadOnly,
}

/// A message between a coordinator and a participant, or between participants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message<W> {
    /// Coordinator to participant, first phase: can you do this?
    Prepare {
        /// Which transaction.
        transaction: TransactionId,
        /// The participant's part.
        work: W,
        /// The other participants that change something: those whom one in doubt may ask.
        peers: BTreeSet<NodeId>,
    },
    /// Participant to coordinator.
    Vote {
        /// Which transaction.
        transaction: TransactionId,
        /// Its word.
        vote: Vote,
    },
    /// To a participant, second phase, or in answer to `Inquire`.
    Decision {
        /// Which transaction.
        transaction: TransactionId,
        /// How it ends.
        outcome: Outcome,
    },
    /// Participant to coordinator: the decision cannot be lost here, forget about me.
    Ack {
        /// Which transaction.
        transaction: TransactionId,
    },
    /// A participant in doubt, to the coordinator or to its peers: how did it end?
    Inquire {
        /// Which transaction.
        transaction: TransactionId,
    },
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<W> {
    /// Do all of this or nothing, with the node that is asked as coordinator.
    Commit {
        /// The transaction's number at this coordinator.
        number: u64,
        /// Each participant's part; not empty.
        work: BTreeMap<NodeId, W>,
    },
}

/// The answer to a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// It is decided, and the decision cannot be lost.
    Decided(Outcome),
    /// Not begun, and why.
    Refused(Refusal),
}

/// Why a transaction was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// [`Config::transactions_max`](super::Config::transactions_max) are under way here.
    Overloaded,
    /// It has no participant, or its number is in use.
    Invalid,
}

/// What is told to whoever embeds the machine, once it cannot be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// This participant has given its word.
    Voted(TransactionId, Vote),
    /// This node has reached a decision, as coordinator or participant.
    Decided(TransactionId, Outcome),
    /// This participant voted Yes, waited, and knows of no decision: it is in doubt and holds its locks.
    InDoubt(TransactionId),
}

/// What must survive a crash. A record is *forced* if something waits until it is durable; others travel with the next that is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record<R: Resource> {
    /// Coordinator, presumed commit only: these may come to be in doubt about the transaction.
    Collecting {
        /// Which transaction.
        transaction: TransactionId,
        /// Its participants.
        participants: BTreeSet<NodeId>,
    },
    /// Coordinator: this is how it ends.
    Decided {
        /// Which transaction.
        transaction: TransactionId,
        /// How it ends.
        outcome: Outcome,
        /// Who is to be told until it acknowledges.
        told: BTreeSet<NodeId>,
    },
    /// Coordinator: nobody will ask any more.
    Ended {
        /// Which transaction.
        transaction: TransactionId,
    },
    /// Participant: able to commit, and bound to the decision.
    Prepared {
        /// Which transaction.
        transaction: TransactionId,
        /// Its part: the redo record, and the locks.
        work: R::Work,
        /// Whom it may ask.
        peers: BTreeSet<NodeId>,
    },
    /// Participant: this is how it ended.
    Resolved {
        /// Which transaction.
        transaction: TransactionId,
        /// How.
        outcome: Outcome,
    },
    /// All that the records before it come to.
    Checkpoint(Box<Ledger<R>>),
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A coordinator waits for votes no longer.
    Votes(TransactionId),
    /// A coordinator tells the decision again.
    Acks(TransactionId),
    /// A participant asks how it ended.
    InDoubt(TransactionId),
}

impl<W> Message<W> {
    /// Its kind in one word, as diagrams and fault lines name it.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Prepare { .. } => "prepare",
            Message::Vote { vote: Vote::Yes, .. } => "vote-commit",
            Message::Vote { vote: Vote::No, .. } => "vote-abort",
            Message::Vote { vote: Vote::ReadOnly, .. } => "vote-read-only",
            Message::Decision { outcome: Outcome::Commit, .. } => "commit",
            Message::Decision { outcome: Outcome::Abort, .. } => "abort",
            Message::Ack { .. } => "ack",
            Message::Inquire { .. } => "inquire",
        }
    }

    /// Which transaction it is about.
    pub fn transaction(&self) -> TransactionId {
        match self {
            Message::Prepare { transaction, .. }
            | Message::Vote { transaction, .. }
            | Message::Decision { transaction, .. }
            | Message::Ack { transaction }
            | Message::Inquire { transaction } => *transaction,
        }
    }
}

impl<R: Resource> Record<R> {
    /// Which transaction it is about; a checkpoint is about all.
    pub fn transaction(&self) -> Option<TransactionId> {
        match self {
            Record::Collecting { transaction, .. }
            | Record::Decided { transaction, .. }
            | Record::Ended { transaction }
            | Record::Prepared { transaction, .. }
            | Record::Resolved { transaction, .. } => Some(*transaction),
            Record::Checkpoint(_) => None,
        }
    }
}
