//! `/health`, `/livez`, `/readyz`, `/version`, `/metrics` over HTTP/1.1, on the port of gRPC.

use std::net::SocketAddr;

use serde_json::{Value, json};
use synod_server::api::Limits;
use synod_server::backend::{Alarm, AlarmKind};
use synod_server::http::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Running, soon};
use super::*;

/// The status line's code, the head and the body of an answer to one request on a connection of its own.
pub async fn request(address: SocketAddr, line: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn health_says_why_it_is_bad() {
    let running = Running::start();
    let ask = |path: &'static str| request(running.address, path);
    let (code, _, body) = ask("GET /health").await;
    assert_eq!((code, body.as_str()), (200, r#"{"health":"true","reason":""}"#));
    running.memory.set(|state| state.leader = None);
    let (code, _, body) = ask("GET /health").await;
    assert_eq!((code, body.trim()), (503, r#"{"health":"false","reason":"RAFT NO LEADER"}"#));
    assert_eq!(ask("GET /health?serializable=true").await.0, 200);
    running.memory.set(|state| state.alarms = vec![Alarm { member_id: 1, kind: AlarmKind::NoSpace }]);
    let (code, _, body) = ask("GET /health").await;
    assert_eq!((code, body.trim()), (503, r#"{"health":"false","reason":"ALARM NOSPACE"}"#));
    assert_eq!(ask("GET /health?exclude=NOSPACE&serializable=true").await.0, 200);
    let (code, head, _) = ask("POST /health").await;
    assert_eq!(code, 405);
    assert!(head.contains("allow: get"));
}

#[tokio::test]
async fn a_member_that_cannot_read_through_consensus_lives_but_is_not_ready() {
    let limits = Limits { probe_timeout: std::time::Duration::from_millis(10), ..Limits::default() };
    let running = Running::start_with(Options { limits, ..Options::default() }, None);
    let ask = |path: &'static str| request(running.address, path);
    assert_eq!(ask("GET /readyz").await.2, "ok\n");
    let (_, _, verbose) = ask("GET /readyz?verbose").await;
    assert!(verbose.contains("[+]linearizable_read ok\n") && verbose.ends_with("ok\n"), "{verbose}");
    running.memory.set(|state| state.hang = true);
    let (code, _, body) = ask("GET /readyz").await;
    assert_eq!(code, 503);
    assert!(body.contains("[-]linearizable_read failed: etcdserver: request timed out"), "{body}");
    assert_eq!(ask("GET /readyz?exclude=linearizable_read").await.0, 200);
    assert_eq!(ask("GET /readyz/serializable_read").await.0, 200);
    assert_eq!(ask("GET /readyz/linearizable_read").await.0, 503);
    assert_eq!(ask("GET /readyz/nothing").await.0, 404);
    assert_eq!(ask("GET /livez").await.0, 200);
    assert_eq!(ask("GET /health").await.0, 503);
}

#[tokio::test]
async fn versions_are_etcds_beside_our_own() {
    let running = Running::start();
    let (code, head, body) = request(running.address, "GET /version").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/json"));
    let expected = json!({
        "etcdserver": "3.5.16",
        "etcdcluster": "3.5.0",
        "synod": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert_eq!(request(running.address, "GET /nothing").await.0, 404);
}

#[tokio::test]
async fn metrics_have_etcds_names_and_count_calls_by_code() {
    let running = Running::start();
    let mut kv = Kv::new(running.channel().await);
    kv.put(put("a", "v")).await.unwrap();
    kv.put(put("", "v")).await.unwrap_err();
    let (code, head, body) = request(running.address, "GET /metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"));
    let has = |line: &str| assert!(body.lines().any(|found| found == line), "{line} is missing in\n{body}");
    has("etcd_server_has_leader 1");
    has("etcd_server_is_leader 1");
    has("# TYPE etcd_server_leader_changes_seen_total counter");
    has("etcd_server_leader_changes_seen_total 0");
    has("etcd_server_quota_backend_bytes 2147483648");
    has("etcd_mvcc_db_total_size_in_bytes 4096");
    has("etcd_debugging_mvcc_current_revision 2");
    has("etcd_disk_wal_fsync_duration_seconds_count 0");
    has(r#"etcd_server_version{server_version="3.5.16"} 1"#);
    let rpc = r#"{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put"#;
    has(&format!(r#"grpc_server_started_total{rpc}"}} 2"#));
    has(&format!(r#"grpc_server_handled_total{rpc}",grpc_code="OK"}} 1"#));
    has(&format!(r#"grpc_server_handled_total{rpc}",grpc_code="InvalidArgument"}} 1"#));
    let value = |name: &str| -> f64 {
        let line = body.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect(name);
        line.parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(value("etcd_network_client_grpc_received_bytes_total") > 0.0);
    assert!(value("process_start_time_seconds") > 1.6e9);
}
