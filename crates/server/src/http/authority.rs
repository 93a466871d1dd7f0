//! Clients that put a whole URL where HTTP/2 wants a host: `:authority: http://127.0.0.1:2379`.
//!
//! `etcdctl` 3.4 and other clients on the same version of Go's gRPC do so for some calls when they are given endpoints with a
//! scheme. etcd takes it; our HTTP/2 library ends the stream, as RFC 9113 section 8.3.1 lets it. So the scheme is cut off here,
//! before the library reads the header block.
//!
//! Only the first HEADERS frame of a connection is looked at: the client adds the authority to its compression table there, and refers to the
//! entry later. Our side then holds a shorter entry than the client believes, which only means that it is evicted later than the
//! client expects; entries are counted from the newest, so every reference stays right (RFC 7541, sections 2.3 and 4). After that
//! frame, and whenever anything is unusual (continuations, other encodings), bytes pass through as they came.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// A frame before the first HEADERS, or that one, which is longer is not waited for.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// An HTTP/2 server's stream whose first header block is mended on the way in.
pub struct Mended<S> {
    stream: S,
    /// Read and not yet understood.
    raw: BytesMut,
    /// Understood, to be handed on.
    ready: BytesMut,
    /// Bytes of the preface still to come; `None` once the first header block has passed.
    preface_left: Option<usize>,
}

impl<S> Mended<S> {
    /// A stream from its first byte on, preface included.
    pub fn new(stream: S) -> Self {
        Mended { stream, raw: BytesMut::new(), ready: BytesMut::new(), preface_left: Some(PREFACE_BYTES) }
    }

    /// Moves what is understood from `raw` to `ready`.
    fn sort(&mut self) {
        while let Some(left) = self.preface_left {
            if left > 0 {
                let taken = self.raw.split_to(left.min(self.raw.len()));
                self.ready.extend_from_slice(&taken);
                self.preface_left = Some(left - taken.len());
                if taken.is_empty() {
                    return;
                }
                continue;
            }
            let Some(header) = self.raw.first_chunk::<FRAME_HEADER_BYTES>() else { return };
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let kind = header[3];
            if length > FRAME_BYTES_MAX {
                break;
            }
            if self.raw.len() < FRAME_HEADER_BYTES + length {
                return;
            }
            let frame = self.raw.split_to(FRAME_HEADER_BYTES + length);
            if kind == HEADERS {
                match mend_frame(&frame) {
                    Some(mended) => self.ready.extend_from_slice(&mended),
                    None => self.ready.extend_from_slice(&frame),
                }
                break;
            }
            self.ready.extend_from_slice(&frame);
        }
        self.preface_left = None;
        let rest = self.raw.split();
        self.ready.extend_from_slice(&rest);
    }
}

/// A HEADERS frame with its authority's scheme cut off; `None` if there is nothing to cut.
fn mend_frame(frame: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = frame.split_at_checked(FRAME_HEADER_BYTES)?;
    let flags = header[4];
    if flags & END_HEADERS == 0 || flags & PADDED != 0 {
        return None;
    }
    let fixed = if flags & PRIORITY != 0 { 5 } else { 0 };
    let (priority, block) = payload.split_at_checked(fixed)?;
    let block = mend_block(block)?;
    let length = (fixed + block.len()) as u32;
    let mut mended = Vec::with_capacity(FRAME_HEADER_BYTES + fixed + block.len());
    mended.extend_from_slice(&length.to_be_bytes()[1..]);
    mended.extend_from_slice(&header[3..]);
    mended.extend_from_slice(priority);
    mended.extend_from_slice(&block);
    Some(mended)
}

