//! The models by their definitions, on histories small enough to try every order. Slow, and sure: the checker of this
//! module's parent is tested against it.
//!
//! Nothing here knows of dependencies or cycles. Serializability runs the transactions one by one, in every order, and
//! compares what they read. Snapshot isolation runs every interleaving of snapshots and commits on a store that refuses
//! the second of two concurrent writers. The weaker models are the axioms of Biswas and Enea (OOPSLA 2019), put to every
//! order of commits; read committed is PL-2 of Adya (1999) in the same form. Transactions of unknown outcome are tried both
//! ways.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::operation::{Header, Key, Operation, Status, TransactionId, Value};
use crate::model::Model;

/// Whether a history keeps a model of transactions. Time grows with the factorial of the number of transactions.
///
/// # Panics
/// When the model is none of transactions.
pub fn keeps(history: &History, model: Model) -> bool {
    let all: Vec<Transaction> = (0..history.len() as u32)
        .map(|number| {
            let id = TransactionId(number);
            Transaction { header: history.header(id), operations: history.operations(id) }
        })
        .collect();
    let unknown: Vec<usize> =
        (0..all.len()).filter(|&index| all[index].header.status == Status::Unknown).collect();
    (0..1u32 << unknown.len()).any(|subset| {
        let is_in = |index: usize| match all[index].header.status {
            Status::Committed => true,
            Status::Aborted => false,
            Status::Unknown => {
                let place = unknown.iter().position(|&other| other == index).expect("it was listed");
                subset >> place & 1 == 1
            }
        };
        let members: Vec<&Transaction> =
            (0..all.len()).filter(|&index| is_in(index)).map(|index| &all[index]).collect();
        match model {
            Model::Serializable | Model::StrongSessionSerializable | Model::StrictSerializable => {
                serial(&members, model, &mut Vec::new(), &State::new())
            }
            Model::SnapshotIsolation | Model::StrongSessionSnapshotIsolation => {
                Snapshots { members: &members, model }.run(
                    &mut vec![Phase::Waiting; members.len()],
                    &State::new(),
                    0,
                )
            }
            Model::ReadCommitted | Model::ReadAtomic | Model::TransactionalCausal => {
                axioms(&members, model, &mut Vec::new())
            }
            other => panic!("expected a model of transactions, found {other}"),
        }
    })
}

struct Transaction {
    header: Header,
    operations: Vec<Operation>,
}

/// What each key holds: a list, or a register as a list of at most one value.
type State = BTreeMap<Key, Vec<Value>>;

/// Whether `earlier` must come first, by what the model says of sessions and time.
fn must_precede(members: &[&Transaction], earlier: usize, later: usize, model: Model) -> bool {
    let (first, second) = (members[earlier].header, members[later].header);
    // Nobody waits for a transaction whose outcome never came.
    if earlier == later || first.status == Status::Unknown {
        return false;
    }
    let in_session = first.session == second.session && earlier < later;
    let in_time = matches!((first.completed, second.invoked), (Some(end), Some(begin)) if end < begin);
    match model {
        Model::StrictSerializable => in_session || in_time,
        Model::StrongSessionSerializable
        | Model::StrongSessionSnapshotIsolation
        | Model::TransactionalCausal => in_session,
        _ => false,
    }
}

/// Runs a transaction on a state; `None` if it would have read something else.
fn run(transaction: &Transaction, state: &State) -> Option<State> {
    let mut state = state.clone();
    for operation in &transaction.operations {
        let held = state.entry(operation.key()).or_default();
        match operation {
            Operation::Append(_, value) => held.push(*value),
            Operation::Write(_, value) => *held = vec![*value],
            Operation::ReadList(_, list) if held != list => return None,
            Operation::Read(_, value) if held.first() != value.as_ref() => return None,
            _ => {}
        }
    }
    Some(state)
}

