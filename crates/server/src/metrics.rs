//! What the server counts, under etcd's names where the meaning is the same, so that dashboards and alerts keep working.
//!
//! Each metric is a handle that any thread may raise without a lock; the fields are public so that the parts of the node
//! raise their own. The exposition is Prometheus' text format 0.0.4. Names are given exactly as they appear there: a counter
//! that etcd calls without `_total` is kept as a gauge.

mod exposition;
mod process;
mod rpc;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use synod_transport::Counts;

pub use exposition::CONTENT_TYPE;
pub use rpc::{Call, Rpc, RpcMetrics};

use crate::api::{ETCD_CLUSTER_VERSION, ETCD_VERSION, VERSION};
use crate::backend::{Identity, Position, Status};

/// A gauge of a fraction.
pub type FloatGauge = Gauge<f64, AtomicU64>;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $field:ident: $kind:ty = $name:literal, $make:expr;)*) => {
        /// Every metric of a member.
        pub struct Metrics {
            registry: Mutex<Registry>,
            /// What each RPC came to.
            pub rpc: RpcMetrics,
            $($(#[doc = $doc])* pub $field: $kind,)*
        }

        impl Metrics {
            /// All at zero.
            pub fn new() -> Self {
                let mut registry = Registry::default();
                let rpc = RpcMetrics::register(&mut registry);
                $(let $field: $kind = register(&mut registry, $name, concat!($($doc),*), $make);)*
                Metrics { registry: Mutex::new(registry), rpc, $($field),* }
            }
        }
    };
}

metrics! {
    /// Whether a leader is known.
    has_leader: Gauge = "etcd_server_has_leader", Gauge::default();
    /// Whether this member leads.
    is_leader: Gauge = "etcd_server_is_leader", Gauge::default();
    /// Whether this member follows without a vote.
    is_learner: Gauge = "etcd_server_is_learner", Gauge::default();
    /// Changes of leader seen.
    leader_changes: Counter = "etcd_server_leader_changes_seen", Counter::default();
    /// Log entries committed.
    proposals_committed: Gauge = "etcd_server_proposals_committed_total", Gauge::default();
    /// Log entries applied.
    proposals_applied: Gauge = "etcd_server_proposals_applied_total", Gauge::default();
    /// Proposals that wait to be applied.
    proposals_pending: Gauge = "etcd_server_proposals_pending", Gauge::default();
    /// Proposals that failed.
    proposals_failed: Counter = "etcd_server_proposals_failed", Counter::default();
    /// Linearizable reads whose confirmation failed.
    read_indexes_failed: Counter = "etcd_server_read_indexes_failed", Counter::default();
    /// Applies that were slow.
    slow_applies: Counter = "etcd_server_slow_apply", Counter::default();
    /// The space quota in bytes.
    quota_bytes: Gauge = "etcd_server_quota_backend_bytes", Gauge::default();
    /// Health probes that found the member well.
    health_success: Gauge = "etcd_server_health_success", Gauge::default();
    /// Health probes that did not.
    health_failures: Gauge = "etcd_server_health_failures", Gauge::default();
    /// The version whose behaviour is kept.
    server_version: Family<[(&'static str, &'static str); 1], Gauge> = "etcd_server_version", Family::default();
    /// The cluster's version.
    cluster_version: Family<[(&'static str, &'static str); 1], Gauge> = "etcd_cluster_version", Family::default();
    /// This program's own version.
    synod_version: Family<[(&'static str, &'static str); 1], Gauge> = "synod_version", Family::default();
    /// This member's identity.
    server_id: Family<[(&'static str, String); 1], Gauge> = "etcd_server_id", Family::default();
    /// Seconds of each fsync of the log.
    wal_fsync_seconds: Histogram = "etcd_disk_wal_fsync_duration_seconds", Histogram::new(latencies(0.001, 14));
    /// Log entries let go of: they are durable in the store, and further back than followers may need.
    log_released: Counter = "synod_raft_log_released_entries", Counter::default();
    /// Bytes written to the log.
    wal_write_bytes: Gauge = "etcd_disk_wal_write_bytes_total", Gauge::default();
    /// Seconds of each commit of the store.
    backend_commit_seconds: Histogram = "etcd_disk_backend_commit_duration_seconds", Histogram::new(latencies(0.001, 14));
    /// Seconds of each commit that is not durable yet.
    apply_seconds: Histogram = "synod_server_apply_duration_seconds", Histogram::new(latencies(0.0001, 16));
    /// Bytes the store takes on disk.
    store_bytes: Gauge = "etcd_mvcc_db_total_size_in_bytes", Gauge::default();
    /// Bytes of those that hold live data.
    store_bytes_in_use: Gauge = "etcd_mvcc_db_total_size_in_use_in_bytes", Gauge::default();
    /// Range requests seen by this member.
    ranges: Counter = "etcd_mvcc_range", Counter::default();
    /// Put requests seen by this member.
    puts: Counter = "etcd_mvcc_put", Counter::default();
    /// DeleteRange requests seen by this member.
    deletes: Counter = "etcd_mvcc_delete", Counter::default();
    /// Txn requests seen by this member.
    txns: Counter = "etcd_mvcc_txn", Counter::default();
    /// The store's newest revision.
    revision: Gauge = "etcd_debugging_mvcc_current_revision", Gauge::default();
    /// The store's compacted revision.
    compact_revision: Gauge = "etcd_debugging_mvcc_compact_revision", Gauge::default();
    /// Watch streams open.
    watch_streams: Gauge = "etcd_debugging_mvcc_watch_stream_total", Gauge::default();
    /// Watches open.
    watchers: Gauge = "etcd_debugging_mvcc_watcher_total", Gauge::default();
    /// Watches that have not caught up.
    slow_watchers: Gauge = "etcd_debugging_mvcc_slow_watcher_total", Gauge::default();
    /// Events sent to watchers.
    events: Counter = "etcd_debugging_mvcc_events", Counter::default();
    /// Leases granted.
    leases_granted: Counter = "etcd_debugging_lease_granted", Counter::default();
    /// Leases revoked.
    leases_revoked: Counter = "etcd_debugging_lease_revoked", Counter::default();
    /// Leases renewed, as seen by the leader.
    leases_renewed: Counter = "etcd_debugging_lease_renewed", Counter::default();
    /// Leases that expired.
    leases_expired: Counter = "etcd_debugging_server_lease_expired", Counter::default();
    /// Bytes of requests received from clients.
    received_bytes: Counter = "etcd_network_client_grpc_received_bytes", Counter::default();
    /// Bytes of answers sent to clients.
    sent_bytes: Counter = "etcd_network_client_grpc_sent_bytes", Counter::default();
    /// Bytes sent to other members.
    peer_sent_bytes: Family<[(&'static str, String); 1], Counter> = "etcd_network_peer_sent_bytes", Family::default();
    /// Frames for other members that were dropped: a full queue, a link that is down, or lost with its connection.
    peer_sent_failures: Family<[(&'static str, String); 1], Counter> = "etcd_network_peer_sent_failures", Family::default();
    /// Whether the link to another member is up.
    active_peers: Family<[(&'static str, String); 2], Gauge> = "etcd_network_active_peers", Family::default();
    /// Bytes received from other members.
    peer_received_bytes: Family<[(&'static str, String); 1], Counter> = "etcd_network_peer_received_bytes", Family::default();
    /// Client connections open.
    connections: Gauge = "synod_server_client_connections", Gauge::default();
    /// Client connections closed at once because there were too many.
    connections_refused: Counter = "synod_server_client_connections_refused", Counter::default();
    /// Client connections that did not come to a first request.
    connections_failed: Counter = "synod_server_client_connections_failed", Counter::default();
    /// Resident memory in bytes.
    resident_bytes: Gauge = "process_resident_memory_bytes", Gauge::default();
    /// Virtual memory in bytes.
    virtual_bytes: Gauge = "process_virtual_memory_bytes", Gauge::default();
    /// File descriptors open.
    open_files: Gauge = "process_open_fds", Gauge::default();
    /// File descriptors that may be open.
    open_files_max: Gauge = "process_max_fds", Gauge::default();
    /// Processor time used, in seconds.
    processor_seconds: FloatGauge = "process_cpu_seconds_total", FloatGauge::default();
    /// When the process began, in seconds since 1970.
    started_seconds: FloatGauge = "process_start_time_seconds", FloatGauge::default();
}

impl Metrics {
    /// Takes over what the node says of itself.
    pub fn observe(&self, identity: Identity, position: Position, status: Option<&Status>) {
        self.has_leader.set(i64::from(position.leader.is_some()));
        self.is_leader.set(i64::from(position.leader == Some(identity.member_id)));
        self.is_learner.set(i64::from(position.is_learner));
        self.revision.set(position.revision);
        self.server_version.get_or_create(&[("server_version", ETCD_VERSION)]).set(1);
        self.cluster_version.get_or_create(&[("cluster_version", ETCD_CLUSTER_VERSION)]).set(1);
        self.synod_version.get_or_create(&[("version", VERSION)]).set(1);
        self.server_id.get_or_create(&[("server_id", format!("{:x}", identity.member_id))]).set(1);
        if let Some(status) = status {
            self.proposals_committed.set(signed(status.committed_index));
            self.proposals_applied.set(signed(status.applied_index));
            self.store_bytes.set(signed(status.store_bytes));
            self.store_bytes_in_use.set(signed(status.store_bytes_in_use));
            self.quota_bytes.set(signed(status.quota_bytes));
        }
        process::observe(self);
    }

    /// Counts what the database node notes of itself.
    pub fn note(&self, name: &str, value: u64) {
        match name {
            "raft.compacted" => self.log_released.inc_by(value),
            "lease expired" => self.leases_expired.inc_by(value),
            "lease renewed" => self.leases_renewed.inc_by(value),
            _ => return,
        };
    }

    /// Takes over what the transport counts.
    pub fn observe_peers(&self, me: u64, counts: &Counts) {
        let set = |family: &Family<[(&'static str, String); 1], Counter>, way, peer: &String, value| {
            // The transport counts already; a counter that is given a reading only ever grows with it.
            family.get_or_create(&[(way, peer.clone())]).inner().store(value, Ordering::Relaxed);
        };
        for (peer, counts) in &counts.peers {
            let peer = format!("{peer:x}");
            let lost = counts.frames_dropped_full + counts.frames_dropped_down + counts.frames_dropped_lost;
            set(&self.peer_sent_bytes, "To", &peer, counts.bytes_sent);
            set(&self.peer_received_bytes, "From", &peer, counts.bytes_received);
            set(&self.peer_sent_failures, "To", &peer, lost);
            let link = [("Local", format!("{me:x}")), ("Remote", peer)];
            self.active_peers.get_or_create(&link).set(i64::from(counts.up));
        }
    }

    /// Lets another part of the program add metrics of its own; `name` without `_total`.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        register(&mut self.lock(), name, help, metric)
    }

    /// The text that Prometheus reads.
    pub fn expose(&self) -> String {
        exposition::encode(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    // The library ends each help text with a point of its own.
    registry.register(name, help.trim().trim_end_matches('.'), metric.clone());
    metric
}

/// Doubling bounds, in seconds, as etcd's.
fn latencies(first: f64, count: u16) -> impl Iterator<Item = f64> {
    prometheus_client::metrics::histogram::exponential_buckets(first, 2.0, count)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
