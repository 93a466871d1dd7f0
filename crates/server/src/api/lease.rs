//! The service Lease: keys that vanish unless their owner lives.
//!
//! The edge decides what needs no state: a lease's identity where the client leaves it open, and its time to live within
//! the least and the longest. Whether it lives is the backend's to say.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use synod_storage::mvcc::{LeaseId, Operation, Outcome, StoreError};
use tonic::{Request, Response, Status, Streaming};

use super::edge::{Edge, Signals, mismatch, requires_leader};
use super::errors;
use super::limits::LEASE_TTL_SECONDS_MAX;
use crate::backend::{Applied, Backend, BackendError};
use crate::proto::etcdserverpb as pb;

/// How often a chosen identity may turn out to be taken before that is an error.
const CHOICES_MAX: usize = 4;

/// Lease over a backend.
pub struct LeaseService<B>(pub Arc<Edge<B>>);

#[tonic::async_trait]
impl<B: Backend> pb::lease_server::Lease for LeaseService<B> {
    async fn lease_grant(
        &self,
        request: Request<pb::LeaseGrantRequest>,
    ) -> Result<Response<pb::LeaseGrantResponse>, Status> {
        let pb::LeaseGrantRequest { ttl, id } = request.into_inner();
        if ttl > LEASE_TTL_SECONDS_MAX {
            return Err(errors::LEASE_TTL_TOO_LARGE.status());
        }
        let ttl_seconds = ttl.max(self.0.limits.lease_ttl_seconds_min());
        let applied =
            if id == 0 { self.grant_any(ttl_seconds).await } else { self.grant(id, ttl_seconds).await };
        let Applied { revision, outcome: Outcome::LeaseGrant { id, ttl_seconds } } = applied? else {
            return Err(mismatch());
        };
        let header = self.0.header(revision);
        Ok(Response::new(pb::LeaseGrantResponse { header, id, ttl: ttl_seconds, error: String::new() }))
    }

    async fn lease_revoke(
        &self,
        request: Request<pb::LeaseRevokeRequest>,
    ) -> Result<Response<pb::LeaseRevokeResponse>, Status> {
        let id = request.into_inner().id;
        let applied = self.0.backend.propose(Operation::LeaseRevoke { id }).await?;
        Ok(Response::new(pb::LeaseRevokeResponse { header: self.0.header(applied.revision) }))
    }

    type LeaseKeepAliveStream =
        Pin<Box<dyn Stream<Item = Result<pb::LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let session = KeepAlive {
            require_leader: requires_leader(request.metadata()),
            inbound: Some(request.into_inner()),
            signals: self.0.signals.clone(),
            edge: Arc::clone(&self.0),
        };
        let answers = stream::unfold(session, |mut session| async move {
            session.next().await.map(|answer| (answer, session))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Response<pb::LeaseTimeToLiveResponse>, Status> {
        let pb::LeaseTimeToLiveRequest { id, keys } = request.into_inner();
        let lease = self.0.backend.lease_time_to_live(id, keys).await?;
        let header = self.0.header_now();
        Ok(Response::new(match lease {
            Some(lease) => pb::LeaseTimeToLiveResponse {
                header,
                id,
                ttl: lease.remaining_seconds,
                granted_ttl: lease.granted_seconds,
                keys: lease.keys,
            },
            None => pb::LeaseTimeToLiveResponse { header, id, ttl: -1, ..Default::default() },
        }))
    }

    async fn lease_leases(
        &self,
        _request: Request<pb::LeaseLeasesRequest>,
    ) -> Result<Response<pb::LeaseLeasesResponse>, Status> {
        let leases = self.0.backend.leases().await?.into_iter().map(|id| pb::LeaseStatus { id }).collect();
        Ok(Response::new(pb::LeaseLeasesResponse { header: self.0.header_now(), leases }))
    }
}

impl<B: Backend> LeaseService<B> {
    async fn grant(&self, id: LeaseId, ttl_seconds: i64) -> Result<Applied, BackendError> {
        self.0.backend.propose(Operation::LeaseGrant { id, ttl_seconds }).await
    }

    /// Chooses an identity, and another one if that is taken.
    async fn grant_any(&self, ttl_seconds: i64) -> Result<Applied, BackendError> {
        for _ in 1..CHOICES_MAX {
            match self.grant(choose_id(), ttl_seconds).await {
                Err(BackendError::Store(StoreError::LeaseExists(_))) => {}
                answer => return answer,
            }
        }
        self.grant(choose_id(), ttl_seconds).await
    }
}

/// A positive identity that no other member is likely to choose.
fn choose_id() -> LeaseId {
    let random = RandomState::new().build_hasher().finish();
    i64::try_from(random >> 1).unwrap_or(i64::MAX).max(1)
}

/// One client's stream of renewals, answered one after the other.
struct KeepAlive<B> {
    edge: Arc<Edge<B>>,
    /// None once the stream has failed.
    inbound: Option<Streaming<pb::LeaseKeepAliveRequest>>,
    signals: Signals,
    require_leader: bool,
}

impl<B: Backend> KeepAlive<B> {
    async fn next(&mut self) -> Option<Result<pb::LeaseKeepAliveResponse, Status>> {
        let answer = tokio::select! {
            answer = renew(&self.edge, self.inbound.as_mut()?) => answer,
            reason = self.signals.end(self.require_leader) => Some(Err(reason)),
        };
        if !matches!(answer, Some(Ok(_))) {
            self.inbound = None;
        }
        answer
    }
}

async fn renew<B: Backend>(
    edge: &Edge<B>,
    inbound: &mut Streaming<pb::LeaseKeepAliveRequest>,
) -> Option<Result<pb::LeaseKeepAliveResponse, Status>> {
    let id = inbound.message().await.ok()??.id;
    // Taken before the renewal: the answer must not claim a revision at which the lease may have gone again.
    let header = edge.header_now();
    Some(match edge.backend.lease_keep_alive(id).await {
        Ok(ttl) => Ok(pb::LeaseKeepAliveResponse { header, id, ttl: ttl.unwrap_or(0) }),
        Err(error) => Err(error.into()),
    })
}
