//! Answers that are larger than what is held of them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use synod_grpc::{CallHead, Connection, Event, Messages, StreamId};
use synod_server::api::pieces::{KEPT_BYTES_MAX, PIECE_BYTES};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Running, soon};
use super::*;

const KEYS: usize = 1_600;
const VALUE_BYTES: usize = 16 << 10;
/// Of all keys together.
const ANSWER_BYTES: usize = KEYS * VALUE_BYTES;

async fn filled(running: &Running) -> Kv {
    let mut kv = Kv::new(running.channel().await).max_decoding_message_size(usize::MAX);
    for number in 0..KEYS {
        let value = vec![number as u8; VALUE_BYTES];
        let key = format!("k/{number:05}");
        kv.put(pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }).await.unwrap();
    }
    kv
}

/// A client that takes what it wants, byte by byte.
struct Reader {
    socket: TcpStream,
    http: Connection,
    read: BytesMut,
    events: VecDeque<Event>,
}

impl Reader {
    async fn asking(running: &Running, request: &pb::RangeRequest) -> (Reader, StreamId) {
        let socket = TcpStream::connect(running.address).await.unwrap();
        let mut http = Connection::client(synod_grpc::Limits::default());
        let mut head = CallHead::new("/etcdserverpb.KV/Range", false, "here", "test");
        let stream = http.call(&mut head, true, |out| request.encode(out).unwrap()).unwrap();
        (Reader { socket, http, read: BytesMut::new(), events: VecDeque::new() }, stream)
    }

    /// Writes what is to be written, and reads until something has happened.
    async fn turn(&mut self) -> Event {
        loop {
            let output = self.http.output().split();
            self.socket.write_all(&output).await.unwrap();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            assert!(soon(self.socket.read_buf(&mut self.read)).await.unwrap() > 0, "the server hung up");
            self.http.receive(&mut self.read, &mut self.events).unwrap();
        }
    }

    /// Asks for a sign of life: what came before it has been dealt with.
    async fn round_trip(&mut self, data: &mut Vec<Bytes>) {
        self.http.ping(*b"stillout");
        loop {
            match self.turn().await {
                Event::Pong(_) => return,
                Event::Data { data: more, .. } => data.push(more),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_is_made_as_it_is_taken() {
    let running = Running::start();
    let mut kv = filled(&running).await;
    let (mut reader, stream) = Reader::asking(&running, &prefix("k/")).await;
    let mut taken = Vec::new();
    // It is sent what its windows hold, and no more, however long that lasts.
    while taken.is_empty() {
        reader.round_trip(&mut taken).await;
    }
    for _ in 0..200 {
        reader.round_trip(&mut taken).await;
    }
    let counted = ANSWER_BYTES.div_ceil(PIECE_BYTES);
    let made = running.memory.pieces.load(Ordering::Relaxed);
    assert!(
        made <= counted + 3,
        "{made} pieces were read of {counted} to be counted, for a client that takes none"
    );
    const { assert!(ANSWER_BYTES > 2 * KEPT_BYTES_MAX) };
    // What is written meanwhile is not in it.
    kv.put(put("k/00000x", "late")).await.unwrap();

    let mut messages = Messages::default();
    for data in taken {
        reader.http.release(stream, data.len());
        messages.push(data);
    }
    let message = loop {
        match reader.turn().await {
            Event::Data { data, .. } => {
                reader.http.release(stream, data.len());
                messages.push(data);
            }
            Event::End { end, .. } => {
                assert_eq!(end.unwrap().code, 0);
                break messages.next(usize::MAX).unwrap().unwrap();
            }
            _ => {}
        }
    };
    messages.end().unwrap();
    let answer = pb::RangeResponse::decode(message).unwrap();
    assert_eq!((answer.kvs.len(), answer.count, answer.more), (KEYS, KEYS as i64, false));
    for (number, kv) in answer.kvs.iter().enumerate() {
        assert_eq!(kv.key, format!("k/{number:05}"));
        assert!(kv.value.len() == VALUE_BYTES && kv.value.iter().all(|byte| *byte == number as u8));
    }
    assert_eq!(answer.header.unwrap().revision, KEYS as i64 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_old_revisions_and_who_goes_away() {
    let running = Running::start();
    let mut kv = filled(&running).await;
    let revision = kv.put(put("k/00000", "newer")).await.unwrap().into_inner().header.unwrap().revision;
    let page = pb::RangeRequest { limit: 1_500, ..prefix("k/") };
    let page = kv.range(page).await.unwrap().into_inner();
    assert_eq!((page.kvs.len(), page.count, page.more), (1_500, KEYS as i64, true));
    let old = pb::RangeRequest { revision: revision - 1, ..prefix("k/") };
    let old = kv.range(old).await.unwrap().into_inner();
    assert_eq!((old.kvs.len(), old.count, old.kvs[0].value.len()), (KEYS, KEYS as i64, VALUE_BYTES));
    let bare = pb::RangeRequest { keys_only: true, ..prefix("k/") };
    let bare = kv.range(bare).await.unwrap().into_inner();
    assert!(bare.kvs.len() == KEYS && bare.kvs.iter().all(|kv| kv.value.is_empty()));

    let before = running.memory.pieces.load(Ordering::Relaxed);
    let (mut reader, _) = Reader::asking(&running, &prefix("k/")).await;
    while !matches!(reader.turn().await, Event::Data { .. }) {}
    drop(reader);
    let (mut other, stream) = Reader::asking(&running, &get("k/00001")).await;
    while !matches!(other.turn().await, Event::End { stream: ended, .. } if ended == stream) {}
    let made = running.memory.pieces.load(Ordering::Relaxed) - before;
    assert!(made < 2 * ANSWER_BYTES.div_ceil(PIECE_BYTES), "an answer was made for a client that has gone");
}
