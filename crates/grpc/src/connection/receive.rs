//! What is read, frame by frame.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Connection, Event, Failure, LAST_CALL, Leaving, Role, StreamId};
use crate::frame::{
    self, Code, HEAD_BYTES, Head, PAYLOAD_BYTES_MAX, PREFACE, WINDOW_BYTES_MAX, flag, kind, setting,
};
use crate::head::{Fields, HeadError};
use crate::limits::{BLOCK_BYTES_MAX, CONTINUATIONS_MAX};

/// A header block that comes in several frames; nothing else may come between (RFC 9113, section 6.10).
#[derive(Debug)]
pub struct PartialBlock {
    stream: StreamId,
    ended: bool,
    bytes: BytesMut,
    frames: u32,
}

impl Connection {
    /// Takes whole frames from what was read, and tells what they mean. What is left is the beginning of a frame.
    ///
    /// # Errors
    /// [`Failure`]: the connection must end, once what the output holds was written.
    pub fn receive(&mut self, input: &mut BytesMut, events: &mut VecDeque<Event>) -> Result<(), Failure> {
        self.reads += 1;
        let received = self.receive_frames(input, events);
        if let Err(failure) = &received {
            self.fail(failure.code);
        }
        received
    }

    /// Bytes that must be there for the next frame to be whole, the head of it counted.
    pub fn wanted_bytes(&self, input: &[u8]) -> usize {
        Head::read(input).map_or(HEAD_BYTES, |head| HEAD_BYTES + head.length.min(PAYLOAD_BYTES_MAX))
    }

    fn receive_frames(&mut self, input: &mut BytesMut, events: &mut VecDeque<Event>) -> Result<(), Failure> {
        if self.preface_left > 0 && !self.preface(input)? {
            return Ok(());
        }
        while let Some(head) = Head::read(input) {
            if head.length > PAYLOAD_BYTES_MAX {
                return Err(Failure { code: Code::FRAME_SIZE_ERROR, reason: "a frame is too large" });
            }
            if input.len() < HEAD_BYTES + head.length {
                break;
            }
            if !self.peer.has_spoken && head.kind != kind::SETTINGS {
                return Err(Failure::protocol("the first frame is not SETTINGS"));
            }
            self.frames += 1;
            if head.kind == kind::DATA {
                // Its bytes stay where they were read to; all others are looked at and forgotten.
                let mut payload = input.split_to(HEAD_BYTES + head.length).freeze();
                payload.advance(HEAD_BYTES);
                self.data(head, payload, events)?;
            } else {
                self.frame(head, &input[HEAD_BYTES..HEAD_BYTES + head.length], events)?;
                input.advance(HEAD_BYTES + head.length);
            }
        }
        Ok(())
    }

    /// Whether the whole preface has come.
    fn preface(&mut self, input: &mut BytesMut) -> Result<bool, Failure> {
        let length = self.preface_left.min(input.len());
        let expected = &PREFACE[PREFACE.len() - self.preface_left..][..length];
        if input[..length] != *expected {
            return Err(Failure::protocol("the connection does not begin as HTTP/2 does"));
        }
        input.advance(length);
        self.preface_left -= length;
        Ok(self.preface_left == 0)
    }

    fn frame(&mut self, head: Head, payload: &[u8], events: &mut VecDeque<Event>) -> Result<(), Failure> {
        if self.partial.is_some() != (head.kind == kind::CONTINUATION) {
            return Err(Failure::protocol("a header block and its continuation do not follow each other"));
        }
        match head.kind {
            kind::HEADERS => self.headers(head, payload, events),
            kind::CONTINUATION => self.continuation(head, payload, events),
            kind::RST_STREAM => self.rst_stream(head, payload, events),
            kind::SETTINGS => self.settings(head, payload),
            kind::PUSH_PROMISE => Err(Failure::protocol("a stream was pushed")),
            kind::PING => self.pinged(head, payload, events),
            kind::GOAWAY => self.goaway(head, payload, events),
            kind::WINDOW_UPDATE => self.window_update(head, payload, events),
            // Priorities have no meaning any more, and unknown kinds are ignored (section 5.5).
            _ => self.guard.idle(),
        }
    }

