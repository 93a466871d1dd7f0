//! What the threads and tasks of a member share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use synod_database::{Job, raft};
use synod_machine::{NodeId, RequestId};
use synod_storage::kv::{FjallKv, Kv};
use synod_storage::mvcc::View;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::clients::Clients;
use super::core::CoreInput;
use super::disk::DiskWork;
use super::inbox::Inbox;
use super::watches::stream_id;

/// The engine of a real node.
pub type Engine = FjallKv;
/// What its readers see.
pub type StoreView = View<<Engine as Kv>::Snapshot>;

/// How often the store's size is looked at.
const SIZE_EVERY: Duration = Duration::from_secs(1);

/// Queues, waiting clients, and what is published for readers.
pub struct Shared {
    pub core: Inbox<CoreInput>,
    pub disk: Inbox<DiskWork>,
    pub apply: Inbox<Job>,
    pub clients: Clients,
    pub metrics: EngineMetrics,
    pub runtime: Handle,
    view: RwLock<Arc<StoreView>>,
    standing: RwLock<Standing>,
    streams: AtomicU64,
    size_bytes: AtomicU64,
    size_taken: Mutex<Option<Instant>>,
    failure: watch::Sender<Option<String>>,
}

/// Where the member stands, as the core sees it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub role: raft::Role,
    pub term: u64,
    pub leader: Option<NodeId>,
    pub committed: u64,
    pub applied: u64,
    pub last: u64,
    pub learner: bool,
    /// Times that another leader came up.
    pub leader_changes: u64,
}

/// What the engine counts.
#[derive(Debug, Default)]
pub struct EngineMetrics {
    pub fsyncs: AtomicU64,
    pub fsync_nanos: AtomicU64,
    pub proposals_pending: AtomicU64,
}

impl EngineMetrics {
    /// One sync of the log.
    pub fn fsync(&self, took: Duration) {
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
        self.fsync_nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Shared {
    /// Shared state around the store as it is at the start.
    pub fn new(view: StoreView, runtime: Handle) -> Shared {
        Shared {
            core: Inbox::default(),
            disk: Inbox::default(),
            apply: Inbox::default(),
            clients: Clients::default(),
            metrics: EngineMetrics::default(),
            runtime,
            view: RwLock::new(Arc::new(view)),
            standing: RwLock::default(),
            streams: AtomicU64::new(0),
            size_bytes: AtomicU64::new(0),
            size_taken: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// The newest published view.
    pub fn view(&self) -> Arc<StoreView> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes a view: reads that may go from now on see it.
    pub fn publish(&self, view: StoreView) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
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

    /// Looks at the store's size, if it was not looked at of late.
    pub fn note_size(&self, size: impl FnOnce() -> u64) {
        let mut taken = self.size_taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_none_or(|at| at.elapsed() >= SIZE_EVERY) {
            *taken = Some(Instant::now());
            self.size_bytes.store(size(), Ordering::Relaxed);
        }
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
        self.clients.clear();
    }
}
