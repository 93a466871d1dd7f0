//! What a connection waits for: answers, outputs of watches, the end of the server. One set for all of it wakes the connection once, however many are ready.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::Response;
use bytes::Bytes;
use synod_grpc::StreamId;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::dispatch::{Answering, AnsweringAtLarge};
use crate::api::pieces::{Large, Pieces};
use crate::backend::{BackendError, WatchOutput};

/// A future of its own.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Something to wait for.
pub enum UnderWay {
    /// The answer to a call, or to one message of a stream of renewals.
    Answer(StreamId, Answering),
    /// The answer to a call, which may come in pieces.
    Large(StreamId, AnsweringAtLarge),
    /// The answer to a request that is no call.
    Plain(StreamId, Boxed<Response<Bytes>>),
    /// The next output of a stream of watches.
    Output(StreamId, Option<mpsc::UnboundedReceiver<WatchOutput>>),
    /// The next piece of a large answer, or of a copy of the store.
    Piece(StreamId, Option<Pieces>),
    /// The server's end.
    Stopping(Boxed<()>),
    /// A change of whether there has been no leader for long.
    Leaderless(Boxed<watch::Receiver<bool>>),
    /// The next look for watches that were told nothing of late.
    LookForQuiet(Boxed<()>),
}

/// What has come of it.
pub enum Done {
    /// An answer.
    Answer(StreamId, Result<Bytes, Status>),
    /// An answer that may come in pieces.
    Large(StreamId, Result<Large, Status>),
    /// An answer to a request that is no call.
    Plain(StreamId, Response<Bytes>),
    /// An output, none at the end, and where more come from.
    Output(StreamId, Option<WatchOutput>, mpsc::UnboundedReceiver<WatchOutput>),
    /// A piece, none at the end, and where more come from.
    Piece(StreamId, Option<Result<Bytes, BackendError>>, Pieces),
    /// The server stops.
    Stopping,
    /// Whether there has been no leader for long.
    Leaderless(watch::Receiver<bool>),
    /// It is time to look.
    LookForQuiet,
}

impl UnderWay {
    /// The end of the server.
    pub fn stopping(mut stopping: watch::Receiver<bool>) -> Self {
        UnderWay::Stopping(Box::pin(async move {
            // A sender that is gone means that the server is gone too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }))
    }

    /// The next change of whether there has been no leader for long.
    pub fn leaderless(mut leaderless: watch::Receiver<bool>) -> Self {
        UnderWay::Leaderless(Box::pin(async move {
            if leaderless.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            leaderless
        }))
    }
}

impl Future for UnderWay {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        Poll::Ready(match &mut *self {
            UnderWay::Answer(stream, answering) => Done::Answer(*stream, ready!(answering.as_mut().poll(cx))),
            UnderWay::Large(stream, answering) => Done::Large(*stream, ready!(answering.as_mut().poll(cx))),
            UnderWay::Plain(stream, answering) => Done::Plain(*stream, ready!(answering.as_mut().poll(cx))),
            UnderWay::Output(stream, outputs) => {
                let output = match outputs {
                    Some(outputs) => ready!(outputs.poll_recv(cx)),
                    None => None,
                };
                match outputs.take() {
                    Some(outputs) => Done::Output(*stream, output, outputs),
                    None => return Poll::Pending,
                }
            }
            UnderWay::Piece(stream, pieces) => {
                let piece = match pieces {
                    Some(pieces) => ready!(pieces.poll_recv(cx)),
                    None => None,
                };
                match pieces.take() {
                    Some(pieces) => Done::Piece(*stream, piece, pieces),
                    None => return Poll::Pending,
                }
            }
            UnderWay::Stopping(stopping) => {
                ready!(stopping.as_mut().poll(cx));
                Done::Stopping
            }
            UnderWay::Leaderless(changed) => Done::Leaderless(ready!(changed.as_mut().poll(cx))),
            UnderWay::LookForQuiet(time) => {
                ready!(time.as_mut().poll(cx));
                Done::LookForQuiet
            }
        })
    }
}
