//! The log itself: appends, syncs, rolls from segment to segment and forgets. Its rules stand in the module
//! above.

use super::buffer::{AlignedBuffer, TailBuffer};
use super::directory::{Directory, DiskDirectory, File, write_blocks};
use super::error::LogError;
use super::format::{
    BLOCK_BYTES, DATA_OFFSET, FrameKind, Framer, LogId, MARK_FRAME_BYTES, RECORD_BYTES_MAX, RecordNumber,
    SECTOR_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SegmentHeader, frame_bytes,
};
use super::keeper::{Keeper, PREPARING_NAME, Workshop, segment_name, spare_name};
use super::recovery::{Recovered, Survey};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The size of new segments: whole blocks, within the format's limits. Takes effect from the next new
    /// segment on.
    ///
    /// A new log takes the time to write one of them (16 MiB: some tens of milliseconds), recovery holds one in
    /// memory, and up to `spares_max + 2` of them lie on disk besides the records. Twice the size gained 3 %
    /// at full throughput.
    pub segment_bytes: usize,
    /// How many used segments are kept to be recycled.
    pub spares_max: usize,
    /// Whether segments are prepared in a thread beside the writer; otherwise when they are needed, which is
    /// slower but deterministic.
    pub background: bool,
    /// The identity of a log that is created; drawn at random if none is given. An existing log keeps its
    /// own.
    pub log_id: Option<LogId>,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { segment_bytes: 16 << 20, spares_max: 1, background: true, log_id: None }
    }
}

impl LogOptions {
    /// The largest payload of a record.
    #[must_use]
    pub fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX.min(self.batch_bytes_max() - frame_bytes(0))
    }

    /// The largest batch of one append, counting [`frame_bytes`] for each record: what a segment holds.
    #[must_use]
    pub fn batch_bytes_max(&self) -> usize {
        self.segment_bytes - DATA_OFFSET - MARK_FRAME_BYTES - END_RESERVE_BYTES
    }
}

/// Room that appends leave at the end of a segment, for the marks of a last settle and of a close.
const END_RESERVE_BYTES: usize = SECTOR_BYTES + 3 * MARK_FRAME_BYTES;
/// Appends are handed to the file once this much waits, even before a sync asks for it: a bound on memory.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// A write-ahead log, open for appending. There is one writer: the value itself.
#[derive(Debug)]
pub struct Log {
    directory: Arc<dyn Directory>,
    options: LogOptions,
    keeper: Keeper,
    /// All segments, oldest first; the last is the active one.
    segments: VecDeque<SegmentHeader>,
    file: Box<dyn File>,
    framer: Framer,
    tail: TailBuffer,
    next: RecordNumber,
    durable_to: RecordNumber,
    /// What the last mark in the segment, or its header, says.
    marked_to: RecordNumber,
    /// Something was written since the last sync.
    unsynced: bool,
    failed: Option<Arc<str>>,
    /// Shared with what reads the recovered records.
    reading: Arc<()>,
}

impl Log {
    /// Opens the log in `path`, or creates it, and hands back the records that it holds.
    ///
    /// All recovered records are durable when this returns, and a new segment has been begun.
    ///
    /// # Errors
    /// [`LogError::Locked`] if the directory is in use, [`LogError::Corrupt`], [`LogError::Unusable`] and
    /// [`LogError::Version`] if the log is not what was written, [`LogError::NoSegment`] if there is no room
    /// for a new segment.
    pub fn open(path: &Path, options: LogOptions) -> Result<(Log, Recovered), LogError> {
        Log::open_in(Arc::new(DiskDirectory::open(path)?), options)
    }

    /// As [`Log::open`], in a directory that somebody else provides (and has locked).
    ///
    /// # Panics
    /// If the segment size in the options is no multiple of [`BLOCK_BYTES`] or out of its limits.
    pub fn open_in(directory: Arc<dyn Directory>, options: LogOptions) -> Result<(Log, Recovered), LogError> {
        let size = options.segment_bytes;
        let usable =
            size.is_multiple_of(BLOCK_BYTES) && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&size);
        assert!(usable, "a segment of {size} bytes is not whole blocks or out of the limits");

