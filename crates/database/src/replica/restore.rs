//! A replica of a new group, from the copy of a store that another group's replica had.
//!
//! The copy says how far its group had come and who its members were. Keys, leases and revisions stay. The new group goes on from the same
//! index and term, with members of its own; what the former members published of themselves, and which of their proposals were let
//! through, is forgotten. Every member of the new group must be made from the same copy, or their logs would begin at different
//! places; and the former members must not be started beside them under the same cluster identity.

use bytes::Bytes;
use synod_protocols::consensus::raft::{self, SnapshotPoint};
use synod_storage::kv::Kv;
use synod_storage::mvcc::{Installer, Revision, Store, StoreError};

use super::kept::{self, META_MEMBERS, META_POINT, META_SESSIONS};

/// A replica in the making.
pub struct Restoring<K: Kv> {
    store: Store<K>,
    installer: Installer<K::Staging>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the new group's log begins, with its members.
    pub point: SnapshotPoint,
    /// The newest revision.
    pub revision: Revision,
}

impl<K: Kv> Restoring<K> {
    /// Begins on an empty engine.
    ///
    /// # Errors
    /// When the engine cannot be used.
    pub fn begin(engine: K) -> Result<Self, StoreError> {
        let mut store = Store::open(engine)?;
        let installer = store.begin_install()?;
        Ok(Restoring { store, installer })
    }

    /// Takes the next chunk, as [`View::snapshot_chunk`](synod_storage::mvcc::View::snapshot_chunk) made it; true when it was the last.
    ///
    /// # Errors
    /// When it is damaged, or not the next one of this copy.
    pub fn accept(&mut self, chunk: &Bytes) -> Result<bool, StoreError> {
        self.installer.accept(chunk)
    }

    /// Makes it a replica of the group that has `configuration`, durably.
    ///
    /// # Errors
    /// When a chunk is missing, the copy is of no replica, or the engine fails.
    pub fn finish(self, configuration: raft::Configuration) -> Result<Restored, StoreError> {
        let Restoring { mut store, installer } = self;
        let revision = store.install(installer)?;
        let point = store.meta(META_POINT)?.and_then(kept::decode_point);
        let Some(SnapshotPoint { index, term, .. }) = point else {
            return Err(StoreError::Snapshot("it does not say how far its group had come".to_owned()));
        };
        let point = SnapshotPoint { index, term, configuration };
        store.set_meta(META_POINT, Some(kept::encode_point(&point)));
        store.set_meta(META_SESSIONS, None);
        store.set_meta(META_MEMBERS, None);
        store.flush()?;
        store.persist()?;
        Ok(Restored { point, revision })
    }
}
