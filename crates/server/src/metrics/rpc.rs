//! What each RPC came to: started, and handled with which code, by service and method.
//!
//! The counters of a call that ends well are found once, at start-up; only a failure looks its counter up.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tonic::Code;

/// An RPC of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// `unary`, `server_stream` or `bidi_stream`.
    pub kind: &'static str,
}

impl Rpc {
    /// The service and the method of the path.
    pub fn names(&self) -> (&'static str, &'static str) {
        self.path.trim_start_matches('/').split_once('/').unwrap_or((self.path, ""))
    }
}

type Labels = [(&'static str, &'static str); 3];
type CodeLabels = [(&'static str, &'static str); 4];

/// Counters of RPCs.
pub struct RpcMetrics {
    started: Family<Labels, Counter>,
    handled: Family<CodeLabels, Counter>,
}

impl RpcMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = RpcMetrics { started: Family::default(), handled: Family::default() };
        super::register(registry, "grpc_server_started", "RPCs begun", metrics.started.clone());
        super::register(registry, "grpc_server_handled", "RPCs ended, by code", metrics.handled.clone());
        metrics
    }

    /// The counters of one RPC.
    pub fn call(&self, rpc: Rpc) -> Call {
        let (service, method) = rpc.names();
        let labels = [("grpc_type", rpc.kind), ("grpc_service", service), ("grpc_method", method)];
        Call {
            labels,
            started: self.started.get_or_create_owned(&labels),
            succeeded: self.handled.get_or_create_owned(&with_code(labels, Code::Ok)),
            handled: self.handled.clone(),
        }
    }
}

/// Counters of one RPC.
pub struct Call {
    labels: Labels,
    started: Counter,
    succeeded: Counter,
    handled: Family<CodeLabels, Counter>,
}

impl Call {
    /// One has begun.
    pub fn begin(&self) {
        self.started.inc();
    }

    /// One has ended.
    pub fn end(&self, code: Code) {
        if code == Code::Ok {
            self.succeeded.inc();
        } else {
            self.handled.get_or_create(&with_code(self.labels, code)).inc();
        }
    }
}

fn with_code([kind, service, method]: Labels, code: Code) -> CodeLabels {
    [kind, service, method, ("grpc_code", code_name(code))]
}

/// As Go's gRPC names it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
