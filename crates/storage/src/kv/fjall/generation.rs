//! One fjall database, written a sorted run at a time.

use std::{
    fs,
    ops::Bound,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, compaction::Leveled};

use super::{
    Direction, Entry, FjallOptions, KvError, Space, Span,
    layer::Layer,
    pages::{PagedScan, Pages},
    priority,
};

/// The one keyspace. Its keys are the spaces' with the space's number before them.
const CONTENT: &str = "content";
/// So many runs are merged at once into the level below them. Each merge writes what it overlaps anew, so many small runs at once cost
/// as little as few large ones; a read that finds nothing in memory looks into that many more.
const RUNS_MERGED: u8 = 8;
/// How large a table is that a merge writes. The first level has [`RUNS_MERGED`] of them, each further one ten times as many: a merge is
/// then over soon, also in a large store. Writers wait when runs come in faster than they are merged.
const TABLE_BYTES: u64 = 8 << 20;
/// Keys up to this length are put behind their space's number without an allocation.
const SHORT_KEY_BYTES: usize = 127;

/// One fjall database. Its files go when its last user does, if it is retired by then.
pub struct Generation {
    open: Option<(Database, Keyspace)>,
    path: PathBuf,
    /// Not, or no longer, what `CURRENT` names.
    retired: AtomicBool,
}

impl Generation {
    /// Opens or makes it; it is retired until [`Generation::retire`] says otherwise.
    pub fn open(path: PathBuf, options: &FjallOptions) -> Result<Self, KvError> {
        let builder = Database::builder(&path)
            .cache_size(options.cache_bytes)
            .worker_threads(1)
            .manual_journal_persist(true);
        // In a thread of its own, for two reasons. Those that fjall starts there, to merge, have its priority. And some damage
        // makes fjall panic while it reads its files back; nothing of the database is used after that.
        let open = || {
            priority::stand_back();
            let database = builder.open()?;
            let content = database.keyspace(CONTENT, || {
                let merging =
                    Leveled::default().with_l0_threshold(RUNS_MERGED).with_table_target_size(TABLE_BYTES);
                KeyspaceCreateOptions::default().compaction_strategy(Arc::new(merging))
            })?;
            // What is opened stays, that the keyspace exists among it.
            database.persist(PersistMode::SyncAll)?;
            Ok((database, content))
        };
        let opened = thread::scope(|scope| scope.spawn(open).join());
        let opened = opened.map_err(|panic| {
            let cause = panic.downcast_ref::<String>().map_or("its files cannot be read back", |text| text);
            KvError::Damaged { what: path.display().to_string(), cause: cause.to_owned() }
        })?;
        let open = opened.map_err(database_error(|| format!("opening {}", path.display())))?;
        Ok(Self { open: Some(open), path, retired: AtomicBool::new(true) })
    }

    /// Whether its files are to go with its last user.
    pub fn retire(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Adds a layer's changes: durably, and all of them or none.
    pub fn ingest(&self, layer: &Layer) -> Result<(), KvError> {
        let failed = database_error(|| format!("writing to {}", self.path.display()));
        let mut run = self.content().start_ingestion().map_err(&failed)?;
        for space in Space::ALL {
            for (key, value) in layer.changes(space, Span::ALL, Direction::Forward) {
                let key = prefixed(space, &key);
                match value {
                    Some(value) => run.write(key, value),
                    None => run.write_tombstone(key),
                }
                .map_err(&failed)?;
            }
        }
        run.finish().map_err(&failed)
    }

    /// Runs that no merge has joined yet: each is looked at by a read that finds nothing in the others.
    pub fn loose_runs(&self) -> usize {
        self.content().l0_table_count()
    }

    /// Merges all runs into one, without what none shows any more. Takes as long as it takes to write everything once.
    pub fn merge(&self) -> Result<(), KvError> {
        let failed = database_error(|| format!("merging {}", self.path.display()));
        self.content().major_compact().map_err(failed)
    }

    /// Bytes of its tables.
    pub fn disk_bytes(&self) -> u64 {
        self.content().disk_space()
    }

    fn database(&self) -> &Database {
        &self.opened().0
    }

    fn content(&self) -> &Keyspace {
        &self.opened().1
    }

    fn opened(&self) -> &(Database, Keyspace) {
        self.open.as_ref().expect("a generation is closed only when it is dropped")
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

/// A frozen state of a generation. Keeps its files alive, so it should not be kept for ever.
pub struct Base {
    // Dropped before the generation, which may be the last to hold its files.
    snapshot: fjall::Snapshot,
    generation: Arc<Generation>,
    pages: Arc<Pages>,
}

impl Base {
    /// What the generation holds now.
    pub fn of(generation: &Arc<Generation>) -> Arc<Self> {
        Arc::new(Self {
            snapshot: generation.database().snapshot(),
            generation: Arc::clone(generation),
            pages: Arc::default(),
        })
    }

    pub fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let mut short = [0; SHORT_KEY_BYTES + 1];
        let long;
        let key = match short.get_mut(..=key.len()) {
            Some(short) => {
                short[0] = space as u8;
                short[1..].copy_from_slice(key);
                &*short
            }
            None => {
                long = prefixed(space, key);
                &long[..]
            }
        };
        let value = self.snapshot.get(self.generation.content(), key).map_err(engine("reading", space))?;
        Ok(value.map(Bytes::from))
    }

    /// A scan forward that leaves what it read to the next ones, and takes what others left.
    pub fn paged(
        self: &Arc<Self>,
        space: Space,
        span: Span,
    ) -> impl Iterator<Item = Result<Entry, KvError>> + use<> {
        let base = Arc::clone(self);
        PagedScan::new(Arc::clone(&self.pages), span, move |span| base.scan(space, &span, Direction::Forward))
    }

    pub fn scan(
        &self,
        space: Space,
        span: &Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> + use<> {
        let scan = (!span.is_empty()).then(|| {
            let start = Bound::Included(prefixed(space, &span.start));
            let end = match &span.end {
                Some(end) => prefixed(space, end),
                None => Bytes::copy_from_slice(&[space as u8 + 1]),
            };
            self.snapshot.range(self.generation.content(), (start, Bound::Excluded(end)))
        });
        let mut scan = scan.into_iter().flatten();
        std::iter::from_fn(move || {
            let found = match direction {
                Direction::Forward => scan.next(),
                Direction::Backward => scan.next_back(),
            };
            let entry = found?.into_inner().map_err(engine("scanning", space));
            Some(entry.map(|(key, value)| (Bytes::from(key).slice(1..), value.into())))
        })
    }

    /// The generation that it is a state of.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }
}

fn prefixed(space: Space, key: &[u8]) -> Bytes {
    let mut prefixed = Vec::with_capacity(key.len() + 1);
    prefixed.push(space as u8);
    prefixed.extend_from_slice(key);
    prefixed.into()
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
