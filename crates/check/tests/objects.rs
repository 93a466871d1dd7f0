//! The objects besides registers and the etcd-like store: textbook histories that are linearizable and ones that are not,
//! and random histories against the definition.

mod cases;
mod sequential_objects;

use std::time::Duration;

use cases::cases;
use synod_check::generate::{self, Random, Shape};
use synod_check::history::{Client, History, Operation};
use synod_check::linearizability::{brute_force, check};
use synod_check::specification::{
    At, Counter, CounterInput, CounterOutput, Entry, EntryInput, EntryOutput, Keyed, Lock, LockInput,
    LockOutput, Queue, QueueInput, QueueOutput, Set, SetInput, SetOutput, Specification,
};

/// From and to in milliseconds (0: never answered), input, output; every operation has a client of its own.
type Row<I, O> = (u64, u64, I, O);

fn history<I, O>(rows: Vec<Row<I, O>>) -> History<I, O> {
    let at = Duration::from_millis;
    let operations = rows.into_iter().enumerate().map(|(index, (from, to, input, output))| {
        let client = Client(index as u64);
        match to {
            0 => Operation::open(client, at(from), input),
            _ => Operation::returned(client, at(from), at(to), input, output),
        }
    });
    History::from_operations(operations.collect()).expect("a history")
}

#[track_caller]
fn keeps<S: Specification>(spec: &S, rows: Vec<Row<S::Input, S::Output>>) {
    let history = history(rows);
    let verdict = check(spec, &history);
    assert!(verdict.is_linearizable(), "{verdict}");
    assert!(brute_force::is_linearizable(spec, &history));
}

/// The last operation of the list is the impossible one, for a reason with these words.
#[track_caller]
fn breaks<S: Specification>(spec: &S, rows: Vec<Row<S::Input, S::Output>>, why: &str) {
    let history = history(rows);
    let verdict = check(spec, &history);
    let violation = verdict.violation().expect("a violation");
    assert_eq!(violation.operation.id.0, history.len() as u64 - 1, "{verdict}");
    assert!(verdict.to_string().contains(why), "expected {why:?} in:\n{verdict}");
    assert!(!brute_force::is_linearizable(spec, &history));
}

#[test]
fn a_queue_is_first_in_first_out() {
    use QueueInput::{Dequeue, Enqueue};
    use QueueOutput::{Dequeued, Enqueued};
    let spec = Queue::<u8>::default();
    // Two enqueues at once may take effect in either order.
    keeps(
        &spec,
        vec![
            (0, 9, Enqueue(1), Enqueued),
            (0, 9, Enqueue(2), Enqueued),
            (10, 11, Dequeue, Dequeued(Some(2))),
        ],
    );
    breaks(
        &spec,
        vec![(0, 1, Enqueue(1), Enqueued), (2, 3, Enqueue(2), Enqueued), (4, 5, Dequeue, Dequeued(Some(2)))],
        "it would have taken 1",
    );
    // Nothing leaves twice, or is lost.
    breaks(
        &spec,
        vec![
            (0, 1, Enqueue(1), Enqueued),
            (2, 3, Dequeue, Dequeued(Some(1))),
            (4, 5, Dequeue, Dequeued(Some(1))),
        ],
        "it would have found nothing",
    );
    breaks(
        &spec,
        vec![(0, 1, Enqueue(1), Enqueued), (2, 3, Dequeue, Dequeued(None))],
        "it would have taken 1",
    );
    // An enqueue that was never answered may have happened, and a dequeue too.
    keeps(&spec, vec![(0, 0, Enqueue(1), Enqueued), (2, 3, Dequeue, Dequeued(Some(1)))]);
    keeps(
        &spec,
        vec![(0, 1, Enqueue(1), Enqueued), (2, 0, Dequeue, Enqueued), (4, 5, Dequeue, Dequeued(None))],
    );
}

#[test]
fn an_element_of_a_set_is_in_or_out_for_all() {
    use SetInput::{Add, Contains, Elements, Remove};
    use SetOutput::{Changed, Contained};
    let spec = Set::<u8>::default();
    keeps(
        &spec,
        vec![
            (0, 9, Add(1), Changed(true)),
            (1, 2, Contains(1), Contained(false)),
            (3, 4, Contains(1), Contained(true)),
        ],
    );
    breaks(
        &spec,
        vec![
            (0, 9, Add(1), Changed(true)),
            (1, 2, Contains(1), Contained(true)),
            (3, 4, Contains(1), Contained(false)),
        ],
        "it was in",
    );
    breaks(&spec, vec![(0, 1, Add(1), Changed(true)), (2, 3, Add(1), Changed(true))], "it was in already");
    keeps(
        &spec,
        vec![
            (0, 9, Add(1), Changed(true)),
            (0, 9, Add(1), Changed(false)),
            (10, 11, Remove(1), Changed(true)),
        ],
    );
    let all = |values: &[u8]| SetOutput::Elements(values.iter().copied().collect());
    keeps(
        &spec,
        vec![(0, 0, Add(1), Changed(true)), (1, 2, Add(2), Changed(true)), (3, 4, Elements, all(&[1, 2]))],
    );
    // Two readers must agree on which of two was added first: the elements are not independent here.
    breaks(
        &spec,
        vec![
            (0, 9, Add(1), Changed(true)),
            (0, 9, Add(2), Changed(true)),
            (1, 2, Elements, all(&[1])),
            (3, 4, Elements, all(&[2])),
        ],
        "it would also have shown",
    );
}

