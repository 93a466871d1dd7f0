//! All watches of one replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use synod_machine::RequestId;
use synod_storage::kv::Reader;
use synod_storage::mvcc::{Event, EventKind, HistoryLimits, KeyRange, Revision, StoreError, View};

use super::{STREAM_OUTPUTS_MAX, WatchControl, WatchCreate, WatchEnd, WatchId, WatchOutput};

/// Where the hub reads what its watches missed.
pub trait History {
    /// The store's newest revision.
    fn revision(&self) -> Revision;
    /// The oldest revision that can be read.
    fn compacted(&self) -> Revision;
    /// A bounded page of the events in `range` from revision `from` on, whole revisions only, and the first revision that was
    /// not looked at. If that is `from`, it cannot be told yet what happened there.
    fn events(
        &self,
        range: &KeyRange,
        from: Revision,
        prev_kv: bool,
    ) -> Result<(Vec<Event>, Revision), StoreError>;
}

impl<S: Reader> History for View<S> {
    fn revision(&self) -> Revision {
        View::revision(self)
    }

    fn compacted(&self) -> Revision {
        View::compacted(self)
    }

    fn events(
        &self,
        range: &KeyRange,
        from: Revision,
        prev_kv: bool,
    ) -> Result<(Vec<Event>, Revision), StoreError> {
        let page = self.history(range, from, prev_kv, HistoryLimits::default())?;
        Ok((page.events, page.next_revision))
    }
}

/// Outputs by stream, in order.
pub type HubOutput = Vec<(RequestId, WatchOutput)>;

/// The watches of one replica, told of each revision once.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    streams: BTreeMap<RequestId, Stream>,
    /// Synced watches of one key.
    keys: BTreeMap<Bytes, BTreeSet<WatchKey>>,
    /// Synced watches of a range, by its begin and end.
    ranges: BTreeMap<(Bytes, Bytes), BTreeSet<WatchKey>>,
    behind: BTreeSet<WatchKey>,
}

type WatchKey = (RequestId, WatchId);

#[derive(Clone, Debug, Default)]
struct Stream {
    watches: BTreeMap<WatchId, Watch>,
    /// Outputs that the client has not taken.
    untaken: u32,
    /// At most one question a watch and one for all: who asks twice before the answer gets one.
    progress_asked: BTreeSet<Option<WatchId>>,
}

#[derive(Clone, Debug)]
struct Watch {
    range: KeyRange,
    /// Everything before this revision was given, or is not wanted.
    next: Revision,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    /// It is behind because of what could not be told at once, not of its client.
    is_owed: bool,
}

