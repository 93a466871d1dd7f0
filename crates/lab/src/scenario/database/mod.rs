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

use std::fmt;
use std::time::Duration;

use synod_machine::Machine;
use synod_sim::{Hunt, Plan, PlanError, Report, Run, Swarm, Tolerance};

use super::Scenario;
use crate::planted::Planted;
use crate::replay::{Look, Replayed, replay};

pub use disk::WalFormat;
pub use setting::{Load, Mix, Setting};
pub use subject::Database;

/// Clocks are at most so far off true time, in parts per million, where nothing else is said.
pub const DRIFT_PPM_BOUND: u32 = 500;

/// The scenario.
pub struct Scene;

impl Scene {
    /// The space from which plans are drawn.
    pub fn space() -> Swarm {
        Swarm {
            needs: synod_database::Node::NEEDS,
            nodes: vec![1, 3, 3, 3, 3, 3, 5, 5, 5],
            safety: (Duration::from_secs(2), Duration::from_secs(20)),
            heal: Duration::from_secs(60),
            tolerance: Tolerance { wipes_max: 0, lost_max: 1 },
            drift_ppm_bound: DRIFT_PPM_BOUND,
            ..Swarm::default()
        }
    }

    /// The subject of a plan.
    pub fn subject(plan: &Plan, bug: Option<&Planted>) -> Database {
        let mut setting = Setting::draw(plan);
        if let Some(bug) = bug {
            (bug.setting)(&mut setting);
        }
        Database::new(plan, setting)
    }
}

impl Scenario for Scene {
    fn name(&self) -> &'static str {
        "database"
    }

    fn summary(&self) -> &'static str {
        "Whole database nodes: consensus, log, store, leases and watches, under clients and faults."
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "the properties of Raft, after every step",
            "all answers together are linearizable",
            "acknowledged writes are never lost; refused requests have no effect",
            "revisions are dense and increasing; old revisions do not change",
            "watchers see every event once, in order, without a gap",
            "leases never expire early; their keys go with them at once",
            "replicas are equal at equal applied index",
            "log records and messages read back as they were",
            "when the faults are over, everything works again within a minute",
        ]
    }

    fn must_exercise(&self) -> &'static [&'static str] {
        &[
            "note.raft.election",
            "note.raft.truncated",
            "note.raft.snapshot_installed",
            "note.raft.lease_read",
            "note.lease expired",
            "note.lease renewed",
            "disk.torn tails cut",
            "fault.crash",
            "fault.kill",
            "fault.partition",
            "fault.pause",
            "message.duplicated",
            "message.dropped.loss",
            "client.answers judged",
            "client.abandoned",
            "store.compared with the oracle",
            "watch.outputs",
            "watch.compacted",
        ]
    }

    fn plan(&self, seed: u64, bug: Option<&Planted>) -> Plan {
        let mut space = Scene::space();
        if let Some(bug) = bug {
            (bug.space)(&mut space);
        }
        let mut plan = space.plan(seed);
        // Segments of the product's log begin with a header of two blocks.
        plan.disk.segment_bytes += synod_storage::wal::format::DATA_OFFSET;
        if let Some(bug) = bug {
            (bug.plan)(&mut plan);
        }
        plan
    }

    fn hunt(
        &self,
        hunt: &Hunt,
        bug: Option<&Planted>,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Report, PlanError> {
        hunt.go(|seed| self.plan(seed, bug), |plan| Scene::subject(plan, bug), progress)
    }

    fn replay(
        &self,
        plan: Plan,
        bug: Option<&Planted>,
        look: &Look,
        trace: Option<Box<dyn fmt::Write>>,
    ) -> Result<Replayed, PlanError> {
        replay(plan, |plan| Scene::subject(plan, bug), self.name(), look, trace)
    }
}
