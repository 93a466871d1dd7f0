//! A short campaign with every seed that was ever bad first: nothing is found, all that matters happened, and a run is the same whenever it is
//! made.

use std::path::Path;

use synod_lab::hunt::{Campaign, Verdict};
use synod_lab::replay::Look;
use synod_lab::scenario::Scenario as _;
use synod_lab::scenario::database::Scene;
use synod_sim::{Diagram, Findings, Hunt};

/// Enough for everything that must be exercised; the long campaign is made by hand.
const RUNS: u64 = 60;

fn findings() -> Findings {
    Findings::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("findings/database"))
}

#[test]
fn a_short_campaign_finds_nothing_and_exercises_everything() {
    let known = findings().load(Scene.name()).expect("findings can be read");
    let mut first: Vec<u64> = known.iter().map(|finding| finding.seed).collect();
    first.dedup();
    let runs = RUNS + first.len() as u64;
    let hunt = Hunt { first, runs, violations_max: 3, ..Hunt::default() };
    let campaign = Campaign { scenario: &Scene, bug: None, hunt, findings: None };
    let outcome = campaign.go(&mut |_, _| true).expect("plans can be run");
    let found: Vec<_> = outcome.report.violations.iter().map(|run| (run.seed, &run.found)).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(outcome.verdict(&Scene), Verdict::Clean);
    let never: Vec<&&str> =
        Scene.must_exercise().iter().filter(|name| outcome.report.exercised.count(name) == 0).collect();
    assert!(never.is_empty(), "{} runs never came to {never:?}", outcome.report.runs);
}

#[test]
fn a_hunt_reports_the_same_with_any_number_of_threads() {
    let report = |threads| {
        let hunt = Hunt { runs: 12, threads, twice: false, ..Hunt::default() };
        Scene.hunt(&hunt, None, &mut |_, _| true).expect("plans can be run")
    };
    assert_eq!(report(1), report(3));
}

#[test]
fn a_replay_is_the_run_with_a_picture() {
    let bug = synod_lab::planted::named("forget-vote");
    let hunt = Hunt { twice: false, ..Hunt::default() };
    let report = Scene.hunt(&hunt, bug, &mut |_, _| true).expect("plans can be run");
    let run = report.violations.first().expect("the bug is found");
    let look = Look { diagram: Diagram { ascii: true, ..Diagram::default() }, ..Look::default() };
    let plan = Scene.plan(run.seed, bug);
    let replayed = Scene.replay(plan, bug, &look, None).expect("the plan can be run");
    assert!(replayed.same, "{:016x} and {:016x}", replayed.run.fingerprint, replayed.again);
    assert_eq!(&replayed.run, run);
    assert!(replayed.picture.lines().all(|line| line.len() <= 80), "{}", replayed.picture);
    assert!(replayed.picture.contains("violated") && replayed.picture.contains("legend"));
}