#[test]
fn a_counter_counts_what_was_added() {
    use CounterInput::{Add, AddAndGet, Read};
    use CounterOutput::{Added, Value};
    let spec = Counter::default();
    keeps(
        &spec,
        vec![(0, 9, Add(1), Added), (0, 9, Add(2), Added), (1, 2, Read, Value(2)), (10, 11, Read, Value(3))],
    );
    breaks(
        &spec,
        vec![(0, 1, Add(1), Added), (0, 1, Add(2), Added), (2, 3, Read, Value(1))],
        "it would have read 3",
    );
    breaks(
        &spec,
        vec![(0, 1, AddAndGet(1), Value(1)), (2, 3, AddAndGet(1), Value(1))],
        "it would have returned 2",
    );
    keeps(&spec, vec![(0, 0, Add(5), Added), (1, 2, Read, Value(0)), (3, 4, Read, Value(5))]);
}

#[test]
fn a_lock_has_one_holder_and_rising_tokens() {
    use LockInput::{Acquire, Release, Use};
    use LockOutput::{Acquired, Busy, Fenced, Released, Used};
    let (one, two) = (Acquire { owner: 1 }, Acquire { owner: 2 });
    keeps(
        &Lock,
        vec![
            (0, 1, one, Acquired(Some(5))),
            (2, 3, two, Busy),
            (4, 9, Release { owner: 1 }, Released),
            (5, 8, two, Acquired(Some(7))),
        ],
    );
    breaks(
        &Lock,
        vec![(0, 1, one, Acquired(Some(5))), (2, 3, two, Acquired(Some(6)))],
        "the lock was held by 1",
    );
    breaks(
        &Lock,
        vec![
            (0, 1, one, Acquired(Some(5))),
            (2, 3, Release { owner: 1 }, Released),
            (4, 5, two, Acquired(Some(5))),
        ],
        "its token would have been larger than 5",
    );
    // The hold of the first expired, and it did not know: what fencing is for.
    let expired = vec![
        (0, 1, one, Acquired(Some(1))),
        (2, 0, Release { owner: 1 }, Released),
        (4, 5, two, Acquired(Some(2))),
        (6, 7, Use { token: 2 }, Used),
    ];
    let with = |last| [expired.clone(), vec![last]].concat();
    keeps(&Lock, with((8, 9, Use { token: 1 }, Fenced)));
    breaks(&Lock, with((8, 9, Use { token: 1 }, Used)), "the largest token that was used was 2");
}

#[test]
fn a_plain_key_value_store_keeps_each_key() {
    use EntryInput::{Append, CompareAndSwap, Delete, Get, Put};
    use EntryOutput::{Done, Swapped, Value};
    let spec = Keyed::<Entry, &str>::new(Entry::default());
    let on = |key, input| At { key, input };
    let found = |text: &str| Value(Some(text.into()));
    keeps(
        &spec,
        vec![
            (0, 1, on("k", Put("a".into())), Done),
            (2, 9, on("k", Append("b".into())), Done),
            (2, 9, on("k", Append("c".into())), Done),
            (10, 11, on("k", Get), found("acb")),
        ],
    );
    breaks(
        &spec,
        vec![
            (0, 1, on("k", Append("a".into())), Done),
            (2, 3, on("k", Append("b".into())), Done),
            (4, 5, on("k", Get), found("ba")),
        ],
        "it would have found \"ab\"",
    );
    breaks(
        &spec,
        vec![
            (0, 1, on("k", Put("a".into())), Done),
            (2, 3, on("k", Delete), Done),
            (4, 5, on("k", Get), found("a")),
        ],
        "it would have found nothing",
    );
    let swap =
        |expected: Option<&str>| CompareAndSwap { expected: expected.map(Into::into), new: "z".into() };
    keeps(
        &spec,
        vec![(0, 1, on("k", swap(None)), Swapped(true)), (2, 3, on("k", swap(None)), Swapped(false))],
    );
    breaks(
        &spec,
        vec![(0, 1, on("k", swap(None)), Swapped(true)), (2, 3, on("k", swap(None)), Swapped(true))],
        "\"z\" was there",
    );
}

