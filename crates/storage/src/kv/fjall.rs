//! The engine on disk: fjall, a log-structured merge tree with its own journal, one keyspace per space.
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
//! The journal is written in order and cut at its first incomplete batch when read, so a crash loses a suffix of the
//! batches at most. [`Kv::persist`] is an fsync of the journal. If that fails, fjall refuses all further writes, as it must.
//!
//! # Damage
//! Blocks and journal batches carry checksums. A damaged block is refused when it is read. A damaged journal is taken for
//! its end, or refused at opening: either way what lies behind the damage is not shown, and since the applied index is part of
//! each batch, the owner sees that its log no longer reaches back far enough. What fjall's journal leaves unchecked are the eight
//! bytes of a batch's sequence number: damage there alone is not noticed.
//!
//! # Memory
//! One block cache for all spaces, one memtable per space, a bound on the journals (and so on the time to open): all in
//! [`FjallOptions`]. A value read is a slice of its block: whoever keeps it keeps the block.
//!
//! # Why fjall
//! Measured beside redb 4.6 on one machine, a million keys of 24 bytes with values of 80, batches of 100, 64 MiB of cache:
//! fjall 3.1 writes 196,000 new keys and 157,000 overwrites a second, redb 48,000 and 43,000 (an fsync every 200 batches); fjall
//! reads 91,000 random keys and scans 3.8 million a second, redb 245,000 and 5.2 million; 98 against 272 MiB on disk, 144
//! against 75 MiB resident, 0.5 s against 2 ms to open. Applying is the bottleneck of a database, and the disk is paid for.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::{Batch, Direction, Entry, Kv, KvError, Reader, Space, Span, Staging};

const POINTER: &str = "CURRENT";
const GENERATION_PREFIX: &str = "generation-";

/// What the engine may take of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FjallOptions {
    /// Cache of blocks read, for all spaces together, in bytes.
    pub cache_bytes: u64,
    /// How large a space's writes grow in memory before they go into a file, in bytes.
    pub memtable_bytes: u64,
    /// Journals on disk, in bytes; at least 64 MiB. Opening reads them back.
    pub journal_bytes_max: u64,
    /// Threads that write and compact files.
    pub threads: usize,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, memtable_bytes: 16 << 20, journal_bytes_max: 64 << 20, threads: 2 }
    }
}

/// The engine.
pub struct FjallKv {
    directory: PathBuf,
    options: FjallOptions,
    live: Arc<Generation>,
    /// Number of the newest generation, live or staged.
    newest: u64,
}

impl FjallKv {
    /// Opens the engine in `directory`, which is created if it does not exist.
    pub fn open(directory: &Path, options: FjallOptions) -> Result<Self, KvError> {
        fs::create_dir_all(directory).map_err(failed("creating", directory))?;
        let (number, live) = match read_pointer(directory)? {
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
        live.retired.store(false, Ordering::Relaxed);
        Ok(Self { directory: directory.to_owned(), options, live: Arc::new(live), newest: number })
    }
}

impl Kv for FjallKv {
    type Snapshot = FjallSnapshot;
    type Staging = FjallStaging;

    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.live.write(batch)
    }

    fn snapshot(&self) -> FjallSnapshot {
        FjallSnapshot { snapshot: self.live.database().snapshot(), generation: Arc::clone(&self.live) }
    }

    fn persist(&mut self) -> Result<(), KvError> {
        self.live.persist()
    }

    fn stage(&mut self) -> Result<FjallStaging, KvError> {
        self.newest += 1;
        let path = generation_path(&self.directory, self.newest);
        let generation = Arc::new(Generation::open(path, &self.options)?);
        Ok(FjallStaging { generation, number: self.newest })
    }

    fn switch(&mut self, staged: FjallStaging) -> Result<(), KvError> {
        staged.generation.persist()?;
        sync_directory(&self.directory)?;
        write_pointer(&self.directory, &format!("generation {}\n", staged.number))?;
        staged.generation.retired.store(false, Ordering::Relaxed);
        self.live.retired.store(true, Ordering::Relaxed);
        self.live = staged.generation;
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.live.spaces().iter().map(Keyspace::disk_space).sum::<u64>()
            + self.live.database().write_buffer_size()
    }
}

impl Reader for FjallKv {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.live.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.live.scan(space, span, direction)
    }
}

