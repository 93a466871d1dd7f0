//! How records lie in the log's bytes: a trait for the product's real format, and a plain one for everything else.
//!
//! The world keeps a log as segments of bytes that were prewritten with zeros. A format frames payloads and finds them again. What it must be able to tell apart
//! after a crash, and what it cannot:
//!
//! - *Never written*: zeros. The end of the log.
//! - *Torn tail*: damage among writes that were never reported durable. Cut from the first damaged record on.
//! - *Corruption*: damage to what was durable. Refused. Each frame carries the number of the last record that was durable when it was written, so
//!   that damage to an older record is recognized if any frame behind it survived; so is damage with a later segment behind it, since a segment begins
//!   only when all before it is durable.
//! - The window that remains: damage to the records of the very last sync looks like a torn tail. No single copy can do better.

use std::hash::Hasher;
use std::ops::Range;

use synod_machine::Fingerprint;
use thiserror::Error;

/// Frames payloads as bytes, and finds them again.
pub trait LogFormat {
    /// The first bytes of a segment.
    fn header(&self, sequence: u64, first: u64, out: &mut Vec<u8>);

    /// Record `number`. Every record up to `durable` is known to survive crashes.
    fn frame(&self, number: u64, durable: u64, payload: &[u8], out: &mut Vec<u8>);

    /// Finds the records of a segment. A tail that never became durable is left out; damage to what was durable is an error.
    fn scan(&self, place: SegmentPlace, bytes: &[u8]) -> Result<Scan, Corruption>;
}

/// Which segment is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPlace {
    /// Its number; they grow by one.
    pub sequence: u64,
    /// The number of its first record.
    pub first: u64,
    /// No segment follows it: only here may a tail be torn.
    pub last: bool,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Numbers and where their payloads lie.
    pub records: Vec<(u64, Range<usize>)>,
    /// How many bytes, from the start, are header and whole records. 0 when not even the header is whole.
    pub valid_bytes: usize,
}

/// Damage to what was durable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("segment {sequence} is damaged at byte {offset}: {reason}")]
pub struct Corruption {
    /// The segment.
    pub sequence: u64,
    /// Where the damage was noticed.
    pub offset: usize,
    /// What was expected and what was found.
    pub reason: String,
}

/// The simulator's own framing: length, number, durable mark and a checksum of 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainFormat {
    /// Believe every frame, whatever its checksum says: the planted bug of a log that accepts torn tails.
    pub trusting: bool,
}

const MAGIC: u64 = u64::from_le_bytes(*b"SIMLOG01");
const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 32;
/// Longest payload: a length beyond it is damage, not a reason to believe it.
const PAYLOAD_BYTES_MAX: u64 = 1 << 30;

impl LogFormat for PlainFormat {
    fn header(&self, sequence: u64, first: u64, out: &mut Vec<u8>) {
        for word in [MAGIC, sequence, first, checksum(&[MAGIC, sequence, first], &[])] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn frame(&self, number: u64, durable: u64, payload: &[u8], out: &mut Vec<u8>) {
        let words = [payload.len() as u64, number, durable];
        for word in [words[0], words[1], words[2], checksum(&words, payload)] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(payload);
    }

    fn scan(&self, place: SegmentPlace, bytes: &[u8]) -> Result<Scan, Corruption> {
        let mut scan = Scan::default();
        let header = words(bytes, 0);
        let whole = header.is_some_and(|[magic, sequence, first, sum]| {
            (magic, sequence, first) == (MAGIC, place.sequence, place.first)
                && sum == checksum(&[magic, sequence, first], &[])
        });
        if !whole {
            self.check_tail(place, bytes, HEADER_BYTES, 0, place.first, "the segment's header")?;
            return Ok(scan);
        }
        let (mut at, mut number) = (HEADER_BYTES, place.first);
        while let Some(payload) = self.frame_at(bytes, at, number) {
            scan.records.push((number, payload.clone()));
            (at, number) = (payload.end, number + 1);
        }
        self.check_tail(place, bytes, at, at, number, "a record")?;
        scan.valid_bytes = at;
        Ok(scan)
    }
}

impl PlainFormat {
    fn frame_at(&self, bytes: &[u8], at: usize, number: u64) -> Option<Range<usize>> {
        let [length, found, durable, sum] = words(bytes, at)?;
        if length > PAYLOAD_BYTES_MAX || found != number {
            return None;
        }
        let start = at + FRAME_BYTES;
        let payload = start..start + length as usize;
        let content = bytes.get(payload.clone())?;
        let whole = self.trusting || sum == checksum(&[length, found, durable], content);
        whole.then_some(payload)
    }

