//! Peers that break rules or ask for nothing: each is stopped at a bound that has a name.

use std::collections::VecDeque;

use bytes::{BufMut as _, Bytes, BytesMut};
use synod_grpc::frame::{self, Head, PREFACE, flag, kind};
use synod_grpc::limits::{BLOCK_BYTES_MAX, IDLE_FRAMES_MAX, RAPID_RESETS_MAX};
use synod_grpc::{Code, Connection, Event, Limits};

/// `:method POST`, `:scheme http`, `:path /x`.
const BLOCK: &[u8] = &[0x83, 0x86, 0x44, 2, b'/', b'x'];

struct Peer {
    server: Connection,
    events: VecDeque<Event>,
}

impl Peer {
    fn new() -> Self {
        Peer::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let mut peer = Peer { server: Connection::server(limits), events: VecDeque::new() };
        let mut begin = BytesMut::from(PREFACE);
        frame::put_settings(&mut begin, &[]);
        begin.extend_from_slice(&frame_of(kind::SETTINGS, flag::ACK, 0, &[]));
        peer.send(&begin).expect("a good beginning");
        peer
    }

    /// What the connection ends with.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Code> {
        self.server.receive(&mut BytesMut::from(bytes), &mut self.events).map_err(|failure| failure.code)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Code> {
        self.send(&frame_of(kind, flags, stream, payload))
    }

    fn open(&mut self, stream: u32) -> Result<(), Code> {
        self.frame(kind::HEADERS, flag::END_HEADERS, stream, BLOCK)
    }

    /// What a stream was reset with.
    fn reset_of(&self) -> Option<Code> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Reset { code, .. } => Some(*code),
            _ => None,
        })
    }
}

fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    Head { length: payload.len(), kind, flags, stream }.write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn what_breaks_a_rule_of_the_connection_ends_it() {
    let ends = |kind, flags, stream, payload: &[u8]| {
        let mut peer = Peer::new();
        peer.open(1).unwrap();
        let code = peer.frame(kind, flags, stream, payload).unwrap_err();
        let output = peer.server.output();
        let goaway = &output[output.len() - 17..];
        assert_eq!((goaway[3], goaway[16]), (kind::GOAWAY, code.0 as u8), "it says why");
        code
    };
    assert_eq!(ends(kind::DATA, 0, 0, b"x"), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::DATA, 0, 7, b"x"), Code::PROTOCOL_ERROR, "never opened");
    assert_eq!(ends(kind::DATA, flag::PADDED, 1, &[5, 0, 0]), Code::PROTOCOL_ERROR, "all padding and more");
    assert_eq!(ends(kind::HEADERS, flag::END_HEADERS, 0, BLOCK), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::HEADERS, flag::END_HEADERS, 4, BLOCK), Code::PROTOCOL_ERROR, "a server's number");
    assert_eq!(ends(kind::HEADERS, flag::END_HEADERS, 3, &[0xff]), Code::COMPRESSION_ERROR);
    assert_eq!(ends(kind::CONTINUATION, flag::END_HEADERS, 1, BLOCK), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::RST_STREAM, 0, 1, &[0; 3]), Code::FRAME_SIZE_ERROR);
    assert_eq!(ends(kind::SETTINGS, 0, 1, &[]), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::SETTINGS, 0, 0, &[0; 5]), Code::FRAME_SIZE_ERROR);
    assert_eq!(ends(kind::SETTINGS, flag::ACK, 0, &[0; 6]), Code::FRAME_SIZE_ERROR);
    assert_eq!(ends(kind::SETTINGS, 0, 0, &[0, 4, 0xff, 0, 0, 0]), Code::FLOW_CONTROL_ERROR);
    assert_eq!(ends(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::PING, 0, 0, &[0; 7]), Code::FRAME_SIZE_ERROR);
    assert_eq!(ends(kind::PING, 0, 1, &[0; 8]), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::PUSH_PROMISE, 0, 1, &[0; 8]), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), Code::PROTOCOL_ERROR);
    assert_eq!(ends(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Code::FLOW_CONTROL_ERROR);
    let mut peer = Peer::new();
    let head = Head { length: frame::PAYLOAD_BYTES_MAX + 1, kind: kind::DATA, flags: 0, stream: 1 };
    assert_eq!(peer.send(&head.bytes()), Err(Code::FRAME_SIZE_ERROR), "before any of it has come");
}

