//! Requests and answers of the store, in etcd's terms but free of any wire format.
//!
//! Revisions, versions and lease ids are `i64`, as in etcd's API. A key or value is shared bytes: cloning a request or an
//! answer never copies what a client stored.

use bytes::Bytes;

use crate::kv::KvError;

/// A store-wide revision; an empty store is at 1, each changing operation raises it by one.
pub type Revision = i64;
/// A lease's identity; 0 stands for "no lease".
pub type LeaseId = i64;

/// One version of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyValue {
    pub key: Bytes,
    pub value: Bytes,
    /// Revision at which this life of the key began.
    pub create_revision: Revision,
    /// Revision of this version.
    pub mod_revision: Revision,
    /// Number of puts in this life of the key; 0 in a deletion's event.
    pub version: i64,
    /// The lease it is attached to, 0 for none.
    pub lease: LeaseId,
}

/// etcd's pair of `key` and `range_end`: an empty end means the one key, an end of `"\0"` every key from `key` on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyRange {
    pub key: Bytes,
    pub end: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortOrder {
    #[default]
    None,
    Ascend,
    Descend,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortTarget {
    #[default]
    Key,
    Version,
    Create,
    Mod,
    Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeRequest {
    pub range: KeyRange,
    /// Most keys in the answer; 0 for no limit.
    pub limit: i64,
    /// The revision to read at; 0 or less for the newest.
    pub revision: Revision,
    pub sort_order: SortOrder,
    pub sort_target: SortTarget,
    pub keys_only: bool,
    pub count_only: bool,
    /// Bounds on revisions, inclusive; 0 for none.
    pub min_mod_revision: Revision,
    pub max_mod_revision: Revision,
    pub min_create_revision: Revision,
    pub max_create_revision: Revision,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeResponse {
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut something off.
    pub more: bool,
    /// All keys in the range at that revision, whatever limit and filters cut.
    pub count: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutRequest {
    pub key: Bytes,
    pub value: Bytes,
    /// The lease to attach to; 0 detaches.
    pub lease: LeaseId,
    pub prev_kv: bool,
    /// Keep the present value; the key must exist.
    pub ignore_value: bool,
    /// Keep the present lease; the key must exist.
    pub ignore_lease: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutResponse {
    pub prev_kv: Option<KeyValue>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeleteRequest {
    pub range: KeyRange,
    pub prev_kv: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeleteResponse {
    pub deleted: i64,
    pub prev_kvs: Vec<KeyValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareResult {
    Equal,
    Greater,
    Less,
    NotEqual,
}

/// What a comparison looks at, with the value to compare against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompareTarget {
    Version(i64),
    Create(Revision),
    Mod(Revision),
    Value(Bytes),
    Lease(LeaseId),
}

/// One guard of a transaction; over a range it must hold for every key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compare {
    pub range: KeyRange,
    pub result: CompareResult,
    pub target: CompareTarget,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxnRequest {
    pub compare: Vec<Compare>,
    pub success: Vec<RequestOp>,
    pub failure: Vec<RequestOp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestOp {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRequest),
    Txn(TxnRequest),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxnResponse {
    pub succeeded: bool,
    pub responses: Vec<ResponseOp>,
}

/// Answer of one operation of a transaction. Each header there carries a revision, as etcd's do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResponseOp {
    Range { revision: Revision, response: RangeResponse },
    Put { revision: Revision, response: PutResponse },
    Delete { revision: Revision, response: DeleteResponse },
    Txn { revision: Revision, response: TxnResponse },
}

/// A change to the store, as it stands in the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Put(PutRequest),
    Delete(DeleteRequest),
    Txn(TxnRequest),
    /// Forget history below `revision`.
    Compact {
        revision: Revision,
    },
    /// `id` is chosen before it is proposed (never 0); `ttl_seconds` is already raised to the minimum.
    LeaseGrant {
        id: LeaseId,
        ttl_seconds: i64,
    },
    /// Deletes the lease and all of its keys, in one revision.
    LeaseRevoke {
        id: LeaseId,
    },
}

/// What applying an [`Operation`] gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Put(PutResponse),
    Delete(DeleteResponse),
    Txn(TxnResponse),
    Compact,
    LeaseGrant { id: LeaseId, ttl_seconds: i64 },
    LeaseRevoke,
}

/// Why the store refused; the server gives each etcd's code and text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    #[error("revision {requested} has been compacted, the oldest readable one is {compacted}")]
    Compacted { requested: Revision, compacted: Revision },
    #[error("revision {requested} is in the future, the store is at {current}")]
    FutureRevision { requested: Revision, current: Revision },
    #[error("key not found")]
    KeyNotFound,
    #[error("lease {0:x} not found")]
    LeaseNotFound(LeaseId),
    #[error("lease {0:x} exists already")]
    LeaseExists(LeaseId),
    #[error("duplicate key in one transaction")]
    DuplicateKey,
    #[error("more than {limit} operations in one transaction")]
    TooManyOperations { limit: usize },
    #[error("an empty key")]
    EmptyKey,
    #[error("a key is longer than {limit} bytes")]
    KeyTooLong { limit: usize },
    #[error("a write in a transaction that was taken for read-only")]
    WriteInReadOnlyTxn,
    #[error("the snapshot cannot be installed: {0}")]
    Snapshot(String),
    #[error("the store cannot read or write: {0}")]
    Engine(String),
}

impl StoreError {
    /// Whether this replica's state is in doubt: it must stop, and must not answer the client with this.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Engine(_))
    }
}

impl From<KvError> for StoreError {
    fn from(error: KvError) -> Self {
        Self::Engine(error.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    Put,
    Delete,
}

/// One change to one key, as watchers see it. A deletion's `kv` has only its key and `mod_revision`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    pub kind: EventKind,
    pub kv: KeyValue,
    /// The version before, unless there was none or it has been compacted.
    pub prev_kv: Option<KeyValue>,
}
