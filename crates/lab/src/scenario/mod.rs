//! Scenarios: a mechanism, its clients, the faults that it claims to survive, and what must hold all the same.
//!
//! Each is a subject of the simulator with a type of its own. Here they are brought under one roof, so that a command line or a test can
//! hunt in any of them, replay any of their runs and put any of their known bugs back, by name.

use std::fmt;

use synod_sim::{Hunt, Plan, PlanError, Report, Run};

use crate::planted::Planted;
use crate::replay::{Look, Replayed};

pub mod database;

/// A scenario, whatever its mechanism.
pub trait Scenario: Sync {
    /// Its name: a word.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence.
    fn summary(&self) -> &'static str;

    /// What must hold, a line each.
    fn properties(&self) -> &'static [&'static str];

    /// Counts that a campaign must have moved, or it proves nothing.
    fn must_exercise(&self) -> &'static [&'static str];

    /// The plan of a seed: as it is drawn, or bent towards where a known bug shows.
    fn plan(&self, seed: u64, bug: Option<&Planted>) -> Plan;

    /// Many runs. `progress` sees each in the order of seeds, and ends the hunt by answering no.
    ///
    /// # Errors
    /// When a plan cannot be run.
    fn hunt(
        &self,
        hunt: &Hunt,
        bug: Option<&Planted>,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Report, PlanError>;

    /// One run, made twice: looked at, and compared.
    ///
    /// # Errors
    /// When the plan cannot be run.
    fn replay(
        &self,
        plan: Plan,
        bug: Option<&Planted>,
        look: &Look,
        trace: Option<Box<dyn fmt::Write>>,
    ) -> Result<Replayed, PlanError>;
}

/// Every scenario.
pub const ALL: &[&dyn Scenario] = &[&database::Scene];

/// The scenario of that name.
pub fn named(name: &str) -> Option<&'static dyn Scenario> {
    ALL.iter().copied().find(|scenario| scenario.name() == name)
}
