//! One connection of HTTP/2 (RFC 9113), as far as gRPC needs it, as a state machine.
//!
//! # How it works
//! [`Connection::receive`] takes what was read and tells what it means, as [`Event`]s. Answers and calls are written at once into one buffer,
//! [`Connection::output`], which whoever owns the socket writes out when all that was read has been dealt with: so what is ready together leaves together. Neither
//! side waits: what a window has no room for stands in its stream's queue, and [`Connection::drain`] moves it on when windows or the buffer have
//! room again. Data that was received counts against our windows until [`Connection::release`] says that it was taken.
//!
//! # What is promised
//! - However the input is cut into reads, the events are the same.
//! - No input panics, and none makes the connection hold more than its [`Limits`](crate::Limits), the constants of [`limits`](crate::limits) and the streams' queues say.
//! - Windows are kept in both directions (section 5.2), also when the peer changes them while streams are open (section 6.9.2).
//! - A message that fits the windows is encoded straight into the output, behind a head that is a few bytes once the tables know it.
//!
//! # What is needed
//! The owner reports each byte that it takes, drops what it knows of a stream when told that it was reset, and closes the socket after [`Failure`], once
//! the output, which then ends with GOAWAY, is written. Every few seconds it calls [`Connection::tick`].
//!
//! # What it costs
//! A call costs a walk in a tree of streams for each of its frames, and no allocation but where a message does not come, or leave, in one piece.
//!
//! # What is left out
//! Priorities (section 5.3, deprecated), server push (refused), compressed messages, padding in what is sent, HTTP beyond what probes ask.

mod guard;
mod receive;
mod send;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::frame::{self, Code, WINDOW_BYTES_DEFAULT, setting};
use crate::head::{Request, Response};
use crate::hpack::{Block, Decoder, Encoder};
use crate::limits::{Limits, OUTPUT_BYTES_MAX};
use crate::status::End;
use guard::Guard;
use receive::PartialBlock;
use stream::Stream;

pub use send::CallHead;

/// A stream's number.
pub type StreamId = u32;

/// The payload of the PING that marks the end of what a peer sent before it knew that we go away.
const LAST_CALL: [u8; 8] = *b"lastcall";

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers.
    Server,
    /// Asks.
    Client,
}

/// What a peer has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request has begun.
    Request {
        /// Its stream.
        stream: StreamId,
        /// Its head.
        request: Request,
        /// Nothing follows.
        ended: bool,
    },
    /// An answer has begun.
    Response {
        /// Its stream.
        stream: StreamId,
        /// Its head.
        response: Response,
        /// Nothing follows.
        ended: bool,
    },
    /// Bytes of a stream; whoever has taken them says so, see [`Connection::release`].
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        data: Bytes,
        /// Nothing follows.
        ended: bool,
    },
    /// The end of an answer.
    End {
        /// The stream.
        stream: StreamId,
        /// gRPC's, if it was told.
        end: Option<End>,
    },
    /// A stream is gone: the peer reset it, or broke a rule.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: Code,
    },
    /// The answer to a PING of ours.
    Pong([u8; 8]),
    /// The peer takes no streams above this one.
    GoAway {
        /// The last stream that it may have looked at.
        last_stream: StreamId,
        /// Why.
        code: Code,
    },
}

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What the peer is told.
    pub code: Code,
    /// For us.
    pub reason: &'static str,
}

impl Failure {
    const fn protocol(reason: &'static str) -> Self {
        Failure { code: Code::PROTOCOL_ERROR, reason }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    limits: Limits,
    decoder: Decoder,
    encoder: Encoder,
    streams: BTreeMap<StreamId, Stream>,
    /// The highest stream that the peer has opened.
    last_peer_stream: StreamId,
    /// The next one that we open.
    next_stream: StreamId,
    /// Bytes that we may send on all streams together.
    send_window: i64,
    /// Bytes that the peer may send on all streams together, and those taken that it was not told of.
    receive_window: i64,
    released: u32,
    /// What the peer has said of itself.
    peer: Peer,
    /// A header block whose end has not come.
    partial: Option<PartialBlock>,
    /// Bytes of the preface still to come.
    preface_left: usize,
    output: BytesMut,
    /// Streams whose queues wait for windows or room, in the order of their turns.
    waiting: VecDeque<StreamId>,
    /// Blocks of every answer.
    answer_head: Block,
    answer_end: Block,
    guard: Guard,
    reads: u64,
    frames: u64,
    leaving: Leaving,
    failed: bool,
    /// The peer knows our settings.
    is_known: bool,
}

#[derive(Debug)]
struct Peer {
    stream_window_bytes: i64,
    payload_bytes_max: usize,
    streams_max: u32,
    has_spoken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was told, and may have sent more before it heard.
    Told,
    /// It has heard: no more streams.
    Heard,
}

impl Connection {
    /// A server's end, from the first byte on, the client's preface included.
    pub fn server(limits: Limits) -> Self {
        Connection::new(Role::Server, limits)
    }

