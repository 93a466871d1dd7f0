//! Operations of the store as they stand in the log: decoded, written back, and applied to a store one after the other.
//!
//! The input is a row of operations, each with its length before it in two bytes. What can be decoded must come back from its own encoding,
//! and the store must survive it, with the reads of its whole content that follow.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_fuzz::{join, pieces};
use synod_storage::kv::MemoryKv;
use synod_storage::mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, Events, KeyRange, Operation, PutRequest,
    RangeRequest, RequestOp, Store, TxnRequest,
};

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| exercise(input)
);

fn exercise(input: &[u8]) {
    let mut store = Store::open(MemoryKv::new()).expect("an empty engine opens");
    for (index, piece) in (1..).zip(pieces(input)) {
        let Ok(operation) = Operation::decode(Bytes::copy_from_slice(piece)) else { continue };
        assert_eq!(
            Operation::decode(operation.encode()).as_ref(),
            Ok(&operation),
            "an operation survives its own encoding"
        );
        let before = store.revision();
        let applied =
            store.apply(index, &operation, Events::Collect).expect("an engine in memory does not fail");
        assert!(applied.revision >= before, "a revision never goes back");
        assert!(
            applied.events.iter().all(|event| event.kv.mod_revision == applied.revision),
            "events stand at the revision of their operation"
        );
    }
    store.flush().expect("an engine in memory does not fail");
    let all = RangeRequest { range: everything(), ..RangeRequest::default() };
    let _ = store.view().range(&all);
    let reopened = Store::open(store.engine().clone()).expect("what was flushed opens again");
    assert_eq!(reopened.revision(), store.revision(), "a store opens where it was flushed");
}

fn everything() -> KeyRange {
    KeyRange { key: Bytes::from_static(b"\0"), end: Bytes::from_static(b"\0") }
}

fn seeds() -> Vec<Vec<u8>> {
    let key = || Bytes::from_static(b"key");
    let one = || KeyRange { key: key(), end: Bytes::new() };
    let put = PutRequest { key: key(), value: "value".into(), prev_kv: true, ..PutRequest::default() };
    let delete = DeleteRequest { range: one(), prev_kv: true };
    let read = RangeRequest { range: everything(), ..RangeRequest::default() };
    let guards = [
        CompareTarget::Version(1),
        CompareTarget::Create(2),
        CompareTarget::Mod(2),
        CompareTarget::Value("value".into()),
        CompareTarget::Lease(0),
    ];
    let compare = |target| Compare { range: one(), result: CompareResult::Equal, target };
    let inner = TxnRequest { compare: vec![], success: vec![RequestOp::Range(read)], failure: vec![] };
    let txn = TxnRequest {
        compare: guards.into_iter().map(compare).collect(),
        success: vec![RequestOp::Put(put.clone()), RequestOp::Txn(inner)],
        failure: vec![RequestOp::Delete(delete.clone())],
    };
    let grant = Operation::LeaseGrant { id: 7, ttl_seconds: 60 };
    let attached = Operation::Put(PutRequest { key: "leased".into(), lease: 7, ..PutRequest::default() });
    let rows: [&[Operation]; 4] = [
        &[Operation::Put(put.clone()), Operation::Put(put), Operation::Delete(delete)],
        &[Operation::Txn(txn)],
        &[grant, attached, Operation::LeaseRevoke { id: 7 }],
        &[Operation::Compact { revision: 1 }],
    ];
    rows.iter().map(|row| join(row.iter().map(Operation::encode))).collect()
}