#[test]
fn what_does_not_begin_as_http2_is_refused() {
    let begins = |bytes: &[u8]| {
        let mut server = Connection::server(Limits::default());
        server.receive(&mut BytesMut::from(bytes), &mut VecDeque::new()).map_err(|failure| failure.code)
    };
    assert_eq!(begins(b"GET / HTTP/1.1\r\n"), Err(Code::PROTOCOL_ERROR));
    assert_eq!(begins(&PREFACE[..10]), Ok(()));
    let ping = frame_of(kind::PING, 0, 0, &[0; 8]);
    assert_eq!(begins(&[PREFACE, &ping].concat()), Err(Code::PROTOCOL_ERROR), "SETTINGS come first");
}

#[test]
fn what_breaks_a_rule_of_a_stream_ends_that_stream() {
    let resets = |kind, flags, payload: &[u8]| {
        let mut peer = Peer::new();
        peer.open(1).unwrap();
        peer.frame(kind::DATA, flag::END_STREAM, 1, b"x").unwrap();
        peer.frame(kind, flags, 1, payload).unwrap();
        assert_eq!(peer.server.streams(), 0);
        peer.open(3).expect("others go on");
        peer.reset_of()
    };
    assert_eq!(resets(kind::DATA, 0, b"more"), Some(Code::STREAM_CLOSED));
    assert_eq!(resets(kind::HEADERS, flag::END_HEADERS, BLOCK), Some(Code::PROTOCOL_ERROR));
    assert_eq!(resets(kind::WINDOW_UPDATE, 0, &[0; 4]), Some(Code::PROTOCOL_ERROR));
    assert_eq!(resets(kind::WINDOW_UPDATE, 0, &[0x7f, 0xff, 0xff, 0xff]), Some(Code::FLOW_CONTROL_ERROR));
    assert_eq!(resets(kind::RST_STREAM, 0, &[0, 0, 0, 8]), Some(Code::CANCEL));
}

#[test]
fn windows_are_kept_against_a_sender_that_does_not() {
    let window = 20_000;
    let limits =
        || Limits { stream_window_bytes: window, connection_window_bytes: 70_000, ..Limits::default() };
    let mut peer = Peer::with(limits());
    peer.open(1).unwrap();
    peer.frame(kind::DATA, 0, 1, &[0; 16_000]).unwrap();
    peer.frame(kind::DATA, 0, 1, &[0; 16_000]).unwrap();
    assert_eq!(peer.reset_of(), Some(Code::FLOW_CONTROL_ERROR));
    let mut peer = Peer::with(limits());
    let mut failed = Ok(());
    for stream in [1, 3, 5, 7, 9] {
        peer.open(stream).unwrap();
        failed = failed.and_then(|()| peer.frame(kind::DATA, 0, stream, &[0; 16_000]));
    }
    assert_eq!(failed, Err(Code::FLOW_CONTROL_ERROR), "nothing was taken, so nothing was given back");
}

#[test]
fn data_of_a_stream_that_was_reset_is_given_back_to_the_connection() {
    let mut peer = Peer::with(Limits { connection_window_bytes: 70_000, ..Limits::default() });
    peer.open(1).unwrap();
    peer.server.reset(1, Code::CANCEL);
    for _ in 0..100 {
        peer.frame(kind::DATA, 0, 1, &[0; 16_000]).expect("the window is made wider again");
    }
}

#[test]
fn streams_beyond_the_bound_are_refused_and_too_many_end_the_connection() {
    let mut peer = Peer::with(Limits { streams_max: 2, ..Limits::default() });
    for stream in [1, 3, 5] {
        peer.open(stream).unwrap();
    }
    assert_eq!(peer.server.streams(), 2);
    let refused = (0..200).map(|more| peer.open(7 + 2 * more)).find(Result::is_err);
    assert_eq!(refused, Some(Err(Code::ENHANCE_YOUR_CALM)));
}

