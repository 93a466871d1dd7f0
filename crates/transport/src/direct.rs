//! Writing from the caller's own thread, when nobody else is writing.
//!
//! Handing a frame to the link's task costs a thread its sleep: on an idle machine that wake-up takes longer
//! than everything else between two nodes. So when the link is idle and has no TLS, the caller's thread makes
//! the system call itself. It never waits: what the socket does not take at once is left to the task. The
//! right to write is held by one of them at a time ([`Queue::begin`]), which keeps frames in order.
//!
//! A system call for each frame is right for a frame now and then, and wrong for a stream of them: that is
//! the task's, which gathers what comes while it writes. The time since the last frame tells one from the
//! other.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::batch::Batch;
use crate::counters::PeerCounters;
use crate::frame::Kind;
use crate::queue::{Payload, Queue};

/// More than this is the task's work: the caller has other things to do than to copy.
const DIRECT_BYTES_MAX: usize = 64 * 1024;
/// Frames that follow each other faster than this are a stream. Some system calls long: a caller that has
/// this much to do between two frames can afford to write them.
const STREAM_GAP: Duration = Duration::from_micros(10);

/// The socket of a link that is up, for use by any thread.
#[derive(Debug, Default)]
pub(crate) struct Direct(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    socket: Option<Arc<TcpStream>>,
    last_flush: Option<Instant>,
    taken: Vec<Payload>,
    /// After a write that was cut short: what the task has to write first.
    batch: Batch,
}

impl Direct {
    pub(crate) fn open(&self, socket: Option<Arc<TcpStream>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Open { socket, ..Open::default() };
    }

    /// After this returns no caller is writing.
    pub(crate) fn close(&self) {
        self.open(None);
    }

    /// What a caller could not write. Only for the holder of the right to write.
    pub(crate) fn take_rest(&self) -> Batch {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).batch)
    }

    /// Writes what is queued, or sees to it that the task does.
    pub(crate) fn flush(&self, queue: &Queue, counters: &PeerCounters) {
        let Ok(mut open) = self.0.try_lock() else { return queue.wake() };
        let Open { socket: Some(socket), last_flush, taken, batch } = &mut *open else { return queue.wake() };
        let now = Instant::now();
        let streaming = last_flush.replace(now).is_some_and(|last| now - last < STREAM_GAP);
        if streaming || !batch.is_empty() {
            return queue.wake();
        }
        // Whoever is writing looks into the queue again before it stops.
        if !queue.begin(DIRECT_BYTES_MAX, taken) {
            return;
        }
        taken.iter().for_each(|payload| batch.push(Kind::Data, payload.parts()));
        taken.clear();
        // An error is the task's to find: it meets the same one.
        counters.writes.add(batch.try_write(socket).unwrap_or(0));
        let more = if batch.is_empty() { queue.finish(counters) } else { queue.hand_over() };
        if more {
            queue.wake();
        }
    }
}

/// A socket that others write to as well.
pub(crate) struct SharedSocket(pub(crate) Arc<TcpStream>);

impl AsyncRead for SharedSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Never used: closing is dropping.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
