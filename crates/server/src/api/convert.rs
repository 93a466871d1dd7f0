//! Between wire messages and the store's terms. Requests are taken apart by value: no key or value is copied.
//!
//! Requests come here after [`check`](super::check), so enumerations are known; what could still be unknown falls back to
//! the first of its kind. A comparison whose operand is of another kind than its target compares with zero or the empty
//! value, as etcd's does.

use synod_storage::mvcc;

use crate::backend::Consistency;
use crate::proto::etcdserverpb as pb;
use crate::proto::mvccpb;
use pb::request_op::Request;
use pb::response_op::Response;

/// How fresh a read must be.
pub fn consistency(serializable: bool) -> Consistency {
    if serializable { Consistency::Serializable } else { Consistency::Linearizable }
}

/// A read.
pub fn range_request(request: pb::RangeRequest) -> mvcc::RangeRequest {
    use pb::range_request::{SortOrder, SortTarget};
    let sort_order = match request.sort_order() {
        SortOrder::None => mvcc::SortOrder::None,
        SortOrder::Ascend => mvcc::SortOrder::Ascend,
        SortOrder::Descend => mvcc::SortOrder::Descend,
    };
    let sort_target = match request.sort_target() {
        SortTarget::Key => mvcc::SortTarget::Key,
        SortTarget::Version => mvcc::SortTarget::Version,
        SortTarget::Create => mvcc::SortTarget::Create,
        SortTarget::Mod => mvcc::SortTarget::Mod,
        SortTarget::Value => mvcc::SortTarget::Value,
    };
    mvcc::RangeRequest {
        range: mvcc::KeyRange { key: request.key, end: request.range_end },
        limit: request.limit,
        revision: request.revision,
        sort_order,
        sort_target,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    }
}

/// A write.
pub fn put_request(request: pb::PutRequest) -> mvcc::PutRequest {
    mvcc::PutRequest {
        key: request.key,
        value: request.value,
        lease: request.lease,
        prev_kv: request.prev_kv,
        ignore_value: request.ignore_value,
        ignore_lease: request.ignore_lease,
    }
}

/// A deletion.
pub fn delete_request(request: pb::DeleteRangeRequest) -> mvcc::DeleteRequest {
    mvcc::DeleteRequest {
        range: mvcc::KeyRange { key: request.key, end: request.range_end },
        prev_kv: request.prev_kv,
    }
}

/// A transaction. An operation that is none, which the check refuses, is left out.
pub fn txn_request(request: pb::TxnRequest) -> mvcc::TxnRequest {
    let operations = |ops: Vec<pb::RequestOp>| ops.into_iter().filter_map(operation).collect();
    mvcc::TxnRequest {
        compare: request.compare.into_iter().map(comparison).collect(),
        success: operations(request.success),
        failure: operations(request.failure),
    }
}

/// Whether a transaction only reads, and if so whether each of its reads is content with what this member has.
pub fn read_only(request: &pb::TxnRequest) -> Option<Consistency> {
    let mut reads = Reads::default();
    reads.visit(request).then(|| consistency(reads.some && !reads.linearizable))
}

/// A read's answer.
pub fn range_response(
    header: Option<pb::ResponseHeader>,
    response: mvcc::RangeResponse,
) -> pb::RangeResponse {
    let kvs = response.kvs.into_iter().map(key_value).collect();
    pb::RangeResponse { header, kvs, more: response.more, count: response.count }
}

/// A write's answer.
pub fn put_response(header: Option<pb::ResponseHeader>, response: mvcc::PutResponse) -> pb::PutResponse {
    pb::PutResponse { header, prev_kv: response.prev_kv.map(key_value) }
}

/// A deletion's answer.
pub fn delete_response(
    header: Option<pb::ResponseHeader>,
    response: mvcc::DeleteResponse,
) -> pb::DeleteRangeResponse {
    let prev_kvs = response.prev_kvs.into_iter().map(key_value).collect();
    pb::DeleteRangeResponse { header, deleted: response.deleted, prev_kvs }
}

/// A transaction's answer. The headers inside carry a revision and nothing else, as etcd's do.
pub fn txn_response(header: Option<pb::ResponseHeader>, response: mvcc::TxnResponse) -> pb::TxnResponse {
    let responses = response.responses.into_iter().map(operation_response).collect();
    pb::TxnResponse { header, succeeded: response.succeeded, responses }
}

