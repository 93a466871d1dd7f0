//! A connection on a stream of tokio's: reads into one buffer, writes from one buffer, and does nothing by itself.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::connection::{Connection, Event};

/// Bytes of the buffer that is read into, at first.
const READ_BYTES_MIN: usize = 4 * 1024;
/// And at most, where a peer fills it each time.
const READ_BYTES_MAX: usize = 64 * 1024;
/// An output buffer that has grown beyond this is given back once it is written.
const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// A connection and its stream.
#[derive(Debug)]
pub struct Wire<S> {
    stream: S,
    /// The connection.
    pub http: Connection,
    input: BytesMut,
    read_bytes: usize,
    /// Something was written that the stream may hold back.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A connection of which nothing was read yet but `input`.
    pub fn new(stream: S, http: Connection, input: BytesMut) -> Self {
        Wire { stream, http, input, read_bytes: READ_BYTES_MIN, unflushed: false }
    }

    /// Tells what the bytes mean that are there already.
    ///
    /// # Errors
    /// See [`Wire::poll_read`].
    pub fn receive(&mut self, events: &mut VecDeque<Event>) -> io::Result<()> {
        self.http
            .receive(&mut self.input, events)
            .map_err(|failure| io::Error::new(io::ErrorKind::InvalidData, failure))
    }

    /// Reads once and tells what it means; how many bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// The stream's, or `InvalidData` with a [`Failure`](crate::Failure): then what the output holds is still to be written.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        events: &mut VecDeque<Event>,
    ) -> Poll<io::Result<usize>> {
        // A frame is taken when it is whole: there must be room for the rest of one.
        let lacking = self.http.wanted_bytes(&self.input).saturating_sub(self.input.len());
        self.input.reserve(self.read_bytes.max(lacking));
        let room = self.input.capacity() - self.input.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        if read > 0 {
            self.receive(events)?;
        }
        Poll::Ready(Ok(read))
    }

    /// Writes what the output holds, and what moves into it meanwhile. Ready when nothing is left that could be written.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.http.drain();
            let output = self.http.output();
            if output.is_empty() {
                break;
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            output.advance(written);
            self.unflushed = true;
            if output.is_empty() {
                match output.capacity() > OUTPUT_BYTES_KEPT {
                    true => *output = BytesMut::new(),
                    false => output.clear(),
                }
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The stream, when the connection is over.
    pub fn into_stream(self) -> S {
        self.stream
    }
}
