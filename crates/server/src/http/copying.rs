//! A copy of the store on its way to a client: a stream of pieces, each made when the client has taken those before.

use bytes::Bytes;
use prost::Message as _;
use synod_grpc::{Connection, StreamId};
use tonic::Status;

use super::calls::Counted;
use super::serving::{Call, Talk, end};
use super::under_way::UnderWay;
use crate::api::pieces::Pieces;
use crate::backend::{Backend, BackendError};
use crate::proto::etcdserverpb as pb;

/// A copy on its way.
pub struct Copying {
    pub(super) counted: Counted,
    /// Where pieces come from, while the client does not take what is there.
    stopped: Option<Pieces>,
}

impl<B: Backend> Talk<B> {
    pub(super) fn begin_copying(&mut self, http: &mut Connection, stream: StreamId, counted: Counted) {
        let pieces = match self.dispatch.edge.backend.copy() {
            Ok(pieces) => pieces,
            Err(error) => return end(http, stream, counted, &error.into()),
        };
        http.begin_answer(stream);
        self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        let copying = Copying { counted, stopped: None };
        self.calls.insert(stream, Call::Copying(Box::new(copying)));
    }

    pub(super) fn copied(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        piece: Option<Result<Bytes, BackendError>>,
        pieces: Pieces,
    ) {
        // Without the call the client has gone, and with the pieces their maker hears of it.
        let Some(Call::Copying(copying)) = self.calls.get_mut(&stream) else { return };
        let blob = match piece {
            Some(Ok(blob)) => blob,
            Some(Err(error)) => return self.end_stream(http, stream, &error.into()),
            None => return self.end_stream(http, stream, &Status::ok("")),
        };
        // How much is still to come is not known, and clients read to the end.
        let answer =
            pb::SnapshotResponse { header: self.dispatch.edge.header_now(), remaining_bytes: 0, blob };
        let sent = http.message(stream, |out| answer.encode(out).expect("the buffer grows"));
        if http.queued_bytes(stream) >= self.dispatch.edge.limits.send_buffer_bytes_max {
            copying.stopped = Some(pieces);
            self.slow.push(stream);
        } else {
            self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        }
        self.metrics().sent_bytes.inc_by(sent as u64);
    }

    /// Takes pieces again, if this is a copy.
    pub(super) fn resume_copying(&mut self, stream: StreamId) {
        if let Some(Call::Copying(copying)) = self.calls.get_mut(&stream)
            && let Some(pieces) = copying.stopped.take()
        {
            self.under_way.push(UnderWay::Piece(stream, Some(pieces)));
        }
    }
}