/// A frozen state. Keeps its files alive, so it should not be kept for ever.
#[derive(Clone)]
pub struct FjallSnapshot {
    // Dropped before the generation, which may be the last to hold its files.
    snapshot: fjall::Snapshot,
    generation: Arc<Generation>,
}

impl Reader for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        if key.is_empty() {
            return Ok(None);
        }
        let value = self.snapshot.get(self.generation.space(space), key).map_err(engine("reading", space))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        let scan =
            (!span.is_empty()).then(|| self.snapshot.range(self.generation.space(space), bounds(span)));
        entries(scan, space, direction)
    }
}

/// A content that is being built.
pub struct FjallStaging {
    generation: Arc<Generation>,
    number: u64,
}

impl Staging for FjallStaging {
    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.generation.write(batch)
    }
}

impl Reader for FjallStaging {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.generation.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.generation.scan(space, span, direction)
    }
}

/// One fjall database. Its files go when its last user does, if it is retired by then.
struct Generation {
    open: Option<(Database, [Keyspace; Space::COUNT])>,
    path: PathBuf,
    /// Not, or no longer, what `CURRENT` names.
    retired: AtomicBool,
}

impl Generation {
    fn open(path: PathBuf, options: &FjallOptions) -> Result<Self, KvError> {
        sync_journals(&path)?;
        let builder = Database::builder(&path)
            .cache_size(options.cache_bytes)
            .max_journaling_size(options.journal_bytes_max)
            .worker_threads(options.threads)
            .manual_journal_persist(true);
        // Some damage makes fjall panic while it reads its files back. Nothing of the database is used after that.
        let opened = catch_unwind(AssertUnwindSafe(|| builder.open())).map_err(|panic| {
            let cause = panic.downcast_ref::<String>().map_or("its files cannot be read back", |text| text);
            KvError::Damaged { what: path.display().to_string(), cause: cause.to_owned() }
        })?;
        let database = opened.map_err(database_error(|| format!("opening {}", path.display())))?;
        let create = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
        let mut spaces = Vec::with_capacity(Space::COUNT);
        for space in Space::ALL {
            spaces.push(database.keyspace(space.name(), create).map_err(engine("opening", space))?);
        }
        let spaces = <[Keyspace; Space::COUNT]>::try_from(spaces)
            .ok()
            .expect("one keyspace has been opened for each space");
        Ok(Self { open: Some((database, spaces)), path, retired: AtomicBool::new(true) })
    }

    fn opened(&self) -> &(Database, [Keyspace; Space::COUNT]) {
        self.open.as_ref().expect("a generation is closed only when it is dropped")
    }

    fn database(&self) -> &Database {
        &self.opened().0
    }

    fn spaces(&self) -> &[Keyspace; Space::COUNT] {
        &self.opened().1
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces()[space as usize]
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let writes = batch.into_writes();
        let mut out = fjall::OwnedWriteBatch::with_capacity(self.database().clone(), writes.len());
        for write in writes {
            let space = self.space(write.space);
            match write.value {
                Some(value) => out.insert(space, write.key, value),
                None => out.remove(space, write.key),
            }
        }
        out.commit().map_err(database_error(|| format!("writing to {}", self.path.display())))
    }

