//! A member without consensus: the real store over the engine in memory, behind the edge. What is proposed is applied at
//! once. It can be told to have no leader, to be a learner, to raise an alarm and to refuse.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_server::backend::*;
use synod_server::http::{Listener, Options, serve};
use synod_server::metrics::Metrics;
use synod_storage::kv::{MemoryKv, MemorySnapshot};
use synod_storage::mvcc::{
    Event, EventKind, Events, HistoryLimits, LeaseId, Operation, RangeCursor, RangePiece, RangeRequest,
    RangeResponse, RangeTotal, Revision, Store, StoreError, TxnRequest, TxnResponse, View,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

pub const IDENTITY: Identity = Identity { cluster_id: 0xc0ffee, member_id: 0xbeef };
pub const TERM: u64 = 7;

/// The member.
pub struct Memory {
    store: Arc<Mutex<Store<MemoryKv>>>,
    changed: watch::Sender<Revision>,
    pub state: Mutex<State>,
    /// Pieces of ranges that were read.
    pub pieces: Arc<AtomicUsize>,
}

/// What a test may set.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub leader: Option<u64>,
    pub is_learner: bool,
    pub alarms: Vec<Alarm>,
    /// What every proposal and linearizable read is answered with.
    pub refuse: Option<BackendError>,
    /// Proposals and linearizable reads are never answered.
    pub hang: bool,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        let store = Store::open(MemoryKv::new()).expect("an empty engine opens");
        let state = State { leader: Some(IDENTITY.member_id), ..State::default() };
        let changed = watch::Sender::new(store.revision());
        Arc::new(Memory {
            store: Arc::new(Mutex::new(store)),
            changed,
            state: Mutex::new(state),
            pieces: Arc::default(),
        })
    }

    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn view(&self) -> View<MemorySnapshot> {
        self.store.lock().unwrap().view()
    }

    async fn answerable(&self) -> Result<(), BackendError> {
        let State { refuse, hang, .. } = self.state.lock().unwrap().clone();
        if hang {
            std::future::pending::<()>().await;
        }
        refuse.map_or(Ok(()), Err)
    }

    async fn fresh(&self, consistency: Consistency) -> Result<View<MemorySnapshot>, BackendError> {
        if consistency == Consistency::Linearizable {
            self.answerable().await?;
        }
        Ok(self.view())
    }
}

impl Backend for Memory {
    fn identity(&self) -> Identity {
        IDENTITY
    }

    fn position(&self) -> Position {
        let state = self.state.lock().unwrap();
        let revision = self.store.lock().unwrap().revision();
        Position { revision, term: TERM, leader: state.leader, is_learner: state.is_learner }
    }

    async fn propose(&self, operation: Operation) -> Result<Applied, BackendError> {
        self.answerable().await?;
        let applied = {
            let mut store = self.store.lock().unwrap();
            let index = store.applied_index() + 1;
            let applied = store.apply(index, &operation, Events::Skip)?;
            store.flush()?;
            store.persist()?;
            applied
        };
        self.changed.send_replace(applied.revision);
        Ok(Applied { revision: applied.revision, outcome: applied.outcome? })
    }

    async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Read<RangeResponse>, BackendError> {
        let view = self.fresh(consistency).await?;
        Ok(Read { revision: view.revision(), response: view.range(&request)? })
    }

    async fn frozen(&self, consistency: Consistency) -> Result<Box<dyn Frozen>, BackendError> {
        let view = Arc::new(self.fresh(consistency).await?);
        Ok(Box::new(Counted { view, pieces: Arc::clone(&self.pieces) }))
    }

    async fn read_txn(
        &self,
        request: TxnRequest,
        consistency: Consistency,
    ) -> Result<Read<TxnResponse>, BackendError> {
        let view = self.fresh(consistency).await?;
        Ok(Read { revision: view.revision(), response: view.txn(&request)? })
    }

    async fn compaction_finished(&self, _revision: Revision) -> Result<(), BackendError> {
        Ok(())
    }

