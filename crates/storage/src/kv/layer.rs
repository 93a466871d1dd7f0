//! A layer of changes in memory, above a content on disk.

use bytes::Bytes;

use super::{Batch, Direction, Space, Span, tree::Tree};

/// What an entry takes beside its key and value: its place in a node, two allocations, half-filled nodes. An estimate.
const ENTRY_BYTES: u64 = 128;

/// Changes, the last one of each key. A clone costs a few counters and does not see later changes.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    spaces: [Tree<Option<Bytes>>; Space::COUNT],
}

impl Layer {
    /// Adds a batch's changes.
    pub fn apply(&mut self, batch: Batch) {
        for write in batch.into_writes() {
            self.spaces[write.space as usize].insert(write.key, write.value);
        }
    }

    /// What is said of a key here: nothing, a value, or that it was removed.
    pub fn get(&self, space: Space, key: &[u8]) -> Option<&Option<Bytes>> {
        self.spaces[space as usize].get(key)
    }

    /// The changes of a span, in order.
    pub fn changes(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = (Bytes, Option<Bytes>)> + use<> {
        self.spaces[space as usize].scan(span, direction)
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.spaces.iter().all(|tree| tree.entries() == 0)
    }

    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> u64 {
        self.spaces.iter().map(|tree| tree.bytes() + ENTRY_BYTES * tree.entries()).sum()
    }
}
