//! Hashes by which replicas tell whether they hold the same.
//!
//! They cover what the store *means*, not how it lies in the engine: a version counts the same whether it is still a key's
//! newest or has been superseded since, and what compaction forgot does not count, removed or not.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    Revision, StoreError, View,
    record::STATE_KEY,
    versions::{Found, visible_versions},
};
use crate::kv::{Direction, Reader, Space, Span};

/// A hash of the versions up to a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionHash {
    /// Two replicas with the same `compacted` and `revision` must have the same one.
    pub hash: u64,
    /// What the replica had compacted.
    pub compacted: Revision,
    /// Up to which revision it goes.
    pub revision: Revision,
}

impl<S: Reader> View<S> {
    /// Hashes all versions and deletions up to `revision` (0 or less: the newest) that compaction has left.
    pub fn hash_kv(&self, revision: Revision) -> Result<RevisionHash, StoreError> {
        let revision = self.window().resolve(revision)?;
        let mut hasher = Hasher::default();
        self.hash_versions(&mut hasher, revision)?;
        Ok(RevisionHash { hash: hasher.finish(), compacted: self.state.compacted, revision })
    }

    /// Hashes everything that the store means: versions, leases, attachments, the owner's entries, applied index and
    /// revisions. Replicas at the same applied index must have the same one.
    pub fn hash(&self) -> Result<u64, StoreError> {
        let mut hasher = Hasher::default();
        hasher.number(self.state.applied_index);
        hasher.number(self.state.revision as u64);
        hasher.number(self.state.compacted as u64);
        self.hash_versions(&mut hasher, self.state.revision)?;
        for space in [Space::Lease, Space::LeaseKey, Space::Meta] {
            hasher.number(space as u64);
            for entry in self.shown().scan(space, Span::ALL, Direction::Forward) {
                let (key, value) = entry?;
                if space != Space::Meta || key != STATE_KEY {
                    hasher.bytes(&key);
                    hasher.bytes(&value);
                }
            }
        }
        Ok(hasher.finish())
    }

    fn hash_versions(&self, hasher: &mut Hasher, revision: Revision) -> Result<(), StoreError> {
        for found in visible_versions(&self.shown(), &Span::ALL, self.state.compacted) {
            let Found { key, position, version } = found?;
            if position.main > revision {
                continue;
            }
            hasher.bytes(&key);
            hasher.number(position.main as u64);
            hasher.number(u64::from(position.sub));
            match version {
                None => hasher.number(0),
                Some(version) => {
                    hasher.number(1);
                    hasher.number(version.create_revision as u64);
                    hasher.number(version.version as u64);
                    hasher.number(version.lease as u64);
                    hasher.bytes(&version.value);
                }
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Hasher(Xxh3Default);

impl Hasher {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// With its length, so that no two sequences run together to the same bytes.
    fn bytes(&mut self, bytes: &Bytes) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}
