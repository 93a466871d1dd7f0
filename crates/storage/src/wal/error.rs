//! How the log fails, and what each failure means for the node.

use super::format::RecordNumber;
use super::scan::Evidence;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A failure of the log. Only [`LogError::TooLarge`] and [`LogError::NoSegment`] leave it usable.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process, or another log of this process, holds the directory.
    #[error("the log directory {} is in use by another process; stop that process first", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// A segment is damaged in a way that no crash explains. Nothing of the log is served.
    #[error(
        "{file} is corrupt at offset {offset}, where record {record} is expected: {evidence}. \
         Check the disk, then restore this member from a snapshot or replace it"
    )]
    Corrupt {
        /// The name of the segment file in the log directory.
        file: String,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// The record that was expected there.
        record: RecordNumber,
        /// What tells that this is not a torn tail.
        evidence: Evidence,
    },
    /// A segment file cannot belong where it lies.
    #[error(
        "{file} is unusable at offset {offset}: {reason}. \
         Check the disk, then restore this member from a snapshot or replace it"
    )]
    Unusable {
        /// The name of the segment file in the log directory.
        file: String,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A segment was written by another version of the format.
    #[error(
        "{file} has log format version {found}, this program reads version {supported}; \
         use the version that wrote it"
    )]
    Version {
        /// The name of the segment file in the log directory.
        file: String,
        /// The version in the file.
        found: u32,
        /// The version that is supported.
        supported: u32,
    },
    /// The directory or a file could not be read or prepared while opening.
    #[error("{operation}: {source}")]
    Io {
        /// What was tried, with the file's name.
        operation: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A record, or a batch, over the limit. Nothing was appended.
    #[error("{bytes} bytes are over the log's limit of {bytes_max}")]
    TooLarge {
        /// The size that was asked for: of a record, or of a batch with its frames.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The next segment could not be prepared, most often because the disk is full. Nothing was appended,
    /// nothing acknowledged is affected, and the append may be tried again once there is room.
    #[error("no room for the next log segment: {source}; nothing was appended, free space and try again")]
    NoSegment {
        /// Why the segment could not be prepared.
        source: io::Error,
    },
    /// A write or a sync failed, now or earlier. The log accepts nothing any more: stop the node.
    #[error("the log failed and must not be used any more: {reason}")]
    Fatal {
        /// The first failure.
        reason: Arc<str>,
    },
}

impl LogError {
    /// Shapes an I/O error while opening.
    pub(super) fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> LogError {
        let operation = operation.into();
        move |source| LogError::Io { operation, source }
    }
}
