//! Reads a log directory back: which segments there are, whether they fit together, and the records in them.
//!
//! Opening reads the headers of all segments and the whole of the last one, which decides where the log ends.
//! Earlier segments are read, verified and handed out one at a time while the caller iterates, so that
//! recovery holds one segment in memory and reads each byte once.

use super::directory::{Directory, read_start};
use super::error::LogError;
use super::format::{
    BLOCK_BYTES, DATA_OFFSET, FORMAT_VERSION, Framer, HeaderDamage, RecordNumber, SEGMENT_BYTES_MAX,
    SegmentHeader,
};
use super::keeper::{PREPARING_NAME, segment_name, sequence_of};
use super::scan::{Corruption, Records, Scan, scan};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// The records that a log held when it was opened, oldest first.
///
/// Iterate to the end before the node goes on: damage in an earlier segment is found, and reported with its
/// file and offset, when the iteration reaches it. Nothing follows an error. While this value lives, the log
/// defers the removal of segments.
#[derive(Debug)]
pub struct Recovered {
    directory: Arc<dyn Directory>,
    /// Segments still to be read, each with the number that the next one begins at.
    waiting: VecDeque<(SegmentHeader, RecordNumber)>,
    /// The last segment, read when the log was opened.
    last: Option<LoadedSegment>,
    current: Option<LoadedSegment>,
    first: RecordNumber,
    next: RecordNumber,
    torn: Option<TornTail>,
    clean: bool,
    /// Shared with the log, which counts the holders.
    _reading: Arc<()>,
}

/// Where a torn tail was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The name of the segment file.
    pub file: String,
    /// Where the valid records end, in bytes.
    pub offset: u64,
}

#[derive(Debug)]
struct LoadedSegment {
    bytes: Vec<u8>,
    records: Records,
}

impl Recovered {
    /// The number of the oldest record that is there, or would be if there were one.
    #[must_use]
    pub fn first(&self) -> RecordNumber {
        self.first
    }

    /// The number after the last record: the log goes on with it.
    #[must_use]
    pub fn next_number(&self) -> RecordNumber {
        self.next
    }

    /// Where the remains of unacknowledged writes, or stale bytes, were cut off, if there were any.
    #[must_use]
    pub fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Whether the log had been closed in good order (a new log counts as such).
    #[must_use]
    pub fn clean(&self) -> bool {
        self.clean
    }

    /// Reads the last segment; the others wait until they are iterated over. Returns where the records of the
    /// last one end.
    pub(super) fn begin(
        directory: Arc<dyn Directory>,
        headers: &[SegmentHeader],
        reading: Arc<()>,
    ) -> Result<(Recovered, usize), LogError> {
        let first = headers.first().map_or(RecordNumber::FIRST, |header| header.first);
        let waiting =
            headers.iter().zip(headers.iter().skip(1)).map(|(header, next)| (*header, next.first)).collect();
        let mut recovered = Recovered {
            directory,
            waiting,
            last: None,
            current: None,
            first,
            next: first,
            torn: None,
            clean: true,
            _reading: reading,
        };
        let Some(header) = headers.last() else { return Ok((recovered, DATA_OFFSET)) };
        let (segment, found) = load(&*recovered.directory, header, None)?;
        let file = segment_name(header.sequence);
        recovered.next = found.next;
        recovered.clean = found.closed;
        recovered.torn = found.torn.then_some(TornTail { file, offset: found.end as u64 });
        recovered.last = Some(segment);
        Ok((recovered, found.end))
    }

    fn load_next(&mut self) -> Result<Option<LoadedSegment>, LogError> {
        match self.waiting.pop_front() {
            Some((header, continues_at)) => Ok(Some(load(&*self.directory, &header, Some(continues_at))?.0)),
            None => Ok(self.last.take()),
        }
    }
}

