//! What lies in the engine: the layout of the spaces, their keys and their values.
//!
//! | space    | key                                        | value                                             |
//! |----------|--------------------------------------------|---------------------------------------------------|
//! | Current  | user key                                   | newest version, with its position                 |
//! | History  | escaped user key, main and sub revision    | superseded version as it stood in `Current`, or the mark of a deletion |
//! | Log      | main and sub revision                      | put or delete, position of the version that it ended, user key |
//! |          | the same and a user key                    | delete by a mark (`marks.rs`), position of the version that it ended |
//! | Lease    | lease id                                   | time to live                                      |
//! | LeaseKey | lease id, user key                         | nothing                                           |
//! | Meta     | 0; 1 and a name                            | the store's [`State`] and its marks; an entry of the owner |
//! | Count    | 0 and the lowest key of a block            | how many user keys the block has (`counts.rs`)    |
//!
//! A read of newest versions touches `Current` only, a page of it only that page. A version that is superseded moves to `History`
//! as it is: in memory its bytes are shared, not copied. A key's superseded versions lie there side by side, so that a read at an old revision walks both spaces once. Nothing has to be rebuilt at start.
//!
//! Numbers in keys are big-endian, so that they sort. A user key within a longer key is escaped: a zero byte becomes
//! `00 ff`, the end is `00 01`. No encoded key is then a prefix of another, and encoded keys sort as the plain ones do.
//!
//! Each value opens with a format byte of its own: a later format can be told apart without rewriting what is there. Counts are
//! four bytes and no more; they can be counted again.

use bytes::Bytes;

use super::{
    KeyValue, LeaseId, Revision, StoreError,
    marks::Marks,
    wire::{DecodeError, Decoder, put_signed, put_varint},
};
use crate::kv::{Entry, Space, Span};

/// Longest user key, in bytes: doubled by escaping and with its revision it still fits an engine's key.
pub const KEY_BYTES_MAX: usize = 32_000;

const FORMAT: u8 = 2;
const KIND_DELETE: u8 = 0;
const KIND_CREATE: u8 = 1;
const KIND_REPLACE: u8 = 2;
const POSITION_BYTES: usize = 12;

/// When a change happened: its revision, and its place among the changes of that revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub main: Revision,
    pub sub: u32,
}

impl Position {
    fn encode(self) -> [u8; POSITION_BYTES] {
        let mut out = [0; POSITION_BYTES];
        out[..8].copy_from_slice(&self.main.to_be_bytes());
        out[8..].copy_from_slice(&self.sub.to_be_bytes());
        out
    }

    fn decode(bytes: [u8; POSITION_BYTES]) -> Self {
        let [m0, m1, m2, m3, m4, m5, m6, m7, s0, s1, s2, s3] = bytes;
        Self {
            main: Revision::from_be_bytes([m0, m1, m2, m3, m4, m5, m6, m7]),
            sub: u32::from_be_bytes([s0, s1, s2, s3]),
        }
    }
}

/// A version of a key without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub position: Position,
    pub create_revision: Revision,
    pub version: i64,
    pub lease: LeaseId,
    pub value: Bytes,
}

impl Version {
    pub fn into_key_value(self, key: Bytes) -> KeyValue {
        KeyValue {
            key,
            value: self.value,
            create_revision: self.create_revision,
            mod_revision: self.position.main,
            version: self.version,
            lease: self.lease,
        }
    }

    /// The value that it has in `Current`.
    pub fn encode_current(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.value.len() + 32);
        out.push(FORMAT);
        put_signed(&mut out, self.position.main);
        put_varint(&mut out, u64::from(self.position.sub));
        put_signed(&mut out, self.create_revision);
        put_signed(&mut out, self.version);
        put_signed(&mut out, self.lease);
        out.extend_from_slice(&self.value);
        out.into()
    }

    /// The position of the version that stands so in `Current`.
    pub fn decode_position(bytes: Bytes) -> Result<Position, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        check_format(&mut decoder, "version")?;
        let main = decoder.signed("mod revision")?;
        Ok(Position { main, sub: decoder.unsigned_32("sub revision")? })
    }

    pub fn decode_current(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        check_format(&mut decoder, "version")?;
        Self::decode_rest(decoder)
    }

    fn decode_rest(mut decoder: Decoder) -> Result<Self, DecodeError> {
        let main = decoder.signed("mod revision")?;
        let position = Position { main, sub: decoder.unsigned_32("sub revision")? };
        let create_revision = decoder.signed("create revision")?;
        let version = decoder.signed("version")?;
        let lease = decoder.signed("lease")?;
        Ok(Self { position, create_revision, version, lease, value: decoder.rest() })
    }
}

