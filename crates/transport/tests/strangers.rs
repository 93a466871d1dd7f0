//! What happens to those who are no peer, or a peer that has gone mad: raw sockets against a transport.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use common::{CLUSTER, Node, PATIENCE, config, peer, runtime, until};
use synod_transport::frame::{Kind, encode_header};
use synod_transport::{ANSWER_BYTES, Answer, Config, HELLO_BYTES, Hello, Homes, Refusal, Versions};

/// Node 1, which knows a peer 2 that nobody plays but the test.
fn node(change: impl FnOnce(&mut Config)) -> (tokio::runtime::Runtime, Node) {
    let runtime = runtime();
    let mut config = config(1);
    config.limits.frame_bytes_max = 1000;
    config.peers = vec![peer(2, "127.0.0.1:1".parse().unwrap())];
    change(&mut config);
    let node = Node::start(&runtime, config);
    (runtime, node)
}

fn hello() -> Hello {
    Hello { versions: Versions::SPOKEN, cluster: CLUSTER, from: 2, to: 1, home: 20, instance: 7, attempt: 1 }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn greet(address: SocketAddr, hello: &Hello) -> (TcpStream, Answer) {
    let mut stream = connect(address);
    stream.write_all(&hello.encode()).unwrap();
    let mut answer = [0; ANSWER_BYTES];
    stream.read_exact(&mut answer).unwrap();
    let answer = Answer::decode(&answer).unwrap();
    assert_eq!((answer.hello_instance, answer.hello_attempt), (hello.instance, hello.attempt));
    (stream, answer)
}

/// Waits for the other end to close, whether it does so politely or not.
#[track_caller]
fn until_closed(mut stream: TcpStream) {
    let end = stream.read(&mut [0; 1]);
    let timed_out = end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!timed_out && !matches!(end, Ok(1)), "expected the connection to be closed, found {end:?}");
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&encode_header(Kind::Data, [payload].into_iter())[..], payload].concat()
}

#[test]
fn each_wrong_hello_is_refused_with_its_reason() {
    let (_runtime, node) = node(|_| {});
    let newer = Versions { min: Versions::SPOKEN.max + 1, max: u16::MAX };
    let cases = [
        (Hello { cluster: CLUSTER + 1, ..hello() }, Refusal::WrongCluster),
        (Hello { to: 3, ..hello() }, Refusal::WrongMember),
        (Hello { from: 3, ..hello() }, Refusal::UnknownMember),
        (Hello { from: 1, ..hello() }, Refusal::UnknownMember),
        (Hello { versions: newer, ..hello() }, Refusal::UnsupportedVersion),
    ];
    for (hello, refusal) in cases {
        let (stream, answer) = greet(node.address, &hello);
        assert_eq!(answer.verdict, Err(refusal));
        until_closed(stream);
    }
    until("the refusals to be counted", || {
        (node.transport.counts().accept.refusals_sent == cases.len() as u64).then_some(())
    });
    assert_eq!(node.counts(2).accepts, 0);
}

#[test]
fn a_dialer_learns_why_it_is_refused() {
    let (runtime, node) = node(|_| {});
    let mut stranger = Config::new(CLUSTER + 1, 2, common::loopback());
    stranger.peers = vec![peer(1, node.address)];
    let stranger = Node::start(&runtime, stranger);
    let error = until("a refusal", || stranger.counts(1).last_error);
    assert!(error.contains("another cluster"), "{error}");
    assert!(stranger.inbox.seen.lock().unwrap().links.is_empty());
}

#[test]
fn a_member_with_another_directory_is_refused_and_told() {
    let homes = || Homes::new(|member| (member == 2).then_some(20));
    let (runtime, node) = node(|config| config.homes = homes());
    let (stream, answer) = greet(node.address, &Hello { home: 21, ..hello() });
    assert_eq!(answer.verdict, Err(Refusal::OtherHome));
    until_closed(stream);
    let (_stream, answer) = greet(node.address, &hello());
    assert!(answer.verdict.is_ok(), "its own directory is let in");
    let mut wiped = Config::new(CLUSTER, 2, common::loopback());
    (wiped.peers, wiped.home) = (vec![peer(1, node.address)], 22);
    let wiped = Node::start(&runtime, wiped);
    until("a refusal", || wiped.inbox.seen.lock().unwrap().refused.contains(&1).then_some(()));
}

