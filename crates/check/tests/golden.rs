//! Textbook histories that are linearizable, and ones that are not, with what the checker says about them.
//!
//! One operation a line: client, from-to in milliseconds (`?`: never answered), operation. `w1` writes 1, `r1` reads 1,
//! `c1>2` swaps 1 for 2, `f1>2` fails to.

use std::time::Duration;

use synod_check::history::{Client, History, Operation};
use synod_check::linearizability::{brute_force, check};
use synod_check::specification::key_value::{Answer, Pair, Reply, Request, Span};
use synod_check::specification::{At, CasInput, CasOutput, CasRegister, KeyValue, Keyed, Register};
use synod_check::specification::{RegisterInput, RegisterOutput};
use synod_check::verdict::Verdict;

type CasHistory = History<CasInput<u8>, CasOutput<u8>>;

fn parse(script: &str) -> CasHistory {
    let operations = script.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [client, times, operation] = words[..] else { panic!("expected three words in {line:?}") };
        let client = Client(client.parse().expect("a client is a number"));
        let (from, to) = times.split_once('-').expect("times are from-to");
        let millis = |text: &str| Duration::from_millis(text.parse().expect("a time is a number"));
        let value = |text: &str| text.parse().expect("a value is a small number");
        let (kind, rest) = operation.split_at(1);
        let swap = || {
            let (expected, new) = rest.split_once('>').expect("a swap is expected>new");
            CasInput::CompareAndSwap { expected: value(expected), new: value(new) }
        };
        let (input, output) = match kind {
            "w" => (CasInput::Write(value(rest)), CasOutput::Written),
            "r" => (CasInput::Read, CasOutput::Value(value(rest))),
            "c" => (swap(), CasOutput::Swapped(true)),
            "f" => (swap(), CasOutput::Swapped(false)),
            other => panic!("expected w, r, c or f, found {other}"),
        };
        match to {
            "?" => Operation::open(client, millis(from), input),
            to => Operation::returned(client, millis(from), millis(to), input, output),
        }
    });
    History::from_operations(operations.collect()).expect("a history")
}

fn verdict(script: &str) -> Verdict {
    let history = parse(script);
    let spec = CasRegister { initial: 0 };
    let verdict = check(&spec, &history);
    assert_eq!(verdict.is_linearizable(), brute_force::is_linearizable(&spec, &history), "{script}");
    verdict
}

#[track_caller]
fn keeps(script: &str) {
    let verdict = verdict(script);
    assert!(verdict.is_linearizable(), "{script}\n{verdict}");
}

/// The prefix up to the return of operation `impossible` is the smallest without an explanation.
#[track_caller]
fn breaks(script: &str, impossible: u64) {
    let verdict = verdict(script);
    let violation = verdict.violation().unwrap_or_else(|| panic!("{script}\n{verdict}"));
    assert_eq!(violation.operation.id.0, impossible, "{script}\n{verdict}");
}

#[test]
fn an_empty_history_is_linearizable() {
    keeps("");
}

#[test]
fn a_read_concurrent_with_a_write_may_see_either_value() {
    keeps("1 0-10 w1\n2 5-6 r0\n2 7-8 r1\n2 11-12 r1");
    keeps("1 0-10 w1\n2 5-6 r1");
}

#[test]
fn new_then_old_is_an_inversion() {
    breaks("1 0-10 w1\n2 2-3 r1\n3 4-5 r0", 2);
}

#[test]
fn a_read_after_a_write_returned_must_see_it() {
    breaks("1 0-1 w1\n2 2-3 r0", 1);
    breaks("1 0-1 w1\n1 2-3 w2\n2 4-5 r1", 2);
}

#[test]
fn a_value_that_nobody_wrote_is_impossible() {
    breaks("1 0-10 w1\n2 1-2 r7", 1);
}

#[test]
fn two_readers_must_agree_on_the_order_of_concurrent_writes() {
    // Sequentially consistent for neither reader alone, but not for both: the textbook case.
    breaks("1 0-10 w1\n2 0-10 w2\n3 11-12 r1\n4 13-14 r2", 3);
    keeps("1 0-10 w1\n2 0-10 w2\n3 2-3 r1\n4 4-5 r2\n3 11-12 r2");
    breaks("1 0-20 w1\n2 0-20 w2\n3 2-3 r1\n4 4-5 r2\n3 6-7 r1", 4);
}

#[test]
fn a_history_that_is_sequentially_consistent_need_not_be_linearizable() {
    breaks("1 0-1 w1\n2 2-3 r0\n2 4-5 r1", 1);
}

