//! Each promise kept by a right run, and broken by every kind of wrong one.

use std::time::Duration;

use synod_check::etcd::*;
use synod_check::generate::{self, Shape};
use synod_check::history::OperationId;
use synod_check::specification::key_value::{Pair, Span};

fn history() -> StoreHistory {
    StoreHistory::new(vec![
        Change::put(2, "a", "1"),
        Change::put(3, "b", "1"),
        Change::put(4, "a", "2"),
        Change::put(4, "c", "2"),
        Change::delete(5, "a"),
        Change::put(6, "a", "3"),
    ])
}

#[track_caller]
fn broken<T: std::fmt::Debug>(result: Result<T, PropertyViolation>, sentence: &str) {
    let violation = result.expect_err(sentence);
    assert_eq!(violation.sentence, sentence);
}

#[test]
fn dense_revisions() {
    revisions_are_dense(&history()).unwrap();
    revisions_are_dense(&StoreHistory::new(vec![])).unwrap();
    let of = |changes| revisions_are_dense(&StoreHistory::new(changes));
    broken(
        of(vec![Change::put(2, "a", "1"), Change::put(4, "a", "2")]),
        "After revision 2 comes the put of a = 2 at revision 4, which skips revision 3.",
    );
    broken(
        of(vec![Change::put(2, "a", "1"), Change::put(3, "b", "1"), Change::delete(2, "a")]),
        "After revision 3 comes the deletion of a at revision 2, which goes back to revision 2.",
    );
    broken(of(vec![Change::put(2, "a", "1"), Change::put(2, "a", "2")]), "Revision 2 changes a twice.");
    broken(
        of(vec![Change::put(1, "a", "1")]),
        "After revision 1 comes the put of a = 1 at revision 1, which goes back to revision 1.",
    );
}

fn write(id: u64, revision: u64, effects: Vec<AcknowledgedEffect>) -> AcknowledgedWrite {
    AcknowledgedWrite { id: OperationId(id), revision, effects }
}

fn put(key: &str, value: &str) -> AcknowledgedEffect {
    AcknowledgedEffect::Put { key: key.as_bytes().into(), value: value.as_bytes().into() }
}

fn delete(span: Span, count: u64) -> AcknowledgedEffect {
    AcknowledgedEffect::Deleted { span, count }
}

#[test]
fn acknowledged_writes_must_be_there() {
    let survive = |writes: &[AcknowledgedWrite]| acknowledged_writes_survive(&history(), writes);
    survive(&[
        write(0, 2, vec![put("a", "1")]),
        write(1, 4, vec![put("a", "2"), put("c", "2")]),
        write(2, 5, vec![delete(Span::everything(), 1)]),
    ])
    .unwrap();
    broken(
        survive(&[write(0, 7, vec![put("a", "4")])]),
        "Operation #0 was acknowledged at revision 7, but the store's history has no change at that revision (it ends \
         at 6).",
    );
    broken(
        survive(&[write(0, 3, vec![put("a", "1")])]),
        "Operation #0 was acknowledged to have put a = 1 at revision 3, but the store's history has the put of b = 1 \
         at revision 3.",
    );
    broken(
        survive(&[write(0, 6, vec![put("a", "4")])]),
        "Operation #0 was acknowledged to have put a = 4 at revision 6, but the store's history has the put of a = 3 \
         at revision 6.",
    );
    broken(
        survive(&[write(0, 5, vec![delete(Span::prefix("a"), 2)])]),
        "Operation #0 was acknowledged to have deleted 2 keys in [a, b) at revision 5, but the store's history has 1 \
         deletions there.",
    );
    broken(
        survive(&[write(0, 4, vec![put("a", "2")])]),
        "Operation #0 was acknowledged to have changed 1 keys at revision 4, but the store's history has 2 changes \
         there.",
    );
    broken(
        survive(&[write(0, 2, vec![put("a", "1")]), write(3, 2, vec![put("a", "1")])]),
        "Operations #0 and #3 were both told that revision 2 is theirs.",
    );
}