/// One version of a key.
pub fn key_value(kv: mvcc::KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key,
        create_revision: kv.create_revision,
        mod_revision: kv.mod_revision,
        version: kv.version,
        value: kv.value,
        lease: kv.lease,
    }
}

/// One event, shared with other watchers, so what it holds is cloned (by reference); `prev_kv` only if asked for.
pub fn event(event: &mvcc::Event, prev_kv: bool) -> mvccpb::Event {
    let kind = match event.kind {
        mvcc::EventKind::Put => mvccpb::event::EventType::Put,
        mvcc::EventKind::Delete => mvccpb::event::EventType::Delete,
    };
    mvccpb::Event {
        r#type: kind.into(),
        kv: Some(key_value(event.kv.clone())),
        prev_kv: if prev_kv { event.prev_kv.clone().map(key_value) } else { None },
    }
}

fn operation(op: pb::RequestOp) -> Option<mvcc::RequestOp> {
    Some(match op.request? {
        Request::RequestRange(request) => mvcc::RequestOp::Range(range_request(request)),
        Request::RequestPut(request) => mvcc::RequestOp::Put(put_request(request)),
        Request::RequestDeleteRange(request) => mvcc::RequestOp::Delete(delete_request(request)),
        Request::RequestTxn(request) => mvcc::RequestOp::Txn(txn_request(request)),
    })
}

fn comparison(compare: pb::Compare) -> mvcc::Compare {
    use pb::compare::{CompareResult, CompareTarget, TargetUnion};
    let result = match compare.result() {
        CompareResult::Equal => mvcc::CompareResult::Equal,
        CompareResult::Greater => mvcc::CompareResult::Greater,
        CompareResult::Less => mvcc::CompareResult::Less,
        CompareResult::NotEqual => mvcc::CompareResult::NotEqual,
    };
    let target = match (compare.target(), compare.target_union) {
        (CompareTarget::Version, Some(TargetUnion::Version(version))) => {
            mvcc::CompareTarget::Version(version)
        }
        (CompareTarget::Version, _) => mvcc::CompareTarget::Version(0),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(revision))) => {
            mvcc::CompareTarget::Create(revision)
        }
        (CompareTarget::Create, _) => mvcc::CompareTarget::Create(0),
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(revision))) => mvcc::CompareTarget::Mod(revision),
        (CompareTarget::Mod, _) => mvcc::CompareTarget::Mod(0),
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => mvcc::CompareTarget::Value(value),
        (CompareTarget::Value, _) => mvcc::CompareTarget::Value(Default::default()),
        (CompareTarget::Lease, Some(TargetUnion::Lease(lease))) => mvcc::CompareTarget::Lease(lease),
        (CompareTarget::Lease, _) => mvcc::CompareTarget::Lease(0),
    };
    mvcc::Compare { range: mvcc::KeyRange { key: compare.key, end: compare.range_end }, result, target }
}

fn operation_response(response: mvcc::ResponseOp) -> pb::ResponseOp {
    let header = |revision| Some(pb::ResponseHeader { revision, ..Default::default() });
    pb::ResponseOp {
        response: Some(match response {
            mvcc::ResponseOp::Range { revision, response } => {
                Response::ResponseRange(range_response(header(revision), response))
            }
            mvcc::ResponseOp::Put { revision, response } => {
                Response::ResponsePut(put_response(header(revision), response))
            }
            mvcc::ResponseOp::Delete { revision, response } => {
                Response::ResponseDeleteRange(delete_response(header(revision), response))
            }
            mvcc::ResponseOp::Txn { revision, response } => {
                Response::ResponseTxn(txn_response(header(revision), response))
            }
        }),
    }
}

#[derive(Default)]
struct Reads {
    some: bool,
    linearizable: bool,
}

impl Reads {
    /// False as soon as something writes.
    fn visit(&mut self, request: &pb::TxnRequest) -> bool {
        request.success.iter().chain(&request.failure).all(|op| match &op.request {
            Some(Request::RequestRange(range)) => {
                self.some = true;
                self.linearizable |= !range.serializable;
                true
            }
            Some(Request::RequestTxn(txn)) => self.visit(txn),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_shared_shows_the_version_before_only_to_who_asked() {
        let before = mvcc::KeyValue { value: "old".into(), ..Default::default() };
        let shared =
            mvcc::Event { kind: mvcc::EventKind::Put, kv: Default::default(), prev_kv: Some(before) };
        assert!(event(&shared, false).prev_kv.is_none());
        assert_eq!(event(&shared, true).prev_kv.unwrap().value, "old");
    }
}
