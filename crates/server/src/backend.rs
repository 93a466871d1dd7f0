//! What stands behind the API's services: one trait, in the store's terms, free of wire formats.
//!
//! The edge calls it from many tasks at once. Each call answers when the operation has taken effect, or says why it has
//! not. A call that is dropped before it has answered may still take effect, as when a client goes away.
//!
//! # Reads
//! A [`Consistency::Linearizable`] read sees every write that was acknowledged before the read began, by whichever
//! member. A serializable one sees some prefix of the history, at once and without the other members.
//!
//! # Watches
//! [`Backend::watch_stream`] opens the two ends of one client stream: controls go in, outputs come out.
//! The edge owns the identities: it picks them, unique in the stream, and refuses what can be refused from the request
//! alone. The backend owns order:
//! - [`WatchOutput::Created`] comes before anything else of that watch, and one by one in the order of the creations;
//! - events come by revision without gap or repetition, all events of one revision and watch in one output;
//! - after [`WatchOutput::Canceled`] nothing comes for that identity, which may then be used anew;
//! - progress at revision r is told only when every event up to r of the watches it speaks of was put out before.
//!
//! The edge stops taking outputs while its client does not read, so **the backend must never wait for anybody to take
//! them while holding anything that others need**: it puts out what is allowed ([`WatchControls::taken`] says how much has gone), remembers how far
//! each watch has come, and goes on from history later. The edge bounds the controls that are under way. Thus a slow client costs
//! [`STREAM_OUTPUTS_MAX`] outputs, each of which holds shared events, and nothing more. When the edge drops its ends the watches are gone.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use synod_storage::kv::Reader;
use synod_storage::mvcc::{
    LeaseId, Operation, Outcome, RangeCursor, RangePiece, RangeRequest, RangeResponse, RangeTotal, Revision,
    StoreError, TxnRequest, TxnResponse, View,
};
use tokio::sync::mpsc;

use crate::metrics::Metrics;

pub use synod_database::watch::{
    STREAM_OUTPUTS_MAX, WatchControl, WatchCreate, WatchEnd, WatchId, WatchOutput,
};

/// A range of no more keys is read where its request was taken in: it takes no longer than others may wait.
pub const KEYS_AT_ONCE_MAX: i64 = 1_000;
/// Creations of watches that one stream may have under way.
pub const WATCH_CREATIONS_MAX: usize = 128;

