//! Random small histories, put to the checker and to brute force.

use synod_check::generate::Random;
use synod_check::model::{Finding, Model};
use synod_check::transactions::{Builder, Effort, Header, History, Key, Operation, Status, Value};
use synod_check::transactions::{brute_force, check_all};

use super::cases::cases;

/// How small the histories are: transactions, keys, and operations of a transaction.
const TRANSACTIONS_MAX: u64 = 5;
const KEYS: u64 = 2;
const OPERATIONS_MAX: u64 = 3;

/// Reads of anything that fits, so that all models are kept and broken often.
fn random_history(random: &mut Random, is_list: bool) -> History {
    let count = 2 + random.below(TRANSACTIONS_MAX - 1);
    let mut plan: Vec<(Header, Vec<Operation>)> = Vec::new();
    let mut written: Vec<Vec<Value>> = vec![Vec::new(); KEYS as usize];
    for _ in 0..count {
        let mut header = Header::committed(random.below(3));
        header.status = match random.below(20) {
            0 => Status::Aborted,
            1 | 2 => Status::Unknown,
            _ => Status::Committed,
        };
        let begin = random.below(20);
        let at = |millis| std::time::Duration::from_millis(millis);
        header = header.at(at(begin), at(begin + random.below(10)));
        let operations = (0..1 + random.below(OPERATIONS_MAX)).map(|_| {
            let key = random.below(KEYS);
            let versions = &mut written[key as usize];
            let fresh = Value(versions.len() as i64 + 1);
            match (random.below(2) == 0, is_list) {
                (true, true) => {
                    versions.push(fresh);
                    Operation::Append(Key(key), fresh)
                }
                (true, false) => {
                    versions.push(fresh);
                    Operation::Write(Key(key), fresh)
                }
                (false, true) => Operation::ReadList(Key(key), Vec::new()),
                (false, false) => Operation::Read(Key(key), None),
            }
        });
        plan.push((header, operations.collect()));
    }
    // One order of all appends to a key, of which reads see a beginning.
    for versions in &mut written {
        for index in (1..versions.len()).rev() {
            if random.below(3) == 0 {
                versions.swap(index, random.below(index as u64 + 1) as usize);
            }
        }
    }
    let mut builder = Builder::new();
    for (header, mut operations) in plan {
        fill_reads(random, &mut operations, &written);
        builder.push(header, &operations).expect("a good transaction");
    }
    builder.finish()
}

fn fill_reads(random: &mut Random, operations: &mut [Operation], written: &[Vec<Value>]) {
    let mut seen: Vec<Option<Vec<Value>>> = vec![None; written.len()];
    for operation in operations {
        let key = operation.key().0 as usize;
        let versions = &written[key];
        let chosen = versions[..random.below(versions.len() as u64 + 1) as usize].to_vec();
        let held = seen[key].get_or_insert(chosen);
        match operation {
            Operation::Append(_, value) => held.push(*value),
            Operation::Write(_, value) => *held = vec![*value],
            Operation::ReadList(_, list) => list.clone_from(held),
            Operation::Read(_, value) => *value = held.last().copied(),
            Operation::Unseen(_) => {}
        }
        if random.below(30) == 0 {
            seen[key] = None;
        }
    }
}

/// Whether a transaction read its own write before it wrote it: what that means for read committed nobody says.
fn reads_the_future(history: &History) -> bool {
    (0..history.len() as u32).any(|number| {
        let operations = history.operations(synod_check::transactions::TransactionId(number));
        let own: Vec<(Key, Value)> = operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Append(key, value) | Operation::Write(key, value) => Some((*key, *value)),
                _ => None,
            })
            .collect();
        let mut written: Vec<(Key, Value)> = Vec::new();
        operations.iter().any(|operation| {
            let key = operation.key();
            let mine: Vec<Value> =
                written.iter().filter(|(other, _)| *other == key).map(|(_, value)| *value).collect();
            let is_own = |value: &Value| own.contains(&(key, *value));
            match operation {
                Operation::Append(key, value) | Operation::Write(key, value) => {
                    written.push((*key, *value));
                    false
                }
                Operation::ReadList(_, list) => {
                    list.strip_suffix(mine.as_slice()).unwrap_or(list).iter().any(is_own)
                }
                Operation::Read(_, Some(value)) => is_own(value) && mine.last() != Some(value),
                _ => false,
            }
        })
    })
}

fn agree(histories: u64, is_list: bool) {
    let mut random = Random::new(7 + u64::from(is_list));
    let (mut kept, mut broken) = ([0u64; 8], [0u64; 8]);
    for _ in 0..histories {
        let history = random_history(&mut random, is_list);
        if reads_the_future(&history) {
            continue;
        }
        let report = check_all(&history, Effort::default());
        assert_eq!(report.summary().contradiction(), None, "{history:?}");
        for (index, judgement) in report.judgements.iter().enumerate() {
            let is_kept = match &judgement.finding {
                Finding::Kept => true,
                Finding::Broken(_) => false,
                Finding::Unknown { reason } => panic!("{}: {reason}", judgement.model),
            };
            let expected = brute_force::keeps(&history, judgement.model);
            assert_eq!(is_kept, expected, "{}: {judgement}\n{}", judgement.model, written(&history));
            if is_kept { kept[index] += 1 } else { broken[index] += 1 }
        }
        for witness in &report.witnesses {
            assert!(
                report.judgement(witness.breaks).is_some_and(|judgement| judgement.is_broken()),
                "{witness}\n{}",
                written(&history)
            );
        }
    }
    for (index, model) in Model::TRANSACTIONS.into_iter().enumerate() {
        assert!(
            kept[index] > histories / 100 && broken[index] > histories / 100,
            "{model}: {kept:?}, {broken:?}"
        );
    }
}

fn written(history: &History) -> String {
    let lines = (0..history.len() as u32).map(|number| {
        let id = synod_check::transactions::TransactionId(number);
        format!("{:?}: {:?}", history.header(id), history.operations(id))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn lists_agree_with_brute_force() {
    agree(cases(50_000).into(), true);
}

#[test]
fn registers_agree_with_brute_force() {
    agree(cases(50_000).into(), false);
}
