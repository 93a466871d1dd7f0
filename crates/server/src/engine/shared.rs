//! What the threads and tasks of a member share.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use synod_database::raft;
use synod_machine::{NodeId, RequestId};
use synod_storage::kv::{FjallViews, Kv};
use synod_storage::mvcc::{Revision, StoreError, View};
use tokio::sync::{Semaphore, watch};

use super::apply::Applier;
use super::clients::Clients;
use super::combining::Combining;
use super::core::{Core, CoreInput};
use super::disk::Disk;
use super::gathering::Gathering;
use super::timed::TimedKv;
use super::watches::stream_id;
use crate::metrics::Metrics;

/// The engine of a real node.
pub type Engine = TimedKv;
/// What its readers see.
pub type StoreView = View<<Engine as Kv>::Snapshot>;

/// With more clients waiting, batches that form while a thread is being woken are worth its wake-up.
const QUIET_CLIENTS_MAX: usize = 4;
/// Copies of the store that are made at once.
const COPIES_MAX: usize = 2;
/// How often the store's size is looked at.
const SIZE_EVERY: Duration = Duration::from_secs(1);

/// Queues, waiting clients, and what is published for readers.
pub struct Shared {
    /// The machine.
    pub core: Combining<Core>,
    /// What is asked together, to be given to the core together.
    pub gathering: Gathering<CoreInput>,
    /// The log.
    pub disk: Combining<Disk>,
    /// Whether the last sync of the log took hardly longer than waking a thread for it.
    quick_sync: AtomicBool,
    /// The replicas.
    pub apply: Combining<Applier>,
    /// Who waits for an answer.
    pub clients: Clients,
    /// What the threads count.
    pub metrics: Arc<Metrics>,
    /// What the store shows.
    pub views: FjallViews,
    /// For copies of the store under way: each holds on to what it shows.
    pub copies: Arc<Semaphore>,
    /// For the one defragmentation under way.
    pub defragmenting: Arc<Semaphore>,
    /// How often something was published.
    published: AtomicU64,
    revision: AtomicI64,
    compacted: AtomicI64,
    /// The view that was taken last, and what had been published before that.
    view: RwLock<Option<(u64, Arc<StoreView>)>>,
    standing: RwLock<Standing>,
    streams: AtomicU64,
    size_bytes: AtomicU64,
    size_taken: Mutex<Option<Instant>>,
    failure: watch::Sender<Option<String>>,
}

/// Where the member stands, as the core sees it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Its part in the group.
    pub role: raft::Role,
    /// The newest term that it has seen.
    pub term: u64,
    /// That term's leader, once it is known.
    pub leader: Option<NodeId>,
    /// Index of the last entry known to be committed.
    pub committed: u64,
    /// Index of the last entry applied here.
    pub applied: u64,
    /// Whether it follows without a vote.
    pub learner: bool,
}

impl Shared {
    /// Shared state around the store as it is at the start.
    pub fn new(views: FjallViews, metrics: Arc<Metrics>) -> Shared {
        Shared {
            core: Combining::default(),
            gathering: Gathering::default(),
            disk: Combining::default(),
            quick_sync: AtomicBool::new(false),
            apply: Combining::default(),
            clients: Clients::default(),
            metrics,
            views,
            copies: Arc::new(Semaphore::new(COPIES_MAX)),
            defragmenting: Arc::new(Semaphore::new(1)),
            published: AtomicU64::new(0),
            revision: AtomicI64::new(0),
            compacted: AtomicI64::new(0),
            view: RwLock::default(),
            standing: RwLock::default(),
            streams: AtomicU64::new(0),
            size_bytes: AtomicU64::new(0),
            size_taken: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// Gives the core inputs: on a quiet member the caller itself steps the machine, else its thread does. `false` when the
    /// member has stopped.
    pub fn give(&self, inputs: impl IntoIterator<Item = CoreInput>) -> bool {
        if !self.is_quiet() {
            return self.core.extend(inputs);
        }
        let brought = catch_unwind(AssertUnwindSafe(|| self.core.bring(inputs)));
        brought.unwrap_or_else(|panic| {
            self.fail(panic_text(&*panic));
            false
        })
    }

    /// Whether so little is under way that waking a thread for it would take longer than doing it.
    pub fn is_quiet(&self) -> bool {
        self.clients.waiting() <= QUIET_CLIENTS_MAX
    }

    /// Notes whether a sync of the log was quick.
    pub fn note_sync(&self, quick: bool) {
        self.quick_sync.store(quick, Ordering::Relaxed);
    }

    /// Whether the log is likely to be synced sooner than a thread is awake.
    pub fn syncs_quickly(&self) -> bool {
        self.quick_sync.load(Ordering::Relaxed)
    }

    /// A view that shows all that was published.
    ///
    /// Taken when it is wanted, and kept for all who want one before more is published: a view costs little, but what it
    /// shows is copied before it changes. Without readers nothing is.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn view(&self) -> Result<Arc<StoreView>, StoreError> {
        let published = self.published.load(Ordering::Acquire);
        let is_new = |taken: &&(u64, Arc<StoreView>)| taken.0 >= published;
        if let Some((_, view)) =
            self.view.read().unwrap_or_else(PoisonError::into_inner).as_ref().filter(is_new)
        {
            return Ok(Arc::clone(view));
        }
        let mut taken = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = taken.as_ref().filter(is_new) {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(View::of(self.views.snapshot())?);
        *taken = Some((published, Arc::clone(&view)));
        Ok(view)
    }

    /// Makes known what the store has come to: reads that begin from now on see it.
    pub fn publish(&self, revision: Revision, compacted: Revision) {
        self.revision.store(revision, Ordering::Relaxed);
        self.compacted.store(compacted, Ordering::Relaxed);
        self.published.fetch_add(1, Ordering::Release);
    }

    /// Lets go of a view that does not show all any more: it holds on to memory and files.
    pub fn forget_old_view(&self) {
        let mut taken = self.view.write().unwrap_or_else(PoisonError::into_inner);
        taken.take_if(|taken| taken.0 < self.published.load(Ordering::Acquire));
    }

    /// The newest revision published.
    pub fn revision(&self) -> Revision {
        self.revision.load(Ordering::Relaxed)
    }

    /// The compacted revision: the oldest that can be read.
    pub fn compacted(&self) -> Revision {
        self.compacted.load(Ordering::Relaxed)
    }

    /// Where the member stands.
    pub fn standing(&self) -> Standing {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes where it stands.
    pub fn set_standing(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// An id for a new stream of watches.
    pub fn next_stream(&self) -> RequestId {
        stream_id(self.streams.fetch_add(1, Ordering::Relaxed))
    }

    /// Bytes that the store takes on disk, as of a moment ago.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Looks at the store's size, if it was not looked at of late; gives the moment from which it may be looked at again,
    /// if it was.
    pub fn note_size(&self, size: impl FnOnce() -> u64) -> Result<(), Instant> {
        let mut taken = self.size_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let again = taken.map(|at| at + SIZE_EVERY);
        if let Some(again) = again.filter(|again| *again > Instant::now()) {
            return Err(again);
        }
        *taken = Some(Instant::now());
        self.size_bytes.store(size(), Ordering::Relaxed);
        Ok(())
    }

    /// The member has failed; the first reason stays.
    pub fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                *failure = Some(reason);
            }
            first
        });
        self.stop();
    }

    /// Why the member failed, as it changes.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// Ends the threads, when they have done what waits.
    pub fn stop(&self) {
        self.core.close();
        self.clients.close();
    }
}

/// What a panic says.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a broken invariant").to_owned()
}
