//! A short campaign with every seed that was ever bad first: nothing is found, all that matters happened, and a run is the same whenever it is
//! made.

use std::path::Path;

use synod_lab::catalogue;
use synod_lab::entry::Entry;
use synod_lab::hunt::{Campaign, Verdict};
use synod_lab::replay::Look;
use synod_sim::{Diagram, Findings, Hunt};

/// Enough for everything that must be exercised; the long campaign is made by hand.
const RUNS: u64 = 60;

fn database() -> &'static dyn Entry {
    catalogue::entry("database").expect("the catalogue has it")
}

fn findings() -> Findings {
    Findings::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("findings/database"))
}

#[test]
fn a_short_campaign_finds_nothing_and_exercises_everything() {
    let known = findings().load("database").expect("findings can be read");
    let mut first: Vec<u64> = known.iter().map(|finding| finding.seed).collect();
    first.dedup();
    let runs = RUNS + first.len() as u64;
    let hunt = Hunt { first, runs, violations_max: 3, ..Hunt::default() };
    let campaign = Campaign { entry: database(), settings: database().settings(), hunt, findings: None };
    let outcome = campaign.go(&mut |_, _| true).expect("plans can be run");
    let found: Vec<_> = outcome.report.violations.iter().map(|run| (run.seed, &run.found)).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(outcome.verdict(database().about()), Verdict::Clean);
    let never: Vec<&&str> = database()
        .about()
        .must_exercise
        .iter()
        .filter(|name| outcome.report.exercised.count(name) == 0)
        .collect();
    assert!(never.is_empty(), "{} runs never came to {never:?}", outcome.report.runs);
}

#[test]
fn a_hunt_reports_the_same_with_any_number_of_threads() {
    let report = |threads| {
        let hunt = Hunt { runs: 12, threads, twice: false, ..Hunt::default() };
        database().hunt(&hunt, &database().settings(), &mut |_, _| true).expect("plans can be run")
    };
    assert_eq!(report(1), report(3));
}

#[test]
fn a_replay_is_the_run_with_a_picture() {
    let bug = database().about().weakness("forget-vote").expect("it is known");
    let settings = database().settings().showing(bug);
    let hunt = Hunt { twice: false, ..Hunt::default() };
    let report = database().hunt(&hunt, &settings, &mut |_, _| true).expect("plans can be run");
    let run = report.violations.first().expect("the bug is found");
    let look = Look { diagram: Diagram { ascii: true, ..Diagram::default() }, ..Look::default() };
    let plan = database().plan(run.seed, &settings);
    let replayed = database().replay(plan, &settings, &look, None).expect("the plan can be run");
    assert!(replayed.same, "{:016x} and {:016x}", replayed.run.fingerprint, replayed.again);
    assert_eq!(&replayed.run, run);
    assert!(replayed.picture.lines().all(|line| line.len() <= 80), "{}", replayed.picture);
    assert!(replayed.picture.contains("violated") && replayed.picture.contains("legend"));
}
