//! Textbook histories: each names its anomaly, is broken by the weakest model that forbids it and by all that imply that
//! one, and is kept by the others; brute force agrees.

use synod_check::model::Model;
use synod_check::transactions::{Effort, brute_force, check_all};

use crate::written::history;

/// A history that is kept by exactly the models that imply none of the weakest broken ones.
fn golden(name: Option<&str>, weakest_broken: &[Model], text: &str) {
    let history = history(text);
    let report = check_all(&history, Effort::default());
    let names: Vec<String> = report.witnesses.iter().map(|witness| witness.name().to_string()).collect();
    for judgement in &report.judgements {
        let should_break = weakest_broken.iter().any(|broken| judgement.model.implies(*broken));
        assert_eq!(
            brute_force::keeps(&history, judgement.model),
            !should_break,
            "brute force: {}",
            judgement.model
        );
        assert_eq!(judgement.is_broken(), should_break, "{}: {judgement}\n{names:?}", judgement.model);
        assert_eq!(judgement.is_kept(), !should_break, "{}: {judgement}", judgement.model);
    }
    if let Some(name) = name {
        assert!(names.iter().any(|found| found == name), "expected {name}, found {names:?}");
        let named = report
            .witnesses
            .iter()
            .find(|witness| witness.name().to_string() == name)
            .expect("it was just found");
        assert!(weakest_broken.contains(&named.breaks), "{named:?}");
    }
}

#[test]
fn what_is_right_is_kept() {
    golden(None, &[], "0: a x 1, r x 1\n 1: r x 1, a x 2, r x 1 2\n 0: r x 1 2, r y");
    golden(None, &[], "0: w x 1, g x 1\n 1: g x 1, w x 2, g x 2\n 0: g x 2, g y");
    golden(None, &[], "");
}

#[test]
fn reads_of_what_never_was() {
    let broken = [Model::ReadCommitted];
    golden(Some("garbage read"), &broken, "0: a x 1\n 1: r x 1 7");
    golden(Some("garbage read"), &broken, "0: w x 1\n 1: g x 7");
    golden(Some("G1a"), &broken, "0 abort: a x 1\n 1: r x 1");
    golden(Some("G1a"), &broken, "0 abort: w x 1\n 1: g x 1");
    golden(Some("dirty update"), &broken, "0 abort: a x 1\n 1: a x 2\n 2: r x 1 2");
    golden(Some("G1b"), &broken, "0: a x 1, a x 2\n 1: r x 1\n 2: r x 1 2");
    golden(Some("G1b"), &broken, "0: w x 1, w x 2\n 1: g x 1");
    golden(Some("duplicate elements"), &broken, "0: a x 1\n 1: r x 1 1");
    golden(Some("incompatible order"), &broken, "0: a x 1\n 1: a x 2\n 2: r x 1 2\n 3: r x 2 1");
}

#[test]
fn circles_of_writes_and_reads() {
    let broken = [Model::ReadCommitted];
    golden(Some("G0"), &broken, "0: a x 1, a y 1\n 1: a x 2, a y 2\n 2: r x 1 2, r y 2 1");
    golden(Some("G1c"), &broken, "0: a x 1, r y 1\n 1: a y 1, r x 1");
    golden(Some("G1c"), &broken, "0: w x 1, g y 1\n 1: w y 1, g x 1");
    golden(Some("cyclic versions"), &broken, "0: g x 1, w x 2\n 1: g x 2, w x 1");
}

#[test]
fn a_transaction_agrees_with_itself() {
    let broken = [Model::ReadAtomic];
    golden(Some("internal"), &broken, "0: a x 1\n 1: r x, r x 1");
    golden(Some("internal"), &broken, "0: a x 1, r x");
    golden(Some("internal"), &broken, "0: w x 1, g x");
    golden(Some("internal"), &broken, "0: w x 1\n 1: g x, g x 1");
}

#[test]
fn all_or_nothing_is_seen() {
    let broken = [Model::ReadAtomic];
    golden(Some("G-single (fractured read)"), &broken, "0: a x 1, a y 1\n 1: r x 1, r y\n 2: r y 1");
    golden(Some("G-single (fractured read)"), &broken, "0: a x 1, a y 1\n 1: r x 1, r y");
    golden(Some("G-single (fractured read)"), &broken, "0: w x 1, w y 1\n 1: g x 1, g y");
    golden(Some("G-single (fractured read)"), &broken, "0: w x 1\n 1: g x 1, w x 2, w y 2\n 2: g x 1, g y 2");
}

