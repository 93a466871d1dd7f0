//! Deletions of large ranges: decided at once, cleared away in steps.
//!
//! # Problem
//! To delete a range is four changes in the engine for each key of it. Half a million keys are seconds of applying, in which no other operation
//! is applied, and a gigabyte of changes in one batch, since an operation is there whole or not at all.
//!
//! # How it works
//! A deletion of many keys ([`Store::marked_keys_min`](super::Store)) only leaves a [`Mark`]: the range, and the position of the deletion. From then on a version in `Current`
//! that lies in the range and is older than the mark *means* what it would be after the deletion: a superseded version, and a deletion at the mark's
//! position behind it. Whoever reads goes through [`Marked`], or walks versions of keys, which adds those deletions. Blocks of counts are emptied
//! with the mark, so the answer knows how many keys went.
//!
//! [`Store::compact_step`](super::Store::compact_step) carries marks out, the oldest first, some keys at a time: a version moves to `History`, its deletion beside
//! it, and into the log of changes. A mark's range shrinks from its front, and with the last key it goes. A key that is written meanwhile is
//! carried out just before. Marks stand in the store's state, so they survive what the keys survive, and travel with snapshots.
//!
//! All deletions of a mark have the mark's position, and in the log of changes the key behind it. So where a key stands does not depend on what was carried out before
//! it, and neither does a hash.
//!
//! # What it guarantees
//! Answers, counts, hashes and leases' keys are those of a deletion at once, at every moment. Only events are not there before the whole
//! mark is carried out: until then history ends before it for ranges that meet the mark's ([`Marks::first_in`]), and watches of them wait.
//!
//! # What it costs
//! The operation: a write for each block of counts, some hundreds for half a million keys. Reading beside marks: for each key in a mark's range a look
//! at its position; a scan passes over those that are gone. Values that are compacted before they are carried out are not written again.
//!
//! # Left out
//! Deletions within transactions, those that give back what they deleted, and those of a lease's end are done at once.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Revision,
    record::{Position, Version, split_lease_key},
    wire::{DecodeError, Decoder, put_bytes, put_signed, put_varint},
};
use crate::kv::{Direction, Entry, KvError, Reader, Space, Span};

/// With so many marks not carried out, the oldest is carried out before there is a further one.
pub(super) const MARKS_MAX: usize = 16;

/// A range whose older versions are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// What is not carried out yet.
    pub span: Span,
    /// Of the deletion.
    pub position: Position,
}

/// All that are not carried out, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(Arc<Vec<Mark>>);

impl Marks {
    pub fn push(&mut self, mark: Mark) {
        Arc::make_mut(&mut self.0).push(mark);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn oldest(&self) -> Option<&Mark> {
        self.0.first()
    }

    /// The oldest mark is carried out up to `start`, or as a whole.
    pub fn shrink(&mut self, start: Option<Bytes>) {
        let marks = Arc::make_mut(&mut self.0);
        match (start, marks.first_mut()) {
            (Some(start), Some(oldest)) => oldest.span.start = start,
            (None, Some(_)) => drop(marks.remove(0)),
            (_, None) => {}
        }
    }

    /// At which revision, from `from` on, a mark that meets the span deleted something first.
    pub fn first_in(&self, span: &Span, from: Revision) -> Option<Revision> {
        let concerns = |mark: &&Mark| mark.position.main >= from && meet(&mark.span, span);
        self.0.iter().find(concerns).map(|mark| mark.position.main)
    }

    /// When the version of `key` that stands as `value` in `Current` was deleted, if it was.
    pub fn deletion(&self, key: &[u8], value: &Bytes) -> Result<Option<Position>, DecodeError> {
        if !self.0.iter().any(|mark| mark.span.contains(key)) {
            return Ok(None);
        }
        let written = Version::decode_position(value.clone())?;
        let deletes = |mark: &&Mark| mark.position > written && mark.span.contains(key);
        Ok(self.0.iter().find(deletes).map(|mark| mark.position))
    }

    /// Adds their binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for mark in self.0.iter() {
            put_signed(out, mark.position.main);
            put_varint(out, u64::from(mark.position.sub));
            put_bytes(out, &mark.span.start);
            out.push(u8::from(mark.span.end.is_some()));
            put_bytes(out, mark.span.end.as_deref().unwrap_or_default());
        }
    }

    /// Reads what is left as marks.
    pub fn decode(decoder: &mut Decoder) -> Result<Self, DecodeError> {
        let mut marks: Vec<Mark> = Vec::new();
        while !decoder.is_empty() {
            let main = decoder.signed("revision of a mark")?;
            let position = Position { main, sub: decoder.unsigned_32("place of a mark")? };
            let start = decoder.bytes("start of a mark")?;
            let has_end = decoder.flag("whether a mark has an end")?;
            let end = Some(decoder.bytes("end of a mark")?).filter(|_| has_end);
            if marks.last().is_some_and(|before| before.position >= position) {
                return Err(DecodeError::OutOfRange { what: "position of a mark" });
            }
            marks.push(Mark { span: Span { start, end }, position });
        }
        Ok(Self(Arc::new(marks)))
    }
}

