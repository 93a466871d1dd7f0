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

mod about;
mod answers;
mod clients;
mod disk;
mod leases;
mod model;
mod oracle;
pub mod planted;
mod recovery;
mod replicas;
mod setting;
mod subject;
mod watchers;
mod workload;

use std::time::Duration;

use synod_machine::Machine;
use synod_sim::{Plan, Swarm, Tolerance};

use crate::chronicle::Chronicle;
use crate::entry::{About, Mechanism, Settings};
use planted::Planted;

pub use disk::WalFormat;
pub use setting::{Load, Mix, Setting};
pub use subject::Database;

/// Clocks are at most so far off true time, in parts per million, where nothing else is said.
pub const DRIFT_PPM_BOUND: u32 = 500;

/// The parameter that says how long a run's first phase is.
const LENGTH: &str = "length";
/// A hunt draws no longer first phase by itself.
const USUAL_LENGTH_MAX: Duration = Duration::from_secs(20);

/// The entry.
pub struct Scene;

/// The length that was asked for.
fn length_of(settings: &Settings) -> Option<Duration> {
    settings.is_given(LENGTH).then(|| settings.duration(LENGTH))
}

/// A bound for a run of the usual length, for one of this length.
fn scaled(bound: u64, length: Duration) -> u64 {
    bound * (length.as_secs() / USUAL_LENGTH_MAX.as_secs()).max(1)
}

impl Scene {
    /// The subject of a plan, with a known bug or without.
    pub fn database(plan: &Plan, bug: Option<&Planted>) -> Database {
        let mut setting = Setting::draw(plan);
        if let Some(bug) = bug {
            (bug.setting)(&mut setting);
        }
        Database::new(plan, setting)
    }
}

impl Mechanism for Scene {
    type Subject = Database;

    const ABOUT: &'static About = &about::ABOUT;

    fn chronicle(subject: &mut Database) -> Result<&mut Chronicle, &'static str> {
        Ok(subject.chronicle())
    }

    fn space(&self, settings: &Settings) -> Swarm {
        let usual = Swarm::default();
        let (safety, faults_max) = match length_of(settings) {
            Some(length) => ((length, length), scaled(usual.faults_max as u64, length) as usize),
            None => ((Duration::from_secs(2), USUAL_LENGTH_MAX), usual.faults_max),
        };
        Swarm {
            needs: synod_database::Node::NEEDS,
            nodes: settings.sizes(&[1, 3, 3, 3, 3, 3, 5, 5, 5]),
            safety,
            faults_max,
            heal: Duration::from_secs(60),
            tolerance: Tolerance { wipes_max: 0, lost_max: 1 },
            drift_ppm_bound: DRIFT_PPM_BOUND,
            ..usual
        }
    }

    fn shape(&self, plan: &mut Plan, settings: &Settings) {
        if let Some(length) = length_of(settings) {
            plan.records_max = scaled(plan.records_max, length);
        }
        // Segments of the product's log begin with a header of two blocks.
        plan.disk.segment_bytes += synod_storage::wal::format::DATA_OFFSET;
    }

    fn stage(&self, plan: &mut Plan, settings: &Settings) {
        plan.safety = settings.duration(LENGTH);
    }

    fn subject(&self, plan: &Plan, settings: &Settings) -> Database {
        Scene::database(plan, settings.weakness().and_then(|weakness| planted::named(weakness.name)))
    }
}
