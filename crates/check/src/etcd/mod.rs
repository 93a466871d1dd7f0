//! Properties of a whole run of an etcd-like store.
//!
//! Linearizability judges answers. What an etcd promises goes further: acknowledged writes are there for ever after,
//! a watcher misses nothing, a lease lives as long as it was promised, replicas hold the same. Each promise is one
//! function here: it takes what was observed (by clients, or by a simulator that can look inside) and returns the first
//! [`PropertyViolation`], a sentence with the names of what is wrong.
//!
//! What really happened is given as a [`StoreHistory`]: the changes of the store in the order in which they were
//! applied, taken from one replica at the end of the run (that the replicas are equal is [`replicas_agree`]). Whether
//! the history itself is in order is judged by [`revisions_are_dense`]; the other functions assume that it was.

mod leases;
mod old_reads;
mod past;
mod replicas;
mod watches;
mod windows;
mod writes;

use std::fmt;

pub use leases::{LeaseEnd, LeaseRun, Renewal, leased_keys_go_at_once, leases_never_expire_early};
pub use old_reads::{OldRead, OldReadAnswer, old_reads};
pub use replicas::{ReplicaHash, replicas_agree};
pub use watches::{WatchResponse, WatchRun, watch_misses_nothing};
pub use windows::{Counts, WindowError, Windows};
pub use writes::{
    AcknowledgedEffect, AcknowledgedWrite, acknowledged_writes, acknowledged_writes_survive,
    revisions_are_dense,
};

use crate::specification::key_value::{Blob, Evidence, LeaseId, Text};

/// What a store promises about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// A write that was acknowledged is in the history of the store, at the revision that its answer named, as it was
    /// asked for.
    AcknowledgedWritesSurvive,
    /// Revisions rise by one from change to change, none is skipped or used twice, and none changes a key twice.
    RevisionsAreDense,
    /// A watcher sees every change in its span once, in order, from its start revision, without a gap, the changes of one
    /// revision together.
    WatchesMissNothing,
    /// A lease does not expire before its time to live has passed since the last renewal that was acknowledged.
    LeasesNeverExpireEarly,
    /// All keys attached to a lease are deleted in one revision when it ends, and none is attached to it afterwards.
    LeasedKeysGoAtOnce,
    /// Replicas that have applied the same number of log entries hold the same.
    ReplicasAgree,
    /// A read at an old revision returns what was there at that revision, whatever was compacted below it.
    OldReadsAreStable,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AcknowledgedWritesSurvive => "acknowledged writes are never lost",
            Self::RevisionsAreDense => "revisions are dense and increasing",
            Self::WatchesMissNothing => "watchers see every event once, in order, without a gap",
            Self::LeasesNeverExpireEarly => "leases never expire early",
            Self::LeasedKeysGoAtOnce => "the keys of a lease go at once",
            Self::ReplicasAgree => "replicas are equal at equal applied index",
            Self::OldReadsAreStable => "reads at old revisions are stable",
        })
    }
}

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Broken: {property}. {sentence}")]
pub struct PropertyViolation {
    /// Which promise.
    pub property: Property,
    /// What was expected and what was found, in a full sentence.
    pub sentence: String,
}

impl PropertyViolation {
    fn new(property: Property, sentence: String) -> Self {
        Self { property, sentence }
    }
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The revision at which it was made.
    pub revision: u64,
    /// The key.
    pub key: Blob,
    /// The value that was put; nothing if the key was deleted.
    pub value: Option<Blob>,
    /// The lease that a put attached the key to; 0 if none.
    pub lease: LeaseId,
}

impl Change {
    /// A put without lease.
    pub fn put(revision: u64, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self { revision, key: key.as_ref().into(), value: Some(value.as_ref().into()), lease: 0 }
    }

    /// A deletion.
    pub fn delete(revision: u64, key: impl AsRef<[u8]>) -> Self {
        Self { revision, key: key.as_ref().into(), value: None, lease: 0 }
    }

    /// The same put, attached to a lease.
    pub fn with_lease(self, lease: LeaseId) -> Self {
        Self { lease, ..self }
    }

    fn is_same_event(&self, other: &Self) -> bool {
        self.revision == other.revision && self.key == other.key && self.value == other.value
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "the put of {} = {}", Text(&self.key), Text(value))?,
            None => write!(f, "the deletion of {}", Text(&self.key))?,
        }
        write!(f, " at revision {}", self.revision)
    }
}

/// Everything that ever happened to a store, in the order of application. The changes of one revision stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHistory {
    /// The revision before the first change; the store was empty then. 1 for a store seen from its beginning.
    pub base_revision: u64,
    /// The changes.
    pub changes: Vec<Change>,
}

impl StoreHistory {
    /// The history of a store that was seen from its beginning.
    pub fn new(changes: Vec<Change>) -> Self {
        Self { base_revision: 1, changes }
    }

    /// The revision of the last change.
    pub fn last_revision(&self) -> u64 {
        self.changes.last().map_or(self.base_revision, |change| change.revision)
    }

    /// The changes made at a revision.
    pub fn at(&self, revision: u64) -> &[Change] {
        let from = self.changes.partition_point(|change| change.revision < revision);
        let to = self.changes.partition_point(|change| change.revision <= revision);
        // In a history that is out of order the two may cross; then there is no such place.
        self.changes.get(from..to).unwrap_or_default()
    }

    /// What this history says about each revision, for a linearizability check of the clients' answers: with it,
    /// nothing about operations that were never answered is left to search.
    pub fn add_to(&self, evidence: &mut Evidence) {
        for change in &self.changes {
            evidence.add_change(change.revision, change.key.clone(), change.value.clone());
        }
    }
}
