//! How many keys there are in a range, without walking them.
//!
//! # Problem
//! An answer to a range says how many keys the range has, whatever limit cuts it. Walking them all for one key of a million
//! is what such a page then costs.
//!
//! # How it works
//! The keys, in their order, are cut into blocks of about [`BLOCK_KEYS_MAX`]. `Count` holds an entry a block: its fence, which is
//! the lowest key that can be in it, and how many keys are. It is written in the same batch as the keys, so each view has the
//! counts that fit it, and they survive what the keys survive. A snapshot leaves them behind: the keys that it brings are
//! counted once. The first fence is below all keys. A range takes the counts of the blocks that lie within, and walks those at its two ends.
//!
//! The thread that applies keeps the blocks in memory too, to find that of a key without asking the engine.
//!
//! # What it costs
//! A key that is new or goes: one small entry more in the batch; one that is overwritten nothing. A block that grows full is
//! walked once, and cut. Counting: two blocks' keys, and a step a block of the range, 2,000 for a million keys. Where blocks are
//! cut depends on the order of operations and on snapshots: it means nothing, and no hash covers it.
//!
//! # Left out
//! A tree of counts, which would make the steps a logarithm. Counts at old revisions: they are walked.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use bytes::Bytes;

use super::{StoreError, overlay::Overlay, record::damaged, wire::DecodeError};
use crate::kv::{Direction, KvError, Reader, Space, Span};

/// With more keys a block is cut.
const BLOCK_KEYS_MAX: usize = 1_024;
/// Stands before each fence: the engine refuses empty keys.
const MARK: u8 = 0;

/// The blocks, as of the last operation.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    blocks: BTreeMap<Bytes, u32>,
    block_keys_max: usize,
}

impl Counts {
    /// Reads the blocks. Those of a store that has none yet are counted, and written with the next flush.
    pub fn load<K: Reader>(overlay: &mut Overlay<K>) -> Result<Self, StoreError> {
        Self::load_with(overlay, BLOCK_KEYS_MAX)
    }

    fn load_with<K: Reader>(overlay: &mut Overlay<K>, block_keys_max: usize) -> Result<Self, StoreError> {
        let mut counts = Self { blocks: BTreeMap::new(), block_keys_max };
        for entry in overlay.scan(Space::Count, Span::ALL, Direction::Forward) {
            let (key, value) = entry?;
            counts.blocks.insert(key.slice(1..), decode(&value)?);
        }
        match counts.blocks.first_key_value() {
            None => counts.cut(overlay, &Bytes::new())?,
            Some((first, _)) if first.is_empty() => {}
            Some(_) => {
                return Err(damaged(Space::Count)(DecodeError::Truncated { what: "fence below all keys" }));
            }
        }
        Ok(counts)
    }

