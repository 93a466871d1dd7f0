//! Many frames in one write: small parts are copied side by side, large ones are handed over as they are.
//!
//! A system call costs as much as copying some tens of kilobytes. So headers and small payloads are gathered
//! in a buffer, and a large payload becomes a segment of its own in a vectored write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frame::{Kind, encode_header};

/// A part up to this size is copied.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// Segments in one system call.
const SEGMENTS_MAX: usize = 32;

/// Frames that are about to be written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    gathered: BytesMut,
    segments: VecDeque<Bytes>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.segments.is_empty()
    }

    /// Appends one frame.
    pub(crate) fn push(&mut self, kind: Kind, parts: &[Bytes]) {
        self.gathered.extend_from_slice(&encode_header(kind, parts.iter().map(|part| &part[..])));
        for part in parts {
            if part.len() <= COPIED_BYTES_MAX {
                self.gathered.extend_from_slice(part);
            } else {
                self.segments.push_back(self.gathered.split().freeze());
                self.segments.push_back(part.clone());
            }
        }
    }

    /// Writes everything; returns how many writes it took.
    ///
    /// # Errors
    /// `TimedOut` when not a byte could be written for `stall`; else what the stream says. The stream is
    /// spoilt then.
    pub(crate) async fn write<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        stall: Duration,
    ) -> io::Result<usize> {
        self.close_segment();
        let mut writes = 0;
        while !self.segments.is_empty() {
            let written_bytes = tokio::time::timeout(stall, stream.write_vectored(&self.slices())).await??;
            writes += 1;
            self.advance(written_bytes)?;
        }
        tokio::time::timeout(stall, stream.flush()).await??;
        Ok(writes)
    }

    /// Writes what the socket takes without waiting; what it does not take stays. Returns how many writes it
    /// took.
    ///
    /// # Errors
    /// What the socket says, but for `WouldBlock`.
    pub(crate) fn try_write(&mut self, socket: &TcpStream) -> io::Result<usize> {
        self.close_segment();
        let mut writes = 0;
        while !self.segments.is_empty() {
            match socket.try_write_vectored(&self.slices()) {
                Ok(written_bytes) => self.advance(written_bytes)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            writes += 1;
        }
        Ok(writes)
    }

    fn close_segment(&mut self) {
        if !self.gathered.is_empty() {
            self.segments.push_back(self.gathered.split().freeze());
        }
    }

    /// The first segments, empty ones after the last.
    fn slices(&self) -> [IoSlice<'_>; SEGMENTS_MAX] {
        let mut segments = self.segments.iter();
        std::array::from_fn(|_| IoSlice::new(segments.next().map_or(&[], |segment| &segment[..])))
    }

    fn advance(&mut self, mut written_bytes: usize) -> io::Result<()> {
        if written_bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(segment) = self.segments.front_mut() {
            if segment.len() > written_bytes {
                segment.advance(written_bytes);
                break;
            }
            written_bytes -= segment.len();
            self.segments.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Decoder, HEADER_BYTES};
    use tokio::io::AsyncReadExt;

    /// Takes everything, and notes how it came.
    #[derive(Default)]
    struct Sink(Vec<Vec<usize>>);

    impl AsyncWrite for Sink {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }
        fn poll_write_vectored(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> std::task::Poll<io::Result<usize>> {
            self.0.push(slices.iter().map(|slice| slice.len()).filter(|length| *length > 0).collect());
            std::task::Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn small_frames_leave_as_one_and_large_ones_uncopied() {
        let mut batch = Batch::default();
        for _ in 0..100 {
            batch.push(Kind::Data, &[Bytes::from_static(b"small")]);
        }
        batch.push(Kind::Data, &[Bytes::from_static(b"head"), vec![1; 100_000].into()]);
        batch.push(Kind::Data, &[Bytes::from_static(b"small")]);
        let mut sink = Sink::default();
        batch.write(&mut sink, Duration::from_secs(1)).await.unwrap();
        let small_bytes = HEADER_BYTES + 5;
        assert_eq!(sink.0, [[100 * small_bytes + HEADER_BYTES + 4, 100_000, small_bytes]]);
    }

    #[tokio::test]
    async fn partial_writes_lose_nothing() {
        let (mut near, mut far) = tokio::io::duplex(1000);
        let payloads: Vec<Vec<u8>> = (0..50).map(|i| vec![i as u8; i * 997]).collect();
        let mut batch = Batch::default();
        payloads.iter().for_each(|payload| batch.push(Kind::Data, &[payload.clone().into()]));
        let write = async {
            batch.write(&mut near, Duration::from_secs(1)).await.unwrap();
            drop(near);
        };
        let read = async {
            let (mut decoder, mut found) = (Decoder::new(100_000), Vec::new());
            while far.read_buf(decoder.room()).await.unwrap() > 0 {
                while let Some(frame) = decoder.next().unwrap() {
                    found.push(frame.payload.to_vec());
                }
            }
            found
        };
        let ((), found) = tokio::join!(write, read);
        assert_eq!(found, payloads);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_nothing_times_out() {
        let (mut near, _far) = tokio::io::duplex(10);
        let mut batch = Batch::default();
        batch.push(Kind::Data, &[Bytes::from_static(b"more than ten bytes")]);
        let error = batch.write(&mut near, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
