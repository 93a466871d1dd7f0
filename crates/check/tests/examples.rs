//! The histories that come with the crate, one for each thing that can go wrong, and what is said of each.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use synod_check::format::{self, Log};
use synod_check::judge::{Answer, Models, Question, describe, judge, report};
use synod_check::linearizability::Effort;
use synod_check::model::{Model, Summary};

/// The file, the strongest models that it keeps, and the weakest that it breaks.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("one-order.txt", "linearizable", ""),
    ("stale-read.txt", "sequential", "linearizable"),
    ("both-missed.txt", "causal-convergence causal-memory", "sequential"),
    ("two-orders.txt", "causal-memory", "causal-convergence"),
    ("order-known-too-late.txt", "causal-convergence", "pram"),
    ("answer-before-question.txt", "pram", "writes-follow-reads"),
    ("own-write-missed.txt", "monotonic-reads monotonic-writes writes-follow-reads", "read-your-writes"),
    ("reads-go-back.txt", "read-your-writes monotonic-writes writes-follow-reads", "monotonic-reads"),
    ("writes-out-of-order.txt", "read-your-writes monotonic-reads writes-follow-reads", "monotonic-writes"),
    ("cas-both.jsonl", "causal-memory", "sequential"),
    ("kv-lost-append.jsonl", "monotonic-reads monotonic-writes writes-follow-reads", "read-your-writes"),
    ("etcd-kept.jsonl", "linearizable", ""),
    ("etcd-stale-read.jsonl", "sequential", "linearizable"),
    ("queue-twice.jsonl", "causal-memory", "sequential"),
    ("set-lost.jsonl", "sequential", "linearizable"),
    ("counter-lost.jsonl", "monotonic-reads monotonic-writes writes-follow-reads", "read-your-writes"),
    ("lock-fencing.jsonl", "sequential", "linearizable"),
    ("mutex-both.jsonl", "causal-memory", "sequential"),
    ("txn-late-read.edn", "strong-session-serializable", "strict-serializable"),
    ("txn-own-write-missed.edn", "serializable", "transactional-causal"),
    ("write-skew.edn", "strong-session-snapshot-isolation", "serializable"),
    ("long-fork.edn", "transactional-causal", "snapshot-isolation"),
    ("lost-update.edn", "transactional-causal", "snapshot-isolation"),
    ("txn-answer-before-question.edn", "read-atomic", "snapshot-isolation transactional-causal"),
    ("fractured-read.edn", "read-committed", "read-atomic"),
    ("aborted-read.edn", "", "read-committed"),
    ("circle.edn", "", "read-committed"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/histories")
}

fn judged(name: &str, models: Models) -> (Log, Answer) {
    let file = File::open(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let log = format::read(BufReader::new(file), |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
    let question = Question { models, object: None, effort: Effort::default(), wants_order: false };
    let answer = judge(&log, &question).unwrap_or_else(|error| panic!("{name}: {error}"));
    (log, answer)
}

fn summary(answer: &Answer) -> Summary {
    Summary::new(answer.findings.iter().map(|explained| explained.judgement.clone()).collect())
}

#[test]
fn each_keeps_and_breaks_what_it_is_an_example_of() {
    for (name, kept, broken) in EXAMPLES {
        let (_, answer) = judged(name, Models::All);
        let summary = summary(&answer);
        let names = |models: &[Model]| models.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&summary.strongest_kept), *kept, "{name}: strongest kept");
        assert_eq!(names(&summary.weakest_broken), *broken, "{name}: weakest broken");
    }
}

#[test]
fn every_file_is_an_example_and_every_model_is_broken_by_one() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|file| file.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut named: Vec<&str> = EXAMPLES.iter().map(|(name, ..)| *name).collect();
    named.sort_unstable();
    assert_eq!(files, named);
    for model in Model::OPERATIONS.into_iter().chain(Model::TRANSACTIONS) {
        let weakest =
            |list: &str| list.split(' ').filter_map(|name| name.parse().ok()).collect::<Vec<Model>>();
        let breaks = |list: &str| weakest(list).into_iter().any(|weaker| model.implies(weaker));
        assert!(EXAMPLES.iter().any(|(_, _, broken)| breaks(broken)), "no example breaks {model}");
    }
}

#[test]
fn reports_stay_within_eighty_columns_but_for_words_that_do_not() {
    for (name, ..) in EXAMPLES {
        for models in [Models::Usual, Models::All] {
            let (log, answer) = judged(name, models);
            for line in report(&log, &answer, 80).lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }
}

#[test]
fn every_operation_that_is_told_has_words() {
    for (name, ..) in EXAMPLES {
        let (log, answer) = judged(name, Models::Usual);
        let text = report(&log, &answer, 80);
        assert!(!text.contains("``"), "{name}:\n{text}");
        for operation in &log.operations {
            assert!(!describe(operation, answer.keying).is_empty(), "{name}: {operation:?}");
        }
    }
    let (log, answer) = judged("set-lost.jsonl", Models::Usual);
    assert!(report(&log, &answer, 80).contains("elements → []  <- cannot be placed"));
    let (log, answer) = judged("mutex-both.jsonl", Models::Usual);
    assert!(report(&log, &answer, 80).contains("Where the state was held, the lock was held."));
}

#[test]
fn a_stale_read_of_an_etcd_is_told_with_the_change_that_it_missed() {
    let (log, answer) = judged("etcd-stale-read.jsonl", Models::Usual);
    let text = report(&log, &answer, 80);
    for part in [
        "`get [config/, config0) → 0 keys at revision 2` of process 3",
        "These 2 operations are impossible already",
        "put config/a 1 → ok at revision 3",
        "in flight",
    ] {
        assert!(text.replace('\n', " ").to_lowercase().contains(&part.to_lowercase()), "{part}:\n{text}");
    }
}
