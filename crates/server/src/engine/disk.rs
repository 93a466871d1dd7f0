//! The disk: appends what waits, syncs once, reports the tickets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_machine::Ticket;
use synod_storage::wal::format::frame_bytes;
use synod_storage::wal::{Log, LogError, RecordNumber};

use super::combining::Duty;
use super::core::CoreInput;
use super::shared::Shared;

/// The log is settled (what was acknowledged is marked as such) when nothing was written for this long.
const SETTLE_AFTER: Duration = Duration::from_millis(500);
/// A sync that takes no longer is not worth waking a thread for, which takes a third of it.
const QUICK_SYNC: Duration = Duration::from_micros(500);
/// So many bytes are on disk about as soon as one is.
const QUICK_BYTES_MAX: usize = 4 << 10;

/// What the core asks of the disk, in order.
#[derive(Debug)]
pub enum DiskWork {
    /// Append these; their tickets count on from `first`.
    Append {
        /// Of the first write.
        first: Ticket,
        /// Encoded, in the order of their tickets.
        writes: Vec<Bytes>,
    },
    /// Let go of what is older, once all that was asked for before is durable.
    Forget {
        /// The oldest ticket to keep.
        before: Ticket,
    },
}

/// The log, with what is done to it.
pub struct Disk {
    log: Log,
    shared: Arc<Shared>,
    /// When to settle, if there is something to.
    settle_at: Option<Instant>,
    /// Why nothing is written any more.
    failure: Option<LogError>,
}

/// Whether these are appended and synced in about the time of the shortest sync.
pub fn is_quick(writes: &[Bytes]) -> bool {
    writes.iter().map(Bytes::len).sum::<usize>() <= QUICK_BYTES_MAX
}

impl Disk {
    /// Over an open log.
    pub fn new(log: Log, shared: Arc<Shared>) -> Disk {
        Disk { log, shared, settle_at: None, failure: None }
    }

    /// Ends the log in good order.
    ///
    /// # Errors
    /// When the log fails, or failed; what was not reported durable may or may not be.
    pub fn close(self) -> Result<(), LogError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => self.log.close(),
        }
    }

    fn write(&mut self, works: &mut VecDeque<DiskWork>) -> Result<(), LogError> {
        let mut forget = None;
        let mut last = None;
        for work in works.drain(..) {
            match work {
                DiskWork::Append { first, writes } => {
                    assert_eq!(self.log.next_number().0, first.0, "a ticket is its record's number");
                    append(&mut self.log, &writes)?;
                    let bytes: usize = writes.iter().map(|write| frame_bytes(write.len())).sum();
                    self.shared.metrics.wal_write_bytes.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
                    last = Some(Ticket(self.log.next_number().0 - 1));
                }
                DiskWork::Forget { before } => forget = Some(before),
            }
        }
        if let Some(last) = last {
            let began = Instant::now();
            self.log.sync()?;
            let took = began.elapsed();
            self.shared.metrics.wal_fsync_seconds.observe(took.as_secs_f64());
            self.shared.note_sync(took <= QUICK_SYNC);
            self.settle_at = Some(Instant::now() + SETTLE_AFTER);
            self.shared.give([CoreInput::Durable(last)]);
        }
        if let Some(before) = forget {
            self.log.forget(RecordNumber(before.0))?;
        }
        Ok(())
    }

    /// Nothing is acknowledged after the log has failed, and so nothing may be written.
    fn unless_failed(&mut self, act: impl FnOnce(&mut Disk) -> Result<(), LogError>) {
        if self.failure.is_none()
            && let Err(failure) = act(self)
        {
            self.shared.fail(failure.to_string());
            self.failure = Some(failure);
        }
    }
}

impl Duty for Disk {
    type Item = DiskWork;

    fn work(&mut self, works: &mut VecDeque<DiskWork>) {
        if !works.is_empty() {
            self.unless_failed(|disk| disk.write(works));
        }
    }

    fn tend(&mut self) {
        if self.settle_at.take_if(|at| *at <= Instant::now()).is_some() {
            self.unless_failed(|disk| disk.log.settle());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.settle_at
    }
}

/// Appends in batches that a segment can hold.
fn append(log: &mut Log, writes: &[Bytes]) -> Result<(), LogError> {
    let bytes_max = log.options().batch_bytes_max();
    let mut rest = writes;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|write| {
            bytes += frame_bytes(write.len());
            bytes <= bytes_max
        });
        // One that fits nowhere is appended alone, and refused with a reason.
        let (batch, later) = rest.split_at(fits.count().max(1));
        log.append(batch)?;
        rest = later;
    }
    Ok(())
}