#[test]
fn a_hidden_write_is_seen_by_nobody_and_still_happened() {
    keeps("1 0-10 w1\n2 0-12 w2\n3 13-14 r2\n3 15-16 r2");
    // Hidden, but with a read that saw it: both lie before the overwrite.
    keeps("1 0-30 w1\n2 0-31 r1\n3 0-10 w2\n4 11-40 r2\n5 32-33 r2");
    // The read began after the overwrite was over, so 1 was there after it.
    breaks("1 0-30 w1\n3 0-10 w2\n2 11-31 r1\n5 32-33 r2", 3);
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never_but_only_once() {
    keeps("1 0-? w1\n2 5-6 r0\n2 7-8 r0");
    keeps("1 0-? w1\n2 5-6 r0\n2 7-8 r1");
    keeps("1 0-? w1\n2 1-2 w2\n2 3-4 r2\n2 5-6 r1");
    breaks("1 0-? w1\n2 1-2 r1\n2 3-4 w2\n2 5-6 r1", 3);
    breaks("1 5-? w1\n2 1-2 r1", 1);
}

#[test]
fn an_unknown_write_of_the_present_value_may_still_hide_another() {
    // Found by a random history: write 2, write 0, swap 0 for 1; and the first two leave no other trace.
    keeps("1 0-? w0\n2 0-10 c0>1\n3 2-11 w2\n3 13-14 r1");
}

#[test]
fn two_equal_unknown_writes_explain_two_returns_of_the_value() {
    keeps("1 0-? w1\n3 0-? w1\n2 1-2 r1\n2 3-4 w2\n2 5-6 r1");
}

#[test]
fn a_swap_succeeds_exactly_where_its_value_is() {
    keeps("1 0-1 w1\n2 2-10 c1>2\n3 2-10 c2>3\n1 11-12 r3");
    breaks("1 0-1 w1\n2 2-10 c1>2\n3 2-12 c1>3", 2);
    breaks("1 0-1 w1\n2 2-3 f1>2", 1);
    keeps("1 0-10 w1\n2 2-3 f1>2\n2 4-5 c1>2\n2 6-7 r2");
}

#[test]
fn an_unknown_swap_may_have_failed_or_swapped() {
    keeps("1 0-1 w1\n2 2-? c1>2\n1 3-4 r1");
    keeps("1 0-1 w1\n2 2-? c1>2\n1 3-4 r2");
    breaks("1 0-1 w1\n2 2-? c3>2\n1 3-4 r2", 2);
}

#[test]
fn operations_at_the_same_instant_are_concurrent() {
    keeps("1 0-5 w1\n2 5-6 r0");
    breaks("1 0-4 w1\n2 5-6 r0", 1);
}

#[test]
fn the_verdict_is_a_text_for_people() {
    let text = verdict("1 0-3 w1\n2 4-30 w2\n4 1-? w3\n3 5-8 r0").to_string();
    assert_eq!(
        text,
        "The history is not linearizable: #3 read → 0 of client 3 (from 5ms, to 8ms) cannot be placed anywhere \
         between its invocation and its return. Everything that returned before it (1 operation) has an explanation; \
         with its return there is none.\n\
         - Where the state was 1, it would have read 1.\n\
         No order of the operations in flight helps:\n\
         - #1 write 2 of client 2 (from 4ms, to 30ms)\n\
         - #2 write 3 → ? of client 4 (from 1ms, never answered)"
    );
}

#[test]
fn keys_are_judged_apart_and_the_broken_one_is_named() {
    let ms = Duration::from_millis;
    let write = |key: &'static str, value: u8| At { key, input: RegisterInput::Write(value) };
    let read = |key: &'static str| At { key, input: RegisterInput::Read };
    let operations = vec![
        Operation::returned(Client(1), ms(0), ms(1), write("left", 1), RegisterOutput::Written),
        Operation::returned(Client(1), ms(2), ms(3), write("right", 1), RegisterOutput::Written),
        Operation::returned(Client(2), ms(4), ms(5), read("left"), RegisterOutput::Value(1)),
        Operation::returned(Client(2), ms(6), ms(7), read("right"), RegisterOutput::Value(0)),
    ];
    let history = History::from_operations(operations).unwrap();
    let verdict = check(&Keyed::new(Register { initial: 0 }), &history);
    let violation = verdict.violation().expect("the second read is stale");
    assert_eq!(violation.partition.as_deref(), Some("\"right\""));
    assert_eq!(violation.operation.id.0, 3);
    assert_eq!(violation.explained_before, 1);
}

/// A sequence of requests and answers of one client, one millisecond each.
fn key_value(requests: Vec<(Request, u64, Reply)>) -> History<Request, Answer> {
    let operations = requests.into_iter().enumerate().map(|(index, (request, revision, reply))| {
        let from = Duration::from_millis(2 * index as u64);
        Operation::returned(
            Client(1),
            from,
            from + Duration::from_millis(1),
            request,
            Answer { revision, reply },
        )
    });
    History::from_operations(operations.collect()).unwrap()
}

fn pair(key: &str, value: &str, create_revision: u64, mod_revision: u64, version: u64) -> Pair {
    Pair {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        create_revision,
        mod_revision,
        version,
        lease: 0,
    }
}

const PUT: Reply = Reply::Put { previous: None };

fn found(pairs: Vec<Pair>) -> Reply {
    let count = pairs.len() as u64;
    Reply::Range { pairs, count }
}

fn then(reply: Reply) -> Reply {
    Reply::Txn { succeeded: true, replies: vec![reply] }
}

fn deleted(deleted: u64) -> Reply {
    Reply::Delete { deleted, previous: Vec::new() }
}

#[test]
fn the_store_counts_revisions_versions_and_creations_as_etcd_does() {
    let history = key_value(vec![
        (Request::get("a"), 1, found(vec![])),
        (Request::put("a", "x"), 2, PUT),
        (Request::put("b", "y"), 3, PUT),
        (Request::put("a", "z"), 4, PUT),
        (Request::range(Span::prefix("")), 4, found(vec![pair("a", "z", 2, 4, 2), pair("b", "y", 3, 3, 1)])),
        (Request::delete("missing"), 4, deleted(0)),
        (Request::delete("a"), 5, deleted(1)),
        (Request::put("a", "w"), 6, PUT),
        (Request::get("a"), 6, found(vec![pair("a", "w", 6, 6, 1)])),
        (Request::put_if_unchanged("a", 6, "v"), 7, then(PUT)),
        (
            Request::put_if_unchanged("a", 6, "u"),
            7,
            Reply::Txn { succeeded: false, replies: vec![found(vec![pair("a", "v", 6, 7, 2)])] },
        ),
        (Request::range(Span::between("a", "b")), 7, found(vec![pair("a", "v", 6, 7, 2)])),
        (
            Request::Range { span: Span::everything(), limit: 1, count_only: false },
            7,
            Reply::Range { pairs: vec![pair("a", "v", 6, 7, 2)], count: 2 },
        ),
    ]);
    for spec in [KeyValue::default(), KeyValue::for_history(&history)] {
        let verdict = check(&spec, &history);
        assert!(verdict.is_linearizable(), "{verdict}");
    }
}

#[test]
fn a_revision_that_skips_repeats_or_rises_without_change_is_impossible() {
    for (revision, request, reply) in [
        (4, Request::put("a", "y"), PUT),
        (2, Request::put("a", "y"), PUT),
        (3, Request::delete("missing"), deleted(0)),
        (3, Request::get("a"), found(vec![pair("a", "x", 2, 2, 1)])),
        (1, Request::get("a"), found(vec![])),
        (2, Request::get("a"), found(vec![pair("a", "x", 2, 2, 2)])),
        (3, Request::put_if_unchanged("a", 1, "y"), then(PUT)),
    ] {
        let history = key_value(vec![(Request::put("a", "x"), 2, PUT), (request, revision, reply)]);
        let verdict = check(&KeyValue::for_history(&history), &history);
        assert_eq!(verdict.violation().expect("impossible").operation.id.0, 1, "{verdict}");
    }
}

#[test]
fn the_expiry_of_a_lease_is_an_open_revocation() {
    let put = Request::Put { key: b"a"[..].into(), value: b"x"[..].into(), lease: 9, return_previous: false };
    let ms = Duration::from_millis;
    let answer = |revision, reply| Answer { revision, reply };
    let mut operations = vec![
        Operation::returned(Client(1), ms(1), ms(2), put, answer(2, PUT)),
        Operation::returned(Client(1), ms(3), ms(4), Request::put("b", "y"), answer(4, PUT)),
        Operation::returned(Client(1), ms(5), ms(6), Request::get("a"), answer(4, found(vec![]))),
    ];
    let without = History::from_operations(operations.clone()).unwrap();
    assert!(check(&KeyValue::for_history(&without), &without).is_violation());
    operations.push(Operation::open(Client(9), ms(0), Request::Revoke { lease: 9 }));
    let with = History::from_operations(operations).unwrap();
    let verdict = check(&KeyValue::for_history(&with), &with);
    assert!(verdict.is_linearizable(), "{verdict}");
}
