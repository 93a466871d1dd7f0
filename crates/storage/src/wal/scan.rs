//! Finds where the valid records of a segment end, and judges whether what follows is a torn tail or
//! corruption.
//!
//! The rules and the window that they leave open are written down in the module above. This file is their
//! whole implementation, over bytes alone, so that the simulator and the fuzzer run what ships.

use super::format::{
    DATA_OFFSET, FLIP_SEARCH_BYTES_MAX, FRAME_ALIGNMENT_BYTES, FRAME_HEADER_BYTES, FrameDamage, FrameKind,
    Framer, RecordNumber, SECTOR_BYTES, SegmentHeader, flipped_payload_bit, u64_at,
};

/// What a sound segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The number after the last valid record.
    pub next: RecordNumber,
    /// Where the valid prefix ends, in bytes from the beginning of the segment.
    pub end: usize,
    /// All records before this one are known to have been durable.
    pub durable_to: RecordNumber,
    /// The log was closed in good order at `end`.
    pub closed: bool,
    /// Something other than unused space follows the prefix: it is the remains of writes that were never
    /// acknowledged, or stale bytes.
    pub torn: bool,
}

/// Why a segment is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Where the first frame lies that does not verify, in bytes from the beginning of the segment.
    pub offset: u64,
    /// The record that was expected there.
    pub record: RecordNumber,
    /// What tells that this is no torn tail.
    pub evidence: Evidence,
}

/// What tells corruption from a torn tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Evidence {
    /// A mark behind the damage, or before it, calls the record durable.
    #[error("a mark at offset {mark} says that all records before {durable_to} were durable")]
    Mark {
        /// Where the mark lies.
        mark: u64,
        /// What it says.
        durable_to: RecordNumber,
    },
    /// A later segment continues the log after the damage.
    #[error("the log goes on at record {first} in a later segment")]
    LaterSegment {
        /// The first record of the later segment.
        first: RecordNumber,
    },
    /// One flipped bit explains the damage.
    #[error("a single bit is flipped at offset {byte}, bit {bit}; a lost write cannot do that")]
    FlippedBit {
        /// The byte, from the beginning of the segment.
        byte: u64,
        /// The bit in that byte.
        bit: u8,
    },
    /// A frame that verifies but breaks the order of the log.
    #[error("a sound frame is out of order: expected index {expected}, found {found}")]
    OutOfOrder {
        /// The index that was expected.
        expected: u32,
        /// The index in the frame.
        found: u32,
    },
}

/// Reads the segment in `bytes`, whose header is `header`.
///
/// `continues_at` is the first record of the segment that follows it, if one does: then all records before
/// that one have to be here, and what lies behind them does not count. Without it this is the last segment,
/// and a torn tail is cut.
pub fn scan(
    bytes: &[u8],
    header: &SegmentHeader,
    continues_at: Option<RecordNumber>,
) -> Result<Scan, Corruption> {
    let framer = Framer::new(header.log_id, header.sequence);
    let mut state =
        Scan { next: header.first, end: DATA_OFFSET, durable_to: header.first, closed: false, torn: false };
    let mut index = 0u32;
    let corrupt =
        |state: &Scan, evidence| Corruption { offset: state.end as u64, record: state.next, evidence };
    loop {
        if continues_at.is_some_and(|first| state.next >= first) || state.closed {
            break;
        }
        let frame = match framer.decode(bytes, state.end) {
            Ok(frame) => frame,
            Err(damage) => return judge(bytes, header, &framer, state, damage, continues_at),
        };
        if frame.index != index {
            return Err(corrupt(&state, Evidence::OutOfOrder { expected: index, found: frame.index }));
        }
        match frame.kind {
            FrameKind::Record => {
                index += 1;
                state.next = state.next.after(1);
            }
            FrameKind::Mark | FrameKind::Closed => {
                let durable_to = RecordNumber(u64_at(frame.payload, 0));
                if durable_to > state.next {
                    return Err(corrupt(&state, Evidence::Mark { mark: state.end as u64, durable_to }));
                }
                state.durable_to = state.durable_to.max(durable_to);
                state.closed = frame.kind == FrameKind::Closed;
            }
        }
        state.end = frame.end;
    }
    match continues_at {
        Some(first) if state.next < first => Err(corrupt(&state, Evidence::LaterSegment { first })),
        _ => Ok(state),
    }
}

/// The records of a segment that [`scan`] accepted, in order, up to but not including number `until`.
#[derive(Debug)]
pub struct Records {
    framer: Framer,
    next: RecordNumber,
    until: RecordNumber,
    offset: usize,
}

impl Records {
    /// Begins at the first record of the segment.
    #[must_use]
    pub fn new(header: &SegmentHeader, until: RecordNumber) -> Records {
        let framer = Framer::new(header.log_id, header.sequence);
        Records { framer, next: header.first, until, offset: DATA_OFFSET }
    }

    /// The next record of the segment in `bytes`; none when all are read.
    ///
    /// # Panics
    /// If `bytes` are not what was scanned.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<(RecordNumber, &'a [u8])> {
        while self.next < self.until {
            let frame = self.framer.decode(bytes, self.offset).expect("the scan verified this frame");
            self.offset = frame.end;
            if frame.kind == FrameKind::Record {
                let number = self.next;
                self.next = number.after(1);
                return Some((number, frame.payload));
            }
        }
        None
    }
}