fn meet(a: &Span, b: &Span) -> bool {
    let begins_before_end = |a: &Span, b: &Span| b.end.as_ref().is_none_or(|end| a.start < *end);
    begins_before_end(a, b) && begins_before_end(b, a)
}

/// What a reader shows, without what its marks deleted.
pub(super) struct Marked<'r, R> {
    /// All that there is.
    pub all: &'r R,
    pub marks: &'r Marks,
}

impl<R: Reader> Marked<'_, R> {
    fn only_shown(
        &self,
        space: Space,
        entries: impl Iterator<Item = Result<Entry, KvError>>,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        entries.filter_map(move |entry| match entry {
            Ok((key, value)) => match self.shows(space, &key, &value) {
                Ok(shown) => shown.then_some(Ok((key, value))),
                Err(error) => Some(Err(error)),
            },
            Err(error) => Some(Err(error)),
        })
    }

    fn shows(&self, space: Space, key: &[u8], value: &Bytes) -> Result<bool, KvError> {
        if self.marks.is_empty() {
            return Ok(true);
        }
        match space {
            Space::Current => Ok(self.marks.deletion(key, value).map_err(damaged)?.is_none()),
            // An attachment goes with its key.
            Space::LeaseKey => {
                let (_, key) = split_lease_key(Bytes::copy_from_slice(key)).map_err(damaged)?;
                Ok(self.get(Space::Current, &key)?.is_some())
            }
            _ => Ok(true),
        }
    }
}

impl<R: Reader> Reader for Marked<'_, R> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        match self.all.get(space, key)? {
            Some(value) if self.shows(space, key, &value)? => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.only_shown(space, self.all.scan(space, span, direction))
    }

    fn pass(&self, space: Space, span: Span) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.only_shown(space, self.all.pass(space, span))
    }
}

fn damaged(error: DecodeError) -> KvError {
    KvError::Damaged { what: "an entry that a mark covers".to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(start: &'static str, end: Option<&'static str>, main: Revision) -> Mark {
        Mark {
            span: Span { start: start.into(), end: end.map(Bytes::from) },
            position: Position { main, sub: 0 },
        }
    }

    #[test]
    fn marks_come_back() {
        let mut marks = Marks::default();
        marks.push(mark("a", Some("c"), 3));
        marks.push(mark("b", None, 9));
        let mut out = Vec::new();
        marks.encode(&mut out);
        assert_eq!(Marks::decode(&mut Decoder::new(out.into())), Ok(marks.clone()));
        assert_eq!(marks.first_in(&Span { start: "c".into(), end: None }, 1), Some(9));
        assert_eq!(marks.first_in(&Span { start: "a".into(), end: Some("b".into()) }, 3), Some(3));
        assert_eq!(marks.first_in(&Span { start: "a".into(), end: Some("b".into()) }, 4), None);
        marks.shrink(Some("b".into()));
        assert_eq!(marks.first_in(&Span { start: "a".into(), end: Some("b".into()) }, 1), None);
        marks.shrink(None);
        assert_eq!(marks.oldest().map(|mark| mark.position.main), Some(9));
    }

    #[test]
    fn marks_out_of_order_are_refused() {
        let mut marks = Marks::default();
        marks.push(mark("a", None, 9));
        marks.push(mark("a", None, 3));
        let mut out = Vec::new();
        marks.encode(&mut out);
        assert!(Marks::decode(&mut Decoder::new(out.into())).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = Marks::decode(&mut Decoder::new(bytes.into()));
        }
    }
}
