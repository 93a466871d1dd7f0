//! Histories of the other objects, by the same generator.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::history::History;
use crate::specification::{
    At, CasInput, CasOutput, Counter, CounterInput, CounterOutput, Entry, EntryInput, EntryOutput, Lock,
    LockInput, LockOutput, LockState, QueueInput, QueueOutput, RegisterInput, RegisterOutput, SetInput,
    SetOutput, Specification,
};

use super::{Random, Shape, cas_register, history};

/// A history of `keys` registers that begin with 0: half reads, half writes of `1..=values`.
pub fn keyed_register(
    shape: Shape,
    keys: u64,
    values: u64,
) -> History<At<u64, RegisterInput<u64>>, RegisterOutput<u64>> {
    let choose = |random: &mut Random, _: &BTreeMap<u64, u64>| {
        let key = random.below(keys);
        let input = match random.below(2) {
            0 => RegisterInput::Read,
            _ => RegisterInput::Write(1 + random.below(values)),
        };
        At { key, input }
    };
    history(shape, BTreeMap::new(), choose, |state, At { key, input }| match input {
        RegisterInput::Read => {
            (state.clone(), RegisterOutput::Value(state.get(key).copied().unwrap_or_default()))
        }
        RegisterInput::Write(value) => {
            let mut state = state.clone();
            state.insert(*key, *value);
            (state, RegisterOutput::Written)
        }
    })
}

/// A history like those of tests that break the store under a compare-and-swap register of five values: five clients,
/// each of which is replaced by a new one when an operation of its is never answered, some two hundred operations.
pub fn crashing_cas_register(seed: u64) -> History<CasInput<u64>, CasOutput<u64>> {
    cas_register(Shape { seed, clients: 5, operations: 200, lost_per_mille: 150 }, 5)
}

/// A history of a plain key-value store: gets, puts, appends, deletions and swaps of short texts.
pub fn entries(shape: Shape, keys: u64) -> History<At<u64, EntryInput>, EntryOutput> {
    let choose = |random: &mut Random, state: &BTreeMap<u64, Arc<str>>| {
        let key = random.below(keys);
        let text = |random: &mut Random| Arc::from(["a", "b", "c"][random.below(3) as usize]);
        let input = match random.below(8) {
            0..3 => EntryInput::Get,
            3 => EntryInput::Put(text(random)),
            // An append to a long text would make it longer and longer.
            4 | 5 if state.get(&key).is_none_or(|text| text.len() < 6) => EntryInput::Append(text(random)),
            4..6 => EntryInput::Delete,
            _ => {
                let expected =
                    if random.below(2) == 0 { state.get(&key).cloned() } else { Some(text(random)) };
                EntryInput::CompareAndSwap { expected, new: text(random) }
            }
        };
        At { key, input }
    };
    history(shape, BTreeMap::new(), choose, |state, At { key, input }| {
        let before = state.get(key).cloned();
        let after =
            Entry::default().step(&before, input, None).expect("without an answer everything is legal");
        let output = match input {
            EntryInput::Get => EntryOutput::Value(before),
            EntryInput::CompareAndSwap { expected, .. } => EntryOutput::Swapped(*expected == before),
            EntryInput::Put(_) | EntryInput::Append(_) | EntryInput::Delete => EntryOutput::Done,
        };
        let mut state = state.clone();
        match after {
            Some(text) => state.insert(*key, text),
            None => state.remove(key),
        };
        (state, output)
    })
}

/// A history of a queue: as many enqueues as dequeues, each value once.
pub fn queue(shape: Shape) -> History<QueueInput<u64>, QueueOutput<u64>> {
    let mut unique = 0;
    let choose = |random: &mut Random, _: &VecDeque<u64>| {
        if random.below(2) == 0 {
            return QueueInput::Dequeue;
        }
        unique += 1;
        QueueInput::Enqueue(unique)
    };
    history(shape, VecDeque::new(), choose, |state, input| {
        let mut state = state.clone();
        let output = match input {
            QueueInput::Enqueue(value) => {
                state.push_back(*value);
                QueueOutput::Enqueued
            }
            QueueInput::Dequeue => QueueOutput::Dequeued(state.pop_front()),
        };
        (state, output)
    })
}

/// A history of a set of `0..values`, each of which is added, removed and looked for. With `with_elements`, all are
/// asked for at once now and then.
pub fn set(shape: Shape, values: u64, with_elements: bool) -> History<SetInput<u64>, SetOutput<u64>> {
    let choose = |random: &mut Random, _: &BTreeSet<u64>| {
        let value = random.below(values);
        match random.below(4) {
            0 => SetInput::Add(value),
            1 => SetInput::Remove(value),
            2 if with_elements => SetInput::Elements,
            _ => SetInput::Contains(value),
        }
    };
    history(shape, BTreeSet::new(), choose, |state, input| {
        let mut state = state.clone();
        let output = match input {
            SetInput::Add(value) => SetOutput::Changed(state.insert(*value)),
            SetInput::Remove(value) => SetOutput::Changed(state.remove(value)),
            SetInput::Contains(value) => SetOutput::Contained(state.contains(value)),
            SetInput::Elements => SetOutput::Elements(state.clone()),
        };
        (state, output)
    })
}

/// A history of a counter that begins with 0: reads, and additions of 1 to 3.
pub fn counter(shape: Shape) -> History<CounterInput, CounterOutput> {
    let choose = |random: &mut Random, _: &i64| {
        let amount = 1 + random.below(3) as i64;
        match random.below(3) {
            0 => CounterInput::Read,
            1 => CounterInput::Add(amount),
            _ => CounterInput::AddAndGet(amount),
        }
    };
    history(shape, 0, choose, |state, input| {
        let after =
            Counter::default().step(state, input, None).expect("without an answer everything is legal");
        let output = match input {
            CounterInput::Read | CounterInput::AddAndGet(_) => CounterOutput::Value(after),
            CounterInput::Add(_) => CounterOutput::Added,
        };
        (after, output)
    })
}

/// A history of a lock with fencing tokens: three owners take it, give it back, and use the resource with tokens that
/// are sometimes old.
pub fn lock(shape: Shape) -> History<LockInput, LockOutput> {
    let choose = |random: &mut Random, state: &LockState| match random.below(3) {
        0 => LockInput::Acquire { owner: random.below(3) },
        1 => LockInput::Release { owner: state.holder.unwrap_or_else(|| random.below(3)) },
        _ => LockInput::Use { token: state.token_max.saturating_sub(random.below(2)) },
    };
    history(shape, LockState::default(), choose, |state, input| {
        let token = state.token_max + 1;
        let answers = [
            LockOutput::Acquired(Some(token)),
            LockOutput::Busy,
            LockOutput::Released,
            LockOutput::NotHeld,
            LockOutput::Used,
            LockOutput::Fenced,
        ];
        let legal = |answer| Some((Lock.step(state, input, Some(&answer))?, answer));
        answers.into_iter().find_map(legal).expect("one answer is right in every state")
    })
}
