//! Anomalies by their names in the literature, and witnesses: the transactions that show one, each step justified.
//!
//! A cycle of dependencies has a *class* by how many anti-dependencies are in it, and where: G0, G1c, G-single, G-nonadjacent,
//! G2-item. Some cycles of a class are well known under a name of their own: a long fork is a G-nonadjacent. Both are said,
//! the name only where its definition fits to the letter:
//!
//! - *fractured read* (Bailis and others, 2014, RAMP): of two versions that one transaction wrote a reader saw one, and of the other key
//!   an older version;
//! - *lost update* (Berenson and others, 1995, P4): a transaction read a key and wrote it, and another wrote it in between;
//! - *long fork* (Sovran and others, 2011): two writers, two transactions that only read two keys, and each of the readers saw what
//!   the other one missed;
//! - *write skew* (Berenson and others, 1995, A5B): two transactions, each of which wrote a key that the other one had read, and not
//!   the same one.

use std::fmt;

use super::operation::TransactionId;
use crate::model::{AnomalyName, Model};

/// What went wrong, by the name that the literature has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// A read returned what nobody wrote.
    GarbageRead,
    /// A list that was read has one element twice.
    DuplicateElements,
    /// Two reads of one list are no beginnings of one another, so there is no order of the versions.
    IncompatibleOrder,
    /// A committed transaction read what an aborted one wrote (Adya: G1a, aborted read).
    G1a,
    /// A committed write built on what an aborted one wrote.
    DirtyUpdate,
    /// A transaction read what another overwrote itself before it committed (Adya: G1b, intermediate read).
    G1b,
    /// The versions of one key, each made by who had read the one before, go in a circle.
    CyclicVersions,
    /// Writes of transactions overwrote one another in a circle (Adya: G0, dirty write).
    G0,
    /// Information flowed in a circle (Adya: G1c).
    G1c,
    /// A transaction disagrees with itself: with what it wrote, or with what it read before (Cerone: INT).
    Internal,
    /// A G-single in which a transaction saw a part of what another wrote (Bailis: fractured read).
    FracturedRead,
    /// Any other cycle with exactly one anti-dependency (Adya: G-single, read skew).
    GSingle,
    /// A G-single of two transactions that wrote one key, one of which had read it before the other wrote (Berenson: P4).
    LostUpdate,
    /// Any other cycle with several anti-dependencies, no two of them in a row.
    GNonadjacent,
    /// A G-nonadjacent in which two that only read disagree in which of two writes came first (Sovran: long fork).
    LongFork,
    /// A G2-item of two transactions that each wrote a key which the other one had read (Berenson: A5B).
    WriteSkew,
    /// Any other cycle with two anti-dependencies in a row (Adya: G2-item).
    G2Item,
    /// No order of the versions explains the reads, and no single cycle shows it: each choice leads to one.
    NoVersionOrder,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::GarbageRead,
        Self::DuplicateElements,
        Self::IncompatibleOrder,
        Self::G1a,
        Self::DirtyUpdate,
        Self::G1b,
        Self::CyclicVersions,
        Self::G0,
        Self::G1c,
        Self::Internal,
        Self::FracturedRead,
        Self::GSingle,
        Self::LostUpdate,
        Self::GNonadjacent,
        Self::LongFork,
        Self::WriteSkew,
        Self::G2Item,
        Self::NoVersionOrder,
    ];

    /// What it is a case of, if it is one: the class of its cycle.
    pub fn class(self) -> Self {
        match self {
            Self::FracturedRead | Self::LostUpdate => Self::GSingle,
            Self::LongFork => Self::GNonadjacent,
            Self::WriteSkew => Self::G2Item,
            other => other,
        }
    }

    /// The name of its own that a case of a class has.
    pub fn special(self) -> Option<&'static str> {
        (self.class() != self).then(|| self.name())
    }

    /// The most special name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Self::GarbageRead => "garbage read",
            Self::DuplicateElements => "duplicate elements",
            Self::IncompatibleOrder => "incompatible order",
            Self::G1a => "G1a",
            Self::DirtyUpdate => "dirty update",
            Self::G1b => "G1b",
            Self::CyclicVersions => "cyclic versions",
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::Internal => "internal",
            Self::FracturedRead => "fractured read",
            Self::GSingle => "G-single",
            Self::LostUpdate => "lost update",
            Self::GNonadjacent => "G-nonadjacent",
            Self::LongFork => "long fork",
            Self::WriteSkew => "write skew",
            Self::G2Item => "G2-item",
            Self::NoVersionOrder => "no version order",
        }
    }

    /// What it means, as a clause.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::GarbageRead => "a read returned what nobody wrote",
            Self::DuplicateElements => "a list has an element twice that was appended once",
            Self::IncompatibleOrder => {
                "two reads of one list contradict each other about the order of its elements"
            }
            Self::G1a => "a committed transaction read what an aborted one wrote",
            Self::DirtyUpdate => "a committed write was built on what an aborted transaction wrote",
            Self::G1b => "a transaction read what its writer itself had not finished writing",
            Self::CyclicVersions => "each version of the key was made from the one before, in a circle",
            Self::G0 => "transactions overwrote one another in a circle",
            Self::G1c => "information flowed in a circle",
            Self::Internal => "a transaction disagrees with what it did itself before",
            Self::FracturedRead => "a transaction saw a part of what another wrote, but not all",
            Self::GSingle => "a transaction missed an update that came before something that it saw",
            Self::LostUpdate => {
                "a transaction replaced a key as it had read it, though another one had replaced it, too: one update \
                 was lost"
            }
            Self::GNonadjacent => {
                "several transactions missed updates in a circle in which snapshots exclude one another"
            }
            Self::LongFork => "two readers saw two independent writes in opposite orders",
            Self::WriteSkew => "two transactions each missed what the other wrote",
            Self::G2Item => "transactions missed one another's updates in a circle",
            Self::NoVersionOrder => "every possible order of the versions ends in a circle",
        }
    }
}

