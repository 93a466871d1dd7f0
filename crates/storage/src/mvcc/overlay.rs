//! Changes that are not in the engine yet, on top of it.
//!
//! Many operations are applied between two engine writes. Each must see those before it, and one that fails halfway must
//! leave nothing behind. So changes gather here: reads look here first, [`Overlay::rollback`] takes back those since
//! [`Overlay::begin`], [`Overlay::take_batch`] hands them all to the engine at once, the last value of each key only.
//! What keys hold that were flushed of late is known here, too ([`Recent`]).

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use super::{
    marks::{Marked, Marks},
    recent::Recent,
};
use crate::kv::{Batch, Direction, Entry, KvError, Reader, Space, Span, merged};

type Changes = BTreeMap<Bytes, Option<Bytes>>;

#[derive(Clone, Debug)]
pub(super) struct Overlay<K> {
    pub engine: K,
    changes: [Changes; Space::COUNT],
    recent: Recent,
    pub marks: Marks,
    /// What the changed keys held in `changes` before, oldest first, since the last `begin`; none if that cannot be taken back.
    undo: Option<Vec<(Space, Bytes, Option<Option<Bytes>>)>>,
}

impl<K> Overlay<K> {
    pub fn new(engine: K) -> Self {
        Self {
            engine,
            changes: Default::default(),
            recent: Recent::default(),
            marks: Marks::default(),
            undo: None,
        }
    }

    /// Begins an operation. Only one that may fail after its first change is remembered step by step.
    pub fn begin(&mut self, may_roll_back: bool) {
        self.undo = may_roll_back.then(Vec::new);
    }

    /// Takes back what has changed since an operation was begun that may be.
    pub fn rollback(&mut self) {
        for (space, key, before) in self.undo.take().into_iter().flatten().rev() {
            let changes = &mut self.changes[space as usize];
            match before {
                Some(before) => changes.insert(key, before),
                None => changes.remove(&key),
            };
        }
    }

    pub fn put(&mut self, space: Space, key: Bytes, value: Bytes) {
        self.change(space, key, Some(value));
    }

    pub fn remove(&mut self, space: Space, key: Bytes) {
        self.change(space, key, None);
    }

    fn change(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        let changes = &mut self.changes[space as usize];
        match &mut self.undo {
            None => drop(changes.insert(key, value)),
            Some(undo) => undo.push((space, key.clone(), changes.insert(key, value))),
        }
    }

    /// What is there, without what marks deleted.
    pub fn shown(&self) -> Marked<'_, Self> {
        Marked { all: self, marks: &self.marks }
    }

    /// What stands under `key` in `Current`, whether or not a mark deleted it, in memory of its own: it may be kept without keeping a block of a table.
    pub fn newest(&self, key: &[u8]) -> Result<Option<Bytes>, KvError>
    where
        K: Reader,
    {
        if let Some(changed) = self.changes[Space::Current as usize].get(key) {
            return Ok(changed.clone());
        }
        match self.recent.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => Ok(self.engine.get(Space::Current, key)?.map(|value| Bytes::copy_from_slice(&value))),
        }
    }

    /// Hands out all changes; they are no longer seen here.
    pub fn take_batch(&mut self) -> Batch {
        self.undo = None;
        let mut batch = Batch::default();
        for space in Space::ALL {
            for (key, value) in std::mem::take(&mut self.changes[space as usize]) {
                if space == Space::Current {
                    self.recent.note(&key, value.as_ref());
                }
                batch.push(space, key, value);
            }
        }
        batch
    }

    pub fn discard(&mut self) {
        self.undo = None;
        self.changes = Default::default();
        self.marks = Marks::default();
        self.recent.clear();
    }
}

impl<K: Reader> Reader for Overlay<K> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        match self.changes[space as usize].get(key) {
            Some(changed) => Ok(changed.clone()),
            None if space == Space::Current => match self.recent.get(key) {
                Some(value) => Ok(Some(value.clone())),
                None => self.engine.get(space, key),
            },
            None => self.engine.get(space, key),
        }
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        let engine = self.engine.scan(space, span.clone(), direction);
        let start = Bound::Included(&span.start[..]);
        let end = span.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        // A map refuses ranges that end before they start.
        let changes = (!span.is_empty()).then(|| self.changes[space as usize].range::<[u8], _>((start, end)));
        let mut changes = changes.into_iter().flatten();
        let changed = std::iter::from_fn(move || match direction {
            Direction::Forward => changes.next(),
            Direction::Backward => changes.next_back(),
        });
        let changed = changed.map(|(key, value)| (key.clone(), value.clone()));
        merged(engine, changed, direction)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::{Kv, MemoryKv};

    type Step = (u8, Option<u8>);

    fn apply(overlay: &mut Overlay<MemoryKv>, model: &mut BTreeMap<Bytes, Bytes>, steps: &[Step]) {
        for (key, value) in steps {
            let key = Bytes::copy_from_slice(&[key % 20]);
            match value {
                Some(value) => {
                    overlay.put(Space::Log, key.clone(), Bytes::copy_from_slice(&[*value]));
                    model.insert(key, Bytes::copy_from_slice(&[*value]));
                }
                None => {
                    overlay.remove(Space::Log, key.clone());
                    model.remove(&key);
                }
            }
        }
    }

    proptest! {
        /// Engine and changes together look like one map; what was rolled back leaves no trace.
        #[test]
        fn looks_like_one_map(
            flushed: Vec<Step>, kept: Vec<Step>, undone: Vec<Step>, start in 0u8..20, end in 0u8..20,
        ) {
            let mut overlay = Overlay::new(MemoryKv::new());
            let mut model = BTreeMap::new();
            apply(&mut overlay, &mut model, &flushed);
            let batch = overlay.take_batch();
            overlay.engine.write(batch).unwrap();
            apply(&mut overlay, &mut model, &kept);
            overlay.begin(true);
            apply(&mut overlay, &mut model.clone(), &undone);
            overlay.rollback();

            let span = Span { start: Bytes::copy_from_slice(&[start]), end: Some(Bytes::copy_from_slice(&[end])) };
            let mut expected: Vec<Entry> =
                model.into_iter().filter(|(key, _)| span.contains(key)).collect();
            let scan = |direction| -> Vec<Entry> {
                overlay.scan(Space::Log, span.clone(), direction).map(Result::unwrap).collect()
            };
            prop_assert_eq!(scan(Direction::Forward), expected.clone());
            expected.reverse();
            prop_assert_eq!(scan(Direction::Backward), expected);
        }
    }
}
