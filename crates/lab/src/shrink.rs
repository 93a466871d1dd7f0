//! A run of an entry made as small as it can be and still violate the same property; the work is the simulator's.

use synod_sim::{Film, Plan, PlanError, Run, Runs};

use crate::entry::{Entry, Settings};
use crate::replay::Look;
use crate::scenario::Scenario;

pub use synod_sim::{Shrunk, Size, TRIES_MAX};

/// Runs of an entry with these settings; a parameter `nodes` that was set follows the plan.
struct EntryRuns<'a> {
    entry: &'a dyn Entry,
    settings: &'a Settings,
}

impl EntryRuns<'_> {
    fn settings(&self, plan: &Plan) -> Settings {
        let mut settings = self.settings.clone();
        if settings.is_given("nodes") {
            // Sizes that do not fit are not tried.
            let _ = settings.put("nodes", &plan.nodes.to_string());
        }
        settings
    }
}

impl Runs for EntryRuns<'_> {
    fn run(&self, plan: &Plan) -> Result<Run, PlanError> {
        self.entry.run(plan.clone(), &self.settings(plan))
    }

    fn film(&self, plan: &Plan) -> Result<Film, PlanError> {
        let look = Look { states: false, ..Look::whole() };
        Ok(self.entry.replay(plan.clone(), &self.settings(plan), &look, None)?.film)
    }

    fn fits(&self, nodes: u64) -> bool {
        let has_nodes = self.entry.about().parameters.iter().any(|parameter| parameter.name == "nodes");
        !has_nodes || self.settings.clone().put("nodes", &nodes.to_string()).is_ok()
    }
}

/// Shrinks a scenario whose run violates something. `progress` is told of every try, and ends the shrinking by answering no.
///
/// # Errors
/// `Ok(None)` if the run violates nothing; an error when it cannot be run.
pub fn shrink(
    scenario: &Scenario,
    progress: &mut dyn FnMut(u64, &Plan, &Run) -> bool,
) -> Result<Option<(Shrunk, Scenario)>, PlanError> {
    let runs = EntryRuns { entry: scenario.entry, settings: &scenario.settings };
    let shrunk = synod_sim::shrink(&runs, &scenario.plan, progress)?;
    Ok(shrunk.map(|shrunk| {
        let settings = runs.settings(&shrunk.plan);
        let small = Scenario { settings, plan: shrunk.plan.clone(), saved: None, ..scenario.clone() };
        (shrunk, small)
    }))
}