impl Hub {
    /// Acts on a control.
    pub fn control(
        &mut self,
        stream: RequestId,
        control: WatchControl,
        history: &impl History,
        out: &mut HubOutput,
    ) {
        match control {
            WatchControl::Create(create) => self.create(stream, create, history, out),
            WatchControl::Cancel(id) => {
                if self.remove((stream, id)) {
                    let revision = history.revision();
                    out.push((stream, WatchOutput::Canceled { id, revision, reason: WatchEnd::Asked }));
                    // It may have been the one that the others' progress waited for.
                    self.answer_progress(stream, revision, out);
                }
            }
            WatchControl::Progress(id) => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.progress_asked.insert(id);
                }
                self.answer_progress(stream, history.revision(), out);
            }
        }
    }

    /// The client took some outputs.
    pub fn taken(&mut self, stream: RequestId, outputs: u32) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.untaken = stream.untaken.saturating_sub(outputs);
        }
    }

    /// The stream is gone, and its watches with it.
    pub fn close(&mut self, stream: RequestId) {
        let ids: Vec<WatchId> = self
            .streams
            .get(&stream)
            .map(|stream| stream.watches.keys().copied().collect())
            .unwrap_or_default();
        for id in ids {
            self.remove((stream, id));
        }
        self.streams.remove(&stream);
    }

    /// The events of one new revision, in the order of their changes.
    pub fn publish(&mut self, revision: Revision, events: &[Event], out: &mut HubOutput) {
        if self.keys.is_empty() && self.ranges.is_empty() {
            return;
        }
        let mut fallen = Vec::new();
        for (members, matched) in self.matches(events) {
            // One shared copy of the events for all watches with the same filters: 100 watchers cost 100 references.
            let mut shared: [Option<Arc<[Event]>>; 4] = [const { None }; 4];
            for key in members {
                let (stream, id) = key;
                let Some(state) = self.streams.get_mut(&stream) else { continue };
                let Some(watch) = state.watches.get_mut(&id) else { continue };
                if revision < watch.next {
                    continue;
                }
                let filter = usize::from(watch.no_put) | usize::from(watch.no_delete) << 1;
                let events = shared[filter].get_or_insert_with(|| {
                    matched.iter().filter(|event| watch.wants(event)).map(|event| (*event).clone()).collect()
                });
                if events.is_empty() {
                    continue;
                }
                if state.untaken >= STREAM_OUTPUTS_MAX {
                    watch.next = revision;
                    fallen.push(key);
                    continue;
                }
                state.untaken += 1;
                watch.next = revision + 1;
                out.push((stream, WatchOutput::Events { id, revision, events: Arc::clone(events) }));
            }
        }
        for key in fallen {
            self.unindex(key);
            self.behind.insert(key);
        }
    }

    /// The keys of a range were deleted in one new revision, and history tells which later: watches that this concerns wait for it.
    pub fn publish_later(&mut self, revision: Revision, deleted: &KeyRange) {
        let concerned = |range: &KeyRange| range.meets(deleted);
        let keys = self.keys.iter().filter(|(key, _)| deleted.contains(key)).map(|(_, members)| members);
        let ranges = self
            .ranges
            .iter()
            .filter(|((key, end), _)| concerned(&KeyRange { key: key.clone(), end: end.clone() }))
            .map(|(_, members)| members);
        for key in keys.chain(ranges).flatten().copied().collect::<Vec<_>>() {
            let state = self.streams.get_mut(&key.0);
            let Some(watch) = state.and_then(|state| state.watches.get_mut(&key.1)) else { continue };
            if revision >= watch.next && !watch.no_delete {
                (watch.next, watch.is_owed) = (revision, true);
                self.unindex(key);
                self.behind.insert(key);
            }
        }
    }

    /// Whether some watch waits for what [`Hub::publish_later`] put off, and its client has room.
    pub fn owes(&self) -> bool {
        let is_owed = |(stream, id): &WatchKey| {
            let watch = self.streams.get(stream).and_then(|state| state.watches.get(id));
            watch.is_some_and(|watch| watch.is_owed) && self.has_room(*stream)
        };
        self.behind.iter().any(is_owed)
    }

    /// Reads history for watches that are behind and whose clients have room. Returns whether there is more to do now.
    pub fn catch_up(&mut self, history: &impl History, outputs_max: usize, out: &mut HubOutput) -> bool {
        let mut outputs = 0;
        let behind: Vec<WatchKey> = self.behind.iter().copied().collect();
        for key in behind {
            let mut comes_further = true;
            while comes_further && self.behind.contains(&key) && self.has_room(key.0) {
                if outputs >= outputs_max {
                    return true;
                }
                outputs += 1;
                comes_further = self.catch_up_one(key, history, out);
            }
            self.answer_progress(key.0, history.revision(), out);
        }
        false
    }

    /// Another store stands behind the hub, which was told of everything up to `seen`: what lies between is read from its history.
    pub fn replaced(&mut self, seen: Revision) {
        let synced: Vec<WatchKey> = self
            .streams
            .iter()
            .flat_map(|(stream, state)| state.watches.keys().map(|id| (*stream, *id)))
            .filter(|key| !self.behind.contains(key))
            .collect();
        for key in synced {
            self.unindex(key);
            self.behind.insert(key);
            if let Some(watch) = self.streams.get_mut(&key.0).and_then(|state| state.watches.get_mut(&key.1))
            {
                watch.next = watch.next.max(seen + 1);
            }
        }
    }

    /// Number of watches.
    pub fn watches(&self) -> usize {
        self.streams.values().map(|stream| stream.watches.len()).sum()
    }

    /// How many of them have not caught up.
    pub fn behind(&self) -> usize {
        self.behind.len()
    }

    /// Whether some watch waits for history and its client has room.
    pub fn wants_history(&self) -> bool {
        self.behind.iter().any(|(stream, _)| self.has_room(*stream))
    }

    fn create(
        &mut self,
        stream: RequestId,
        create: WatchCreate,
        history: &impl History,
        out: &mut HubOutput,
    ) {
        let revision = history.revision();
        let WatchCreate { id, range, start_revision, no_put, no_delete, prev_kv } = create;
        self.remove((stream, id));
        let next = if start_revision <= 0 { revision + 1 } else { start_revision };
        self.streams
            .entry(stream)
            .or_default()
            .watches
            .insert(id, Watch { range, next, no_put, no_delete, prev_kv, is_owed: false });
        out.push((stream, WatchOutput::Created { id, revision }));
        if next > revision {
            self.index((stream, id));
        } else {
            self.behind.insert((stream, id));
        }
    }

    /// Whether it came further.
    fn catch_up_one(&mut self, key: WatchKey, history: &impl History, out: &mut HubOutput) -> bool {
        let (stream, id) = key;
        let revision = history.revision();
        let state = self.streams.get_mut(&stream);
        let Some(watch) = state.and_then(|state| state.watches.get_mut(&id)) else {
            self.behind.remove(&key);
            return true;
        };
        if watch.next > revision {
            watch.is_owed = false;
            self.behind.remove(&key);
            self.index(key);
            return true;
        }
        let read = if watch.next < history.compacted() {
            Err(StoreError::Compacted { requested: watch.next, compacted: history.compacted() })
        } else {
            history.events(&watch.range, watch.next, watch.prev_kv)
        };
        let (mut events, next) = match read {
            Ok(read) => read,
            Err(error) => {
                let reason = match error {
                    StoreError::Compacted { compacted, .. } => WatchEnd::Compacted(compacted),
                    other => WatchEnd::Refused(other.to_string()),
                };
                self.remove(key);
                out.push((stream, WatchOutput::Canceled { id, revision, reason }));
                return true;
            }
        };
        events.retain(|event| watch.wants(event));
        let Some(state) = self.streams.get_mut(&stream) else { return false };
        let Some(watch) = state.watches.get_mut(&id) else { return false };
        assert!(next >= watch.next, "history must not go back: from {} to {next}", watch.next);
        let comes_further = next > watch.next;
        watch.next = next;
        if !events.is_empty() {
            state.untaken += 1;
            out.push((stream, WatchOutput::Events { id, revision, events: events.into() }));
        }
        comes_further
    }

    fn answer_progress(&mut self, stream: RequestId, revision: Revision, out: &mut HubOutput) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if state.progress_asked.is_empty()
            || self.behind.range((stream, WatchId::MIN)..=(stream, WatchId::MAX)).next().is_some()
        {
            return;
        }
        for id in std::mem::take(&mut state.progress_asked) {
            out.push((stream, WatchOutput::Progress { id, revision }));
        }
    }

    /// Synced watches that the events concern, by their common range.
    fn matches<'e>(&self, events: &'e [Event]) -> Vec<(Vec<WatchKey>, Vec<&'e Event>)> {
        let mut by_key: BTreeMap<&Bytes, Vec<&Event>> = BTreeMap::new();
        let mut by_range: BTreeMap<&(Bytes, Bytes), Vec<&Event>> = BTreeMap::new();
        for event in events {
            let key = &event.kv.key;
            if let Some((key, _)) = self.keys.get_key_value(key) {
                by_key.entry(key).or_default().push(event);
            }
            for range in self.ranges.keys().take_while(|(begin, _)| begin <= key) {
                if contains(&range.0, &range.1, key) {
                    by_range.entry(range).or_default().push(event);
                }
            }
        }
        let keys = by_key.into_iter().map(|(key, events)| (self.keys[key].iter().copied().collect(), events));
        let ranges = by_range
            .into_iter()
            .map(|(range, events)| (self.ranges[range].iter().copied().collect(), events));
        keys.chain(ranges).collect()
    }

    fn has_room(&self, stream: RequestId) -> bool {
        self.streams.get(&stream).is_some_and(|state| state.untaken < STREAM_OUTPUTS_MAX)
    }

    fn index(&mut self, key: WatchKey) {
        let Some(watch) = self.streams.get(&key.0).and_then(|state| state.watches.get(&key.1)) else {
            return;
        };
        let KeyRange { key: begin, end } = watch.range.clone();
        if end.is_empty() {
            self.keys.entry(begin).or_default().insert(key);
        } else {
            self.ranges.entry((begin, end)).or_default().insert(key);
        }
    }

    fn unindex(&mut self, key: WatchKey) {
        let Some(watch) = self.streams.get(&key.0).and_then(|state| state.watches.get(&key.1)) else {
            return;
        };
        let KeyRange { key: begin, end } = watch.range.clone();
        if end.is_empty() {
            if let Some(members) = self.keys.get_mut(&begin) {
                members.remove(&key);
                if members.is_empty() {
                    self.keys.remove(&begin);
                }
            }
        } else if let Some(members) = self.ranges.get_mut(&(begin.clone(), end.clone())) {
            members.remove(&key);
            if members.is_empty() {
                self.ranges.remove(&(begin, end));
            }
        }
    }

    fn remove(&mut self, key: WatchKey) -> bool {
        self.unindex(key);
        self.behind.remove(&key);
        self.streams.get_mut(&key.0).is_some_and(|state| state.watches.remove(&key.1).is_some())
    }
}

impl Watch {
    fn wants(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        }
    }
}

/// Whether `key` lies in the range from `begin` to `end`; an end of `"\0"` is beyond every key.
fn contains(begin: &Bytes, end: &Bytes, key: &Bytes) -> bool {
    key >= begin && (end.as_ref() == b"\0" || key < end)
}
