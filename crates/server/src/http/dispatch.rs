//! From a request to its service.
//!
//! What holds for every RPC alike is decided here, before the request is read: whether the client wants a leader and there is one,
//! whether a learner answers it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use prost::Message;
use tonic::Status;

use super::calls::{Calls, Learner, Method, ROWS};
use crate::api::encode::RangeAnswer;
use crate::api::pieces::Large;
use crate::api::{
    ClusterService, Edge, HealthService, KvService, LeaseService, MaintenanceService, errors, requires_leader,
};
use crate::backend::{Backend, KEYS_AT_ONCE_MAX};
use crate::proto::etcdserverpb as pb;

/// An answer under way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Bytes, Status>> + Send>>;

/// A large answer under way.
pub type AnsweringAtLarge = Pin<Box<dyn Future<Output = Result<Large, Status>> + Send>>;

/// The answer to a call of one message.
pub enum Answered {
    /// It took no waiting: a read of what this member has, or a request that cannot be understood.
    Now(Result<RangeAnswer, Status>),
    /// It is under way.
    Later(Answering),
    /// It is under way, and may be too large to be there as a whole.
    Large(AnsweringAtLarge),
}

/// All services of one edge.
pub struct Dispatch<B: Backend> {
    /// What they share.
    pub edge: Arc<Edge<B>>,
    /// Counters.
    pub calls: Arc<Calls>,
    /// The service Health.
    pub health: HealthService,
}

impl<B: Backend> Dispatch<B> {
    /// The services over that edge.
    pub fn new(edge: Arc<Edge<B>>) -> Self {
        Dispatch {
            calls: Arc::new(Calls::new(&edge.metrics)),
            health: HealthService(edge.signals.clone()),
            edge,
        }
    }

    /// Why an RPC is refused before it is looked at, in etcd's order.
    pub fn refusal(&self, row: usize, request: &synod_grpc::Request) -> Option<Status> {
        let position = self.edge.backend.position();
        if position.is_learner && ROWS[row].learner == Learner::Refuses {
            return Some(errors::LEARNER.status());
        }
        if request.field("client-api-version").is_some_and(|version| std::str::from_utf8(version).is_err()) {
            return Some(errors::INVALID_CLIENT_API_VERSION.status());
        }
        (requires_leader(request) && position.leader.is_none()).then(|| errors::NO_LEADER.status())
    }

    /// Answers a call of one message.
    pub fn answer(&self, method: Method, message: Bytes) -> Answered {
        let edge = Arc::clone(&self.edge);
        Answered::Later(match method {
            Method::Range => return range(edge, &message),
            Method::Put => answering(message, |request| async move { KvService(edge).put(request).await }),
            Method::Txn => answering(message, |request| async move { KvService(edge).txn(request).await }),
            Method::DeleteRange => {
                answering(message, |request| async move { KvService(edge).delete_range(request).await })
            }
            Method::Compact => {
                answering(message, |request| async move { KvService(edge).compact(request).await })
            }
            _ => self.answer_seldom(method, message),
        })
    }

    /// Renews a lease.
    pub fn renew(&self, message: Bytes) -> Answering {
        self.answer_seldom(Method::LeaseKeepAlive, message)
    }

    fn answer_seldom(&self, method: Method, message: Bytes) -> Answering {
        let edge = Arc::clone(&self.edge);
        let health = HealthService(self.edge.signals.clone());
        macro_rules! of {
            ($service:ident . $call:ident) => {
                answering(message, |request| async move { $service(edge).$call(request).await })
            };
        }
        match method {
            Method::LeaseKeepAlive => of!(LeaseService.renew),
            Method::LeaseGrant => of!(LeaseService.lease_grant),
            Method::LeaseRevoke => of!(LeaseService.lease_revoke),
            Method::LeaseTimeToLive => of!(LeaseService.lease_time_to_live),
            Method::LeaseLeases => of!(LeaseService.lease_leases),
            Method::Status => of!(MaintenanceService.status),
            Method::Alarm => of!(MaintenanceService.alarm),
            Method::Defragment => of!(MaintenanceService.defragment),
            Method::Hash => of!(MaintenanceService.hash),
            Method::HashKv => of!(MaintenanceService.hash_kv),
            Method::MoveLeader => of!(MaintenanceService.move_leader),
            Method::Downgrade => of!(MaintenanceService.downgrade),
            Method::MemberList => of!(ClusterService.member_list),
            Method::MemberAdd => of!(ClusterService.member_add),
            Method::MemberRemove => of!(ClusterService.member_remove),
            Method::MemberUpdate => of!(ClusterService.member_update),
            Method::MemberPromote => of!(ClusterService.member_promote),
            Method::HealthCheck => answering(message, |request| async move { health.check(request).await }),
            method => {
                let refusal = Status::internal(format!("synod: {method:?} has not one answer"));
                Box::pin(std::future::ready(Err(refusal)))
            }
        }
    }
}

/// Reads a message.
///
/// # Errors
/// Internal, as Go's gRPC has it.
pub fn decode<M: Message + Default>(message: &Bytes) -> Result<M, Status> {
    M::decode(message.clone())
        .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))
}

fn answering<Q, A, F>(message: Bytes, service: impl FnOnce(Q) -> F + Send + 'static) -> Answering
where
    Q: Message + Default,
    A: Message,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    Box::pin(async move {
        let asked = service(decode(&message)?);
        drop(message);
        Ok(asked.await?.encode_to_vec().into())
    })
}

fn range<B: Backend>(edge: Arc<Edge<B>>, message: &Bytes) -> Answered {
    let request: pb::RangeRequest = match decode(message) {
        Ok(request) => request,
        Err(status) => return Answered::Now(Err(status)),
    };
    let (is_large, is_serializable) = (is_large(&request), request.serializable);
    if is_serializable && !is_large {
        // What this member has is there at once. A backend that does wait is asked again: a read may be done twice.
        if let Some(answer) = KvService(Arc::clone(&edge)).range(request.clone()).now_or_never() {
            return Answered::Now(answer);
        }
    }
    if is_large {
        return Answered::Large(Box::pin(async move {
            match tokio::spawn(async move { KvService(edge).range_at_large(request).await }).await {
                Ok(answer) => answer,
                Err(failed) => Err(Status::internal(format!("synod: the read failed: {failed}"))),
            }
        }));
    }
    let reading = async move {
        let answer = KvService(edge).range(request).await?;
        let mut out = BytesMut::new();
        answer.encode(&mut out);
        Ok(out.freeze())
    };
    Answered::Later(Box::pin(reading))
}

/// Whether a read may take long enough for others of its connection to notice: a task of its own does it then.
fn is_large(request: &pb::RangeRequest) -> bool {
    !request.range_end.is_empty() && !(1..=KEYS_AT_ONCE_MAX).contains(&request.limit)
}
