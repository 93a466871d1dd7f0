//! The newest versions of keys that were written of late, so that writing them again asks no engine.
//!
//! # Problem
//! A put needs of the version that it replaces when it was created, how often it was written, its lease, and its bytes, which become
//! history. Most keys that are written were written not long ago, but by then they lie in a table on disk: looking there
//! took half of the time of applying a put.
//!
//! # How it works
//! Each flush leaves here what it wrote to `Current`. Rows of [`ROW_SLOTS`] slots, chosen by a hash of the key; in a full row the slots
//! are given up in turn. The rows double while they fill, up to [`ROWS_MAX`]. Keys and values are shared with the engine's layers.
//!
//! It holds what the engine holds, or nothing: a key that goes goes from here, too, and another content empties it. So no answer depends on it,
//! nor on when it forgets.
//!
//! # What it costs
//! At most [`BYTES_MAX`] bytes of keys and values beside the slots, 4.7 MB when all are there. Values beyond [`VALUE_BYTES_MAX`]
//! are left to the engine, so that a few large ones do not drive out the many small ones.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Slots that a key can be in.
const ROW_SLOTS: usize = 4;
const ROWS_MIN: usize = 16;
const ROWS_MAX: usize = 16_384;
/// Keys and values held.
const BYTES_MAX: usize = 8 << 20;
const VALUE_BYTES_MAX: usize = 16 << 10;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    rows: Vec<[Option<Slot>; ROW_SLOTS]>,
    /// How many slots are taken.
    taken: usize,
    bytes: usize,
    /// Which slot of a full row is given up next, and where rows are emptied when there are too many bytes.
    turn: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    hash: u64,
    key: Bytes,
    value: Bytes,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

impl Recent {
    /// What the engine has under `key`, if it is known here.
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let hash = xxh3_64(key);
        let row = self.rows.get(self.row_of(hash))?;
        let slot = row.iter().flatten().find(|slot| slot.hash == hash && slot.key == key)?;
        Some(&slot.value)
    }

    /// Takes over what the engine is given: a value, or `None` for a key that goes.
    pub fn note(&mut self, key: &Bytes, value: Option<&Bytes>) {
        let hash = xxh3_64(key);
        let Some(value) = value.filter(|value| value.len() <= VALUE_BYTES_MAX) else {
            return self.forget(hash, key);
        };
        if self.taken * 2 >= self.rows.len() * ROW_SLOTS && self.rows.len() < ROWS_MAX {
            self.grow();
        }
        self.place(Slot { hash, key: key.clone(), value: value.clone() });
        while self.bytes > BYTES_MAX {
            self.turn = (self.turn + 1) % self.rows.len();
            for slot in 0..ROW_SLOTS {
                let gone = self.rows[self.turn][slot].take();
                self.leave(gone);
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn row_of(&self, hash: u64) -> usize {
        // The number of rows is a power of two, or none.
        hash as usize & self.rows.len().wrapping_sub(1)
    }

    fn forget(&mut self, hash: u64, key: &[u8]) {
        let row = self.row_of(hash);
        let Some(row) = self.rows.get_mut(row) else { return };
        let gone = row
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|slot| slot.hash == hash && slot.key == key))
            .and_then(Option::take);
        self.leave(gone);
    }

    fn place(&mut self, new: Slot) {
        let row = self.row_of(new.hash);
        let row = &mut self.rows[row];
        let is_own = |slot: &Option<Slot>| {
            slot.as_ref().is_some_and(|slot| slot.hash == new.hash && slot.key == new.key)
        };
        let at = row.iter().position(is_own).or_else(|| row.iter().position(Option::is_none));
        let at = at.unwrap_or_else(|| {
            self.turn = self.turn.wrapping_add(1);
            self.turn % ROW_SLOTS
        });
        self.taken += 1;
        self.bytes += new.bytes();
        let gone = row[at].replace(new);
        self.leave(gone);
    }

    fn leave(&mut self, gone: Option<Slot>) {
        if let Some(gone) = gone {
            self.taken -= 1;
            self.bytes -= gone.bytes();
        }
    }

    fn grow(&mut self) {
        let rows = (self.rows.len() * 2).max(ROWS_MIN);
        let former = std::mem::replace(&mut self.rows, vec![Default::default(); rows]);
        (self.taken, self.bytes) = (0, 0);
        for slot in former.into_iter().flatten().flatten() {
            self.place(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> Bytes {
        format!("key-{number}").into()
    }

    proptest! {
        /// It knows what was written last, or nothing.
        #[test]
        fn what_it_knows_is_what_was_written_last(writes in prop::collection::vec((0u32..200, any::<Option<u8>>()), 0..600)) {
            let mut recent = Recent::default();
            let mut model = BTreeMap::new();
            for (number, value) in writes {
                let value = value.map(|value| Bytes::from(vec![value; usize::from(value)]));
                recent.note(&key(number), value.as_ref());
                model.insert(key(number), value);
                for (key, value) in &model {
                    if let Some(found) = recent.get(key) {
                        prop_assert_eq!(Some(found), value.as_ref());
                    }
                }
            }
            let held: Vec<&Slot> = recent.rows.iter().flatten().flatten().collect();
            prop_assert_eq!(recent.taken, held.len());
            prop_assert_eq!(recent.bytes, held.iter().map(|slot| slot.bytes()).sum::<usize>());
        }
    }

    #[test]
    fn it_knows_most_of_as_many_keys_as_half_its_slots() {
        const KEYS: u32 = (ROWS_MAX * ROW_SLOTS / 2) as u32;
        let mut recent = Recent::default();
        for number in 0..KEYS {
            recent.note(&key(number), Some(&Bytes::from_static(b"value")));
        }
        let known = (0..KEYS).filter(|number| recent.get(&key(*number)).is_some()).count();
        assert!(known as u32 > KEYS / 10 * 9, "it knows {known} of {KEYS}");
    }

    #[test]
    fn its_size_is_bounded() {
        let mut recent = Recent::default();
        let value = Bytes::from(vec![0; VALUE_BYTES_MAX]);
        for number in 0..10_000 {
            recent.note(&key(number), Some(&value));
            assert!(recent.bytes <= BYTES_MAX && recent.rows.len() <= ROWS_MAX);
        }
        assert!(recent.get(&key(9_999)).is_some(), "the last one is there");
        recent.note(&key(9_999), Some(&Bytes::from(vec![0; VALUE_BYTES_MAX + 1])));
        assert_eq!(
            recent.get(&key(9_999)),
            None,
            "a value that is too large replaces what was there by nothing"
        );
    }
}
