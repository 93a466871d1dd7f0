//! The write-ahead log against a disk that fails in every way it claims to survive, and against the real one.

mod crash;
mod damage;
mod disk;
mod faults;
mod real;

use disk::MemoryDirectory;
use std::sync::Arc;
use synod_storage::wal::{Log, LogError, LogId, LogOptions, Recovered};

/// Small segments, and all work in the caller's thread, so that a run repeats exactly.
fn options() -> LogOptions {
    LogOptions { segment_bytes: 32 << 10, spares_max: 2, background: false, log_id: Some(LogId(0xC0FFEE)) }
}

fn open(disk: &Arc<MemoryDirectory>) -> Result<(Log, Recovered), LogError> {
    Log::open_in(disk.clone(), options())
}

/// All records in the log, with their numbers checked to be dense.
fn read(recovered: Recovered) -> Result<Vec<Vec<u8>>, LogError> {
    let first = recovered.first();
    let mut records = Vec::new();
    for record in recovered {
        let (number, payload) = record?;
        assert_eq!(number, first.after(records.len() as u64), "numbers are dense");
        records.push(payload.to_vec());
    }
    Ok(records)
}

/// Opens the log and reads it to the end.
fn reopen(disk: &Arc<MemoryDirectory>) -> Result<(Log, Vec<Vec<u8>>), LogError> {
    let (log, recovered) = open(disk)?;
    Ok((log, read(recovered)?))
}

/// A payload that tells its number and has no zero in it.
fn payload(number: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| ((number * 31 + at * 7) % 255 + 1) as u8).collect()
}
