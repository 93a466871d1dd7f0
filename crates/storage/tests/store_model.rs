//! The store against a model that is too simple to be wrong: a list of all changes ever made.
//!
//! Random operations go to several stores that differ in everything that must not matter: how many operations a flush
//! takes, power cuts with replay, how far physical compaction is, a snapshot transfer in between, and the engine. All must give
//! the model's answers and the same hashes.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use synod_storage::{
    kv::{Kv, MemoryKv},
    mvcc::*,
};

/// A store that nobody can doubt: every change ever, in order.
#[derive(Default)]
struct Model {
    changes: Vec<Event>,
    live: BTreeMap<Bytes, KeyValue>,
    leases: BTreeMap<LeaseId, i64>,
    revision: Revision,
    compacted: Revision,
}

impl Model {
    fn new() -> Self {
        Self { revision: 1, ..Self::default() }
    }

    fn apply(&mut self, operation: &Operation) -> Result<Vec<Event>, StoreError> {
        let main = self.revision + 1;
        let mut events = Vec::new();
        let before = self.live.clone();
        match operation {
            Operation::Put(put) => self.put(main, put, &mut events)?,
            Operation::Delete(delete) => self.delete(main, &delete.range, &mut events),
            Operation::Txn(txn) => {
                let compare = &txn.compare[0];
                let CompareTarget::Mod(than) = compare.target else {
                    panic!("the model compares mod revisions")
                };
                let holds = self.live.get(&compare.range.key).map_or(0, |kv| kv.mod_revision) == than;
                for operation in if holds { &txn.success } else { &txn.failure } {
                    match operation {
                        RequestOp::Put(put) => self.put(main, put, &mut events)?,
                        RequestOp::Delete(delete) => self.delete(main, &delete.range, &mut events),
                        _ => panic!("the model knows puts and deletes"),
                    }
                }
            }
            Operation::Compact { revision } => {
                let (requested, compacted, current) = (*revision, self.compacted, self.revision);
                if requested <= compacted {
                    return Err(StoreError::Compacted { requested, compacted });
                }
                if requested > current {
                    return Err(StoreError::FutureRevision { requested, current });
                }
                self.compacted = requested;
            }
            Operation::LeaseGrant { id, ttl_seconds } => {
                if self.leases.contains_key(id) {
                    return Err(StoreError::LeaseExists(*id));
                }
                self.leases.insert(*id, *ttl_seconds);
            }
            Operation::LeaseRevoke { id } => {
                if self.leases.remove(id).is_none() {
                    return Err(StoreError::LeaseNotFound(*id));
                }
                for key in self.lease_keys(*id) {
                    self.delete(main, &KeyRange::key(key), &mut events);
                }
            }
        }
        if !events.is_empty() {
            self.revision = main;
        }
        for event in &mut events {
            // What was there before the revision, even if the operation changed the key twice.
            event.prev_kv = before.get(&event.kv.key).cloned();
        }
        self.changes.extend(events.iter().cloned());
        Ok(events)
    }

    fn put(&mut self, main: Revision, put: &PutRequest, events: &mut Vec<Event>) -> Result<(), StoreError> {
        if put.lease != 0 && !self.leases.contains_key(&put.lease) {
            return Err(StoreError::LeaseNotFound(put.lease));
        }
        let prev_kv = self.live.get(&put.key).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            value: put.value.clone(),
            create_revision: prev_kv.as_ref().map_or(main, |kv| kv.create_revision),
            mod_revision: main,
            version: prev_kv.as_ref().map_or(0, |kv| kv.version) + 1,
            lease: put.lease,
        };
        self.live.insert(put.key.clone(), kv.clone());
        events.push(Event { kind: EventKind::Put, kv, prev_kv });
        Ok(())
    }

    fn delete(&mut self, main: Revision, range: &KeyRange, events: &mut Vec<Event>) {
        let keys: Vec<Bytes> = self.live.keys().filter(|key| range.contains(key)).cloned().collect();
        for key in keys {
            let prev_kv = self.live.remove(&key);
            let kv = KeyValue { key, mod_revision: main, ..KeyValue::default() };
            events.push(Event { kind: EventKind::Delete, kv, prev_kv });
        }
    }

    fn lease_keys(&self, id: LeaseId) -> Vec<Bytes> {
        self.live.values().filter(|kv| kv.lease == id).map(|kv| kv.key.clone()).collect()
    }

    fn at(&self, revision: Revision, range: &KeyRange) -> Vec<KeyValue> {
        let mut state = BTreeMap::new();
        for event in self.changes.iter().filter(|event| event.kv.mod_revision <= revision) {
            match event.kind {
                EventKind::Put => state.insert(event.kv.key.clone(), event.kv.clone()),
                EventKind::Delete => state.remove(&event.kv.key),
            };
        }
        state.into_values().filter(|kv| range.contains(&kv.key)).collect()
    }

    fn history(&self, from: Revision, range: &KeyRange) -> Vec<Event> {
        let relevant = |event: &&Event| event.kv.mod_revision >= from && range.contains(&event.kv.key);
        let visible = |event: &Event| {
            let mut event = event.clone();
            if event.kv.mod_revision <= self.compacted {
                event.prev_kv = None;
            }
            event
        };
        self.changes.iter().filter(relevant).map(visible).collect()
    }
}