    /// Damage begins at `damaged`, where record `number` should be: is it a tail that never was durable?
    fn check_tail(
        &self,
        place: SegmentPlace,
        bytes: &[u8],
        from: usize,
        damaged: usize,
        number: u64,
        what: &str,
    ) -> Result<(), Corruption> {
        let corrupt = |reason| Err(Corruption { sequence: place.sequence, offset: damaged, reason });
        let blank = bytes[damaged.min(bytes.len())..].iter().all(|byte| *byte == 0);
        if !place.last && !blank {
            return corrupt(format!("expected {what}, found damage, and a later segment follows"));
        }
        // A later frame that is whole and says that this record was durable.
        for at in from..bytes.len() {
            let Some([_, found, durable, _]) = words(bytes, at) else { break };
            let claims = found >= number && durable >= number && durable < found;
            if claims && self.frame_at(bytes, at, found).is_some() {
                return corrupt(format!(
                    "expected {what}, record {number}, found damage; record {found} says that all up to {durable} was durable"
                ));
            }
        }
        Ok(())
    }
}

fn words(bytes: &[u8], at: usize) -> Option<[u64; 4]> {
    let bytes = bytes.get(at..at.checked_add(32)?)?;
    let word = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes"));
    Some([word(0), word(1), word(2), word(3)])
}

fn checksum(words: &[u64; 3], payload: &[u8]) -> u64 {
    let mut hasher = Fingerprint::default();
    for word in words {
        hasher.write_u64(*word);
    }
    hasher.write(payload);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: SegmentPlace = SegmentPlace { sequence: 3, first: 10, last: true };

    /// Two syncs: records 10 and 11, then 12 and 13.
    fn segment() -> (Vec<u8>, Vec<usize>) {
        let format = PlainFormat::default();
        let mut bytes = Vec::new();
        format.header(3, 10, &mut bytes);
        let mut ends = vec![bytes.len()];
        for (number, durable, payload) in
            [(10, 9, "ten"), (11, 9, "eleven, the second"), (12, 11, ""), (13, 11, "thirteen")]
        {
            format.frame(number, durable, payload.as_bytes(), &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_cut_at_every_byte_keeps_the_whole_records() {
        let (bytes, ends) = segment();
        for cut in 0..=bytes.len() {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(bytes.len() + 100, 0);
            let scan = PlainFormat::default().scan(PLACE, &torn).expect("a cut is a torn tail");
            // The last record ends in a byte that is not zero, so that only whole records are whole.
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert!(scan.records.len() + 1 >= whole, "cut at {cut}");
            assert!(scan.records.len() <= whole, "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_cut_or_refused() {
        let (bytes, ends) = segment();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = PlainFormat::default().scan(PLACE, &damaged);
            if bit / 8 < ends[2] {
                found.expect_err("damage to what a later frame calls durable is refused");
            } else {
                let scan = found.expect("damage to the last sync looks torn");
                assert!(scan.valid_bytes <= bit / 8 && scan.records.len() >= 2);
            }
        }
    }

    #[test]
    fn damage_before_a_later_segment_is_refused() {
        let (mut bytes, _) = segment();
        *bytes.last_mut().expect("not empty") ^= 1;
        let place = SegmentPlace { last: false, ..PLACE };
        PlainFormat::default().scan(place, &bytes).expect_err("a later segment follows");
        PlainFormat::default().scan(PLACE, &bytes).expect("the last segment may be torn");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), last: bool) {
            for trusting in [false, true] {
                let _ = PlainFormat { trusting }.scan(SegmentPlace { last, ..PLACE }, &bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_behind_a_record_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut bytes, _) = segment();
            bytes.extend(tail);
            let _ = PlainFormat { trusting: true }.scan(PLACE, &bytes);
        }
    }
}
