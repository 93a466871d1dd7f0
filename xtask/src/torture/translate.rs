//! Between the checker's vocabulary and the wire: any request of the model can be sent, and its answer read back.

use bytes::Bytes;
use synod_check::specification::key_value::{
    Answer, Blob, Compare, Operand, Pair, Relation, Reply, Request, Span, SpanEnd,
};
use tonic::{Code, Status};

use super::clients::Connection;
use crate::cluster::api::etcdserverpb as wire;
use crate::cluster::api::mvccpb;
use wire::compare::{CompareResult, CompareTarget, TargetUnion};
use wire::request_op::Request as RequestUnion;
use wire::response_op::Response as ResponseUnion;

/// How a request that was sent did not succeed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server says that it refuses the request for what it asks: it has not taken effect and will not.
    Refused(String),
    /// Anything else: whether it takes effect is not known.
    Unknown(String),
    /// The answer is not one that the protocol allows. A finding.
    Malformed(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let text = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            // What etcd answers where the request itself is at fault. "Unavailable" and its like leave everything open.
            Code::InvalidArgument | Code::NotFound | Code::OutOfRange => Self::Refused(text),
            Code::Unimplemented => Self::Malformed(text),
            _ => Self::Unknown(text),
        }
    }
}

/// Sends a request of the model and reads its answer. `serializable` concerns ranges only.
pub async fn send(
    connection: &mut Connection,
    request: &Request,
    serializable: bool,
) -> Result<Answer, Failure> {
    let (header, reply) = match request {
        Request::Range { .. } => {
            let request = wire::RangeRequest { serializable, ..range(request) };
            let response = connection.kv.range(request).await?.into_inner();
            (response.header.clone(), range_reply(response))
        }
        Request::Put { .. } => {
            let response = connection.kv.put(put(request)).await?.into_inner();
            (response.header.clone(), put_reply(response))
        }
        Request::Delete { .. } => {
            let response = connection.kv.delete_range(delete(request)).await?.into_inner();
            (response.header.clone(), delete_reply(response))
        }
        Request::Txn { .. } => {
            let response = connection.kv.txn(txn(request)).await?.into_inner();
            (response.header.clone(), txn_reply(response)?)
        }
        Request::Revoke { lease } => {
            let request = wire::LeaseRevokeRequest { id: *lease };
            let response = connection.lease.lease_revoke(request).await?.into_inner();
            (response.header, Reply::Revoke)
        }
    };
    let header =
        header.ok_or_else(|| Failure::Malformed(format!("{request} was answered without a header")))?;
    connection.saw(&header);
    Ok(Answer { revision: unsigned(header.revision), reply })
}

/// A key with what the store knows of it, as the model has it.
pub fn pair(kv: mvccpb::KeyValue) -> Pair {
    Pair {
        key: blob(&kv.key),
        value: blob(&kv.value),
        create_revision: unsigned(kv.create_revision),
        mod_revision: unsigned(kv.mod_revision),
        version: unsigned(kv.version),
        lease: kv.lease,
    }
}

/// Bytes as the model keeps them.
pub fn blob(bytes: &Bytes) -> Blob {
    bytes.as_ref().into()
}

/// A revision or count; a negative one becomes a number that no check accepts.
pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A revision on the wire.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The two keys with which the wire names a span.
pub fn ends(span: &Span) -> (Bytes, Bytes) {
    // No key is empty, so everything begins at the smallest: a zero byte.
    let from =
        if span.from.is_empty() { Bytes::from_static(&[0]) } else { Bytes::copy_from_slice(&span.from) };
    let end = match &span.end {
        SpanEnd::Single => Bytes::new(),
        SpanEnd::Before(before) => Bytes::copy_from_slice(before),
        SpanEnd::Unbounded => Bytes::from_static(&[0]),
    };
    (from, end)
}

fn range(request: &Request) -> wire::RangeRequest {
    let Request::Range { span, limit, count_only } = request else { unreachable!("asked for a range") };
    let (key, range_end) = ends(span);
    wire::RangeRequest {
        key,
        range_end,
        limit: signed(*limit),
        count_only: *count_only,
        ..Default::default()
    }
}

fn put(request: &Request) -> wire::PutRequest {
    let Request::Put { key, value, lease, return_previous } = request else {
        unreachable!("asked for a put")
    };
    wire::PutRequest {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(value),
        lease: *lease,
        prev_kv: *return_previous,
        ..Default::default()
    }
}