fn serial(members: &[&Transaction], model: Model, order: &mut Vec<usize>, state: &State) -> bool {
    if order.len() == members.len() {
        return true;
    }
    (0..members.len()).any(|next| {
        let is_ready = !order.contains(&next)
            && (0..members.len())
                .all(|other| order.contains(&other) || !must_precede(members, other, next, model));
        if !is_ready {
            return false;
        }
        let Some(after) = run(members[next], state) else { return false };
        order.push(next);
        let found = serial(members, model, order, &after);
        order.pop();
        found
    })
}

#[derive(Clone, PartialEq)]
enum Phase {
    Waiting,
    /// Since when it runs, and the values that it will leave.
    Running(usize, State),
    /// When it committed.
    Done(usize),
}

struct Snapshots<'a> {
    members: &'a [&'a Transaction],
    model: Model,
}

impl Snapshots<'_> {
    fn run(&self, phases: &mut Vec<Phase>, state: &State, now: usize) -> bool {
        if phases.iter().all(|phase| matches!(phase, Phase::Done(_))) {
            return true;
        }
        (0..phases.len()).any(|index| {
            let (phase, state) = match &phases[index] {
                Phase::Done(_) => return false,
                Phase::Waiting => {
                    let waits = (0..phases.len()).any(|other| {
                        !matches!(phases[other], Phase::Done(_))
                            && must_precede(self.members, other, index, self.model)
                    });
                    match run(self.members[index], state) {
                        Some(after) if !waits => (Phase::Running(now, after), state.clone()),
                        _ => return false,
                    }
                }
                Phase::Running(begun, after) => {
                    let written = written(self.members[index]);
                    let conflicts = (0..phases.len()).any(|other| {
                        matches!(phases[other], Phase::Done(at) if at > *begun)
                            && self::written(self.members[other]).iter().any(|key| written.contains(key))
                    });
                    if conflicts {
                        return false;
                    }
                    let mut state = state.clone();
                    state.extend(written.iter().map(|key| (*key, after[key].clone())));
                    (Phase::Done(now), state)
                }
            };
            let before = std::mem::replace(&mut phases[index], phase);
            let found = self.run(phases, &state, now + 1);
            phases[index] = before;
            found
        })
    }
}

fn written(transaction: &Transaction) -> BTreeSet<Key> {
    let writes = transaction.operations.iter();
    writes
        .filter(|operation| matches!(operation, Operation::Append(..) | Operation::Write(..)))
        .map(Operation::key)
        .collect()
}

/// Tries every order of commits.
fn axioms(members: &[&Transaction], model: Model, order: &mut Vec<usize>) -> bool {
    if order.len() == members.len() {
        return hold(members, model, order);
    }
    (0..members.len()).any(|next| {
        if order.contains(&next) {
            return false;
        }
        order.push(next);
        let found = axioms(members, model, order);
        order.pop();
        found
    })
}

/// A read from others: the key and what was there before the transaction's own writes.
fn outer_reads(transaction: &Transaction) -> Option<Vec<(Key, Vec<Value>)>> {
    let mut reads: Vec<(Key, Vec<Value>)> = Vec::new();
    let mut own: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    let mut agrees = true;
    for operation in &transaction.operations {
        let key = operation.key();
        let written = own.entry(key).or_default();
        let outer = match operation {
            Operation::Append(_, value) => {
                written.push(*value);
                continue;
            }
            Operation::Write(_, value) => {
                *written = vec![*value];
                continue;
            }
            Operation::ReadList(_, list) => match list.strip_suffix(written.as_slice()) {
                Some(outer) => outer.to_vec(),
                None => {
                    agrees = false;
                    list.clone()
                }
            },
            Operation::Read(_, Some(value)) if written.first() == Some(value) => continue,
            Operation::Read(_, value) => {
                agrees &= written.is_empty();
                value.iter().copied().collect()
            }
            Operation::Unseen(_) => continue,
        };
        agrees &= reads.iter().all(|(other, before)| *other != key || *before == outer);
        reads.push((key, outer));
    }
    agrees.then_some(reads)
}

