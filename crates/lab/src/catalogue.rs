//! The catalogue: every mechanism of the laboratory, a line each, and what is still to come.

use crate::entry::{Entry, Experiment};
use crate::mechanism::{commit, consensus, database, mutex};
use crate::suggest;

/// Every entry, in the order of the survey's chapters.
pub const ENTRIES: &[&dyn Entry] = &[
    &consensus::paxos::SingleDecree,
    &consensus::raft::PlainRaft,
    &mutex::lamport::Lamport,
    &commit::two_phase::TwoPhaseCommit,
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