/// The value of a `History` entry that marks a deletion. Versions stand there as they stood in `Current`.
pub(super) const DELETED: Bytes = Bytes::from_static(&[FORMAT]);

pub(super) fn decode_past(bytes: Bytes, position: Position) -> Result<Option<Version>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    check_format(&mut decoder, "past version")?;
    if decoder.is_empty() {
        return Ok(None);
    }
    let version = Version::decode_rest(decoder)?;
    let fits = version.position == position;
    if fits { Ok(Some(version)) } else { Err(DecodeError::OutOfRange { what: "past version" }) }
}

/// The key of a `History` entry.
pub(super) fn history_key(key: &[u8], position: Position) -> Bytes {
    let mut out = escape(key, POSITION_BYTES);
    out.extend_from_slice(&position.encode());
    out.into()
}

/// The part of `History` that belongs to the user keys of `span`.
pub(super) fn history_span(span: &Span) -> Span {
    Span {
        start: escape(&span.start, 0).into(),
        end: span.end.as_ref().map(|end| Bytes::from(escape(end, 0))),
    }
}

/// The part of `History` that holds `key`'s versions before `end`.
pub(super) fn history_before(key: &[u8], end: Position) -> Span {
    Span { start: escape(key, 0).into(), end: Some(history_key(key, end)) }
}

/// The user key and position of a `History` entry.
pub(super) fn split_history_key(bytes: &Bytes) -> Result<(Bytes, Position), DecodeError> {
    const WHAT: &str = "history key";
    let cut = bytes.len().checked_sub(POSITION_BYTES).ok_or(DecodeError::Truncated { what: WHAT })?;
    let mut position = [0; POSITION_BYTES];
    position.copy_from_slice(&bytes[cut..]);
    let escaped = bytes[..cut].strip_suffix(&[0, 1]).ok_or(DecodeError::Truncated { what: WHAT })?;
    // Keys without a zero byte are what users have: they are shared, not copied.
    let key = if escaped.contains(&0) { unescape(escaped)?.into() } else { bytes.slice(..escaped.len()) };
    Ok((key, Position::decode(position)))
}

fn escape(key: &[u8], spare: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 2 + spare);
    let mut parts = key.split(|byte| *byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0, u8::MAX]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 1]);
    out
}

fn unescape(escaped: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        if *byte == 0 && bytes.next() != Some(&u8::MAX) {
            return Err(DecodeError::OutOfRange { what: "escape in a history key" });
        }
    }
    Ok(out)
}

/// One change, as the `Log` names it.
pub(super) struct Logged {
    pub position: Position,
    pub deleted: bool,
    /// Of the version that the change put an end to, if there was one.
    pub ended: Option<Position>,
    pub key: Bytes,
    /// Where it stands.
    pub log_key: Bytes,
}

impl Logged {
    pub fn log_key(position: Position) -> Bytes {
        Bytes::copy_from_slice(&position.encode())
    }

    /// Where the deletion of a key by a mark stands.
    pub fn marked_log_key(position: Position, key: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(POSITION_BYTES + key.len());
        out.extend_from_slice(&position.encode());
        out.extend_from_slice(key);
        out.into()
    }

    /// The part of the `Log` from `from` on and below revision `end`.
    pub fn span(from: Position, end: Revision) -> Span {
        Span { start: Self::log_key(from), end: Some(Self::log_key(Position { main: end, sub: 0 })) }
    }

    /// A put that ended a version, or none.
    pub fn encode_put(ended: Option<Position>, key: &[u8]) -> Bytes {
        match ended {
            None => Self::encode(KIND_CREATE, None, key),
            ended => Self::encode(KIND_REPLACE, ended, key),
        }
    }

    /// A deletion, which always ends a version.
    pub fn encode_delete(ended: Position, key: &[u8]) -> Bytes {
        Self::encode(KIND_DELETE, Some(ended), key)
    }

    fn encode(kind: u8, ended: Option<Position>, key: &[u8]) -> Bytes {
        // 12: a position of ten bytes is one of the far future.
        let mut out = Vec::with_capacity(key.len() + 12);
        out.extend_from_slice(&[FORMAT, kind]);
        if let Some(ended) = ended {
            put_signed(&mut out, ended.main);
            put_varint(&mut out, u64::from(ended.sub));
        }
        out.extend_from_slice(key);
        out.into()
    }

