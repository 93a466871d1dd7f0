//! The ordered byte-string engine beneath the store, as a trait.
//!
//! # Problem
//! The store's logic (revisions, transactions, compaction, snapshots) must be the same compiled code in the simulator,
//! where a crash is a function call, and in the server, where it is a power cut. So it rests on the smallest engine that
//! can carry it: a few *spaces* of ordered keys, point reads, ordered scans, atomic batches, snapshots.
//!
//! # What an engine promises
//! - A [`Batch`] is atomic: after a crash all of it is there or none of it, and never a later batch without the earlier ones.
//! - [`Kv::persist`] returning means that every batch written before it survives power loss. Before that a crash may lose
//!   any suffix of the batches (the replicated log holds them still). What an engine shows when it is opened survives, too.
//! - [`Kv::snapshot`] is cheap, and what it shows never changes. Its readers and the writer do not wait for each other.
//! - [`Kv::switch`] replaces the whole content, durably and at once: after a crash the old content or the new.
//!
//! # What is left out
//! Concurrent writers (one thread applies), transactions across batches, time to live.

mod memory;
mod merge;
mod tree;

#[cfg(feature = "disk")]
mod fjall;
#[cfg(feature = "disk")]
mod layer;

use bytes::Bytes;

#[cfg(feature = "disk")]
pub use self::fjall::{FjallKv, FjallOptions, FjallViews, stand_back};
pub use self::memory::{MemoryKv, MemorySnapshot};
pub(crate) use self::merge::merged;

/// Longest key that every engine accepts, in bytes; none accepts an empty one.
pub const ENGINE_KEY_BYTES_MAX: usize = u16::MAX as usize - 1;

/// A set of keys of its own within an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// User key to its newest version.
    Current = 0,
    /// User key and revision to a superseded version or a deletion.
    History = 1,
    /// Revision to the key that changed there.
    Log = 2,
    /// Lease to its time to live.
    Lease = 3,
    /// Lease and user key: the attachments.
    LeaseKey = 4,
    /// The store's own state, and entries of its owner by name.
    Meta = 5,
    /// Where a block of user keys begins to how many there are in it.
    Count = 6,
}

impl Space {
    /// How many spaces there are.
    pub const COUNT: usize = 7;

    /// All spaces, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Current, Self::History, Self::Log, Self::Lease, Self::LeaseKey, Self::Meta, Self::Count];

    /// The space with that number on disk and on the wire.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name, as engines spell it in file names and errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::History => "history",
            Self::Log => "log",
            Self::Lease => "lease",
            Self::LeaseKey => "lease_key",
            Self::Meta => "meta",
            Self::Count => "count",
        }
    }
}

/// A half-open range of keys: from `start` on, below `end` if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First key that belongs to it.
    pub start: Bytes,
    /// First key that does not; `None` for no bound.
    pub end: Option<Bytes>,
}

impl Span {
    /// Every key there is.
    pub const ALL: Self = Self { start: Bytes::new(), end: None };

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: Bytes) -> Self {
        let mut end = prefix.to_vec();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        let end = end.last_mut().map(|last| *last += 1).is_some().then(|| Bytes::from(end));
        Self { start: prefix, end }
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }
}

/// Which end of a range a scan starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// One write of a batch: a value, or `None` to remove the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub space: Space,
    /// Never empty, at most [`ENGINE_KEY_BYTES_MAX`] long.
    pub key: Bytes,
    /// `None` removes.
    pub value: Option<Bytes>,
}

/// Writes that happen together or not at all. Of two writes to one key the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
}

impl Batch {
    /// Adds a write.
    ///
    /// # Panics
    /// On a key that no engine could hold: the store checks keys long before.
    pub fn push(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        assert!(
            !key.is_empty() && key.len() <= ENGINE_KEY_BYTES_MAX,
            "expected an engine key of 1 to {ENGINE_KEY_BYTES_MAX} bytes, found {}",
            key.len()
        );
        self.writes.push(Write { space, key, value });
    }