/// A database node as the API sees it.
pub trait Backend: Send + Sync + 'static {
    /// Who answers; never changes while the process runs.
    fn identity(&self) -> Identity;

    /// Where this member stands now. Called for every answer, so it must be cheap and must not wait.
    fn position(&self) -> Position;

    /// Until [`Backend::release`], what is asked may be gathered, so that it is handed over together. Whoever holds releases soon, and waits for nothing
    /// in between.
    fn hold(&self) {}

    /// Ends [`Backend::hold`].
    fn release(&self) {}

    /// Puts an operation through consensus and answers once this member has applied it.
    ///
    /// # Errors
    /// [`BackendError::Store`] when the operation was applied and refused; anything else leaves open whether it takes
    /// effect, save for [`BackendError::NoLeader`], [`BackendError::TooManyRequests`] and [`BackendError::NoSpace`],
    /// which say that it was not accepted at all.
    fn propose(&self, operation: Operation) -> impl Future<Output = Result<Applied, BackendError>> + Send;

    /// Reads keys.
    fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Read<RangeResponse>, BackendError>> + Send;

    /// The store at one moment, for a range that is read piece by piece.
    fn frozen(
        &self,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Box<dyn Frozen>, BackendError>> + Send;

    /// Evaluates a transaction that only reads; it needs no entry in the log.
    fn read_txn(
        &self,
        request: TxnRequest,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Read<TxnResponse>, BackendError>> + Send;

    /// Answers once history below `revision`, whose compaction was applied before, has physically gone from this member.
    fn compaction_finished(
        &self,
        revision: Revision,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Opens a stream of watches.
    fn watch_stream(&self) -> WatchStream;

    /// Renews a lease for its full time and answers its time to live in seconds; `None` when there is no such lease.
    /// The leader alone decides, a follower asks it.
    fn lease_keep_alive(&self, id: LeaseId)
    -> impl Future<Output = Result<Option<i64>, BackendError>> + Send;

    /// What remains of a lease, with its keys when `keys` is set; `None` when there is no such lease, or it has expired.
    fn lease_time_to_live(
        &self,
        id: LeaseId,
        keys: bool,
    ) -> impl Future<Output = Result<Option<LeaseTimeToLive>, BackendError>> + Send;

    /// Every lease, in no particular order.
    fn leases(&self) -> impl Future<Output = Result<Vec<LeaseId>, BackendError>> + Send;

    /// The members, by ascending identity.
    fn members(
        &self,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Vec<Member>, BackendError>> + Send;

    /// Sizes and log positions of this member.
    fn status(&self) -> impl Future<Output = Result<Status, BackendError>> + Send;

    /// A hash of this member's whole state, with the revision it was taken at.
    fn hash(&self) -> impl Future<Output = Result<Read<u32>, BackendError>> + Send;

    /// A hash of all keys up to `revision` (0 or less for the newest), equal on every member that has the same compaction.
    fn hash_kv(&self, revision: Revision) -> impl Future<Output = Result<HashKv, BackendError>> + Send;

    /// Hands leadership to `target`; answers once it leads.
    fn move_leader(&self, target: u64) -> impl Future<Output = Result<(), BackendError>> + Send {
        let _ = target;
        async { Err(BackendError::Unsupported("moving the leader")) }
    }

    /// A copy of this member's store as it is now, piece by piece. While none is taken, none is made.
    ///
    /// # Errors
    /// When there are enough of them under way, or the store cannot be read.
    fn copy(&self) -> Result<mpsc::Receiver<Result<bytes::Bytes, BackendError>>, BackendError> {
        Err(BackendError::Unsupported("a copy of the store"))
    }

    /// Gives the disk what this member's store shows no more; answers when it is done.
    fn defragment(&self) -> impl Future<Output = Result<(), BackendError>> + Send {
        async { Err(BackendError::Unsupported("defragmentation")) }
    }

    /// Puts into `metrics` what is only looked at when somebody asks.
    fn measure(&self, metrics: &Metrics) {
        let _ = metrics;
    }

    /// Alarms that are raised.
    fn alarms(&self) -> Vec<Alarm> {
        Vec::new()
    }
}

/// The store at one moment. It holds on to what it shows, so it should not be kept for ever.
pub trait Frozen: Send + Sync {
    /// Its newest revision.
    fn revision(&self) -> Revision;

    /// As [`View::range_total`].
    ///
    /// # Errors
    /// As [`View::range_total`].
    fn range_total(&self, request: &RangeRequest) -> Result<RangeTotal, StoreError>;

    /// As [`View::range_piece`].
    ///
    /// # Errors
    /// As [`View::range_piece`].
    fn range_piece(
        &self,
        request: &RangeRequest,
        cursor: &RangeCursor,
        bytes_max: usize,
    ) -> Result<RangePiece, StoreError>;
}

impl<S: Reader + Send + Sync> Frozen for Arc<View<S>> {
    fn revision(&self) -> Revision {
        View::revision(self)
    }

    fn range_total(&self, request: &RangeRequest) -> Result<RangeTotal, StoreError> {
        View::range_total(self, request)
    }

    fn range_piece(
        &self,
        request: &RangeRequest,
        cursor: &RangeCursor,
        bytes_max: usize,
    ) -> Result<RangePiece, StoreError> {
        View::range_piece(self, request, cursor, bytes_max)
    }
}

/// The cluster and the member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Never 0.
    pub cluster_id: u64,
    /// Never 0.
    pub member_id: u64,
}

/// Where a member stands; what headers and health are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The newest revision this member has applied.
    pub revision: Revision,
    /// The consensus group's term.
    pub term: u64,
    /// The leader's member id as this member knows it.
    pub leader: Option<u64>,
    /// Whether this member follows without a vote.
    pub is_learner: bool,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// It sees every write acknowledged before it began.
    Linearizable,
    /// It sees what this member has.
    Serializable,
}

/// An operation's outcome with the store's revision right after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Unchanged by the operation when that changed nothing.
    pub revision: Revision,
    /// Of the kind of the operation.
    pub outcome: Outcome,
}

