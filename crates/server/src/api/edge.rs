//! What all services share: the backend, the limits, and the two things that end streams from outside.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic::Status;

use super::limits::Limits;
use crate::backend::{Backend, BackendError, Read};
use crate::metrics::Metrics;
use crate::proto::etcdserverpb::ResponseHeader;

/// The services' common ground.
pub struct Edge<B> {
    /// Who does the work.
    pub backend: Arc<B>,
    /// What clients may ask.
    pub limits: Limits,
    /// How often a watch that asked for it is told that nothing happened; jitter of a tenth is added.
    pub watch_progress_interval: Duration,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What ends streams.
    pub signals: Signals,
}

/// States that end streams that would otherwise last for ever.
#[derive(Clone, Debug)]
pub struct Signals {
    /// The server stops.
    pub stopping: watch::Receiver<bool>,
    /// There has been no leader for long enough to give up clients that require one.
    pub leaderless: watch::Receiver<bool>,
}

impl<B: Backend> Edge<B> {
    /// The header of an answer at `revision`.
    pub fn header(&self, revision: i64) -> Option<ResponseHeader> {
        let identity = self.backend.identity();
        Some(ResponseHeader {
            cluster_id: identity.cluster_id,
            member_id: identity.member_id,
            revision,
            raft_term: self.backend.position().term,
        })
    }

    /// The header of an answer that says nothing of the store: it is given the newest revision all the same.
    pub fn header_now(&self) -> Option<ResponseHeader> {
        self.header(self.backend.position().revision)
    }

    /// Splits what was read from its header.
    pub fn read<T>(&self, read: Read<T>) -> (Option<ResponseHeader>, T) {
        (self.header(read.revision), read.response)
    }
}

/// Whether a client wants to be refused, rather than to wait, while there is no leader.
pub fn requires_leader(request: &synod_grpc::Request) -> bool {
    request.field("hasleader") == Some(b"true")
}

/// The backend answered an operation with the outcome of another kind: a fault of this program.
pub fn mismatch() -> Status {
    Status::from(BackendError::Internal("the outcome is of another kind than its operation".to_owned()))
}