    /// Takes over what an operation did: keys that are new, and keys that have gone, in their order.
    pub fn note<K: Reader>(
        &mut self,
        overlay: &mut Overlay<K>,
        changes: &[(Bytes, bool)],
    ) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for (key, is_there) in changes {
            let block = self.blocks.range_mut::<Bytes, _>(..=key).next_back();
            let (fence, count) = block.expect("the first fence is below all keys");
            *count = if *is_there { *count + 1 } else { count.saturating_sub(1) };
            if !touched.contains(fence) {
                touched.insert(fence.clone());
            }
        }
        for fence in touched {
            let Some(count) = self.blocks.get(&fence).copied() else { continue };
            match count as usize {
                count if count > self.block_keys_max => self.cut(overlay, &fence)?,
                count if count < self.block_keys_max / 8 => self.join(overlay, &fence),
                _ => overlay.put(Space::Count, marked(&fence), encode(count)),
            }
        }
        Ok(())
    }

    /// At least as many keys as a span has.
    pub fn at_most(&self, span: &Span) -> u64 {
        self.meeting(span).map(|(_, count)| u64::from(*count)).sum()
    }

    /// Takes over that all keys of a span go, which the overlay still shows. Gives how many that are.
    pub fn empty<K: Reader>(&mut self, overlay: &mut Overlay<K>, span: &Span) -> Result<u64, StoreError> {
        let mut emptied = 0;
        let mut fences =
            self.meeting(span).map(|(fence, _)| fence.clone()).collect::<Vec<_>>().into_iter().peekable();
        while let Some(fence) = fences.next() {
            let Some(count) = self.blocks.get_mut(&fence) else { continue };
            let is_last = fences.peek().is_none();
            let gone = if fence >= span.start && (!is_last || span.end.is_none()) {
                *count
            } else {
                let end = fences.peek().cloned().or_else(|| span.end.clone());
                walk(&overlay.shown(), Span { start: fence.clone().max(span.start.clone()), end })? as u32
            };
            *count = count.saturating_sub(gone);
            emptied += u64::from(gone);
            overlay.put(Space::Count, marked(&fence), encode(*count));
        }
        Ok(emptied)
    }

    /// Joins blocks that begin in a span and have become small.
    pub fn tidy<K>(&mut self, overlay: &mut Overlay<K>, span: &Span) {
        let small = |count: u32| (count as usize) < self.block_keys_max / 8;
        let begins_within = |fence: &Bytes| !fence.is_empty() && span.contains(fence);
        let fences: Vec<Bytes> = self
            .meeting(span)
            .filter(|(fence, count)| small(**count) && begins_within(fence))
            .map(|(fence, _)| fence.clone())
            .collect();
        for fence in fences {
            self.join(overlay, &fence);
        }
    }

    /// The blocks that may have keys of a span.
    fn meeting(&self, span: &Span) -> impl Iterator<Item = (&Bytes, &u32)> {
        let first = self.blocks.range::<Bytes, _>(..=&span.start).next_back();
        let after = self.blocks.range::<Bytes, _>((Bound::Excluded(&span.start), Bound::Unbounded));
        first
            .into_iter()
            .chain(after.take_while(|(fence, _)| span.end.as_ref().is_none_or(|end| *fence < end)))
    }

    /// Walks a block, and cuts it into halves of full ones.
    fn cut<K: Reader>(&mut self, overlay: &mut Overlay<K>, fence: &Bytes) -> Result<(), StoreError> {
        let next = self.blocks.range(after(fence)..).next().map(|(fence, _)| fence.clone());
        let span = Span { start: fence.clone(), end: next };
        let mut blocks = vec![(fence.clone(), 0)];
        for entry in overlay.shown().scan(Space::Current, span, Direction::Forward) {
            let (key, _) = entry?;
            match blocks.last_mut() {
                Some((_, count)) if (*count as usize) < self.block_keys_max / 2 => *count += 1,
                _ => blocks.push((key, 1)),
            }
        }
        for (fence, count) in blocks {
            overlay.put(Space::Count, marked(&fence), encode(count));
            self.blocks.insert(fence, count);
        }
        Ok(())
    }

    /// Joins a block that has few keys to the one before it, if they have room there.
    fn join<K>(&mut self, overlay: &mut Overlay<K>, fence: &Bytes) {
        let count = self.blocks[fence];
        let before = self.blocks.range_mut(..fence.clone()).next_back();
        match before.filter(|(_, before)| (**before + count) as usize <= self.block_keys_max / 2) {
            None => overlay.put(Space::Count, marked(fence), encode(count)),
            Some((before, joined)) => {
                *joined += count;
                overlay.put(Space::Count, marked(before), encode(*joined));
                overlay.remove(Space::Count, marked(fence));
                self.blocks.remove(fence);
            }
        }
    }
}

