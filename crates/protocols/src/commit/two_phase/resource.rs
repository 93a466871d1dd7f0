//! What transactions work on: the resource manager's side, as little of it as commitment needs. [`Accounts`] is one.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use synod_machine::Data;

/// What a participant keeps. Locks are not kept apart: a prepared transaction's work *is* its locks, so recovery has none to take again.
pub trait Resource: Data + Eq + Default {
    /// A transaction's part at one participant: enough to do it (redo) and to know what it excludes. Undo is never needed, since
    /// nothing is changed before the decision.
    type Work: Data + Eq;

    /// Whether the work changes nothing. Its participant then takes no part in phase 2.
    fn reads_only(work: &Self::Work) -> bool;

    /// Whether the work can be promised while the `prepared` works are: it conflicts with none of their locks, and breaks no
    /// rule however they end.
    fn can_promise<'a>(&self, work: &Self::Work, prepared: impl Iterator<Item = &'a Self::Work>) -> bool
    where
        Self: 'a;

    /// Makes the work's changes: it was promised, and is committed.
    fn apply(&mut self, work: &Self::Work);
}

/// Accounts that must not be overdrawn, each under one lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accounts {
    /// What is on each; an account that is not named holds nothing.
    pub balances: BTreeMap<char, i64>,
}

/// One operation on one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Looks at it.
    Read(char),
    /// Adds to it, or takes from it.
    Add(char, i64),
}

impl Operation {
    fn account(self) -> char {
        match self {
            Operation::Read(account) | Operation::Add(account, _) => account,
        }
    }

    fn reads(self) -> bool {
        matches!(self, Operation::Read(_))
    }
}

impl Resource for Accounts {
    type Work = Vec<Operation>;

    fn reads_only(work: &Vec<Operation>) -> bool {
        work.iter().all(|operation| operation.reads())
    }

    fn can_promise<'a>(
        &self,
        work: &Vec<Operation>,
        mut prepared: impl Iterator<Item = &'a Vec<Operation>>,
    ) -> bool {
        // Strict two-phase locking without waiting: shared locks to read, exclusive ones to change, and who meets one gives up.
        let conflict = |a: &Operation, b: &Operation| a.account() == b.account() && !(a.reads() && b.reads());
        if prepared.any(|other| work.iter().any(|a| other.iter().any(|b| conflict(a, b)))) {
            return false;
        }
        let mut after = self.clone();
        after.apply(work);
        work.iter().all(|operation| after.balances.get(&operation.account()).copied().unwrap_or(0) >= 0)
    }

    fn apply(&mut self, work: &Vec<Operation>) {
        for operation in work {
            if let Operation::Add(account, amount) = operation {
                let balance = self.balances.entry(*account).or_default();
                *balance = balance.saturating_add(*amount);
            }
        }
    }
}
