//! Large answers, made while the client takes them.
//!
//! # Problem
//! All of a million keys in one answer, built as the store's terms, then as bytes, and kept until a client has read them, take a
//! multiple of what the keys take. A client that reads slowly keeps them as long as it likes.
//!
//! # How it works
//! gRPC announces a message's length before its first byte. So a large range is read twice, of one frozen view: once to learn how long
//! the answer is, then to make it, piece by piece, each when the connection has room for it. The first [`KEPT_BYTES_MAX`] bytes are kept
//! from the first time, and a range that fits one piece is read once and answered at once. Others have their turn between two pieces.
//!
//! # What it costs
//! At most [`KEPT_BYTES_MAX`] and three pieces, beside what waits in the connection
//! ([`Limits::send_buffer_bytes_max`](super::Limits::send_buffer_bytes_max)) and the view: while a client takes its answer, what the view shows stays
//! on disk and in memory, compacted or not.
//!
//! # Left out
//! Answers that must be sorted or filtered by other than the key, and transactions: they are built as a whole.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use synod_storage::mvcc::{RangeCursor, RangePiece, RangeRequest, RangeTotal};
use tokio::sync::mpsc;
use tonic::Status;

use super::encode;
use crate::backend::{BackendError, Frozen};
use crate::proto::etcdserverpb as pb;

/// About how many bytes of an answer are made at a time.
pub const PIECE_BYTES: usize = 256 << 10;
/// Bytes of an answer that are kept while its length is being learned.
pub const KEPT_BYTES_MAX: usize = 8 << 20;

/// Where the pieces of something large come from, in their order.
pub type Pieces = mpsc::Receiver<Result<Bytes, BackendError>>;

/// A message of which not all is there.
pub enum Large {
    /// It was small.
    Whole(Bytes),
    /// It comes in pieces.
    InPieces {
        /// Bytes of all pieces together.
        bytes: u32,
        /// They.
        pieces: Pieces,
    },
}

/// Reads a range of what `view` shows.
///
/// # Errors
/// As the store refuses, or when the answer is larger than any message of gRPC.
///
/// # Panics
/// If the request does not come in pieces.
pub async fn range(
    view: Box<dyn Frozen>,
    header: Option<pb::ResponseHeader>,
    request: RangeRequest,
) -> Result<Large, Status> {
    let mut out = BytesMut::new();
    encode::range_begin(header.as_ref(), &mut out);
    let answer = Answer { view, request };
    let RangePiece { kvs, mut next } = answer.piece(&RangeCursor::default())?;
    encode::range_keys(&kvs, &mut out);
    if next.is_none() {
        out.extend_from_slice(&answer.end(kvs.len())?);
        return Ok(Large::Whole(out.freeze()));
    }
    let (mut keys, mut bytes) = (kvs.len(), out.len());
    let mut kept = VecDeque::from([out.freeze()]);
    // Where what is not kept begins.
    let mut from = next.clone();
    while let Some(cursor) = next {
        tokio::task::yield_now().await;
        let piece = answer.piece(&cursor)?;
        let piece_bytes = encode::range_keys_bytes(&piece.kvs);
        (keys, bytes) = (keys + piece.kvs.len(), bytes + piece_bytes);
        if bytes <= KEPT_BYTES_MAX {
            kept.push_back(encoded(&piece, piece_bytes));
            from.clone_from(&piece.next);
        }
        next = piece.next;
    }
    let end = answer.end(keys)?;
    bytes += end.len();
    let bytes = u32::try_from(bytes).map_err(|_| {
        let text = format!("grpc: trying to send message larger than max ({bytes} vs. {})", u32::MAX);
        Status::resource_exhausted(text)
    })?;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(answer.give(kept, from, end, sender));
    Ok(Large::InPieces { bytes, pieces })
}

fn encoded(piece: &RangePiece, bytes: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(bytes);
    encode::range_keys(&piece.kvs, &mut out);
    out.freeze()
}

/// An answer in the making.
struct Answer {
    view: Box<dyn Frozen>,
    request: RangeRequest,
}

impl Answer {
    fn piece(&self, cursor: &RangeCursor) -> Result<RangePiece, BackendError> {
        Ok(self.view.range_piece(&self.request, cursor, PIECE_BYTES)?)
    }

    /// What stands behind the keys, of which so many are given.
    fn end(&self, keys: usize) -> Result<Bytes, BackendError> {
        let is_all = self.request.limit <= 0 && !self.request.count_only;
        let RangeTotal { count, more } = match is_all {
            true => RangeTotal { count: keys as i64, more: false },
            false => self.view.range_total(&self.request)?,
        };
        let mut out = BytesMut::new();
        encode::range_end(more, count, &mut out);
        Ok(out.freeze())
    }

    /// Gives what is kept, then the keys from there on, until nobody takes them.
    async fn give(
        self,
        mut kept: VecDeque<Bytes>,
        mut from: Option<RangeCursor>,
        end: Bytes,
        pieces: mpsc::Sender<Result<Bytes, BackendError>>,
    ) {
        while let Some(piece) = kept.pop_front() {
            if pieces.send(Ok(piece)).await.is_err() {
                return;
            }
        }
        while let Some(cursor) = from {
            // Nothing is read before there is room for it.
            let Ok(room) = pieces.reserve().await else { return };
            match self.piece(&cursor) {
                Ok(piece) => {
                    room.send(Ok(encoded(&piece, encode::range_keys_bytes(&piece.kvs))));
                    from = piece.next;
                }
                Err(error) => return room.send(Err(error)),
            }
            tokio::task::yield_now().await;
        }
        // With nobody left to take it, it is not wanted.
        let _ = pieces.send(Ok(end)).await;
    }
}
