//! One node's log, byte by byte.
//!
//! Writes wait in the process's memory until no sync is under way; then all that wait are written at once and one sync covers them
//! (group commit). What a crash leaves depends on its kind: killing the process loses what waited in memory, the operating system keeps the rest; losing power
//! also loses any subset of the 512-byte sectors that were written since the last sync. Recovery scans, cuts what was
//! torn, syncs what it read, and only then hands it out.
//!
//! The world remembers a hash of every record beside the bytes, so that it can prove of any format what no format can know
//! of itself: no record that was reported durable is missing, and none comes back with other bytes.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::time::Duration;

use synod_machine::Fingerprint;

use super::{Corruption, LogFormat, SECTOR_BYTES, SegmentPlace};
use crate::agenda::Moment;
use crate::{Delay, Stream};

/// The shape of all nodes' disks.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskShape {
    /// How long a sync takes.
    pub sync: Delay,
    /// A segment of this size is followed by a new one.
    pub segment_bytes: usize,
}

impl Default for DiskShape {
    /// A solid-state disk.
    fn default() -> Self {
        DiskShape { sync: Delay::micros(80, 400), segment_bytes: 64 * 1024 }
    }
}

/// How a sync began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncStart {
    /// Nothing waits, or a sync is under way.
    Idle,
    /// It ends after so many nanoseconds.
    Started { nanos: u64 },
    /// There is no room.
    Full,
}

#[derive(Debug)]
pub(crate) struct Recovered {
    /// From the oldest kept.
    pub payloads: Vec<Vec<u8>>,
    pub next: u64,
    /// Bytes of a torn tail were cut.
    pub cut: bool,
    /// Damage took durable records and the format did not notice.
    pub unnoticed: bool,
}

#[derive(Debug)]
pub(crate) enum RecoveryError {
    /// The format refused: as it should, after rot.
    Refused(Corruption),
    /// The format, or the driver, broke its promise; the sentence says how.
    Broken(String),
}

#[derive(Debug)]
struct Segment {
    sequence: u64,
    first: u64,
    bytes: Vec<u8>,
    synced: usize,
}

#[derive(Debug)]
pub(crate) struct Disk {
    segments: Vec<Segment>,
    waiting: Vec<u8>,
    waiting_ends: Vec<usize>,
    /// The number of the next record.
    next: u64,
    /// All up to here survive.
    durable: u64,
    /// The sync under way covers all up to here.
    syncing: Option<u64>,
    hashes: VecDeque<u64>,
    hashes_first: u64,
    rotten: bool,
    draw: Stream,
    pub stalled_until: Moment,
    pub full_until: Moment,
    pub fail_next_sync: bool,
}

