//! The bytes of a segment: its header and its frames. Pure: no file is touched here.
//!
//! All integers are little-endian. Nothing read from a disk is trusted: every decoder checks bounds first and
//! checksums before it believes a length. What the layout is for, and which damage it tells apart, stands in
//! the module above.

use std::fmt;

/// The version of the segment format that this code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Writes are whole blocks of this size, at multiples of it.
pub const BLOCK_BYTES: usize = 4096;
/// Where frames begin: behind the two copies of the segment header.
pub const DATA_OFFSET: usize = 2 * BLOCK_BYTES;
/// The size of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 16;
/// Frames begin at multiples of this.
pub const FRAME_ALIGNMENT_BYTES: usize = 8;
/// The size of a mark or closed frame.
pub const MARK_FRAME_BYTES: usize = FRAME_HEADER_BYTES + 8;
/// The largest payload of a record.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// The smallest segment: the header blocks and a little room.
pub const SEGMENT_BYTES_MIN: usize = 4 * BLOCK_BYTES;
/// The largest segment: offsets and indexes stay well within 32 bits.
pub const SEGMENT_BYTES_MAX: usize = 1 << 30;
/// Payloads up to this size are searched for a single flipped bit when their checksum fails.
pub const FLIP_SEARCH_BYTES_MAX: usize = 64 << 10;
/// The unit that a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

const MAGIC: [u8; 8] = *b"SYNODWAL";
const HEADER_BYTES: usize = 64;
const LENGTH_BITS: u32 = 28;

/// The number of a record: 1 for the first of a log, and one more for each that follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(pub u64);

impl RecordNumber {
    /// The number of the first record of a new log.
    pub const FIRST: RecordNumber = RecordNumber(1);

    /// The number `count` records further on.
    #[must_use]
    pub fn after(self, count: u64) -> RecordNumber {
        RecordNumber(self.0.checked_add(count).expect("2^64 records cannot be written in a lifetime"))
    }
}

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells one log from every other; drawn at random when a log is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(pub u128);

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log that it belongs to.
    pub log_id: LogId,
    /// Its place among the segments; never used twice in a log.
    pub sequence: u64,
    /// The number of its first record. All records before were durable when this header was written.
    pub first: RecordNumber,
    /// The size that the file was prepared to.
    pub segment_bytes: u64,
}

/// Why a segment header could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderDamage {
    /// No copy carries the magic and a matching checksum.
    Unreadable,
    /// A sound header of a format version that this code does not know.
    Version(u32),
}

