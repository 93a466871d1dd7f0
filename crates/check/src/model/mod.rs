//! The consistency models, by their names in the literature, and which of them follow from which.
//!
//! A model is a set of histories. One model *implies* another if every history that keeps the first keeps the second;
//! [`Model::implies`] is that relation, as a table of its smallest steps and their closure. What a checker says about a
//! history and a model is a [`Judgement`]; what several of them say together is a [`Summary`]: the strongest models
//! that are kept, and the weakest that are broken.
//!
//! Two families do not compare, for their histories are of different things: single operations (reads and writes of
//! keys, or operations of any object), and transactions of several operations.
//!
//! ```text
//! linearizable ──┬─> sequential ──┬─> causal-memory ────┬─> pram ────┬─> read-your-writes
//! (= staleness-  │                │                     │            ├─> monotonic-reads
//!  versions=1    │                │                     v            └─> monotonic-writes
//!  = staleness-  │                └─> causal-convergence ─> causal ──┬─> those three
//!  time=0)       │                                                   └─> writes-follow-reads
//!                ├─> staleness-versions=k ─> staleness-versions=k+1
//!                └─> staleness-time=t ──┬──> staleness-time=t+
//!                                       └──> eventual=q (q at least t) ─> eventual=q+
//!
//! strict-serializable ─> strong-session-serializable ──┬─> serializable ──────────────┐
//!                                                      └─> strong-session-snapshot-   │
//!                                                          isolation                  v
//!                                                            ├─> snapshot-isolation ─> read-atomic ─> read-committed
//!                                                            └─> transactional-causal ────^
//! ```
//!
//! Often drawn otherwise: causal consistency does not imply that replicas ever agree, and in a history that ends it
//! could not; so `eventual` follows from real time alone. Serializability and snapshot isolation speak of no session
//! (Adya 1999), so without one they do not imply causality. Serializability implies snapshot isolation as a set of
//! histories, though no snapshot need have been taken.

mod judgement;
mod names;
mod summary;

use std::time::Duration;

pub use judgement::{AnomalyName, Breach, Finding, Judgement, Step};
pub use names::UnknownModel;
pub use summary::Summary;
pub(crate) use summary::implied;

/// A consistency model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// One order of all operations that respects real time (Herlihy and Wing 1990).
    Linearizable,
    /// One order of all operations that respects the order of each session (Lamport 1979).
    Sequential,
    /// Causal convergence, CCv: reads see their causal past, conflicts are settled by one order for all (Bouajjani,
    /// Enea, Guerraoui and Hamza, POPL 2017; Perrin, Mostéfaoui and Jard, PPoPP 2016).
    CausalConvergence,
    /// Causal memory, CM: each session sees all writes in one order of its own that respects causality (Ahamad,
    /// Neiger, Burns, Kohli and Hutto 1995).
    CausalMemory,
    /// Causal consistency, CC (also weak causal consistency): each read sees its causal past, in some order that
    /// respects causality (Bouajjani and others 2017).
    Causal,
    /// Pipelined memory, also FIFO consistency: each session sees all writes in one order of its own that respects
    /// the order of each session (Lipton and Sandberg 1988).
    Pram,
    /// A session's reads see its earlier writes (Terry and others 1994, as are the next three).
    ReadYourWrites,
    /// A session's reads see the writes that its earlier reads saw.
    MonotonicReads,
    /// Who sees a write sees its session's earlier writes.
    MonotonicWrites,
    /// Who sees a write sees what its session had read before.
    WritesFollowReads,
    /// After a time without writes, all reads of a key return the same value (Vogels 2009).
    Eventual {
        /// How long after the last write of a key its reads must agree.
        quiet: Duration,
    },
    /// Reads return one of the newest versions, k-atomicity (Aiyer, Alvisi and Bazzi 2005).
    StalenessVersions {
        /// How many versions count as newest, from 1: with 1 this is linearizability.
        versions: u32,
    },
    /// Reads return what was current at most so long ago, Δ-atomicity (Golab, Li and Shah 2011).
    StalenessTime {
        /// How long ago: with 0 this is linearizability.
        age_max: Duration,
    },
    /// Transactions: serializable in an order that respects real time (Papadimitriou 1979; PL-SS of Adya 1999).
    StrictSerializable,
    /// Transactions: serializable in an order that respects the order of each session (Daudjee and Salem 2004).
    StrongSessionSerializable,
    /// Transactions: one order of all explains them (PL-3 of Adya 1999).
    Serializable,
    /// Transactions: snapshot isolation whose snapshots hold what the session did before (Daudjee and Salem 2006).
    StrongSessionSnapshotIsolation,
    /// Transactions: reads from one snapshot, no two concurrent writers of a key (Berenson and others 1995; PL-SI of
    /// Adya 1999).
    SnapshotIsolation,
    /// Transactions: who sees a transaction sees all that happened before it, sessions included (Lloyd and others
    /// 2011; Biswas and Enea 2019).
    TransactionalCausal,
    /// Transactions: who sees a part of a transaction sees all of it (Bailis and others 2014).
    ReadAtomic,
    /// Transactions: nothing is seen that was aborted or not final, and writes are in one order (PL-2 of Adya 1999).
    ReadCommitted,
}

/// Which histories a model speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Operations one by one.
    Operations,
    /// Transactions of several operations.
    Transactions,
}

impl Model {
    /// The models of single operations that have no parameter, strongest first.
    pub const OPERATIONS: [Self; 10] = [
        Self::Linearizable,
        Self::Sequential,
        Self::CausalConvergence,
        Self::CausalMemory,
        Self::Causal,
        Self::Pram,
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
    ];

