//! The write-ahead log: what a node must not forget, in order, on disk.
//!
//! # The problem
//!
//! Everything a node promises rests on bytes that survive a crash: a vote, an accepted entry, a commit point.
//! The log takes opaque payloads, numbers them, and tells when they are durable. All groups of a node share
//! one log, so that one `fdatasync` pays for all that waits. After a crash it hands back exactly what was
//! durable, or refuses to start; it never hands back other bytes, and never silently fewer.
//!
//! # Layout
//!
//! A log is a directory of **segments** `<sequence>.wal`, sixteen hexadecimal digits each. A segment has a
//! fixed size. It is written in full with zeros and synced *before* it is used, so that an append only
//! overwrites blocks that exist: `fdatasync` then has no metadata to commit, and a full disk shows while a
//! segment is prepared, never while a record is appended. A used segment may be recycled as it is, without
//! being zeroed again.
//!
//! ```text
//! 0      header            magic, version, log id, sequence, number of the first record, size, checksum
//! 4096   header again      so that one damaged block does not make a segment unreadable
//! 8192   frame frame frame ...      each at a multiple of 8
//!
//! frame = length and kind (4) · index in segment (4) · payload crc (4) · header crc (4) · payload · padding
//! kind  = record | mark (all before number n was durable when this was written) | closed (a mark, and the end)
//! ```
//!
//! The header crc of a frame also covers the log id, the segment's sequence and the frame's own offset. A
//! stale frame of a recycled segment, a frame of another log, or a log file stored as a value inside a record
//! can therefore never be taken for a frame of this segment.
//!
//! # Rules
//!
//! 1. A record is *durable* once `sync` returned. One `fdatasync` covers all that was appended before it.
//! 2. The first write after a sync opens with a mark: "everything before record n was durable".
//!    [`Log::settle`] writes one when the log falls idle, [`Log::close`] at the end.
//! 3. A segment's header becomes durable only after all records before its first one are. A later header is
//!    thus a mark too.
//! 4. Every opening starts a new segment. A segment that a crash may have torn is never written again, so no
//!    remnant behind the cut can come to life when new records happen to fill the gap before it.
//! 5. Segments are removed oldest first, each removal made durable before the next: what is left is always a
//!    suffix.
//! 6. A failed write or sync ends the log ([`LogError::Fatal`]). It is never retried: after a failed `fsync`
//!    nobody knows what the disk holds, and a second, successful one would lie.
//!
//! # Telling a torn tail from corruption
//!
//! Unsynced writes may be lost in any subset of sectors (a sector of 512 bytes is old or new, never a
//! mixture). At the first frame that does not verify, the records before it are the *valid prefix*. Let n be
//! the number expected there.
//!
//! - A later segment that begins after n, or a mark anywhere behind the damage that calls n durable:
//!   **corruption**, refused with file and offset.
//! - The frame verifies once a single bit of it is flipped back: **corruption**. No power loss flips one bit.
//!   (A search over header bits, and over payloads up to [`format::FLIP_SEARCH_BYTES_MAX`]. When all that
//!   lies in that sector is zero, a lost sector explains the damage as well, and it counts as torn.)
//! - The last segment is shorter than it was prepared: **corruption**. No crash shortens it.
//! - Otherwise it is a **torn tail**. Nothing on disk says that n was ever acknowledged, and the log is cut
//!   there. Valid records behind the damage belong to the same unsynced batch, and are cut with it.
//!
//! **The window that remains.** Damage of more than one bit (a sector zeroed by the disk, say) that reaches
//! from the *last synced write* to the end of the log, so that no mark is left behind it, looks exactly like
//! a torn write and is cut. Before another write, a settle or a close follows it, that is any such damage to
//! the last write; after a settle, it takes the loss of its last sector and the next one. No scheme that pays
//! one sync for a write can tell these apart: the evidence that the write was acknowledged would itself need
//! a later write. A log that settles when idle has this window open only while it is busy. Also outside:
//! deletion of the newest or oldest segment files, a directory that is rolled back as a whole, two or more
//! faults in the places that guard each other (both copies of a header), and 2^-32 for each checksum. The
//! reader of the log knows from where it needs records, and has to check that the first number is not past
//! it.
//!
//! # Direct writes
//!
//! Blocks of 4,096 bytes are written past the page cache where the file system lets us (`O_DIRECT`). Of raw
//! writes to a prewritten file, taking turns on one machine (ext4 on a virtual disk), direct ones took 0.7 of
//! the time of cached ones for 64 records of 256 bytes a sync, 0.75 for 1,024, and the same for one. That
//! pays for frames, checksums and the copy into aligned memory: against the cached raw file the log reaches
//! 1.1 of the rate with 1 record a sync, 1.0 with 64 and 0.9 with 1,024. Writing the last partial block again
//! with what follows it costs nothing against padding every write to whole blocks or sectors, and padding
//! would give a small record sixteen times its room. So nothing is padded. `examples/log_ratio.rs` measures
//! the log beside the raw file.
//!
//! # What is left out
//!
//! Compression and encryption; more than one writer; reading records back while the log is being written (the
//! owner keeps in memory, or in the store, what it still needs). Where direct writes are unsupported, a log
//! that is reopened *in the same boot* after a failed sync may read from the page cache what the disk does
//! not hold; after a failed sync, restart the machine or trust the other replicas.

pub mod exercise;
pub mod format;
pub mod scan;

#[cfg(feature = "disk")]
mod buffer;
#[cfg(feature = "disk")]
pub mod directory;
#[cfg(feature = "disk")]
mod error;
#[cfg(feature = "disk")]
mod keeper;
#[cfg(feature = "disk")]
mod log;
#[cfg(feature = "disk")]
mod recovery;

pub use format::{LogId, RecordNumber};

#[cfg(feature = "disk")]
pub use error::LogError;
#[cfg(feature = "disk")]
pub use log::{Log, LogOptions};
#[cfg(feature = "disk")]
pub use recovery::{Recovered, TornTail};
