//! KV: validation, its order, its words; headers; transactions; sizes.

use bytes::Bytes;
use pb::request_op::Request;
use pb::response_op::Response;
use synod_server::api::errors;
use synod_server::backend::BackendError;
use tonic::Code;

use super::support::{IDENTITY, Running, TERM};
use super::*;

async fn start() -> (Running, Kv) {
    let running = Running::start();
    let kv = Kv::new(running.channel().await);
    (running, kv)
}

fn op(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

fn put_op(key: &'static str) -> pb::RequestOp {
    op(Request::RequestPut(put(key, "v")))
}

fn delete_op(key: &'static str, end: &'static str) -> pb::RequestOp {
    op(Request::RequestDeleteRange(pb::DeleteRangeRequest {
        key: Bytes::from(key),
        range_end: Bytes::from(end),
        prev_kv: false,
    }))
}

fn nested(success: Vec<pb::RequestOp>, failure: Vec<pb::RequestOp>) -> pb::RequestOp {
    op(Request::RequestTxn(pb::TxnRequest { compare: vec![], success, failure }))
}

fn success(success: Vec<pb::RequestOp>) -> pb::TxnRequest {
    pb::TxnRequest { success, ..Default::default() }
}

#[tokio::test]
async fn headers_tell_who_answered_at_which_revision_and_term() {
    let (_running, mut kv) = start().await;
    let first = kv.put(put("a", "1")).await.unwrap().into_inner().header.unwrap();
    let expected = pb::ResponseHeader {
        cluster_id: IDENTITY.cluster_id,
        member_id: IDENTITY.member_id,
        revision: 2,
        raft_term: TERM,
    };
    assert_eq!(first, expected, "an empty store is at 1, the first put at 2");
    let nothing =
        kv.delete_range(pb::DeleteRangeRequest { key: "x".into(), ..Default::default() }).await.unwrap();
    assert_eq!(nothing.into_inner().header.unwrap().revision, 2, "deleting nothing changes nothing");
    kv.put(put("a", "2")).await.unwrap();
    let old = kv.range(pb::RangeRequest { revision: 2, ..get("a") }).await.unwrap().into_inner();
    assert_eq!(old.header.unwrap().revision, 3, "the current revision, not the one asked for");
    assert_eq!(old.kvs[0].value, "1");
}

#[tokio::test]
async fn malformed_requests_are_refused_in_etcds_order_and_words() {
    let (_running, mut kv) = start().await;
    refused(kv.range(get("")).await, errors::EMPTY_KEY);
    refused(kv.put(put("", "v")).await, errors::EMPTY_KEY);
    refused(kv.delete_range(pb::DeleteRangeRequest::default()).await, errors::EMPTY_KEY);
    refused(kv.range(pb::RangeRequest { sort_order: 9, ..get("") }).await, errors::EMPTY_KEY);
    refused(kv.range(pb::RangeRequest { sort_order: 9, ..get("a") }).await, errors::INVALID_SORT_OPTION);
    refused(kv.range(pb::RangeRequest { sort_target: -1, ..get("a") }).await, errors::INVALID_SORT_OPTION);
    let both = pb::PutRequest { ignore_value: true, ignore_lease: true, lease: 7, ..put("a", "v") };
    refused(kv.put(both.clone()).await, errors::VALUE_PROVIDED);
    refused(kv.put(pb::PutRequest { value: Bytes::new(), ..both }).await, errors::LEASE_PROVIDED);
    let missing = pb::PutRequest { ignore_value: true, ..put("a", "") };
    refused(kv.put(missing).await, errors::KEY_NOT_FOUND);
    refused(kv.put(pb::PutRequest { lease: 99, ..put("a", "v") }).await, errors::LEASE_NOT_FOUND);
}

#[tokio::test]
async fn ranges_have_every_option() {
    let (_running, mut kv) = start().await;
    for (key, value) in [("k/a", "3"), ("k/b", "1"), ("k/c", "2"), ("z", "0")] {
        kv.put(put(key, value)).await.unwrap();
    }
    kv.put(put("k/b", "1")).await.unwrap();
    let keys =
        |response: pb::RangeResponse| -> Vec<Bytes> { response.kvs.into_iter().map(|kv| kv.key).collect() };
    let all = kv.range(prefix("k/")).await.unwrap().into_inner();
    assert_eq!((all.count, all.more, all.kvs.len()), (3, false, 3));
    assert_eq!((all.kvs[1].create_revision, all.kvs[1].mod_revision, all.kvs[1].version), (3, 6, 2));
    let page = kv.range(pb::RangeRequest { limit: 2, ..prefix("k/") }).await.unwrap().into_inner();
    assert_eq!((page.count, page.more, page.kvs.len()), (3, true, 2));
    let sorted = pb::RangeRequest {
        sort_order: pb::range_request::SortOrder::Descend.into(),
        sort_target: pb::range_request::SortTarget::Value.into(),
        ..prefix("k/")
    };
    assert_eq!(keys(kv.range(sorted).await.unwrap().into_inner()), ["k/a", "k/c", "k/b"]);
    let counted = kv.range(pb::RangeRequest { count_only: true, limit: 1, ..prefix("k/") }).await.unwrap();
    let counted = counted.into_inner();
    assert_eq!((counted.count, counted.more, counted.kvs.len()), (3, false, 0));
    let bare = kv.range(pb::RangeRequest { keys_only: true, ..prefix("k/") }).await.unwrap().into_inner();
    assert!(bare.kvs.iter().all(|kv| kv.value.is_empty() && kv.mod_revision > 0));
    let recent =
        kv.range(pb::RangeRequest { min_mod_revision: 4, ..prefix("k/") }).await.unwrap().into_inner();
    assert_eq!((recent.count, recent.kvs.len()), (3, 2), "the count ignores the bounds");
    let created =
        kv.range(pb::RangeRequest { max_create_revision: 3, ..prefix("k/") }).await.unwrap().into_inner();
    assert_eq!(keys(created), ["k/a", "k/b"]);
    let zero = Bytes::from_static(b"\0");
    let everything = pb::RangeRequest { key: zero.clone(), range_end: zero, ..Default::default() };
    assert_eq!(kv.range(everything).await.unwrap().into_inner().count, 4);
}

#[tokio::test]
async fn a_revision_is_readable_between_the_compacted_one_and_the_newest() {
    let (_running, mut kv) = start().await;
    for value in ["1", "2", "3"] {
        kv.put(put("a", value)).await.unwrap();
    }
    kv.compact(pb::CompactionRequest { revision: 3, physical: true }).await.unwrap();
    let at = |revision| pb::RangeRequest { revision, ..get("a") };
    refused(kv.range(at(2)).await, errors::COMPACTED);
    assert_eq!(kv.range(at(3)).await.unwrap().into_inner().kvs[0].value, "2");
    refused(kv.range(at(9)).await, errors::FUTURE_REVISION);
    refused(kv.compact(pb::CompactionRequest { revision: 3, physical: false }).await, errors::COMPACTED);
    refused(
        kv.compact(pb::CompactionRequest { revision: 9, physical: false }).await,
        errors::FUTURE_REVISION,
    );
}

#[tokio::test]
async fn a_transaction_has_one_revision_and_bare_headers_within() {
    let (_running, mut kv) = start().await;
    let txn = pb::TxnRequest {
        compare: vec![pb::Compare {
            key: "a".into(),
            target: pb::compare::CompareTarget::Mod.into(),
            target_union: Some(pb::compare::TargetUnion::ModRevision(0)),
            ..Default::default()
        }],
        success: vec![put_op("a"), nested(vec![put_op("b")], vec![]), op(Request::RequestRange(prefix("a")))],
        failure: vec![op(Request::RequestRange(get("a")))],
    };
    let first = kv.txn(txn.clone()).await.unwrap().into_inner();
    assert!(first.succeeded);
    assert_eq!(first.header.as_ref().unwrap().revision, 2);
    let bare = Some(pb::ResponseHeader { revision: 2, ..Default::default() });
    match &first.responses[0].response {
        Some(Response::ResponsePut(put)) => assert_eq!(put.header, bare),
        other => panic!("expected a put's answer, found {other:?}"),
    }
    match &first.responses[1].response {
        Some(Response::ResponseTxn(txn)) => assert_eq!((&txn.header, txn.succeeded), (&bare, true)),
        other => panic!("expected a transaction's answer, found {other:?}"),
    }
    match &first.responses[2].response {
        Some(Response::ResponseRange(range)) => {
            assert_eq!(range.kvs[0].mod_revision, 2, "it sees what came before")
        }
        other => panic!("expected a range's answer, found {other:?}"),
    }
    let second = kv.txn(txn).await.unwrap().into_inner();
    assert!(!second.succeeded);
    assert_eq!(second.header.unwrap().revision, 2, "the branch that ran only read");
}

#[tokio::test]
async fn transactions_are_counted_by_their_longest_list_and_nested_ones_by_what_is_left() {
    let (_running, mut kv) = start().await;
    let keys: Vec<String> = (0..129).map(|n| format!("k{n}")).collect();
    let puts = |count: usize| -> Vec<pb::RequestOp> {
        let request = |key: &String| pb::PutRequest { key: key.clone().into(), ..Default::default() };
        keys[..count].iter().map(|key| op(Request::RequestPut(request(key)))).collect()
    };
    kv.txn(success(puts(128))).await.unwrap();
    refused(kv.txn(success(puts(129))).await, errors::TOO_MANY_OPERATIONS);
    kv.txn(success(vec![nested(puts(127), vec![])])).await.unwrap();
    refused(kv.txn(success(vec![nested(puts(128), vec![])])).await, errors::TOO_MANY_OPERATIONS);
    let compares = vec![pb::Compare { key: "a".into(), ..Default::default() }; 129];
    refused(
        kv.txn(pb::TxnRequest { compare: compares, ..Default::default() }).await,
        errors::TOO_MANY_OPERATIONS,
    );
}

#[tokio::test]
async fn malformed_transactions_are_refused_before_they_run() {
    let (_running, mut kv) = start().await;
    refused(kv.txn(success(vec![put_op("a"), put_op("a")])).await, errors::DUPLICATE_KEY);
    refused(kv.txn(success(vec![delete_op("a", "c"), put_op("b")])).await, errors::DUPLICATE_KEY);
    let unused = pb::TxnRequest { failure: vec![put_op("a"), put_op("a")], ..Default::default() };
    refused(kv.txn(unused).await, errors::DUPLICATE_KEY);
    refused(
        kv.txn(success(vec![nested(vec![put_op("a")], vec![]), put_op("a")])).await,
        errors::DUPLICATE_KEY,
    );
    refused(kv.txn(success(vec![pb::RequestOp { request: None }])).await, errors::KEY_NOT_FOUND);
    refused(kv.txn(success(vec![put_op(""), put_op("a"), put_op("a")])).await, errors::EMPTY_KEY);
    let no_key = pb::TxnRequest { compare: vec![pb::Compare::default()], ..Default::default() };
    refused(kv.txn(no_key).await, errors::EMPTY_KEY);
    let unknown = pb::Compare { key: "a".into(), target: 77, ..Default::default() };
    refused(
        kv.txn(pb::TxnRequest { compare: vec![unknown], ..Default::default() }).await,
        errors::UNKNOWN_COMPARE,
    );
    assert_eq!(kv.range(get("a")).await.unwrap().into_inner().header.unwrap().revision, 1, "nothing ran");
    // Allowed: both branches of a nested transaction write the same key, deletes overlap.
    kv.txn(success(vec![nested(vec![put_op("a")], vec![put_op("a")])])).await.unwrap();
    kv.txn(success(vec![delete_op("a", "c"), delete_op("b", "d")])).await.unwrap();
}

#[tokio::test]
async fn a_request_may_have_so_many_bytes_and_a_message_a_little_more() {
    let (_running, mut kv) = start().await;
    let value = |bytes: usize| pb::PutRequest { value: vec![7; bytes].into(), ..put("a", "") };
    kv.put(value(1_500_000)).await.unwrap();
    refused(kv.put(value(1_600_000)).await, errors::REQUEST_TOO_LARGE);
    let status = kv.put(value(2_200_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "grpc: received message larger than max (2200008 vs. 2097152)");
    kv.put(value(10)).await.unwrap();
}

#[tokio::test]
async fn only_serializable_reads_do_without_the_other_members() {
    let (running, mut kv) = start().await;
    kv.put(put("a", "1")).await.unwrap();
    running.memory.set(|state| state.refuse = Some(BackendError::Timeout));
    let local = pb::RangeRequest { serializable: true, ..get("a") };
    assert_eq!(kv.range(local.clone()).await.unwrap().into_inner().kvs.len(), 1);
    refused(kv.range(get("a")).await, errors::TIMEOUT);
    let read = |request| success(vec![op(Request::RequestRange(request))]);
    kv.txn(read(local)).await.unwrap();
    refused(kv.txn(read(get("a"))).await, errors::TIMEOUT);
    refused(kv.txn(pb::TxnRequest::default()).await, errors::TIMEOUT);
}

#[tokio::test]
async fn what_the_node_refuses_has_etcds_code_and_text() {
    let (running, mut kv) = start().await;
    for (refusal, error) in [
        (BackendError::NoLeader, errors::NO_LEADER),
        (BackendError::LeaderChanged, errors::LEADER_CHANGED),
        (BackendError::Timeout, errors::TIMEOUT),
        (BackendError::TooManyRequests, errors::TOO_MANY_REQUESTS),
        (BackendError::NoSpace, errors::NO_SPACE),
        (BackendError::Stopped, errors::STOPPED),
        (BackendError::Corrupt, errors::CORRUPT),
        (BackendError::RequestTooLarge, errors::REQUEST_TOO_LARGE),
    ] {
        running.memory.set(|state| state.refuse = Some(refusal));
        refused(kv.put(put("a", "v")).await, error);
    }
}
