//! Which protocol a client speaks, told by its first bytes.
//!
//! HTTP/2 begins with a fixed preface of which no beginning of an HTTP/1.1 request is a longer prefix than a few bytes; so as
//! soon as a byte differs, or the whole preface has come, it is known. The bytes are given back to whoever reads next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use synod_grpc::frame::PREFACE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// Reads until the protocol is known; None if the client goes away before.
pub async fn sniff<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Option<(Protocol, Replay<S>)>> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        let mut limited = (&mut stream).take((PREFACE.len() - read.len()) as u64);
        if limited.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        let protocol = if read[..] == *PREFACE {
            Protocol::Http2
        } else if !PREFACE.starts_with(&read) {
            Protocol::Http1
        } else {
            continue;
        };
        return Ok(Some((protocol, Replay { read, stream })));
    }
}

/// A stream whose first bytes were read before and are read again.
pub struct Replay<S> {
    read: BytesMut,
    stream: S,
}

impl<S> Replay<S> {
    /// The stream, and what was read of it.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.read)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.has_remaining() {
            let length = self.read.len().min(buf.remaining());
            buf.put_slice(&self.read[..length]);
            self.read.advance(length);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of `sent`, and what is read after.
    fn told(sent: &[u8]) -> Option<(Protocol, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (protocol, mut replay) = sniff(sent).await.unwrap()?;
            let mut read = Vec::new();
            replay.read_to_end(&mut read).await.unwrap();
            Some((protocol, read))
        })
    }

    #[test]
    fn the_preface_means_http2_and_anything_else_http1_and_no_byte_is_lost() {
        let http2 = [PREFACE, b"frames"].concat();
        assert_eq!(told(&http2), Some((Protocol::Http2, http2.clone())));
        for other in [
            &b"GET /health HTTP/1.1\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nXX",
            b"PUT / HTTP/1.1\r\n",
            b"\x16\x03",
        ] {
            assert_eq!(told(other), Some((Protocol::Http1, other.to_vec())));
        }
        for half in 0..PREFACE.len() {
            assert_eq!(told(&PREFACE[..half]), None, "{half} bytes of the preface tell nothing");
        }
    }
}
