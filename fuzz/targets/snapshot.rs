//! Snapshots from another replica: a row of chunks, each with its length before it in two bytes, goes to an installer.
//!
//! The first byte says whether the chunks come as they are or with the checksum that they should have, which no mutation would find.
//! Whatever was accepted and installed may be nonsense, for a checksum proves nothing; reading it gives answers or errors, never a panic.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_fuzz::{join, pieces};
use synod_storage::kv::MemoryKv;
use synod_storage::mvcc::{Events, KeyRange, Operation, PutRequest, RangeRequest, SnapshotCursor, Store};

const CHECKSUM_BYTES: usize = 4;

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| exercise(input)
);

fn exercise(input: &[u8]) {
    let Some((mode, rest)) = input.split_first() else { return };
    let mut store = Store::open(MemoryKv::new()).expect("an empty engine opens");
    let mut installer = store.begin_install().expect("an engine in memory does not fail");
    for piece in pieces(rest) {
        cursor_survives(piece);
        let mut chunk = piece.to_vec();
        if mode & 1 == 1 {
            chunk.extend_from_slice(&crc32fast::hash(piece).to_le_bytes());
        }
        let before = installer.cursor().clone();
        if installer.accept(&Bytes::from(chunk)).is_err() {
            assert_eq!(installer.cursor(), &before, "a refused chunk changes nothing");
        }
    }
    if store.install(installer).is_err() {
        assert_eq!(store.revision(), 1, "a refused snapshot changes nothing");
        return;
    }
    let all = KeyRange { key: Bytes::from_static(b"\0"), end: Bytes::from_static(b"\0") };
    for revision in [0, 1, store.revision()] {
        let _ = store.view().range(&RangeRequest { range: all.clone(), revision, ..RangeRequest::default() });
    }
    resend(&store);
}

/// What was read as a cursor is written as the same cursor.
fn cursor_survives(piece: &[u8]) {
    if let Ok(cursor) = SnapshotCursor::decode(Bytes::copy_from_slice(piece)) {
        let again = SnapshotCursor::decode(cursor.encode());
        assert_eq!(again.as_ref(), Ok(&cursor), "a cursor survives its own encoding");
    }
}

/// An installed store can be sent on.
fn resend(store: &Store<MemoryKv>) {
    let view = store.view();
    let mut cursor = Some(SnapshotCursor::default());
    while let Some(at) = cursor {
        let Ok(chunk) = view.snapshot_chunk(&at, 256) else { return };
        cursor = chunk.next;
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut store = Store::open(MemoryKv::new()).expect("an empty engine opens");
    let put = |key: &'static str, lease| PutRequest {
        key: key.into(),
        value: "value".into(),
        lease,
        ..PutRequest::default()
    };
    let operations = [
        Operation::LeaseGrant { id: 7, ttl_seconds: 60 },
        Operation::Put(put("a", 7)),
        Operation::Put(put("b", 0)),
        Operation::Put(put("a", 0)),
    ];
    for (index, operation) in (1..).zip(&operations) {
        store.apply(index, operation, Events::Skip).expect("an engine in memory does not fail");
    }
    store.set_meta(b"name", Some("owner".into()));
    store.flush().expect("an engine in memory does not fail");
    let view = store.view();
    let whole = |bytes_max| {
        let (mut chunks, mut cursors, mut cursor) = (Vec::new(), Vec::new(), SnapshotCursor::default());
        loop {
            let chunk = view.snapshot_chunk(&cursor, bytes_max).expect("an engine in memory does not fail");
            chunks.push(chunk.bytes);
            let Some(next) = chunk.next else { return (chunks, cursors) };
            cursors.push(next.encode());
            cursor = next;
        }
    };
    let mut seeds = Vec::new();
    for bytes_max in [1 << 16, 64] {
        let (chunks, cursors) = whole(bytes_max);
        let bare = chunks.iter().map(|chunk| chunk.slice(..chunk.len() - CHECKSUM_BYTES));
        seeds.push([vec![1], join(bare)].concat());
        seeds.push([vec![0], join(&chunks)].concat());
        seeds.push([vec![0], join(&cursors)].concat());
    }
    seeds
}