/// Counts the keys of a span, as the reader shows them.
pub(super) fn count<R: Reader>(reader: &R, span: &Span) -> Result<u64, StoreError> {
    if span.is_empty() {
        return Ok(0);
    }
    let up_to_start = Span { start: Bytes::new(), end: Some(after(&marked(&span.start))) };
    let Some((first, _)) = reader.first(Space::Count, up_to_start, Direction::Backward)? else {
        // The blocks of a store that had none are not flushed yet.
        return Ok(reader.count(Space::Current, span.clone())?);
    };
    let blocks = Span { start: first, end: span.end.as_ref().map(|end| marked(end)) };
    let mut blocks = reader.scan(Space::Count, blocks, Direction::Forward).peekable();
    let mut total = 0;
    while let Some(block) = blocks.next() {
        let (fence, value) = block?;
        let fence = fence.slice(1..);
        let next = match blocks.peek() {
            Some(Ok((next, _))) => Some(next.slice(1..)),
            _ => None,
        };
        // The last block of a span with an end may reach beyond it.
        let is_within = fence >= span.start && (next.is_some() || span.end.is_none());
        total += if is_within {
            u64::from(decode(&value)?)
        } else {
            let part = Span { start: fence.max(span.start.clone()), end: next.or_else(|| span.end.clone()) };
            walk(reader, part)?
        };
    }
    Ok(total)
}

fn walk<R: Reader>(reader: &R, span: Span) -> Result<u64, KvError> {
    reader.count(Space::Current, span)
}

fn marked(fence: &[u8]) -> Bytes {
    let mut marked = Vec::with_capacity(fence.len() + 1);
    marked.push(MARK);
    marked.extend_from_slice(fence);
    marked.into()
}

fn after(key: &[u8]) -> Bytes {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after.into()
}

fn encode(count: u32) -> Bytes {
    Bytes::copy_from_slice(&count.to_le_bytes())
}

fn decode(value: &Bytes) -> Result<u32, StoreError> {
    let bytes = value[..].try_into().map_err(|_| DecodeError::Truncated { what: "count of a block" });
    bytes.map(u32::from_le_bytes).map_err(damaged(Space::Count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::{Kv, MemoryKv};

    const BLOCK_KEYS: usize = 16;

    fn key(number: u8) -> Bytes {
        format!("k{number:03}").into()
    }

    proptest! {
        /// Whatever comes and goes, in whatever operations, any span counts what it has.
        #[test]
        fn counts_are_those_of_a_set(
            operations in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<bool>()), 1..40), 1..40),
            spans in prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 10),
        ) {
            let mut overlay = Overlay::new(MemoryKv::new());
            let mut counts = Counts::load_with(&mut overlay, BLOCK_KEYS).unwrap();
            let mut model = BTreeSet::new();
            for operation in operations {
                let mut changes = Vec::new();
                for (number, is_there) in operation {
                    let key = key(number);
                    let changed = if is_there { model.insert(key.clone()) } else { model.remove(&key) };
                    if changed {
                        changes.push((key.clone(), is_there));
                        match is_there {
                            true => overlay.put(Space::Current, key, Bytes::new()),
                            false => overlay.remove(Space::Current, key),
                        }
                    }
                }
                counts.note(&mut overlay, &changes).unwrap();
            }
            prop_assert!(counts.blocks.values().all(|count| *count as usize <= BLOCK_KEYS));
            let batch = overlay.take_batch();
            overlay.engine.write(batch).unwrap();
            for (start, end) in spans {
                let span = Span { start: key(start), end: end.map(key) };
                let expected = model.iter().filter(|key| span.contains(key)).count() as u64;
                prop_assert_eq!(count(&overlay.engine, &span), Ok(expected));
            }
            prop_assert_eq!(count(&overlay.engine, &Span::ALL), Ok(model.len() as u64));
            let again = Counts::load_with(&mut overlay, BLOCK_KEYS).unwrap();
            prop_assert_eq!(again.blocks, counts.blocks);
        }
    }

    #[test]
    fn a_store_without_blocks_is_counted_once() {
        let mut overlay = Overlay::new(MemoryKv::new());
        for number in 0..100 {
            overlay.put(Space::Current, key(number), Bytes::new());
        }
        let batch = overlay.take_batch();
        overlay.engine.write(batch).unwrap();
        assert_eq!(count(&overlay.engine, &Span::ALL), Ok(100));
        let counts = Counts::load_with(&mut overlay, BLOCK_KEYS).unwrap();
        assert_eq!(counts.blocks.len(), 13, "halves of full blocks");
        assert_eq!(counts.blocks.values().sum::<u32>(), 100);
    }
}
