//! A frozen state of the store, readable on any thread.

use bytes::Bytes;

use super::{
    LeaseId, RangeRequest, RangeResponse, Revision, StoreError, TxnRequest, TxnResponse,
    execute::{attached_keys, read_only_txn},
    marks::{Marked, Marks},
    range::{Window, range},
    record::{State, damaged, decode_ttl, lease_key, meta_key, split_lease_key},
    store::load_state,
};
use crate::kv::{Direction, Reader, Space, Span};

/// What the store was after some flush. Cloning is cheap; it never changes, and holds on to what it shows.
#[derive(Clone, Debug)]
pub struct View<S> {
    pub(super) snapshot: S,
    pub(super) state: State,
    pub(super) marks: Marks,
}

impl<S: Reader> View<S> {
    pub(super) fn new(snapshot: S, state: State, marks: Marks) -> Self {
        Self { snapshot, state, marks }
    }

    /// What the store was after the last flush that a snapshot of its engine shows.
    pub fn of(snapshot: S) -> Result<Self, StoreError> {
        let (state, marks) = load_state(&snapshot)?;
        Ok(Self { snapshot, state, marks })
    }

    /// Index of the last operation that it shows.
    pub fn applied_index(&self) -> u64 {
        self.state.applied_index
    }

    /// The newest revision that it shows.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The compacted revision: the oldest that can be read; 0 before the first compaction.
    pub fn compacted(&self) -> Revision {
        self.state.compacted
    }

    /// Reads a range.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, StoreError> {
        range(&self.shown(), self.window(), request)
    }

    /// Runs a transaction that writes nothing on the path that it takes.
    pub fn txn(&self, request: &TxnRequest) -> Result<TxnResponse, StoreError> {
        read_only_txn(&self.shown(), self.window(), request)
    }

    /// The time to live that a lease was granted, in seconds; `None` if there is no such lease.
    pub fn lease_ttl_seconds(&self, id: LeaseId) -> Result<Option<i64>, StoreError> {
        let value = self.snapshot.get(Space::Lease, &lease_key(id))?;
        value.map(decode_ttl).transpose().map_err(damaged(Space::Lease))
    }

    /// The keys attached to a lease, in order.
    pub fn lease_keys(&self, id: LeaseId) -> Result<Vec<Bytes>, StoreError> {
        attached_keys(&self.shown(), id)
    }

    /// All leases by ascending id, with the seconds that each was granted.
    pub fn leases(&self) -> Result<Vec<(LeaseId, i64)>, StoreError> {
        let mut leases = Vec::new();
        for entry in self.snapshot.scan(Space::Lease, Span::ALL, Direction::Forward) {
            let (key, value) = entry?;
            let (id, _) = split_lease_key(key).map_err(damaged(Space::Lease))?;
            leases.push((id, decode_ttl(value).map_err(damaged(Space::Lease))?));
        }
        Ok(leases)
    }

    /// The owner's entry `name`.
    pub fn meta(&self, name: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.snapshot.get(Space::Meta, &meta_key(name))?)
    }

    /// The owner's entries whose names begin with `prefix`, by name.
    pub fn metas(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut entries = Vec::new();
        for entry in self.snapshot.scan(Space::Meta, Span::prefix(meta_key(prefix)), Direction::Forward) {
            let (key, value) = entry?;
            entries.push((key.slice(1..), value));
        }
        Ok(entries)
    }

    /// What is there, without what marks deleted.
    pub(super) fn shown(&self) -> Marked<'_, S> {
        Marked { all: &self.snapshot, marks: &self.marks }
    }

    pub(super) fn window(&self) -> Window {
        Window { newest: self.state.revision, compacted: self.state.compacted, is_counted: true }
    }
}