#[test]
fn other_protocols_are_closed_at_the_first_bytes() {
    let (_runtime, node) = node(|_| {});
    let mut stream = connect(node.address);
    stream.write_all(b"GET / HT").unwrap();
    until_closed(stream);
    let mut damaged = hello().encode();
    damaged[20] ^= 1;
    let mut stream = connect(node.address);
    stream.write_all(&damaged).unwrap();
    until_closed(stream);
    until("both to be counted", || (node.transport.counts().accept.handshakes_failed == 2).then_some(()));
}

#[test]
fn half_a_hello_is_closed_after_the_timeout() {
    let (_runtime, node) = node(|config| config.timeouts.handshake = Duration::from_millis(50));
    let mut stream = connect(node.address);
    stream.write_all(&hello().encode()[..30]).unwrap();
    until_closed(stream);
}

#[test]
fn a_flood_of_silent_connections_keeps_no_peer_out() {
    let (_runtime, node) = node(|config| {
        config.limits.handshakes_max = 8;
        config.timeouts.handshake = PATIENCE;
    });
    let mut flood: Vec<TcpStream> = (0..50).map(|_| connect(node.address)).collect();
    let (_peer, answer) = greet(node.address, &hello());
    assert!(answer.verdict.is_ok());
    assert_eq!(node.transport.counts().accept.evicted, 50 + 1 - 8);
    until_closed(flood.remove(0));
}

#[test]
fn an_oversize_frame_closes_the_connection_and_what_came_before_is_delivered() {
    let (_runtime, node) = node(|_| {});
    let (mut stream, _) = greet(node.address, &hello());
    let mut bytes = [frame(b"fine"), frame(&[0; 1000])].concat();
    // The header alone of one that is too long by one.
    bytes.extend_from_slice(&frame(&[0; 1001])[..9]);
    stream.write_all(&bytes).unwrap();
    until_closed(stream);
    let lengths = node.until("two frames", |seen| {
        (seen.frames.len() >= 2).then(|| seen.frames.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>())
    });
    assert_eq!(lengths, [4, 1000]);
    until("the bad frame to be counted", || (node.counts(2).bad_frames == 1).then_some(()));
}

#[test]
fn a_damaged_frame_closes_the_connection() {
    let (_runtime, node) = node(|_| {});
    let (mut stream, _) = greet(node.address, &hello());
    let mut damaged = frame(b"payload");
    damaged[12] ^= 0x10;
    stream.write_all(&damaged).unwrap();
    until_closed(stream);
    until("the bad frame to be counted", || (node.counts(2).bad_frames == 1).then_some(()));
    assert!(node.inbox.seen.lock().unwrap().frames.is_empty());
}

#[test]
fn half_a_frame_is_closed_after_the_timeout() {
    let (_runtime, node) = node(|config| config.timeouts.frame_stall = Duration::from_millis(50));
    let (mut stream, _) = greet(node.address, &hello());
    stream.write_all(&frame(b"payload")[..12]).unwrap();
    until_closed(stream);
    until("the stall to be counted", || (node.counts(2).stalls == 1).then_some(()));
}

#[test]
fn a_silent_peer_is_closed_after_the_timeout() {
    let (_runtime, node) = node(|config| {
        config.timeouts.ping_interval = Duration::from_millis(10);
        config.timeouts.silence = Duration::from_millis(50);
    });
    let (stream, _) = greet(node.address, &hello());
    until_closed(stream);
}

