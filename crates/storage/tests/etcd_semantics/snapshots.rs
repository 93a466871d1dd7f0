//! Views and snapshots: what they show, and what an installer refuses.

use super::*;

fn chunks(view: &View<synod_storage::kv::MemorySnapshot>, bytes_max: usize) -> Vec<Bytes> {
    let mut cursor = Some(SnapshotCursor::default());
    let mut chunks = Vec::new();
    while let Some(at) = cursor {
        let chunk = view.snapshot_chunk(&at, bytes_max).unwrap();
        assert_eq!(view.snapshot_chunk(&at, bytes_max).unwrap(), chunk, "a lost chunk is made again");
        chunks.push(chunk.bytes);
        cursor = chunk.next;
    }
    chunks
}

#[test]
fn a_view_shows_what_was_flushed_and_never_changes() {
    let mut store = Store::open(MemoryKv::new()).unwrap();
    store.apply(1, &Operation::Put(put("a", "1")), Events::Skip).unwrap();
    let before = store.view();
    store.flush().unwrap();
    let after = store.view();
    store.apply(2, &Operation::Put(put("a", "2")), Events::Skip).unwrap();
    store.flush().unwrap();
    let read = |view: &View<_>| view.range(&reading(KeyRange::key("a"))).unwrap().kvs;
    assert_eq!((before.applied_index(), before.revision(), read(&before).len()), (0, 1, 0));
    assert_eq!((after.applied_index(), after.revision()), (1, 2));
    assert_eq!(read(&after)[0].value, "1");
}

#[test]
fn chunks_are_bounded_and_carry_everything() {
    let mut fixture = Fixture::with(&["a", "b", "c"]);
    fixture.grant(1).unwrap();
    fixture.store.set_meta(b"sessions", Some("table".into()));
    fixture.apply(Operation::Put(PutRequest { lease: 1, ..put("a", "2") }));
    let view = fixture.store.view();
    let chunks = chunks(&view, 60);
    assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.len() <= 60));
    let mut copy = Fixture::with(&["other"]);
    let mut installer = copy.store.begin_install().unwrap();
    let complete: Vec<bool> = chunks.iter().map(|chunk| installer.accept(chunk).unwrap()).collect();
    assert!(complete.iter().rev().skip(1).all(|complete| !complete) && installer.is_complete());
    assert_eq!(copy.store.install(installer), Ok(5));
    assert_eq!(copy.store.view().hash(), view.hash());
    assert_eq!(copy.store.persisted_index(), view.applied_index());
    assert_eq!(copy.store.meta(b"sessions").unwrap(), Some("table".into()));
    let metas = copy.store.view().metas(b"sess").unwrap();
    assert_eq!(metas, [(Bytes::from("sessions"), Bytes::from("table"))]);
}

/// They would have to be believed, and one that cannot be read would come to light when the old store is gone.
#[test]
fn counts_do_not_travel_and_are_made_anew() {
    let counts = Bytes::from_static(&[1, synod_storage::kv::Space::Count as u8, 0]);
    assert!(SnapshotCursor::decode(counts).is_err(), "no chunk begins among them");
    let fixture = Fixture::with(&["a", "b", "c"]);
    let sent = chunks(&fixture.store.view(), 1 << 16);
    let mut copy = Fixture::with(&["a", "z"]);
    let mut installer = copy.store.begin_install().unwrap();
    for chunk in &sent {
        installer.accept(chunk).unwrap();
    }
    copy.store.install(installer).unwrap();
    let one = RangeRequest { limit: 1, ..reading(KeyRange::prefix("")) };
    for flushed in [false, true] {
        if flushed {
            copy.store.flush().unwrap();
        }
        assert_eq!(copy.store.view().range(&one).unwrap().count, 3);
    }
}

#[test]
fn chunks_that_do_not_fit_are_refused_and_change_nothing() {
    let mut fixture = Fixture::with(&["a", "b", "c"]);
    let view = fixture.store.view();
    let right = chunks(&view, 60);
    fixture.put("d", "1");
    let other = chunks(&fixture.store.view(), 60);
    let mut copy = Fixture::new();
    let mut installer = copy.store.begin_install().unwrap();
    assert!(installer.accept(&right[1]).is_err(), "out of turn");
    installer.accept(&right[0]).unwrap();
    assert!(installer.accept(&right[0]).is_err(), "twice");
    assert!(installer.accept(&other[1]).is_err(), "of another snapshot");
    for at in 0..right[1].len() {
        let mut damaged = right[1].to_vec();
        damaged[at] ^= 0x10;
        assert!(installer.accept(&damaged.into()).is_err(), "byte {at} damaged");
        assert!(installer.accept(&right[1].slice(..at)).is_err(), "cut at byte {at}");
    }
    for chunk in &right[1..] {
        installer.accept(chunk).unwrap();
    }
    copy.store.install(installer).unwrap();
    assert_eq!(copy.store.view().hash(), view.hash());
}

#[test]
fn incomplete_or_older_snapshots_are_not_installed() {
    let mut fixture = Fixture::with(&["a", "b", "c"]);
    let before = fixture.store.view().hash();
    let part = chunks(&fixture.store.view(), 60);
    let mut installer = fixture.store.begin_install().unwrap();
    installer.accept(&part[0]).unwrap();
    assert!(matches!(fixture.store.install(installer), Err(StoreError::Snapshot(_))));
    let older = chunks(&Fixture::with(&["x"]).store.view(), 1_000);
    let mut installer = fixture.store.begin_install().unwrap();
    assert_eq!(installer.accept(&older[0]), Ok(true));
    assert!(matches!(fixture.store.install(installer), Err(StoreError::Snapshot(_))));
    assert_eq!(fixture.store.view().hash(), before);
}
