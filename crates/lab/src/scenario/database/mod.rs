//! The database under the simulator: several nodes of [`synod_database`], their clients, and everything that they promise.
//!
//! Each node is the compiled node of the server with its worker, over an engine in memory that loses what was not persisted, and with the product's own log
//! framing on simulated disks. Clients put, read, compare and swap, watch and hold leases, through any node, and give up when it takes too
//! long. One seed draws cluster, configuration, load and faults.
//!
//! # What must hold
//! - the properties of Raft, after every step (`synod_protocols::consensus::raft::invariants`);
//! - all answers together are linearizable; an acknowledged write is never lost; what was refused has no effect;
//! - revisions are dense and increasing; reads of old revisions do not change, whatever is compacted below them;
//! - watchers see every event once, in order, without a gap, across crashes of their node and installed snapshots;
//! - leases never end early, beyond what the drift of clocks explains, and their keys go with them at once;
//! - replicas hold the same at the same applied index, after restarts and installed snapshots too;
//! - what is written to the log and sent on the wire reads back as it was;
//! - when the faults are over: every survivor answers a write and a read, all replicas become equal, all watches catch up, all leases
//!   that nobody renews end, within the bound of the plan.
//!
//! # What is left out
//! Membership is static. A wiped disk never comes back under the same name, since a voter that forgets its vote is not a fault that Raft survives.

mod answers;
mod clients;
mod disk;
mod leases;
mod model;
mod oracle;
mod recovery;
mod replicas;
mod setting;
mod subject;
mod watchers;
mod workload;

use std::time::Duration;

use synod_machine::Machine;
use synod_sim::{Plan, Swarm, Tolerance};

pub use disk::WalFormat;
pub use setting::{Load, Mix, Setting};
pub use subject::Database;

/// The scenario's name.
pub const NAME: &str = "database";

/// Clocks are at most so far off true time, in parts per million, where nothing else is said.
pub const DRIFT_PPM_BOUND: u32 = 500;

/// The space from which the scenario's plans are drawn.
pub fn swarm() -> Swarm {
    Swarm {
        needs: synod_database::Node::NEEDS,
        nodes: vec![1, 3, 3, 3, 5],
        safety: (Duration::from_secs(2), Duration::from_secs(20)),
        heal: Duration::from_secs(60),
        tolerance: Tolerance { wipes_max: 0, lost_max: 1 },
        drift_ppm_bound: DRIFT_PPM_BOUND,
        ..Swarm::default()
    }
}

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    fit(swarm().plan(seed))
}

/// Makes a drawn plan fit the database: its segments begin with a header of two blocks.
pub fn fit(mut plan: Plan) -> Plan {
    plan.disk.segment_bytes += synod_storage::wal::format::DATA_OFFSET;
    plan
}
