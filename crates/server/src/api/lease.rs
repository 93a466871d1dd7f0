//! The service Lease: keys that vanish unless their owner lives.
//!
//! The edge decides what needs no state: a lease's identity where the client leaves it open, and its time to live within
//! the least and the longest. Whether it lives is the backend's to say.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use synod_storage::mvcc::{LeaseId, Operation, Outcome, StoreError};
use tonic::Status;

use super::edge::{Edge, mismatch};
use super::errors;
use super::limits::LEASE_TTL_SECONDS_MAX;
use crate::backend::{Applied, Backend, BackendError};
use crate::proto::etcdserverpb as pb;

/// How often a chosen identity may turn out to be taken before that is an error.
const CHOICES_MAX: usize = 4;

/// Lease over a backend.
pub struct LeaseService<B>(pub Arc<Edge<B>>);

impl<B: Backend> LeaseService<B> {
    /// Grants a lease.
    ///
    /// # Errors
    /// As the backend refuses; so it is with all that follow.
    pub async fn lease_grant(
        &self,
        request: pb::LeaseGrantRequest,
    ) -> Result<pb::LeaseGrantResponse, Status> {
        let pb::LeaseGrantRequest { ttl, id } = request;
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
        Ok(pb::LeaseGrantResponse { header, id, ttl: ttl_seconds, error: String::new() })
    }

    /// Ends a lease, and its keys with it.
    pub async fn lease_revoke(
        &self,
        request: pb::LeaseRevokeRequest,
    ) -> Result<pb::LeaseRevokeResponse, Status> {
        let id = request.id;
        let applied = self.0.backend.propose(Operation::LeaseRevoke { id }).await?;
        Ok(pb::LeaseRevokeResponse { header: self.0.header(applied.revision) })
    }

    /// Renews a lease, once.
    pub async fn renew(
        &self,
        request: pb::LeaseKeepAliveRequest,
    ) -> Result<pb::LeaseKeepAliveResponse, Status> {
        let id = request.id;
        // Taken before the renewal: the answer must not claim a revision at which the lease may have gone again.
        let header = self.0.header_now();
        let ttl = self.0.backend.lease_keep_alive(id).await?;
        Ok(pb::LeaseKeepAliveResponse { header, id, ttl: ttl.unwrap_or(0) })
    }

    /// What remains of a lease.
    pub async fn lease_time_to_live(
        &self,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, Status> {
        let pb::LeaseTimeToLiveRequest { id, keys } = request;
        let lease = self.0.backend.lease_time_to_live(id, keys).await?;
        let header = self.0.header_now();
        Ok(match lease {
            Some(lease) => pb::LeaseTimeToLiveResponse {
                header,
                id,
                ttl: lease.remaining_seconds,
                granted_ttl: lease.granted_seconds,
                keys: lease.keys,
            },
            None => pb::LeaseTimeToLiveResponse { header, id, ttl: -1, ..Default::default() },
        })
    }

    /// All leases.
    pub async fn lease_leases(
        &self,
        _request: pb::LeaseLeasesRequest,
    ) -> Result<pb::LeaseLeasesResponse, Status> {
        let leases = self.0.backend.leases().await?.into_iter().map(|id| pb::LeaseStatus { id }).collect();
        Ok(pb::LeaseLeasesResponse { header: self.0.header_now(), leases })
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
