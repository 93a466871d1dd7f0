//! Walking the versions of keys across `Current` and `History`.

use std::iter::Peekable;

use bytes::Bytes;

use super::{
    Revision, StoreError,
    marks::{Marked, Marks},
    record::{
        Position, Version, damaged, decode_past, history_before, history_key, history_span, split_history_key,
    },
};
use crate::kv::{Direction, Entry, KvError, Reader, Space, Span};

/// One version found, or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub key: Bytes,
    pub position: Position,
    /// `None` for a deletion.
    pub version: Option<Version>,
}

/// All versions and deletions of the keys of `span`, ordered by key, then position; deletions by marks among them.
pub(super) fn all_versions<R: Reader>(
    reader: &Marked<'_, R>,
    span: &Span,
) -> impl Iterator<Item = Result<Found, StoreError>> {
    let Marked { all, marks } = *reader;
    let current = all
        .scan(Space::Current, span.clone(), Direction::Forward)
        .flat_map(move |entry| current(entry, marks));
    AllVersions {
        current: current.peekable(),
        past: all.scan(Space::History, history_span(span), Direction::Forward).map(past).peekable(),
    }
}

/// The version of each key of `span` that was the newest at `revision`, deleted ones left out, ordered by key.
pub(super) fn versions_at<R: Reader>(
    reader: &Marked<'_, R>,
    span: &Span,
    revision: Revision,
) -> impl Iterator<Item = Result<(Bytes, Version), StoreError>> {
    let mut all = all_versions(reader, span).peekable();
    std::iter::from_fn(move || {
        loop {
            let mut newest: Option<Found> = None;
            let key = match all.peek()? {
                Ok(found) => found.key.clone(),
                Err(_) => return all.next()?.err().map(Err),
            };
            while let Some(Ok(found)) = all.next_if(|next| next.as_ref().is_ok_and(|next| next.key == key)) {
                if found.position.main <= revision {
                    newest = Some(found);
                }
            }
            if let Some(Found { key, version: Some(version), .. }) = newest {
                return Some(Ok((key, version)));
            }
        }
    })
}

/// All versions and deletions that a compaction at `compacted` has left, whether or not the rest has been removed yet.
///
/// That is everything from revision `compacted` on, and of each key the version that was its newest there.
pub(super) fn visible_versions<R: Reader>(
    reader: &Marked<'_, R>,
    span: &Span,
    compacted: Revision,
) -> impl Iterator<Item = Result<Found, StoreError>> {
    let mut all = all_versions(reader, span).peekable();
    std::iter::from_fn(move || {
        loop {
            let found = match all.next()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            let superseded = match all.peek() {
                Some(Ok(next)) => next.key == found.key && next.position.main <= compacted,
                _ => false,
            };
            if found.position.main >= compacted || (found.version.is_some() && !superseded) {
                return Some(Ok(found));
            }
        }
    })
}

/// The version of `key` that was written at exactly `position`.
pub(super) fn version_at_position<R: Reader>(
    reader: &R,
    key: &Bytes,
    position: Position,
) -> Result<Option<Version>, StoreError> {
    if let Some(version) = newest_version(reader, key)?
        && version.position == position
    {
        return Ok(Some(version));
    }
    past_version(reader, key, position)
}

/// The version of `key` that was written at exactly `position`, and superseded or deleted since.
pub(super) fn past_version<R: Reader>(
    reader: &R,
    key: &Bytes,
    position: Position,
) -> Result<Option<Version>, StoreError> {
    match reader.get(Space::History, &history_key(key, position))? {
        None => Ok(None),
        Some(value) => decode_past(value, position).map_err(damaged(Space::History)),
    }
}

/// The version of `key` that was its newest before revision `main`, unless it was deleted then; looks in `History` only, so
/// there must be a change at `main` or later.
pub(super) fn superseded_before<R: Reader>(
    reader: &R,
    key: &Bytes,
    main: Revision,
) -> Result<Option<Version>, StoreError> {
    let found = newest_past(reader, key, Position { main, sub: 0 })?;
    Ok(found.and_then(|found| found.version))
}

/// The newest entry of `key` in `History` before `end`.
pub(super) fn newest_past<R: Reader>(
    reader: &R,
    key: &Bytes,
    end: Position,
) -> Result<Option<Found>, StoreError> {
    let entry = reader.first(Space::History, history_before(key, end), Direction::Backward)?;
    entry.map(|entry| past(Ok(entry))).transpose()
}

/// The live version of `key`.
pub(super) fn newest_version<R: Reader>(reader: &R, key: &[u8]) -> Result<Option<Version>, StoreError> {
    match reader.get(Space::Current, key)? {
        None => Ok(None),
        Some(value) => Version::decode_current(value).map(Some).map_err(damaged(Space::Current)),
    }
}

struct AllVersions<C: Iterator, P: Iterator> {
    current: Peekable<C>,
    past: Peekable<P>,
}

impl<C, P> Iterator for AllVersions<C, P>
where
    C: Iterator<Item = Result<Found, StoreError>>,
    P: Iterator<Item = Result<Found, StoreError>>,
{
    type Item = Result<Found, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        // What stands in `Current` is newer than all that it superseded.
        match (self.current.peek(), self.past.peek()) {
            (Some(Ok(current)), Some(Ok(past))) if past.key <= current.key => self.past.next(),
            (None, _) | (_, Some(Err(_))) => self.past.next(),
            _ => self.current.next(),
        }
    }
}

/// A version, and its deletion if a mark deleted it.
fn current(
    entry: Result<Entry, KvError>,
    marks: &Marks,
) -> impl Iterator<Item = Result<Found, StoreError>> + use<> {
    let found = entry.map_err(StoreError::from).and_then(|(key, value)| {
        let deletion = marks.deletion(&key, &value).map_err(damaged(Space::Current))?;
        let deletion = deletion.map(|position| Found { key: key.clone(), position, version: None });
        let version = Version::decode_current(value).map_err(damaged(Space::Current))?;
        Ok((Found { key, position: version.position, version: Some(version) }, deletion))
    });
    let (first, second) = match found {
        Ok((version, deletion)) => (Ok(version), deletion.map(Ok)),
        Err(error) => (Err(error), None),
    };
    [Some(first), second].into_iter().flatten()
}

fn past(entry: Result<Entry, KvError>) -> Result<Found, StoreError> {
    let (history_key, value) = entry?;
    let (key, position) = split_history_key(&history_key).map_err(damaged(Space::History))?;
    let version = decode_past(value, position).map_err(damaged(Space::History))?;
    Ok(Found { key, position, version })
}