/// What was read, with the store's revision at that time (not the revision that was asked for).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The store's newest revision.
    pub revision: Revision,
    /// What was read.
    pub response: T,
}

/// The two ends of one client's stream of watches.
pub struct WatchStream {
    /// What the client asks for.
    pub controls: Box<dyn WatchControls>,
    /// What it is told. Its end means that the member stops.
    pub outputs: mpsc::UnboundedReceiver<WatchOutput>,
}

/// Where a stream's controls go. Dropped, its watches are gone.
pub trait WatchControls: Send {
    /// Hands over a control, without waiting; `false` when the member stops.
    fn ask(&mut self, control: WatchControl) -> bool;

    /// An output with events was taken.
    fn taken(&mut self) {}
}

/// What remains of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseTimeToLive {
    /// Whole seconds until it expires.
    pub remaining_seconds: i64,
    /// Seconds it was granted for.
    pub granted_seconds: i64,
    /// The attached keys in order, if asked for.
    pub keys: Vec<bytes::Bytes>,
}

/// One member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Never 0.
    pub id: u64,
    /// Empty until it has started.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has started.
    pub client_urls: Vec<String>,
    /// Whether it follows without a vote.
    pub is_learner: bool,
}

/// Sizes and log positions of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Highest log index known to be committed.
    pub committed_index: u64,
    /// Highest log index applied.
    pub applied_index: u64,
    /// Bytes the store takes on disk.
    pub store_bytes: u64,
    /// Bytes of those that hold live data.
    pub store_bytes_in_use: u64,
    /// The space quota, 0 for none.
    pub quota_bytes: u64,
}

/// A hash of the keys, with what it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKv {
    /// The hash.
    pub hash: u32,
    /// The store's newest revision.
    pub revision: Revision,
    /// The revision it was computed up to.
    pub hash_revision: Revision,
    /// The compacted revision at that time.
    pub compacted: Revision,
}

/// A raised alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Who raised it.
    pub member_id: u64,
    /// What for.
    pub kind: AlarmKind,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// The space quota is used up.
    NoSpace,
    /// Replicas differ.
    Corrupt,
}

/// Why the backend did not answer as asked. The edge gives each etcd's code and text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says it")]
pub enum BackendError {
    #[error("the member knows of no leader")]
    NoLeader,
    #[error("the member is not the leader")]
    NotLeader,
    #[error("the leader changed while the request was under way")]
    LeaderChanged,
    #[error("the request timed out")]
    Timeout,
    #[error("the request timed out, perhaps because the leader failed before")]
    TimeoutLeaderFailed,
    #[error("the request timed out, perhaps because a connection was lost")]
    TimeoutConnectionLost,
    #[error("the member is too far behind or too busy")]
    TooManyRequests,
    #[error("the member stops")]
    Stopped,
    #[error("the request is too large for the log")]
    RequestTooLarge,
    #[error("the space quota is used up")]
    NoSpace,
    #[error("replicas differ")]
    Corrupt,
    #[error("too few members are healthy")]
    Unhealthy,
    #[error("a learner does not answer this")]
    Learner,
    #[error("leadership cannot go to that member")]
    BadLeaderTransferee,
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Internal(String),
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlarmKind::NoSpace => "NOSPACE",
            AlarmKind::Corrupt => "CORRUPT",
        })
    }
}
