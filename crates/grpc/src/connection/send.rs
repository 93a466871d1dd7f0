//! What is sent, and what waits for room.

use bytes::{Bytes, BytesMut};

use super::stream::Ending;
use super::{Connection, Role, StreamId};
use crate::frame::{self, Code, HEAD_BYTES, Head, flag, kind};
use crate::hpack::{Block, Field};
use crate::limits::OUTPUT_BYTES_MAX;
use crate::message::PREFIX_BYTES;
use crate::status::percent_encode;

/// Fields that every answer of gRPC begins with.
const ANSWER_HEAD: fn() -> [Field<'static>; 2] =
    || [Field::again(":status", "200"), Field::again("content-type", "application/grpc")];
/// The field that ends an answer that went well.
const ANSWER_END: fn() -> [Field<'static>; 1] = || [Field::again("grpc-status", "0")];

/// The head of a client's calls to one method; kept, it comes to a few bytes a call.
#[derive(Debug)]
pub struct CallHead {
    path: &'static str,
    scheme: &'static str,
    authority: String,
    user_agent: &'static str,
    block: Block,
}

impl CallHead {
    /// Of the method at `path`.
    pub fn new(path: &'static str, is_tls: bool, authority: &str, user_agent: &'static str) -> Self {
        let scheme = if is_tls { "https" } else { "http" };
        CallHead { path, scheme, authority: authority.to_owned(), user_agent, block: Block::default() }
    }
}

impl Connection {
    /// Answers a call: head, message and success, in one go where windows allow. Gives the bytes of the message.
    pub fn answer(&mut self, stream: StreamId, encode: impl FnOnce(&mut BytesMut)) -> usize {
        self.begin_answer(stream);
        let bytes = self.message(stream, encode);
        self.finish(stream, 0, "");
        bytes
    }

    /// Begins an answer to a call, once.
    pub fn begin_answer(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut stream.has_head, true) {
            let at = reserve_head(&mut self.output);
            self.encoder.encode_again(&mut self.answer_head, &ANSWER_HEAD(), &mut self.output);
            fill_head(&mut self.output, at, kind::HEADERS, flag::END_HEADERS, id);
        }
    }

    /// Sends a message, which is encoded straight into the output. Gives its bytes, with what surrounds it.
    pub fn message(&mut self, id: StreamId, encode: impl FnOnce(&mut BytesMut)) -> usize {
        let Some(stream) = self.streams.get_mut(&id) else { return 0 };
        let at = self.output.len();
        let body = at + HEAD_BYTES + PREFIX_BYTES;
        self.output.resize(body, 0);
        encode(&mut self.output);
        let bytes = self.output.len() - at - HEAD_BYTES;
        let length = (bytes - PREFIX_BYTES) as u32;
        self.output[at + HEAD_BYTES + 1..body].copy_from_slice(&length.to_be_bytes());
        let room = stream.send_window.min(self.send_window).min(self.peer.payload_bytes_max as i64);
        if stream.queue.is_empty() && bytes as i64 <= room && at < OUTPUT_BYTES_MAX {
            stream.send_window -= bytes as i64;
            self.send_window -= bytes as i64;
            fill_head(&mut self.output, at, kind::DATA, 0, id);
            self.guard.worked();
            return bytes;
        }
        stream.queue(Bytes::copy_from_slice(&self.output[at + HEAD_BYTES..]));
        self.output.truncate(at);
        self.wait_for_turn(id);
        bytes
    }

    /// Sends a message whose end is shared with other streams: small ones are copied into the output, large ones referred to. Gives
    /// its bytes.
    pub fn shared_message(&mut self, id: StreamId, begin: &[u8], shared: &Bytes) -> usize {
        let Some(stream) = self.streams.get_mut(&id) else { return 0 };
        let length = begin.len() + shared.len();
        let bytes = (PREFIX_BYTES + length) as i64;
        let room = stream.send_window.min(self.send_window).min(self.peer.payload_bytes_max as i64);
        if stream.queue.is_empty() && bytes <= room && self.output.len() < OUTPUT_BYTES_MAX {
            return self.message(id, |out| {
                out.extend_from_slice(begin);
                out.extend_from_slice(shared);
            });
        }
        let mut prefix = BytesMut::with_capacity(PREFIX_BYTES + begin.len());
        prefix.extend_from_slice(&[0]);
        prefix.extend_from_slice(&(length as u32).to_be_bytes());
        prefix.extend_from_slice(begin);
        stream.queue(prefix.freeze());
        stream.queue(shared.clone());
        self.wait_for_turn(id);
        bytes as usize
    }

    /// Begins a message of so many bytes, which come with [`Connection::message_part`], all of them before anything else of the stream.
    pub fn begin_message(&mut self, id: StreamId, bytes: u32) {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[1..].copy_from_slice(&bytes.to_be_bytes());
        self.message_part(id, Bytes::copy_from_slice(&prefix));
    }

    /// Sends the next bytes of a message that has begun.
    pub fn message_part(&mut self, id: StreamId, part: Bytes) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.queue(part);
        self.wait_for_turn(id);
    }

    /// Ends an answer to a call. Without a head before, it is the whole answer.
    pub fn finish(&mut self, id: StreamId, code: u32, text: &str) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.ending.is_none() {
            stream.ending = Some(Ending::Status(code, percent_encode(text)));
        }
        if stream.queue.is_empty() { self.end(id) } else { self.wait_for_turn(id) }
    }

    /// Answers a request that is no call.
    pub fn answer_plainly(&mut self, id: StreamId, status: &str, fields: &[(&str, &str)], body: Bytes) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.has_head = true;
        let mut list = vec![Field::once(":status", status.as_bytes())];
        list.extend(fields.iter().map(|(name, value)| Field::once(name, value.as_bytes())));
        let at = reserve_head(&mut self.output);
        self.encoder.encode(&list, &mut self.output);
        let last = if body.is_empty() { flag::END_STREAM } else { 0 };
        fill_head(&mut self.output, at, kind::HEADERS, flag::END_HEADERS | last, id);
        if body.is_empty() {
            self.ended(id);
        } else {
            stream.queue(body);
            stream.ending = Some(Ending::Plain);
            self.wait_for_turn(id);
        }
    }

    /// Calls a method with one message; with `is_last` it is the only one. `None` if no stream may be opened now.
    pub fn call(
        &mut self,
        head: &mut CallHead,
        is_last: bool,
        encode: impl FnOnce(&mut BytesMut),
    ) -> Option<StreamId> {
        if !self.may_open() {
            return None;
        }
        let id = self.next_stream;
        self.next_stream += 2;
        let mut stream = self.new_stream();
        stream.has_head = true;
        self.streams.insert(id, stream);
        let at = reserve_head(&mut self.output);
        let CallHead { path, scheme, authority, user_agent, block } = head;
        let fields = [
            Field::again(":method", "POST"),
            Field::again(":scheme", scheme),
            Field::again(":path", path),
            Field::again(":authority", authority),
            Field::again("te", "trailers"),
            Field::again("content-type", "application/grpc"),
            Field::again("user-agent", user_agent),
        ];
        self.encoder.encode_again(block, &fields, &mut self.output);
        fill_head(&mut self.output, at, kind::HEADERS, flag::END_HEADERS, id);
        let data_at = self.output.len();
        self.message(id, encode);
        if is_last {
            self.end_plainly(id, data_at);
        }
        Some(id)
    }

    /// Ends our side of a stream whose last frame, if it is sent already, begins at `at`.
    fn end_plainly(&mut self, id: StreamId, at: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if self.output.len() > at {
            stream.has_ended = true;
            self.output[at + 4] |= flag::END_STREAM;
        } else {
            stream.ending = Some(Ending::Plain);
        }
    }

    /// Gives up a stream.
    pub fn reset(&mut self, stream: StreamId, code: Code) {
        if self.streams.remove(&stream).is_some() {
            frame::put_number(&mut self.output, kind::RST_STREAM, stream, code.0);
        }
    }

    /// Tells that so many bytes of a stream's data were taken. The peer is told when it comes to half a window.
    pub fn release(&mut self, id: StreamId, bytes: usize) {
        self.release_connection(bytes);
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.peer_has_ended) else { return };
        stream.released += bytes as u32;
        if stream.released >= self.limits.stream_window_bytes / 2 {
            let released = std::mem::take(&mut stream.released);
            stream.receive_window += i64::from(released);
            frame::put_number(&mut self.output, kind::WINDOW_UPDATE, id, released);
        }
    }

    pub(super) fn release_connection(&mut self, bytes: usize) {
        self.released += bytes as u32;
        if self.released >= self.limits.connection_window_bytes.max(frame::WINDOW_BYTES_DEFAULT) / 2 {
            let released = std::mem::take(&mut self.released);
            self.receive_window += i64::from(released);
            frame::put_number(&mut self.output, kind::WINDOW_UPDATE, 0, released);
        }
    }

    /// Moves what waits into the output, stream by stream in turn, as far as windows and the output have room.
    pub fn drain(&mut self) {
        for _ in 0..self.waiting.len() {
            if self.send_window <= 0 || self.is_full() {
                return;
            }
            let Some(id) = self.waiting.pop_front() else { return };
            if self.send_queued(id) {
                self.waiting.push_back(id);
            } else if let Some(stream) = self.streams.get_mut(&id) {
                stream.is_waiting = false;
            }
        }
    }

    /// Whether [`Connection::drain`] would send something.
    pub fn may_drain(&self) -> bool {
        !self.waiting.is_empty() && self.send_window > 0 && !self.is_full()
    }

    /// Puts a stream that has something to send into the row.
    pub(super) fn wait_for_turn(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.wants_turn() {
            self.waiting.push_back(id);
        }
    }

    /// Sends frames of one stream's queue. Whether it wants another turn.
    fn send_queued(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        while let Some(first) = stream.queue.front_mut() {
            let room = stream.send_window.min(self.send_window).min(self.peer.payload_bytes_max as i64);
            if stream.send_window <= 0 {
                // Its next update puts it back into the row.
                return false;
            }
            if room <= 0 || self.output.len() >= OUTPUT_BYTES_MAX {
                return true;
            }
            let length = first.len().min(room as usize);
            let part = first.split_to(length);
            stream.send_window -= length as i64;
            stream.queued_bytes -= length;
            self.send_window -= length as i64;
            if first.is_empty() {
                stream.queue.pop_front();
            }
            let is_last = stream.queue.is_empty() && matches!(stream.ending, Some(Ending::Plain));
            let flags = if is_last { flag::END_STREAM } else { 0 };
            Head { length, kind: kind::DATA, flags, stream: id }.write(&mut self.output);
            self.output.extend_from_slice(&part);
            self.guard.worked();
        }
        if stream.ending.is_some() {
            self.end(id);
        }
        false
    }

    /// Sends what ends our side; the queue is empty.
    fn end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let had_head = stream.has_head;
        if let Some(Ending::Status(code, text)) = stream.ending.take() {
            let at = reserve_head(&mut self.output);
            if code == 0 && had_head {
                self.encoder.encode_again(&mut self.answer_end, &ANSWER_END(), &mut self.output);
            } else {
                let code = code.to_string();
                let mut fields = Vec::with_capacity(4);
                if !had_head {
                    fields.extend(ANSWER_HEAD());
                }
                fields.push(Field::once("grpc-status", code.as_bytes()));
                if !text.is_empty() {
                    fields.push(Field::once("grpc-message", &text));
                }
                self.encoder.encode(&fields, &mut self.output);
            }
            fill_head(&mut self.output, at, kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id);
        }
        self.ended(id);
    }

    /// Our side has ended.
    fn ended(&mut self, id: StreamId) {
        self.guard.served();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.has_ended = true;
        if self.role == Role::Server {
            // A server that has answered needs no more of the request (section 8.1).
            if !stream.peer_has_ended {
                self.reset(id, Code::NO_ERROR);
            }
            self.streams.remove(&id);
        } else {
            self.close_if_ended(id);
        }
    }

    /// Forgets a stream of which both sides have ended; a client that has its answer needs no more of its own side.
    pub(super) fn close_if_ended(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        if !stream.peer_has_ended {
            return;
        }
        if stream.has_ended {
            self.streams.remove(&id);
        } else if self.role == Role::Client {
            self.reset(id, Code::CANCEL);
        }
    }
}

/// Leaves room for a frame's head.
fn reserve_head(out: &mut BytesMut) -> usize {
    let at = out.len();
    out.resize(at + HEAD_BYTES, 0);
    at
}

/// Fills in the head of the frame that begins at `at` and ends here.
fn fill_head(out: &mut BytesMut, at: usize, kind: u8, flags: u8, stream: StreamId) {
    let length = out.len() - at - HEAD_BYTES;
    out[at..at + HEAD_BYTES].copy_from_slice(&Head { length, kind, flags, stream }.bytes());
}
