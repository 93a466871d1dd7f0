//! Running one operation: reads, compares, puts, deletes, leases.
//!
//! An operation runs against a reader that already shows what earlier operations changed, and writes into the overlay.
//! All its changes get one revision, the one after the store's, and positions within it in their order. Whether it succeeds
//! is found out while it runs; the caller takes its changes back if it fails.
//!
//! Transactions follow etcd: first *all* compares, nested ones too, on the state before; then every put and range of the
//! chosen path is checked on that same state; then the operations run in order, later ones seeing earlier ones.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
};

use bytes::Bytes;

use super::{
    Compare, CompareResult, CompareTarget, DeleteRequest, DeleteResponse, Event, EventKind, KeyRange,
    KeyValue, LeaseId, PutRequest, PutResponse, RequestOp, ResponseOp, Revision, StoreError, TxnRequest,
    TxnResponse,
    check::check_key,
    compaction::carry_out,
    marks::Marked,
    overlay::Overlay,
    range::{Window, range},
    record::{
        DELETED, Logged, Position, Version, attachment_key, damaged, history_key, lease_key, split_lease_key,
    },
    versions::newest_version,
};
use crate::kv::{Direction, Entry, Reader, Space, Span};

/// One operation on its way.
pub(super) struct Execution<'a, K> {
    overlay: &'a mut Overlay<K>,
    /// What the store was before.
    before: Window,
    /// How many changes there are so far.
    changes: u32,
    events: Option<Vec<Event>>,
    /// Keys that are new, and keys that have gone.
    came_and_went: Vec<(Bytes, bool)>,
}

impl<'a, K: Reader> Execution<'a, K> {
    pub fn new(overlay: &'a mut Overlay<K>, before: Window, collect_events: bool) -> Self {
        let events = collect_events.then(Vec::new);
        Self { overlay, before, changes: 0, events, came_and_went: Vec::new() }
    }

    /// The store's revision now, what happened, and which keys are new or have gone, in their order.
    pub fn finish(self) -> (Revision, Vec<Event>, Vec<(Bytes, bool)>) {
        let revision = self.revision();
        let mut events = self.events.unwrap_or_default();
        settle_previous(&mut events);
        (revision, events, self.came_and_went)
    }

    fn revision(&self) -> Revision {
        if self.changes == 0 { self.before.newest } else { self.changing_revision() }
    }

    /// What this operation's changes are stamped with.
    fn changing_revision(&self) -> Revision {
        self.before.newest + 1
    }

    pub fn put(&mut self, request: &PutRequest) -> Result<PutResponse, StoreError> {
        check_key(&request.key)?;
        let replaced = self.newest(&request.key)?;
        let previous = replaced.clone().map(Version::decode_current).transpose();
        let previous = previous.map_err(damaged(Space::Current))?;
        check_put(&self.overlay.shown(), request, previous.as_ref())?;
        let value = match &previous {
            Some(previous) if request.ignore_value => previous.value.clone(),
            _ => request.value.clone(),
        };
        let lease = match &previous {
            Some(previous) if request.ignore_lease => previous.lease,
            _ => request.lease,
        };
        let position = self.next_position();
        let version = Version {
            position,
            create_revision: previous.as_ref().map_or(position.main, |previous| previous.create_revision),
            version: previous.as_ref().map_or(1, |previous| previous.version + 1),
            lease,
            value,
        };
        // What the request's bytes are a part of is not to stay in memory as long as the key does.
        let key = &Bytes::copy_from_slice(&request.key);
        match (&previous, replaced) {
            (Some(previous), Some(replaced)) => self.retire(key, previous.position, replaced),
            _ => self.came_and_went.push((key.clone(), true)),
        }
        let detached = previous.as_ref().map_or(0, |previous| previous.lease);
        if detached != lease {
            self.detach(detached, key);
            if lease != 0 {
                self.overlay.put(Space::LeaseKey, attachment_key(lease, key), Bytes::new());
            }
        }
        self.overlay.put(Space::Current, key.clone(), version.encode_current());
        let ended = previous.as_ref().map(|previous| previous.position);
        self.overlay.put(Space::Log, Logged::log_key(position), Logged::encode_put(ended, key));
        if self.events.is_none() && !request.prev_kv {
            return Ok(PutResponse { prev_kv: None });
        }
        let previous = previous.map(|previous| previous.into_key_value(key.clone()));
        if let Some(events) = &mut self.events {
            let kv = version.into_key_value(key.clone());
            events.push(Event { kind: EventKind::Put, kv, prev_kv: previous.clone() });
        }
        Ok(PutResponse { prev_kv: previous.filter(|_| request.prev_kv) })
    }

