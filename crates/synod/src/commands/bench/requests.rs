//! Requests of the checkers' model on the wire, and their answers back.
//!
//! What is recorded and what is sent are one value, so a history cannot say something else than what was asked. Values are sent filled up to the
//! wanted size, and what comes back is recorded without the filling.

use bytes::Bytes;
use synod_check::specification::key_value::{
    Answer, Blob, Compare, Operand, Pair, Relation, Reply, Request, Span, SpanEnd,
};
use synod_server::proto::etcdserverpb as wire;
use synod_server::proto::mvccpb;
use wire::compare::{CompareResult, CompareTarget, TargetUnion};
use wire::request_op::Request as RequestUnion;
use wire::response_op::Response as ResponseUnion;

use super::history::{filled, unfilled};
use super::workload::{Question, read};

/// The message that asks for it, with values of that many bytes.
pub fn question(request: &Request, value_bytes: usize) -> Question {
    match part(request, value_bytes) {
        RequestUnion::RequestRange(range) => Question::Range(range),
        RequestUnion::RequestPut(put) => Question::Put(put),
        RequestUnion::RequestDeleteRange(delete) => Question::Delete(delete),
        RequestUnion::RequestTxn(txn) => Question::Txn(Box::new(txn)),
    }
}

/// What a message answers to that request.
///
/// # Errors
/// It is not an answer to it: in words.
pub fn answer(request: &Request, message: Bytes) -> Result<Answer, String> {
    let (header, reply) = match request {
        Request::Range { .. } => {
            let response: wire::RangeResponse = read(message)?;
            (response.header, range_reply(response))
        }
        Request::Put { .. } => {
            let response: wire::PutResponse = read(message)?;
            (response.header, Reply::Put { previous: response.prev_kv.map(pair) })
        }
        Request::Delete { .. } => {
            let response: wire::DeleteRangeResponse = read(message)?;
            (response.header, delete_reply(response))
        }
        Request::Txn { .. } => {
            let response: wire::TxnResponse = read(message)?;
            (response.header, txn_reply(response)?)
        }
        Request::Revoke { .. } => return Err("a revocation is not among the requests".to_owned()),
    };
    let header = header.ok_or("the answer has no header")?;
    Ok(Answer { revision: unsigned(header.revision), reply })
}

fn part(request: &Request, value_bytes: usize) -> RequestUnion {
    match request {
        Request::Range { span, limit, count_only } => {
            let (key, range_end) = ends(span);
            let (limit, count_only) = (signed(*limit), *count_only);
            RequestUnion::RequestRange(wire::RangeRequest {
                key,
                range_end,
                limit,
                count_only,
                ..Default::default()
            })
        }
        Request::Put { key, value, lease, return_previous } => RequestUnion::RequestPut(wire::PutRequest {
            key: Bytes::copy_from_slice(key),
            value: filled(value, value_bytes),
            lease: *lease,
            prev_kv: *return_previous,
            ..Default::default()
        }),
        Request::Delete { span, return_previous } => {
            let (key, range_end) = ends(span);
            let prev_kv = *return_previous;
            RequestUnion::RequestDeleteRange(wire::DeleteRangeRequest { key, range_end, prev_kv })
        }
        Request::Txn { compares, success, failure } => {
            let parts = |requests: &[Request]| {
                let parts = requests.iter().map(|request| part(request, value_bytes));
                parts.map(|request| wire::RequestOp { request: Some(request) }).collect()
            };
            RequestUnion::RequestTxn(wire::TxnRequest {
                compare: compares.iter().map(compare).collect(),
                success: parts(success),
                failure: parts(failure),
            })
        }
        Request::Revoke { .. } => unreachable!("no client of a measurement revokes a lease of another's"),
    }
}

