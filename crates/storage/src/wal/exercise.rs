//! A target for fuzzing the scanner.
//!
//! Checksums stop a fuzzer at once if it mutates a segment as such. So the input is read as a small program:
//! what records to write, and then what to do to the bytes. The property is checked on the spot.

use super::format::{
    DATA_OFFSET, FrameKind, Framer, LogId, RecordNumber, SEGMENT_BYTES_MIN, SegmentHeader, frame_bytes,
};
use super::scan::{Records, scan};

const SEGMENT_BYTES: usize = 2 * SEGMENT_BYTES_MIN;

/// Writes records as `input` says, damages the segment as it says, and scans.
///
/// # Panics
/// If the scanner returns a record that was not written there, or fewer records than it says, or none of an
/// undamaged segment.
pub fn exercise_scanner(input: &[u8]) {
    let header = SegmentHeader {
        log_id: LogId(11),
        sequence: 5,
        first: RecordNumber(100),
        segment_bytes: SEGMENT_BYTES as u64,
    };
    let mut input = input.iter().copied();
    let (mut segment, written) = build(&header, &mut input);
    let whole = scan(&segment, &header, None).expect("what was just written is sound");
    assert_eq!(
        whole.next,
        header.first.after(written.len() as u64),
        "an undamaged segment gives all its records"
    );

    damage(&mut segment, &mut input);
    let continues_at =
        input.next().filter(|byte| byte & 1 == 1).map(|byte| header.first.after(u64::from(byte) / 8));
    let _ = SegmentHeader::decode(&segment);
    let Ok(found) = scan(&segment, &header, continues_at) else { return };
    let mut records = Records::new(&header, found.next);
    let mut count = 0;
    while let Some((number, payload)) = records.next(&segment) {
        assert_eq!(number, header.first.after(count as u64), "records come in order");
        assert_eq!(payload, &written[count][..], "record {number} is not what was written");
        count += 1;
    }
    assert_eq!(header.first.after(count as u64), found.next, "the scan counts what can be read");
    assert!(found.durable_to <= found.next, "what was durable is there, or the segment is refused");
}

/// A byte below 128 appends a record of that many bytes, another one a mark; 255 ends the program.
fn build(header: &SegmentHeader, input: &mut impl Iterator<Item = u8>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let framer = Framer::new(header.log_id, header.sequence);
    let mut segment = header.encode();
    let mut written: Vec<Vec<u8>> = Vec::new();
    for operation in input.by_ref().take_while(|byte| *byte != 255) {
        let index = written.len() as u32;
        let (kind, payload) = match operation {
            0..128 => {
                (FrameKind::Record, vec![operation.wrapping_mul(37) ^ index as u8; usize::from(operation)])
            }
            _ => (FrameKind::Mark, header.first.after(u64::from(index)).0.to_le_bytes().to_vec()),
        };
        let offset = segment.len();
        if offset + frame_bytes(payload.len()) > SEGMENT_BYTES {
            break;
        }
        segment.extend(framer.header(offset, kind, index, &payload));
        segment.extend(&payload);
        segment.resize(offset + frame_bytes(payload.len()), 0);
        if kind == FrameKind::Record {
            written.push(payload);
        }
    }
    segment.resize(SEGMENT_BYTES, 0);
    (segment, written)
}

/// Each four bytes are an operation: set a byte, clear a sector, move a stretch, or cut the file.
fn damage(segment: &mut Vec<u8>, input: &mut impl Iterator<Item = u8>) {
    for _ in 0..64 {
        let (Some(kind), Some(high), Some(low), Some(value)) =
            (input.next(), input.next(), input.next(), input.next())
        else {
            return;
        };
        let span = segment.len().saturating_sub(DATA_OFFSET);
        if span == 0 {
            return;
        }
        let at = DATA_OFFSET + usize::from(u16::from_be_bytes([high, low])) % span;
        match kind % 4 {
            0 => segment[at] = value,
            1 => {
                let sector = at / 512 * 512;
                let end = (sector + 512).min(segment.len());
                segment[sector..end].fill(value);
            }
            2 => {
                let length = usize::from(value).min(segment.len() - at);
                let target = DATA_OFFSET + at % 64 * 8;
                if target + length <= segment.len() {
                    segment.copy_within(at..at + length, target);
                }
            }
            _ => segment.truncate(at.max(DATA_OFFSET)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_scanner_never_returns_what_was_not_written(input in prop::collection::vec(any::<u8>(), 0..300)) {
            exercise_scanner(&input);
        }
    }
}