fn hold(members: &[&Transaction], model: Model, order: &[usize]) -> bool {
    let place = |index: usize| order.iter().position(|&other| other == index).expect("all are in the order");
    if (0..members.len())
        .any(|a| (0..members.len()).any(|b| must_precede(members, a, b, model) && place(a) > place(b)))
    {
        return false;
    }
    // Who read from whom: the reader, the writer where there is one, and the key.
    let mut reads: Vec<(usize, Option<usize>, Key)> = Vec::new();
    for (reader, transaction) in members.iter().enumerate() {
        let outer = match (outer_reads(transaction), model) {
            (Some(reads), _) => reads,
            (None, Model::ReadCommitted) => raw_reads(transaction),
            (None, _) => return false,
        };
        for (key, values) in outer {
            match source(members, order, key, &values) {
                Some(Some(writer)) if writer == reader => return model == Model::ReadCommitted,
                Some(writer) => reads.push((reader, writer, key)),
                None => return false,
            }
        }
    }
    let in_order = |&(reader, writer, _): &(usize, Option<usize>, Key)| {
        writer.is_none_or(|writer| place(writer) < place(reader))
    };
    if !reads.iter().all(in_order) {
        return false;
    }
    let seen = match model {
        Model::ReadCommitted => return true,
        Model::ReadAtomic => seen_directly(members.len(), &reads),
        _ => seen_causally(members, &reads, order),
    };
    reads.iter().all(|&(reader, writer, key)| {
        seen[reader].iter().all(|&other| {
            !written(members[other]).contains(&key)
                || writer.is_some_and(|writer| place(other) <= place(writer))
        })
    })
}

/// What a transaction read that does not agree with itself: everything as it stands.
fn raw_reads(transaction: &Transaction) -> Vec<(Key, Vec<Value>)> {
    let mut written: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    let mut reads = Vec::new();
    for operation in &transaction.operations {
        let key = operation.key();
        let own = written.entry(key).or_default();
        match operation {
            Operation::Append(_, value) => own.push(*value),
            Operation::Write(_, value) => *own = vec![*value],
            Operation::ReadList(_, list) => {
                reads.push((key, list.strip_suffix(own.as_slice()).unwrap_or(list).to_vec()));
            }
            Operation::Read(_, Some(value)) if own.first() != Some(value) => reads.push((key, vec![*value])),
            Operation::Read(_, None) => reads.push((key, Vec::new())),
            _ => {}
        }
    }
    reads
}

/// Whose version was read: `None` if nobody's, `Some(None)` if the first of all.
fn source(members: &[&Transaction], order: &[usize], key: Key, values: &[Value]) -> Option<Option<usize>> {
    let mut held: Vec<Value> = Vec::new();
    let mut version = values.is_empty().then_some(None);
    for &index in order {
        let before = held.clone();
        for operation in &members[index].operations {
            match operation {
                Operation::Append(written, value) if *written == key => held.push(*value),
                Operation::Write(written, value) if *written == key => held = vec![*value],
                _ => {}
            }
        }
        if held != before && held == values {
            version = Some(Some(index));
        }
    }
    version
}

fn seen_directly(count: usize, reads: &[(usize, Option<usize>, Key)]) -> Vec<BTreeSet<usize>> {
    let mut seen = vec![BTreeSet::new(); count];
    for (reader, writer, _) in reads {
        seen[*reader].extend(writer);
    }
    seen
}

fn seen_causally(
    members: &[&Transaction],
    reads: &[(usize, Option<usize>, Key)],
    order: &[usize],
) -> Vec<BTreeSet<usize>> {
    let mut seen = seen_directly(members.len(), reads);
    for &index in order {
        for earlier in 0..members.len() {
            if must_precede(members, earlier, index, Model::TransactionalCausal) {
                seen[index].insert(earlier);
            }
        }
        let more: Vec<usize> = seen[index].iter().flat_map(|other| seen[*other].clone()).collect();
        seen[index].extend(more);
    }
    seen
}