/// Histories of a real object, some with one answer changed, get the verdict of the definition; all are kept before the
/// change, long ones too.
fn random_histories_agree<S: Specification>(
    spec_for: impl Fn(&History<S::Input, S::Output>) -> S,
    generate: impl Fn(Shape) -> History<S::Input, S::Output>,
    change: impl Fn(&mut Random, &S::Output) -> Option<S::Output>,
) {
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..u64::from(cases(8_000)) {
        let history = generate(Shape { seed, clients: 4, operations: 8, lost_per_mille: 150 });
        let verdict = check(&spec_for(&history), &history);
        assert!(verdict.is_linearizable(), "seed {seed}: correct by construction\n{verdict}");
        let mut random = Random::new(seed);
        let index = random.below(history.len() as u64) as usize;
        let Some(output) =
            history.operations()[index].output().and_then(|output| change(&mut random, output))
        else {
            continue;
        };
        let changed = generate::with_output(&history, index, output);
        let spec = spec_for(&changed);
        let expected = brute_force::is_linearizable(&spec, &changed);
        let verdict = check(&spec, &changed);
        assert_eq!(verdict.is_linearizable(), expected, "seed {seed}: {verdict}");
        assert_eq!(verdict.is_violation(), !expected, "seed {seed}: {verdict}");
        *(if expected { &mut kept } else { &mut broken }) += 1;
    }
    assert!(kept > 50 && broken > 1_000, "both verdicts must be exercised: {kept} kept, {broken} broken");
    for seed in 0..10 {
        let history = generate(Shape { seed, clients: 6, operations: 500, lost_per_mille: 0 });
        let verdict = check(&spec_for(&history), &history);
        assert!(verdict.is_linearizable(), "seed {seed}: correct by construction\n{verdict}");
    }
}

#[test]
fn verdicts_on_random_queues_are_those_of_the_definition() {
    let change = |random: &mut Random, output: &QueueOutput<u64>| match output {
        QueueOutput::Dequeued(None) => Some(QueueOutput::Dequeued(Some(1 + random.below(3)))),
        QueueOutput::Dequeued(Some(value)) => {
            let other = if random.below(3) == 0 { None } else { Some(3_u64.abs_diff(*value)) };
            Some(QueueOutput::Dequeued(other))
        }
        QueueOutput::Enqueued => None,
    };
    // While elements wait, the order of those that were enqueued and dequeued side by side stays open: short ones only.
    let short = |shape: Shape| generate::queue(Shape { operations: shape.operations.min(40), ..shape });
    random_histories_agree(Queue::for_history, short, change);
    // What the dequeues prove beforehand changes no verdict.
    for seed in 0..u64::from(cases(8_000)) {
        let history = generate::queue(Shape { seed, clients: 4, operations: 8, lost_per_mille: 150 });
        let index = seed as usize % history.len();
        let mut random = Random::new(seed);
        let output = history.operations()[index].output().and_then(|output| change(&mut random, output));
        let Some(output) = output else { continue };
        let changed = generate::with_output(&history, index, output);
        let plain = check(&Queue::default(), &changed);
        let informed = check(&Queue::for_history(&changed), &changed);
        assert_eq!(plain.is_violation(), informed.is_violation(), "seed {seed}: {plain}\n{informed}");
    }
}

#[test]
fn verdicts_on_random_sets_are_those_of_the_definition() {
    for with_elements in [false, true] {
        let generate = |shape| generate::set(shape, 3, with_elements);
        random_histories_agree(
            |_| Set::default(),
            generate,
            |random, output| {
                Some(match output {
                    SetOutput::Changed(changed) => SetOutput::Changed(!changed),
                    SetOutput::Contained(is_in) => SetOutput::Contained(!is_in),
                    SetOutput::Elements(elements) => {
                        let mut elements = elements.clone();
                        let value = random.below(3);
                        if !elements.remove(&value) {
                            elements.insert(value);
                        }
                        SetOutput::Elements(elements)
                    }
                })
            },
        );
    }
}

#[test]
fn verdicts_on_random_counters_are_those_of_the_definition() {
    random_histories_agree(
        |_| Counter::default(),
        generate::counter,
        |random, output| match output {
            CounterOutput::Value(value) => Some(CounterOutput::Value(value + random.below(5) as i64 - 2)),
            CounterOutput::Added => None,
        },
    );
}

#[test]
fn verdicts_on_random_locks_are_those_of_the_definition() {
    random_histories_agree(
        |_| Lock,
        generate::lock,
        |random, output| {
            Some(match output {
                LockOutput::Acquired(Some(token)) if random.below(2) == 0 => {
                    LockOutput::Acquired(token.checked_sub(1))
                }
                LockOutput::Acquired(_) => LockOutput::Busy,
                LockOutput::Busy => LockOutput::Acquired(Some(1 + random.below(4))),
                LockOutput::Released => LockOutput::NotHeld,
                LockOutput::NotHeld => LockOutput::Released,
                LockOutput::Used => LockOutput::Fenced,
                LockOutput::Fenced => LockOutput::Used,
            })
        },
    );
}

#[test]
fn verdicts_on_random_entries_are_those_of_the_definition() {
    random_histories_agree(
        |_| Keyed::new(Entry::default()),
        |shape| generate::entries(shape, 2),
        |random, output| match output {
            EntryOutput::Value(_) => {
                let texts = [None, Some("a".into()), Some("b".into()), Some("ab".into())];
                Some(EntryOutput::Value(texts[random.below(4) as usize].clone()))
            }
            EntryOutput::Swapped(swapped) => Some(EntryOutput::Swapped(!swapped)),
            EntryOutput::Done => None,
        },
    );
}
