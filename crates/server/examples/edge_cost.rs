//! What the edge costs: puts and gets a second through the whole path from a gRPC client to the store in memory and back,
//! in one process, by number of concurrent clients on one connection each. `cargo run --release -p synod-server --example edge_cost`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use support::Running;
use synod_server::proto::etcdserverpb::{PutRequest, RangeRequest, kv_client::KvClient};

const TIME: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    println!("{:>8} {:>12} {:>12}", "clients", "puts/s", "gets/s");
    for clients in [1, 16, 64] {
        let running = Running::start();
        let puts = measure(&running, clients, true).await;
        let gets = measure(&running, clients, false).await;
        println!("{clients:>8} {puts:>12.0} {gets:>12.0}");
    }
}

/// Calls a second.
async fn measure(running: &Running, clients: usize, put: bool) -> f64 {
    let mut tasks = Vec::new();
    let begin = Instant::now();
    for client in 0..clients {
        let mut kv = KvClient::new(running.channel().await);
        tasks.push(tokio::spawn(async move {
            let key = Bytes::from(format!("key{client:04}"));
            let value = Bytes::from(vec![7; 256]);
            let mut calls = 0_u64;
            while begin.elapsed() < TIME {
                let key = key.clone();
                let answer = if put {
                    kv.put(PutRequest { key, value: value.clone(), ..Default::default() }).await.map(drop)
                } else {
                    kv.range(RangeRequest { key, ..Default::default() }).await.map(drop)
                };
                answer.expect("the edge answers");
                calls += 1;
            }
            calls
        }));
    }
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no client fails");
    }
    calls as f64 / begin.elapsed().as_secs_f64()
}