    /// The models of transactions, strongest first.
    pub const TRANSACTIONS: [Self; 8] = [
        Self::StrictSerializable,
        Self::StrongSessionSerializable,
        Self::Serializable,
        Self::StrongSessionSnapshotIsolation,
        Self::SnapshotIsolation,
        Self::TransactionalCausal,
        Self::ReadAtomic,
        Self::ReadCommitted,
    ];

    /// Which histories the model speaks of.
    pub fn family(self) -> Family {
        if Self::TRANSACTIONS.contains(&self) { Family::Transactions } else { Family::Operations }
    }

    /// Whether every history that keeps this model keeps `weaker`. A model implies itself.
    pub fn implies(self, weaker: Self) -> bool {
        self.meets(weaker) || self.next_weaker().iter().any(|next| next.implies(weaker))
    }

    /// Whether `weaker` is the same model, or the same one with a parameter that asks for no more.
    fn meets(self, weaker: Self) -> bool {
        match (self, weaker) {
            (Self::Linearizable, Self::StalenessVersions { .. } | Self::StalenessTime { .. }) => true,
            (Self::StalenessVersions { versions }, Self::StalenessVersions { versions: more }) => {
                versions <= more
            }
            (Self::StalenessTime { age_max }, Self::StalenessTime { age_max: longer }) => age_max <= longer,
            (Self::StalenessTime { age_max }, Self::Eventual { quiet }) => age_max <= quiet,
            (Self::Eventual { quiet }, Self::Eventual { quiet: longer }) => quiet <= longer,
            _ => self == weaker,
        }
    }

    /// The models that are one step weaker, by the table in the essay of this module.
    fn next_weaker(self) -> &'static [Self] {
        match self {
            Self::Linearizable => &[Self::Sequential, Self::Eventual { quiet: Duration::ZERO }],
            Self::StalenessVersions { versions: 0 | 1 } | Self::StalenessTime { age_max: Duration::ZERO } => {
                &[Self::Linearizable]
            }
            Self::Sequential => &[Self::CausalConvergence, Self::CausalMemory],
            Self::CausalMemory => &[Self::Causal, Self::Pram],
            Self::CausalConvergence => &[Self::Causal],
            Self::Causal => {
                &[Self::ReadYourWrites, Self::MonotonicReads, Self::MonotonicWrites, Self::WritesFollowReads]
            }
            Self::Pram => &[Self::ReadYourWrites, Self::MonotonicReads, Self::MonotonicWrites],
            Self::StrictSerializable => &[Self::StrongSessionSerializable],
            Self::StrongSessionSerializable => &[Self::Serializable, Self::StrongSessionSnapshotIsolation],
            Self::Serializable => &[Self::SnapshotIsolation],
            Self::StrongSessionSnapshotIsolation => &[Self::SnapshotIsolation, Self::TransactionalCausal],
            Self::SnapshotIsolation | Self::TransactionalCausal => &[Self::ReadAtomic],
            Self::ReadAtomic => &[Self::ReadCommitted],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Vec<Model> {
        let ms = Duration::from_millis;
        let mut models = [Model::OPERATIONS.as_slice(), &Model::TRANSACTIONS].concat();
        models.extend([0, 5, 9].map(|count| Model::Eventual { quiet: ms(count) }));
        models.extend([0, 5, 9].map(|count| Model::StalenessTime { age_max: ms(count) }));
        models.extend([1, 2, 3].map(|versions| Model::StalenessVersions { versions }));
        models
    }

    #[test]
    fn implication_is_a_preorder_within_a_family() {
        for a in everything() {
            assert!(a.implies(a), "{a} must imply itself");
            for b in everything() {
                assert!(!a.implies(b) || a.family() == b.family(), "{a} and {b} do not compare");
                for c in everything() {
                    assert!(!(a.implies(b) && b.implies(c)) || a.implies(c), "{a} to {b} to {c}");
                }
            }
        }
    }

    #[test]
    fn the_strongest_imply_all_of_their_family() {
        for model in everything() {
            match model.family() {
                Family::Operations => assert!(Model::Linearizable.implies(model), "{model}"),
                Family::Transactions => assert!(Model::StrictSerializable.implies(model), "{model}"),
            }
        }
    }

    #[test]
    fn only_the_three_names_of_linearizability_imply_each_other() {
        let same = [
            Model::Linearizable,
            Model::StalenessVersions { versions: 1 },
            Model::StalenessTime { age_max: Duration::ZERO },
        ];
        for a in everything() {
            for b in everything() {
                let equal = a == b || (same.contains(&a) && same.contains(&b));
                assert_eq!(a.implies(b) && b.implies(a), equal, "{a} and {b}");
            }
        }
    }

    #[test]
    fn what_is_often_taken_for_granted_is_not_implied() {
        let quiet = Duration::from_secs(3600);
        assert!(!Model::Sequential.implies(Model::Eventual { quiet }));
        assert!(!Model::Causal.implies(Model::Pram));
        assert!(!Model::Pram.implies(Model::WritesFollowReads));
        assert!(!Model::CausalMemory.implies(Model::CausalConvergence));
        assert!(!Model::CausalConvergence.implies(Model::CausalMemory));
        assert!(!Model::Serializable.implies(Model::TransactionalCausal));
        assert!(!Model::TransactionalCausal.implies(Model::SnapshotIsolation));
    }
}
