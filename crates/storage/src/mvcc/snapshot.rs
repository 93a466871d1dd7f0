//! Moving a whole store to another replica, in chunks.
//!
//! # Sending
//! [`View::snapshot_chunk`] cuts a frozen state into chunks: all spaces, applied index and owner's entries included. Only the
//! counts of blocks stay behind: they follow from the keys, and whoever takes the snapshot counts for itself. The
//! sender keeps nothing but the view; where it stands is a [`SnapshotCursor`], a few bytes that can travel. A chunk lost on the
//! way is simply made again.
//!
//! # Receiving
//! An [`Installer`] writes the chunks into a new content beside the live one, which goes on answering, and knows the cursor
//! that it needs next: after a broken connection it tells the sender. [`Store::install`] then switches, durably and at once: a crash
//! leaves the old store or the new, never a mixture.
//!
//! # What is checked
//! Each chunk has a checksum, its number and the state of the store that it was cut from; the last one says so. The applied index
//! alone would not do: at one index two replicas, or one at two times, may have swept compacted versions away to different
//! places, and pieces of both would make a store that keeps what it should have swept. A chunk of another
//! snapshot, or out of its turn, is refused and changes nothing; the same chunk again is refused, too, and the cursor says what is
//! missing. Keys must ascend, so a chunk cannot smuggle an entry in twice.
//!
//! # Bounds
//! A chunk takes about the bytes asked for, or a single entry if that is larger. The view holds on to what it shows
//! until the transfer is over. A cursor means something for the view that it came from only.

use bytes::Bytes;

use super::{
    Revision, StoreError, View,
    record::{STATE_KEY, State},
    store::{Store, load_state},
    wire::{DecodeError, Decoder, put_bytes, put_varint},
};
use crate::kv::{Batch, Direction, Kv, Reader, Space, Span, Staging};

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Where in a snapshot the next chunk begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotCursor {
    /// Number of that chunk, from 0.
    chunk: u64,
    /// The last entry before it, if there is one.
    after: Option<(Space, Bytes)>,
}

impl SnapshotCursor {
    /// Its binary form.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_varint(&mut out, self.chunk);
        if let Some((space, key)) = &self.after {
            out.push(*space as u8);
            out.extend_from_slice(key);
        }
        out.into()
    }

    /// Reads the binary form back.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let chunk = decoder.varint("chunk number")?;
        let after = if decoder.is_empty() {
            None
        } else {
            let space = decode_space(&mut decoder)?;
            Some((space, decoder.rest()))
        };
        Ok(Self { chunk, after })
    }
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// What travels.
    pub bytes: Bytes,
    /// Where the next one begins; `None` after the last.
    pub next: Option<SnapshotCursor>,
}

impl<S: Reader> View<S> {
    /// The chunk at `cursor`, of about `bytes_max` bytes.
    pub fn snapshot_chunk(
        &self,
        cursor: &SnapshotCursor,
        bytes_max: usize,
    ) -> Result<SnapshotChunk, StoreError> {
        let mut out = vec![VERSION];
        put_bytes(&mut out, &self.state.encode());
        put_varint(&mut out, cursor.chunk);
        let last_flag_at = out.len();
        out.push(0);
        let mut after = cursor.after.clone();
        let mut entries = 0;
        let first_space = after.as_ref().map_or(Space::Current, |(space, _)| *space);
        for space in Space::ALL.into_iter().filter(|space| travels(*space) && *space >= first_space) {
            for entry in self.snapshot.scan(space, span_after(space, after.as_ref()), Direction::Forward) {
                let (key, value) = entry?;
                // 12: space and lengths. A chunk has one entry at least, or nothing would ever move.
                if entries > 0 && out.len() + key.len() + value.len() + 12 + CHECKSUM_BYTES > bytes_max {
                    let next = SnapshotCursor { chunk: cursor.chunk + 1, after };
                    return Ok(SnapshotChunk { bytes: seal(out), next: Some(next) });
                }
                out.push(space as u8);
                put_bytes(&mut out, &key);
                put_bytes(&mut out, &value);
                entries += 1;
                after = Some((space, key));
            }
        }
        out[last_flag_at] = 1;
        Ok(SnapshotChunk { bytes: seal(out), next: None })
    }
}

/// A store in the making, from the chunks of a snapshot.
pub struct Installer<T> {
    staged: T,
    /// Which snapshot the pieces are of.
    state: Option<State>,
    cursor: SnapshotCursor,
    complete: bool,
}

impl<T: Staging> Installer<T> {
    /// Takes the next chunk; true when it was the last. A refused chunk changes nothing.
    pub fn accept(&mut self, chunk: &Bytes) -> Result<bool, StoreError> {
        let refused = |error: DecodeError| StoreError::Snapshot(error.to_string());
        let contents = Contents::decode(chunk).map_err(refused)?;
        if self.complete || contents.chunk != self.cursor.chunk {
            let (found, expected) = (contents.chunk, self.cursor.chunk);
            return Err(StoreError::Snapshot(format!("expected chunk {expected}, found {found}")));
        }
        if let Some(expected) = self.state.filter(|state| *state != contents.state) {
            let (expected, found) = (expected.applied_index, contents.state.applied_index);
            return Err(StoreError::Snapshot(format!(
                "expected another piece of the snapshot at {expected}, found one of a snapshot at {found}"
            )));
        }
        let mut batch = Batch::default();
        let mut last = self.cursor.after.clone();
        for (space, key, value) in contents.entries {
            if last.as_ref().is_some_and(|(before, at)| (*before, at) >= (space, &key)) {
                return Err(StoreError::Snapshot("entries are out of order".to_owned()));
            }
            last = Some((space, key.clone()));
            // The chunk may be a slice of a large network buffer, which the engine should not keep alive.
            batch.push(space, Bytes::copy_from_slice(&key), Some(Bytes::copy_from_slice(&value)));
        }
        self.staged.write(batch)?;
        self.state = Some(contents.state);
        self.cursor = SnapshotCursor { chunk: contents.chunk + 1, after: last };
        self.complete = contents.last;
        Ok(self.complete)
    }