impl Disk {
    pub(crate) fn new(draw: Stream) -> Self {
        Disk {
            segments: Vec::new(),
            waiting: Vec::new(),
            waiting_ends: Vec::new(),
            next: 1,
            durable: 0,
            syncing: None,
            hashes: VecDeque::new(),
            hashes_first: 1,
            rotten: false,
            draw,
            stalled_until: Moment(0),
            full_until: Moment(0),
            fail_next_sync: false,
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// The last record that was asked for.
    pub(crate) fn asked(&self) -> u64 {
        self.next + self.waiting_ends.len() as u64 - 1
    }

    /// Takes a record; `encode` appends its payload.
    pub(crate) fn append(&mut self, number: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        assert_eq!(number, self.asked() + 1, "records are written in order");
        let start = self.waiting.len();
        encode(&mut self.waiting);
        self.waiting_ends.push(self.waiting.len());
        self.hashes.push_back(fingerprint(&self.waiting[start..]));
    }

    /// Writes all that waits and begins a sync, unless one is under way.
    pub(crate) fn start_sync(&mut self, shape: &DiskShape, format: &dyn LogFormat, now: Moment) -> SyncStart {
        if self.syncing.is_some() || self.waiting_ends.is_empty() {
            return SyncStart::Idle;
        }
        if now < self.full_until {
            return SyncStart::Full;
        }
        // Everything before is durable here, so that a new segment may begin: only the last segment can be torn.
        if self.segments.last().is_none_or(|last| last.bytes.len() >= shape.segment_bytes) {
            let sequence = self.segments.last().map_or(1, |last| last.sequence + 1);
            let mut bytes = Vec::new();
            format.header(sequence, self.next, &mut bytes);
            self.segments.push(Segment { sequence, first: self.next, bytes, synced: 0 });
        }
        let segment = self.segments.last_mut().expect("one was just made");
        let mut start = 0;
        for end in self.waiting_ends.drain(..) {
            format.frame(self.next, self.durable, &self.waiting[start..end], &mut segment.bytes);
            (start, self.next) = (end, self.next + 1);
        }
        self.waiting.clear();
        self.syncing = Some(self.next - 1);
        let nanos = shape.sync.draw_nanos(self.draw.bits()) + self.stalled_until.since(now);
        SyncStart::Started { nanos }
    }

    /// The sync under way ends; gives the last record that is durable now.
    pub(crate) fn end_sync(&mut self) -> u64 {
        self.durable = self.syncing.take().expect("a sync was under way");
        let segment = self.segments.last_mut().expect("what was synced lies in a segment");
        segment.synced = segment.bytes.len();
        self.durable
    }

    /// Records before `before` are not needed: whole segments go.
    pub(crate) fn forget(&mut self, before: u64) {
        while self.segments.len() > 1 && self.segments[1].first <= before {
            self.segments.remove(0);
        }
        let kept = self.segments.first().map_or(self.next, |segment| segment.first);
        while self.hashes_first < kept {
            self.hashes.pop_front();
            self.hashes_first += 1;
        }
    }

    /// The process is gone: what waited in its memory is lost.
    pub(crate) fn kill(&mut self) {
        self.waiting.clear();
        self.waiting_ends.clear();
        self.syncing = None;
        let written = (self.next - self.hashes_first) as usize;
        self.hashes.truncate(written);
    }

    /// Power is lost: so is any subset of the sectors written since the last sync. Gives how many were lost.
    pub(crate) fn lose_power(&mut self) -> u64 {
        self.kill();
        // All, none, or a mix: each is a case of its own.
        let keep_of_four = self.draw.below(5);
        let mut lost = 0;
        for segment in &mut self.segments {
            let first_sector = segment.synced / SECTOR_BYTES;
            let sectors = segment.bytes.len().div_ceil(SECTOR_BYTES);
            for sector in first_sector..sectors {
                if self.draw.below(4) >= keep_of_four {
                    // The old content of a lost sector: what was synced of it, and zeros.
                    let start = (sector * SECTOR_BYTES).max(segment.synced);
                    let end = ((sector + 1) * SECTOR_BYTES).min(segment.bytes.len());
                    segment.bytes[start..end].fill(0);
                    lost += u64::from(start < end);
                }
            }
        }
        lost
    }

    /// Flips one bit of what is durable; whether there was one.
    pub(crate) fn rot(&mut self) -> bool {
        let durable: usize = self.segments.iter().map(|segment| segment.synced).sum();
        if durable == 0 {
            return false;
        }
        let mut at = self.draw.below(durable as u64) as usize;
        let bit = 1 << self.draw.below(8);
        for segment in &mut self.segments {
            if at < segment.synced {
                segment.bytes[at] ^= bit;
                break;
            }
            at -= segment.synced;
        }
        self.rotten = true;
        true
    }

    /// Reads the log after a crash.
    pub(crate) fn recover(&mut self, format: &dyn LogFormat) -> Result<Recovered, RecoveryError> {
        let mut payloads = Vec::new();
        let mut cut = false;
        let mut expected = self.segments.first().map_or(self.next, |segment| segment.first);
        let count = self.segments.len();
        for (index, segment) in self.segments.iter_mut().enumerate() {
            let last = index + 1 == count;
            let place = SegmentPlace { sequence: segment.sequence, first: segment.first, last };
            // Segments are prewritten: zeros follow the last write.
            let written = segment.bytes.len();
            segment.bytes.resize(written.next_multiple_of(SECTOR_BYTES) + SECTOR_BYTES, 0);
            let scan = format.scan(place, &segment.bytes).map_err(RecoveryError::Refused)?;
            for (number, range) in scan.records {
                let payload = segment.bytes.get(range).unwrap_or_default();
                let hash = self.hashes.get((expected - self.hashes_first) as usize);
                if number != expected || hash != Some(&fingerprint(payload)) {
                    return Err(RecoveryError::Broken(format!(
                        "the log gave record {number} with bytes that were never written as record {expected}"
                    )));
                }
                payloads.push(payload.to_vec());
                expected += 1;
            }
            segment.bytes.truncate(scan.valid_bytes);
            cut |= scan.valid_bytes < written;
            if scan.valid_bytes == 0 {
                format.header(segment.sequence, segment.first, &mut segment.bytes);
            }
            segment.synced = segment.bytes.len();
        }
        let unnoticed = expected <= self.durable;
        if unnoticed && !self.rotten {
            return Err(RecoveryError::Broken(format!(
                "record {} was durable, but the log ends before record {expected}",
                self.durable
            )));
        }
        (self.next, self.durable) = (expected, expected - 1);
        self.hashes.truncate((expected - self.hashes_first) as usize);
        Ok(Recovered { payloads, next: expected, cut, unnoticed })
    }

    /// All faults of the disk end, but what they did to it.
    pub(crate) fn calm(&mut self) {
        (self.stalled_until, self.full_until) = (Moment(0), Moment(0));
        self.fail_next_sync = false;
    }

    /// Syncs end no earlier than this.
    pub(crate) fn stall(&mut self, now: Moment, lasts: Duration) {
        self.stalled_until = self.stalled_until.max(now.plus(crate::stream::nanos(lasts)));
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = Fingerprint::default();
    hasher.write_usize(bytes.len());
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainFormat;

    const NOW: Moment = Moment(0);

    fn disk(seed: u64) -> Disk {
        Disk::new(Stream::named(seed, "disk"))
    }

    fn write(disk: &mut Disk, numbers: std::ops::RangeInclusive<u64>, bytes: usize) {
        for number in numbers {
            disk.append(number, |out| out.extend((0..bytes).map(|i| (number as usize + i) as u8)));
        }
    }

    fn start(disk: &mut Disk) -> SyncStart {
        disk.start_sync(&DiskShape::default(), &PlainFormat::default(), NOW)
    }

    #[test]
    fn one_sync_covers_all_that_waits() {
        let mut disk = disk(1);
        write(&mut disk, 1..=1, 10);
        assert!(matches!(start(&mut disk), SyncStart::Started { .. }));
        write(&mut disk, 2..=9, 10);
        assert_eq!(start(&mut disk), SyncStart::Idle);
        assert_eq!(disk.end_sync(), 1);
        assert!(matches!(start(&mut disk), SyncStart::Started { .. }));
        assert_eq!(disk.end_sync(), 9);
    }

    #[test]
    fn a_kill_loses_memory_and_power_loss_any_sectors() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut disk = disk(seed);
            write(&mut disk, 1..=3, 600);
            start(&mut disk);
            disk.end_sync();
            write(&mut disk, 4..=9, 600);
            start(&mut disk);
            write(&mut disk, 10..=12, 600);
            if seed == 0 {
                disk.kill();
                let found = disk.recover(&PlainFormat::default()).expect("nothing is damaged");
                assert_eq!(found.next, 10);
                continue;
            }
            disk.lose_power();
            let found = disk.recover(&PlainFormat::default()).expect("a torn tail is cut");
            lengths.insert(found.payloads.len());
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_format_that_trusts_is_found_out() {
        let found = (0..50).any(|seed| {
            let mut disk = disk(seed);
            write(&mut disk, 1..=5, 2_000);
            start(&mut disk);
            disk.lose_power();
            matches!(disk.recover(&PlainFormat { trusting: true }), Err(RecoveryError::Broken(_)))
        });
        assert!(found, "a torn record that was handed out must be noticed");
    }

    #[test]
    fn rot_is_refused_or_known_as_unnoticed() {
        let (mut refused, mut unnoticed) = (0, 0);
        for seed in 0..300 {
            let mut disk = disk(seed);
            for number in 1..=20 {
                write(&mut disk, number..=number, 100);
                start(&mut disk);
                disk.end_sync();
            }
            assert!(disk.rot());
            disk.kill();
            match disk.recover(&PlainFormat::default()) {
                Err(RecoveryError::Refused(_)) => refused += 1,
                Ok(found) if found.unnoticed => unnoticed += 1,
                other => panic!("expected a refusal, found {other:?}"),
            }
        }
        assert!(refused > 250 && unnoticed > 0, "refused {refused}, unnoticed {unnoticed}");
    }

    #[test]
    fn forgotten_segments_go_and_numbers_go_on() {
        let mut disk = disk(1);
        let shape = DiskShape { segment_bytes: 1_000, ..DiskShape::default() };
        for number in 1..=50 {
            write(&mut disk, number..=number, 100);
            disk.start_sync(&shape, &PlainFormat::default(), NOW);
            disk.end_sync();
        }
        let segments = disk.segments.len();
        disk.forget(40);
        assert!(disk.segments.len() < segments);
        disk.lose_power();
        let found = disk.recover(&PlainFormat::default()).expect("nothing is damaged");
        assert_eq!(found.next, 51);
        assert!((11..25).contains(&found.payloads.len()));
    }
}
