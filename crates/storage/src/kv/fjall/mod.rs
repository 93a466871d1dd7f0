//! The engine on disk: layers of changes in memory over a log-structured merge tree of fjall's.
//!
//! # Problem
//! The replicated log is durable already, so what the store writes need not be: it is made again from the log. What
//! costs is writing it anyway, entry by entry, into a journal and a skip list, on the thread that every client waits for.
//!
//! # How it works
//! ```text
//! recent     layer in memory; every batch goes here, and is visible at once
//! flushing   the layer before it, frozen; a thread of its own writes it to disk as one sorted run
//! base       fjall: sorted tables, merged in the background
//! ```
//! A layer is a persistent tree, so a snapshot of the engine is a few counters; but what a snapshot shares is copied before it
//! changes. So nobody takes one after every batch: readers on other threads take theirs when they want one ([`FjallViews`]), and a writer
//! whom nobody reads copies nothing. Reads look at `recent`, `flushing`, `base` in
//! this order. When `recent` has grown to [`FjallOptions::layer_bytes`], or a persist is asked for, it is frozen and a new one
//! begun. A key that was written often in between goes to disk once. fjall's journal and memtables are not used:
//! a run becomes tables directly, which are synced, and then one version of the tree that names them all.
//!
//! All spaces lie in one keyspace, behind their numbers: a run is one version, so a layer is there whole or not at all.
//!
//! # Files
//! ```text
//! <directory>/CURRENT            names the generation that counts
//! <directory>/generation-<n>/    one fjall database
//! ```
//! A store that is replaced as a whole (a snapshot from another replica) is built in a new generation. [`Kv::switch`] makes it
//! durable, then renames a new `CURRENT` into place, then lets the old generation go. Whatever a crash leaves besides the
//! generation that `CURRENT` names is removed when the engine is opened. The old generation's files stay until the last
//! snapshot of it is dropped.
//!
//! `CURRENT` says `creating` while the first generation is made, so that a lost `CURRENT` beside existing data is told apart
//! from a first start: the former is refused, never taken for an empty store.
//!
//! # Durability
//! A crash loses the layers that were not written: a suffix of the batches. [`Kv::persist`] freezes `recent` and waits until it is
//! written, [`Kv::begin_persist`] does not wait. A layer that cannot be written fails the engine at its next use.
//!
//! # Priority
//! Nobody waits for a layer to be written, nor for tables to be merged, before [`LAYERS_MAX`] is reached, while those who serve
//! clients need the same cores. So the threads that do it stand back (`priority.rs`).
//!
//! # Damage
//! Tables and versions carry checksums. What is damaged is refused, at opening or when it is read; nothing else is shown in its place.
//!
//! # Memory
//! Two layers, or up to [`LAYERS_MAX`] when the disk is slow (then the writer waits); one block cache; what lists have read (`pages.rs`). A value read is a slice of its
//! block, and a value written a slice of what it came in: whoever keeps it keeps that.
//!
//! # Why fjall
//! Measured beside redb 4.6 on one machine, a million keys of 24 bytes with values of 80, batches of 100, 64 MiB of cache:
//! fjall 3.1 (with its journal) wrote 196,000 new keys and 157,000 overwrites a second, redb 48,000 and 43,000 (an fsync every 200
//! batches); fjall read 91,000 random keys and scanned 3.8 million a second, redb 245,000 and 5.2 million; 98 against 272 MiB on
//! disk, 144 against 75 MiB resident. Applying is the bottleneck of a database, and the disk is paid for.

mod flusher;
mod generation;
mod pages;
mod pointer;
mod priority;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use bytes::Bytes;

pub use self::priority::stand_back;
use self::{
    flusher::Flusher,
    generation::{Base, Generation},
    pointer::{
        GENERATION_PREFIX, POINTER, Pointer, failed, generation_path, generations, point_to, point_to_none,
        read_pointer, remove_generations, sync_directory,
    },
};
use super::{
    Batch, Direction, Entry, Kv, KvError, Reader, Space, Span, Staging, layer, layer::Layer, merged,
};

/// So many times [`FjallOptions::layer_bytes`] may gather while the layer before is being written; then the writer waits.
pub const LAYERS_MAX: u64 = 6;

/// What the engine may take of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FjallOptions {
    /// Cache of blocks read, in bytes.
    pub cache_bytes: u64,
    /// How large a layer of changes grows in memory before it is written to disk, in bytes.
    pub layer_bytes: u64,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, layer_bytes: 8 << 20 }
    }
}

