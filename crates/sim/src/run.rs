//! One run from its beginning to its verdict, and the same run twice.

use std::time::Duration;

use synod_machine::Mono;

use crate::plan::{Plan, PlanError};
use crate::{Exercised, Subject, Violation, World};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The violation that ended it, if one did.
    pub found: Option<Found>,
    /// Why the run proves nothing, if it does not.
    pub vacuous: Option<String>,
    /// What it exercised.
    pub exercised: Exercised,
    /// How many records there were.
    pub records: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// The hash of all records.
    pub fingerprint: u64,
    /// The assumptions that the world broke, because it was told to.
    pub broken_needs: Vec<String>,
}

/// A violation and its place in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What does not hold.
    pub violation: Violation,
    /// When, in true time.
    pub time: Mono,
    /// After so many records.
    pub record: u64,
    /// In which phase.
    pub phase: Phase,
}

/// The two phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Faults happen; nothing unsafe may.
    Safety,
    /// Faults are over; there must be progress.
    Heal,
}

/// Runs a plan.
///
/// # Errors
/// When the plan cannot be run; see [`World::new`].
pub fn run<S: Subject>(plan: Plan, make: impl FnOnce(&Plan) -> S) -> Result<Run, PlanError> {
    let subject = make(&plan);
    Ok(World::new(plan, subject)?.run())
}

/// How many moments before a divergence are shown.
const SHOWN_MOMENTS: usize = 4;

/// Runs a plan twice, side by side, and compares the hash of the records after every event. Where they part, the run
/// ends with a violation of determinism that shows the last records of both.
///
/// # Errors
/// When the plan cannot be run.
pub fn run_twice<S: Subject>(plan: Plan, make: impl Fn(&Plan) -> S) -> Result<Run, PlanError> {
    let mut first = World::new(plan.clone(), make(&plan))?;
    let mut second = World::new(plan.clone(), make(&plan))?;
    loop {
        let going = (first.advance(), second.advance());
        if first.fingerprint() != second.fingerprint() || going.0 != going.1 {
            break;
        }
        if !going.0 {
            let (run, again) = (first.report(), second.report());
            let same = run == again;
            return Ok(if same {
                run
            } else {
                diverged(&first, "both made the same records, but not the same report")
            });
        }
    }
    // Once more from the start with the last moments kept: now it is known that it is worth it. If chance is at
    // work the place may be another one, but it is a place.
    let mut first = World::new(plan.clone(), make(&plan))?;
    let mut second = World::new(plan.clone(), make(&plan))?;
    first.keep(SHOWN_MOMENTS);
    second.keep(SHOWN_MOMENTS);
    while first.fingerprint() == second.fingerprint() {
        if (first.advance(), second.advance()) != (true, true) {
            break;
        }
    }
    let shown = |world: &World<S>| {
        let last = world.moments().last().map(|moment| format!("{moment:?}"));
        last.unwrap_or_else(|| "nothing".to_owned())
    };
    let sentence = format!("one run came to {}\nthe other to {}", shown(&first), shown(&second));
    Ok(diverged(&first, &sentence))
}

fn diverged<S: Subject>(world: &World<S>, sentence: &str) -> Run {
    let mut run = world.report();
    let sentence = format!("two runs of seed {} part at record {}: {sentence}", run.seed, run.records);
    let violation = Violation::new("determinism", [], sentence);
    let time = Mono::from_start(run.simulated);
    run.found = Some(Found { violation, time, record: run.records, phase: Phase::Safety });
    run
}
