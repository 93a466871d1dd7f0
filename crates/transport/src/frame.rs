//! The frame: what travels on an established connection. Pure: bytes in, frames out.
//!
//! ```text
//! 0      4      5        9
//! | length | kind | crc32  | payload (length bytes) |
//! ```
//!
//! `length` and `crc32` are little-endian. The checksum covers length, kind and payload, so that a flipped
//! bit in the header is found as well. It guards against broken memory, network hardware and our own
//! mistakes, not against an enemy: that is what TLS is for.
//!
//! The decoder trusts nothing. A length over the limit is an error before anything is allocated for it, and a
//! length within it is allocated only as fast as bytes arrive: at any time the buffer is at most about twice
//! what was received, plus one chunk. Payloads are slices of the receive buffer and are never copied out of
//! it; a small payload that is kept for long therefore keeps its whole chunk ([`CHUNK_BYTES`]) alive, and
//! should be copied by whoever keeps it.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 9;
/// How much receive buffer is allocated at a time: enough for some hundred small frames in one system call.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Payload of a ping and of its pong.
pub const PING_BYTES: usize = 8;
/// With less room than this the buffer is renewed before the next read, unless the frame ends within it.
const ROOM_BYTES_MIN: usize = 4 * 1024;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A payload of the layer above.
    Data = 1,
    /// Are you there? Carries [`PING_BYTES`] that mean something to the sender only.
    Ping = 2,
    /// The answer to a ping, with the ping's bytes.
    Pong = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Data),
            2 => Some(Kind::Ping),
            3 => Some(Kind::Pong),
            _ => None,
        }
    }
}

/// One frame as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// A slice of the receive buffer.
    pub payload: Bytes,
}

/// Why a stream of bytes is not a stream of frames. None can be recovered from: the connection is to be
/// closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The header claims more than this end accepts.
    #[error("frame of {claimed_bytes} bytes, at most {frame_bytes_max} are accepted")]
    TooLarge {
        /// What the header says.
        claimed_bytes: usize,
        /// What is accepted.
        frame_bytes_max: usize,
    },
    /// No such kind.
    #[error("frame of unknown kind {0}")]
    UnknownKind(u8),
    /// A ping or pong with a payload of another size than [`PING_BYTES`].
    #[error("ping or pong of {0} bytes, expected {PING_BYTES}")]
    PingLength(usize),
    /// The bytes are not those that were sent.
    #[error("frame checksum {found:08x}, header says {expected:08x}")]
    Checksum {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
}

/// The header of a frame whose payload is the concatenation of `parts`.
///
/// # Panics
/// If the parts are longer than `u32::MAX` together; the queue's limits are far below.
pub fn encode_header<'a>(kind: Kind, parts: impl Iterator<Item = &'a [u8]> + Clone) -> [u8; HEADER_BYTES] {
    let length: usize = parts.clone().map(<[u8]>::len).sum();
    let length =
        u32::try_from(length).expect("a frame is shorter than 4 GiB: the queue's limit is checked before");
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4] = kind as u8;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header[..5]);
    parts.for_each(|part| checksum.update(part));
    header[5..].copy_from_slice(&checksum.finalize().to_le_bytes());
    header
}

