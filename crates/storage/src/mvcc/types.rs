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
    /// Whose version it is.
    pub key: Bytes,
    /// What the client stored; empty in a deletion's event.
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
    /// The first key, or the only one.
    pub key: Bytes,
    /// The key after the last; see above for the two special ones.
    pub end: Bytes,
}

/// Whether a range is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// As they come.
    #[default]
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
}

/// What a range is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortTarget {
    /// By key.
    #[default]
    Key,
    /// By version.
    Version,
    /// By create revision.
    Create,
    /// By mod revision.
    Mod,
    /// By value.
    Value,
}

/// Reads a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// Most keys in the answer; 0 for no limit.
    pub limit: i64,
    /// The revision to read at; 0 or less for the newest.
    pub revision: Revision,
    /// Whether to sort.
    pub sort_order: SortOrder,
    /// By what.
    pub sort_target: SortTarget,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count.
    pub count_only: bool,
    /// Bounds on revisions, inclusive; 0 for none.
    pub min_mod_revision: Revision,
    /// See `min_mod_revision`.
    pub max_mod_revision: Revision,
    /// See `min_mod_revision`.
    pub min_create_revision: Revision,
    /// See `min_mod_revision`.
    pub max_create_revision: Revision,
}

/// What a range holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeResponse {
    /// The versions found, in the order asked for.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit cut something off.
    pub more: bool,
    /// All keys in the range at that revision, whatever limit and filters cut.
    pub count: i64,
}

/// Writes a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutRequest {
    /// Never empty.
    pub key: Bytes,
    /// What to store.
    pub value: Bytes,
    /// The lease to attach to; 0 detaches.
    pub lease: LeaseId,
    /// Give the version before back.
    pub prev_kv: bool,
    /// Keep the present value; the key must exist.
    pub ignore_value: bool,
    /// Keep the present lease; the key must exist.
    pub ignore_lease: bool,
}

/// What a put gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutResponse {
    /// The version before, if it was asked for and there was one.
    pub prev_kv: Option<KeyValue>,
}

/// Deletes a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeleteRequest {
    /// Which keys.
    pub range: KeyRange,
    /// Give the deleted versions back.
    pub prev_kv: bool,
}

/// What a deletion gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeleteResponse {
    /// How many keys.
    pub deleted: i64,
    /// What they held, if it was asked for.
    pub prev_kvs: Vec<KeyValue>,
}

/// How two things must relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareResult {
    /// What is found equals what is given.
    Equal,
    /// What is found is greater.
    Greater,
    /// What is found is less.
    Less,
    /// What is found differs.
    NotEqual,
}

/// What a comparison looks at, with the value to compare against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompareTarget {
    /// The version, 0 for a missing key.
    Version(i64),
    /// The create revision, 0 for a missing key.
    Create(Revision),
    /// The mod revision, 0 for a missing key.
    Mod(Revision),
    /// The value; a missing key compares to nothing.
    Value(Bytes),
    /// The lease, 0 for none.
    Lease(LeaseId),
}

/// One guard of a transaction; over a range it must hold for every key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compare {
    /// Which keys.
    pub range: KeyRange,
    /// How what is found must relate to what is given.
    pub result: CompareResult,
    /// What is compared, and with what.
    pub target: CompareTarget,
}

/// Compares, then runs one branch or the other, all in one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxnRequest {
    /// All must hold.
    pub compare: Vec<Compare>,
    /// Runs if they do.
    pub success: Vec<RequestOp>,
    /// Runs if one does not.
    pub failure: Vec<RequestOp>,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestOp {
    /// Read.
    Range(RangeRequest),
    /// Write.
    Put(PutRequest),
    /// Delete.
    Delete(DeleteRequest),
    /// Choose again.
    Txn(TxnRequest),
}

/// What a transaction gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TxnResponse {
    /// Which branch ran.
    pub succeeded: bool,
    /// The answers of that branch, in order.
    pub responses: Vec<ResponseOp>,
}

