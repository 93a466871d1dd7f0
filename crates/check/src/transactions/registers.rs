//! Facts from register histories: who read whose value. The order of the versions is for others to infer.

use super::anomaly::Anomaly;
use super::facts::{Facts, Groups, NONE, Oddity, Read, Source, Writes, counting, report};
use super::history::{History, Stored};
use super::operation::Status;

/// What a register history says for certain.
pub(super) fn facts(history: &History) -> Facts {
    let mut writes = Writes::new(history);
    let ambiguous = writes.ambiguous(history);
    for transaction in 0..history.len() {
        for operation in history.stored(transaction) {
            if let Stored::Value { key, value } = *operation
                && let Some(write) = writes.find(key, value)
                && writes.transaction[write] != transaction as u32
            {
                writes.position[write] = 0;
            }
        }
    }
    let counts = counting(history, &writes);
    let mut chains = Groups::default();
    let mut loose = Groups::default();
    for key in 0..history.keys_count() {
        chains.push([]);
        let mut writers: Vec<u32> =
            writes.of_key(key as u32).iter().map(|(_, write)| writes.transaction[*write as usize]).collect();
        writers.retain(|&writer| counts[writer as usize]);
        writers.sort_unstable();
        writers.dedup();
        loose.push(writers);
    }
    let (reads, oddities) = read_all(history, &writes, &counts);
    Facts { counts, chains, loose, reads, oddities, ambiguous }
}

/// What a transaction has done with a register so far.
#[derive(Clone, Copy)]
struct View {
    transaction: u32,
    /// What it wrote last.
    own: Option<i64>,
    /// What it read last from others: nothing yet, or a value, or that there was none.
    outer: Option<Option<i64>>,
}

fn read_all(history: &History, writes: &Writes, counts: &[bool]) -> (Vec<Read>, Vec<Oddity>) {
    let (mut reads, mut oddities) = (Vec::new(), Vec::new());
    let mut views = vec![View { transaction: NONE, own: None, outer: None }; history.keys_count()];
    for number in 0..history.len() {
        let transaction = number as u32;
        for operation in history.stored(number) {
            let key = operation.key();
            let view = &mut views[key as usize];
            if view.transaction != transaction {
                *view = View { transaction, own: None, outer: None };
            }
            let found = match *operation {
                Stored::Write { value, .. } => {
                    view.own = Some(value);
                    continue;
                }
                Stored::Value { value, .. } => Some(value),
                Stored::Nil { .. } => None,
                _ => continue,
            };
            if view.own.is_some() && view.own == found {
                continue;
            }
            let mut odd = |anomaly, other| {
                report(&mut oddities, Oddity { anomaly, transaction, key, value: found, other });
            };
            if view.own.is_some() || view.outer.is_some_and(|before| before != found) {
                odd(Anomaly::Internal, NONE);
            }
            if view.outer.replace(found) == Some(found) {
                continue;
            }
            let Some(value) = found else {
                reads.push(Read { transaction, key, source: Source::Initial });
                continue;
            };
            let Some(write) = writes.find(key, value) else {
                odd(Anomaly::GarbageRead, NONE);
                continue;
            };
            let writer = writes.transaction[write];
            if writer == transaction {
                // Its own value, before it wrote it or after it wrote another.
                odd(Anomaly::Internal, NONE);
            } else if history.records()[writer as usize].status == Status::Aborted {
                odd(Anomaly::G1a, writer);
            } else {
                if !writes.is_last[write] {
                    odd(Anomaly::G1b, writer);
                }
                debug_assert!(
                    counts[writer as usize],
                    "expected that whoever is read counts, found T{writer}"
                );
                reads.push(Read { transaction, key, source: Source::Loose(writer) });
            }
        }
    }
    (reads, oddities)
}