    fn watch_stream(&self) -> WatchStream {
        let (control, controls) = mpsc::unbounded_channel();
        let (output, outputs) = mpsc::unbounded_channel();
        let store = Arc::clone(&self.store);
        tokio::spawn(hub(move || store.lock().unwrap().view(), self.changed.subscribe(), controls, output));
        WatchStream { controls: Box::new(Controls(control)), outputs }
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Option<i64>, BackendError> {
        self.answerable().await?;
        Ok(self.view().lease_ttl_seconds(id)?)
    }

    async fn lease_time_to_live(
        &self,
        id: LeaseId,
        keys: bool,
    ) -> Result<Option<LeaseTimeToLive>, BackendError> {
        let view = self.view();
        let Some(granted_seconds) = view.lease_ttl_seconds(id)? else { return Ok(None) };
        let keys = if keys { view.lease_keys(id)? } else { Vec::new() };
        Ok(Some(LeaseTimeToLive { remaining_seconds: granted_seconds, granted_seconds, keys }))
    }

    async fn leases(&self) -> Result<Vec<LeaseId>, BackendError> {
        Ok(self.view().leases()?.into_iter().map(|(id, _)| id).collect())
    }

    async fn members(&self, consistency: Consistency) -> Result<Vec<Member>, BackendError> {
        self.fresh(consistency).await?;
        Ok(vec![Member {
            id: IDENTITY.member_id,
            name: "memory".to_owned(),
            peer_urls: vec!["http://127.0.0.1:2380".to_owned()],
            client_urls: vec!["http://127.0.0.1:2379".to_owned()],
            is_learner: false,
        }])
    }

    async fn status(&self) -> Result<Status, BackendError> {
        let store = self.store.lock().unwrap();
        Ok(Status {
            committed_index: store.applied_index(),
            applied_index: store.applied_index(),
            store_bytes: 4_096,
            store_bytes_in_use: 1_024,
            quota_bytes: 1 << 31,
        })
    }

    async fn hash(&self) -> Result<Read<u32>, BackendError> {
        Ok(Read { revision: self.view().revision(), response: 42 })
    }

    async fn hash_kv(&self, revision: Revision) -> Result<HashKv, BackendError> {
        let view = self.view();
        let (current, compacted) = (view.revision(), view.compacted());
        if revision > current {
            return Err(StoreError::FutureRevision { requested: revision, current }.into());
        }
        let hash_revision = if revision <= 0 { current } else { revision };
        Ok(HashKv { hash: 42, revision: current, hash_revision, compacted })
    }

    fn alarms(&self) -> Vec<Alarm> {
        self.state.lock().unwrap().alarms.clone()
    }
}

/// A view that counts the pieces that are read of it.
struct Counted {
    view: Arc<View<MemorySnapshot>>,
    pieces: Arc<AtomicUsize>,
}

impl Frozen for Counted {
    fn revision(&self) -> Revision {
        self.view.revision()
    }

    fn range_total(&self, request: &RangeRequest) -> Result<RangeTotal, StoreError> {
        self.view.range_total(request)
    }

