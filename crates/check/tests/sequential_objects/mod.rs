//! Sequential consistency of objects that are no registers: random small histories against the definition, and
//! histories with unanswered operations that took too long before there were rules against superfluous orders.

use synod_check::generate::{self, Random, Shape};
use synod_check::history::History;
use synod_check::linearizability::Effort;
use synod_check::sequential::check;
use synod_check::specification::{
    CasOutput, CasRegister, Counter, CounterOutput, Lock, Queue, QueueOutput, Set, SetOutput, Specification,
};

use super::cases::cases;

/// The definition, tried out order by order.
struct Definition<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
}

impl<S: Specification> Definition<'_, S> {
    fn is_kept(&self) -> bool {
        self.extends(&self.spec.initial(), &mut vec![false; self.history.len()])
    }

    fn extends(&self, state: &S::State, placed: &mut Vec<bool>) -> bool {
        let operations = self.history.operations();
        let is_left = |placed: &[bool], index: usize| operations[index].output().is_some() && !placed[index];
        if (0..operations.len()).all(|index| !is_left(placed, index)) {
            return true;
        }
        for (index, operation) in operations.iter().enumerate() {
            // Operations are numbered as they were invoked. What its session was answered before comes first.
            let waits = (0..index)
                .any(|before| operations[before].client == operation.client && is_left(placed, before));
            if placed[index] || waits {
                continue;
            }
            if let Some(after) = self.spec.step(state, &operation.input, operation.output()) {
                placed[index] = true;
                if self.extends(&after, placed) {
                    return true;
                }
                placed[index] = false;
            }
        }
        false
    }
}

/// Histories of a real object, with some answers changed, get the verdict of the definition.
fn random_histories_agree<S: Specification>(
    spec: &S,
    generate: impl Fn(Shape) -> History<S::Input, S::Output>,
    change: impl Fn(&mut Random, &S::Output) -> Option<S::Output>,
) {
    let (mut kept, mut broken) = (0, 0);
    for seed in 0..u64::from(cases(3_000)) {
        let mut random = Random::new(seed);
        let mut history = generate(Shape { seed, clients: 3, operations: 7, lost_per_mille: 200 });
        for _ in 0..1 + random.below(3) {
            let index = random.below(history.len() as u64) as usize;
            let output = history.operations()[index].output();
            if let Some(output) = output.and_then(|output| change(&mut random, output)) {
                history = generate::with_output(&history, index, output);
            }
        }
        let expected = Definition { spec, history: &history }.is_kept();
        let verdict = check(spec, &history, Effort::default());
        assert_eq!(verdict.is_kept(), expected, "seed {seed}: {verdict}");
        assert_eq!(verdict.is_broken(), !expected, "seed {seed}: {verdict}");
        *(if expected { &mut kept } else { &mut broken }) += 1;
    }
    assert!(kept > 50 && broken > 50, "both verdicts must be exercised: {kept} kept, {broken} broken");
}

#[test]
fn queues_agree_with_the_definition() {
    random_histories_agree(&Queue::default(), generate::queue, |random, output| match output {
        QueueOutput::Enqueued => None,
        QueueOutput::Dequeued(_) => {
            Some(QueueOutput::Dequeued((random.below(4) > 0).then(|| 1 + random.below(4))))
        }
    });
}

#[test]
fn counters_agree_with_the_definition() {
    random_histories_agree(&Counter::default(), generate::counter, |random, output| match output {
        CounterOutput::Added => None,
        CounterOutput::Value(value) => Some(CounterOutput::Value(value + random.below(3) as i64 - 1)),
    });
}

#[test]
fn sets_agree_with_the_definition() {
    random_histories_agree(
        &Set::default(),
        |shape| generate::set(shape, 2, true),
        |_, output| match output {
            SetOutput::Changed(changed) => Some(SetOutput::Changed(!changed)),
            SetOutput::Contained(is_in) => Some(SetOutput::Contained(!is_in)),
            SetOutput::Elements(_) => None,
        },
    );
}

#[test]
fn swaps_agree_with_the_definition() {
    random_histories_agree(
        &CasRegister { initial: 0 },
        |shape| generate::cas_register(shape, 2),
        |random, output| match output {
            CasOutput::Value(_) => Some(CasOutput::Value(random.below(3))),
            CasOutput::Swapped(swapped) => Some(CasOutput::Swapped(!swapped)),
            CasOutput::Written => None,
        },
    );
}

#[test]
fn long_histories_with_unanswered_operations_are_mostly_decided() {
    let mut effort = Effort::default();
    effort.limits.configurations_max = 20_000;
    let mut kept = [0; 3];
    for seed in 0..20 {
        let shape = Shape { seed, clients: 3, operations: 40, lost_per_mille: 100 };
        let verdicts = [
            check(&Queue::default(), &generate::queue(shape), effort),
            check(&CasRegister { initial: 0 }, &generate::cas_register(shape, 4), effort),
            check(&Lock, &generate::lock(shape), effort),
        ];
        for (verdict, kept) in verdicts.iter().zip(&mut kept) {
            assert!(!verdict.is_broken(), "seed {seed}: {verdict}");
            *kept += usize::from(verdict.is_kept());
        }
    }
    println!("of 20 each, kept: {kept:?}");
    assert!(kept.iter().sum::<usize>() >= 30, "too few of 20 each were decided: {kept:?}");
}