/// What a store is put through between operations.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Flush,
    Persist,
    Sweep(usize),
    Crash(usize),
    Transfer(usize),
    None,
}

fn key() -> impl Strategy<Value = Bytes> {
    // Zero bytes and prefixes of each other on purpose.
    prop::sample::select(vec!["a", "a\0", "a\0b", "ab", "b", "c\u{7f}"]).prop_map(Bytes::from)
}

fn range_of_keys() -> impl Strategy<Value = KeyRange> {
    let end = prop_oneof![Just(Bytes::new()), Just(Bytes::from_static(b"\0")), key()];
    (key(), end).prop_map(|(key, end)| KeyRange { key, end })
}

fn put() -> impl Strategy<Value = PutRequest> {
    let lease = prop_oneof![3 => Just(0), 2 => 1i64..4];
    (key(), any::<u8>(), lease).prop_map(|(key, value, lease)| PutRequest {
        key,
        value: vec![value].into(),
        lease,
        ..PutRequest::default()
    })
}

fn delete() -> impl Strategy<Value = DeleteRequest> {
    range_of_keys().prop_map(|range| DeleteRequest { range, prev_kv: false })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let branch = || {
        let operation = prop_oneof![put().prop_map(RequestOp::Put), delete().prop_map(RequestOp::Delete)];
        prop::collection::vec(operation, 0..4)
    };
    (key(), 0i64..12, branch(), branch()).prop_map(|(key, than, success, failure)| {
        let compare = Compare {
            range: KeyRange::key(key),
            result: CompareResult::Equal,
            target: CompareTarget::Mod(than),
        };
        TxnRequest { compare: vec![compare], success, failure }
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => put().prop_map(Operation::Put),
        3 => delete().prop_map(Operation::Delete),
        4 => txn()
            .prop_filter("a key twice", |txn| check_txn(txn, TXN_OPERATIONS_MAX, TXN_NESTING_MAX).is_ok())
            .prop_map(Operation::Txn),
        2 => (0i64..30).prop_map(|revision| Operation::Compact { revision }),
        2 => (1i64..4, 1i64..9).prop_map(|(id, ttl_seconds)| Operation::LeaseGrant { id, ttl_seconds }),
        1 => (1i64..4).prop_map(|id| Operation::LeaseRevoke { id }),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => Just(Trouble::Flush),
        1 => Just(Trouble::Persist),
        3 => (1usize..4).prop_map(Trouble::Sweep),
        1 => (0usize..6).prop_map(Trouble::Crash),
        1 => (1usize..200).prop_map(Trouble::Transfer),
        6 => Just(Trouble::None),
    ]
}

/// Sends the store's flushed state to an empty one.
fn transfer<K: Kv>(from: &mut Store<K>, mut to: Store<K>, chunk_bytes_max: usize) -> Store<K> {
    from.flush().unwrap();
    let view = from.view();
    let mut installer = to.begin_install().unwrap();
    while !installer.is_complete() {
        let cursor = SnapshotCursor::decode(installer.cursor().encode()).unwrap();
        let chunk = view.snapshot_chunk(&cursor, chunk_bytes_max).unwrap();
        installer.accept(&chunk.bytes).unwrap();
        assert!(chunk.next.is_none_or(|next| next == *installer.cursor()));
    }
    to.install(installer).unwrap();
    to
}

/// Applies all operations with trouble in between; a crash loses operations, which are then applied again.
fn run_troubled(operations: &[Operation], troubles: &[Trouble], marked_keys_min: u64) -> Store<MemoryKv> {
    let open = |engine| {
        let mut store = Store::open(engine).unwrap();
        store.mark_from(marked_keys_min);
        store
    };
    let mut store = open(MemoryKv::new());
    let mut troubles = troubles.iter().copied();
    while (store.applied_index() as usize) < operations.len() {
        let index = store.applied_index() + 1;
        store.apply(index, &operations[index as usize - 1], Events::Skip).unwrap();
        store.set_meta(b"last", Some(index.to_string().into()));
        match troubles.next().unwrap_or(Trouble::None) {
            Trouble::None => {}
            Trouble::Flush => store.flush().unwrap(),
            Trouble::Persist => {
                store.flush().unwrap();
                assert_eq!(store.persist().unwrap(), index);
            }
            Trouble::Sweep(changes) => drop(store.compact_step(changes).unwrap()),
            Trouble::Crash(keep) => {
                let persisted = store.persisted_index();
                let mut engine = store.into_engine();
                engine.crash(keep);
                store = open(engine);
                assert!(store.applied_index() >= persisted);
            }
            Trouble::Transfer(bytes) => {
                store = transfer(&mut store, open(MemoryKv::new()), bytes);
            }
        }
        let applied = store.applied_index();
        let last = (applied > 0).then(|| Bytes::from(applied.to_string()));
        assert_eq!(store.meta(b"last").unwrap(), last, "the owner's entries go with the operations");
    }
    store.flush().unwrap();
    store
}

fn kvs_of(model: &Model, revision: Revision, range: &KeyRange) -> (Vec<KeyValue>, i64) {
    let kvs = model.at(revision, range);
    let count = kvs.len() as i64;
    (kvs, count)
}

/// The same answer, made of pieces of all sizes; a single key comes whole.
fn in_pieces<S: synod_storage::kv::Reader>(view: &View<S>, request: &RangeRequest) -> (Vec<KeyValue>, i64) {
    let count = view.range_total(request).unwrap().count;
    if !request.comes_in_pieces() {
        return (view.range(request).unwrap().kvs, count);
    }
    let (mut kvs, mut cursor) = (Vec::new(), Some(RangeCursor::default()));
    while let Some(at) = cursor {
        let piece = view.range_piece(request, &at, kvs.len() * 40).unwrap();
        assert!(!piece.kvs.is_empty() || piece.next.is_none(), "a piece with nothing in it is the last");
        kvs.extend(piece.kvs);
        cursor = piece.next;
    }
    (kvs, count)
}

fn check_against_model<S: synod_storage::kv::Reader>(view: &View<S>, model: &Model, ranges: &[KeyRange]) {
    check_reads(view, model, ranges);
    for range in ranges {
        for from in model.compacted.max(1)..=model.revision + 1 {
            let page = view.history(range, from, true, HistoryLimits::default()).unwrap();
            assert_eq!(page.events, model.history(from, range), "from {from}");
            assert_eq!(page.next_revision, model.revision + 1);
        }
    }
}

/// All but the events, which may be told later.
fn check_reads<S: synod_storage::kv::Reader>(view: &View<S>, model: &Model, ranges: &[KeyRange]) {
    assert_eq!((view.revision(), view.compacted()), (model.revision, model.compacted));
    for range in ranges {
        for revision in model.compacted.max(1)..=model.revision {
            let request = RangeRequest { range: range.clone(), revision, ..RangeRequest::default() };
            let kvs = model.at(revision, range);
            let count = kvs.len() as i64;
            assert_eq!(view.range(&request), Ok(RangeResponse { kvs, more: false, count }), "at {revision}");
            assert_eq!(in_pieces(view, &request), kvs_of(model, revision, range), "in pieces at {revision}");
            let counted = view.range(&RangeRequest { count_only: true, ..request }).unwrap();
            assert_eq!((counted.count, counted.kvs.len()), (count, 0));
        }
        for from in model.compacted.max(1)..=model.revision + 1 {
            let page = view.history(range, from, true, HistoryLimits::default()).unwrap();
            let told: Vec<Event> = model
                .history(from, range)
                .into_iter()
                .filter(|event| event.kv.mod_revision < page.next_revision)
                .collect();
            assert_eq!(page.events, told, "from {from} to {}", page.next_revision);
            assert!((from..=model.revision + 1).contains(&page.next_revision));
        }
    }
    for id in 1..4 {
        assert_eq!(view.lease_keys(id).unwrap(), model.lease_keys(id));
        assert_eq!(view.lease_ttl_seconds(id).unwrap(), model.leases.get(&id).copied());
    }
    assert_eq!(view.leases().unwrap(), model.leases.clone().into_iter().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_store_is_the_model(
        operations in prop::collection::vec(operation(), 1..40),
        troubles in prop::collection::vec(trouble(), 0..80),
        ranges in prop::collection::vec(range_of_keys(), 3),
        pages in (1usize..5, 1usize..40, 1usize..6),
        marked_keys_min in 1u64..5,
    ) {
        let mut model = Model::new();
        let mut calm = Store::open(MemoryKv::new()).unwrap();
        calm.mark_from(marked_keys_min);
        for (index, operation) in operations.iter().enumerate() {
            let applied = calm.apply(index as u64 + 1, operation, Events::Collect).unwrap();
            calm.set_meta(b"last", Some((index + 1).to_string().into()));
            match model.apply(operation) {
                Ok(events) => {
                    prop_assert!(applied.outcome.is_ok(), "{:?}", applied.outcome);
                    match applied.later {
                        Some(range) => prop_assert!(events.iter().all(|event| range.contains(&event.kv.key))),
                        None => prop_assert_eq!(applied.events, events),
                    }
                }
                Err(error) => {
                    // The model does not undo; the drawn transactions fail before they change anything, or not at all.
                    model.live = model.at(model.revision, &KeyRange::all())
                        .into_iter().map(|kv| (kv.key.clone(), kv)).collect();
                    prop_assert_eq!(applied.outcome, Err(error));
                    prop_assert_eq!(applied.events, vec![]);
                }
            }
            prop_assert_eq!(applied.revision, model.revision);
        }
        calm.flush().unwrap();
        let mut troubled = run_troubled(&operations, &troubles, marked_keys_min);
        let ranges = [&ranges[..], &[KeyRange::all()]].concat();
        check_reads(&calm.view(), &model, &ranges);
        check_reads(&troubled.view(), &model, &ranges);
        prop_assert_eq!(calm.view().hash(), troubled.view().hash());
        for revision in model.compacted.max(1)..=model.revision {
            prop_assert_eq!(calm.view().hash_kv(revision), troubled.view().hash_kv(revision));
        }

        // Once marks are carried out there are the events, too.
        for store in [&mut calm, &mut troubled] {
            let hash = store.view().hash();
            while store.is_marked() {
                store.compact_step(1).unwrap();
                check_reads(&store.view(), &model, &ranges);
            }
            check_against_model(&store.view(), &model, &ranges);
            prop_assert_eq!(store.view().hash(), hash);
        }

        // Sweeping to the end changes nothing, and a second time does nothing.
        let mut swept = troubled.clone();
        while swept.compact_step(2).unwrap() == Sweep::Unfinished {}
        check_against_model(&swept.view(), &model, &ranges);
        prop_assert_eq!(swept.view().hash(), calm.view().hash());

        // However history is cut into pages, whole revisions come, each once.
        let (events_max, bytes_max, changes_max) = pages;
        let limits = HistoryLimits { events_max, bytes_max, changes_max };
        let (mut from, mut events) = (model.compacted.max(1), Vec::new());
        while from <= model.revision {
            let page = calm.view().history(&ranges[0], from, true, limits).unwrap();
            prop_assert!(page.next_revision > from);
            prop_assert!(page.events.iter().all(|event| (from..page.next_revision).contains(&event.kv.mod_revision)));
            from = page.next_revision;
            events.extend(page.events);
        }
        prop_assert_eq!(events, model.history(model.compacted.max(1), &ranges[0]));
    }
}

/// The same on disk: fewer cases, since each opens real files.
#[cfg(feature = "disk")]
mod disk {
    use synod_storage::kv::{FjallKv, FjallOptions};

    use super::*;

    fn open(directory: &tempfile::TempDir) -> Store<FjallKv> {
        let options = FjallOptions { layer_bytes: 1 << 10, ..FjallOptions::default() };
        let mut store = Store::open(FjallKv::open(directory.path(), options).unwrap()).unwrap();
        store.mark_from(2);
        store
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

        #[test]
        fn the_engine_makes_no_difference(
            operations in prop::collection::vec(operation(), 1..40),
            flush_every in 1usize..8,
            chunk_bytes_max in 1usize..300,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut store = open(&directory);
            let mut memory = Store::open(MemoryKv::new()).unwrap();
            memory.mark_from(2);
            for (index, operation) in (1..).zip(&operations) {
                let applied = store.apply(index, operation, Events::Collect).unwrap();
                prop_assert_eq!(applied, memory.apply(index, operation, Events::Collect).unwrap());
                if (index as usize).is_multiple_of(flush_every) {
                    store.flush().unwrap();
                }
                if index.is_multiple_of(16) {
                    store.flush().unwrap();
                    store.persist().unwrap();
                    drop(store);
                    store = open(&directory);
                    prop_assert_eq!(store.applied_index(), index);
                }
                store.compact_step(1).unwrap();
            }
            store.flush().unwrap();
            memory.flush().unwrap();
            prop_assert_eq!(store.view().hash(), memory.view().hash());

            let elsewhere = tempfile::tempdir().unwrap();
            let copy = transfer(&mut store, open(&elsewhere), chunk_bytes_max);
            prop_assert_eq!(copy.view().hash(), memory.view().hash());
            drop(copy);
            prop_assert_eq!(open(&elsewhere).view().hash(), memory.view().hash());
        }
    }
}