#[test]
fn streams_that_are_reset_as_fast_as_opened_end_the_connection() {
    let mut flood = BytesMut::new();
    for stream in (1..).step_by(2).take(RAPID_RESETS_MAX as usize + 1) {
        flood.extend_from_slice(&frame_of(kind::HEADERS, flag::END_HEADERS, stream, BLOCK));
        flood.extend_from_slice(&frame_of(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    assert_eq!(Peer::new().send(&flood), Err(Code::ENHANCE_YOUR_CALM));
    // Requests that had a turn may be given up.
    let mut peer = Peer::new();
    for stream in (1..).step_by(2).take(RAPID_RESETS_MAX as usize * 3) {
        peer.open(stream).unwrap();
        peer.frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]).expect("a client that runs out of time");
    }
}

#[test]
fn floods_of_frames_that_ask_for_nothing_end_the_connection() {
    let floods = [
        frame_of(kind::PING, 0, 0, &[0; 8]),
        frame_of(kind::SETTINGS, 0, 0, &[]),
        frame_of(kind::PRIORITY, 0, 1, &[0; 5]),
        frame_of(kind::DATA, 0, 1, &[]),
        frame_of(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame_of(kind::GOAWAY, 0, 0, &[0; 8]),
        frame_of(200, 0, 0, &[0; 8]),
    ];
    for frame in floods {
        let mut peer = Peer::new();
        peer.open(1).unwrap();
        let flood = frame.repeat(IDLE_FRAMES_MAX as usize);
        peer.send(&flood[frame.len()..]).expect("as many as are allowed");
        assert_eq!(peer.send(&flood), Err(Code::ENHANCE_YOUR_CALM), "kind {}", frame[3]);
        let mut peer = Peer::new();
        peer.open(1).unwrap();
        for _ in 0..3 {
            peer.send(&flood[frame.len() * 2..]).expect("the allowance comes back with time");
            peer.server.tick();
        }
    }
}

#[test]
fn a_header_block_that_does_not_end_is_not_gathered_for_ever() {
    for piece in [vec![0; 8_000], vec![]] {
        let mut peer = Peer::new();
        peer.frame(kind::HEADERS, 0, 1, BLOCK).unwrap();
        let mut sent = 0;
        let ended = loop {
            sent += piece.len();
            assert!(sent <= BLOCK_BYTES_MAX + piece.len(), "{sent} bytes are held");
            if let Err(code) = peer.frame(kind::CONTINUATION, 0, 1, &piece) {
                break code;
            }
        };
        assert_eq!(ended, Code::ENHANCE_YOUR_CALM);
    }
}

#[test]
fn a_bomb_of_references_is_refused_without_unpacking_it() {
    let mut peer = Peer::new();
    // One field of 3,000 bytes for the table, and 5,000 references to it: 15 MB.
    let mut block = BytesMut::from(&[0x40, 1, b'a', 0x7f][..]);
    block.put_slice(&[0xb9, 0x16]);
    block.put_slice(&[b'v'; 3_000]);
    peer.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &[BLOCK, &block].concat()).unwrap();
    let bomb = [BLOCK, &[0xbe; 5_000]].concat();
    peer.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 3, &bomb).unwrap();
    let heads = peer.events.iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert_eq!((heads, peer.server.streams()), (1, 1), "it was answered with 431 and is gone");
}

#[test]
fn a_reader_who_never_takes_holds_the_output_and_its_own_streams() {
    let mut peer = Peer::new();
    let wide = frame_of(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    let mut settings = BytesMut::new();
    frame::put_settings(&mut settings, &[(4, 0x7fff_ffff)]);
    peer.send(&[&settings[..], &wide].concat()).unwrap();
    for stream in (1..).step_by(2).take(100) {
        peer.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, BLOCK).unwrap();
        peer.server.begin_answer(stream);
        peer.server.shared_message(stream, &[], &Bytes::from(vec![7; 100_000]));
        peer.server.finish(stream, 0, "");
        peer.server.drain();
    }
    let held = peer.server.output().len();
    assert!(held < 2 * synod_grpc::limits::OUTPUT_BYTES_MAX, "{held} bytes wait to be written");
    assert!(peer.server.queued_bytes(199) >= 100_000);
}
