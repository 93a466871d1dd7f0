//! The edge over real sockets, with the generated client, over the real store in memory: what etcd's clients rely on, row
//! by row, and what a hostile client may cost.

#[path = "../support/mod.rs"]
mod support;

mod decode;
mod hostile;
mod kv;
mod large;
mod lease;
mod member;
mod probes;
mod tls;
mod watch;

use bytes::Bytes;
use synod_server::api::errors::ApiError;
use synod_server::proto::etcdserverpb as pb;
use tonic::Status;
use tonic::transport::Channel;

type Kv = pb::kv_client::KvClient<Channel>;

fn put(key: &'static str, value: &'static str) -> pb::PutRequest {
    pb::PutRequest { key: Bytes::from(key), value: Bytes::from(value), ..Default::default() }
}

fn get(key: &'static str) -> pb::RangeRequest {
    pb::RangeRequest { key: Bytes::from(key), ..Default::default() }
}

/// Every key that begins with `prefix`, which ends in no 0xff.
fn prefix(prefix: &'static str) -> pb::RangeRequest {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    pb::RangeRequest { key: Bytes::from(prefix), range_end: end.into(), ..Default::default() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, error: ApiError) {
    let status = answer.expect_err("it must be refused");
    assert_eq!((status.code(), status.message()), (error.code, error.text));
}