fn watch(start_revision: u64, responses: Vec<(u64, Vec<Change>)>) -> WatchRun {
    WatchRun {
        name: "w".to_owned(),
        span: Span::between("a", "d"),
        start_revision,
        fragmented: false,
        responses: responses
            .into_iter()
            .map(|(revision, events)| WatchResponse { revision, events })
            .collect(),
        complete_until: 0,
    }
}

fn events(from: u64, to: u64) -> Vec<Change> {
    history().changes.into_iter().filter(|change| (from..=to).contains(&change.revision)).collect()
}

#[test]
fn watches_that_see_everything() {
    let keep = |watch: WatchRun| watch_misses_nothing(&history(), &watch).unwrap();
    keep(watch(2, vec![(6, events(2, 6))]));
    keep(watch(3, vec![(4, events(3, 4)), (4, vec![]), (6, events(5, 6)), (9, vec![])]));
    keep(watch(4, vec![]));
    keep(watch(9, vec![(6, vec![])]));
    keep(WatchRun {
        span: Span::key("c"),
        complete_until: 6,
        ..watch(2, vec![(6, events(4, 4)[1..].to_vec())])
    });
    let halves = vec![(4, events(4, 4)[..1].to_vec()), (4, events(4, 4)[1..].to_vec())];
    keep(WatchRun { fragmented: true, ..watch(4, halves) });
}

#[test]
fn watches_that_do_not() {
    let breaks = |watch: WatchRun, sentence| broken(watch_misses_nothing(&history(), &watch), sentence);
    breaks(
        watch(2, vec![(6, events(2, 3)), (6, events(5, 6))]),
        "Watch w on [a, d) from revision 2 missed the put of a = 2 at revision 4: it saw the deletion of a at \
         revision 5 before it.",
    );
    breaks(
        watch(2, vec![(6, events(2, 4)), (6, events(4, 6))]),
        "Watch w on [a, d) from revision 2 saw the put of a = 2 at revision 4 twice, the second time after revision \
         4.",
    );
    breaks(
        watch(3, vec![(6, events(2, 6))]),
        "Watch w on [a, d) from revision 3 saw the put of a = 1 at revision 2, which is before its start.",
    );
    breaks(
        WatchRun { span: Span::key("a"), ..watch(2, vec![(6, events(2, 6))]) },
        "Watch w on a from revision 2 saw the put of b = 1 at revision 3, which is not in its span.",
    );
    breaks(
        watch(2, vec![(6, vec![Change::put(2, "a", "9")])]),
        "Watch w on [a, d) from revision 2 saw the put of a = 9 at revision 2, which never happened.",
    );
    breaks(
        watch(2, vec![(6, events(2, 4)), (5, vec![])]),
        "Watch w on [a, d) from revision 2 was told that everything up to revision 5 was sent, but had not seen the \
         deletion of a at revision 5.",
    );
    breaks(
        watch(4, vec![(6, events(4, 4)[..1].to_vec()), (6, events(4, 4)[1..].to_vec())]),
        "Watch w on [a, d) from revision 4 was shown the put of a = 2 at revision 4 without the put of c = 2 at \
         revision 4, which belongs to it.",
    );
    breaks(
        watch(2, vec![(3, events(2, 4))]),
        "Watch w on [a, d) from revision 2 was shown the put of c = 2 at revision 4 in an answer with revision 3 in \
         its header.",
    );
    breaks(
        WatchRun { complete_until: 6, ..watch(2, vec![(6, events(2, 5))]) },
        "Watch w on [a, d) from revision 2 never saw the put of a = 3 at revision 6, although the end of the watch \
         was revision 6.",
    );
}

fn lease(renewed_at: &[u64], end: Option<(u64, Option<u64>, bool)>) -> LeaseRun {
    let seconds = Duration::from_secs;
    LeaseRun {
        lease: 7,
        renewals: renewed_at
            .iter()
            .map(|&sent| Renewal { sent: seconds(sent), time_to_live: seconds(10) })
            .collect(),
        end: end.map(|(at, revision, revoked)| LeaseEnd { at: seconds(at), revision, revoked }),
    }
}

