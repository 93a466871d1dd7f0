//! Our client and our server, byte by byte: whatever the cuts, the sizes and the windows, calls come out as they went in.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf as _, Bytes, BytesMut};
use proptest::prelude::*;
use synod_grpc::{CallHead, Code, Connection, Event, Limits, Messages, StreamId};

/// One end, with what it has been told.
struct End {
    http: Connection,
    input: BytesMut,
    events: VecDeque<Event>,
}

impl End {
    fn new(http: Connection) -> Self {
        End { http, input: BytesMut::new(), events: VecDeque::new() }
    }
}

/// Moves at most so many bytes from one end to the other; whether there were any.
fn carry(from: &mut End, to: &mut End, bytes_max: usize) -> bool {
    from.http.drain();
    let output = from.http.output();
    let bytes = output.len().min(bytes_max);
    to.input.extend_from_slice(&output[..bytes]);
    output.advance(bytes);
    if bytes > 0 {
        to.http.receive(&mut to.input, &mut to.events).expect("both keep the rules");
    }
    bytes > 0
}

/// Echoes every call, doubled.
struct Echo {
    calls: BTreeMap<StreamId, Messages>,
}

impl Echo {
    fn turn(&mut self, server: &mut End) {
        while let Some(event) = server.events.pop_front() {
            match event {
                Event::Request { stream, request, .. } => {
                    assert_eq!((&request.path[..], request.is_grpc), (&b"/echo.Echo/Twice"[..], true));
                    self.calls.insert(stream, Messages::default());
                }
                Event::Data { stream, data, ended } => {
                    server.http.release(stream, data.len());
                    let messages = self.calls.get_mut(&stream).expect("it has begun");
                    messages.push(data);
                    if ended {
                        let message = messages.next(usize::MAX).unwrap().expect("it is whole");
                        server.http.answer(stream, |out| {
                            out.extend_from_slice(&message);
                            out.extend_from_slice(&message);
                        });
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

fn limits(window: u32) -> Limits {
    Limits { stream_window_bytes: window, connection_window_bytes: window * 2, ..Limits::default() }
}

fn exchange(sizes: &[usize], cuts: &[usize], client_window: u32, server_window: u32) {
    let mut client = End::new(Connection::client(limits(client_window)));
    let mut server = End::new(Connection::server(limits(server_window)));
    let mut echo = Echo { calls: BTreeMap::new() };
    let mut head = CallHead::new("/echo.Echo/Twice", false, "test:1", "test/1");
    let mut waiting = BTreeMap::new();
    let mut answers: BTreeMap<StreamId, Messages> = BTreeMap::new();
    for (number, size) in sizes.iter().enumerate() {
        let message: Bytes = (0..*size).map(|at| (at * 7 + number) as u8).collect();
        let stream = client.http.call(&mut head, true, |out| out.extend_from_slice(&message)).unwrap();
        waiting.insert(stream, message);
    }
    let mut cuts = cuts.iter().copied().cycle();
    while !waiting.is_empty() {
        let moved = carry(&mut client, &mut server, cuts.next().unwrap());
        echo.turn(&mut server);
        let moved = carry(&mut server, &mut client, cuts.next().unwrap()) | moved;
        assert!(moved, "{} calls wait for ever", waiting.len());
        while let Some(event) = client.events.pop_front() {
            match event {
                Event::Response { response, ended, .. } => {
                    assert_eq!((response.status, response.is_grpc, ended), (200, true, false));
                }
                Event::Data { stream, data, .. } => {
                    client.http.release(stream, data.len());
                    answers.entry(stream).or_default().push(data);
                }
                Event::End { stream, end } => {
                    assert_eq!(end.expect("gRPC's end").code, 0);
                    let message = waiting.remove(&stream).expect("it was asked");
                    let answer = answers.get_mut(&stream).unwrap().next(usize::MAX).unwrap().unwrap();
                    assert_eq!(answer, [&message[..], &message].concat());
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    assert_eq!((client.http.streams(), server.http.streams()), (0, 0), "nothing is left");
}

#[test]
fn large_messages_pass_through_small_windows() {
    exchange(&[0, 1, 16_384, 16_379, 16_380, 300_000, 70_000], &[65_536], 20_000, 30_000);
}

#[test]
fn a_small_call_comes_to_a_few_bytes_once_the_tables_know_it() {
    let mut client = End::new(Connection::client(Limits::default()));
    let mut server = End::new(Connection::server(Limits::default()));
    let mut echo = Echo { calls: BTreeMap::new() };
    let mut head = CallHead::new("/echo.Echo/Twice", false, "127.0.0.1:2379", "test/1");
    let mut sizes = Vec::new();
    for _ in 0..4 {
        client.http.call(&mut head, true, |out| out.extend_from_slice(b"12345678")).unwrap();
        let asked = client.http.output().len();
        carry(&mut client, &mut server, usize::MAX);
        echo.turn(&mut server);
        let answered = server.http.output().len();
        carry(&mut server, &mut client, usize::MAX);
        sizes.push((asked, answered));
    }
    // A head of nine bytes for each of its frames, five before each message, a byte for each field.
    assert_eq!(sizes[3], (9 + 7 + 9 + 5 + 8, 9 + 2 + 9 + 5 + 16 + 9 + 1), "{sizes:?}");
}

#[test]
fn a_server_that_goes_away_ends_what_is_open_and_takes_no_more() {
    let mut client = End::new(Connection::client(Limits::default()));
    let mut server = End::new(Connection::server(Limits::default()));
    let mut head = CallHead::new("/echo.Echo/Twice", false, "test:1", "test/1");
    let open = client.http.call(&mut head, true, |out| out.extend_from_slice(b"open")).unwrap();
    carry(&mut client, &mut server, usize::MAX);
    server.http.go_away();
    let late = client.http.call(&mut head, true, |out| out.extend_from_slice(b"late")).unwrap();
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(server.events.len(), 4, "what was sent before the client knew is served");
    carry(&mut server, &mut client, usize::MAX);
    assert!(!client.http.may_open());
    carry(&mut client, &mut server, usize::MAX);
    for stream in [open, late] {
        assert!(!server.http.is_done());
        server.http.answer(stream, |_| {});
    }
    assert!(server.http.is_done());
}

#[test]
fn a_window_that_changes_meanwhile_is_kept() {
    let mut server = End::new(Connection::server(Limits::default()));
    // The preface; SETTINGS with a window of 10 bytes; a call without a message.
    let mut sent = BytesMut::from(synod_grpc::frame::PREFACE);
    synod_grpc::frame::put_settings(&mut sent, &[(4, 10)]);
    let block = [0x83, 0x86, 0x44, 2, b'/', b'x'];
    sent.extend_from_slice(&[0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1]);
    sent.extend_from_slice(&block);
    server.http.receive(&mut sent, &mut server.events).unwrap();
    server.http.output().clear();
    server.http.begin_answer(1);
    server.http.output().clear();
    server.http.message(1, |out| out.extend_from_slice(&[7; 25]));
    let mut sizes = |settings: &[(u16, u32)], update: u32| {
        let mut sent = BytesMut::new();
        if !settings.is_empty() {
            synod_grpc::frame::put_settings(&mut sent, settings);
        }
        if update > 0 {
            synod_grpc::frame::put_number(&mut sent, 8, 1, update);
        }
        server.http.receive(&mut sent, &mut server.events).unwrap();
        server.http.drain();
        let output = server.http.output();
        let mut sizes = Vec::new();
        while let Some(head) = synod_grpc::frame::Head::read(output) {
            output.advance(9 + head.length);
            if head.kind == 0 {
                sizes.push(head.length);
            }
        }
        sizes
    };
    assert_eq!(sizes(&[], 0), [10], "the window at the beginning");
    assert_eq!(sizes(&[(4, 4)], 0), [0; 0], "smaller by six: six are owed");
    assert_eq!(sizes(&[], 8), [2]);
    assert_eq!(sizes(&[(4, 10)], 0), [6]);
    assert_eq!(sizes(&[], 100), [12], "the rest of 25 and the prefix of 5");
}

#[test]
fn a_stream_that_is_given_up_is_reset() {
    let mut client = End::new(Connection::client(Limits::default()));
    let mut server = End::new(Connection::server(Limits::default()));
    let mut head = CallHead::new("/echo.Echo/Twice", false, "test:1", "test/1");
    let stream = client.http.call(&mut head, false, |out| out.extend_from_slice(b"open")).unwrap();
    carry(&mut client, &mut server, usize::MAX);
    client.http.reset(stream, Code::CANCEL);
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(server.events.back(), Some(&Event::Reset { stream, code: Code::CANCEL }));
    server.http.answer(stream, |_| panic!("nobody waits for it"));
    assert_eq!((client.http.streams(), server.http.streams()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn calls_come_out_as_they_went_in(
        sizes in prop::collection::vec(prop_oneof![0_usize..100, 16_300_usize..16_400, 0_usize..90_000], 1..8),
        cuts in prop::collection::vec(1_usize..40_000, 1..6),
        client_window in 1_000_u32..80_000,
        server_window in 1_000_u32..80_000,
    ) {
        exchange(&sizes, &cuts, client_window, server_window);
    }

    #[test]
    fn any_cut_gives_the_same_events(cuts in prop::collection::vec(1_usize..60, 1..20)) {
        let mut client = Connection::client(Limits::default());
        let mut head = CallHead::new("/echo.Echo/Twice", false, "test:1", "test/1");
        for size in [3, 40, 20_000] {
            client.call(&mut head, true, |out| out.resize(out.len() + size, 7)).unwrap();
        }
        client.reset(1, Code::CANCEL);
        client.ping(*b"12345678");
        client.drain();
        let sent = client.output().clone();
        let whole = events_of(&[&sent]);
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&sent[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(events_of(&pieces), whole);
    }

    #[test]
    fn any_bytes_are_taken_or_end_the_connection(mut sent in prop::collection::vec(any::<u8>(), 0..400), begins in any::<bool>()) {
        let mut server = Connection::server(Limits::default());
        let mut input = BytesMut::new();
        if begins {
            input.extend_from_slice(synod_grpc::frame::PREFACE);
            synod_grpc::frame::put_settings(&mut input, &[]);
            // Small frames of known kinds are more likely to be whole.
            for head in sent.chunks_mut(16).filter(|chunk| chunk.len() == 16) {
                (head[0], head[1], head[2], head[3]) = (0, 0, 7, head[3] % 11);
                (head[5], head[6], head[7]) = (0, 0, 0);
            }
        }
        input.extend_from_slice(&sent);
        let mut events = VecDeque::new();
        let _ = server.receive(&mut input, &mut events);
        for event in events {
            if let Event::Request { stream, .. } = event {
                server.answer(stream, |out| out.extend_from_slice(b"answer"));
            }
        }
        server.drain();
    }
}

/// What a server is told, with the data of each stream put together.
fn events_of(pieces: &[&[u8]]) -> (Vec<String>, BTreeMap<StreamId, Vec<u8>>) {
    let mut server = Connection::server(Limits::default());
    let (mut input, mut events) = (BytesMut::new(), VecDeque::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        server.receive(&mut input, &mut events).unwrap();
    }
    assert!(input.is_empty());
    let (mut told, mut data) = (Vec::new(), BTreeMap::<StreamId, Vec<u8>>::new());
    for event in events {
        match event {
            Event::Data { stream, data: bytes, ended } => {
                data.entry(stream).or_default().extend_from_slice(&bytes);
                if ended {
                    told.push(format!("{stream} ended"));
                }
            }
            other => told.push(format!("{other:?}")),
        }
    }
    (told, data)
}
