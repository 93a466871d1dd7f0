//! Bytes from outside: whatever they are, decoding, checking and converting them refuses or succeeds, and never panics.

use bytes::Bytes;
use pb::request_op::Request;
use proptest::prelude::*;
use prost::Message;
use synod_server::api::{check, convert};
use synod_server::proto::mvccpb;

use super::*;

fn key() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from)
}

fn compare() -> impl Strategy<Value = pb::Compare> {
    (key(), key(), any::<u8>(), any::<u8>()).prop_map(|(key, range_end, result, target)| pb::Compare {
        key,
        range_end,
        result: i32::from(result % 6),
        target: i32::from(target % 6),
        target_union: None,
    })
}

fn txn() -> impl Strategy<Value = pb::TxnRequest> {
    let leaf = prop_oneof![
        Just(None),
        (key(), key(), -1..9_i32, any::<i64>()).prop_map(|(key, range_end, sort_order, limit)| {
            Some(Request::RequestRange(pb::RangeRequest {
                key,
                range_end,
                sort_order,
                limit,
                ..Default::default()
            }))
        }),
        (key(), key(), any::<bool>()).prop_map(|(key, value, ignore_value)| {
            Some(Request::RequestPut(pb::PutRequest { key, value, ignore_value, ..Default::default() }))
        }),
    ];
    let leaf = leaf.prop_map(|request| pb::RequestOp { request });
    let op = leaf.prop_recursive(4, 32, 4, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..4);
        (list(), list()).prop_map(|(success, failure)| pb::RequestOp {
            request: Some(Request::RequestTxn(pb::TxnRequest { compare: vec![], success, failure })),
        })
    });
    (prop::collection::vec(compare(), 0..3), prop::collection::vec(op, 0..4))
        .prop_map(|(compare, success)| pb::TxnRequest { compare, success, failure: vec![] })
}

fn writes(request: &pb::TxnRequest) -> bool {
    request.success.iter().chain(&request.failure).any(|op| match &op.request {
        Some(Request::RequestRange(_)) => false,
        Some(Request::RequestTxn(nested)) => writes(nested),
        _ => true,
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_taken(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let bytes = Bytes::from(bytes);
        if let Ok(request) = pb::TxnRequest::decode(bytes.clone()) {
            let _ = check::txn(&request, 128);
            convert::txn_request(request);
        }
        if let Ok(request) = pb::RangeRequest::decode(bytes.clone()) {
            let _ = check::range(&request);
            convert::range_request(request);
        }
        let _ = pb::WatchRequest::decode(bytes.clone());
        let _ = mvccpb::Event::decode(bytes);
    }

    #[test]
    fn what_the_check_lets_through_is_converted_in_full(request in txn()) {
        let read_only = convert::read_only(&request);
        prop_assert_eq!(read_only.is_none(), writes(&request));
        if check::txn(&request, 128).is_ok() {
            let (compares, operations) = (request.compare.len(), request.success.len());
            let converted = convert::txn_request(request);
            prop_assert_eq!((converted.compare.len(), converted.success.len()), (compares, operations));
            prop_assert_eq!(synod_storage::mvcc::is_read_only(&converted), read_only.is_some());
        }
    }

    #[test]
    fn a_transaction_survives_the_wire(request in txn()) {
        prop_assert_eq!(pb::TxnRequest::decode(Bytes::from(request.encode_to_vec())).unwrap(), request);
    }
}