#[test]
fn a_newer_connection_silences_the_older_and_an_overtaken_one_is_refused() {
    let (_runtime, node) = node(|_| {});
    let (mut old, _) = greet(node.address, &Hello { attempt: 5, ..hello() });
    old.write_all(&frame(b"old")).unwrap();
    node.until("the first frame", |seen| (seen.frames.len() == 1).then_some(()));
    let (mut new, answer) = greet(node.address, &Hello { attempt: 6, ..hello() });
    assert!(answer.verdict.is_ok());
    // The answer was sent, so the old one may no longer deliver.
    let _ = old.write_all(&frame(b"late"));
    until_closed(old);
    let (late, answer) = greet(node.address, &Hello { attempt: 4, ..hello() });
    assert_eq!(answer.verdict, Err(Refusal::Overtaken));
    until_closed(late);
    new.write_all(&frame(b"new")).unwrap();
    node.until("the second frame", |seen| (seen.frames.len() == 2).then_some(()));
    // Another run of the process begins to count anew.
    let (mut other, answer) = greet(node.address, &Hello { instance: 8, attempt: 1, ..hello() });
    assert!(answer.verdict.is_ok());
    other.write_all(&frame(b"other")).unwrap();
    until_closed(new);
    let frames = node.until("the third frame", |seen| {
        (seen.frames.len() == 3)
            .then(|| seen.frames.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>())
    });
    assert_eq!(frames, ["old", "new", "other"].map(|text| Bytes::from_static(text.as_bytes())));
}

#[test]
fn pings_are_answered_with_their_bytes_and_a_flood_of_them_once_a_read() {
    let (_runtime, node) = node(|_| {});
    let (mut stream, _) = greet(node.address, &hello());
    let ping = |number: u64| {
        let bytes = number.to_le_bytes();
        [&encode_header(Kind::Ping, [&bytes[..]].into_iter())[..], &bytes[..]].concat()
    };
    let flood: Vec<u8> = (0..100).flat_map(ping).collect();
    stream.write_all(&flood).unwrap();
    let (mut last, mut answers) = (0, 0);
    while last < 99 {
        let mut pong = [0; 17];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong[4], Kind::Pong as u8);
        last = u64::from_le_bytes(pong[9..].try_into().unwrap());
        answers += 1;
    }
    assert!(answers < 100, "expected fewer answers than pings of one write");
}

/// Plays peer 2's accepting side: welcomes one connection and says nothing more.
fn welcome(listener: &std::net::TcpListener, instance: u64) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = [0; HELLO_BYTES];
    stream.read_exact(&mut bytes).unwrap();
    let Hello { instance: hello_instance, attempt: hello_attempt, .. } = Hello::decode(&bytes).unwrap();
    let verdict = Ok(Versions::SPOKEN.max);
    let answer =
        Answer { versions: Versions::SPOKEN, from: 2, instance, hello_instance, hello_attempt, verdict };
    stream.write_all(&answer.encode()).unwrap();
    stream
}

#[test]
fn a_new_run_of_a_peer_is_evidence_that_the_old_one_is_dead() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (_runtime, node) = node(|config| {
        config.peers = vec![peer(2, listener.local_addr().unwrap())];
        config.timeouts.silence = PATIENCE;
    });
    let old = welcome(&listener, 7);
    node.until_up(2);
    let (_stream, _) = greet(node.address, &Hello { instance: 7, attempt: 1, ..hello() });
    let (_stream, _) = greet(node.address, &Hello { instance: 7, attempt: 2, ..hello() });
    assert_eq!(node.inbox.seen.lock().unwrap().downs(2), 0, "the same run may connect again");
    // The old run's connection still stands, as it does after a power failure.
    let (_stream, _) = greet(node.address, &Hello { instance: 8, attempt: 1, ..hello() });
    node.until_down(2, 1);
    drop(old);
    let _new = welcome(&listener, 8);
    node.until_up(2);
}

#[test]
fn an_answer_to_another_hello_or_of_another_member_is_not_believed() {
    for (from, attempt_off_by) in [(3, 0), (2, 1)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (_runtime, node) = node(|config| config.peers = vec![peer(2, listener.local_addr().unwrap())]);
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; HELLO_BYTES];
        stream.read_exact(&mut bytes).unwrap();
        let hello = Hello::decode(&bytes).unwrap();
        let answer = Answer {
            versions: Versions::SPOKEN,
            from,
            instance: 7,
            hello_instance: hello.instance,
            hello_attempt: hello.attempt + attempt_off_by,
            verdict: Ok(1),
        };
        stream.write_all(&answer.encode()).unwrap();
        until("a complaint", || {
            node.counts(2).last_error.filter(|error| error.contains("not to our question"))
        });
        assert!(node.inbox.seen.lock().unwrap().links.is_empty());
    }
}
