//! A large answer on its way to a client: one message, of which each piece is made when the client has taken those before.

use bytes::Bytes;
use synod_grpc::{Code as ResetCode, Connection, StreamId};
use tonic::Code;

use super::calls::Counted;
use super::serving::{Call, Talk};
use super::under_way::UnderWay;
use crate::api::pieces::Pieces;
use crate::backend::{Backend, BackendError};

/// An answer on its way.
pub struct Giving {
    pub(super) counted: Counted,
    /// Bytes that were announced and have not come.
    left: usize,
    /// Where pieces come from, while the client does not take what is there.
    stopped: Option<Pieces>,
}

impl<B: Backend> Talk<B> {
    pub(super) fn begin_giving(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        counted: Counted,
        bytes: u32,
        pieces: Pieces,
    ) {
        http.begin_answer(stream);
        http.begin_message(stream, bytes);
        self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        let giving = Giving { counted, left: bytes as usize, stopped: None };
        self.calls.insert(stream, Call::Giving(Box::new(giving)));
    }

    pub(super) fn given(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        piece: Option<Result<Bytes, BackendError>>,
        pieces: Pieces,
    ) {
        let Some(Call::Giving(giving)) = self.calls.get_mut(&stream) else { return };
        let piece = match piece {
            Some(Ok(piece)) if piece.len() <= giving.left => piece,
            // A message that was announced and cannot be ended: the client must not take what it has for all.
            _ => return self.give_up(http, stream),
        };
        giving.left -= piece.len();
        let sent = piece.len();
        http.message_part(stream, piece);
        if giving.left == 0 {
            http.finish(stream, 0, "");
            if let Some(Call::Giving(giving)) = self.calls.remove(&stream) {
                giving.counted.end(Code::Ok);
            }
        } else if http.queued_bytes(stream) >= self.dispatch.edge.limits.send_buffer_bytes_max {
            giving.stopped = Some(pieces);
            self.slow.push(stream);
        } else {
            self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        }
        self.metrics().sent_bytes.inc_by(sent as u64);
    }

    /// Takes pieces again, if this is a large answer.
    pub(super) fn resume_giving(&mut self, stream: StreamId) {
        if let Some(Call::Giving(giving)) = self.calls.get_mut(&stream)
            && let Some(pieces) = giving.stopped.take()
        {
            self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        }
    }

    fn give_up(&mut self, http: &mut Connection, stream: StreamId) {
        http.reset(stream, ResetCode::INTERNAL_ERROR);
        if let Some(Call::Giving(giving)) = self.calls.remove(&stream) {
            giving.counted.end(Code::Internal);
        }
    }
}