    pub fn decode((log_key, value): Entry) -> Result<Self, DecodeError> {
        let mut position = Decoder::new(log_key.clone());
        let at = position.array::<POSITION_BYTES>("log key")?;
        let marked = position.rest();
        let mut decoder = Decoder::new(value);
        check_format(&mut decoder, "log entry")?;
        let kind = decoder.byte("kind of log entry")?;
        let ended = match kind {
            KIND_CREATE => None,
            KIND_DELETE | KIND_REPLACE => {
                let main = decoder.signed("ended main revision")?;
                Some(Position { main, sub: decoder.unsigned_32("ended sub revision")? })
            }
            tag => return Err(DecodeError::UnknownTag { what: "kind of log entry", tag }),
        };
        let deleted = kind == KIND_DELETE;
        let key = if marked.is_empty() {
            decoder.rest()
        } else {
            decoder.finish()?;
            marked
        };
        Ok(Self { position: Position::decode(at), deleted, ended, key, log_key })
    }
}

/// Lease ids sort by value, negative ones first.
pub(super) fn lease_key(id: LeaseId) -> Bytes {
    Bytes::copy_from_slice(&sortable(id))
}

pub(super) fn split_lease_key(bytes: Bytes) -> Result<(LeaseId, Bytes), DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let id = u64::from_be_bytes(decoder.array("lease id")?) ^ (1 << 63);
    Ok((id as LeaseId, decoder.rest()))
}

pub(super) fn attachment_key(id: LeaseId, key: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(8 + key.len());
    out.extend_from_slice(&sortable(id));
    out.extend_from_slice(key);
    out.into()
}

pub(super) fn encode_ttl(ttl_seconds: i64) -> Bytes {
    let mut out = vec![FORMAT];
    put_signed(&mut out, ttl_seconds);
    out.into()
}

pub(super) fn decode_ttl(bytes: Bytes) -> Result<i64, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    check_format(&mut decoder, "lease")?;
    let ttl_seconds = decoder.signed("time to live")?;
    decoder.finish().map(|()| ttl_seconds)
}

fn sortable(id: LeaseId) -> [u8; 8] {
    (id as u64 ^ (1 << 63)).to_be_bytes()
}

/// Under which `Meta` key the store's own state lies.
pub(super) const STATE_KEY: Bytes = Bytes::from_static(&[0]);

/// Where the owner's entry of that name lies in `Meta`.
pub(super) fn meta_key(name: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(name.len() + 1);
    out.push(1);
    out.extend_from_slice(name);
    out.into()
}

/// The store's own few numbers, written with every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Index of the last operation that was applied.
    pub applied_index: u64,
    pub revision: Revision,
    /// Reads below it are refused; 0 before the first compaction.
    pub compacted: Revision,
    /// Below which change what compaction forgot has been removed from the engine. Not part of what the store means.
    pub swept: Position,
}

impl Default for State {
    fn default() -> Self {
        Self { applied_index: 0, revision: 1, compacted: 0, swept: Position { main: 1, sub: 0 } }
    }
}

/// No store comes this far in a million changes a second for a hundred thousand years; what says so is damaged.
const REVISION_MAX: Revision = 1 << 62;

impl State {
    /// With the marks that go with it.
    pub fn encode_with(&self, marks: &Marks) -> Bytes {
        let mut out = self.encode().to_vec();
        marks.encode(&mut out);
        out.into()
    }

    pub fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        put_varint(&mut out, self.applied_index);
        put_signed(&mut out, self.revision);
        put_signed(&mut out, self.compacted);
        put_signed(&mut out, self.swept.main);
        put_varint(&mut out, u64::from(self.swept.sub));
        out.into()
    }

    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let state = Self::decode_from(&mut decoder)?;
        decoder.finish().map(|()| state)
    }

    /// Reads what [`State::encode_with`] wrote.
    pub fn decode_with(bytes: Bytes) -> Result<(Self, Marks), DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let state = Self::decode_from(&mut decoder)?;
        let marks = Marks::decode(&mut decoder)?;
        Ok((state, marks))
    }

    fn decode_from(decoder: &mut Decoder) -> Result<Self, DecodeError> {
        check_format(decoder, "the store's state")?;
        let state = Self {
            applied_index: decoder.varint("applied index")?,
            revision: decoder.signed("revision")?,
            compacted: decoder.signed("compacted revision")?,
            swept: Position {
                main: decoder.signed("swept revision")?,
                sub: decoder.unsigned_32("swept change")?,
            },
        };
        let sound = (1..=REVISION_MAX).contains(&state.revision)
            && (0..=state.revision).contains(&state.compacted)
            && (0..=state.compacted + 1).contains(&state.swept.main);
        if sound { Ok(state) } else { Err(DecodeError::OutOfRange { what: "the store's state" }) }
    }
}