/// Cuts a stream of bytes into frames. Read into [`Decoder::room`], then take frames until there is none.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl Decoder {
    /// Accepts payloads of up to `frame_bytes_max` bytes.
    pub fn new(frame_bytes_max: usize) -> Decoder {
        Decoder { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// The buffer to append received bytes to, with some room in it. To be called when [`Decoder::next`] gave
    /// `None`.
    pub fn room(&mut self) -> &mut BytesMut {
        let missing_bytes = self.missing_bytes();
        let room_bytes = self.buffer.capacity() - self.buffer.len();
        if room_bytes < missing_bytes.min(ROOM_BYTES_MIN) {
            // For a large frame: as much again as has arrived, never what the header merely claims.
            let earned_bytes = self.buffer.len().max(CHUNK_BYTES);
            self.buffer.reserve(missing_bytes.clamp(CHUNK_BYTES, earned_bytes));
        }
        &mut self.buffer
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// [`FrameError`]: nothing that follows can be trusted.
    #[expect(
        clippy::should_implement_trait,
        reason = "`None` means not yet, where an iterator would mean the end"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.header()? else { return Ok(None) };
        if self.buffer.len() < HEADER_BYTES + header.payload_bytes {
            return Ok(None);
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&self.buffer[..5]);
        checksum.update(&self.buffer[HEADER_BYTES..HEADER_BYTES + header.payload_bytes]);
        let found = checksum.finalize();
        if found != header.checksum {
            return Err(FrameError::Checksum { expected: header.checksum, found });
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(Frame { kind: header.kind, payload: self.buffer.split_to(header.payload_bytes).freeze() }))
    }

    /// Whether a frame has begun to arrive and has not ended.
    pub fn inside_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Memory held for what is still arriving.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    fn header(&self) -> Result<Option<Header>, FrameError> {
        let Some(bytes) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [l0, l1, l2, l3, kind, c0, c1, c2, c3] = *bytes;
        let payload_bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let kind = Kind::from_byte(kind).ok_or(FrameError::UnknownKind(kind))?;
        match kind {
            Kind::Data if payload_bytes > self.frame_bytes_max => Err(FrameError::TooLarge {
                claimed_bytes: payload_bytes,
                frame_bytes_max: self.frame_bytes_max,
            }),
            Kind::Ping | Kind::Pong if payload_bytes != PING_BYTES => {
                Err(FrameError::PingLength(payload_bytes))
            }
            _ => Ok(Some(Header { payload_bytes, kind, checksum: u32::from_le_bytes([c0, c1, c2, c3]) })),
        }
    }

    /// What the frame that is arriving still lacks; a whole chunk when nothing is known of it.
    fn missing_bytes(&self) -> usize {
        match self.header() {
            Ok(Some(header)) => {
                (HEADER_BYTES + header.payload_bytes).saturating_sub(self.buffer.len()).max(1)
            }
            _ => CHUNK_BYTES,
        }
    }
}

struct Header {
    payload_bytes: usize,
    kind: Kind,
    checksum: u32,
}

/// Entry point for a fuzzer: decodes `input` in one piece and in pieces, and asserts that both give the same
/// frames, that memory stays bounded, and that what was decoded encodes to what was read.
///
/// # Panics
/// When one of these does not hold.
pub fn fuzz_frames(input: &[u8]) {
    const FRAME_BYTES_MAX: usize = 1 << 20;
    let whole = decode_in_pieces(input, input.len().max(1), FRAME_BYTES_MAX);
    let piece_bytes = 1 + usize::from(input.first().copied().unwrap_or(0) % 19);
    let pieces = decode_in_pieces(input, piece_bytes, FRAME_BYTES_MAX);
    assert_eq!(
        whole, pieces,
        "expected the same frames however the stream is cut into pieces of {piece_bytes} bytes"
    );

    let mut encoded = Vec::new();
    for frame in &whole.0 {
        encoded.extend_from_slice(&encode_header(frame.kind, [&frame.payload[..]].into_iter()));
        encoded.extend_from_slice(&frame.payload);
    }
    assert!(input.starts_with(&encoded), "expected decoded frames to encode to the bytes they came from");
}

fn decode_in_pieces(
    input: &[u8],
    piece_bytes: usize,
    frame_bytes_max: usize,
) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = Decoder::new(frame_bytes_max);
    let mut frames = Vec::new();
    for mut piece in input.chunks(piece_bytes) {
        while !piece.is_empty() {
            let room = decoder.room();
            let read_bytes = piece.len().min(room.capacity() - room.len());
            assert!(read_bytes > 0, "expected room in the buffer");
            room.extend_from_slice(&piece[..read_bytes]);
            piece = &piece[read_bytes..];
            loop {
                match decoder.next() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
            let bound_bytes = 2 * input.len() + 2 * CHUNK_BYTES;
            assert!(decoder.buffer_bytes() <= bound_bytes, "expected at most {bound_bytes} bytes of buffer");
        }
    }
    (frames, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = encode_header(kind, [payload].into_iter()).to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn any_frame() -> impl Strategy<Value = (Kind, Vec<u8>)> {
        prop_oneof![
            8 => prop::collection::vec(any::<u8>(), 0..600).prop_map(|bytes| (Kind::Data, bytes)),
            1 => (60_000_usize..300_000, any::<u8>()).prop_map(|(n, byte)| (Kind::Data, vec![byte; n])),
            1 => prop::collection::vec(any::<u8>(), PING_BYTES).prop_map(|bytes| (Kind::Ping, bytes)),
            1 => prop::collection::vec(any::<u8>(), PING_BYTES).prop_map(|bytes| (Kind::Pong, bytes)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec(any_frame(), 0..12),
            piece_bytes in 1_usize..9000,
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|(kind, payload)| encode(*kind, payload)).collect();
            let (decoded, error) = decode_in_pieces(&stream, piece_bytes, 1 << 20);
            prop_assert_eq!(error, None);
            let decoded: Vec<_> = decoded.iter().map(|frame| (frame.kind, frame.payload.to_vec())).collect();
            prop_assert_eq!(decoded, frames);
        }

        #[test]
        fn a_flipped_bit_is_never_delivered(
            (kind, payload) in any_frame(),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let mut stream = encode(kind, &payload);
            let at = at.index(stream.len());
            stream[at] ^= 1_u8 << bit;
            let (decoded, _) = decode_in_pieces(&stream, stream.len(), 1 << 20);
            prop_assert_eq!(decoded, vec![]);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(input in prop::collection::vec(any::<u8>(), 0..2000)) {
            fuzz_frames(&input);
        }

        #[test]
        fn parts_make_the_header_of_the_whole(
            payload in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let (left, right) = payload.split_at(cut.index(payload.len() + 1));
            let whole = encode_header(Kind::Data, [&payload[..]].into_iter());
            prop_assert_eq!(encode_header(Kind::Data, [left, right].into_iter()), whole);
        }
    }

    #[test]
    fn a_claimed_length_is_not_allocated_before_it_arrives() {
        let frame_bytes_max = 1 << 30;
        let mut decoder = Decoder::new(frame_bytes_max);
        let mut header = encode_header(Kind::Data, [].into_iter());
        header[..4].copy_from_slice(&(frame_bytes_max as u32).to_le_bytes());
        decoder.room().extend_from_slice(&header);
        assert_eq!(decoder.next(), Ok(None));
        decoder.room();
        assert!(decoder.buffer_bytes() <= 2 * CHUNK_BYTES, "found {}", decoder.buffer_bytes());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_from_the_header_alone() {
        let mut decoder = Decoder::new(1000);
        decoder.room().extend_from_slice(&encode(Kind::Data, &[7; 1001])[..HEADER_BYTES]);
        assert_eq!(decoder.next(), Err(FrameError::TooLarge { claimed_bytes: 1001, frame_bytes_max: 1000 }));
        let mut decoder = Decoder::new(1000);
        decoder.room().extend_from_slice(&encode(Kind::Data, &[7; 1000]));
        assert!(decoder.next().is_ok_and(|frame| frame.is_some()));
    }

    #[test]
    fn payloads_share_the_receive_buffer() {
        let mut decoder = Decoder::new(1000);
        decoder.room().extend_from_slice(&[encode(Kind::Data, b"one"), encode(Kind::Data, b"two")].concat());
        let one = decoder.next().unwrap().unwrap().payload;
        let two = decoder.next().unwrap().unwrap().payload;
        assert_eq!(two.as_ptr() as usize - one.as_ptr() as usize, one.len() + HEADER_BYTES);
        assert!(!decoder.inside_frame());
    }
}