#[test]
fn what_was_seen_stays_seen() {
    let broken = [Model::TransactionalCausal];
    let session_only = |text| golden(Some("G-single-process"), &broken, text);
    // Nothing without sessions is wrong with these: serializable, but not causal.
    session_only("0: a x 1\n 0: r x\n 1: r x 1");
    session_only("0: w x 1\n 0: g x");
    session_only("0: a x 1\n 1: r x 1\n 1: r x");
    session_only("0: w x 1\n 1: g x 1\n 1: g x");
    // Through a third transaction: an answer is seen, and what it answers is not.
    let both = [Model::TransactionalCausal, Model::SnapshotIsolation];
    golden(Some("G-single"), &both, "0: a x 1\n 1: r x 1, a y 1\n 2: r y 1, r x");
    golden(Some("G-single"), &both, "0: w x 1\n 1: g x 1, w y 1\n 2: g y 1, g x");
}

#[test]
fn snapshots() {
    let broken = [Model::SnapshotIsolation];
    golden(Some("G-single (lost update)"), &broken, "0: r x, a x 1\n 1: r x, a x 2\n 2: r x 1 2");
    golden(Some("G-single (lost update)"), &broken, "0: r x, a x 1\n 1: r x, a x 2");
    golden(Some("G-nonadjacent (long fork)"), &broken, "0: a x 1\n 1: a y 1\n 2: r x 1, r y\n 3: r x, r y 1");
    golden(Some("G-single"), &broken, "0: r x, r y 1\n 1: a x 1, a z 1\n 2: a z 2, a y 1\n 3: r z 1 2");
}

/// A special name is given where its definition fits, and nowhere else.
#[test]
fn cases_of_a_class_without_a_name_of_their_own() {
    let snapshots = [Model::SnapshotIsolation];
    // The circle of a long fork, but a reader writes, or the two readers do not speak of the same two keys.
    golden(Some("G-nonadjacent"), &snapshots, "0: a x 1\n 1: a y 1\n 2: r x 1, r y, a z 1\n 3: r x, r y 1");
    golden(Some("G-nonadjacent"), &snapshots, "0: a x 1, a z 1\n 1: a y 1\n 2: r x 1, r y\n 3: r z, r y 1");
    golden(
        Some("G-nonadjacent"),
        &snapshots,
        "0: a x 1\n 1: a y 1\n 2: a z 1\n 3: r x 1, r y\n 4: r y 1, r z\n 5: r z 1, r x",
    );
    // Two updates were missed in a row, by three transactions.
    golden(Some("G2-item"), &[Model::Serializable], "0: r x, r y 1\n 1: a y 1, a z 1\n 2: r z, a x 1");
    // Replaced unread: an update is lost although nobody read it.
    golden(Some("G-single (lost update)"), &snapshots, "0: r x, a x 1\n 1: a x 2\n 2: r x 2 1");
    // What was read is older than a version of the same writer that came through another one.
    golden(
        Some("G-single (fractured read)"),
        &[Model::ReadAtomic],
        "0: g y 1, w x 1, w y 2\n 1: w y 1\n 2: g x 1, g y 1",
    );
}

#[test]
fn serial_orders() {
    let broken = [Model::Serializable];
    golden(Some("G2-item (write skew)"), &broken, "0: r x, r y, a x 1\n 1: r x, r y, a y 1");
    golden(Some("G2-item"), &broken, "0: r x, a y 1\n 1: r y, a z 1\n 2: r z, a x 1");
    // The anomaly of a transaction that only reads (Fekete, O'Neil and O'Neil 2004).
    golden(Some("G2-item"), &broken, "0: r x, r y, a x 1\n 1: r y, a y 1\n 2: r x, r y 1");
}

#[test]
fn sessions_and_time() {
    golden(
        Some("G-single-realtime"),
        &[Model::StrictSerializable],
        "0 0-1: a x 1\n 1 2-3: r x\n 2 4-5: r x 1",
    );
    golden(None, &[], "0 0-2: a x 1\n 1 2-3: r x\n 2 4-5: r x 1");
    golden(None, &[], "0 0- unknown: a x 1\n 1 2-3: r x\n 2 4-5: r x 1");
    golden(Some("G0-realtime"), &[Model::StrictSerializable], "0 0-1: a x 1\n 1 2-3: a x 2\n 2 4-5: r x 2 1");
    let sessions = [Model::StrongSessionSerializable];
    golden(Some("G2-item-process"), &sessions, "0: a z 1\n 0: r x\n 1: a x 1, r z");
    let snapshots = [Model::StrongSessionSnapshotIsolation];
    golden(Some("G-nonadjacent-process"), &snapshots, "0: a x 1\n 0: r y\n 1: a y 1\n 1: r x");
}

#[test]
fn a_transaction_of_unknown_outcome_counts_when_it_was_seen() {
    golden(None, &[], "0 unknown: a x 1\n 1: r x");
    golden(None, &[], "0 unknown: a x 1\n 1: r x 1");
    golden(
        Some("G-single (fractured read)"),
        &[Model::ReadAtomic],
        "0 unknown: a x 1, a y 1\n 1: r x 1, r y",
    );
    golden(
        Some("G-single (fractured read)"),
        &[Model::ReadAtomic],
        "0 unknown: w x 1, w y 1\n 1: g x 1, g y",
    );
}