/// The engine.
pub struct FjallKv {
    directory: PathBuf,
    options: FjallOptions,
    flusher: Flusher,
    views: FjallViews,
    /// Number of the newest generation, live or staged.
    newest: u64,
    batches: Batches,
}

/// What an engine shows at any moment, for readers on other threads.
#[derive(Clone)]
pub struct FjallViews {
    now: Arc<RwLock<FjallSnapshot>>,
}

impl FjallViews {
    fn new(view: FjallSnapshot) -> Self {
        Self { now: Arc::new(RwLock::new(view)) }
    }

    /// What the engine shows now, for ever: whole batches. While it is kept, the next changes of what it shows are made on copies.
    pub fn snapshot(&self) -> FjallSnapshot {
        self.read().clone()
    }

    /// Gives the disk what nothing shows any more, by writing all that is there once more. Reads and writes go on meanwhile; a thread
    /// of its own, which stands back ([`stand_back`]), is best for it.
    ///
    /// # Errors
    /// When the engine cannot be read or written.
    pub fn defragment(&self) -> Result<(), KvError> {
        let generation = Arc::clone(self.read().base.generation());
        generation.merge()
    }

    fn read(&self) -> RwLockReadGuard<'_, FjallSnapshot> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut FjallSnapshot) -> T) -> T {
        change(&mut self.now.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counted since the engine was opened.
#[derive(Clone, Copy, Debug, Default)]
struct Batches {
    written: u64,
    /// In the layer that is being written, or on disk.
    frozen: u64,
    durable: u64,
    /// To be frozen as soon as the layer before is on disk.
    wanted: u64,
}

impl FjallKv {
    /// Opens the engine in `directory`, which is created if it does not exist.
    pub fn open(directory: &Path, options: FjallOptions) -> Result<Self, KvError> {
        fs::create_dir_all(directory).map_err(failed("creating", directory))?;
        let (newest, live) = match read_pointer(directory)? {
            Pointer::Generation(number) => {
                let path = generation_path(directory, number);
                // Before anything is removed: what is left may be all there is.
                if !path.is_dir() {
                    return Err(KvError::Damaged {
                        what: path.display().to_string(),
                        cause: format!("{POINTER} names it, and it does not exist"),
                    });
                }
                remove_generations(directory, Some(number))?;
                (number, Generation::open(path, &options)?)
            }
            Pointer::Creating => {
                remove_generations(directory, None)?;
                create_first(directory, &options)?
            }
            Pointer::Missing => {
                if let Some(number) = generations(directory)?.first() {
                    return Err(KvError::Damaged {
                        what: directory.join(POINTER).display().to_string(),
                        cause: format!(
                            "it is missing although there is {GENERATION_PREFIX}{number}; restore it, or remove the directory"
                        ),
                    });
                }
                create_first(directory, &options)?
            }
        };
        live.retire(false);
        let live = Arc::new(live);
        Ok(Self {
            directory: directory.to_owned(),
            options,
            flusher: Flusher::start(Arc::clone(&live))?,
            views: FjallViews::new(FjallSnapshot::of(&live)),
            newest,
            batches: Batches::default(),
        })
    }

    /// What it shows, for readers on other threads.
    pub fn views(&self) -> FjallViews {
        self.views.clone()
    }

    /// Takes over what has been written to disk, and freezes what is due.
    fn advance(&mut self) -> Result<(), KvError> {
        if self.is_flushing()
            && let Some(base) = self.flusher.poll()?
        {
            self.flushed(base);
        }
        let due =
            self.batches.wanted > self.batches.frozen || self.recent_bytes() >= self.options.layer_bytes;
        if due && !self.is_flushing() { self.freeze() } else { Ok(()) }
    }

    fn freeze(&mut self) -> Result<(), KvError> {
        debug_assert!(!self.is_flushing(), "one layer is written at a time");
        self.batches.frozen = self.batches.written;
        let frozen = self.views.change(|view| {
            if !view.recent.is_empty() {
                view.flushing = Some(std::mem::take(&mut view.recent));
            }
            view.flushing.clone()
        });
        match frozen {
            Some(layer) => self.flusher.flush(layer),
            None => {
                self.batches.durable = self.batches.frozen;
                Ok(())
            }
        }
    }

    fn flushed(&mut self, base: Arc<Base>) {
        let written = self.views.change(|view| {
            view.base = base;
            view.flushing.take()
        });
        if let Some(written) = written {
            self.flusher.let_go(written);
        }
        self.batches.durable = self.batches.frozen;
    }

    fn wait(&mut self) -> Result<(), KvError> {
        if self.is_flushing() {
            let base = self.flusher.wait()?;
            self.flushed(base);
        }
        Ok(())
    }

    fn is_flushing(&self) -> bool {
        self.views.read().flushing.is_some()
    }

    fn recent_bytes(&self) -> u64 {
        self.views.read().recent.bytes()
    }
}

impl Kv for FjallKv {
    type Snapshot = FjallSnapshot;
    type Staging = FjallStaging;

    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.views.change(|view| view.recent.apply(batch));
        self.batches.written += 1;
        if self.recent_bytes() >= LAYERS_MAX * self.options.layer_bytes {
            self.wait()?;
        }
        self.advance()
    }

    fn snapshot(&self) -> FjallSnapshot {
        self.views.snapshot()
    }

    fn persist(&mut self) -> Result<(), KvError> {
        self.wait()?;
        self.freeze()?;
        self.wait()
    }

    fn begin_persist(&mut self) -> Result<u64, KvError> {
        self.batches.wanted = self.batches.written;
        self.advance()?;
        Ok(self.batches.wanted)
    }

    fn persisted(&mut self) -> Result<u64, KvError> {
        self.advance()?;
        Ok(self.batches.durable)
    }

    fn stage(&mut self) -> Result<FjallStaging, KvError> {
        self.newest += 1;
        let path = generation_path(&self.directory, self.newest);
        let generation = Arc::new(Generation::open(path, &self.options)?);
        let view = FjallSnapshot::of(&generation);
        Ok(FjallStaging { generation, view, number: self.newest, layer_bytes: self.options.layer_bytes })
    }

    fn switch(&mut self, mut staged: FjallStaging) -> Result<(), KvError> {
        staged.flush()?;
        let flusher = Flusher::start(Arc::clone(&staged.generation))?;
        sync_directory(&self.directory)?;
        point_to(&self.directory, staged.number)?;
        staged.generation.retire(false);
        self.views.read().base.generation().retire(true);
        self.flusher = flusher;
        let _former = self.views.change(|view| std::mem::replace(view, staged.view));
        let written = self.batches.written;
        self.batches = Batches { written, frozen: written, durable: written, wanted: written };
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        let view = self.views.read();
        let flushing = view.flushing.as_ref().map_or(0, Layer::bytes);
        view.base.generation().disk_bytes() + flushing + view.recent.bytes()
    }
}

impl Reader for FjallKv {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.views.read().get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.views.read().entries(space, span, direction)
    }
}