    fn data(&mut self, head: Head, payload: Bytes, events: &mut VecDeque<Event>) -> Result<(), Failure> {
        if self.partial.is_some() {
            return Err(Failure::protocol("a header block and its continuation do not follow each other"));
        }
        // Padding counts, too (section 6.1).
        let charged = head.length as i64;
        self.receive_window -= charged;
        if self.receive_window < 0 {
            return Err(Failure {
                code: Code::FLOW_CONTROL_ERROR,
                reason: "more data than the window has room for",
            });
        }
        let data = unpadded(head, payload)?;
        let ended = head.has(flag::END_STREAM);
        match data.is_empty() && !ended {
            true => self.guard.idle()?,
            false => self.guard.worked(),
        }
        let Some(stream) = self.streams.get_mut(&head.stream) else {
            self.expect_known(head.stream)?;
            // It was reset, or answered early, before the peer knew.
            self.release_connection(head.length);
            return Ok(());
        };
        let lacks_head = self.role == Role::Client && !stream.peer_has_head;
        stream.receive_window -= charged;
        let code = match () {
            () if stream.peer_has_ended => Some(Code::STREAM_CLOSED),
            () if stream.receive_window < 0 => Some(Code::FLOW_CONTROL_ERROR),
            () if lacks_head => Some(Code::PROTOCOL_ERROR),
            () => None,
        };
        if let Some(code) = code {
            self.release_connection(head.length);
            return self.refuse(head.stream, code, events);
        }
        stream.peer_has_ended = ended;
        let padding = head.length - data.len();
        if padding > 0 {
            self.release(head.stream, padding);
        }
        events.push_back(Event::Data { stream: head.stream, data, ended });
        if ended {
            self.close_if_ended(head.stream);
        }
        Ok(())
    }