fn delete(request: &Request) -> wire::DeleteRangeRequest {
    let Request::Delete { span, return_previous } = request else { unreachable!("asked for a delete") };
    let (key, range_end) = ends(span);
    wire::DeleteRangeRequest { key, range_end, prev_kv: *return_previous }
}

fn txn(request: &Request) -> wire::TxnRequest {
    let Request::Txn { compares, success, failure } = request else {
        unreachable!("asked for a transaction")
    };
    wire::TxnRequest {
        compare: compares.iter().map(compare).collect(),
        success: success.iter().map(operation).collect(),
        failure: failure.iter().map(operation).collect(),
    }
}

fn operation(request: &Request) -> wire::RequestOp {
    let union = match request {
        Request::Range { .. } => RequestUnion::RequestRange(range(request)),
        Request::Put { .. } => RequestUnion::RequestPut(put(request)),
        Request::Delete { .. } => RequestUnion::RequestDeleteRange(delete(request)),
        Request::Txn { .. } => RequestUnion::RequestTxn(txn(request)),
        Request::Revoke { .. } => unreachable!("a transaction holds no revocation"),
    };
    wire::RequestOp { request: Some(union) }
}

fn compare(compare: &Compare) -> wire::Compare {
    let (target, union) = match &compare.operand {
        Operand::Version(number) => (CompareTarget::Version, TargetUnion::Version(signed(*number))),
        Operand::CreateRevision(number) => {
            (CompareTarget::Create, TargetUnion::CreateRevision(signed(*number)))
        }
        Operand::ModRevision(number) => (CompareTarget::Mod, TargetUnion::ModRevision(signed(*number))),
        Operand::Value(value) => (CompareTarget::Value, TargetUnion::Value(Bytes::copy_from_slice(value))),
        Operand::Lease(lease) => (CompareTarget::Lease, TargetUnion::Lease(*lease)),
    };
    let result = match compare.relation {
        Relation::Equal => CompareResult::Equal,
        Relation::NotEqual => CompareResult::NotEqual,
        Relation::Greater => CompareResult::Greater,
        Relation::Less => CompareResult::Less,
    };
    let (key, range_end) = ends(&compare.span);
    wire::Compare { result: result.into(), target: target.into(), key, range_end, target_union: Some(union) }
}

fn range_reply(response: wire::RangeResponse) -> Reply {
    Reply::Range { pairs: response.kvs.into_iter().map(pair).collect(), count: unsigned(response.count) }
}

fn put_reply(response: wire::PutResponse) -> Reply {
    Reply::Put { previous: response.prev_kv.map(pair) }
}

fn delete_reply(response: wire::DeleteRangeResponse) -> Reply {
    Reply::Delete {
        deleted: unsigned(response.deleted),
        previous: response.prev_kvs.into_iter().map(pair).collect(),
    }
}

fn txn_reply(response: wire::TxnResponse) -> Result<Reply, Failure> {
    let replies = response.responses.into_iter().map(operation_reply).collect::<Result<_, _>>()?;
    Ok(Reply::Txn { succeeded: response.succeeded, replies })
}

fn operation_reply(response: wire::ResponseOp) -> Result<Reply, Failure> {
    match response.response {
        Some(ResponseUnion::ResponseRange(response)) => Ok(range_reply(response)),
        Some(ResponseUnion::ResponsePut(response)) => Ok(put_reply(response)),
        Some(ResponseUnion::ResponseDeleteRange(response)) => Ok(delete_reply(response)),
        Some(ResponseUnion::ResponseTxn(response)) => txn_reply(response),
        None => Err(Failure::Malformed("a transaction holds an empty answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_ends_that_the_wire_gives_them() {
        let ends = |span: &Span| {
            let (from, end) = ends(span);
            (from.to_vec(), end.to_vec())
        };
        assert_eq!(ends(&Span::key("k")), (b"k".to_vec(), Vec::new()));
        assert_eq!(ends(&Span::prefix("k")), (b"k".to_vec(), b"l".to_vec()));
        assert_eq!(ends(&Span::everything()), (vec![0], vec![0]));
    }

    #[test]
    fn only_a_request_at_fault_is_known_not_to_have_taken_effect() {
        let refused = |code: Code| matches!(Failure::from(Status::new(code, "")), Failure::Refused(_));
        assert!(refused(Code::NotFound) && refused(Code::InvalidArgument) && refused(Code::OutOfRange));
        for open in
            [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Unknown, Code::Internal]
        {
            assert!(!refused(open), "{open:?} leaves open what happens");
        }
    }
}
