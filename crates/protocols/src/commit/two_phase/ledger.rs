//! What a node's log comes to: the state that survives a crash, as a fold over its records.

use alloc::collections::{BTreeMap, BTreeSet};

use synod_machine::NodeId;

use super::{Outcome, Presumption, Record, Resource, TransactionId};

/// The sum of all records. In memory it is ahead of the disk by what is not durable yet; after a crash it is what the disk had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger<R: Resource> {
    /// What committed transactions made of it.
    pub resource: R,
    /// Coordinator: transactions that others may be in doubt about.
    pub coordinated: BTreeMap<TransactionId, Coordinated>,
    /// Participant: transactions that it promised to commit and knows no decision of.
    pub prepared: BTreeMap<TransactionId, Prepared<R::Work>>,
    /// Participant: how others ended.
    pub outcomes: BTreeMap<TransactionId, Outcome>,
    /// Of transactions up to these numbers it may have forgotten the outcome.
    pub forgotten: BTreeMap<NodeId, u64>,
}

/// A coordinator's durable knowledge of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinated {
    /// `None`: no decision was reached when this was written.
    pub outcome: Option<Outcome>,
    /// Who is to be told.
    pub told: BTreeSet<NodeId>,
}

/// A participant's promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prepared<W> {
    /// What it promised, and holds locks for.
    pub work: W,
    /// Whom it may ask beside the coordinator.
    pub peers: BTreeSet<NodeId>,
}

impl<R: Resource> Default for Ledger<R> {
    fn default() -> Self {
        Ledger {
            resource: R::default(),
            coordinated: BTreeMap::new(),
            prepared: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            forgotten: BTreeMap::new(),
        }
    }
}

impl<R: Resource> Ledger<R> {
    /// Adds a record.
    pub(super) fn apply(&mut self, record: Record<R>, presumption: Presumption, outcomes_max: usize) {
        match record {
            Record::Collecting { transaction, participants } => {
                self.coordinated.insert(transaction, Coordinated { outcome: None, told: participants });
            }
            Record::Decided { transaction, outcome, told } if presumption.acknowledges(outcome) => {
                self.coordinated.insert(transaction, Coordinated { outcome: Some(outcome), told });
            }
            // From here on the presumption gives the right answer.
            Record::Decided { transaction, .. } | Record::Ended { transaction } => {
                self.coordinated.remove(&transaction);
            }
            Record::Prepared { transaction, work, peers } => {
                self.prepared.insert(transaction, Prepared { work, peers });
            }
            Record::Resolved { transaction, outcome } => {
                if let Some(prepared) = self.prepared.remove(&transaction)
                    && outcome == Outcome::Commit
                {
                    self.resource.apply(&prepared.work);
                }
                self.remember(transaction, outcome, outcomes_max);
            }
            Record::Checkpoint(ledger) => *self = *ledger,
        }
    }

    fn remember(&mut self, transaction: TransactionId, outcome: Outcome, outcomes_max: usize) {
        self.outcomes.insert(transaction, outcome);
        let TransactionId { coordinator, .. } = transaction;
        let all = TransactionId { coordinator, number: 0 }..=TransactionId { coordinator, number: u64::MAX };
        if self.outcomes.range(all.clone()).count() > outcomes_max
            && let Some((oldest, _)) = self.outcomes.range(all).next()
        {
            let oldest = *oldest;
            self.outcomes.remove(&oldest);
            let forgotten = self.forgotten.entry(coordinator).or_default();
            *forgotten = oldest.number.max(*forgotten);
        }
    }

    /// Whether it can be said of a transaction that it was never voted for here: nothing is known of it, and it is not so old
    /// that it may have been forgotten.
    pub(super) fn is_new(&self, transaction: TransactionId) -> bool {
        let forgotten = self.forgotten.get(&transaction.coordinator);
        !self.prepared.contains_key(&transaction)
            && !self.outcomes.contains_key(&transaction)
            && forgotten.is_none_or(|number| transaction.number > *number)
    }
}
