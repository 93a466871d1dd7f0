//! Reading a range: newest or old revision, filters, order, limit, count.
//!
//! etcd's rules, quirks included, since clients rest on them:
//! - `count` is every key of the range at that revision, whatever limit and filters cut; `more` says that the limit cut.
//! - With filters or an explicit order: filter, sort, then cut. Otherwise keys come in order and the limit cuts as they come.
//! - A sort target other than the key *without* an order takes the first `limit + 1` keys by key, sorts those, then cuts.
//! - `count_only` gives the count and nothing else.
//!
//! # Cost
//! A page of newest versions in key order, forward or backward, decodes `limit + 1` records; how many more there are is known by
//! blocks (`counts.rs`). A sorted answer with a limit never holds more than about twice the limit. An old revision walks the range's
//! newest and superseded versions once.

use std::cmp::Ordering;

use bytes::Bytes;

use super::{
    KeyRange, KeyValue, RangeRequest, RangeResponse, Revision, SortOrder, SortTarget, StoreError, counts,
    marks::Marked,
    record::{Version, damaged},
    versions::{newest_version, versions_at},
};
use crate::kv::{Direction, Reader, Space, Span};

/// What a reader may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The revision that `Current` shows.
    pub newest: Revision,
    pub compacted: Revision,
    /// Whether the counts of blocks fit the keys.
    pub is_counted: bool,
}

impl Window {
    /// The revision that a request means; 0 or less is the newest.
    pub fn resolve(self, requested: Revision) -> Result<Revision, StoreError> {
        match requested {
            ..=0 => Ok(self.newest),
            _ if requested > self.newest => {
                Err(StoreError::FutureRevision { requested, current: self.newest })
            }
            _ if requested < self.compacted => {
                Err(StoreError::Compacted { requested, compacted: self.compacted })
            }
            _ => Ok(requested),
        }
    }
}

impl KeyRange {
    /// The one key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), end: Bytes::new() }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let Span { start, end } = Span::prefix(prefix.into());
        let key = if start.is_empty() { FROM_HERE_ON } else { start };
        Self { key, end: end.unwrap_or(FROM_HERE_ON) }
    }

    /// Every key.
    pub fn all() -> Self {
        Self { key: FROM_HERE_ON, end: FROM_HERE_ON }
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end[..] {
            [] => key == &self.key[..],
            [0] => key >= &self.key[..],
            end => key >= &self.key[..] && key < end,
        }
    }

    /// Whether some key may be in both.
    pub fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.span(), other.span());
        let begins_before_end = |a: &Span, b: &Span| b.end.as_ref().is_none_or(|end| a.start < *end);
        begins_before_end(&a, &b) && begins_before_end(&b, &a)
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.len() > usize::from(self.end == FROM_HERE_ON) && self.end <= self.key
    }

    /// Whether it is one key.
    pub fn is_single(&self) -> bool {
        self.end.is_empty()
    }

    pub(super) fn span(&self) -> Span {
        let end = match &self.end[..] {
            [] => {
                let mut end = Vec::with_capacity(self.key.len() + 1);
                end.extend_from_slice(&self.key);
                end.push(0);
                Some(end.into())
            }
            [0] => None,
            _ => Some(self.end.clone()),
        };
        Span { start: self.key.clone(), end }
    }
}

/// As an end: no bound. As a key: the first of all.
const FROM_HERE_ON: Bytes = Bytes::from_static(&[0]);

/// Answers a range request.
pub(super) fn range<R: Reader>(
    reader: &Marked<'_, R>,
    window: Window,
    request: &RangeRequest,
) -> Result<RangeResponse, StoreError> {
    let revision = window.resolve(request.revision)?;
    let span = request.range.span();
    if span.is_empty() {
        return Ok(RangeResponse::default());
    }
    if revision < window.newest {
        if request.count_only {
            return count(versions_at(reader, &span, revision));
        }
        let entries = versions_at(reader, &span, revision).map(|found| found.map(Candidate::Decoded));
        return collect(entries, request, false, None::<Uncounted>);
    }
    if request.range.is_single() {
        let version = newest_version(reader, &request.range.key)?;
        let found = version.map(|version| Ok((request.range.key.clone(), version)));
        if request.count_only {
            return count(found.into_iter());
        }
        let found = found.into_iter().map(|found| found.map(Candidate::Decoded));
        return collect(found, request, false, None::<Uncounted>);
    }
    if request.count_only {
        let count = match window.is_counted {
            true => counts::count(reader, &span)?,
            false => reader.count(Space::Current, span)?,
        };
        return Ok(RangeResponse { count: count as i64, ..RangeResponse::default() });
    }
    let backward = request.sort_order == SortOrder::Descend && request.sort_target == SortTarget::Key;
    let direction = if backward { Direction::Backward } else { Direction::Forward };
    let entries = reader.scan(Space::Current, span.clone(), direction).map(|entry| {
        let (key, value) = entry?;
        Ok(Candidate::Encoded(key, value))
    });
    let beyond = |key: &[u8]| {
        let rest = match direction {
            Direction::Forward => Span {
                start: KeyRange::key(Bytes::copy_from_slice(key)).span().end.unwrap_or_default(),
                end: span.end.clone(),
            },
            Direction::Backward => Span { start: span.start.clone(), end: Some(Bytes::copy_from_slice(key)) },
        };
        counts::count(reader, &rest)
    };
    collect(entries, request, backward, window.is_counted.then_some(beyond))
}