/// The first frame that does not verify has been met at `state.end`: a torn tail, or corruption?
fn judge(
    bytes: &[u8],
    header: &SegmentHeader,
    framer: &Framer,
    mut state: Scan,
    damage: FrameDamage,
    continues_at: Option<RecordNumber>,
) -> Result<Scan, Corruption> {
    let later_segment = continues_at.map(|first| Evidence::LaterSegment { first });
    let index = (state.next.0 - header.first.0) as u32;
    let (later_mark, later_frames) = search_behind(bytes, framer, &state, index);
    let evidence = later_segment.or(later_mark).or_else(|| flipped_bit(bytes, framer, state.end, damage));
    if let Some(evidence) = evidence {
        return Err(Corruption { offset: state.end as u64, record: state.next, evidence });
    }
    let blank = bytes[state.end.min(bytes.len())..].iter().take(FRAME_HEADER_BYTES).all(|byte| *byte == 0);
    state.torn = later_frames || !blank;
    Ok(state)
}

/// Looks for sound frames behind the damage: a mark that calls the damaged record durable, and whether there
/// is any frame at all. Payloads of records are not read, so that the search takes one pass whatever the
/// bytes are.
fn search_behind(bytes: &[u8], framer: &Framer, state: &Scan, index: u32) -> (Option<Evidence>, bool) {
    let mut offset = state.end + FRAME_ALIGNMENT_BYTES;
    let mut any = false;
    while offset + FRAME_HEADER_BYTES <= bytes.len() {
        let Some(outline) = framer.outline(bytes, offset) else {
            offset += FRAME_ALIGNMENT_BYTES;
            continue;
        };
        any |= outline.index >= index;
        if outline.kind != FrameKind::Record
            && let Ok(mark) = framer.decode(bytes, offset)
        {
            let durable_to = RecordNumber(u64_at(mark.payload, 0));
            if durable_to > state.next {
                return (Some(Evidence::Mark { mark: offset as u64, durable_to }), true);
            }
        }
        offset = outline.end;
    }
    (None, any)
}

/// Whether one flipped bit, and not a lost sector, explains the damaged frame at `offset`.
fn flipped_bit(bytes: &[u8], framer: &Framer, offset: usize, damage: FrameDamage) -> Option<Evidence> {
    let (bit, frame_end) = match damage {
        FrameDamage::Header => {
            (offset * 8 + framer.flipped_header_bit(bytes, offset)?, offset + FRAME_HEADER_BYTES)
        }
        FrameDamage::Payload { start, end, .. } if end - start > FLIP_SEARCH_BYTES_MAX => return None,
        FrameDamage::Payload { start, end, syndrome } => {
            (start * 8 + flipped_payload_bit(end - start, syndrome)?, end)
        }
    };
    let byte = bit / 8;
    let sector = byte / SECTOR_BYTES * SECTOR_BYTES;
    let in_sector = &bytes[sector.max(offset)..(sector + SECTOR_BYTES).min(frame_end)];
    let lost_sector_explains = in_sector.iter().all(|byte| *byte == 0);
    (!lost_sector_explains).then_some(Evidence::FlippedBit { byte: byte as u64, bit: (bit % 8) as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::format::{LogId, frame_bytes};

    const HEADER: SegmentHeader =
        SegmentHeader { log_id: LogId(1), sequence: 1, first: RecordNumber(10), segment_bytes: 16 << 10 };

    fn segment(frames: &[(FrameKind, u32, &[u8])]) -> Vec<u8> {
        let framer = Framer::new(HEADER.log_id, HEADER.sequence);
        let mut bytes = HEADER.encode();
        for (kind, index, payload) in frames {
            let offset = bytes.len();
            bytes.extend(framer.header(offset, *kind, *index, payload));
            bytes.extend(*payload);
            bytes.resize(offset + frame_bytes(payload.len()), 0);
        }
        bytes.resize(16 << 10, 0);
        bytes
    }

    #[test]
    fn sound_frames_that_break_the_order_are_refused() {
        let skipped = segment(&[(FrameKind::Record, 0, b"a"), (FrameKind::Record, 2, b"b")]);
        let refused = scan(&skipped, &HEADER, None).unwrap_err();
        assert_eq!(refused.evidence, Evidence::OutOfOrder { expected: 1, found: 2 });
        assert_eq!(refused.record, RecordNumber(11));

        let mark = 12u64.to_le_bytes();
        let ahead = segment(&[(FrameKind::Record, 0, b"a"), (FrameKind::Mark, 1, &mark)]);
        let refused = scan(&ahead, &HEADER, None).unwrap_err();
        assert!(matches!(refused.evidence, Evidence::Mark { durable_to: RecordNumber(12), .. }));
    }

    #[test]
    fn a_segment_that_another_follows_must_reach_up_to_it() {
        let frames = segment(&[(FrameKind::Record, 0, b"a"), (FrameKind::Record, 1, b"b")]);
        assert_eq!(scan(&frames, &HEADER, Some(RecordNumber(12))).unwrap().next, RecordNumber(12));
        // What lies behind the number that the next segment begins with was cut when that segment was begun.
        assert_eq!(scan(&frames, &HEADER, Some(RecordNumber(11))).unwrap().next, RecordNumber(11));
        let refused = scan(&frames, &HEADER, Some(RecordNumber(13))).unwrap_err();
        assert_eq!(refused.evidence, Evidence::LaterSegment { first: RecordNumber(13) });
    }
}
