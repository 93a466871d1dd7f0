//! The etcd v3 services over any [`Backend`](crate::backend::Backend).
//!
//! Each service takes a request apart, refuses what can be refused from it alone ([`check`], [`limits`]), hands the rest to
//! the backend in the store's terms ([`convert`]) and puts a header on the answer. Codes and texts of refusals stand in one
//! table ([`errors`]). Nothing here keeps state beyond a client's own stream.

pub mod check;
mod cluster;
pub mod convert;
mod edge;
pub mod encode;
pub mod errors;
mod health;
mod kv;
mod lease;
pub mod limits;
mod maintenance;
pub mod pieces;
pub mod watch;

pub use cluster::ClusterService;
pub use edge::{Edge, Signals, requires_leader};
pub use health::HealthService;
pub use kv::KvService;
pub use lease::LeaseService;
pub use limits::Limits;
pub use maintenance::MaintenanceService;

/// The etcd version whose behaviour is kept. Kubernetes and others refuse less than 3.5.8.
pub const ETCD_VERSION: &str = "3.5.16";
/// What `/version` says of the cluster.
pub const ETCD_CLUSTER_VERSION: &str = "3.5.0";
/// This program's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
