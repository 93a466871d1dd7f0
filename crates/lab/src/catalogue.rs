//! The catalogue: every mechanism of the laboratory, a line each, and what is still to come.

use crate::entry::{Entry, Experiment, Family};
use crate::mechanism::{
    clocks, commit, consensus, database, failure, gossip, kerberos, mutex, replication, routing, rpc,
    snapshot, time_sync,
};
use crate::suggest;

/// Every entry, in the order of the survey's chapters. A static, not a constant: every crate that named a constant would compile all mechanisms
/// once more, with the simulator and the explorer around each.
pub static ENTRIES: &[&dyn Entry] = &[
    &clocks::Clocks,
    &clocks::Differential,
    &snapshot::chandy_lamport::ChandyLamport,
    &consensus::paxos::SingleDecree,
    &consensus::raft::PlainRaft,
    &mutex::central::Central,
    &mutex::lamport::Lamport,
    &mutex::maekawa::Maekawa,
    &commit::two_phase::TwoPhaseCommit,
    &replication::quorum::Quorum,
    &routing::chord::Chord,
    &failure::swim::Entry,
    &time_sync::ntp::Entry,
    &rpc::call::Call,
    &kerberos::exchanges::Exchanges,
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

/// A row of the survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The survey's section.
    pub chapter: &'static str,
    /// Its family.
    pub family: Family,
    /// Its name, which is also its entry's if no other is named.
    pub name: &'static str,
    /// Other entries that show it.
    pub shown_by: &'static [&'static str],
}

impl Row {
    /// The entry that shows it; none if it is still to come.
    pub fn entry(&self) -> Option<&'static dyn Entry> {
        let shows = |entry: &&'static dyn Entry| {
            let name = entry.about().name;
            name == self.name || self.shown_by.contains(&name)
        };
        ENTRIES.iter().copied().find(shows)
    }
}

/// The rows of the survey that no entry shows yet.
pub fn to_come() -> impl Iterator<Item = Row> {
    SURVEY.iter().copied().filter(|row| row.entry().is_none())
}

const fn row(
    chapter: &'static str,
    family: Family,
    name: &'static str,
    shown_by: &'static [&'static str],
) -> Row {
    Row { chapter, family, name, shown_by }
}

/// Every row of the survey, in the order of its chapters.
pub const SURVEY: &[Row] = &[
    row("1", Family::Consensus, "ben-or", &[]),
    row("2.1", Family::Clocks, "lamport-clock", &["clocks"]),
    row("2.2", Family::Clocks, "vector-clock", &["clocks"]),
    row("2.3", Family::Clocks, "matrix-clock", &[]),
    row("3", Family::Snapshot, "chandy-lamport", &[]),
    row("3", Family::Snapshot, "lai-yang", &[]),
    row("4.2", Family::Consensus, "paxos", &[]),
    row("4.2", Family::Consensus, "multi-paxos", &[]),
    row("4.3", Family::Consensus, "raft", &[]),
    row("5", Family::Mutex, "central", &[]),
    row("5.1", Family::Mutex, "token-ring", &[]),
    row("5.2", Family::Mutex, "ricart-agrawala", &[]),
    row("5.3", Family::Mutex, "maekawa", &[]),
    row("6.2", Family::Commit, "two-phase-commit", &[]),
    row("6.3", Family::Commit, "three-phase-commit", &[]),
    row("7.2", Family::Replication, "primary-backup", &[]),
    row("7.3", Family::Replication, "quorum", &["abd", "dynamo"]),
    row("8.1", Family::Routing, "chord", &[]),
    row("8.2", Family::Routing, "hash-ring", &["chord"]),
    row("9.1", Family::Failure, "heartbeat", &[]),
    row("9.1", Family::Failure, "phi-accrual", &[]),
    row("9.2", Family::Failure, "swim", &[]),
    row("10", Family::TimeSync, "ntp", &[]),
    row("10", Family::TimeSync, "cristian", &[]),
    row("11.1", Family::Rpc, "rpc", &["call", "rpc-calls"]),
    row("12", Family::Kerberos, "kerberos", &[]),
    row("14", Family::Gossip, "anti-entropy", &["rumor"]),
    row("14", Family::Gossip, "rumor", &[]),
];
