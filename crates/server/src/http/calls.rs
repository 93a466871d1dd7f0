//! Every RPC: its path, how many messages go which way, who may answer it, and what it came to.

use std::sync::Arc;

use tonic::{Code, Status};

use crate::metrics::{Call, Metrics, Rpc};

/// An RPC's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says which is which")]
pub enum Method {
    Range,
    Put,
    Txn,
    DeleteRange,
    Compact,
    Watch,
    LeaseKeepAlive,
    LeaseGrant,
    LeaseRevoke,
    LeaseTimeToLive,
    LeaseLeases,
    Status,
    MemberList,
    MemberAdd,
    MemberRemove,
    MemberUpdate,
    MemberPromote,
    Alarm,
    Defragment,
    Hash,
    HashKv,
    Snapshot,
    MoveLeader,
    Downgrade,
    HealthCheck,
    HealthWatch,
}

/// Whether a learner answers an RPC, or leaves that to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learner {
    /// It never does.
    Refuses,
    /// The service decides.
    Decides,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which method.
    pub method: Method,
    /// What a learner does.
    pub learner: Learner,
    /// Its names.
    pub rpc: Rpc,
}

/// Those that are called most stand first.
pub const ROWS: &[Row] = &[
    row(Method::Range, Learner::Decides, "/etcdserverpb.KV/Range"),
    row(Method::Put, Learner::Refuses, "/etcdserverpb.KV/Put"),
    row(Method::Txn, Learner::Refuses, "/etcdserverpb.KV/Txn"),
    row(Method::DeleteRange, Learner::Refuses, "/etcdserverpb.KV/DeleteRange"),
    row(Method::Compact, Learner::Refuses, "/etcdserverpb.KV/Compact"),
    row(Method::Watch, Learner::Refuses, "/etcdserverpb.Watch/Watch"),
    row(Method::LeaseKeepAlive, Learner::Refuses, "/etcdserverpb.Lease/LeaseKeepAlive"),
    row(Method::LeaseGrant, Learner::Refuses, "/etcdserverpb.Lease/LeaseGrant"),
    row(Method::LeaseRevoke, Learner::Refuses, "/etcdserverpb.Lease/LeaseRevoke"),
    row(Method::LeaseTimeToLive, Learner::Refuses, "/etcdserverpb.Lease/LeaseTimeToLive"),
    row(Method::LeaseLeases, Learner::Refuses, "/etcdserverpb.Lease/LeaseLeases"),
    row(Method::Status, Learner::Decides, "/etcdserverpb.Maintenance/Status"),
    row(Method::MemberList, Learner::Refuses, "/etcdserverpb.Cluster/MemberList"),
    row(Method::MemberAdd, Learner::Refuses, "/etcdserverpb.Cluster/MemberAdd"),
    row(Method::MemberRemove, Learner::Refuses, "/etcdserverpb.Cluster/MemberRemove"),
    row(Method::MemberUpdate, Learner::Refuses, "/etcdserverpb.Cluster/MemberUpdate"),
    row(Method::MemberPromote, Learner::Refuses, "/etcdserverpb.Cluster/MemberPromote"),
    row(Method::Alarm, Learner::Refuses, "/etcdserverpb.Maintenance/Alarm"),
    row(Method::Defragment, Learner::Refuses, "/etcdserverpb.Maintenance/Defragment"),
    row(Method::Hash, Learner::Refuses, "/etcdserverpb.Maintenance/Hash"),
    row(Method::HashKv, Learner::Refuses, "/etcdserverpb.Maintenance/HashKV"),
    row(Method::Snapshot, Learner::Decides, "/etcdserverpb.Maintenance/Snapshot"),
    row(Method::MoveLeader, Learner::Refuses, "/etcdserverpb.Maintenance/MoveLeader"),
    row(Method::Downgrade, Learner::Refuses, "/etcdserverpb.Maintenance/Downgrade"),
    row(Method::HealthCheck, Learner::Decides, "/grpc.health.v1.Health/Check"),
    row(Method::HealthWatch, Learner::Decides, "/grpc.health.v1.Health/Watch"),
];

const fn row(method: Method, learner: Learner, path: &'static str) -> Row {
    let kind = match method {
        Method::Watch | Method::LeaseKeepAlive => "bidi_stream",
        Method::Snapshot | Method::HealthWatch => "server_stream",
        _ => "unary",
    };
    Row { method, learner, rpc: Rpc { path, kind } }
}

/// The place of the RPC with that path.
///
/// # Errors
/// What the client is told where there is none.
pub fn find(path: &[u8]) -> Result<usize, Status> {
    ROWS.iter().position(|row| row.rpc.path.as_bytes() == path).ok_or_else(|| {
        let path = String::from_utf8_lossy(path);
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((&path, ""));
        let known = ROWS.iter().any(|row| row.rpc.names().0 == service);
        Status::unimplemented(if known {
            format!("unknown method {method} for service {service}")
        } else {
            format!("unknown service {service}")
        })
    })
}

/// The counters of every RPC, in the order of the table.
pub struct Calls {
    list: Vec<Call>,
}

impl Calls {
    /// Those of the table.
    pub fn new(metrics: &Metrics) -> Self {
        Calls { list: ROWS.iter().map(|row| metrics.rpc.call(row.rpc)).collect() }
    }

    /// One has begun; it ends with the code that it is given, or as canceled when it is dropped.
    pub fn begin(self: &Arc<Self>, row: usize) -> Counted {
        self.list[row].begin();
        Counted { calls: Arc::clone(self), row, code: Code::Cancelled }
    }
}

/// An RPC under way.
pub struct Counted {
    calls: Arc<Calls>,
    row: usize,
    code: Code,
}

impl Counted {
    /// Which.
    pub fn method(&self) -> Method {
        ROWS[self.row].method
    }

    /// It has ended.
    pub fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.calls.list[self.row].end(self.code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_one_row_and_one_path() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(find(row.rpc.path.as_bytes()).unwrap(), at);
            assert_eq!(ROWS.iter().filter(|other| other.method == row.method).count(), 1);
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let told = |path: &str| find(path.as_bytes()).unwrap_err().message().to_owned();
        assert_eq!(told("/etcdserverpb.KV/Nothing"), "unknown method Nothing for service etcdserverpb.KV");
        assert_eq!(told("/v3lockpb.Lock/Lock"), "unknown service v3lockpb.Lock");
        assert_eq!(told("/"), "unknown service /");
    }
}