#[test]
fn leases_live_as_long_as_promised() {
    let early = |lease: LeaseRun| leases_never_expire_early(&[lease], Duration::ZERO);
    early(lease(&[0, 5], None)).unwrap();
    early(lease(&[0, 5], Some((15, None, false)))).unwrap();
    early(lease(&[0, 5], Some((6, None, true)))).unwrap();
    broken(
        early(lease(&[0, 5], Some((14, None, false)))),
        "Lease 7 expired at 14s, although a request sent at 5s had been promised 10s more, until 15s.",
    );
    leases_never_expire_early(&[lease(&[0, 5], Some((14, None, false)))], Duration::from_secs(1)).unwrap();
    broken(
        early(lease(&[0, 11], Some((10, None, true)))),
        "Lease 7 was renewed for 10s by a request sent at 11s, after it had ended at 10s.",
    );
}

#[test]
fn keys_go_with_their_lease() {
    let attached = |key, revision| Change::put(revision, key, "v").with_lease(7);
    let ended = lease(&[0], Some((10, Some(5), false)));
    let judge = |changes, lease: &LeaseRun| {
        leased_keys_go_at_once(&StoreHistory::new(changes), std::slice::from_ref(lease))
    };
    let begin = || vec![attached("a", 2), attached("b", 3), Change::put(4, "c", "v")];
    let with = |more: Vec<Change>| begin().into_iter().chain(more).collect::<Vec<_>>();
    judge(with(vec![Change::delete(5, "a"), Change::delete(5, "b")]), &ended).unwrap();
    // Detached by a put without lease: it stays.
    let detached = vec![attached("a", 2), attached("b", 3), Change::put(4, "a", "v"), Change::delete(5, "b")];
    judge(detached, &ended).unwrap();
    broken(
        judge(with(vec![Change::delete(5, "a"), Change::delete(6, "b")]), &ended),
        "Lease 7 ended at revision 5, but b was still attached to it afterwards.",
    );
    broken(
        judge(with(vec![Change::delete(5, "a"), Change::delete(5, "b"), attached("d", 6)]), &ended),
        "the put of d = v at revision 6 attached it to lease 7, which had ended at revision 5.",
    );
    broken(
        judge(begin(), &lease(&[0], Some((10, None, false)))),
        "Lease 7 ended at 10s, but a is attached to it at the end of the run.",
    );
}

#[test]
fn replicas_hold_the_same_at_the_same_index() {
    let at = |node: &str, applied_index, hash| ReplicaHash { node: node.to_owned(), applied_index, hash };
    replicas_agree(&[at("n1", 5, 1), at("n2", 5, 1), at("n1", 6, 2), at("n3", 7, 9)]).unwrap();
    broken(
        replicas_agree(&[at("n1", 6, 2), at("n1", 5, 1), at("n2", 6, 3), at("n3", 5, 4)]),
        "At applied index 5, n1 had hash 0000000000000001 and n3 had hash 0000000000000004.",
    );
}

fn old_read(at_revision: u64, compaction_requested: u64, answer: OldReadAnswer) -> OldRead {
    OldRead { id: OperationId(1), span: Span::prefix("a"), at_revision, compaction_requested, answer }
}

fn a(value: &str, create_revision: u64, mod_revision: u64, version: u64) -> OldReadAnswer {
    OldReadAnswer::Pairs(vec![Pair {
        key: b"a"[..].into(),
        value: value.as_bytes().into(),
        create_revision,
        mod_revision,
        version,
        lease: 0,
    }])
}