    fn persist(&self) -> Result<(), KvError> {
        self.database()
            .persist(PersistMode::SyncAll)
            .map_err(database_error(|| format!("syncing {}", self.path.display())))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        if key.is_empty() {
            return Ok(None);
        }
        Ok(self.space(space).get(key).map_err(engine("reading", space))?.map(Bytes::from))
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> + use<> {
        let scan = (!span.is_empty()).then(|| self.space(space).range(bounds(span)));
        entries(scan, space, direction)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        drop(self.open.take());
        if self.retired.load(Ordering::Relaxed) {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn entries(
    scan: Option<fjall::Iter>,
    space: Space,
    direction: Direction,
) -> impl Iterator<Item = Result<Entry, KvError>> + use<> {
    let mut scan = scan.into_iter().flatten();
    std::iter::from_fn(move || {
        let found = match direction {
            Direction::Forward => scan.next(),
            Direction::Backward => scan.next_back(),
        };
        let entry = found?.into_inner().map_err(engine("scanning", space));
        Some(entry.map(|(key, value)| (key.into(), value.into())))
    })
}

fn bounds(span: Span) -> (Bound<Bytes>, Bound<Bytes>) {
    let start = if span.start.is_empty() { Bound::Unbounded } else { Bound::Included(span.start) };
    (start, span.end.map_or(Bound::Unbounded, Bound::Excluded))
}

enum Pointer {
    Missing,
    Creating,
    Generation(u64),
}

fn read_pointer(directory: &Path) -> Result<Pointer, KvError> {
    let path = directory.join(POINTER);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pointer::Missing),
        result => result.map_err(failed("reading", &path))?,
    };
    if text == "creating\n" {
        return Ok(Pointer::Creating);
    }
    let number = text.strip_prefix("generation ").and_then(|rest| rest.strip_suffix('\n'));
    number.and_then(|number| number.parse().ok()).map(Pointer::Generation).ok_or_else(|| KvError::Damaged {
        what: path.display().to_string(),
        cause: format!("expected `generation` and a number, found {text:?}"),
    })
}

/// Replaces the pointer: the old text or the new one survives a crash, and the new one does once this has returned.
fn write_pointer(directory: &Path, text: &str) -> Result<(), KvError> {
    let (path, fresh) = (directory.join(POINTER), directory.join("CURRENT.new"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().map_err(failed("writing", &path))?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), KvError> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("syncing", directory))
}

/// What a killed process wrote may be in the system's cache only. It will be shown from now on, so it must stay.
fn sync_journals(generation: &Path) -> Result<(), KvError> {
    let entries = match fs::read_dir(generation) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(failed("listing", generation))?,
    };
    for entry in entries {
        let path = entry.map_err(failed("listing", generation))?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            File::open(&path).and_then(|journal| journal.sync_all()).map_err(failed("syncing", &path))?;
        }
    }
    Ok(())
}

fn create_first(directory: &Path, options: &FjallOptions) -> Result<(u64, Generation), KvError> {
    const FIRST: u64 = 1;
    write_pointer(directory, "creating\n")?;
    let generation = Generation::open(generation_path(directory, FIRST), options)?;
    generation.persist()?;
    sync_directory(directory)?;
    write_pointer(directory, &format!("generation {FIRST}\n"))?;
    Ok((FIRST, generation))
}

fn generation_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{GENERATION_PREFIX}{number}"))
}

fn generations(directory: &Path) -> Result<Vec<u64>, KvError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("listing", directory))? {
        let name = entry.map_err(failed("listing", directory))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(GENERATION_PREFIX)?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn remove_generations(directory: &Path, but: Option<u64>) -> Result<(), KvError> {
    for number in generations(directory)? {
        if Some(number) != but {
            let path = generation_path(directory, number);
            fs::remove_dir_all(&path).map_err(failed("removing", &path))?;
        }
    }
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> KvError {
    move |error| KvError::Failed { doing: format!("{doing} {}", path.display()), cause: error.to_string() }
}

fn engine(doing: &'static str, space: Space) -> impl Fn(fjall::Error) -> KvError {
    database_error(move || format!("{doing} space {}", space.name()))
}

fn database_error(doing: impl Fn() -> String) -> impl Fn(fjall::Error) -> KvError {
    move |error| match error {
        fjall::Error::Storage(fjall::LsmError::ChecksumMismatch { .. }) => {
            KvError::Damaged { what: doing(), cause: "a checksum does not match".to_owned() }
        }
        fjall::Error::Locked => {
            KvError::Failed { doing: doing(), cause: "another process has it open".to_owned() }
        }
        error => KvError::Failed { doing: doing(), cause: format!("{error:?}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path) -> Result<FjallKv, KvError> {
        FjallKv::open(directory, FjallOptions { threads: 1, ..FjallOptions::default() })
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
    fn journals_lie_where_they_are_synced_before_opening() {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = open(directory.path()).unwrap();
        kv.write(put("a", "1")).unwrap();
        let files = fs::read_dir(generation_path(directory.path(), 1)).unwrap();
        let journal =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().path().extension().is_some_and(|e| e == "jnl");
        assert_eq!(files.filter_map(|entry| journal(entry).then_some(())).count(), 1);
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
        write_pointer(directory.path(), "creating\n").unwrap();
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
        fs::write(&pointer, "generation 5\n").unwrap();
        refused("CURRENT names it, and it does not exist");
        assert_eq!(generations(directory.path()).unwrap(), [1], "nothing is removed then");
        fs::remove_file(&pointer).unwrap();
        refused("it is missing although there is generation-1");
    }
}