/// A header block (RFC 7541, section 6) with its authority's scheme cut off.
fn mend_block(block: &[u8]) -> Option<Vec<u8>> {
    /// `:authority` in the static table.
    const AUTHORITY: usize = 1;
    let mut at = 0;
    while at < block.len() {
        let first = block[at];
        let prefix = match first {
            _ if first & 0x80 != 0 => {
                at = integer(block, at, 7)?.1;
                continue;
            }
            _ if first & 0xc0 == 0x40 => 6,
            _ if first & 0xe0 == 0x20 => {
                at = integer(block, at, 5)?.1;
                continue;
            }
            _ => 4,
        };
        let (name, mut value_at) = integer(block, at, prefix)?;
        if name == 0 {
            value_at = string(block, value_at)?.1;
        }
        let (value, end) = string(block, value_at)?;
        if name == AUTHORITY {
            let text = text_of(block[value_at] & 0x80 != 0, value)?;
            let (_, host) = text.split_once("://")?;
            // Longer lengths take several bytes; no host and port is that long.
            let length = u8::try_from(host.len()).ok().filter(|length| *length < 0x7f)?;
            let mut mended = block[..value_at].to_vec();
            mended.push(length);
            mended.extend_from_slice(host.as_bytes());
            mended.extend_from_slice(&block[end..]);
            return Some(mended);
        }
        at = end;
    }
    None
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1), and where the next thing begins.
fn integer(bytes: &[u8], at: usize, prefix: u32) -> Option<(usize, usize)> {
    let mask = (1usize << prefix) - 1;
    let mut value = usize::from(*bytes.get(at)?) & mask;
    let mut at = at + 1;
    if value < mask {
        return Some((value, at));
    }
    for shift in [0, 7, 14] {
        let byte = *bytes.get(at)?;
        at += 1;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

/// A string literal's bytes (RFC 7541, section 5.2), and where the next thing begins.
fn string(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, begins) = integer(bytes, at, 7)?;
    let value = bytes.get(begins..begins.checked_add(length)?)?;
    Some((value, begins + length))
}

/// A literal as text; `None` for characters that no host and port has.
fn text_of(huffman: bool, value: &[u8]) -> Option<String> {
    if !huffman {
        return String::from_utf8(value.to_vec()).ok();
    }
    let mut text = String::new();
    let (mut code, mut bits) = (0u32, 0u32);
    for byte in value {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            bits += 1;
            if let Some(symbol) = symbol(bits, code) {
                text.push(symbol);
                (code, bits) = (0, 0);
            } else if bits > 8 {
                return None;
            }
        }
    }
    // The rest is padding: less than a byte, all ones.
    (bits < 8 && code == (1 << bits) - 1).then_some(text)
}

/// The characters that Huffman's code of RFC 7541, appendix B, gives up to eight bits, by length and in the order of their codes.
fn symbol(bits: u32, code: u32) -> Option<char> {
    let (first, symbols) = match bits {
        5 => (0b00000, "012aceiost"),
        6 => (0b010100, " %-./3456789=A_bdfghlmnpru"),
        7 => (0b1011100, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
        8 => (0b11111000, "&*,;XZ"),
        _ => return None,
    };
    let place = code.checked_sub(first)? as usize;
    symbols.as_bytes().get(place).map(|symbol| char::from(*symbol))
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.ready.has_remaining() {
                let length = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                return Poll::Ready(Ok(()));
            }
            if this.preface_left.is_none() {
                return Pin::new(&mut this.stream).poll_read(cx, buf);
            }
            let mut bytes = [0; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    // The client has gone: what it left is for the library to judge.
                    this.preface_left = None;
                    this.ready = this.raw.split();
                    if this.ready.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Ok(())) => {
                    this.raw.extend_from_slice(read.filled());
                    this.sort();
                }
                other => return other,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
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
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    /// `:method POST`, `:scheme http`, `:path` as a literal, `:authority`, one header with a literal name.
    fn block(authority: &[u8]) -> Vec<u8> {
        [&[0x83, 0x86, 0x44, 3][..], b"/x/", &[0x41], authority, &[0x40, 1, b'a', 1, b'b']].concat()
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn literal(text: &str) -> Vec<u8> {
        [&[text.len() as u8][..], text.as_bytes()].concat()
    }

    fn through(sent: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut read = Vec::new();
            Mended::new(sent).read_to_end(&mut read).await.unwrap();
            read
        })
    }

    #[test]
    fn a_scheme_is_cut_from_the_authority_and_all_else_stays() {
        let settings = frame(4, 0, &[]);
        let preface = [b'P'; PREFACE_BYTES];
        let later = frame(HEADERS, END_HEADERS, &block(&literal("http://later")));
        let around = |authority: &[u8]| {
            [&preface[..], &settings, &frame(HEADERS, END_HEADERS, &block(authority)), &later, b"rest"]
                .concat()
        };
        let plain = around(&literal("127.0.0.1:2379"));
        assert_eq!(through(&around(&literal("http://127.0.0.1:2379"))), plain);
        assert_eq!(through(&plain), plain);
    }

    #[test]
    fn huffmans_code_is_read_as_in_the_standard() {
        // RFC 7541, C.4.1.
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(text_of(true, &coded).as_deref(), Some("www.example.com"));
        // "http://" is 41 bits; the rest of the last byte pads it.
        let coded = [0x9d, 0x29, 0xae, 0xe3, 0x0c, 0x7f];
        assert_eq!(text_of(true, &coded).as_deref(), Some("http://"));
        assert_eq!(text_of(true, &[0xff, 0xff]), None, "padding is less than a byte");
    }

    proptest! {
        #[test]
        fn any_bytes_pass_in_any_order(sent in proptest::collection::vec(any::<u8>(), 0..400)) {
            let got = through(&sent);
            prop_assert!(got.len() <= sent.len());
        }

        #[test]
        fn any_header_block_is_survived(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = mend_block(&block);
        }
    }
}