    /// The writes in their order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The writes in their order, given away.
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// Whether it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Why an engine could not do what it was asked. None of these can be retried as if nothing had happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The operating system or the engine failed; the text says at what.
    #[error("{doing}: {cause}")]
    Failed {
        /// What was being done, with the path or the space.
        doing: String,
        /// What came back.
        cause: String,
    },
    /// What lies on disk is not what was written, or not ours.
    #[error("{what} is damaged: {cause}")]
    Damaged {
        /// The file, or the space and key.
        what: String,
        /// How it was noticed.
        cause: String,
    },
}

/// A key and its value, as a scan gives them.
pub type Entry = (Bytes, Bytes);

/// What can be read from: an engine, a snapshot of one, or an engine with changes on top.
pub trait Reader {
    /// The value under `key`.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// The entries of `span` in order, read as the iterator is pulled. It ends after its first error.
    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>>;

    /// A forward scan that is not expected to come again: engines leave nothing of it to others.
    fn pass(&self, space: Space, span: Span) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.scan(space, span, Direction::Forward)
    }

    /// Counts the keys of `span`. Engines that can do this without reading values override it.
    fn count(&self, space: Space, span: Span) -> Result<u64, KvError> {
        let mut count = 0;
        for entry in self.scan(space, span, Direction::Forward) {
            entry?;
            count += 1;
        }
        Ok(count)
    }

    /// The entry of `span` that a scan in that direction would give first.
    fn first(&self, space: Space, span: Span, direction: Direction) -> Result<Option<Entry>, KvError> {
        self.scan(space, span, direction).next().transpose()
    }
}

/// An engine. See the module's text for what it promises.
pub trait Kv: Reader + Sized {
    /// A frozen state, for readers on other threads.
    type Snapshot: Reader + Clone + Send + Sync + 'static;
    /// A new content in the making, beside the present one.
    type Staging: Staging;

    /// Applies the batch, all or nothing. Visible at once, durable only after [`Kv::persist`].
    fn write(&mut self, batch: Batch) -> Result<(), KvError>;

    /// What is visible now, for ever.
    fn snapshot(&self) -> Self::Snapshot;

    /// Waits until everything written so far survives power loss.
    fn persist(&mut self) -> Result<(), KvError>;

    /// Begins to make everything written so far survive power loss, without waiting. It does once [`Kv::persisted`] gives
    /// the mark that comes back, or a higher one.
    fn begin_persist(&mut self) -> Result<u64, KvError>;

    /// How far that is: a mark of [`Kv::begin_persist`], or something in between.
    fn persisted(&mut self) -> Result<u64, KvError>;

    /// Starts an empty content beside this one. At most one at a time; an earlier one is discarded.
    fn stage(&mut self) -> Result<Self::Staging, KvError>;

    /// Makes the staged content the only one, durably and atomically. Older snapshots stay readable.
    fn switch(&mut self, staged: Self::Staging) -> Result<(), KvError>;

    /// Bytes that the content takes, on disk or in memory; approximate.
    fn size_bytes(&self) -> u64;
}

/// A content that is being built beside the live one, see [`Kv::stage`].
pub trait Staging: Reader {
    /// Adds a batch.
    fn write(&mut self, batch: Batch) -> Result<(), KvError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_successor() {
        let end = |prefix: &'static [u8]| Span::prefix(Bytes::from_static(prefix)).end;
        assert_eq!(end(b"ab"), Some(Bytes::from_static(b"ac")));
        assert_eq!(end(b"a\xff"), Some(Bytes::from_static(b"b")));
        assert_eq!(end(b"\xff\xff"), None);
        assert_eq!(end(b""), None);
    }

    #[test]
    fn spaces_have_stable_numbers() {
        for space in Space::ALL {
            assert_eq!(Space::from_number(space as u8), Some(space));
        }
        assert_eq!(Space::from_number(7), None);
    }
}
