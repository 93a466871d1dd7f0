//! Requests through nodes in this process: consensus, the log synced on disk, the store, and three members' sockets between them.
//! `cargo bench -p synod-server`.
//!
//! The edge is left out: what HTTP/2 costs is measured by `cargo bench -p synod-grpc`. A step is one request, or 64 at once, at a member that
//! leads, alone or with two followers. Requests go to the backend as the edge gives them to it, held together as those of one read.

#[path = "../tests/cluster/support.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod support;

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use support::Cluster;
use synod_server::backend::{Backend, Consistency};
use synod_server::engine::MemberBackend;
use synod_storage::mvcc::{KeyRange, Operation, PutRequest, RangeRequest};
use tokio::runtime::Runtime;

const VALUE_BYTES: usize = 256;
const KEYS: u64 = 1_000;
const MEMBERS: [usize; 2] = [1, 3];
const AT_ONCE: [u64; 2] = [1, 64];

fn key(number: u64) -> Bytes {
    format!("key{:06}", number % KEYS).into()
}

async fn put(node: &MemberBackend, number: u64) {
    let value = Bytes::from(vec![7; VALUE_BYTES]);
    let put = PutRequest { key: key(number), value, ..PutRequest::default() };
    node.propose(Operation::Put(put)).await.expect("it is applied");
}

async fn get(node: &MemberBackend, number: u64, consistency: Consistency) {
    let range = KeyRange { key: key(number), end: Bytes::new() };
    let request = RangeRequest { range, ..RangeRequest::default() };
    let read = node.range(request, consistency).await.expect("it is read");
    assert_eq!(read.response.kvs.len(), 1, "the key is there");
}

/// Several at once, given to the node together.
async fn together<F: Future<Output = ()>>(node: &MemberBackend, requests: impl Iterator<Item = F>) {
    let mut all = Box::pin(join_all(requests));
    node.hold();
    let done = poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_ready())).await;
    node.release();
    if !done {
        all.await;
    }
}

fn requests(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads");
    for members in MEMBERS {
        let cluster = runtime.block_on(Cluster::start(members));
        let leader = runtime.block_on(cluster.leader());
        let node = cluster.running(leader).backend();
        runtime.block_on(async {
            for number in 0..KEYS {
                put(&node, number).await;
            }
        });
        let mut bench = criterion.benchmark_group(format!("node of {members}"));
        for count in AT_ONCE {
            bench.throughput(Throughput::Elements(count));
            let mut next = 0;
            let mut numbers = move || {
                next += count;
                next - count..next
            };
            bench.bench_function(format!("put, {count} at once"), |bencher| {
                bencher.iter(|| {
                    runtime.block_on(together(&node, numbers().map(|number| put(&node, number))));
                });
            });
            for consistency in [Consistency::Linearizable, Consistency::Serializable] {
                let name = format!("{consistency:?} get, {count} at once").to_lowercase();
                bench.bench_function(name, |bencher| {
                    bencher.iter(|| {
                        let gets = numbers().map(|number| get(&node, number, consistency));
                        runtime.block_on(together(&node, gets));
                    });
                });
            }
        }
        bench.finish();
        // Its members stop on a thread of the runtime.
        let _running = runtime.enter();
        drop(cluster);
    }
}

criterion_group!(benches, requests);
criterion_main!(benches);