impl SegmentHeader {
    /// The first [`DATA_OFFSET`] bytes of the segment: two copies of the header, a block each.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut copy = [0u8; HEADER_BYTES];
        copy[0..8].copy_from_slice(&MAGIC);
        copy[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        copy[16..32].copy_from_slice(&self.log_id.0.to_le_bytes());
        copy[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        copy[40..48].copy_from_slice(&self.first.0.to_le_bytes());
        copy[48..56].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let checksum = header_checksum(&copy);
        copy[12..16].copy_from_slice(&checksum.to_le_bytes());
        let mut area = vec![0u8; DATA_OFFSET];
        area[..HEADER_BYTES].copy_from_slice(&copy);
        area[BLOCK_BYTES..BLOCK_BYTES + HEADER_BYTES].copy_from_slice(&copy);
        area
    }

    /// Reads the header from the beginning of a segment. A recycled segment whose new header was torn can
    /// hold two different sound copies; the one with the higher sequence counts, because it was written
    /// later.
    pub fn decode(segment: &[u8]) -> Result<SegmentHeader, HeaderDamage> {
        let copies = [decode_copy(segment, 0), decode_copy(segment, BLOCK_BYTES)];
        match copies {
            [Ok(a), Ok(b)] => Ok(if a.sequence >= b.sequence { a } else { b }),
            [Ok(header), Err(_)] | [Err(_), Ok(header)] => Ok(header),
            [Err(HeaderDamage::Version(found)), _] | [_, Err(HeaderDamage::Version(found))] => {
                Err(HeaderDamage::Version(found))
            }
            _ => Err(HeaderDamage::Unreadable),
        }
    }
}

fn decode_copy(segment: &[u8], at: usize) -> Result<SegmentHeader, HeaderDamage> {
    let copy: &[u8; HEADER_BYTES] =
        segment.get(at..).and_then(|rest| rest.first_chunk()).ok_or(HeaderDamage::Unreadable)?;
    if copy[0..8] != MAGIC || u32_at(copy, 12) != header_checksum(copy) {
        return Err(HeaderDamage::Unreadable);
    }
    let version = u32_at(copy, 8);
    if version != FORMAT_VERSION {
        return Err(HeaderDamage::Version(version));
    }
    let header = SegmentHeader {
        log_id: LogId(u128::from_le_bytes(*copy[16..].first_chunk().expect("the header has 64 bytes"))),
        sequence: u64_at(copy, 32),
        first: RecordNumber(u64_at(copy, 40)),
        segment_bytes: u64_at(copy, 48),
    };
    let sane = header.first.0 >= 1
        && header.first.0 <= u64::MAX / 2
        && (SEGMENT_BYTES_MIN as u64..=SEGMENT_BYTES_MAX as u64).contains(&header.segment_bytes);
    if sane { Ok(header) } else { Err(HeaderDamage::Unreadable) }
}

fn header_checksum(copy: &[u8; HEADER_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&copy[0..12]);
    hasher.update(&copy[16..]);
    hasher.finalize()
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A record; the frame's index is its number less the segment's first.
    Record,
    /// The payload is a record number: all before it was durable when this was written. The index is that of
    /// the next record.
    Mark,
    /// A mark that was written when the log was closed in good order: no frame follows it in this segment.
    Closed,
}

impl FrameKind {
    fn code(self) -> u32 {
        match self {
            FrameKind::Record => 1,
            FrameKind::Mark => 2,
            FrameKind::Closed => 3,
        }
    }

    /// Zero is no kind, so that zeros are never a frame.
    fn from_code(code: u32) -> Option<FrameKind> {
        match code {
            1 => Some(FrameKind::Record),
            2 => Some(FrameKind::Mark),
            3 => Some(FrameKind::Closed),
            _ => None,
        }
    }
}

/// A frame whose checksums have been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// The record's index in the segment; for marks, that of the next record.
    pub index: u32,
    /// The payload, in place.
    pub payload: &'a [u8],
    /// Where the next frame begins.
    pub end: usize,
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameOutline {
    /// What the frame carries.
    pub kind: FrameKind,
    /// As in [`Frame`].
    pub index: u32,
    /// Where the next frame begins.
    pub end: usize,
}

/// Why there is no valid frame at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameDamage {
    /// The header does not verify: the end of the log, a lost sector, stale bytes, or rot.
    Header,
    /// The header is sound but the payload does not match its checksum.
    Payload {
        /// Where the payload begins.
        start: usize,
        /// Where it ends.
        end: usize,
        /// The checksum by the header, xor the checksum of what is there.
        syndrome: u32,
    },
}

/// Encodes and verifies the frames of one segment: the frame checksum begins with the identity of the
/// segment.
#[derive(Clone, Debug)]
pub struct Framer {
    seed: crc32fast::Hasher,
    /// A copy of this costs less than a new one, which asks the processor what it can do.
    empty: crc32fast::Hasher,
}

impl Framer {
    /// The framer of the segment with this identity.
    #[must_use]
    pub fn new(log_id: LogId, sequence: u64) -> Framer {
        let empty = crc32fast::Hasher::new();
        let mut seed = empty.clone();
        seed.update(&log_id.0.to_le_bytes());
        seed.update(&sequence.to_le_bytes());
        Framer { seed, empty }
    }

