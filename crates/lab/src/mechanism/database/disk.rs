//! The product's own log framing on the simulator's disks.
//!
//! A segment here is laid out as [`synod_storage::wal`] lays it out, byte for byte: two copies of a header, frames, and a mark before the
//! first record of each write. What differs is what lies around it. The real log begins a new segment at every start and recycles
//! old ones; the simulated disk goes on in the same segment, whose bytes behind the cut are gone.

use synod_sim::{Corruption, LogFormat, Scan, SegmentPlace};
use synod_storage::wal::format::{FRAME_HEADER_BYTES, FrameKind, Framer, SegmentHeader, frame_bytes};
use synod_storage::wal::scan::{Records, scan};
use synod_storage::wal::{LogId, RecordNumber};

/// One log id for all: a frame of another node's log never comes near.
const LOG_ID: LogId = LogId(0x5e60_0d1a_b0f0_c0de);
/// What a segment's header says of its size; simulated segments are as long as what was written.
const SEGMENT_BYTES: u64 = 1 << 20;

/// The write-ahead log's format.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalFormat;

impl LogFormat for WalFormat {
    fn header(&self, sequence: u64, first: u64, out: &mut Vec<u8>) {
        let header = SegmentHeader {
            log_id: LOG_ID,
            sequence,
            first: RecordNumber(first),
            segment_bytes: SEGMENT_BYTES,
        };
        out.extend_from_slice(&header.encode());
    }

    fn frame(&self, number: u64, durable: u64, payload: &[u8], out: &mut Vec<u8>) {
        let header = SegmentHeader::decode(out).expect("a segment begins with the header that was put there");
        let framer = Framer::new(LOG_ID, header.sequence);
        let index = (number - header.first.0) as u32;
        // The first record after a sync: everything before it is durable, and from now on the log says so.
        if number == durable + 1 && index > 0 {
            put_frame(&framer, FrameKind::Mark, index, &number.to_le_bytes(), out);
        }
        put_frame(&framer, FrameKind::Record, index, payload, out);
    }

    fn scan(&self, place: SegmentPlace, bytes: &[u8]) -> Result<Scan, Corruption> {
        let corrupt = |offset: usize, reason: String| Corruption { sequence: place.sequence, offset, reason };
        let header = match SegmentHeader::decode(bytes) {
            Ok(header) => header,
            // Its header was lost with the first write into it: nothing in it was ever durable.
            Err(_) if place.last => return Ok(Scan::default()),
            Err(damage) => return Err(corrupt(0, format!("expected a header, found {damage:?}"))),
        };
        if (header.sequence, header.first.0) != (place.sequence, place.first) {
            let reason =
                format!("expected segment {} from record {}, found {header:?}", place.sequence, place.first);
            return Err(corrupt(0, reason));
        }
        let found = scan(bytes, &header, None).map_err(|damage| {
            corrupt(damage.offset as usize, format!("record {}: {}", damage.record, damage.evidence))
        })?;
        if found.torn && !place.last {
            return Err(corrupt(
                found.end,
                "expected a whole segment, since a later one follows; found damage".to_owned(),
            ));
        }
        let mut records = Vec::new();
        let mut reader = Records::new(&header, found.next);
        while let Some((number, payload)) = reader.next(bytes) {
            let start = payload.as_ptr().addr() - bytes.as_ptr().addr();
            records.push((number.0, start..start + payload.len()));
        }
        Ok(Scan { records, valid_bytes: found.end })
    }
}

fn put_frame(framer: &Framer, kind: FrameKind, index: u32, payload: &[u8], out: &mut Vec<u8>) {
    let offset = out.len();
    let header: [u8; FRAME_HEADER_BYTES] = framer.header(offset, kind, index, payload);
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out.resize(offset + frame_bytes(payload.len()), 0);
}