/// What is in the engine is not what the store wrote there.
pub(super) fn damaged(space: Space) -> impl Fn(DecodeError) -> StoreError {
    move |cause| StoreError::Engine(format!("an entry of space {} is damaged: {cause}", space.name()))
}

fn check_format(decoder: &mut Decoder, what: &'static str) -> Result<(), DecodeError> {
    match decoder.byte(what)? {
        FORMAT => Ok(()),
        found => Err(DecodeError::UnknownVersion { what, found, supported: FORMAT }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few byte values, zeros and their neighbours among them, so that prefixes and escapes meet.
    fn awkward_key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), Just(0xfe), Just(0xff)], 0..6)
    }

    proptest! {
        #[test]
        fn history_keys_sort_by_key_then_position(
            a in awkward_key(), b in awkward_key(), main_a in 0i64..3, main_b in 0i64..3, sub in 0u32..3,
        ) {
            let (at_a, at_b) = (Position { main: main_a, sub }, Position { main: main_b, sub: 1 });
            let (left, right) = (history_key(&a, at_a), history_key(&b, at_b));
            prop_assert_eq!(left.cmp(&right), (&a, at_a).cmp(&(&b, at_b)));
            prop_assert_eq!(split_history_key(&left).unwrap(), (Bytes::from(a.clone()), at_a));
            let span = Span { start: a.clone().into(), end: Some(b.into()) };
            prop_assert_eq!(history_span(&span).contains(&left), span.contains(&a));
        }

        #[test]
        fn versions_come_back(main: i64, sub: u32, create_revision: i64, version: i64, lease: i64, value: Vec<u8>) {
            let position = Position { main, sub };
            let version = Version { position, create_revision, version, lease, value: value.into() };
            prop_assert_eq!(Version::decode_current(version.encode_current()), Ok(version.clone()));
            let elsewhere = Position { sub: sub ^ 1, ..position };
            prop_assert!(decode_past(version.encode_current(), elsewhere).is_err());
            prop_assert_eq!(decode_past(version.encode_current(), position), Ok(Some(version)));
            prop_assert_eq!(decode_past(DELETED, position), Ok(None));
        }

        #[test]
        fn changes_come_back(main: i64, sub: u32, ended: Option<(i64, u32)>, key: Vec<u8>, deleted: bool) {
            let position = Position { main, sub };
            let ended = ended.map(|(main, sub)| Position { main, sub });
            let value = match ended {
                Some(ended) if deleted => Logged::encode_delete(ended, &key),
                ended => Logged::encode_put(ended, &key),
            };
            let found = Logged::decode((Logged::log_key(position), value)).unwrap();
            prop_assert_eq!((found.ended, found.deleted), (ended, deleted && ended.is_some()));
            prop_assert_eq!(&found.key, &key);
            prop_assert_eq!(found.log_key, Logged::log_key(position));
            if let Some(ended) = ended && !key.is_empty() {
                let log_key = Logged::marked_log_key(position, &key);
                let found = Logged::decode((log_key.clone(), Logged::encode_delete(ended, &[]))).unwrap();
                prop_assert_eq!((found.position, found.ended, found.key), (position, Some(ended), key.into()));
                prop_assert_eq!(found.log_key, log_key);
            }
        }

        #[test]
        fn lease_ids_sort_and_come_back(a: i64, b: i64, key: Vec<u8>) {
            prop_assert_eq!(lease_key(a).cmp(&lease_key(b)), a.cmp(&b));
            prop_assert_eq!(split_lease_key(attachment_key(a, &key)).unwrap(), (a, Bytes::from(key)));
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = Version::decode_current(bytes.clone());
            let _ = decode_past(bytes.clone(), Position::default());
            let _ = split_history_key(&bytes);
            let _ = split_lease_key(bytes.clone());
            let _ = Logged::decode((bytes.clone(), bytes.clone()));
            let _ = decode_ttl(bytes.clone());
            let _ = State::decode(bytes.clone());
            let _ = State::decode_with(bytes);
        }
    }

    #[test]
    fn the_longest_key_fits_the_engine() {
        let worst = vec![0; KEY_BYTES_MAX];
        assert!(history_key(&worst, Position::default()).len() <= crate::kv::ENGINE_KEY_BYTES_MAX);
        assert!(attachment_key(1, &worst).len() <= crate::kv::ENGINE_KEY_BYTES_MAX);
    }
}