    pub fn delete(&mut self, request: &DeleteRequest) -> Result<DeleteResponse, StoreError> {
        let mut prev_kvs = Vec::new();
        let mut deleted = 0;
        for (key, value) in self.live_versions(&request.range)? {
            deleted += 1;
            let previous = self.delete_key(key, value, request.prev_kv)?;
            prev_kvs.extend(previous);
        }
        Ok(DeleteResponse { deleted, prev_kvs })
    }

    pub fn revoke(&mut self, id: LeaseId) -> Result<(), StoreError> {
        if self.overlay.get(Space::Lease, &lease_key(id))?.is_none() {
            return Err(StoreError::LeaseNotFound(id));
        }
        for key in attached_keys(&self.overlay.shown(), id)? {
            if let Some(value) = self.newest(&key)? {
                self.delete_key(key, value, false)?;
            }
        }
        self.overlay.remove(Space::Lease, lease_key(id));
        Ok(())
    }

    pub fn txn(&mut self, request: &TxnRequest) -> Result<TxnResponse, StoreError> {
        let mut path = VecDeque::new();
        choose_path(&self.overlay.shown(), request, &mut path)?;
        check_path_puts(&self.overlay.shown(), request, &mut path.iter())?;
        check_path_ranges(self.before, request, &mut path.iter())?;
        self.run_path(request, &mut path)
    }

    fn run_path(
        &mut self,
        request: &TxnRequest,
        path: &mut VecDeque<bool>,
    ) -> Result<TxnResponse, StoreError> {
        let (succeeded, operations) = branch(request, path.pop_front());
        let mut responses = Vec::with_capacity(operations.len());
        for operation in operations {
            let response = match operation {
                RequestOp::Range(request) => {
                    // What changed here is counted when all of it has.
                    let is_counted = self.came_and_went.is_empty();
                    let window = Window { newest: self.revision(), is_counted, ..self.before };
                    let response = range(&self.overlay.shown(), window, request)?;
                    ResponseOp::Range { revision: self.revision(), response }
                }
                RequestOp::Put(request) => {
                    let response = self.put(request)?;
                    ResponseOp::Put { revision: self.revision(), response }
                }
                RequestOp::Delete(request) => {
                    let response = self.delete(request)?;
                    ResponseOp::Delete { revision: self.revision(), response }
                }
                RequestOp::Txn(request) => {
                    let response = self.run_path(request, path)?;
                    ResponseOp::Txn { revision: self.revision(), response }
                }
            };
            responses.push(response);
        }
        Ok(TxnResponse { succeeded, responses })
    }

    /// Deletes a key whose newest version stands as `replaced`; gives that version if it is `wanted`.
    fn delete_key(
        &mut self,
        key: Bytes,
        replaced: Bytes,
        wanted: bool,
    ) -> Result<Option<KeyValue>, StoreError> {
        let version = Version::decode_current(replaced.clone()).map_err(damaged(Space::Current))?;
        let position = self.next_position();
        self.retire(&key, version.position, replaced);
        self.detach(version.lease, &key);
        self.overlay.remove(Space::Current, key.clone());
        self.came_and_went.push((key.clone(), false));
        self.overlay.put(Space::History, history_key(&key, position), DELETED);
        self.overlay.put(
            Space::Log,
            Logged::log_key(position),
            Logged::encode_delete(version.position, &key),
        );
        if self.events.is_none() && !wanted {
            return Ok(None);
        }
        let previous = version.into_key_value(key.clone());
        if let Some(events) = &mut self.events {
            let kv = KeyValue { key, mod_revision: position.main, ..KeyValue::default() };
            events.push(Event { kind: EventKind::Delete, kv, prev_kv: Some(previous.clone()) });
        }
        Ok(Some(previous).filter(|_| wanted))
    }

