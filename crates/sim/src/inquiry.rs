//! A hunt that explains itself: for whoever has a state machine of their own and wants to know whether it survives.

use std::fmt::Write as _;

use crate::{
    Diagram, Film, Found, Hunt, Plan, PlanError, Report, Run, Runs, Shrunk, Subject, World, run, shrink,
};

/// What an inquiry came to.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The hunt.
    pub report: Report,
    /// Nothing was found, and something was tried.
    pub is_clean: bool,
    /// The smallest run that shows the first violation.
    pub shrunk: Option<Shrunk>,
    /// All of it in words, with a diagram of the small run and the events that prove its violation.
    pub told: String,
}

/// Hunts; shrinks the first violation that it finds, and explains it.
///
/// # Errors
/// When a plan cannot be run.
pub fn inquire<S: Subject>(
    hunt: &Hunt,
    plan: impl Fn(u64) -> Plan + Sync,
    make: impl Fn(&Plan) -> S + Sync,
) -> Result<Inquiry, PlanError> {
    let report = hunt.go(&plan, &make, &mut |_, _| true)?;
    let Some(found) = report.violations.first() else {
        let reason = report.proves_nothing();
        let told = match &reason {
            Some(reason) => format!("? inconclusive: {reason}"),
            None => format!("✓ nothing found in {} runs (not a proof)", report.runs),
        };
        return Ok(Inquiry { is_clean: reason.is_none(), shrunk: None, told, report });
    };
    let made = Made { make: &make };
    let shrunk = shrink(&made, &plan(found.seed), &mut |_, _, _| true)?;
    let mut told = format!("✗ found in {} runs, by seed {}\n", report.runs, found.seed);
    if let Some(shrunk) = &shrunk {
        told += &tell(&made, shrunk)?;
    }
    Ok(Inquiry { is_clean: false, shrunk, told, report })
}

struct Made<'a, F> {
    make: &'a F,
}

impl<S: Subject, F: Fn(&Plan) -> S> Made<'_, F> {
    fn world(&self, plan: &Plan) -> Result<World<S>, PlanError> {
        let mut world = World::new(plan.clone(), (self.make)(plan))?;
        world.keep(usize::MAX);
        world.run();
        Ok(world)
    }
}

impl<S: Subject, F: Fn(&Plan) -> S> Runs for Made<'_, F> {
    fn run(&self, plan: &Plan) -> Result<Run, PlanError> {
        run(plan.clone(), self.make)
    }

    fn film(&self, plan: &Plan) -> Result<Film, PlanError> {
        Ok(self.world(plan)?.film())
    }
}

fn tell<S: Subject, F: Fn(&Plan) -> S>(made: &Made<'_, F>, shrunk: &Shrunk) -> Result<String, PlanError> {
    let mut told = String::new();
    let (before, after) = (shrunk.before, shrunk.after);
    let _ = writeln!(
        told,
        "shrunk in {} runs: {} faults → {}, {} commands → {}, {} records → {}",
        shrunk.tries,
        before.faults,
        after.faults,
        before.commands,
        after.commands,
        before.records,
        after.records
    );
    for fault in &shrunk.plan.faults.faults {
        let _ = writeln!(told, "  {fault}");
    }
    let world = made.world(&shrunk.plan)?;
    let _ = writeln!(told, "\n{}", world.draw(&Diagram { lines_max: 24, ..Diagram::default() }));
    if let Some(Found { violation, .. }) = &shrunk.run.found {
        let _ = writeln!(told, "✗ {violation}");
        for event in world.film().proof(violation) {
            let _ = writeln!(told, "    {event}");
        }
    }
    Ok(told)
}