fn compare(compare: &Compare) -> wire::Compare {
    let (key, range_end) = ends(&compare.span);
    let (target, union) = match &compare.operand {
        Operand::Value(value) => (CompareTarget::Value, TargetUnion::Value(Bytes::copy_from_slice(value))),
        Operand::Version(number) => (CompareTarget::Version, TargetUnion::Version(signed(*number))),
        Operand::CreateRevision(number) => {
            (CompareTarget::Create, TargetUnion::CreateRevision(signed(*number)))
        }
        Operand::ModRevision(number) => (CompareTarget::Mod, TargetUnion::ModRevision(signed(*number))),
        Operand::Lease(lease) => (CompareTarget::Lease, TargetUnion::Lease(*lease)),
    };
    let result = match compare.relation {
        Relation::Equal => CompareResult::Equal,
        Relation::NotEqual => CompareResult::NotEqual,
        Relation::Greater => CompareResult::Greater,
        Relation::Less => CompareResult::Less,
    };
    wire::Compare { result: result.into(), target: target.into(), key, range_end, target_union: Some(union) }
}

fn ends(span: &Span) -> (Bytes, Bytes) {
    let end = match &span.end {
        SpanEnd::Single => Bytes::new(),
        SpanEnd::Unbounded => Bytes::from_static(b"\0"),
        SpanEnd::Before(end) => Bytes::copy_from_slice(end),
    };
    (Bytes::copy_from_slice(&span.from), end)
}

fn range_reply(response: wire::RangeResponse) -> Reply {
    Reply::Range { count: unsigned(response.count), pairs: response.kvs.into_iter().map(pair).collect() }
}

fn delete_reply(response: wire::DeleteRangeResponse) -> Reply {
    Reply::Delete {
        deleted: unsigned(response.deleted),
        previous: response.prev_kvs.into_iter().map(pair).collect(),
    }
}

fn txn_reply(response: wire::TxnResponse) -> Result<Reply, String> {
    let replies = response.responses.into_iter().map(|part| match part.response {
        Some(ResponseUnion::ResponseRange(response)) => Ok(range_reply(response)),
        Some(ResponseUnion::ResponsePut(response)) => Ok(Reply::Put { previous: response.prev_kv.map(pair) }),
        Some(ResponseUnion::ResponseDeleteRange(response)) => Ok(delete_reply(response)),
        Some(ResponseUnion::ResponseTxn(response)) => txn_reply(response),
        None => Err("a part of the answer is empty".to_owned()),
    });
    Ok(Reply::Txn { succeeded: response.succeeded, replies: replies.collect::<Result<_, _>>()? })
}

fn pair(kv: mvccpb::KeyValue) -> Pair {
    Pair {
        key: Blob::from(&kv.key[..]),
        value: Blob::from(unfilled(&kv.value)),
        create_revision: unsigned(kv.create_revision),
        mod_revision: unsigned(kv.mod_revision),
        version: unsigned(kv.version),
        lease: kv.lease,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of a peer's, which may be nonsense: then it fits nothing, as it should.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_swap_is_sent_with_its_filling_and_read_without() {
        let request = Request::put_if_unchanged("k", 7, "1-1");
        let Question::Txn(txn) = question(&request, 5) else { panic!("a swap is a transaction") };
        let Some(RequestUnion::RequestPut(put)) = &txn.success[0].request else { panic!("it puts") };
        assert_eq!((&put.key[..], &put.value[..]), (&b"k"[..], &b"1-1vv"[..]));
        assert_eq!(txn.compare[0].target_union, Some(TargetUnion::ModRevision(7)));

        let kv = mvccpb::KeyValue { key: "k".into(), value: "2-9vv".into(), ..Default::default() };
        let range = wire::RangeResponse { kvs: vec![kv], count: 1, ..Default::default() };
        let part = wire::ResponseOp { response: Some(ResponseUnion::ResponseRange(range)) };
        let header = Some(wire::ResponseHeader { revision: 9, ..Default::default() });
        let response = wire::TxnResponse { header, succeeded: false, responses: vec![part] };
        let answer = answer(&request, response.encode_to_vec().into()).expect("it is an answer");
        let Reply::Txn { succeeded: false, replies } = answer.reply else { panic!("it failed") };
        let Reply::Range { pairs, .. } = &replies[0] else { panic!("it looked") };
        assert_eq!((answer.revision, &pairs[0].value[..]), (9, &b"2-9"[..]));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let request = Request::put("k", "v");
        assert!(
            answer(&request, Bytes::from_static(b"\xff\xff"))
                .is_err_and(|error| error.contains("cannot be read"))
        );
        assert!(answer(&request, Bytes::new()).is_err_and(|error| error.contains("no header")));
    }
}
