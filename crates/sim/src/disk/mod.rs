//! The disk of a simulated node: a log of bytes that can be lost, torn, delayed, refused and damaged.

mod format;
mod log;

pub use format::{Corruption, LogFormat, PlainFormat, Scan, SegmentPlace};
pub use log::DiskShape;
pub(crate) use log::{Disk, Recovered, RecoveryError, SyncStart};

/// What a disk writes at once: within it a write is whole or absent.
pub const SECTOR_BYTES: usize = 512;
