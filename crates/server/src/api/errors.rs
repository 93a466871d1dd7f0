//! Every error a client can get, with etcd 3.5's code and text, since clients compare the text.
//!
//! The table has all of etcd's client-visible errors, also those whose services are not built: so that there is one
//! place to look, and a client library's own table can be checked against it. What has no counterpart in etcd begins with
//! `synod:`.

use synod_storage::mvcc::StoreError;
use tonic::{Code, Status};

use crate::backend::BackendError;

/// A code and a text that a client may match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The gRPC code.
    pub code: Code,
    /// The text, as it follows `desc =` in a Go client's error.
    pub text: &'static str,
}

impl ApiError {
    /// The answer that carries it.
    pub fn status(self) -> Status {
        Status::new(self.code, self.text)
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Status {
        error.status()
    }
}

macro_rules! table {
    ($($name:ident = $code:ident, $text:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            pub const $name: ApiError = ApiError { code: Code::$code, text: $text };
        )*
        /// The whole table.
        pub const ALL: &[ApiError] = &[$($name),*];
    };
}

table! {
    EMPTY_KEY = InvalidArgument, "etcdserver: key is not provided";
    KEY_NOT_FOUND = InvalidArgument, "etcdserver: key not found";
    VALUE_PROVIDED = InvalidArgument, "etcdserver: value is provided";
    LEASE_PROVIDED = InvalidArgument, "etcdserver: lease is provided";
    TOO_MANY_OPERATIONS = InvalidArgument, "etcdserver: too many operations in txn request";
    DUPLICATE_KEY = InvalidArgument, "etcdserver: duplicate key given in txn request";
    INVALID_CLIENT_API_VERSION = InvalidArgument, "etcdserver: invalid client api version";
    INVALID_SORT_OPTION = InvalidArgument, "etcdserver: invalid sort option";
    COMPACTED = OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    FUTURE_REVISION = OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    NO_SPACE = ResourceExhausted, "etcdserver: mvcc: database space exceeded";

    LEASE_NOT_FOUND = NotFound, "etcdserver: requested lease not found";
    LEASE_EXISTS = FailedPrecondition, "etcdserver: lease already exists";
    LEASE_TTL_TOO_LARGE = OutOfRange, "etcdserver: too large lease TTL";

    WATCH_CANCELED = Cancelled, "etcdserver: watch canceled";

    MEMBER_EXISTS = FailedPrecondition, "etcdserver: member ID already exist";
    PEER_URL_EXISTS = FailedPrecondition, "etcdserver: Peer URLs already exists";
    TOO_FEW_STARTED_MEMBERS = FailedPrecondition,
        "etcdserver: re-configuration failed due to not enough started members";
    BAD_MEMBER_URLS = InvalidArgument, "etcdserver: given member URLs are invalid";
    MEMBER_NOT_FOUND = NotFound, "etcdserver: member not found";
    MEMBER_NOT_LEARNER = FailedPrecondition, "etcdserver: can only promote a learner member";
    LEARNER_NOT_READY = FailedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader";
    TOO_MANY_LEARNERS = FailedPrecondition, "etcdserver: too many learner members in cluster";
    CLUSTER_ID_MISMATCH = FailedPrecondition, "etcdserver: cluster ID mismatch";

    REQUEST_TOO_LARGE = InvalidArgument, "etcdserver: request is too large";
    TOO_MANY_REQUESTS = ResourceExhausted, "etcdserver: too many requests";

    ROOT_USER_NOT_FOUND = FailedPrecondition, "etcdserver: root user does not exist";
    ROOT_ROLE_NOT_FOUND = FailedPrecondition, "etcdserver: root user does not have root role";
    USER_EXISTS = FailedPrecondition, "etcdserver: user name already exists";
    USER_EMPTY = InvalidArgument, "etcdserver: user name is empty";
    USER_NOT_FOUND = FailedPrecondition, "etcdserver: user name not found";
    ROLE_EXISTS = FailedPrecondition, "etcdserver: role name already exists";
    ROLE_NOT_FOUND = FailedPrecondition, "etcdserver: role name not found";
    ROLE_EMPTY = InvalidArgument, "etcdserver: role name is empty";
    AUTH_FAILED = InvalidArgument, "etcdserver: authentication failed, invalid user ID or password";
    PERMISSION_NOT_GIVEN = InvalidArgument, "etcdserver: permission not given";
    PERMISSION_DENIED = PermissionDenied, "etcdserver: permission denied";
    ROLE_NOT_GRANTED = FailedPrecondition, "etcdserver: role is not granted to the user";
    PERMISSION_NOT_GRANTED = FailedPrecondition, "etcdserver: permission is not granted to the role";
    AUTH_NOT_ENABLED = FailedPrecondition, "etcdserver: authentication is not enabled";
    INVALID_AUTH_TOKEN = Unauthenticated, "etcdserver: invalid auth token";
    INVALID_AUTH_MANAGEMENT = InvalidArgument, "etcdserver: invalid auth management";
    AUTH_OLD_REVISION = InvalidArgument, "etcdserver: revision of auth store is old";

    NO_LEADER = Unavailable, "etcdserver: no leader";
    NOT_LEADER = FailedPrecondition, "etcdserver: not leader";
    LEADER_CHANGED = Unavailable, "etcdserver: leader changed";
    NOT_CAPABLE = Unavailable, "etcdserver: not capable";
    STOPPED = Unavailable, "etcdserver: server stopped";
    TIMEOUT = Unavailable, "etcdserver: request timed out";
    TIMEOUT_LEADER_FAILED = Unavailable,
        "etcdserver: request timed out, possibly due to previous leader failure";
    TIMEOUT_CONNECTION_LOST = Unavailable, "etcdserver: request timed out, possibly due to connection lost";
    TIMEOUT_APPLIED_INDEX = Unavailable,
        "etcdserver: request timed out, waiting for the applied index took too long";
    UNHEALTHY = Unavailable, "etcdserver: unhealthy cluster";
    CORRUPT = DataLoss, "etcdserver: corrupt cluster";
    LEARNER = Unavailable, "etcdserver: rpc not supported for learner";
    BAD_LEADER_TRANSFEREE = FailedPrecondition, "etcdserver: bad leader transferee";

    CLUSTER_VERSION_UNAVAILABLE = Unavailable, "etcdserver: cluster version not found during downgrade";
    WRONG_DOWNGRADE_VERSION_FORMAT = InvalidArgument, "etcdserver: wrong downgrade target version format";
    INVALID_DOWNGRADE_TARGET_VERSION = InvalidArgument, "etcdserver: invalid downgrade target version";
    DOWNGRADE_IN_PROGRESS = FailedPrecondition, "etcdserver: cluster has a downgrade job in progress";
    NO_DOWNGRADE_IN_PROGRESS = FailedPrecondition, "etcdserver: no inflight downgrade job";

    CANCELED = Cancelled, "etcdserver: request canceled";
    DEADLINE_EXCEEDED = DeadlineExceeded, "etcdserver: context deadline exceeded";

    UNKNOWN_COMPARE = InvalidArgument, "synod: unknown result or target in a comparison";
}

/// Why a watch is refused; they stand in `cancel_reason`, not in a status.
pub mod watch {
    /// The range's end is not after its key.
    pub const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
    /// The identity asked for is taken.
    pub const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";
    /// The stream has as many watches as it may have.
    pub const TOO_MANY: &str = "synod: too many watches on one stream";
}

impl From<BackendError> for Status {
    fn from(error: BackendError) -> Status {
        let known = match error {
            BackendError::NoLeader => NO_LEADER,
            BackendError::NotLeader => NOT_LEADER,
            BackendError::LeaderChanged => LEADER_CHANGED,
            BackendError::Timeout => TIMEOUT,
            BackendError::TimeoutLeaderFailed => TIMEOUT_LEADER_FAILED,
            BackendError::TimeoutConnectionLost => TIMEOUT_CONNECTION_LOST,
            BackendError::TooManyRequests => TOO_MANY_REQUESTS,
            BackendError::Stopped => STOPPED,
            BackendError::RequestTooLarge => REQUEST_TOO_LARGE,
            BackendError::NoSpace => NO_SPACE,
            BackendError::Corrupt => CORRUPT,
            BackendError::Unhealthy => UNHEALTHY,
            BackendError::Learner => LEARNER,
            BackendError::BadLeaderTransferee => BAD_LEADER_TRANSFEREE,
            BackendError::Store(error) => return store_status(error),
            BackendError::Unsupported(what) => return unsupported(what),
            BackendError::Internal(text) => return Status::unknown(format!("synod: {text}")),
        };
        known.status()
    }
}

/// The answer to an RPC that is declared and not built.
pub fn unsupported(what: &str) -> Status {
    Status::unimplemented(format!("synod: {what} is not supported"))
}

/// The codec refuses a message that is too large before it reads it; this is what Go's gRPC says then. None if `status` says
/// something else.
pub fn message_too_large(status: &Status) -> Option<Status> {
    let sizes = status.message().strip_prefix("Error, decoded message length too large: found ")?;
    let mut numbers = sizes.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    let (found, limit) = (numbers.next()?, numbers.next()?);
    Some(Status::resource_exhausted(format!("grpc: received message larger than max ({found} vs. {limit})")))
}

/// What the store's refusals are called.
pub fn store_status(error: StoreError) -> Status {
    let known = match error {
        StoreError::Compacted { .. } => COMPACTED,
        StoreError::FutureRevision { .. } => FUTURE_REVISION,
        StoreError::KeyNotFound => KEY_NOT_FOUND,
        StoreError::LeaseNotFound(_) => LEASE_NOT_FOUND,
        StoreError::LeaseExists(_) => LEASE_EXISTS,
        StoreError::DuplicateKey => DUPLICATE_KEY,
        StoreError::TooManyOperations { .. } => TOO_MANY_OPERATIONS,
        StoreError::EmptyKey => EMPTY_KEY,
        StoreError::KeyTooLong { .. } => REQUEST_TOO_LARGE,
        // The edge takes apart what reads and what writes; this is a fault of the program.
        StoreError::WriteInReadOnlyTxn => return Status::internal(format!("synod: {error}")),
        StoreError::Snapshot(text) | StoreError::Engine(text) => {
            return Status::unknown(format!("synod: {text}"));
        }
    };
    known.status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_unique_so_that_a_text_names_one_error() {
        for (index, error) in ALL.iter().enumerate() {
            assert!(
                ALL[index + 1..].iter().all(|other| other.text != error.text),
                "{:?} stands in the table twice",
                error.text
            );
        }
    }

    #[test]
    fn retryable_refusals_are_unavailable() {
        // Clients retry on this code; a definite refusal must not have it.
        for error in [BackendError::NoLeader, BackendError::Stopped, BackendError::Timeout] {
            assert_eq!(Status::from(error).code(), Code::Unavailable);
        }
        for error in [StoreError::KeyNotFound, StoreError::DuplicateKey, StoreError::LeaseExists(7)] {
            assert_ne!(store_status(error).code(), Code::Unavailable);
        }
    }
}
