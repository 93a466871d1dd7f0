//! The catalogue: every mechanism of the laboratory, a line each, and what is still to come.

use crate::entry::{Entry, Experiment, Family};
use crate::mechanism::{clocks, database, gossip, mutex, snapshot};
use crate::suggest;

/// Every entry, in the order of the survey's chapters.
pub const ENTRIES: &[&dyn Entry] = &[
    &clocks::Clocks,
    &clocks::Differential,
    &snapshot::chandy_lamport::ChandyLamport,
    &mutex::central::Central,
    &mutex::lamport::Lamport,
    &gossip::Rumor,
    &database::Scene,
];

/// The entry of that name.
///
/// # Errors
/// When there is none; the sentence suggests the nearest.
pub fn entry(name: &str) -> Result<&'static dyn Entry, String> {
    let found = ENTRIES.iter().copied().find(|entry| entry.about().name == name);
    found.ok_or_else(|| suggest::unknown("mechanism", name, ENTRIES.iter().map(|entry| entry.about().name)))
}

/// Every experiment, with its entry.
pub fn experiments() -> impl Iterator<Item = (&'static dyn Entry, &'static Experiment)> {
    ENTRIES
        .iter()
        .copied()
        .flat_map(|entry| entry.about().experiments.iter().map(move |experiment| (entry, experiment)))
}

/// The experiment of that name.
///
/// # Errors
/// When there is none; the sentence suggests the nearest.
pub fn experiment(name: &str) -> Result<(&'static dyn Entry, &'static Experiment), String> {
    let found = experiments().find(|(_, experiment)| experiment.name == name);
    found.ok_or_else(|| {
        suggest::unknown("experiment", name, experiments().map(|(_, experiment)| experiment.name))
    })
}

/// A mechanism that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The survey's section.
    pub chapter: &'static str,
    /// Its family.
    pub family: Family,
    /// The name that its entry will have.
    pub name: &'static str,
}

const fn to_come(chapter: &'static str, family: Family, name: &'static str) -> Planned {
    Planned { chapter, family, name }
}

/// The rows of the survey that have no entry yet. A row leaves this table when its entry enters the catalogue; a test sees to it that none is in both
/// or in neither.
pub const PLANNED: &[Planned] = &[
    to_come("2.1", Family::Clocks, "lamport-clock"),
    to_come("2.2", Family::Clocks, "vector-clock"),
    to_come("2.3", Family::Clocks, "matrix-clock"),
    to_come("2", Family::Clocks, "hybrid-clock"),
    to_come("3", Family::Snapshot, "chandy-lamport"),
    to_come("3", Family::Snapshot, "lai-yang"),
    to_come("1", Family::Consensus, "ben-or"),
    to_come("4.2", Family::Consensus, "paxos"),
    to_come("4.2", Family::Consensus, "multi-paxos"),
    to_come("4.3", Family::Consensus, "raft"),
    to_come("5.1", Family::Mutex, "token-ring"),
    to_come("5.2", Family::Mutex, "ricart-agrawala"),
    to_come("5.3", Family::Mutex, "maekawa"),
    to_come("6.2", Family::Commit, "two-phase-commit"),
    to_come("6.3", Family::Commit, "three-phase-commit"),
    to_come("7.2", Family::Replication, "primary-backup"),
    to_come("7.3", Family::Replication, "quorum"),
    to_come("8.1", Family::Routing, "chord"),
    to_come("8.2", Family::Routing, "hash-ring"),
    to_come("9.1", Family::Failure, "heartbeat"),
    to_come("9.1", Family::Failure, "phi-accrual"),
    to_come("9.2", Family::Failure, "swim"),
    to_come("10", Family::TimeSync, "ntp"),
    to_come("10", Family::TimeSync, "cristian"),
    to_come("11.1", Family::Rpc, "rpc"),
    to_come("12", Family::Kerberos, "kerberos"),
    to_come("14", Family::Gossip, "anti-entropy"),
    to_come("14", Family::Gossip, "rumor"),
];
