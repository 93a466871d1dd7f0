//! From a request's path to its service.
//!
//! What holds for every RPC alike is decided here, before the request is read: whether the RPC exists, whether the client
//! wants a leader and there is one, whether a learner answers it.

use std::sync::Arc;

use ::http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};

use super::body::{Budget, RequestBody, ResponseBody};
use super::probes;
use crate::api::{
    ClusterService, Edge, HealthService, KvService, LeaseService, MaintenanceService, WatchService, errors,
};
use crate::backend::Backend;
use crate::metrics::{Call, Metrics, Rpc};
use crate::proto::etcdserverpb::{
    cluster_server::ClusterServer, kv_server::KvServer, lease_server::LeaseServer,
    maintenance_server::MaintenanceServer, watch_server::WatchServer,
};
use crate::proto::health::health_server::HealthServer;

/// Every RPC; those that are called most stand first. Each names the service that has it.
const RPCS: &[(ServiceName, Learner, Rpc)] = &[
    unary(ServiceName::Kv, Learner::Decides, "/etcdserverpb.KV/Range"),
    unary(ServiceName::Kv, Learner::Refuses, "/etcdserverpb.KV/Put"),
    unary(ServiceName::Kv, Learner::Refuses, "/etcdserverpb.KV/Txn"),
    unary(ServiceName::Kv, Learner::Refuses, "/etcdserverpb.KV/DeleteRange"),
    unary(ServiceName::Kv, Learner::Refuses, "/etcdserverpb.KV/Compact"),
    bidirectional(ServiceName::Watch, "/etcdserverpb.Watch/Watch"),
    bidirectional(ServiceName::Lease, "/etcdserverpb.Lease/LeaseKeepAlive"),
    unary(ServiceName::Lease, Learner::Refuses, "/etcdserverpb.Lease/LeaseGrant"),
    unary(ServiceName::Lease, Learner::Refuses, "/etcdserverpb.Lease/LeaseRevoke"),
    unary(ServiceName::Lease, Learner::Refuses, "/etcdserverpb.Lease/LeaseTimeToLive"),
    unary(ServiceName::Lease, Learner::Refuses, "/etcdserverpb.Lease/LeaseLeases"),
    unary(ServiceName::Maintenance, Learner::Decides, "/etcdserverpb.Maintenance/Status"),
    unary(ServiceName::Cluster, Learner::Refuses, "/etcdserverpb.Cluster/MemberList"),
    unary(ServiceName::Cluster, Learner::Refuses, "/etcdserverpb.Cluster/MemberAdd"),
    unary(ServiceName::Cluster, Learner::Refuses, "/etcdserverpb.Cluster/MemberRemove"),
    unary(ServiceName::Cluster, Learner::Refuses, "/etcdserverpb.Cluster/MemberUpdate"),
    unary(ServiceName::Cluster, Learner::Refuses, "/etcdserverpb.Cluster/MemberPromote"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/Alarm"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/Defragment"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/Hash"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/HashKV"),
    serving(ServiceName::Maintenance, "/etcdserverpb.Maintenance/Snapshot"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/MoveLeader"),
    unary(ServiceName::Maintenance, Learner::Refuses, "/etcdserverpb.Maintenance/Downgrade"),
    unary(ServiceName::Health, Learner::Decides, "/grpc.health.v1.Health/Check"),
    serving(ServiceName::Health, "/grpc.health.v1.Health/Watch"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum ServiceName {
    Kv,
    Watch,
    Lease,
    Cluster,
    Maintenance,
    Health,
}

/// Whether a learner answers an RPC, or leaves that to the service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Learner {
    Refuses,
    Decides,
}

const UNARY: &str = "unary";

const fn unary(service: ServiceName, learner: Learner, path: &'static str) -> (ServiceName, Learner, Rpc) {
    (service, learner, Rpc { path, kind: UNARY })
}

const fn bidirectional(service: ServiceName, path: &'static str) -> (ServiceName, Learner, Rpc) {
    (service, Learner::Refuses, Rpc { path, kind: "bidi_stream" })
}

const fn serving(service: ServiceName, path: &'static str) -> (ServiceName, Learner, Rpc) {
    (service, Learner::Decides, Rpc { path, kind: "server_stream" })
}

/// The counters of every RPC, in the order of the table.
pub struct Calls {
    pub list: Vec<Call>,
    pub metrics: Arc<Metrics>,
}

/// All services of one edge.
pub struct Dispatch<B: Backend> {
    edge: Arc<Edge<B>>,
    calls: Arc<Calls>,
    kv: KvServer<KvService<B>>,
    watch: WatchServer<WatchService<B>>,
    lease: LeaseServer<LeaseService<B>>,
    cluster: ClusterServer<ClusterService<B>>,
    maintenance: MaintenanceServer<MaintenanceService<B>>,
    health: HealthServer<HealthService>,
}

impl<B: Backend> Dispatch<B> {
    pub fn new(edge: Arc<Edge<B>>) -> Self {
        let message_bytes_max = edge.limits.message_bytes_max();
        let metrics = Arc::clone(&edge.metrics);
        let list = RPCS.iter().map(|(_, _, rpc)| metrics.rpc.call(*rpc)).collect();
        Dispatch {
            calls: Arc::new(Calls { list, metrics }),
            kv: KvServer::new(KvService(Arc::clone(&edge))).max_decoding_message_size(message_bytes_max),
            watch: WatchServer::new(WatchService(Arc::clone(&edge)))
                .max_decoding_message_size(message_bytes_max),
            lease: LeaseServer::new(LeaseService(Arc::clone(&edge)))
                .max_decoding_message_size(message_bytes_max),
            cluster: ClusterServer::new(ClusterService(Arc::clone(&edge)))
                .max_decoding_message_size(message_bytes_max),
            maintenance: MaintenanceServer::new(MaintenanceService(Arc::clone(&edge)))
                .max_decoding_message_size(message_bytes_max),
            health: HealthServer::new(HealthService(edge.signals.clone()))
                .max_decoding_message_size(message_bytes_max),
            edge,
        }
    }

    pub fn edge(&self) -> &Edge<B> {
        &self.edge
    }

    /// Answers a request that came over HTTP/2.
    pub async fn handle(&self, request: Request<Incoming>, budget: Arc<Budget>) -> Response<ResponseBody> {
        if !is_grpc(request.headers()) {
            return self.probe(&request).await;
        }
        let path = request.uri().path();
        let Some(index) = RPCS.iter().position(|(_, _, rpc)| rpc.path == path) else {
            return unknown(path).into_http().map(ResponseBody::uncounted);
        };
        let (service, learner, rpc) = RPCS[index];
        self.calls.list[index].begin();
        let response = match self.refusal(learner, request.headers()) {
            Some(status) => status.into_http(),
            None => {
                let budget = (rpc.kind == UNARY).then_some(budget);
                let request = request.map(|body| RequestBody::new(body, Arc::clone(&self.calls), budget));
                translate(self.call(service, request).await)
            }
        };
        let (head, body) = response.into_parts();
        let body = ResponseBody::of_rpc(body, &head.headers, Arc::clone(&self.calls), index);
        Response::from_parts(head, body)
    }

    /// Answers what is no RPC.
    pub async fn probe(&self, request: &Request<Incoming>) -> Response<ResponseBody> {
        probes::answer(&self.edge, request.method(), request.uri()).await
    }

    async fn call(&self, service: ServiceName, request: Request<RequestBody>) -> Response<Body> {
        let Ok(response) = match service {
            ServiceName::Kv => self.kv.clone().call(request).await,
            ServiceName::Watch => self.watch.clone().call(request).await,
            ServiceName::Lease => self.lease.clone().call(request).await,
            ServiceName::Cluster => self.cluster.clone().call(request).await,
            ServiceName::Maintenance => self.maintenance.clone().call(request).await,
            ServiceName::Health => self.health.clone().call(request).await,
        };
        response
    }

    /// Why an RPC is refused before it is looked at, in etcd's order.
    fn refusal(&self, learner: Learner, headers: &HeaderMap) -> Option<Status> {
        let position = self.edge.backend.position();
        if position.is_learner && learner == Learner::Refuses {
            return Some(errors::LEARNER.status());
        }
        if headers
            .get("client-api-version")
            .is_some_and(|version| std::str::from_utf8(version.as_bytes()).is_err())
        {
            return Some(errors::INVALID_CLIENT_API_VERSION.status());
        }
        let requires_leader = headers.get("hasleader").is_some_and(|value| value == "true");
        (requires_leader && position.leader.is_none()).then(|| errors::NO_LEADER.status())
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn unknown(path: &str) -> Status {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    let known = RPCS.iter().any(|(_, _, rpc)| rpc.names().0 == service);
    Status::unimplemented(if known {
        format!("unknown method {method} for service {service}")
    } else {
        format!("unknown service {service}")
    })
}

/// Gives the codec's own refusals the code and text that Go's gRPC gives them.
fn translate(response: Response<Body>) -> Response<Body> {
    if !response.headers().contains_key(Status::GRPC_STATUS) {
        return response;
    }
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() == Code::OutOfRange => match errors::message_too_large(&status) {
            Some(status) => status.into_http(),
            None => response,
        },
        _ => response,
    }
}
