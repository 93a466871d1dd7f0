//! Known bugs are put back one by one, and each must be found: what a hunt would miss it does not guard against.

use synod_database::{Flaws, raft};
use synod_lab::entry::Entry;
use synod_lab::hunt::Campaign;
use synod_lab::mechanism::database::planted::{self, BUGS, Planted};
use synod_lab::mechanism::database::{Database, Scene, Setting};
use synod_sim::{Hunt, Sabotage};

/// Runs within which each must be found.
const RUNS_MAX: u64 = 500;
/// Runs of each focus without its bug.
const CONTROL_RUNS: u64 = 6;
const DATABASE: &dyn Entry = &Scene;

fn settings_for(bug: &Planted) -> synod_lab::entry::Settings {
    let weakness = DATABASE.about().weakness(bug.name).expect("the catalogue knows it");
    DATABASE.settings().showing(weakness)
}

fn hunt_for(bug: &'static Planted) -> Option<(u64, String)> {
    let hunt = Hunt { runs: RUNS_MAX, twice: false, violations_max: usize::MAX, ..Hunt::default() };
    let campaign = Campaign { entry: DATABASE, settings: settings_for(bug), hunt, findings: None };
    let outcome = campaign.go(&mut |_, run| !bug.explains(run)).expect("plans can be run");
    let report = outcome.report;
    let run = report.violations.iter().find(|run| bug.explains(run))?;
    let property = run.found.as_ref().map(|found| found.violation.property.clone());
    Some((report.runs, property.unwrap_or_default()))
}

#[test]
fn every_bug_that_is_put_back_is_found() {
    let mut missed = Vec::new();
    for bug in BUGS {
        match hunt_for(bug) {
            Some((runs, property)) => println!("{:<28} found in run {runs}, by {property}", bug.name),
            None => missed.push(bug.name),
        }
    }
    assert!(BUGS.len() >= 10, "at least ten bugs are known, found {}", BUGS.len());
    assert!(missed.is_empty(), "not found within {RUNS_MAX} runs each: {missed:?}");
}

/// What a focus does to plan and load breaks nothing by itself: it is the bug that is found.
#[test]
fn no_focus_finds_anything_without_its_bug() {
    for bug in BUGS.iter().filter(|bug| bug.name != "drift-past-the-bound") {
        let plan = |seed| {
            let mut plan = DATABASE.plan(seed, &settings_for(bug));
            plan.sabotage = Sabotage::default();
            plan
        };
        let make = |plan: &synod_sim::Plan| {
            let mut setting = Setting::draw(plan);
            (bug.setting)(&mut setting);
            (setting.flaws, setting.shard.raft.flaws) = (Flaws::default(), raft::Flaws::default());
            Database::new(plan, setting)
        };
        let hunt = Hunt { runs: CONTROL_RUNS, twice: false, ..Hunt::default() };
        let report = hunt.go(plan, make, &mut |_, _| true).expect("plans can be run");
        let found: Vec<_> = report.violations.iter().map(|run| (run.seed, &run.found)).collect();
        assert!(found.is_empty(), "{}: {found:?}", bug.name);
    }
}

/// Stale reads are found when they arrive, by their revision. The windows must find them without that, and say which answer was impossible.
#[test]
fn the_windows_alone_find_a_stale_read() {
    let bug = planted::named("read-of-deposed-leader").expect("it is known");
    let make = |plan: &synod_sim::Plan| {
        let mut setting = Setting::draw(plan);
        (bug.setting)(&mut setting);
        setting.judges_at_once = false;
        Database::new(plan, setting)
    };
    let hunt = Hunt { runs: RUNS_MAX, twice: false, ..Hunt::default() };
    let plan = |seed| DATABASE.plan(seed, &settings_for(bug));
    let report = hunt.go(plan, make, &mut |_, run| !bug.explains(run)).expect("plans can be run");
    let run = report.violations.iter().find(|run| bug.explains(run)).expect("it is found");
    let found = run.found.as_ref().expect("it is a violation");
    assert!(
        found.violation.sentence.contains("cannot be placed anywhere between"),
        "{}",
        found.violation.sentence
    );
}

#[test]
fn bugs_have_names_of_their_own() {
    for bug in BUGS {
        assert_eq!(planted::named(bug.name).map(|found| found.sentence), Some(bug.sentence));
        assert!(!bug.breaks.is_empty() && bug.sentence.ends_with('.'), "{}", bug.name);
    }
}