/// A frozen state. Keeps its files and layers alive, so it should not be kept for ever.
#[derive(Clone)]
pub struct FjallSnapshot {
    recent: Layer,
    flushing: Option<Layer>,
    base: Arc<Base>,
}

impl FjallSnapshot {
    fn of(generation: &Arc<Generation>) -> Self {
        Self { recent: Layer::default(), flushing: None, base: Base::of(generation) }
    }

    /// Holds on to what it reads, so it is free of `self`.
    fn entries(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> + use<> {
        let is_listed = space == Space::Current && direction == Direction::Forward;
        let paged = is_listed.then(|| self.base.paged(space, span.clone()));
        let unpaged = (!is_listed).then(|| self.base.scan(space, &span, direction));
        let base = paged.into_iter().flatten().chain(unpaged.into_iter().flatten());
        self.with_layers(base, space, span, direction)
    }

    /// What the layers make of the base's entries.
    fn with_layers<I>(
        &self,
        base: I,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> + use<I>
    where
        I: Iterator<Item = Result<Entry, KvError>>,
    {
        let changes = |layer: &Layer| layer.changes(space, span.clone(), direction);
        let flushing = self.flushing.as_ref().map(changes).into_iter().flatten();
        let recent = changes(&self.recent);
        merged(merged(base, flushing, direction), recent, direction)
    }
}

impl Reader for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let changed = self
            .recent
            .get(space, key)
            .or_else(|| self.flushing.as_ref().and_then(|layer| layer.get(space, key)));
        match changed {
            Some(changed) => Ok(changed.clone()),
            None => self.base.get(space, key),
        }
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.entries(space, span, direction)
    }

    fn pass(&self, space: Space, span: Span) -> impl Iterator<Item = Result<Entry, KvError>> {
        let base = self.base.scan(space, &span, Direction::Forward);
        self.with_layers(base, space, span, Direction::Forward)
    }
}