/// Answer of one operation of a transaction. Each header there carries a revision, as etcd's do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResponseOp {
    /// What was read.
    Range {
        /// The store's revision at this point of the transaction.
        revision: Revision,
        /// The answer.
        response: RangeResponse,
    },
    /// What was written.
    Put {
        /// The store's revision at this point of the transaction.
        revision: Revision,
        /// The answer.
        response: PutResponse,
    },
    /// What was deleted.
    Delete {
        /// The store's revision at this point of the transaction.
        revision: Revision,
        /// The answer.
        response: DeleteResponse,
    },
    /// What the nested transaction gave.
    Txn {
        /// The store's revision at this point of the transaction.
        revision: Revision,
        /// The answer.
        response: TxnResponse,
    },
}

/// A change to the store, as it stands in the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Write a key.
    Put(PutRequest),
    /// Delete keys.
    Delete(DeleteRequest),
    /// Compare, then do one thing or another.
    Txn(TxnRequest),
    /// Forget history below `revision`.
    Compact {
        /// The oldest that can still be read.
        revision: Revision,
    },
    /// `id` is chosen before it is proposed (never 0); `ttl_seconds` is already raised to the minimum.
    LeaseGrant {
        /// Not taken yet.
        id: LeaseId,
        /// How long it lives without being kept alive, in seconds.
        ttl_seconds: i64,
    },
    /// Deletes the lease and all of its keys, in one revision.
    LeaseRevoke {
        /// Which one.
        id: LeaseId,
    },
}

/// What applying an [`Operation`] gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Of a put.
    Put(PutResponse),
    /// Of a deletion.
    Delete(DeleteResponse),
    /// Of a transaction.
    Txn(TxnResponse),
    /// History is forgotten.
    Compact,
    /// The lease exists.
    LeaseGrant {
        /// Its id.
        id: LeaseId,
        /// How long it lives without being kept alive, in seconds.
        ttl_seconds: i64,
    },
    /// The lease and its keys are gone.
    LeaseRevoke,
}

/// Why the store refused; the server gives each etcd's code and text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// That revision has been forgotten.
    #[error("revision {requested} has been compacted, the oldest readable one is {compacted}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest that can be read.
        compacted: Revision,
    },
    /// That revision is yet to come.
    #[error("revision {requested} is in the future, the store is at {current}")]
    FutureRevision {
        /// What was asked for.
        requested: Revision,
        /// The newest there is.
        current: Revision,
    },
    /// A put that keeps value or lease, of a key that is not there.
    #[error("key not found")]
    KeyNotFound,
    /// No such lease.
    #[error("lease {0:x} not found")]
    LeaseNotFound(LeaseId),
    /// The id is taken, or is 0.
    #[error("lease {0:x} exists already")]
    LeaseExists(LeaseId),
    /// A transaction touches a key twice.
    #[error("duplicate key in one transaction")]
    DuplicateKey,
    /// A transaction is too large or nested too deeply.
    #[error("more than {limit} operations in one transaction")]
    TooManyOperations {
        /// How many are allowed.
        limit: usize,
    },
    /// A put without a key.
    #[error("an empty key")]
    EmptyKey,
    /// A key that no engine could hold.
    #[error("a key is longer than {limit} bytes")]
    KeyTooLong {
        /// The longest that is allowed, in bytes.
        limit: usize,
    },
    /// A view was asked to write.
    #[error("a write in a transaction that was taken for read-only")]
    WriteInReadOnlyTxn,
    /// A chunk or a whole snapshot that does not fit; nothing was changed.
    #[error("the snapshot cannot be installed: {0}")]
    Snapshot(String),
    /// The engine failed, or holds what the store did not write. The replica must stop.
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

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A key was written.
    Put,
    /// A key was deleted.
    Delete,
}

/// One change to one key, as watchers see it. A deletion's `kv` has only its key and `mod_revision`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The version written; of a deletion key and mod revision.
    pub kv: KeyValue,
    /// The version before, unless there was none or it has been compacted.
    pub prev_kv: Option<KeyValue>,
}
