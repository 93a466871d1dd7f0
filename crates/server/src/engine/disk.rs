//! The disk thread: appends what waits, syncs once, reports the tickets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_machine::Ticket;
use synod_storage::wal::format::frame_bytes;
use synod_storage::wal::{Log, LogError, RecordNumber};

use super::core::CoreInput;
use super::inbox::Inbox;
use super::shared::Shared;

/// The log is settled (what was acknowledged is marked as such) when nothing was written for this long.
const SETTLE_AFTER: Duration = Duration::from_millis(500);

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

/// Runs until the inbox is closed, or the log fails.
///
/// # Errors
/// When the log fails; what was not reported durable may or may not be.
pub fn run(mut log: Log, inbox: &Inbox<DiskWork>, shared: &Arc<Shared>) -> Result<(), LogError> {
    let mut work = VecDeque::new();
    let mut settled = true;
    loop {
        let deadline = (!settled).then(|| Instant::now() + SETTLE_AFTER);
        if !inbox.take(&mut work, deadline) {
            return log.close();
        }
        if work.is_empty() {
            log.settle()?;
            settled = true;
            continue;
        }
        let mut forget = None;
        let mut last = None;
        for work in work.drain(..) {
            match work {
                DiskWork::Append { first, writes } => {
                    assert_eq!(log.next_number().0, first.0, "a ticket is its record's number");
                    append(&mut log, &writes)?;
                    let bytes: usize = writes.iter().map(|write| frame_bytes(write.len())).sum();
                    shared.metrics.wal_write_bytes.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
                    last = Some(Ticket(log.next_number().0 - 1));
                }
                DiskWork::Forget { before } => forget = Some(before),
            }
        }
        if let Some(last) = last {
            let began = Instant::now();
            log.sync()?;
            shared.metrics.wal_fsync_seconds.observe(began.elapsed().as_secs_f64());
            settled = false;
            shared.give([CoreInput::Durable(last)]);
        }
        if let Some(before) = forget {
            log.forget(RecordNumber(before.0))?;
        }
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