    /// The header of a frame that begins at `offset` of the segment. The payload follows it, then zeros up to
    /// a multiple of 8.
    ///
    /// # Panics
    /// If the payload is longer than [`RECORD_BYTES_MAX`]; the caller has checked.
    #[must_use]
    pub fn header(
        &self,
        offset: usize,
        kind: FrameKind,
        index: u32,
        payload: &[u8],
    ) -> [u8; FRAME_HEADER_BYTES] {
        assert!(payload.len() <= RECORD_BYTES_MAX, "a payload of {} bytes is over the limit", payload.len());
        let mut header = [0u8; FRAME_HEADER_BYTES];
        let length = payload.len() as u32 | kind.code() << LENGTH_BITS;
        header[0..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&index.to_le_bytes());
        header[8..12].copy_from_slice(&self.payload_checksum(payload).to_le_bytes());
        let checksum = self.header_checksum(offset, &header);
        header[12..16].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// The frame at `offset`, if its header and payload verify.
    pub fn decode<'a>(&self, segment: &'a [u8], offset: usize) -> Result<Frame<'a>, FrameDamage> {
        let header = self.sound_header(segment, offset).ok_or(FrameDamage::Header)?;
        let start = offset + FRAME_HEADER_BYTES;
        let payload = &segment[start..start + header.length];
        let syndrome = header.payload_checksum ^ self.payload_checksum(payload);
        if syndrome != 0 {
            return Err(FrameDamage::Payload { start, end: start + header.length, syndrome });
        }
        let end = offset + frame_bytes(header.length);
        Ok(Frame { kind: header.kind, index: header.index, payload, end })
    }

    /// What the frame header at `offset` says, if it verifies; the payload is not looked at.
    #[must_use]
    pub fn outline(&self, segment: &[u8], offset: usize) -> Option<FrameOutline> {
        let header = self.sound_header(segment, offset)?;
        Some(FrameOutline {
            kind: header.kind,
            index: header.index,
            end: offset + frame_bytes(header.length),
        })
    }

    /// The bit, counted from `offset`, that must be flipped for the frame header at `offset` to verify; none
    /// if one is not enough.
    #[must_use]
    pub fn flipped_header_bit(&self, segment: &[u8], offset: usize) -> Option<usize> {
        let found: &[u8; FRAME_HEADER_BYTES] = segment.get(offset..)?.first_chunk()?;
        (0..FRAME_HEADER_BYTES * 8).find(|bit| {
            let mut header = *found;
            header[bit / 8] ^= 1 << (bit % 8);
            self.parse(&header, offset, segment.len()).is_some()
        })
    }

    fn sound_header(&self, segment: &[u8], offset: usize) -> Option<FrameHeader> {
        self.parse(segment.get(offset..)?.first_chunk()?, offset, segment.len())
    }

    fn parse(
        &self,
        bytes: &[u8; FRAME_HEADER_BYTES],
        offset: usize,
        segment_bytes: usize,
    ) -> Option<FrameHeader> {
        let word = u32_at(bytes, 0);
        let kind = FrameKind::from_code(word >> LENGTH_BITS)?;
        let length = (word & ((1 << LENGTH_BITS) - 1)) as usize;
        let fits = length <= RECORD_BYTES_MAX && offset + FRAME_HEADER_BYTES + length <= segment_bytes;
        let shaped = kind == FrameKind::Record || length == 8;
        if !fits || !shaped || u32_at(bytes, 12) != self.header_checksum(offset, bytes) {
            return None;
        }
        Some(FrameHeader { kind, length, index: u32_at(bytes, 4), payload_checksum: u32_at(bytes, 8) })
    }

    fn payload_checksum(&self, payload: &[u8]) -> u32 {
        let mut hasher = self.empty.clone();
        hasher.update(payload);
        hasher.finalize()
    }

    fn header_checksum(&self, offset: usize, header: &[u8; FRAME_HEADER_BYTES]) -> u32 {
        // Sixteen bytes are what the checksum takes in one step; a segment's offsets fit into 32 bits.
        let mut covered = [0u8; 16];
        covered[..4].copy_from_slice(&(offset as u32).to_le_bytes());
        covered[4..].copy_from_slice(&header[..12]);
        let mut hasher = self.seed.clone();
        hasher.update(&covered);
        hasher.finalize()
    }
}

