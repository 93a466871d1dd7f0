//! What a client costs that floods, stalls, or sends half of something, and that other clients do not notice.

use std::time::Duration;

use synod_server::api::{Limits, errors};
use synod_server::http::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::probes::request;
use super::support::{Running, soon};
use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame of settings, without any.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn impatient() -> Options {
    let limits = Limits {
        head_timeout: Duration::from_millis(100),
        keep_alive_interval: Duration::from_millis(100),
        keep_alive_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    Options { limits, ..Options::default() }
}

/// Sends `bytes` and waits until the server closes the connection.
async fn cut_off(running: &Running, bytes: &[u8]) {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Closed or reset, both will do.
    let _ = soon(stream.read_to_end(&mut answer)).await;
}

#[tokio::test]
async fn who_says_half_of_something_is_cut_off() {
    let running = Running::start_with(impatient(), None);
    let half_frame = [PREFACE, SETTINGS, &[0, 0, 40, 1, 4, 0, 0]].concat();
    let half_body = [PREFACE, SETTINGS, &[0, 0, 40, 0, 0, 0, 0, 0, 1, b'x']].concat();
    let half: [&[u8]; 6] = [b"", b"PRI * HT", b"GET /health HT", PREFACE, &half_frame, &half_body];
    for bytes in half {
        cut_off(&running, bytes).await;
    }
    assert_eq!(request(running.address, "GET /health").await.0, 200);
}

#[tokio::test]
async fn nonsense_is_cut_off() {
    let running = Running::start();
    let random: Vec<u8> = (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let oversized = [PREFACE, SETTINGS, &[255, 255, 255, 1, 4, 0, 0, 0, 1]].concat();
    let endless_head = [&b"GET /"[..], &vec![b'a'; 1 << 20]].concat();
    for bytes in [&random[..], &oversized] {
        cut_off(&running, bytes).await;
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let _ = stream.write_all(&endless_head).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(request(running.address, "GET /health").await.0, 200);
}

#[tokio::test]
async fn who_resets_streams_as_fast_as_it_opens_them_is_cut_off() {
    let running = Running::start();
    let mut flood = [PREFACE, SETTINGS].concat();
    // ":method: POST", ":scheme: http", ":path: /", of the static table.
    let head = [0x83, 0x86, 0x84];
    for stream in (1..20_001_u32).step_by(2) {
        flood.extend([0, 0, head.len() as u8, 1, 4]);
        flood.extend(stream.to_be_bytes());
        flood.extend(head);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(stream.to_be_bytes());
        flood.extend([0, 0, 0, 8]);
    }
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let flooding = tokio::spawn(async move {
        let _ = write.write_all(&flood).await;
        write
    });
    let mut answer = Vec::new();
    let _ = soon(read.read_to_end(&mut answer)).await;
    let goes_away = answer.windows(2).any(|bytes| bytes == [7, 0]);
    assert!(goes_away, "the server says that it goes away");
    flooding.abort();
    assert_eq!(request(running.address, "GET /health").await.0, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let running = Running::start_with(Options { limits, ..Options::default() }, None);
    let mut kv = Kv::new(running.channel().await);
    let _idle = TcpStream::connect(running.address).await.unwrap();
    kv.put(put("a", "v")).await.unwrap();
    cut_off(&running, b"").await;
    assert_eq!(running.metrics.connections_refused.get(), 1);
    kv.put(put("a", "v")).await.unwrap();
}

#[tokio::test]
async fn requests_that_never_end_hold_a_bounded_amount() {
    let limits = Limits { partial_request_bytes_max: 300_000, ..Limits::default() };
    let running = Running::start_with(Options { limits, ..Options::default() }, None);
    let mut kv = Kv::new(running.channel().await);
    let value = |bytes: usize| pb::PutRequest { value: vec![7; bytes].into(), ..put("a", "") };
    for _ in 0..5 {
        kv.put(value(250_000)).await.unwrap();
    }
    refused(kv.put(value(350_000)).await, errors::TOO_MANY_REQUESTS);
    kv.put(value(250_000)).await.expect("what was refused is given back");
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_and_leaves_nothing() {
    let running = Running::start();
    running.memory.set(|state| state.hang = true);
    {
        let mut kv = Kv::new(running.channel().await);
        let waiting = tokio::time::timeout(Duration::from_millis(50), kv.put(put("a", "v"))).await;
        assert!(waiting.is_err(), "the member does not answer");
    }
    soon(async {
        while running.metrics.connections.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