    fn range_piece(
        &self,
        request: &RangeRequest,
        cursor: &RangeCursor,
        bytes_max: usize,
    ) -> Result<RangePiece, StoreError> {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.view.range_piece(request, cursor, bytes_max)
    }
}

/// Where one stream's controls go.
struct Controls(mpsc::UnboundedSender<WatchControl>);

impl WatchControls for Controls {
    fn ask(&mut self, control: WatchControl) -> bool {
        self.0.send(control).is_ok()
    }
}

/// One watch of a stream.
struct Watcher {
    create: WatchCreate,
    next: Revision,
}

/// One stream's hub: a task of its own, so it may wait for room.
async fn hub(
    view: impl Fn() -> View<MemorySnapshot>,
    mut changed: watch::Receiver<Revision>,
    mut controls: mpsc::UnboundedReceiver<WatchControl>,
    outputs: mpsc::UnboundedSender<WatchOutput>,
) {
    let mut watchers: Vec<Watcher> = Vec::new();
    loop {
        let control = tokio::select! {
            control = controls.recv() => match control {
                Some(control) => Some(control),
                None => return,
            },
            changed = changed.changed() => match changed {
                Ok(()) => None,
                Err(_) => return,
            },
        };
        let view = view();
        let revision = view.revision();
        if catch_up(&view, &mut watchers, &outputs).is_none() {
            return;
        }
        let answer = match control {
            None => continue,
            Some(WatchControl::Create(create)) => {
                let id = create.id;
                let next = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
                watchers.push(Watcher { create, next });
                WatchOutput::Created { id, revision }
            }
            Some(WatchControl::Cancel(id)) => {
                let before = watchers.len();
                watchers.retain(|watcher| watcher.create.id != id);
                if watchers.len() == before {
                    continue;
                }
                WatchOutput::Canceled { id, revision, reason: WatchEnd::Asked }
            }
            Some(WatchControl::Progress(id)) => {
                let mut of =
                    watchers.iter().filter(|watcher| id.is_none_or(|id| watcher.create.id == id)).peekable();
                if of.peek().is_none() || of.any(|watcher| watcher.next > revision + 1) {
                    continue;
                }
                WatchOutput::Progress { id, revision }
            }
        };
        if outputs.send(answer).is_err() || catch_up(&view, &mut watchers, &outputs).is_none() {
            return;
        }
    }
}

fn catch_up(
    view: &View<MemorySnapshot>,
    watchers: &mut Vec<Watcher>,
    outputs: &mpsc::UnboundedSender<WatchOutput>,
) -> Option<()> {
    let revision = view.revision();
    let mut index = 0;
    while let Some(Watcher { create, next }) = watchers.get_mut(index) {
        index += 1;
        while *next <= revision {
            match view.history(&create.range, *next, create.prev_kv, HistoryLimits::default()) {
                Ok(page) => {
                    *next = page.next_revision;
                    let events: Vec<Event> =
                        page.events.into_iter().filter(|event| wanted(create, event)).collect();
                    if !events.is_empty() {
                        outputs
                            .send(WatchOutput::Events { id: create.id, revision, events: events.into() })
                            .ok()?;
                    }
                }
                Err(StoreError::Compacted { compacted, .. }) => {
                    let reason = WatchEnd::Compacted(compacted);
                    outputs.send(WatchOutput::Canceled { id: create.id, revision, reason }).ok()?;
                    index -= 1;
                    watchers.remove(index);
                    break;
                }
                Err(error) => panic!("history cannot be read: {error}"),
            }
        }
    }
    Some(())
}

fn wanted(create: &WatchCreate, event: &Event) -> bool {
    match event.kind {
        EventKind::Put => !create.no_put,
        EventKind::Delete => !create.no_delete,
    }
}

/// A running edge over a [`Memory`].
pub struct Running {
    pub memory: Arc<Memory>,
    pub metrics: Arc<Metrics>,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub serving: Option<JoinHandle<()>>,
}

impl Running {
    pub fn start() -> Self {
        Running::start_with(Options::default(), None)
    }

    pub fn start_with(
        mut options: Options,
        tls: Option<Arc<synod_transport::Renewed<rustls::ServerConfig>>>,
    ) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls).expect("a free port");
        let address = listener.address().unwrap();
        let (memory, metrics) = (Memory::new(), Arc::new(Metrics::new()));
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        // Some connections are served by the test's own thread, others are not.
        options.threads = NonZeroUsize::new(2).expect("it is two");
        let serving = tokio::spawn(serve(vec![listener], memory.clone(), metrics.clone(), options, shutdown));
        Running { memory, metrics, address, stop: Some(stop), serving: Some(serving) }
    }

    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .expect("it listens")
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        self.stop.take();
    }
}

/// Fails a test that would wait for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it should have come long ago")
}