    /// What is needed next.
    pub fn cursor(&self) -> &SnapshotCursor {
        &self.cursor
    }

    /// Whether the last chunk is there.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl<K: Kv> Store<K> {
    /// Starts a new content beside the live one, to be filled with a snapshot. An earlier installer becomes void.
    pub fn begin_install(&mut self) -> Result<Installer<K::Staging>, StoreError> {
        let staged = self.overlay.engine.stage()?;
        Ok(Installer { staged, state: None, cursor: SnapshotCursor::default(), complete: false })
    }

    /// Becomes the store of the snapshot, durably. What was applied and not flushed is gone, as is all that was there.
    /// Refused, without any change, if the snapshot is incomplete, contradicts itself or is older than this store.
    pub fn install(&mut self, installer: Installer<K::Staging>) -> Result<Revision, StoreError> {
        let Installer { staged, state: expected, complete, .. } = installer;
        if !complete {
            return Err(StoreError::Snapshot("its last chunk is missing".to_owned()));
        }
        let (state, marks) = load_state(&staged)?;
        if Some(state) != expected || staged.get(Space::Meta, &STATE_KEY)?.is_none() {
            return Err(StoreError::Snapshot("its state does not fit its chunks".to_owned()));
        }
        if state.applied_index < self.state.applied_index {
            let (old, have) = (state.applied_index, self.state.applied_index);
            return Err(StoreError::Snapshot(format!("it is at index {old}, the store is at {have}")));
        }
        self.overlay.engine.switch(staged)?;
        self.overlay.discard();
        self.reset(state, marks)?;
        Ok(state.revision)
    }
}

/// What a chunk says, its entries as slices of it.
struct Contents {
    state: State,
    chunk: u64,
    last: bool,
    entries: Vec<(Space, Bytes, Bytes)>,
}

impl Contents {
    fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        const WHAT: &str = "snapshot chunk";
        let cut = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(DecodeError::Truncated { what: WHAT })?;
        if crc32fast::hash(&bytes[..cut]).to_le_bytes() != bytes[cut..] {
            return Err(DecodeError::Checksum { what: WHAT });
        }
        let mut decoder = Decoder::new(bytes.slice(..cut));
        let found = decoder.byte(WHAT)?;
        if found != VERSION {
            return Err(DecodeError::UnknownVersion { what: WHAT, found, supported: VERSION });
        }
        let state = State::decode(decoder.bytes("state")?)?;
        let chunk = decoder.varint("chunk number")?;
        let last = decoder.flag("mark of the last chunk")?;
        let mut entries = Vec::new();
        while !decoder.is_empty() {
            let space = decode_space(&mut decoder)?;
            let key = decoder.bytes("key")?;
            if key.is_empty() || key.len() > crate::kv::ENGINE_KEY_BYTES_MAX {
                return Err(DecodeError::OutOfRange { what: "key" });
            }
            entries.push((space, key, decoder.bytes("value")?));
        }
        Ok(Self { state, chunk, last, entries })
    }
}

fn decode_space(decoder: &mut Decoder) -> Result<Space, DecodeError> {
    let tag = decoder.byte("space")?;
    let space = Space::from_number(tag).filter(|space| travels(*space));
    space.ok_or(DecodeError::UnknownTag { what: "space", tag })
}

/// Counts are the receiver's own: taken from a sender they would have to be believed.
fn travels(space: Space) -> bool {
    space != Space::Count
}

fn span_after(space: Space, after: Option<&(Space, Bytes)>) -> Span {
    match after {
        Some((at, key)) if *at == space => {
            let mut start = key.to_vec();
            start.push(0);
            Span { start: start.into(), end: None }
        }
        _ => Span::ALL,
    }
}

fn seal(mut out: Vec<u8>) -> Bytes {
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Even with a right checksum.
        #[test]
        fn arbitrary_bytes_do_no_harm(mut bytes: Vec<u8>, versioned: bool) {
            if versioned {
                bytes.insert(0, VERSION);
            }
            let _ = Contents::decode(&seal(bytes.clone()));
            let _ = Contents::decode(&bytes.clone().into());
            let _ = SnapshotCursor::decode(bytes.into());
        }

        #[test]
        fn cursors_come_back(chunk: u64, space in prop::sample::select(&Space::ALL[..]), key: Vec<u8>, started: bool) {
            let cursor = SnapshotCursor { chunk, after: started.then(|| (space, key.into())) };
            let again = SnapshotCursor::decode(cursor.encode());
            if started && !travels(space) {
                prop_assert!(again.is_err());
            } else {
                prop_assert_eq!(again, Ok(cursor));
            }
        }
    }
}