    fn headers(&mut self, head: Head, payload: &[u8], events: &mut VecDeque<Event>) -> Result<(), Failure> {
        if head.stream == 0 {
            return Err(Failure::protocol("a header block without a stream"));
        }
        let mut block = unpadded_slice(head, payload)?;
        if head.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(Failure::protocol("a header block ends within its priority"))?;
        }
        let ended = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, ended, block, events);
        }
        self.partial =
            Some(PartialBlock { stream: head.stream, ended, bytes: BytesMut::from(block), frames: 1 });
        Ok(())
    }

    fn continuation(
        &mut self,
        head: Head,
        payload: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), Failure> {
        let Some(mut partial) = self.partial.take().filter(|partial| partial.stream == head.stream) else {
            return Err(Failure::protocol("a continuation of another stream's header block"));
        };
        partial.bytes.extend_from_slice(payload);
        partial.frames += 1;
        if partial.bytes.len() > BLOCK_BYTES_MAX || partial.frames > CONTINUATIONS_MAX {
            return Err(Failure { code: Code::ENHANCE_YOUR_CALM, reason: "a header block does not end" });
        }
        if head.has(flag::END_HEADERS) {
            return self.block(partial.stream, partial.ended, &partial.bytes, events);
        }
        self.partial = Some(partial);
        Ok(())
    }

    /// A whole header block. It is always decoded, whatever becomes of its stream: the tables must stay equal.
    fn block(
        &mut self,
        id: StreamId,
        ended: bool,
        block: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), Failure> {
        let is_new = self.role == Role::Server && id > self.last_peer_stream;
        let is_trailer = self.streams.get(&id).is_some_and(|stream| stream.peer_has_head);
        let mut fields = Fields::new(self.limits.header_list_bytes_max as usize, is_trailer);
        self.decoder.decode(block, |name, value| fields.push(name, value)).map_err(|_| Failure {
            code: Code::COMPRESSION_ERROR,
            reason: "a header block cannot be read",
        })?;
        if is_new {
            return self.open_by_peer(id, ended, fields, events);
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            self.expect_known(id)?;
            return self.guard.idle();
        };
        if stream.peer_has_ended || (is_trailer && !ended) {
            return self.refuse(id, Code::PROTOCOL_ERROR, events);
        }
        if self.role == Role::Server {
            stream.peer_has_ended = true;
            events.push_back(Event::Data { stream: id, data: Bytes::new(), ended });
            return Ok(());
        }
        let Ok(response) = fields.into_response() else {
            return self.refuse(id, Code::PROTOCOL_ERROR, events);
        };
        // An interim answer says nothing yet (section 8.1).
        if !is_trailer && (100..200).contains(&response.status) {
            return if ended { self.refuse(id, Code::PROTOCOL_ERROR, events) } else { self.guard.idle() };
        }
        stream.peer_has_head = true;
        stream.peer_has_ended = ended;
        events.push_back(match is_trailer {
            true => Event::End { stream: id, end: response.end },
            false => Event::Response { stream: id, response, ended },
        });
        if ended {
            self.close_if_ended(id);
        }
        Ok(())
    }

    fn open_by_peer(
        &mut self,
        id: StreamId,
        ended: bool,
        fields: Fields,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Failure> {
        if id.is_multiple_of(2) {
            return Err(Failure::protocol("a client opened a stream of a server's number"));
        }
        self.last_peer_stream = id;
        if self.leaving == Leaving::Heard {
            return self.guard.idle();
        }
        self.guard.worked();
        if self.streams.len() >= self.limits.streams_max as usize {
            frame::put_number(&mut self.output, kind::RST_STREAM, id, Code::REFUSED_STREAM.0);
            return self.guard.rapid_reset();
        }
        let mut stream = self.new_stream();
        stream.peer_has_head = true;
        stream.peer_has_ended = ended;
        match fields.into_request() {
            Ok(request) => {
                self.streams.insert(id, stream);
                events.push_back(Event::Request { stream: id, request, ended });
                Ok(())
            }
            Err(HeadError::Malformed) => {
                frame::put_number(&mut self.output, kind::RST_STREAM, id, Code::PROTOCOL_ERROR.0);
                self.guard.rapid_reset()
            }
            Err(HeadError::TooLarge) => {
                self.streams.insert(id, stream);
                self.answer_plainly(id, "431", &[], Bytes::new());
                self.guard.rapid_reset()
            }
        }
    }

    fn rst_stream(
        &mut self,
        head: Head,
        payload: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), Failure> {
        let code = Code(frame::number(payload).ok_or(WRONG_SIZE)?);
        let Some(stream) = self.streams.remove(&head.stream) else {
            self.expect_known(head.stream)?;
            return self.guard.idle();
        };
        events.push_back(Event::Reset { stream: head.stream, code });
        // Opened and reset in one go: it never had a turn.
        if self.role == Role::Server && stream.opened_in == self.reads {
            self.guard.rapid_reset()
        } else {
            Ok(())
        }
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Failure> {
        if head.stream != 0 {
            return Err(Failure::protocol("settings of a stream"));
        }
        if head.has(flag::ACK) {
            self.is_known = true;
            return if payload.is_empty() { self.guard.idle() } else { Err(WRONG_SIZE) };
        }
        let (settings, []) = payload.as_chunks::<6>() else { return Err(WRONG_SIZE) };
        if std::mem::replace(&mut self.peer.has_spoken, true) {
            self.guard.idle()?;
        }
        for [a, b, value @ ..] in settings {
            self.setting(u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value))?;
        }
        Head { length: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 }.write(&mut self.output);
        Ok(())
    }

    fn setting(&mut self, identifier: u16, value: u32) -> Result<(), Failure> {
        match identifier {
            setting::HEADER_TABLE_SIZE => self.encoder.allow(value as usize),
            setting::MAX_CONCURRENT_STREAMS => self.peer.streams_max = value,
            setting::INITIAL_WINDOW_SIZE => {
                let overflow = Failure { code: Code::FLOW_CONTROL_ERROR, reason: "a window is too large" };
                if i64::from(value) > WINDOW_BYTES_MAX {
                    return Err(overflow);
                }
                // Streams that are open keep what they have used of it (section 6.9.2).
                let change = i64::from(value) - self.peer.stream_window_bytes;
                self.peer.stream_window_bytes = value.into();
                for (id, stream) in &mut self.streams {
                    stream.send_window += change;
                    if stream.send_window > WINDOW_BYTES_MAX {
                        return Err(overflow);
                    }
                    if stream.wants_turn() {
                        self.waiting.push_back(*id);
                    }
                }
            }
            setting::MAX_FRAME_SIZE => match value {
                0x4000..=0xff_ffff => self.peer.payload_bytes_max = value as usize,
                _ => return Err(Failure::protocol("a size of frames that is not allowed")),
            },
            _ => {}
        }
        Ok(())
    }

    fn pinged(&mut self, head: Head, payload: &[u8], events: &mut VecDeque<Event>) -> Result<(), Failure> {
        let Ok(payload) = <[u8; 8]>::try_from(payload) else { return Err(WRONG_SIZE) };
        if head.stream != 0 {
            return Err(Failure::protocol("a ping of a stream"));
        }
        self.guard.idle()?;
        if !head.has(flag::ACK) {
            frame::put_ping(&mut self.output, flag::ACK, payload);
        } else if payload == LAST_CALL && self.leaving == Leaving::Told {
            self.leaving = Leaving::Heard;
            frame::put_goaway(&mut self.output, self.last_peer_stream, Code::NO_ERROR);
        } else {
            events.push_back(Event::Pong(payload));
        }
        Ok(())
    }

    fn goaway(&mut self, head: Head, payload: &[u8], events: &mut VecDeque<Event>) -> Result<(), Failure> {
        let (last, rest) = payload.split_at_checked(4).ok_or(WRONG_SIZE)?;
        let last_stream = frame::number(last).ok_or(WRONG_SIZE)? & (u32::MAX >> 1);
        let code = Code(rest.get(..4).and_then(frame::number).ok_or(WRONG_SIZE)?);
        if head.stream != 0 {
            return Err(Failure::protocol("a stream goes away"));
        }
        self.guard.idle()?;
        if self.role == Role::Client {
            self.leaving = Leaving::Heard;
            let lost = self.streams.split_off(&last_stream.saturating_add(1));
            events.extend(
                lost.keys().map(|stream| Event::Reset { stream: *stream, code: Code::REFUSED_STREAM }),
            );
        }
        events.push_back(Event::GoAway { last_stream, code });
        Ok(())
    }

    fn window_update(
        &mut self,
        head: Head,
        payload: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), Failure> {
        let increment = i64::from(frame::number(payload).ok_or(WRONG_SIZE)? & (u32::MAX >> 1));
        self.guard.idle()?;
        if head.stream == 0 {
            self.send_window += increment;
            return match increment {
                0 => Err(Failure::protocol("a window is made wider by nothing")),
                _ if self.send_window > WINDOW_BYTES_MAX => {
                    Err(Failure { code: Code::FLOW_CONTROL_ERROR, reason: "a window is too large" })
                }
                _ => Ok(()),
            };
        }
        let Some(stream) = self.streams.get_mut(&head.stream) else { return self.expect_known(head.stream) };
        stream.send_window += increment;
        match increment {
            0 => self.refuse(head.stream, Code::PROTOCOL_ERROR, events),
            _ if stream.send_window > WINDOW_BYTES_MAX => {
                self.refuse(head.stream, Code::FLOW_CONTROL_ERROR, events)
            }
            _ => {
                self.wait_for_turn(head.stream);
                Ok(())
            }
        }
    }

    /// Ends a stream whose peer broke a rule.
    fn refuse(&mut self, stream: StreamId, code: Code, events: &mut VecDeque<Event>) -> Result<(), Failure> {
        self.reset(stream, code);
        events.push_back(Event::Reset { stream, code });
        self.guard.rapid_reset()
    }

    /// A stream that is not open was open once; one that was never opened must not be spoken of.
    fn expect_known(&self, stream: StreamId) -> Result<(), Failure> {
        let is_known = match self.role {
            Role::Server => stream <= self.last_peer_stream && stream % 2 == 1,
            Role::Client => stream < self.next_stream && stream % 2 == 1,
        };
        if is_known { Ok(()) } else { Err(Failure::protocol("a frame of a stream that was never opened")) }
    }
}

const WRONG_SIZE: Failure =
    Failure { code: Code::FRAME_SIZE_ERROR, reason: "a frame has not the size of its kind" };

fn unpadded(head: Head, payload: Bytes) -> Result<Bytes, Failure> {
    if !head.has(flag::PADDED) {
        if head.stream == 0 {
            return Err(Failure::protocol("data without a stream"));
        }
        return Ok(payload);
    }
    let inner = unpadded_slice(head, &payload)?;
    Ok(payload.slice_ref(inner))
}

fn unpadded_slice(head: Head, payload: &[u8]) -> Result<&[u8], Failure> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let too_long = Failure::protocol("a frame's padding is longer than the frame");
    let (padding, rest) = payload.split_first().ok_or(too_long)?;
    let length = rest.len().checked_sub(usize::from(*padding)).ok_or(too_long)?;
    Ok(&rest[..length])
}