/// A content that is being built.
pub struct FjallStaging {
    view: FjallSnapshot,
    generation: Arc<Generation>,
    number: u64,
    layer_bytes: u64,
}

impl FjallStaging {
    fn flush(&mut self) -> Result<(), KvError> {
        self.generation.ingest(&self.view.recent)?;
        self.view = FjallSnapshot::of(&self.generation);
        Ok(())
    }
}

impl Staging for FjallStaging {
    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.view.recent.apply(batch);
        if self.view.recent.bytes() >= self.layer_bytes { self.flush() } else { Ok(()) }
    }
}

impl Reader for FjallStaging {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.view.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.view.scan(space, span, direction)
    }
}

fn create_first(directory: &Path, options: &FjallOptions) -> Result<(u64, Generation), KvError> {
    const FIRST: u64 = 1;
    point_to_none(directory)?;
    let generation = Generation::open(generation_path(directory, FIRST), options)?;
    sync_directory(directory)?;
    point_to(directory, FIRST)?;
    Ok((FIRST, generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path) -> Result<FjallKv, KvError> {
        FjallKv::open(directory, FjallOptions::default())
    }

    fn put(key: &'static str, value: &'static str) -> Batch {
        let mut batch = Batch::default();
        batch.push(Space::Current, key.into(), Some(value.into()));
        batch
    }

    fn value(reader: &impl Reader, key: &str) -> Option<Bytes> {
        reader.get(Space::Current, key.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_persisted_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = open(directory.path()).unwrap();
        kv.write(put("a", "1")).unwrap();
        kv.write(put("b", "2")).unwrap();
        kv.persist().unwrap();
        drop(kv);
        let kv = open(directory.path()).unwrap();
        let found: Vec<Entry> =
            kv.scan(Space::Current, Span::ALL, Direction::Backward).map(Result::unwrap).collect();
        assert_eq!(found, [("b".into(), "2".into()), ("a".into(), "1".into())]);
    }

    #[test]
    fn batches_that_were_not_persisted_are_lost_from_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = open(directory.path()).unwrap();
        kv.write(put("a", "1")).unwrap();
        let mark = kv.begin_persist().unwrap();
        while kv.persisted().unwrap() < mark {
            std::thread::yield_now();
        }
        kv.write(put("a", "2")).unwrap();
        kv.write(put("b", "2")).unwrap();
        drop(kv);
        let kv = open(directory.path()).unwrap();
        assert_eq!((value(&kv, "a"), value(&kv, "b")), (Some("1".into()), None));
    }

    #[test]
    fn what_nothing_shows_any_more_takes_no_room_after_defragmentation() {
        let directory = tempfile::tempdir().unwrap();
        let options = FjallOptions { layer_bytes: 64 << 10, ..FjallOptions::default() };
        let mut kv = FjallKv::open(directory.path(), options.clone()).unwrap();
        let write = |kv: &mut FjallKv, turn: u8| {
            for key in 0..500_u32 {
                let mut batch = Batch::default();
                let mut value = vec![turn; 1_000];
                // So that no compression takes the point away.
                for (place, byte) in value.iter_mut().enumerate() {
                    *byte = (key.wrapping_mul(0x9e37_79b9).rotate_left(place as u32 % 31) as u8)
                        ^ turn
                        ^ place as u8;
                }
                batch.push(Space::Current, format!("{key:05}").into(), Some(value.into()));
                kv.write(batch).unwrap();
            }
        };
        (0..8).for_each(|turn| write(&mut kv, turn));
        kv.persist().unwrap();
        let views = kv.views();
        let merging = std::thread::spawn(move || views.defragment());
        // Others go on meanwhile.
        write(&mut kv, 8);
        merging.join().unwrap().unwrap();
        kv.persist().unwrap();
        kv.views().defragment().unwrap();
        let live = 500 * 1_000;
        assert!(kv.size_bytes() < live * 3 / 2, "{} bytes for {live} of values", kv.size_bytes());
        let content = |kv: &FjallKv| -> Vec<Entry> {
            kv.scan(Space::Current, Span::ALL, Direction::Forward).map(Result::unwrap).collect()
        };
        let before = content(&kv);
        assert_eq!(before.len(), 500);
        drop(kv);
        assert_eq!(content(&FjallKv::open(directory.path(), options).unwrap()), before);
    }

    #[test]
    fn layers_that_grow_full_are_written_while_the_writer_goes_on() {
        const KEYS: u32 = 20_000;
        let directory = tempfile::tempdir().unwrap();
        let options = FjallOptions { layer_bytes: 64 << 10, ..FjallOptions::default() };
        let mut kv = FjallKv::open(directory.path(), options.clone()).unwrap();
        let batch = |number: u32| {
            let mut batch = Batch::default();
            let value = Bytes::copy_from_slice(&number.to_be_bytes());
            // Every other key is written and removed again, most often in another layer.
            batch.push(Space::Current, format!("{:05}", number % 5_000).into(), Some(value.clone()));
            batch.push(Space::Log, value, (number.is_multiple_of(2)).then(Bytes::new));
            if let Some(earlier) = number.checked_sub(1_000) {
                batch.push(Space::Log, Bytes::copy_from_slice(&earlier.to_be_bytes()), None);
            }
            batch
        };
        let frozen = kv.snapshot();
        for number in 0..KEYS {
            kv.write(batch(number)).unwrap();
        }
        assert!(kv.persisted().unwrap() > 0, "nothing was written to disk on the way");
        let check = |kv: &FjallKv| {
            for key in [0, 2_500, 4_999] {
                let newest = KEYS - 5_000 + key;
                let found = kv.get(Space::Current, format!("{key:05}").as_bytes()).unwrap();
                assert_eq!(found, Some(Bytes::copy_from_slice(&newest.to_be_bytes())));
            }
            assert_eq!(kv.count(Space::Current, Span::ALL), Ok(5_000));
            assert_eq!(kv.count(Space::Log, Span::ALL), Ok(500));
        };
        check(&kv);
        kv.persist().unwrap();
        check(&kv);
        assert_eq!(frozen.count(Space::Current, Span::ALL), Ok(0), "a snapshot does not change");
        drop((kv, frozen));
        check(&FjallKv::open(directory.path(), options).unwrap());
    }

    #[test]
    fn a_switch_replaces_the_content_and_old_snapshots_stay_readable() {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = open(directory.path()).unwrap();
        kv.write(put("old", "1")).unwrap();
        let before = kv.snapshot();
        let mut staged = kv.stage().unwrap();
        staged.write(put("new", "1")).unwrap();
        assert_eq!(value(&kv, "new"), None);
        kv.switch(staged).unwrap();
        assert_eq!((value(&kv, "old"), value(&kv, "new")), (None, Some("1".into())));
        assert_eq!(value(&before, "old"), Some("1".into()));
        assert_eq!(generations(directory.path()).unwrap(), [1, 2]);
        drop(before);
        assert_eq!(generations(directory.path()).unwrap(), [2], "the old files go with the last snapshot");
        drop(kv);
        assert_eq!(value(&open(directory.path()).unwrap(), "new"), Some("1".into()));
    }

    #[test]
    fn a_content_that_was_never_switched_to_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = open(directory.path()).unwrap();
        kv.write(put("old", "1")).unwrap();
        kv.persist().unwrap();
        drop(kv.stage().unwrap());
        assert_eq!(generations(directory.path()).unwrap(), [1]);
        // As a crash would leave it.
        fs::create_dir(generation_path(directory.path(), 7)).unwrap();
        drop(kv);
        assert_eq!(value(&open(directory.path()).unwrap(), "old"), Some("1".into()));
        assert_eq!(generations(directory.path()).unwrap(), [1]);
    }

    #[test]
    fn a_first_start_that_was_cut_off_starts_over() {
        let directory = tempfile::tempdir().unwrap();
        point_to_none(directory.path()).unwrap();
        fs::create_dir(generation_path(directory.path(), 1)).unwrap();
        assert_eq!(value(&open(directory.path()).unwrap(), "a"), None);
    }

    #[test]
    fn lost_or_damaged_pointers_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()).unwrap());
        let pointer = directory.path().join(POINTER);
        let refused = |text: &str| {
            let error = open(directory.path()).err().expect("it must not be opened").to_string();
            assert!(error.contains(text), "{error}");
        };
        fs::write(&pointer, "generation x\n").unwrap();
        refused("CURRENT is damaged");
        fs::write(&pointer, "generation 1\n").unwrap();
        refused("and `format 2`");
        fs::write(&pointer, "generation 5 format 2\n").unwrap();
        refused("CURRENT names it, and it does not exist");
        assert_eq!(generations(directory.path()).unwrap(), [1], "nothing is removed then");
        fs::remove_file(&pointer).unwrap();
        refused("it is missing although there is generation-1");
    }
}
