//! The fast checker against the definition, on random small histories, and against histories that are right by
//! construction.

mod cases;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cases::cases;
use proptest::prelude::*;
use synod_check::generate::{self, Shape};
use synod_check::history::{Client, History, Operation};
use synod_check::linearizability::{
    Effort, Limits, Online, TimeLimit, brute_force, check, check_with, check_within,
};
use synod_check::specification::key_value::{Answer, Pair, Reply, Request, Span};
use synod_check::specification::{
    At, CasInput, CasOutput, CasRegister, KeyValue, Keyed, Register, RegisterInput, RegisterOutput,
    Specification,
};
use synod_check::verdict::Verdict;

/// Random operations of `clients` sequential clients: gaps and lengths in arbitrary small units of time.
fn histories<I, O>(
    operation: impl Strategy<Value = (I, Option<O>)> + 'static,
    clients: u64,
    operations_max: usize,
) -> impl Strategy<Value = History<I, O>>
where
    I: Clone + std::fmt::Debug + 'static,
    O: Clone + std::fmt::Debug + 'static,
{
    let parts = (0..clients, 0_u64..6, 1_u64..12, operation);
    prop::collection::vec(parts, 1..=operations_max).prop_map(move |parts| {
        let mut free_at = vec![0; clients as usize];
        let mut operations = Vec::new();
        for (client, gap, length, (input, output)) in parts {
            let from = free_at[client as usize] + gap;
            let to = from + length;
            free_at[client as usize] = to + 1;
            let (from, to) = (Duration::from_micros(from), Duration::from_micros(to));
            operations.push(match output {
                Some(output) => Operation::returned(Client(client), from, to, input, output),
                None => Operation::open(Client(client), from, input),
            });
        }
        History::from_operations(operations).expect("made of sequential clients")
    })
}

/// The fast checker, all at once and online, says what the definition says.
fn agree<S: Specification + Clone>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Result<bool, TestCaseError> {
    let expected = brute_force::is_linearizable(spec, history);
    let verdict = check(spec, history);
    prop_assert!(!matches!(verdict, Verdict::Unknown(_)), "{}", verdict);
    prop_assert_eq!(verdict.is_linearizable(), expected, "{}", verdict);
    let online = replay_online(spec, history);
    prop_assert_eq!(online.is_linearizable(), expected, "{}", online);
    Ok(expected)
}

fn replay_online<S: Specification + Clone>(spec: &S, history: &History<S::Input, S::Output>) -> Verdict {
    use synod_check::history::{Event, Outcome};
    let mut online = Online::new(spec.clone(), Limits::default());
    let mut ids = vec![None; history.len()];
    for event in history.events() {
        match *event {
            Event::Invoked(index) => {
                let operation = &history.operations()[index];
                // Which client it is does not matter to the verdict; one for each operation lets ends be recorded in
                // any order at one time.
                let id =
                    online.invoke(Client(index as u64), operation.invoked, operation.input.clone()).unwrap();
                ids[index] = Some(id);
                if operation.outcome == Outcome::Open {
                    online.abandon(id).unwrap();
                }
            }
            Event::Returned(index) => {
                let Outcome::Returned { at, output } = &history.operations()[index].outcome else {
                    unreachable!()
                };
                online.complete(ids[index].unwrap(), *at, output.clone()).unwrap();
            }
        }
    }
    online.finish()
}

fn register_operation() -> impl Strategy<Value = (RegisterInput<u8>, Option<RegisterOutput<u8>>)> {
    prop_oneof![
        4 => (0_u8..4).prop_map(|value| (RegisterInput::Read, Some(RegisterOutput::Value(value)))),
        4 => (1_u8..4).prop_map(|value| (RegisterInput::Write(value), Some(RegisterOutput::Written))),
        1 => (1_u8..4).prop_map(|value| (RegisterInput::Write(value), None)),
        1 => Just((RegisterInput::Read, None)),
    ]
}

fn cas_operation() -> impl Strategy<Value = (CasInput<u8>, Option<CasOutput<u8>>)> {
    let cas = (0_u8..3, 0_u8..3).prop_map(|(expected, new)| CasInput::CompareAndSwap { expected, new });
    prop_oneof![
        3 => (0_u8..3).prop_map(|value| (CasInput::Read, Some(CasOutput::Value(value)))),
        3 => (0_u8..3).prop_map(|value| (CasInput::Write(value), Some(CasOutput::Written))),
        1 => (0_u8..3).prop_map(|value| (CasInput::Write(value), None)),
        4 => (cas.clone(), prop::bool::weighted(0.7))
            .prop_map(|(cas, swapped)| (cas, Some(CasOutput::Swapped(swapped)))),
        1 => cas.prop_map(|cas| (cas, None)),
    ]
}

