//! The past as events, for watchers that start behind or fell behind.
//!
//! A page is read from the log of changes by revision. It never splits a revision, so a watcher that has a page has all of
//! every revision in it. It is bounded in events, bytes and in log entries looked at: a watcher of one key among a million
//! changes takes many short pages, not one long one. (A single revision may go beyond the bounds on its own.)
//!
//! Events from the compacted revision on can be had, as in etcd: those *at* it are still there, deletions too, but without
//! the version before them.

use super::{
    Event, EventKind, KeyRange, KeyValue, Revision, StoreError, View,
    record::{Logged, Position, damaged},
    versions::{past_version, superseded_before, version_at_position},
};
use crate::kv::{Direction, Reader, Space};

/// Where a page of history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// No further revision is begun once there are so many events.
    pub events_max: usize,
    /// No further revision is begun once keys and values take so many bytes.
    pub bytes_max: usize,
    /// No further revision is begun once so many changes have been looked at, whether or not they matter.
    pub changes_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { events_max: 1_000, bytes_max: 1 << 20, changes_max: 10_000 }
    }
}

/// Events in order, whole revisions only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The events of the range in all revisions from the one asked for to below `next_revision`.
    pub events: Vec<Event>,
    /// Where the next page begins; one beyond the view's revision when everything has been read. The page's own beginning, if
    /// what happened there is a deletion of many keys that cannot be told yet.
    pub next_revision: Revision,
}

impl<S: Reader> View<S> {
    /// The changes to the keys of `range` from revision `from` on. A `from` beyond the newest revision gives an empty page.
    pub fn history(
        &self,
        range: &KeyRange,
        from: Revision,
        prev_kv: bool,
        limits: HistoryLimits,
    ) -> Result<HistoryPage, StoreError> {
        let compacted = self.state.compacted;
        if from < compacted {
            return Err(StoreError::Compacted { requested: from, compacted });
        }
        // What a mark deleted is in the log of changes when all of it is.
        let end = self.marks.first_in(&range.span(), from).unwrap_or(self.state.revision + 1);
        let mut page = HistoryPage { events: Vec::new(), next_revision: end.max(from) };
        if from >= end {
            return Ok(page);
        }
        let (mut bytes, mut changes, mut at) = (0, 0, from);
        for entry in self.snapshot.scan(
            Space::Log,
            Logged::span(Position { main: from, sub: 0 }, end),
            Direction::Forward,
        ) {
            let change = Logged::decode(entry?).map_err(damaged(Space::Log))?;
            let full = page.events.len() >= limits.events_max
                || bytes >= limits.bytes_max
                || changes >= limits.changes_max;
            if full && change.position.main > at {
                page.next_revision = change.position.main;
                break;
            }
            at = change.position.main;
            changes += 1;
            if range.contains(&change.key) {
                let event = self.event(change, prev_kv)?;
                bytes += event_bytes(&event);
                page.events.push(event);
            }
        }
        Ok(page)
    }

    fn event(&self, change: Logged, prev_kv: bool) -> Result<Event, StoreError> {
        let Logged { position, deleted, ended, key, .. } = change;
        let prev_kv = if prev_kv && position.main > self.state.compacted {
            let previous = match ended {
                Some(ended) if ended.main < position.main => past_version(&self.snapshot, &key, ended)?,
                None if position.sub == 0 => None,
                // An earlier change of the same revision may have ended it.
                _ => superseded_before(&self.snapshot, &key, position.main)?,
            };
            previous.map(|version| version.into_key_value(key.clone()))
        } else {
            None
        };
        if deleted {
            let kv = KeyValue { key, mod_revision: position.main, ..KeyValue::default() };
            return Ok(Event { kind: EventKind::Delete, kv, prev_kv });
        }
        let version = version_at_position(&self.snapshot, &key, position)?.ok_or_else(|| {
            StoreError::Engine(format!("the version of {key:?} at revision {} is missing", position.main))
        })?;
        Ok(Event { kind: EventKind::Put, kv: version.into_key_value(key), prev_kv })
    }
}

fn event_bytes(event: &Event) -> usize {
    let bytes = |kv: &KeyValue| kv.key.len() + kv.value.len();
    bytes(&event.kv) + event.prev_kv.as_ref().map_or(0, bytes)
}