    /// A client's end; the preface stands in the output.
    pub fn client(limits: Limits) -> Self {
        Connection::new(Role::Client, limits)
    }

    fn new(role: Role, limits: Limits) -> Self {
        let mut output = BytesMut::with_capacity(4 * 1024);
        let mut settings = vec![
            (setting::INITIAL_WINDOW_SIZE, limits.stream_window_bytes),
            (setting::MAX_HEADER_LIST_SIZE, limits.header_list_bytes_max),
        ];
        match role {
            Role::Server => settings.push((setting::MAX_CONCURRENT_STREAMS, limits.streams_max)),
            Role::Client => {
                output.extend_from_slice(frame::PREFACE);
                settings.push((setting::ENABLE_PUSH, 0));
            }
        }
        frame::put_settings(&mut output, &settings);
        let wider = limits.connection_window_bytes.saturating_sub(WINDOW_BYTES_DEFAULT);
        if wider > 0 {
            frame::put_number(&mut output, frame::kind::WINDOW_UPDATE, 0, wider);
        }
        Connection {
            role,
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            streams: BTreeMap::new(),
            last_peer_stream: 0,
            next_stream: 1,
            send_window: WINDOW_BYTES_DEFAULT.into(),
            receive_window: i64::from(WINDOW_BYTES_DEFAULT) + i64::from(wider),
            released: 0,
            peer: Peer {
                stream_window_bytes: WINDOW_BYTES_DEFAULT.into(),
                payload_bytes_max: frame::PAYLOAD_BYTES_MAX,
                streams_max: u32::MAX,
                has_spoken: false,
            },
            partial: None,
            preface_left: if role == Role::Server { frame::PREFACE.len() } else { 0 },
            output,
            waiting: VecDeque::new(),
            answer_head: Block::default(),
            answer_end: Block::default(),
            guard: Guard::default(),
            reads: 0,
            frames: 0,
            leaving: Leaving::No,
            failed: false,
            is_known: false,
            limits,
        }
    }

    /// What waits to be written. Whoever writes takes it from the front.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Whether so much waits to be written that nothing should be read or answered before.
    pub fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES_MAX
    }

    /// Frames that have come: as long as it grows, the peer lives.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Open streams.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether a stream is open.
    pub fn has(&self, stream: StreamId) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Bytes of a stream that wait for the peer to read.
    pub fn queued_bytes(&self, stream: StreamId) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.queued_bytes)
    }

    /// Whether one more stream may be opened: there is a number left, and the peer allows one more.
    pub fn may_open(&self) -> bool {
        self.next_stream <= u32::MAX >> 1
            && self.leaving == Leaving::No
            && self.streams.len() < self.peer.streams_max as usize
    }

    /// Time has passed: what a quiet peer may ask for begins anew.
    pub fn tick(&mut self) {
        self.guard.worked();
    }

    /// Asks for a sign of life.
    pub fn ping(&mut self, payload: [u8; 8]) {
        frame::put_ping(&mut self.output, 0, payload);
    }

    /// Says that no more streams are taken; those that are open may end (section 6.8).
    pub fn go_away(&mut self) {
        if self.leaving == Leaving::No && !self.failed {
            self.leaving = Leaving::Told;
            frame::put_goaway(&mut self.output, u32::MAX >> 1, Code::NO_ERROR);
            frame::put_ping(&mut self.output, 0, LAST_CALL);
        }
    }

    /// Whether all is done after [`Connection::go_away`]: the peer knows, and no stream is open.
    pub fn is_done(&self) -> bool {
        self.leaving == Leaving::Heard && self.streams.is_empty()
    }

    /// A stream that opens now. Until the peer knows our settings it takes our window for the usual one (section 6.9.3).
    fn new_stream(&self) -> Stream {
        let usual = if self.is_known { 0 } else { WINDOW_BYTES_DEFAULT };
        let window = self.limits.stream_window_bytes.max(usual);
        Stream::new(self.peer.stream_window_bytes, window.into(), self.reads)
    }

    fn fail(&mut self, code: Code) {
        if !std::mem::replace(&mut self.failed, true) {
            frame::put_goaway(&mut self.output, self.last_peer_stream, code);
        }
    }
}