        let survey = Survey::of(&*directory)?;
        let reading = Arc::new(());
        let (recovered, end) = Recovered::begin(directory.clone(), &survey.headers, reading.clone())?;
        let next = recovered.next_number();
        let previous = match survey.headers.last() {
            Some(header) => Some((*header, open_durable(&*directory, header.sequence)?)),
            None => None,
        };
        let log_id = survey.headers.last().map(|header| header.log_id).or(options.log_id);
        let header = SegmentHeader {
            log_id: log_id.unwrap_or_else(random_log_id),
            sequence: survey.highest + 1,
            first: next,
            segment_bytes: size as u64,
        };
        let mut workshop = gather_spares(directory.clone(), &options, &survey)?;
        let file = workshop.prepare(header.sequence).map_err(|source| LogError::NoSegment { source })?;
        write_header(&*file, &header)
            .map_err(LogError::io(format!("beginning {}", segment_name(header.sequence))))?;

        // The new header says from now on that the log goes on behind the last record: the rest of the old
        // segment is waste.
        let mut segments: VecDeque<SegmentHeader> = survey.headers.into();
        if let Some((old, old_file)) = previous {
            if old.first == next {
                segments.pop_back();
                workshop.retiring.push_back(old.sequence);
            } else {
                let cut = end.next_multiple_of(BLOCK_BYTES) as u64;
                old_file.set_size(cut).map_err(LogError::io("cutting the last segment"))?;
            }
        }
        segments.push_back(header);
        Ok((Log::start(directory, options, workshop, segments, file, reading)?, recovered))
    }

    /// Goes to work in a segment that has just been begun, the last of `segments`.
    fn start(
        directory: Arc<dyn Directory>,
        options: LogOptions,
        workshop: Workshop,
        segments: VecDeque<SegmentHeader>,
        file: Box<dyn File>,
        reading: Arc<()>,
    ) -> Result<Log, LogError> {
        let header = *segments.back().expect("a segment has just been begun");
        let mut keeper = Keeper::start(workshop, options.background)
            .map_err(LogError::io("starting the thread that prepares segments"))?;
        keeper.request(header.sequence + 1);
        Ok(Log {
            directory,
            options,
            keeper,
            segments,
            file,
            framer: Framer::new(header.log_id, header.sequence),
            tail: TailBuffer::new(DATA_OFFSET),
            next: header.first,
            durable_to: header.first,
            marked_to: header.first,
            unsynced: false,
            failed: None,
            reading,
        })
    }

    /// Appends a batch of records and gives them their numbers. They are durable after the next
    /// [`Log::sync`], not before.
    ///
    /// The batch is kept in memory until a sync or until enough waits; it is appended whole or not at all.
    /// May do I/O, and sync what came before, when a segment is full.
    ///
    /// # Errors
    /// [`LogError::TooLarge`] and [`LogError::NoSegment`]: nothing was appended and the log stays usable.
    /// [`LogError::Fatal`]: stop.
    pub fn append<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> Result<Range<RecordNumber>, LogError> {
        self.check_usable()?;
        let bytes = self.batch_bytes(payloads)?;
        let first = self.next;
        if payloads.is_empty() {
            return Ok(first..first);
        }
        let limit = self.active().segment_bytes as usize - END_RESERVE_BYTES;
        if self.tail.end() + MARK_FRAME_BYTES + bytes > limit {
            self.roll()?;
        }
        if self.tail.waiting_bytes() == 0 && self.marked_to < self.durable_to {
            self.push_mark(FrameKind::Mark);
        }
        let segment_first = self.active().first;
        for payload in payloads {
            let index = (self.next.0 - segment_first.0) as u32;
            self.push(FrameKind::Record, index, payload.as_ref());
            self.next = self.next.after(1);
        }
        if self.tail.waiting_bytes() >= WAITING_BYTES_MAX {
            self.write()?;
        }
        Ok(first..self.next)
    }

    /// Makes all that was appended durable, with one `fdatasync`. Returns the number before which all is
    /// durable.
    ///
    /// # Errors
    /// [`LogError::Fatal`]: what was appended since the last successful sync may or may not be on disk, and
    /// the log is finished.
    pub fn sync(&mut self) -> Result<RecordNumber, LogError> {
        self.check_usable()?;
        self.write()?;
        self.sync_file()?;
        Ok(self.durable_to)
    }

    /// Puts on disk that all synced records were acknowledged, so that damage to the last of them can never
    /// pass for a torn write. Costs a sync, if anything was synced since the last mark; to be called when the
    /// log falls idle.
    ///
    /// The marks go on into the next sector: the loss of the sector that the last record ends in leaves one
    /// of them.
    pub fn settle(&mut self) -> Result<(), LogError> {
        self.sync()?;
        if self.marked_to < self.durable_to {
            let records_end = self.tail.end().next_multiple_of(SECTOR_BYTES);
            let mut mark_start = 0;
            while mark_start < records_end {
                mark_start = self.tail.end();
                self.push_mark(FrameKind::Mark);
            }
            self.sync()?;
        }
        Ok(())
    }

    /// Settles, and notes that the log ends here in good order. The next opening then knows it, and need not
    /// look for more.
    pub fn close(mut self) -> Result<(), LogError> {
        self.settle()?;
        self.push_mark(FrameKind::Closed);
        self.sync()?;
        Ok(())
    }

    /// Disposes of segments that hold only records before `before`. Records go by whole segments, the active
    /// one stays, so older records may remain, and after a crash some may come back. Does nothing while
    /// recovered records are being read.
    pub fn forget(&mut self, before: RecordNumber) -> Result<(), LogError> {
        self.check_usable()?;
        if Arc::strong_count(&self.reading) > 1 {
            return Ok(());
        }
        let mut sequences = Vec::new();
        while self.segments.get(1).is_some_and(|second| second.first <= before) {
            sequences.extend(self.segments.pop_front().map(|segment| segment.sequence));
        }
        if !sequences.is_empty() {
            self.keeper.retire(sequences);
        }
        Ok(())
    }

    /// The number of the oldest record that is kept.
    #[must_use]
    pub fn first(&self) -> RecordNumber {
        self.segments.front().map_or(self.next, |segment| segment.first)
    }

    /// The number that the next record gets.
    #[must_use]
    pub fn next_number(&self) -> RecordNumber {
        self.next
    }

    /// All records before this number are durable.
    #[must_use]
    pub fn durable_to(&self) -> RecordNumber {
        self.durable_to
    }

    /// How many segments are in use.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The options that it was opened with.
    #[must_use]
    pub fn options(&self) -> &LogOptions {
        &self.options
    }

    /// The directory that it lies in.
    #[must_use]
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    fn active(&self) -> &SegmentHeader {
        self.segments.back().expect("a log always has an active segment")
    }

    fn batch_bytes<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<usize, LogError> {
        let mut batch_bytes = 0;
        let bytes_max = self.options.record_bytes_max();
        for payload in payloads {
            let bytes = payload.as_ref().len();
            if bytes > bytes_max {
                return Err(LogError::TooLarge { bytes, bytes_max });
            }
            batch_bytes += frame_bytes(bytes);
        }
        let bytes_max = self.options.batch_bytes_max();
        if batch_bytes > bytes_max {
            return Err(LogError::TooLarge { bytes: batch_bytes, bytes_max });
        }
        Ok(batch_bytes)
    }

    fn push_mark(&mut self, kind: FrameKind) {
        let index = (self.next.0 - self.active().first.0) as u32;
        self.push(kind, index, &self.durable_to.0.to_le_bytes());
        self.marked_to = self.durable_to;
    }

    fn push(&mut self, kind: FrameKind, index: u32, payload: &[u8]) {
        let header = self.framer.header(self.tail.end(), kind, index, payload);
        self.tail.push_frame(&header, payload, frame_bytes(payload.len()));
    }

    fn write(&mut self) -> Result<(), LogError> {
        if self.tail.waiting_bytes() == 0 {
            return Ok(());
        }
        let (blocks, offset) = self.tail.blocks();
        let written = write_blocks(&*self.file, blocks, offset);
        self.fatal_if("writing", written)?;
        self.tail.mark_written();
        self.unsynced = true;
        Ok(())
    }

    fn sync_file(&mut self) -> Result<(), LogError> {
        if self.unsynced {
            let synced = self.file.sync();
            self.fatal_if("syncing", synced)?;
            self.unsynced = false;
            self.durable_to = self.next;
        }
        Ok(())
    }

    /// Goes on in the next segment. Everything in the old one becomes durable before the new header does:
    /// whoever finds the new header knows that the old segment was complete.
    fn roll(&mut self) -> Result<(), LogError> {
        let sequence = self.active().sequence + 1;
        let file = self.keeper.take(sequence).map_err(|source| LogError::NoSegment { source })?;
        self.write()?;
        self.sync_file()?;
        let segment_bytes = self.options.segment_bytes as u64;
        let header = SegmentHeader { sequence, first: self.next, segment_bytes, ..*self.active() };
        let begun = write_header(&*file, &header);
        self.fatal_if("beginning the segment after", begun)?;
        self.segments.push_back(header);
        self.file = file;
        self.framer = Framer::new(header.log_id, sequence);
        self.tail = TailBuffer::new(DATA_OFFSET);
        self.marked_to = self.next;
        self.keeper.request(sequence + 1);
        Ok(())
    }

    fn check_usable(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(reason) => Err(LogError::Fatal { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// The first failure ends the log for ever.
    fn fatal_if(&mut self, operation: &str, outcome: io::Result<()>) -> Result<(), LogError> {
        outcome.map_err(|error| {
            let file = segment_name(self.active().sequence);
            let reason: Arc<str> = format!("{operation} {file}: {error}").into();
            self.failed = Some(reason.clone());
            LogError::Fatal { reason }
        })
    }
}

/// Opens the segment that a crash may have left with unsynced bytes, and syncs it: what was read from it is
/// about to be relied on.
fn open_durable(directory: &dyn Directory, sequence: u64) -> Result<Box<dyn File>, LogError> {
    let name = segment_name(sequence);
    let file = directory.open_to_write(&name).map_err(LogError::io(format!("opening {name}")))?;
    file.sync().map_err(LogError::io(format!("syncing {name}")))?;
    Ok(file)
}

fn write_header(file: &dyn File, header: &SegmentHeader) -> io::Result<()> {
    let area = header.encode();
    let mut blocks = AlignedBuffer::zeroed(area.len());
    blocks.bytes_mut().copy_from_slice(&area);
    write_blocks(file, blocks.bytes(), 0)?;
    file.sync()
}

/// Takes stock of the files that can become segments, and clears away what cannot. Segments that were never
/// begun lose their names first, so that none is left behind between segments in use.
fn gather_spares(
    directory: Arc<dyn Directory>,
    options: &LogOptions,
    survey: &Survey,
) -> Result<Workshop, LogError> {
    let tidy = LogError::io("tidying the log directory");
    let gather = || -> io::Result<Vec<String>> {
        let mut spares = Vec::new();
        if survey.preparing {
            directory.remove(PREPARING_NAME)?;
        }
        for sequence in &survey.unbegun {
            directory.rename(&segment_name(*sequence), &spare_name(*sequence))?;
        }
        for sequence in survey.spares.iter().chain(&survey.unbegun) {
            let name = spare_name(*sequence);
            let whole = directory.open_to_read(&name)?.size()? == options.segment_bytes as u64;
            if whole && spares.len() < options.spares_max.max(1) {
                spares.push(name);
            } else {
                directory.remove(&name)?;
            }
        }
        Ok(spares)
    };
    let spares = gather().map_err(tidy)?;
    let stop = Arc::new(AtomicBool::new(false));
    Ok(Workshop {
        directory,
        segment_bytes: options.segment_bytes as u64,
        spares_max: options.spares_max,
        spares,
        retiring: VecDeque::new(),
        stop,
    })
}

/// An identity that no other log has. The standard library's only source of entropy is the seed of its hash
/// tables: two of them, 64 bits each.
fn random_log_id() -> LogId {
    let draw = || u128::from(RandomState::new().build_hasher().finish());
    LogId(draw() << 64 | draw())
}