/// Two keys, two values and revisions up to four: so small that random answers are right now and then.
fn key_value_operation() -> impl Strategy<Value = (Request, Option<Answer>)> {
    let key = || prop_oneof![Just("a"), Just("b")];
    let value = || prop_oneof![Just("x"), Just("y")];
    let pair = |key: &str, value: &str, mod_revision: u64, version: u64| Pair {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        create_revision: mod_revision + 1 - version,
        mod_revision,
        version,
        lease: 0,
    };
    let found = move |key: &str, value: &str, mod_revision: u64, version: u64| {
        let pairs = if mod_revision < 2 || version >= mod_revision {
            Vec::new()
        } else {
            vec![pair(key, value, mod_revision, version)]
        };
        let count = pairs.len() as u64;
        Reply::Range { pairs, count }
    };
    let answer = |revision: u64, reply: Reply| Some(Answer { revision, reply });
    prop_oneof![
        4 => (key(), value(), 1_u64..5, 1_u64..5, 1_u64..3).prop_map(move |(key, value, revision, changed, version)| {
            (Request::get(key), answer(revision, found(key, value, changed.min(revision), version)))
        }),
        4 => (key(), value(), 2_u64..5).prop_map(move |(key, value, revision)| {
            (Request::put(key, value), answer(revision, Reply::Put { previous: None }))
        }),
        2 => (key(), value()).prop_map(|(key, value)| (Request::put(key, value), None)),
        1 => (key(), 1_u64..5, 0_u64..2).prop_map(move |(key, revision, deleted)| {
            (Request::delete(key), answer(revision, Reply::Delete { deleted, previous: Vec::new() }))
        }),
        1 => (key(), value(), 0_u64..4, 1_u64..5).prop_map(move |(key, value, expected, revision)| {
            let replies = vec![Reply::Put { previous: None }];
            let reply = Reply::Txn { succeeded: true, replies };
            (Request::put_if_unchanged(key, expected, value), answer(revision, reply))
        }),
        1 => (key(), value(), 0_u64..4)
            .prop_map(|(key, value, expected)| (Request::put_if_unchanged(key, expected, value), None)),
        1 => Just((Request::delete("a"), None)),
        1 => (1_u64..5).prop_map(move |revision| {
            (Request::range(Span::prefix("")), answer(revision, Reply::Range { pairs: Vec::new(), count: 0 }))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(20_000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn register_verdicts_are_those_of_the_definition(history in histories(register_operation(), 4, 9)) {
        agree(&Register { initial: 0 }, &history)?;
    }

    #[test]
    fn cas_register_verdicts_are_those_of_the_definition(history in histories(cas_operation(), 4, 8)) {
        agree(&CasRegister { initial: 0 }, &history)?;
    }

    #[test]
    fn key_value_verdicts_are_those_of_the_definition(history in histories(key_value_operation(), 4, 7)) {
        // Without evidence, which is the plain specification, and with it, which must change no verdict.
        let plain = agree(&KeyValue::default(), &history)?;
        prop_assert_eq!(check(&KeyValue::for_history(&history), &history).is_linearizable(), plain);
    }

    #[test]
    fn keys_checked_apart_are_those_checked_together(
        history in histories(
            (0_u8..2, register_operation()).prop_map(|(key, (input, output))| (At { key, input }, output)), 4, 8,
        ),
    ) {
        agree(&Keyed::new(Register { initial: 0 }), &history)?;
    }
}

/// Random histories of clients that really share an object are nearly always right; changing one answer makes about
/// half of them wrong. Both kinds are compared with the definition, and both must occur.
#[test]
fn generated_histories_with_one_changed_answer_get_the_verdict_of_the_definition() {
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..u64::from(cases(20_000)) {
        let shape = Shape { seed, clients: 4, operations: 8, lost_per_mille: 200 };
        let history = generate::cas_register(shape, 2);
        let spec = CasRegister { initial: 0 };
        assert!(check(&spec, &history).is_linearizable(), "seed {seed}: correct by construction");
        let index = seed as usize % history.len();
        let output = match history.operations()[index].output() {
            Some(CasOutput::Value(value)) => CasOutput::Value((value + 1) % 3),
            Some(CasOutput::Swapped(swapped)) => CasOutput::Swapped(!swapped),
            _ => continue,
        };
        let changed = generate::with_output(&history, index, output);
        let expected = brute_force::is_linearizable(&spec, &changed);
        assert_eq!(check(&spec, &changed).is_linearizable(), expected, "seed {seed}");
        *(if expected { &mut kept } else { &mut broken }) += 1;
    }
    assert!(kept > 2_000 && broken > 2_000, "both verdicts must be exercised: {kept} kept, {broken} broken");
}

#[test]
fn generated_key_value_histories_keep_and_one_changed_answer_breaks_them() {
    let mut broken = 0;
    for seed in 0..40 {
        let shape = Shape { seed, clients: 8, operations: 300, lost_per_mille: 50 };
        let history = generate::key_value(shape, 6);
        let verdict = check(&KeyValue::for_history(&history), &history);
        assert!(verdict.is_linearizable(), "seed {seed}: {verdict}");
        // A read that shows an older revision than one that had returned before it began.
        let stale = history.operations().iter().rposition(|operation| {
            matches!(operation.input, Request::Range { .. }) && operation.output().is_some()
        });
        let Some(stale) = stale else { continue };
        let mut answer = history.operations()[stale].output().unwrap().clone();
        answer.revision -= 60;
        let changed = generate::with_output(&history, stale, answer);
        let verdict = check(&KeyValue::for_history(&changed), &changed);
        let violation = verdict.violation().expect("a read from the past is impossible");
        assert_eq!(violation.operation.id.0, stale as u64);
        broken += 1;
    }
    assert!(broken > 30, "a stale read must have been planted nearly always: {broken}");
}

#[test]
fn a_planted_stale_read_is_found_and_named() {
    for seed in 0..50 {
        let shape = Shape { seed, clients: 6, operations: 400, lost_per_mille: 20 };
        let history = generate::register(shape, 0);
        assert!(check(&Register { initial: 0 }, &history).is_linearizable(), "seed {seed}");
        let (planted, read) =
            generate::plant_stale_read(&history, 300).expect("there is a read to make stale");
        let verdict = check(&Register { initial: 0 }, &planted);
        let violation = verdict.violation().expect("a stale read is impossible");
        assert_eq!(violation.operation.id, read, "seed {seed}: {violation}");
    }
}

#[test]
fn online_memory_does_not_grow_with_the_run() {
    let shape = Shape { seed: 7, clients: 10, operations: 20_000, lost_per_mille: 0 };
    let history = generate::register(shape, 5);
    let mut online = Online::new(Register { initial: 0 }, Limits::default());
    let mut held_max = (0, 0);
    let mut ids = vec![None; history.len()];
    for event in history.events() {
        use synod_check::history::{Event, Outcome};
        match *event {
            Event::Invoked(index) => {
                let operation = &history.operations()[index];
                ids[index] =
                    Some(online.invoke(operation.client, operation.invoked, operation.input).unwrap());
            }
            Event::Returned(index) => {
                let Outcome::Returned { at, output } = history.operations()[index].outcome else {
                    unreachable!()
                };
                online.complete(ids[index].unwrap(), at, output).unwrap();
            }
        }
        let held = online.held();
        held_max = (held_max.0.max(held.0), held_max.1.max(held.1));
    }
    assert!(held_max.0 <= 400 && held_max.1 <= 2000, "held at most {held_max:?} operations and worlds");
    assert!(online.finish().is_linearizable());
}

#[test]
fn a_limit_is_an_unknown_verdict_and_never_a_wrong_one() {
    for seed in 0..5 {
        let shape = Shape { seed, clients: 8, operations: 120, lost_per_mille: 100 };
        let history = generate::cas_register(shape, 3);
        let (planted, index) = {
            let read = history
                .operations()
                .iter()
                .rposition(|operation| operation.input == CasInput::Read && operation.output().is_some());
            let read = read.expect("there are reads");
            (generate::with_output(&history, read, CasOutput::Value(99)), read)
        };
        for steps_max in [1, 10, 100, 1000, 10_000, 100_000] {
            for configurations_max in [1, 10, 100_000] {
                let limits = Limits { steps_max, configurations_max };
                let right = check_within(&CasRegister { initial: 0 }, &history, limits);
                assert!(!right.is_violation(), "seed {seed}, {limits:?}: {right}");
                let wrong = check_within(&CasRegister { initial: 0 }, &planted, limits);
                assert!(!wrong.is_linearizable(), "seed {seed}, {limits:?}: {wrong}, operation {index}");
            }
        }
    }
}

/// More unanswered writes than fit into one word, and into four, each of which is still possible until a read shows it.
#[test]
fn any_number_of_operations_can_be_open() {
    let at = Duration::from_micros;
    for open in [60, 70, 250, 300] {
        let writes =
            (0..open).map(|value| Operation::open(Client(value), at(value), RegisterInput::Write(value)));
        let read = |from: u64, value| {
            Operation::returned(
                Client(1_000),
                at(from),
                at(from + 1),
                RegisterInput::Read,
                RegisterOutput::Value(value),
            )
        };
        let seen = [open - 1, 0, open / 2];
        let reads = seen.iter().enumerate().map(|(index, value)| read(1_000 + 10 * index as u64, *value));
        let mut operations: Vec<_> = writes.chain(reads).collect();
        let kept = History::from_operations(operations.clone()).unwrap();
        let verdict = check(&Register { initial: 7_000 }, &kept);
        assert!(verdict.is_linearizable(), "{open} open: {verdict}");
        // What is judged by values needs no sets of operations; what is judged as it goes does.
        assert!(replay_online(&Register { initial: 7_000 }, &kept).is_linearizable(), "{open} open");
        operations.push(read(2_000, open - 1));
        let broken = History::from_operations(operations).unwrap();
        let verdict = check(&Register { initial: 7_000 }, &broken);
        let violation = verdict.violation().unwrap_or_else(|| panic!("{open} open: a write counted twice"));
        assert_eq!(violation.operation.id.0, open + 3, "{violation}");
        assert!(replay_online(&Register { initial: 7_000 }, &broken).is_violation(), "{open} open");
    }
}

#[test]
fn threads_change_no_verdict() {
    let spec = Keyed::new(Register { initial: 0 });
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..30 {
        let shape = Shape { seed, clients: 6, operations: 300, lost_per_mille: 20 };
        let history = generate::keyed_register(shape, 5, 3);
        let index = history.operations().iter().position(|operation| {
            seed % 2 == 1 && matches!(operation.output(), Some(RegisterOutput::Value(_)))
        });
        let history = match index {
            Some(index) => generate::with_output(&history, index, RegisterOutput::Value(9)),
            None => history,
        };
        let expected = check(&spec, &history);
        *(if expected.is_linearizable() { &mut kept } else { &mut broken }) += 1;
        for threads in [1, 2, 7] {
            let effort = Effort { threads: threads.try_into().unwrap(), ..Effort::default() };
            assert_eq!(check_with(&spec, &history, effort), expected, "seed {seed}, {threads} threads");
        }
    }
    assert!(kept == 15 && broken == 15, "both verdicts must be exercised: {kept} kept, {broken} broken");
}

#[test]
fn threads_that_search_one_part_change_no_verdict() {
    let spec = CasRegister { initial: 0 };
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..60 {
        let shape = Shape { seed, clients: 5, operations: 80, lost_per_mille: 300 };
        let mut history = generate::cas_register(shape, 4);
        let reads = |operation: &Operation<_, _>| matches!(operation.output(), Some(CasOutput::Value(_)));
        if let Some(read) = history.operations().iter().rposition(reads).filter(|_| seed % 3 > 0) {
            history = generate::with_output(&history, read, CasOutput::Value(seed % 6));
        }
        let expected = check(&spec, &history);
        *(if expected.is_linearizable() { &mut kept } else { &mut broken }) += 1;
        for threads in [2, 4] {
            let effort = Effort { threads: threads.try_into().unwrap(), ..Effort::default() };
            let verdict = check_with(&spec, &history, effort);
            // Nor the return that is named, but where another one is impossible for more than one reason.
            match expected.violation().filter(|violation| violation.even_if_repeated) {
                Some(_) => assert!(verdict.is_violation(), "seed {seed}, {threads} threads: {verdict}"),
                None => assert_eq!(verdict, expected, "seed {seed}, {threads} threads"),
            }
        }
    }
    assert!(kept > 5 && broken > 5, "both verdicts must be exercised: {kept} kept, {broken} broken");
}

#[test]
fn the_time_is_looked_at_within_one_hard_return() {
    let shape = Shape { seed: 1, clients: 5, operations: 200, lost_per_mille: 300 };
    let history = generate::cas_register(shape, 5);
    let looks = AtomicU64::new(0);
    let elapsed = || Duration::from_secs(looks.fetch_add(1, Ordering::Relaxed));
    let time = Some(TimeLimit { time_max: Duration::from_secs(2), elapsed: &elapsed });
    let verdict = check_with(&CasRegister { initial: 0 }, &history, Effort { time, ..Effort::default() });
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict}");
    assert!(looks.into_inner() < 10, "expected that nothing goes on when the time is over");
}

#[test]
fn the_end_of_the_time_is_an_unknown_verdict() {
    let shape = Shape { seed: 1, clients: 10, operations: 20_000, lost_per_mille: 0 };
    let history = generate::register(shape, 5);
    let elapsed = || Duration::from_secs(2);
    let time = Some(TimeLimit { time_max: Duration::from_secs(1), elapsed: &elapsed });
    let verdict = check_with(&Register { initial: 0 }, &history, Effort { time, ..Effort::default() });
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict}");
    assert!(verdict.to_string().contains("the time limit of 1s was reached after"), "{verdict}");
}

#[test]
fn the_time_is_looked_at_between_parts_however_short_they_are() {
    let shape = Shape { seed: 1, clients: 10, operations: 2_000, lost_per_mille: 0 };
    let history = generate::keyed_register(shape, 1_000, 5);
    let elapsed = || Duration::from_secs(2);
    let time = Some(TimeLimit { time_max: Duration::from_secs(1), elapsed: &elapsed });
    let spec = Keyed::new(Register { initial: 0 });
    let verdict = check_with(&spec, &history, Effort { time, ..Effort::default() });
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict}");
}

/// Each of them can take effect at any later time, so keeping all worlds is hopeless; one explanation is soon found.
#[test]
fn long_histories_with_many_unanswered_swaps_are_explained() {
    let limits = Limits { steps_max: 40_000_000, ..Limits::default() };
    for (seed, operations, lost_per_mille) in [(0, 5_000, 20), (1, 5_000, 20), (2, 200, 150), (3, 200, 150)] {
        let history = generate::cas_register(Shape { seed, clients: 10, operations, lost_per_mille }, 5);
        let verdict = check_within(&CasRegister { initial: 0 }, &history, limits);
        assert!(verdict.is_linearizable(), "seed {seed}: {verdict}");
    }
}

/// What narrow passes do not decide in minutes: nearly a third of the operations were never answered.
#[test]
fn short_histories_full_of_unanswered_swaps_are_decided() {
    let spec = CasRegister { initial: 0 };
    let limits = Limits { steps_max: 2_000_000, ..Limits::default() };
    for seed in 0..20 {
        let shape = Shape { seed, clients: 5, operations: 200, lost_per_mille: 300 };
        let verdict = check_within(&spec, &generate::cas_register(shape, 5), limits);
        assert!(verdict.is_linearizable(), "seed {seed}: {verdict}");
    }
}

/// The random histories above must be of both kinds, or their agreement would say nothing.
#[test]
fn random_histories_are_of_both_kinds() {
    fn kept<S: Specification>(
        spec: &S,
        histories: impl Strategy<Value = History<S::Input, S::Output>>,
    ) -> usize {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let draw = |_| histories.new_tree(&mut runner).expect("the strategy rejects nothing").current();
        (0..500).map(draw).filter(|history| brute_force::is_linearizable(spec, history)).count()
    }
    for (name, kept) in [
        ("register", kept(&Register { initial: 0 }, histories(register_operation(), 4, 9))),
        ("cas register", kept(&CasRegister { initial: 0 }, histories(cas_operation(), 4, 8))),
        ("key-value", kept(&KeyValue::default(), histories(key_value_operation(), 4, 7))),
    ] {
        println!("{name}: {kept} of 500 random histories are linearizable");
        assert!((40..=460).contains(&kept), "{name}: {kept} of 500 random histories are linearizable");
    }
}
