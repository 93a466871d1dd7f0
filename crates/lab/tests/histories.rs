//! What the laboratory writes for `synod check` is judged there as it was here.

use std::io::BufReader;

use synod_check::format;
use synod_check::judge::{Answer, Models, Question, Worst, judge};
use synod_check::linearizability::{Effort, Limits};
use synod_lab::catalogue;
use synod_lab::entry::{Entry, Settings};
use synod_lab::replay::{Look, Replayed};
use synod_sim::Plan;

/// The mechanisms whose clients use an object, with what must be set for it.
const WITH_HISTORY: &[(&str, &[&str])] = &[
    ("paxos", &[]),
    ("raft", &[]),
    ("central", &[]),
    ("lamport-mutex", &[]),
    ("maekawa", &[]),
    ("quorum", &["versions=tags"]),
    ("database", &[]),
];
/// Seeds of each without a weakness.
const SEEDS: u64 = 6;
/// Seeds in which a weakness must show to clients.
const SEEDS_MAX: u64 = 60;

fn settings(entry: &'static dyn Entry, set: &[&str], weakness: Option<&str>) -> Settings {
    let mut settings = entry.settings();
    for assignment in set {
        settings.set(assignment).expect("a parameter of the entry");
    }
    match weakness {
        Some(name) => settings.showing(entry.about().weakness(name).expect("the entry knows it")),
        None => settings,
    }
}

fn replay(entry: &'static dyn Entry, plan: &Plan, settings: &Settings) -> Replayed {
    let look = Look { history: true, moments_max: 0, ..Look::default() };
    let replayed = entry.replay(plan.clone(), settings, &look, None).expect("the plan can be run");
    assert!(replayed.same, "{}: taking down what clients do changed the run", entry.name());
    replayed
}

/// The history as a file, and what `synod check` says of it.
fn written(replayed: &Replayed, plan: &Plan) -> (format::Log, Answer) {
    let chronicle = replayed.history.as_ref().expect("it was asked for").as_ref().expect("there is one");
    let text = chronicle.write(Vec::new(), plan, "a test").expect("memory takes it");
    let log = format::read(BufReader::new(&text[..]), |_| {}).expect("what is written can be read");
    let effort =
        Effort { limits: Limits { steps_max: 2_000_000, configurations_max: 20_000 }, ..Effort::default() };
    let question = Question { models: Models::Usual, object: None, effort, wants_order: false };
    let answer = judge(&log, &question).expect("it fits its object");
    (log, answer)
}

#[test]
fn what_keeps_its_properties_has_a_history_that_is_kept() {
    for (name, set) in WITH_HISTORY {
        let entry = catalogue::entry(name).expect("a mechanism");
        let settings = settings(entry, set, None);
        let (mut operations, mut faults) = (0, 0);
        for seed in 1..=SEEDS {
            let plan = entry.plan(seed, &settings);
            let replayed = replay(entry, &plan, &settings);
            assert_eq!(replayed.run.found, None, "{name}, seed {seed}");
            let (log, answer) = written(&replayed, &plan);
            assert_eq!(answer.worst(), Worst::Kept, "{name}, seed {seed}: {answer:?}");
            operations += log.operations.len();
            faults += log.faults.len();
            let ends = log.faults.iter().filter_map(|fault| fault.to);
            assert!(ends.into_iter().all(|to| to <= plan.safety), "{name}, seed {seed}");
        }
        assert!(operations > 100 && faults > 0, "{name}: {operations} operations, {faults} faults");
    }
}

/// The weakness shows to clients in one of the first runs: both say so. No history is called broken of a run in which nothing was found.
#[track_caller]
fn is_broken_in_both(name: &str, set: &[&str], weakness: &str, property: &str) {
    let entry = catalogue::entry(name).expect("a mechanism");
    let settings = settings(entry, set, Some(weakness));
    let mut is_shown = false;
    for seed in 1..=SEEDS_MAX {
        let plan = entry.plan(seed, &settings);
        if entry.run(plan.clone(), &settings).expect("the plan can be run").found.is_none() && seed > 3 {
            continue;
        }
        let replayed = replay(entry, &plan, &settings);
        let (_, answer) = written(&replayed, &plan);
        let found = replayed.run.found.as_ref().map(|found| found.violation.property.as_str());
        let is_broken = answer.worst() == Worst::Broken;
        assert!(!is_broken || found.is_some(), "{name}, {weakness}, seed {seed}: only the history is broken");
        is_shown |= is_broken && found == Some(property);
        if is_shown {
            break;
        }
    }
    assert!(is_shown, "{name}, {weakness}: no client has seen it in {SEEDS_MAX} seeds");
}

#[test]
fn registers_on_quorums_that_miss_are_broken_in_both() {
    is_broken_in_both("quorum", &["versions=tags"], "quorums-that-miss", "linearizability");
    is_broken_in_both("quorum", &["versions=tags"], "no-write-back", "linearizability");
}

#[test]
fn the_register_of_a_log_whose_leader_does_not_ask_is_broken_in_both() {
    is_broken_in_both("raft", &[], "read-without-quorum", "linearizable reads");
}

#[test]
fn a_database_that_reads_from_a_deposed_leader_is_broken_in_both() {
    is_broken_in_both("database", &[], "read-of-deposed-leader", "linearizability");
}

#[test]
fn the_others_say_why_they_have_no_history() {
    let with: Vec<&str> = WITH_HISTORY.iter().map(|(name, _)| *name).collect();
    for entry in catalogue::ENTRIES {
        assert_eq!(entry.has_history(), with.contains(&entry.name()), "{}", entry.name());
    }
    let quorum = catalogue::entry("quorum").expect("a mechanism");
    let settings = settings(quorum, &["versions=vectors"], None);
    let plan = quorum.plan(1, &settings);
    let reason = replay(quorum, &plan, &settings).history.expect("asked for").expect_err("siblings");
    assert!(reason.contains("versions=tags"), "{reason}");
}