    /// The keys of a range, and their newest versions as they stand in `Current`.
    fn live_versions(&mut self, keys: &KeyRange) -> Result<Vec<Entry>, StoreError> {
        if keys.is_single() {
            let value = self.newest(&keys.key)?;
            return Ok(value.map(|value| (keys.key.clone(), value)).into_iter().collect());
        }
        // They may be slices of tables' blocks, and keep those: neighbours in a range are neighbours there, so little is kept in vain.
        let shown = self.overlay.shown();
        let entries = shown.scan(Space::Current, keys.span(), Direction::Forward);
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// The newest version of `key`, as it stands in `Current`. What a mark deleted is carried out, and not there then.
    fn newest(&mut self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        let Some(value) = self.overlay.newest(key)? else { return Ok(None) };
        let deletion = self.overlay.marks.deletion(key, &value).map_err(damaged(Space::Current))?;
        let Some(deletion) = deletion else { return Ok(Some(value)) };
        carry_out(self.overlay, self.before.compacted, key, value, deletion)?;
        Ok(None)
    }

    fn next_position(&mut self) -> Position {
        let position = Position { main: self.changing_revision(), sub: self.changes };
        self.changes += 1;
        position
    }

    /// Moves what was the newest version of `key` into its history.
    fn retire(&mut self, key: &[u8], position: Position, replaced: Bytes) {
        self.overlay.put(Space::History, history_key(key, position), replaced);
    }

    fn detach(&mut self, lease: LeaseId, key: &[u8]) {
        if lease != 0 {
            self.overlay.remove(Space::LeaseKey, attachment_key(lease, key));
        }
    }
}

/// A transaction without writes, on any reader.
pub(super) fn read_only_txn<R: Reader>(
    reader: &Marked<'_, R>,
    window: Window,
    request: &TxnRequest,
) -> Result<TxnResponse, StoreError> {
    let mut path = VecDeque::new();
    choose_path(reader, request, &mut path)?;
    check_path_ranges(window, request, &mut path.iter())?;
    read_path(reader, window, request, &mut path)
}

fn read_path<R: Reader>(
    reader: &Marked<'_, R>,
    window: Window,
    request: &TxnRequest,
    path: &mut VecDeque<bool>,
) -> Result<TxnResponse, StoreError> {
    let revision = window.newest;
    let (succeeded, operations) = branch(request, path.pop_front());
    let mut responses = Vec::with_capacity(operations.len());
    for operation in operations {
        responses.push(match operation {
            RequestOp::Range(request) => {
                ResponseOp::Range { revision, response: range(reader, window, request)? }
            }
            RequestOp::Txn(request) => {
                ResponseOp::Txn { revision, response: read_path(reader, window, request, path)? }
            }
            RequestOp::Put(_) | RequestOp::Delete(_) => return Err(StoreError::WriteInReadOnlyTxn),
        });
    }
    Ok(TxnResponse { succeeded, responses })
}

/// The keys attached to a lease, in order.
pub(super) fn attached_keys<R: Reader>(reader: &R, id: LeaseId) -> Result<Vec<Bytes>, StoreError> {
    let mut keys = Vec::new();
    for entry in reader.scan(Space::LeaseKey, Span::prefix(lease_key(id)), Direction::Forward) {
        let (attachment, _) = entry?;
        keys.push(split_lease_key(attachment).map_err(damaged(Space::LeaseKey))?.1);
    }
    Ok(keys)
}

/// An event's previous version is the one before its *revision*: if one operation changed a key twice, the second change
/// has the first one's.
fn settle_previous(events: &mut [Event]) {
    if events.len() < 2 {
        return;
    }
    let mut first: BTreeMap<Bytes, Option<KeyValue>> = BTreeMap::new();
    for event in events {
        match first.get(&event.kv.key) {
            Some(previous) => event.prev_kv.clone_from(previous),
            None => {
                first.insert(event.kv.key.clone(), event.prev_kv.clone());
            }
        }
    }
}

fn branch(request: &TxnRequest, chosen: Option<bool>) -> (bool, &[RequestOp]) {
    match chosen.expect("the path has one choice for every transaction on it") {
        true => (true, &request.success),
        false => (false, &request.failure),
    }
}

/// Which branch each transaction takes, outer before inner, in the order in which they will run.
fn choose_path<R: Reader>(
    reader: &R,
    request: &TxnRequest,
    path: &mut VecDeque<bool>,
) -> Result<(), StoreError> {
    let mut holds = true;
    for compare in &request.compare {
        if !compare_holds(reader, compare)? {
            holds = false;
            break;
        }
    }
    path.push_back(holds);
    for operation in branch(request, Some(holds)).1 {
        if let RequestOp::Txn(nested) = operation {
            choose_path(reader, nested, path)?;
        }
    }
    Ok(())
}

fn check_path_puts<R: Reader>(
    reader: &R,
    request: &TxnRequest,
    path: &mut dyn Iterator<Item = &bool>,
) -> Result<(), StoreError> {
    for operation in branch(request, path.next().copied()).1 {
        match operation {
            RequestOp::Put(put) => {
                check_key(&put.key)?;
                let needs_previous = put.ignore_value || put.ignore_lease;
                let previous = if needs_previous { newest_version(reader, &put.key)? } else { None };
                check_put(reader, put, previous.as_ref())?;
            }
            RequestOp::Txn(nested) => check_path_puts(reader, nested, path)?,
            RequestOp::Range(_) | RequestOp::Delete(_) => {}
        }
    }
    Ok(())
}

fn check_path_ranges(
    window: Window,
    request: &TxnRequest,
    path: &mut dyn Iterator<Item = &bool>,
) -> Result<(), StoreError> {
    for operation in branch(request, path.next().copied()).1 {
        match operation {
            RequestOp::Range(request) => window.resolve(request.revision).map(drop)?,
            RequestOp::Txn(nested) => check_path_ranges(window, nested, path)?,
            RequestOp::Put(_) | RequestOp::Delete(_) => {}
        }
    }
    Ok(())
}

fn check_put<R: Reader>(
    reader: &R,
    request: &PutRequest,
    previous: Option<&Version>,
) -> Result<(), StoreError> {
    if (request.ignore_value || request.ignore_lease) && previous.is_none() {
        return Err(StoreError::KeyNotFound);
    }
    if request.lease != 0
        && !request.ignore_lease
        && reader.get(Space::Lease, &lease_key(request.lease))?.is_none()
    {
        return Err(StoreError::LeaseNotFound(request.lease));
    }
    Ok(())
}

/// Over a range it must hold for every key; where there is no key, for one that has never been: all zero, without a value.
fn compare_holds<R: Reader>(reader: &R, compare: &Compare) -> Result<bool, StoreError> {
    if compare.range.is_single() {
        let version = newest_version(reader, &compare.range.key)?;
        return Ok(holds_for(compare, version.as_ref()));
    }
    let mut any = false;
    for entry in reader.scan(Space::Current, compare.range.span(), Direction::Forward) {
        let version = Version::decode_current(entry?.1).map_err(damaged(Space::Current))?;
        if !holds_for(compare, Some(&version)) {
            return Ok(false);
        }
        any = true;
    }
    Ok(any || holds_for(compare, None))
}

fn holds_for(compare: &Compare, version: Option<&Version>) -> bool {
    let number = |field: fn(&Version) -> i64| version.map_or(0, field);
    let order = match &compare.target {
        CompareTarget::Version(than) => number(|version| version.version).cmp(than),
        CompareTarget::Create(than) => number(|version| version.create_revision).cmp(than),
        CompareTarget::Mod(than) => number(|version| version.position.main).cmp(than),
        CompareTarget::Lease(than) => number(|version| version.lease).cmp(than),
        CompareTarget::Value(than) => match version {
            // A value that is not there is neither equal nor unequal to any.
            None => return false,
            Some(version) => version.value.cmp(than),
        },
    };
    match compare.result {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}