impl Iterator for Recovered {
    type Item = Result<(RecordNumber, Bytes), LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(segment) = &mut self.current {
                if let Some((number, payload)) = segment.records.next(&segment.bytes) {
                    return Some(Ok((number, Bytes::copy_from_slice(payload))));
                }
                self.current = None;
            }
            match self.load_next() {
                Ok(Some(segment)) => self.current = Some(segment),
                Ok(None) => return None,
                Err(error) => {
                    self.waiting.clear();
                    self.last = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

fn load(
    directory: &dyn Directory,
    header: &SegmentHeader,
    continues_at: Option<RecordNumber>,
) -> Result<(LoadedSegment, Scan), LogError> {
    let file = segment_name(header.sequence);
    let bytes = directory
        .open_to_read(&file)
        .and_then(|opened| read_start(&*opened, SEGMENT_BYTES_MAX))
        .map_err(LogError::io(format!("reading {file}")))?;
    if continues_at.is_none() && bytes.len() as u64 != header.segment_bytes {
        let reason =
            format!("the last segment has {} bytes instead of {}", bytes.len(), header.segment_bytes);
        return Err(LogError::Unusable { file, offset: bytes.len() as u64, reason });
    }
    let found = scan(&bytes, header, continues_at).map_err(|Corruption { offset, record, evidence }| {
        LogError::Corrupt { file, offset, record, evidence }
    })?;
    let records = Records::new(header, continues_at.unwrap_or(found.next));
    Ok((LoadedSegment { bytes, records }, found))
}

/// What lies in a log directory.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The headers of the segments in use, oldest first.
    pub headers: Vec<SegmentHeader>,
    /// Segments that were prepared and never begun.
    pub unbegun: Vec<u64>,
    /// Spare files, by the sequence in their names.
    pub spares: Vec<u64>,
    /// A segment whose preparation was interrupted.
    pub preparing: bool,
    /// The highest sequence in any name; 0 in an empty directory.
    pub highest: u64,
}

impl Survey {
    /// Reads the names and all segment headers, and refuses what does not fit together.
    pub fn of(directory: &dyn Directory) -> Result<Survey, LogError> {
        let names = directory.list().map_err(LogError::io("listing the log directory"))?;
        let sequences = |extension| {
            let mut found: Vec<u64> = names.iter().filter_map(|name| sequence_of(name, extension)).collect();
            found.sort_unstable();
            found
        };
        let segments = sequences("wal");
        let spares = sequences("spare");
        let highest = segments.last().max(spares.last()).copied().unwrap_or(0);
        let preparing = names.iter().any(|name| name == PREPARING_NAME);
        let mut survey = Survey { spares, highest, preparing, ..Survey::default() };
        for sequence in segments {
            survey.add(directory, sequence)?;
        }
        Ok(survey)
    }

    fn add(&mut self, directory: &dyn Directory, sequence: u64) -> Result<(), LogError> {
        let file = segment_name(sequence);
        let start = directory
            .open_to_read(&file)
            .and_then(|opened| read_start(&*opened, DATA_OFFSET + BLOCK_BYTES))
            .map_err(LogError::io(format!("reading {file}")))?;
        let unusable =
            |offset, reason: &str| LogError::Unusable { file: file.clone(), offset, reason: reason.into() };
        match SegmentHeader::decode(&start) {
            Ok(header) if header.sequence == sequence => {
                if let Some(skipped) = self.unbegun.first() {
                    let file = segment_name(*skipped);
                    let reason = "its header is unreadable, but a later segment was written".into();
                    return Err(LogError::Unusable { file, offset: 0, reason });
                }
                if let Some(previous) = self.headers.last() {
                    if previous.log_id != header.log_id {
                        return Err(unusable(0, "it belongs to another log than the segment before it"));
                    }
                    if previous.first > header.first {
                        return Err(unusable(0, "it begins before the segment that it follows"));
                    }
                }
                self.headers.push(header);
                return Ok(());
            }
            Ok(header) if header.sequence > sequence => {
                return Err(unusable(0, "its header is of a later segment: the file has been renamed"));
            }
            Err(HeaderDamage::Version(found)) => {
                return Err(LogError::Version { file, found, supported: FORMAT_VERSION });
            }
            Ok(_) | Err(HeaderDamage::Unreadable) => {}
        }
        if start.len() < DATA_OFFSET + BLOCK_BYTES {
            return Err(unusable(start.len() as u64, "it is shorter than any segment"));
        }
        let used = match self.headers.last() {
            // The frame checksum begins with the log and the sequence: what was left behind by an earlier use
            // does not verify.
            Some(known) => Framer::new(known.log_id, sequence).decode(&start, DATA_OFFSET).is_ok(),
            // The first segment of a log is never a recycled one, so it is all zeros until it begins.
            None => start.iter().any(|byte| *byte != 0),
        };
        if used {
            return Err(unusable(0, "both copies of its header are damaged"));
        }
        self.unbegun.push(sequence);
        Ok(())
    }
}
