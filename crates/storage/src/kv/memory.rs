//! The engine in memory: for the simulator, with a power cut as a function call.
//!
//! Everything is in persistent trees, so that a snapshot and a clone of the engine cost a few counters. The engine remembers
//! the state that was last persisted and the batches since; [`MemoryKv::crash`] goes back to it and replays a prefix of them.
//! That is exactly the freedom that the contract of [`super::Kv`] leaves to a disk: some suffix of the batches is lost, no batch
//! is torn, no order is changed.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Batch, Direction, Entry, Kv, KvError, Reader, Space, Span, Staging, tree::Tree};

/// The engine. A clone is an independent engine with the same content and the same past.
#[derive(Clone, Debug, Default)]
pub struct MemoryKv {
    live: MemorySnapshot,
    persisted: MemorySnapshot,
    /// Written since, oldest first.
    pending: VecDeque<Batch>,
}

impl MemoryKv {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many batches a crash could lose.
    pub fn batches_pending(&self) -> usize {
        self.pending.len()
    }

    /// Power is cut: of the batches since the last persist only the first `keep` are still there.
    pub fn crash(&mut self, keep: usize) {
        self.pending.truncate(keep);
        self.live = self.persisted.clone();
        for batch in &self.pending {
            self.live.apply(batch);
        }
        // What has been read back after the restart came from the disk.
        self.persisted = self.live.clone();
        self.pending.clear();
    }
}

impl Kv for MemoryKv {
    type Snapshot = MemorySnapshot;
    type Staging = MemorySnapshot;

    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.live.apply(&batch);
        self.pending.push_back(batch);
        Ok(())
    }

    fn snapshot(&self) -> MemorySnapshot {
        self.live.clone()
    }

    fn persist(&mut self) -> Result<(), KvError> {
        self.persisted = self.live.clone();
        self.pending.clear();
        Ok(())
    }

    fn begin_persist(&mut self) -> Result<u64, KvError> {
        self.persist().map(|()| 0)
    }

    fn persisted(&mut self) -> Result<u64, KvError> {
        Ok(0)
    }

    fn stage(&mut self) -> Result<MemorySnapshot, KvError> {
        Ok(MemorySnapshot::default())
    }

    fn switch(&mut self, staged: MemorySnapshot) -> Result<(), KvError> {
        self.live = staged;
        self.persist()
    }

    fn size_bytes(&self) -> u64 {
        self.live.spaces.iter().map(Tree::bytes).sum()
    }
}

impl Reader for MemoryKv {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.live.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.live.scan(space, span, direction)
    }
}

/// A frozen state of the engine; also what is being built to replace it.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshot {
    spaces: [Tree<Bytes>; Space::COUNT],
}

impl MemorySnapshot {
    fn apply(&mut self, batch: &Batch) {
        for write in batch.writes() {
            let tree = &mut self.spaces[write.space as usize];
            match &write.value {
                Some(value) => tree.insert(write.key.clone(), value.clone()),
                None => tree.remove(&write.key),
            }
        }
    }
}

impl Reader for MemorySnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.spaces[space as usize].get(key).cloned())
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.spaces[space as usize].scan(span, direction).map(Ok)
    }
}

impl Staging for MemorySnapshot {
    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.apply(&batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(kv: &mut MemoryKv, key: &'static str, value: &'static str) {
        let mut batch = Batch::default();
        batch.push(Space::Current, key.into(), Some(value.into()));
        batch.push(Space::Log, key.into(), Some(value.into()));
        kv.write(batch).unwrap();
    }

    fn value(reader: &impl Reader, key: &str) -> Option<Bytes> {
        let in_one_space = reader.get(Space::Current, key.as_bytes()).unwrap();
        assert_eq!(reader.get(Space::Log, key.as_bytes()).unwrap(), in_one_space, "a batch was torn");
        in_one_space
    }

    #[test]
    fn a_crash_keeps_what_was_persisted_and_a_prefix_of_the_rest() {
        for keep in 0..=4 {
            let mut kv = MemoryKv::new();
            put(&mut kv, "a", "1");
            kv.persist().unwrap();
            put(&mut kv, "a", "2");
            put(&mut kv, "b", "2");
            put(&mut kv, "a", "3");
            assert_eq!(kv.batches_pending(), 3);
            kv.crash(keep);
            assert_eq!(value(&kv, "a").unwrap(), ["1", "2", "2", "3", "3"][keep]);
            assert_eq!(value(&kv, "b").is_some(), keep >= 2);
            let survived = value(&kv, "a");
            kv.crash(0);
            assert_eq!(value(&kv, "a"), survived, "what a restart has read is on the disk");
        }
    }

    #[test]
    fn a_snapshot_does_not_see_later_writes() {
        let mut kv = MemoryKv::new();
        put(&mut kv, "a", "1");
        let before = kv.snapshot();
        put(&mut kv, "a", "2");
        put(&mut kv, "b", "2");
        assert_eq!(value(&before, "a").unwrap(), "1");
        assert_eq!(before.count(Space::Current, Span::ALL), Ok(1));
        assert_eq!(kv.count(Space::Current, Span::ALL), Ok(2));
    }

    #[test]
    fn a_switch_replaces_everything_and_survives_a_crash() {
        let mut kv = MemoryKv::new();
        put(&mut kv, "old", "1");
        let mut staged = kv.stage().unwrap();
        let mut batch = Batch::default();
        batch.push(Space::Current, "new".into(), Some("1".into()));
        batch.push(Space::Log, "new".into(), Some("1".into()));
        Staging::write(&mut staged, batch).unwrap();
        assert!(value(&kv, "new").is_none());
        kv.switch(staged).unwrap();
        kv.crash(0);
        assert!(value(&kv, "old").is_none());
        assert_eq!(value(&kv, "new").unwrap(), "1");
    }
}
