//! Requests of clients: decoded, checked, and turned into the store's terms, as the gRPC services do it.
//!
//! The first byte chooses the request. What the checks let through must be what the store's own codec can carry: else a request
//! would pass the edge and be refused by every replica.

#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use synod_server::api::{check, convert};
use synod_server::proto::etcdserverpb as pb;
use synod_storage::mvcc::{Operation, check_operation};

/// etcd's default.
const OPERATIONS_MAX: usize = 128;

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| exercise(input)
);

fn exercise(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 8 {
        0 => range(rest),
        1 => put(rest),
        2 => delete(rest),
        3 => txn(rest),
        4 => again::<pb::WatchRequest>(rest),
        5 => again::<pb::LeaseGrantRequest>(rest),
        6 => again::<pb::CompactionRequest>(rest),
        _ => again::<pb::LeaseTimeToLiveRequest>(rest),
    }
}

fn range(input: &[u8]) {
    let Ok(request) = pb::RangeRequest::decode(input) else { return };
    let _ = check::range(&request);
    let _ = convert::range_request(request);
}

fn put(input: &[u8]) {
    let Ok(request) = pb::PutRequest::decode(input) else { return };
    if check::put(&request).is_ok() {
        carried(&Operation::Put(convert::put_request(request)));
    }
}

fn delete(input: &[u8]) {
    let Ok(request) = pb::DeleteRangeRequest::decode(input) else { return };
    if check::delete(&request).is_ok() {
        carried(&Operation::Delete(convert::delete_request(request)));
    }
}

fn txn(input: &[u8]) {
    let Ok(request) = pb::TxnRequest::decode(input) else { return };
    let _ = convert::read_only(&request);
    if check::txn(&request, OPERATIONS_MAX).is_ok() {
        carried(&Operation::Txn(convert::txn_request(request)));
    }
}

/// The store's codec carries the operation, unless the store's own rules refuse it.
fn carried(operation: &Operation) {
    if check_operation(operation, OPERATIONS_MAX).is_ok() {
        assert_eq!(
            Operation::decode(operation.encode()).as_ref(),
            Ok(operation),
            "a checked request reaches the store"
        );
    }
}

/// What can be read is written back to something that means the same.
fn again<Request: Message + Default + PartialEq + std::fmt::Debug>(input: &[u8]) {
    let Ok(request) = Request::decode(input) else { return };
    assert_eq!(
        Request::decode(&request.encode_to_vec()[..]),
        Ok(request),
        "a request survives its own encoding"
    );
}

fn seeds() -> Vec<Vec<u8>> {
    let put =
        pb::PutRequest { key: "key".into(), value: "value".into(), prev_kv: true, ..Default::default() };
    let range = pb::RangeRequest {
        key: "a".into(),
        range_end: "z".into(),
        limit: 3,
        sort_order: 1,
        sort_target: 4,
        ..Default::default()
    };
    let delete = pb::DeleteRangeRequest { key: "a".into(), range_end: "\0".into(), prev_kv: true };
    let compare = pb::Compare {
        result: 1,
        target: 2,
        key: "key".into(),
        target_union: Some(pb::compare::TargetUnion::ModRevision(7)),
        ..Default::default()
    };
    let operation = |request| pb::RequestOp { request: Some(request) };
    let inner = pb::TxnRequest {
        success: vec![operation(pb::request_op::Request::RequestRange(range.clone()))],
        ..Default::default()
    };
    let txn = pb::TxnRequest {
        compare: vec![compare],
        success: vec![
            operation(pb::request_op::Request::RequestPut(put.clone())),
            operation(pb::request_op::Request::RequestTxn(inner)),
        ],
        failure: vec![operation(pb::request_op::Request::RequestDeleteRange(delete.clone()))],
    };
    let create = pb::WatchCreateRequest {
        key: "key".into(),
        start_revision: 5,
        prev_kv: true,
        filters: vec![1],
        ..Default::default()
    };
    let watch =
        pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
    let encoded = [
        range.encode_to_vec(),
        put.encode_to_vec(),
        delete.encode_to_vec(),
        txn.encode_to_vec(),
        watch.encode_to_vec(),
        pb::LeaseGrantRequest { ttl: 60, id: 7 }.encode_to_vec(),
        pb::CompactionRequest { revision: 3, physical: true }.encode_to_vec(),
        pb::LeaseTimeToLiveRequest { id: 7, keys: true }.encode_to_vec(),
    ];
    (0..).zip(encoded).map(|(kind, bytes)| [vec![kind], bytes].concat()).collect()
}
