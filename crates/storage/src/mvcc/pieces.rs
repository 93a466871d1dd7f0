//! A range answered piece by piece, so that an answer of any size takes the memory of a piece.
//!
//! # How it works
//! [`View::range_total`] says first what an answer says of the whole range: how many keys it has, and whether the limit cuts it. Then
//! [`View::range_piece`] gives the keys in their order, about so many bytes at a time, and where to go on; all of one view, so all
//! pieces together are the answer that [`View::range`] gives at once. Between pieces nothing is held but the view.
//!
//! # Which requests
//! Those whose keys come by ascending key, without filters: what must be sorted or filtered has to be seen as a whole. Counting
//! at the newest revision costs a look at blocks (`counts.rs`); at an old one the range is walked once more.

use bytes::Bytes;

use super::{
    KeyValue, RangeRequest, Revision, SortOrder, SortTarget, StoreError, View,
    range::filters,
    record::{Version, damaged},
    versions::versions_at,
};
use crate::kv::{Direction, Reader, Space, Span};

/// What an answer says beside its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeTotal {
    /// How many keys the range has, whatever the limit cuts.
    pub count: i64,
    /// Whether the limit cuts it.
    pub more: bool,
}

/// Where in an answer the next piece begins. The default is its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeCursor {
    /// The last key before it, if there is one.
    after: Option<Bytes>,
    /// How many keys lie before it.
    given: u64,
}

/// Keys of an answer, and where the next ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePiece {
    /// In their order; at least one if there is any left.
    pub kvs: Vec<KeyValue>,
    /// `None` when these were the last.
    pub next: Option<RangeCursor>,
}

impl RangeRequest {
    /// Whether it can be answered in pieces.
    pub fn comes_in_pieces(&self) -> bool {
        let ascends = self.sort_order != SortOrder::Descend && self.sort_target == SortTarget::Key;
        ascends && !filters(self) && !self.range.is_single()
    }

    fn limit_keys(&self) -> u64 {
        u64::try_from(self.limit).ok().filter(|limit| *limit > 0).unwrap_or(u64::MAX)
    }
}

impl<S: Reader> View<S> {
    /// What the answer says of the whole range. Refused as the whole request would be.
    pub fn range_total(&self, request: &RangeRequest) -> Result<RangeTotal, StoreError> {
        let counted = RangeRequest { count_only: true, ..request.clone() };
        let count = self.range(&counted)?.count;
        let more = !request.count_only && count as u64 > request.limit_keys();
        Ok(RangeTotal { count, more })
    }

    /// The keys from `cursor` on, up to about `bytes_max` bytes of them.
    ///
    /// # Panics
    /// If the request does not come in pieces.
    pub fn range_piece(
        &self,
        request: &RangeRequest,
        cursor: &RangeCursor,
        bytes_max: usize,
    ) -> Result<RangePiece, StoreError> {
        assert!(request.comes_in_pieces(), "expected a request that comes in pieces, found {request:?}");
        let window = self.window();
        let revision = window.resolve(request.revision)?;
        let mut span = request.range.span();
        if let Some(after) = &cursor.after {
            span.start = successor(after);
        }
        if span.is_empty() || request.count_only {
            return Ok(RangePiece { kvs: Vec::new(), next: None });
        }
        match revision < window.newest {
            true => gather(versions_at(&self.shown(), &span, revision), request, cursor, bytes_max),
            false => gather(newest(&self.shown(), span, cursor), request, cursor, bytes_max),
        }
    }
}

fn newest<R: Reader>(
    reader: &R,
    span: Span,
    cursor: &RangeCursor,
) -> impl Iterator<Item = Result<(Bytes, Version), StoreError>> {
    // The first piece may be all that is asked, and asked again.
    let is_first = cursor.after.is_none();
    let first = is_first.then(|| reader.scan(Space::Current, span.clone(), Direction::Forward));
    let further = (!is_first).then(|| reader.pass(Space::Current, span));
    first.into_iter().flatten().chain(further.into_iter().flatten()).map(|entry| {
        let (key, value) = entry?;
        Ok((key, Version::decode_current(value).map_err(damaged(Space::Current))?))
    })
}

fn gather(
    mut found: impl Iterator<Item = Result<(Bytes, Version), StoreError>>,
    request: &RangeRequest,
    cursor: &RangeCursor,
    bytes_max: usize,
) -> Result<RangePiece, StoreError> {
    let (mut kvs, mut bytes) = (Vec::new(), 0);
    let left = request.limit_keys() - cursor.given.min(request.limit_keys());
    while (kvs.len() as u64) < left {
        if bytes >= bytes_max.max(1) {
            let after = kvs.last().map(|last: &KeyValue| last.key.clone());
            let next = RangeCursor { after, given: cursor.given + kvs.len() as u64 };
            return Ok(RangePiece { kvs, next: Some(next) });
        }
        let Some((key, version)) = found.next().transpose()? else { break };
        let mut kv = version.into_key_value(key);
        if request.keys_only {
            kv.value = Bytes::new();
        }
        bytes += kv.key.len() + kv.value.len() + KEY_VALUE_BYTES;
        kvs.push(kv);
    }
    Ok(RangePiece { kvs, next: None })
}

/// What a key of an answer takes beside its own bytes and its value's, about.
const KEY_VALUE_BYTES: usize = 2 * size_of::<Bytes>() + 4 * size_of::<Revision>();

fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}
