//! Connections of HTTP/2, for both roles: frames, header blocks, windows, messages.

#![no_main]

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use synod_grpc::frame::PREFACE;
use synod_grpc::{CallHead, Connection, Event, Limits, Messages, StreamId};

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| {
        let Some((choice, rest)) = input.split_first() else { return };
        // Most inputs would not get beyond the preface.
        let mut server = Connection::server(limits());
        let with_preface = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0], rest].concat();
        serve(&mut server, &with_preface, usize::from(*choice) + 1);
        let mut client = Connection::client(limits());
        let mut head = CallHead::new("/a/b", false, "c", "d");
        for size in [0, 10, 20_000] {
            client.call(&mut head, size != 10, |out| out.resize(out.len() + size, 7));
        }
        serve(&mut client, &[&[0, 0, 0, 4, 0, 0, 0, 0, 0], rest].concat(), usize::from(*choice) + 1);
    }
);

fn limits() -> Limits {
    Limits { streams_max: 8, stream_window_bytes: 1_000, ..Limits::default() }
}

/// Takes the bytes piece by piece, and answers what is asked.
fn serve(http: &mut Connection, bytes: &[u8], piece_bytes: usize) {
    let (mut input, mut events) = (BytesMut::new(), VecDeque::new());
    let mut calls = BTreeMap::<StreamId, Messages>::new();
    for piece in bytes.chunks(piece_bytes) {
        input.extend_from_slice(piece);
        if http.receive(&mut input, &mut events).is_err() {
            return;
        }
        while let Some(event) = events.pop_front() {
            match event {
                Event::Request { stream, .. } => {
                    calls.insert(stream, Messages::default());
                }
                Event::Data { stream, data, ended } => {
                    http.release(stream, data.len());
                    let messages = calls.entry(stream).or_default();
                    messages.push(data);
                    while let Ok(Some(message)) = messages.next(1_000) {
                        http.begin_answer(stream);
                        http.shared_message(stream, &[1], &message);
                    }
                    if ended {
                        http.finish(stream, 0, "");
                    }
                }
                Event::Reset { stream, .. } => {
                    assert!(!http.has(stream), "a stream that was reset is gone");
                    calls.remove(&stream);
                }
                _ => {}
            }
        }
        http.drain();
        http.output().clear();
    }
    assert!(http.streams() <= 8, "no more streams than allowed");
}

fn seeds() -> Vec<Vec<u8>> {
    let mut client = Connection::client(Limits::default());
    let mut server = Connection::server(Limits::default());
    let mut head = CallHead::new("/etcdserverpb.KV/Range", false, "127.0.0.1:2379", "synod");
    for size in [0, 3, 300] {
        client.call(&mut head, true, |out| out.resize(out.len() + size, 7));
    }
    client.reset(1, synod_grpc::Code::CANCEL);
    client.ping(*b"12345678");
    let asked = client.output().clone();
    let (mut input, mut events) = (asked.clone(), VecDeque::new());
    server.receive(&mut input, &mut events).expect("our client keeps the rules");
    for stream in [3, 5] {
        server.answer(stream, |out| out.extend_from_slice(b"an answer"));
    }
    server.go_away();
    let begin = |choice: u8, bytes: &[u8]| [&[choice], bytes].concat();
    vec![begin(255, &asked[PREFACE.len()..]), begin(3, &asked[PREFACE.len()..]), begin(9, server.output())]
}