#[test]
fn old_reads_return_what_was_there() {
    let nothing = || OldReadAnswer::Pairs(vec![]);
    let judge = |read| old_reads(&history(), &[read]);
    old_reads(
        &history(),
        &[
            old_read(6, 5, a("3", 6, 6, 1)),
            old_read(1, 0, nothing()),
            old_read(4, 4, a("2", 2, 4, 2)),
            old_read(3, 9, a("1", 2, 2, 1)),
            old_read(5, 0, nothing()),
            old_read(3, 4, OldReadAnswer::Compacted),
        ],
    )
    .unwrap();
    broken(
        judge(old_read(4, 0, a("1", 2, 2, 1))),
        "Read #1 of [a, b) at revision 4 returned a = 1 (mod 2), version 1, created at 2, lease 0, where the store had \
         a = 2 (mod 4), version 2, created at 2, lease 0.",
    );
    broken(judge(old_read(4, 0, nothing())), "Read #1 of [a, b) at revision 4 did not return a = 2 (mod 4).");
    broken(
        judge(old_read(5, 0, a("2", 2, 4, 2))),
        "Read #1 of [a, b) at revision 5 returned a = 2 (mod 4), which was not there.",
    );
    broken(
        judge(old_read(4, 4, OldReadAnswer::Compacted)),
        "Read #1 of [a, b) at revision 4 was refused as compacted, but the highest compaction asked for was at \
         revision 4.",
    );
}

#[test]
fn the_writes_of_a_generated_history_are_found_in_what_its_answers_prove() {
    // Without lost answers, the acknowledged writes are the whole history of the store.
    let shape = Shape { seed: 3, clients: 5, operations: 400, lost_per_mille: 0 };
    let writes = acknowledged_writes(&generate::key_value(shape, 5));
    let mut changes = Vec::new();
    for write in &writes {
        for effect in &write.effects {
            changes.push(match effect {
                AcknowledgedEffect::Put { key, value } => Change::put(write.revision, key, value),
                AcknowledgedEffect::Deleted { span, .. } => Change::delete(write.revision, &span.from),
            });
        }
    }
    changes.sort_by_key(|change| change.revision);
    let mut history = StoreHistory::new(changes);
    revisions_are_dense(&history).unwrap();
    acknowledged_writes_survive(&history, &writes).unwrap();
    let lost = history.changes.remove(100);
    let violation = acknowledged_writes_survive(&history, &writes).unwrap_err();
    assert_eq!(violation.property, Property::AcknowledgedWritesSurvive);
    assert!(violation.sentence.contains(&format!("revision {}", lost.revision)), "{violation}");
    assert!(violation.to_string().starts_with("Broken: acknowledged writes are never lost. Operation #"));
}

#[test]
fn the_history_of_the_store_is_evidence_about_operations_without_answer() {
    use synod_check::history::{Client, History, Operation};
    use synod_check::linearizability::check;
    use synod_check::specification::KeyValue;
    use synod_check::specification::key_value::{Answer, Reply, Request};

    // Of two puts without answer one made revision 2. The answers leave open which; the store knows.
    let at = Duration::from_millis;
    let answer = Answer { revision: 3, reply: Reply::Put { previous: None } };
    let read = |value: &str| {
        let pair = Pair {
            key: b"a"[..].into(),
            value: value.as_bytes().into(),
            create_revision: 2,
            mod_revision: 2,
            version: 1,
            lease: 0,
        };
        Answer { revision: 3, reply: Reply::Range { pairs: vec![pair], count: 1 } }
    };
    let history = |seen: &str| {
        History::from_operations(vec![
            Operation::open(Client(1), at(0), Request::put("a", "x")),
            Operation::open(Client(2), at(0), Request::put("a", "y")),
            Operation::returned(Client(3), at(1), at(2), Request::put("b", "z"), answer.clone()),
            Operation::returned(Client(3), at(3), at(4), Request::get("a"), read(seen)),
        ])
        .unwrap()
    };
    let store = StoreHistory::new(vec![Change::put(2, "a", "x"), Change::put(3, "b", "z")]);
    let mut spec = KeyValue::default();
    assert!(check(&spec, &history("y")).is_linearizable());
    store.add_to(&mut spec.evidence);
    assert!(check(&spec, &history("x")).is_linearizable());
    assert!(check(&spec, &history("y")).is_violation());
}