/// Which order between transactions a cycle needs, beyond what they read and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// None.
    Data,
    /// The order of a session.
    Process,
    /// The order of time: one completed before the other was invoked.
    RealTime,
}

/// How one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The second replaced what the first wrote (ww).
    WriteWrite,
    /// The second read what the first wrote (wr).
    WriteRead,
    /// The second replaced what the first read (rw, an anti-dependency).
    ReadWrite,
    /// The second followed the first in their session.
    Process,
    /// The first completed before the second was invoked.
    RealTime,
}

impl Dependency {
    /// The abbreviation of the literature.
    pub fn name(self) -> &'static str {
        match self {
            Self::WriteWrite => "ww",
            Self::WriteRead => "wr",
            Self::ReadWrite => "rw",
            Self::Process => "process",
            Self::RealTime => "realtime",
        }
    }
}

/// One step of a witness: why `from` comes before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transaction that comes first.
    pub from: TransactionId,
    /// The one that comes after.
    pub to: TransactionId,
    /// How.
    pub dependency: Dependency,
    /// The operations that prove it, in words.
    pub justification: String,
}

/// Transactions that show an anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What they show.
    pub anomaly: Anomaly,
    /// Which order it needs.
    pub order: Order,
    /// The weakest model, of those that need no more than this order, that it breaks.
    pub breaks: Model,
    /// The transactions, in the order of the cycle where there is one.
    pub transactions: Vec<TransactionId>,
    /// Each of them in words.
    pub descriptions: Vec<String>,
    /// The cycle, if it is one: it starts with the first transaction and comes back to it.
    pub steps: Vec<Step>,
    /// What happened, in a sentence.
    pub sentence: String,
}

impl Witness {
    /// The class of the anomaly with the order that it needs, as in `G-single-realtime`, and the special name of the case.
    pub fn name(&self) -> AnomalyName {
        let suffix = match self.order {
            Order::Data => "",
            Order::Process => "-process",
            Order::RealTime => "-realtime",
        };
        AnomalyName {
            class: format!("{}{suffix}", self.anomaly.class().name()),
            special: self.anomaly.special(),
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.name(), self.sentence)?;
        for description in &self.descriptions {
            write!(f, "\n  {description}")?;
        }
        for step in &self.steps {
            let Step { from, to, dependency, justification } = step;
            write!(f, "\n- {from} is before {to} ({}): {justification}.", dependency.name())?;
        }
        if let (Some(first), false) = (self.transactions.first(), self.steps.is_empty()) {
            write!(f, "\nSo {first} would be before itself.")?;
        }
        Ok(())
    }
}
