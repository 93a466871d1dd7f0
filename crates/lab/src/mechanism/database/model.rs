//! The database's requests and answers in the words of the checkers.
//!
//! The checkers have a model of an etcd-like store of their own; that it agrees with the product's store, step by step, is part of what is
//! checked. Here one vocabulary is put into the other, and nothing is interpreted.

use bytes::Bytes;
use synod_check::etcd::Change;
use synod_check::specification::key_value::{
    Answer, Blob, Compare, Operand, Pair, Relation, Reply, Request, Span, SpanEnd,
};
use synod_storage::mvcc;

/// Bytes as the checkers hold them.
pub fn blob(bytes: &Bytes) -> Blob {
    Blob::from(&bytes[..])
}

/// A key range.
pub fn span(range: &mvcc::KeyRange) -> Span {
    let end = match &range.end[..] {
        [] => SpanEnd::Single,
        [0] => SpanEnd::Unbounded,
        _ => SpanEnd::Before(blob(&range.end)),
    };
    Span { from: blob(&range.key), end }
}

/// A range request of the present state.
pub fn range(request: &mvcc::RangeRequest) -> Request {
    Request::Range {
        span: span(&request.range),
        limit: request.limit.unsigned_abs(),
        count_only: request.count_only,
    }
}

/// A transaction.
pub fn txn(request: &mvcc::TxnRequest) -> Request {
    Request::Txn {
        compares: request.compare.iter().map(compare).collect(),
        success: request.success.iter().map(part).collect(),
        failure: request.failure.iter().map(part).collect(),
    }
}

/// A change. `None` for what no key shows: grants and compactions.
pub fn operation(operation: &mvcc::Operation) -> Option<Request> {
    match operation {
        mvcc::Operation::Put(request) => Some(put(request)),
        mvcc::Operation::Delete(request) => Some(delete(request)),
        mvcc::Operation::Txn(request) => Some(txn(request)),
        mvcc::Operation::LeaseRevoke { id } => Some(Request::Revoke { lease: *id }),
        mvcc::Operation::Compact { .. } | mvcc::Operation::LeaseGrant { .. } => None,
    }
}

/// What a change was answered. `None` as for [`operation`].
pub fn outcome(revision: mvcc::Revision, outcome: &mvcc::Outcome) -> Option<Answer> {
    let reply = match outcome {
        mvcc::Outcome::Put(response) => put_reply(response),
        mvcc::Outcome::Delete(response) => delete_reply(response),
        mvcc::Outcome::Txn(response) => txn_reply(response),
        mvcc::Outcome::LeaseRevoke => Reply::Revoke,
        mvcc::Outcome::Compact | mvcc::Outcome::LeaseGrant { .. } => return None,
    };
    Some(Answer { revision: number(revision), reply })
}

/// The answer to a range.
pub fn range_reply(response: &mvcc::RangeResponse) -> Reply {
    Reply::Range { pairs: response.kvs.iter().map(pair).collect(), count: number(response.count) }
}

/// The answer to a transaction.
pub fn txn_reply(response: &mvcc::TxnResponse) -> Reply {
    let replies = response.responses.iter().map(|part| match part {
        mvcc::ResponseOp::Range { response, .. } => range_reply(response),
        mvcc::ResponseOp::Put { response, .. } => put_reply(response),
        mvcc::ResponseOp::Delete { response, .. } => delete_reply(response),
        mvcc::ResponseOp::Txn { response, .. } => txn_reply(response),
    });
    Reply::Txn { succeeded: response.succeeded, replies: replies.collect() }
}

/// A key with its value.
pub fn pair(kv: &mvcc::KeyValue) -> Pair {
    Pair {
        key: blob(&kv.key),
        value: blob(&kv.value),
        create_revision: number(kv.create_revision),
        mod_revision: number(kv.mod_revision),
        version: number(kv.version),
        lease: kv.lease,
    }
}

/// A watcher's event.
pub fn change(event: &mvcc::Event) -> Change {
    let value = match event.kind {
        mvcc::EventKind::Put => Some(blob(&event.kv.value)),
        mvcc::EventKind::Delete => None,
    };
    Change { revision: number(event.kv.mod_revision), key: blob(&event.kv.key), value, lease: event.kv.lease }
}

/// A revision or a count: never negative in an answer of the store.
pub fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_else(|_| panic!("expected a revision or a count, found {value}"))
}

fn put(request: &mvcc::PutRequest) -> Request {
    Request::Put {
        key: blob(&request.key),
        value: blob(&request.value),
        lease: request.lease,
        return_previous: request.prev_kv,
    }
}

fn delete(request: &mvcc::DeleteRequest) -> Request {
    Request::Delete { span: span(&request.range), return_previous: request.prev_kv }
}

fn part(part: &mvcc::RequestOp) -> Request {
    match part {
        mvcc::RequestOp::Range(request) => range(request),
        mvcc::RequestOp::Put(request) => put(request),
        mvcc::RequestOp::Delete(request) => delete(request),
        mvcc::RequestOp::Txn(request) => txn(request),
    }
}

fn put_reply(response: &mvcc::PutResponse) -> Reply {
    Reply::Put { previous: response.prev_kv.as_ref().map(pair) }
}

fn delete_reply(response: &mvcc::DeleteResponse) -> Reply {
    Reply::Delete {
        deleted: number(response.deleted),
        previous: response.prev_kvs.iter().map(pair).collect(),
    }
}

fn compare(compare: &mvcc::Compare) -> Compare {
    let operand = match &compare.target {
        mvcc::CompareTarget::Version(version) => Operand::Version(number(*version)),
        mvcc::CompareTarget::Create(revision) => Operand::CreateRevision(number(*revision)),
        mvcc::CompareTarget::Mod(revision) => Operand::ModRevision(number(*revision)),
        mvcc::CompareTarget::Value(value) => Operand::Value(blob(value)),
        mvcc::CompareTarget::Lease(lease) => Operand::Lease(*lease),
    };
    let relation = match compare.result {
        mvcc::CompareResult::Equal => Relation::Equal,
        mvcc::CompareResult::NotEqual => Relation::NotEqual,
        mvcc::CompareResult::Greater => Relation::Greater,
        mvcc::CompareResult::Less => Relation::Less,
    };
    Compare { span: span(&compare.range), operand, relation }
}
