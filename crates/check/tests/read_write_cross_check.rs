//! The checkers of reads and writes against the definitions, on random small histories, and against each other.
//!
//! Most histories are chaos: any read may return anything. Half have a value for each write, the others repeat values;
//! some operations are never answered. Each is judged by every model, by the fast checker and by brute force, and all
//! verdicts together must fit the lattice.

mod cases;

use std::collections::BTreeMap;
use std::time::Duration;

use cases::cases;
use synod_check::generate::Random;
use synod_check::history::{Client, History, Operation};
use synod_check::linearizability::{Effort, brute_force as linearizations};
use synod_check::model::{Finding, Model, Summary};
use synod_check::read_write::{Trace, brute_force, check, check_all};
use synod_check::specification::{At, Keyed, Register, RegisterInput, RegisterOutput};

type KeyedHistory = History<At<u64, RegisterInput<u64>>, RegisterOutput<u64>>;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn models() -> Vec<Model> {
    let mut models = Model::OPERATIONS.to_vec();
    models.extend([0, 4].map(|quiet| Model::Eventual { quiet: ms(quiet) }));
    models.extend([1, 2].map(|versions| Model::StalenessVersions { versions }));
    models.extend([0, 4].map(|age| Model::StalenessTime { age_max: ms(age) }));
    models
}

/// How a random history looks.
#[derive(Clone, Copy)]
struct Chaos {
    operations: u64,
    sessions: u64,
    keys: u64,
    /// Each write has a value of its own.
    unique: bool,
    /// Of ten operations, how many are never answered.
    lost: u64,
}

fn chaos(random: &mut Random, shape: Chaos) -> KeyedHistory {
    let writes: Vec<bool> = (0..shape.operations).map(|_| random.below(2) == 0).collect();
    let keys: Vec<u64> = writes.iter().map(|_| random.below(shape.keys)).collect();
    let values: Vec<u64> = (1..=shape.operations)
        .map(|number| if shape.unique { number } else { 1 + random.below(2) })
        .collect();
    let mut clocks = vec![0; shape.sessions as usize];
    let mut operations = Vec::new();
    for index in 0..writes.len() {
        let session = random.below(shape.sessions);
        let clock = &mut clocks[session as usize];
        let from = *clock + random.below(3);
        let to = from + random.below(3);
        // Events at one time count as concurrent, and a session's operations are not.
        *clock = to + 1;
        let key = keys[index];
        let mut written: Vec<u64> =
            (0..writes.len()).filter(|&at| writes[at] && keys[at] == key).map(|at| values[at]).collect();
        // The initial value, and seldom one that nobody wrote.
        written.push(0);
        let returned = match random.below(60) {
            0 => 99,
            _ => written[random.below(written.len() as u64) as usize],
        };
        let (input, output) = match writes[index] {
            true => (RegisterInput::Write(values[index]), RegisterOutput::Written),
            false => (RegisterInput::Read, RegisterOutput::Value(returned)),
        };
        let (client, input) = (Client(session), At { key, input });
        operations.push(match random.below(10) < shape.lost {
            true => Operation::open(client, ms(from), input),
            false => Operation::returned(client, ms(from), ms(to), input, output),
        });
    }
    History::from_operations(operations).expect("sessions are sequential")
}

fn by_definition(model: Model, history: &KeyedHistory, trace: &Trace<'_>) -> bool {
    match model {
        Model::Linearizable => linearizations::is_linearizable(&Keyed::new(Register { initial: 0 }), history),
        model => brute_force::keeps(model, trace).expect("a model of single operations"),
    }
}

/// Judges many histories by all models; how often each was kept, broken and unknown.
fn compare(seed: u64, histories: u64, shape: impl Fn(&mut Random) -> Chaos) -> BTreeMap<Model, [u64; 3]> {
    let mut random = Random::new(seed);
    let mut counts: BTreeMap<Model, [u64; 3]> = BTreeMap::new();
    for number in 0..histories {
        let shape = shape(&mut random);
        let history = chaos(&mut random, shape);
        let trace = Trace::of_keyed(&history, &0).expect("reads return values");
        let mut judgements = Vec::new();
        for model in models() {
            let judgement = check(model, &trace, Effort::default());
            let expected = by_definition(model, &history, &trace);
            let place = match judgement.finding {
                Finding::Kept => 0,
                Finding::Broken(_) => 1,
                Finding::Unknown { .. } => 2,
            };
            assert!(
                place == 2 || (place == 0) == expected,
                "history {number} of seed {seed}, {model}: expected kept {expected}, found:\n{judgement}\n{:#?}",
                history.operations()
            );
            counts.entry(model).or_default()[place] += 1;
            judgements.push(judgement);
        }
        let apart = Summary::new(judgements);
        assert_eq!(apart.contradiction(), None, "history {number} of seed {seed}");
        let together = check_all(&models(), &trace, Effort::default());
        for (one, other) in apart.judgements.iter().zip(&together.judgements) {
            assert_eq!(one.model, other.model);
            // Together more may be known: what follows from another verdict.
            let agree = one.is_kept() == other.is_kept() && one.is_broken() == other.is_broken();
            assert!(
                agree || !(one.is_kept() || one.is_broken()),
                "history {number} of seed {seed}: {}",
                one.model
            );
        }
    }
    counts
}

#[track_caller]
fn all_happened(counts: &BTreeMap<Model, [u64; 3]>, at_least: u64) {
    for (model, [kept, broken, _]) in counts {
        assert!(*kept >= at_least && *broken >= at_least, "{model}: {kept} kept, {broken} broken");
    }
}

#[test]
fn histories_whose_values_tell_writes_apart_are_judged_as_the_definitions_do() {
    let counts = compare(1, cases(60_000).into(), |random| Chaos {
        operations: 3 + random.below(6),
        sessions: 2 + random.below(3),
        keys: 1 + random.below(2),
        unique: true,
        lost: 0,
    });
    all_happened(&counts, 300);
    assert!(counts.values().all(|[_, _, unknown]| *unknown == 0), "{counts:?}");
}

#[test]
fn histories_with_unanswered_operations_are_judged_as_the_definitions_do() {
    let counts = compare(2, cases(20_000).into(), |random| Chaos {
        operations: 3 + random.below(5),
        sessions: 2 + random.below(2),
        keys: 1 + random.below(2),
        unique: true,
        lost: 2,
    });
    all_happened(&counts, 100);
}

#[test]
fn histories_that_repeat_values_are_judged_as_the_definitions_do() {
    let counts = compare(3, cases(20_000).into(), |random| Chaos {
        operations: 3 + random.below(5),
        sessions: 2 + random.below(2),
        keys: 1 + random.below(2),
        unique: false,
        lost: random.below(2),
    });
    all_happened(&counts, 100);
}