/// Stands for a way to count what lies beyond a key, where there is none but to walk.
type Uncounted = fn(&[u8]) -> Result<u64, StoreError>;

fn count<T>(entries: impl Iterator<Item = Result<T, StoreError>>) -> Result<RangeResponse, StoreError> {
    let mut count = 0;
    for entry in entries {
        entry?;
        count += 1;
    }
    Ok(RangeResponse { count, ..RangeResponse::default() })
}

/// An entry that is decoded only if the answer needs it.
enum Candidate {
    Encoded(Bytes, Bytes),
    Decoded((Bytes, Version)),
}

impl Candidate {
    fn decode(self) -> Result<KeyValue, StoreError> {
        match self {
            Self::Decoded((key, version)) => Ok(version.into_key_value(key)),
            Self::Encoded(key, value) => {
                let version = Version::decode_current(value).map_err(damaged(Space::Current))?;
                Ok(version.into_key_value(key))
            }
        }
    }
}

/// Filters, orders, cuts. `entries` come by ascending key, or by descending key if `backward`. How many lie beyond a key is
/// asked once no more of them are wanted.
fn collect(
    entries: impl Iterator<Item = Result<Candidate, StoreError>>,
    request: &RangeRequest,
    backward: bool,
    beyond: Option<impl Fn(&[u8]) -> Result<u64, StoreError>>,
) -> Result<RangeResponse, StoreError> {
    let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let by_key = request.sort_target == SortTarget::Key;
    let in_order = match request.sort_order {
        // Without an order the first keys are taken, whatever the target.
        SortOrder::None => !filters(request) || by_key,
        SortOrder::Ascend => by_key,
        SortOrder::Descend => by_key && backward,
    };
    // Streaming stops decoding one beyond the limit; sorting must see all, and throws away as it goes.
    let kept_max = limit.saturating_add(1);
    let pruned_at = kept_max.saturating_mul(2).saturating_add(SORT_SLACK);
    let mut kvs = Vec::new();
    let mut count = 0;
    for entry in entries {
        let candidate = entry?;
        count += 1;
        if in_order && kvs.len() == kept_max {
            continue;
        }
        let mut found = candidate.decode()?;
        if !passes(request, &found) {
            continue;
        }
        if request.keys_only && request.sort_target != SortTarget::Value {
            found.value = Bytes::new();
        }
        kvs.push(found);
        if in_order
            && kvs.len() == kept_max
            && let Some(beyond) = &beyond
            && let Some(last) = kvs.last()
        {
            count += beyond(&last.key)? as i64;
            break;
        }
        if !in_order && kvs.len() >= pruned_at {
            sort(&mut kvs, request);
            kvs.truncate(kept_max);
        }
    }
    if !in_order || (!by_key && request.sort_order == SortOrder::None) {
        sort(&mut kvs, request);
    }
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    if request.keys_only {
        kvs.iter_mut().for_each(|found| found.value = Bytes::new());
    }
    Ok(RangeResponse { kvs, more, count })
}

/// How many entries beyond twice the limit gather before a sorted answer is pruned.
const SORT_SLACK: usize = 64;

pub(super) fn filters(request: &RangeRequest) -> bool {
    [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ]
    .iter()
    .any(|bound| *bound != 0)
}

fn passes(request: &RangeRequest, found: &KeyValue) -> bool {
    let within = |revision, min, max| (min == 0 || revision >= min) && (max == 0 || revision <= max);
    within(found.mod_revision, request.min_mod_revision, request.max_mod_revision)
        && within(found.create_revision, request.min_create_revision, request.max_create_revision)
}

/// Equal targets come by ascending key in either order, so that all replicas answer alike.
fn sort(kvs: &mut [KeyValue], request: &RangeRequest) {
    kvs.sort_unstable_by(|a, b| {
        let order = by_target(request.sort_target, a, b);
        let order = if request.sort_order == SortOrder::Descend { order.reverse() } else { order };
        order.then_with(|| a.key.cmp(&b.key))
    });
}

fn by_target(target: SortTarget, a: &KeyValue, b: &KeyValue) -> Ordering {
    match target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    }
}