struct FrameHeader {
    kind: FrameKind,
    length: usize,
    index: u32,
    payload_checksum: u32,
}

/// The room that a frame takes for a payload of `payload_bytes`.
#[must_use]
pub fn frame_bytes(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(FRAME_ALIGNMENT_BYTES)
}

/// The bit of a payload of `payload_bytes` whose flip changes its crc by `syndrome`; none if a single bit
/// does not.
///
/// A crc is linear: flipping a bit changes it by a constant that depends only on how far the bit is from the
/// end. Walking back from the last bit, the constant is multiplied by x each step.
#[must_use]
pub fn flipped_payload_bit(payload_bytes: usize, syndrome: u32) -> Option<usize> {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut effect = POLYNOMIAL;
    for bit in (0..payload_bytes * 8).rev() {
        if effect == syndrome {
            return Some(bit);
        }
        effect = (effect >> 1) ^ if effect & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller's array is long enough"))
}

/// The eight bytes at `at` as a number.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller's array is long enough"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> SegmentHeader {
        SegmentHeader { log_id: LogId(7), sequence: 3, first: RecordNumber(40), segment_bytes: 1 << 20 }
    }

    #[test]
    fn a_header_survives_any_damage_to_one_copy() {
        let area = header().encode();
        for copy in [0, BLOCK_BYTES] {
            for bit in 0..HEADER_BYTES * 8 {
                let mut damaged = area.clone();
                damaged[copy + bit / 8] ^= 1 << (bit % 8);
                assert_eq!(SegmentHeader::decode(&damaged), Ok(header()), "bit {bit} of the copy at {copy}");
            }
        }
    }

    #[test]
    fn an_unknown_version_is_named_not_misread() {
        let mut area = header().encode();
        for copy in [0, BLOCK_BYTES] {
            area[copy + 8] = 9;
            let bytes: [u8; HEADER_BYTES] = *area[copy..].first_chunk().unwrap();
            area[copy + 12..copy + 16].copy_from_slice(&header_checksum(&bytes).to_le_bytes());
        }
        assert_eq!(SegmentHeader::decode(&area), Err(HeaderDamage::Version(9)));
    }

    #[test]
    fn a_frame_counts_only_at_its_place_in_its_segment_of_its_log() {
        let framer = Framer::new(LogId(7), 3);
        let mut segment = vec![0u8; DATA_OFFSET + 256];
        let frame = framer.header(DATA_OFFSET, FrameKind::Record, 0, b"abc");
        segment[DATA_OFFSET..DATA_OFFSET + 16].copy_from_slice(&frame);
        segment[DATA_OFFSET + 16..DATA_OFFSET + 19].copy_from_slice(b"abc");
        assert!(framer.decode(&segment, DATA_OFFSET).is_ok());
        assert!(Framer::new(LogId(7), 4).decode(&segment, DATA_OFFSET).is_err());
        assert!(Framer::new(LogId(8), 3).decode(&segment, DATA_OFFSET).is_err());
        segment.copy_within(DATA_OFFSET..DATA_OFFSET + 24, DATA_OFFSET + 24);
        assert!(framer.decode(&segment, DATA_OFFSET + 24).is_err());
    }

    proptest! {
        #[test]
        fn any_single_flip_of_a_payload_is_located(
            mut payload in prop::collection::vec(any::<u8>(), 1..600),
            at in any::<prop::sample::Index>(),
        ) {
            let before = crc32fast::hash(&payload);
            let bit = at.index(payload.len() * 8);
            payload[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(flipped_payload_bit(payload.len(), before ^ crc32fast::hash(&payload)), Some(bit));
        }

        #[test]
        fn decoders_take_any_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..9000),
            offset in 0usize..10_000,
        ) {
            let _ = SegmentHeader::decode(&bytes);
            let _ = Framer::new(LogId(1), 1).decode(&bytes, offset);
            let _ = Framer::new(LogId(1), 1).flipped_header_bit(&bytes, offset);
        }
    }
}
