//! Histories that are right by construction, and histories with one planted anomaly.
//!
//! A generated run has a real object in the middle: every operation takes effect at one instant between its invocation
//! and its return, and is answered by what the object says at that instant. So the history is linearizable, and any
//! checker that says otherwise is wrong. Some answers are lost on the way: such an operation may take effect late or
//! never. An anomaly is planted by changing one answer to one that no order can explain.
//!
//! All randomness comes from the seed of the [`Shape`]; the same shape makes the same history in every version.

mod objects;
mod replicated;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Client, Event, History, Operation, OperationId, Outcome, Recorder};
use crate::specification::key_value::{Answer, KeyValueHistory, Request, Span, Store};
use crate::specification::{CasInput, CasOutput, RegisterInput, RegisterOutput};

pub use objects::{counter, crashing_cas_register, entries, keyed_register, lock, queue, set};
pub use replicated::{Anomaly, Delivery, ReadWriteHistory, replicated, with_anomaly};

/// How a generated history looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What all choices are drawn from.
    pub seed: u64,
    /// Clients that are busy nearly all the time.
    pub clients: u64,
    /// Operations of all clients together.
    pub operations: usize,
    /// Of a thousand operations, how many are never answered.
    pub lost_per_mille: u64,
}

/// A generator whose stream never changes: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Copy, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "expected a bound above 0, found 0");
        // Multiplication instead of a remainder; the bias is below 2^-32 for the small bounds that are used here.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

/// Longest time between the invocation of an operation and its effect, and between that and its return.
const LATENCY_MAX: Duration = Duration::from_micros(500);
/// Longest time that a client rests.
const REST_MAX: Duration = Duration::from_micros(50);
/// Longest time after which an operation that is never answered takes effect.
const STRAY_MAX: Duration = Duration::from_millis(20);

/// What happens next in a generated run.
enum Step<I, O> {
    Invoke(Client),
    Effect { client: Client, id: OperationId, input: I, lost: bool },
    Return { client: Client, id: OperationId, output: O },
}

/// A linearizable history of any object: `choose` draws an input (it is shown the state, so that it can draw a compare
/// that has a chance), `execute` is the object.
pub fn history<T, I: Clone, O>(
    shape: Shape,
    initial: T,
    mut choose: impl FnMut(&mut Random, &T) -> I,
    mut execute: impl FnMut(&T, &I) -> (T, O),
) -> History<I, O> {
    let mut random = Random::new(shape.seed);
    let mut recorder = Recorder::new();
    let mut state = initial;
    let mut agenda: BTreeMap<(Duration, u64), Step<I, O>> = BTreeMap::new();
    let mut ticket = 0;
    let mut invoked = 0;
    let mut schedule = |agenda: &mut BTreeMap<_, _>, at, step| {
        ticket += 1;
        agenda.insert((at, ticket), step);
    };
    let within = |random: &mut Random, longest: Duration| {
        Duration::from_nanos(1 + random.below(longest.as_nanos() as u64))
    };
    for client in 0..shape.clients {
        let at = within(&mut random, REST_MAX);
        schedule(&mut agenda, at, Step::Invoke(Client(client)));
    }
    while let Some(((now, _), step)) = agenda.pop_first() {
        match step {
            Step::Invoke(client) => {
                if invoked == shape.operations {
                    continue;
                }
                invoked += 1;
                let input = choose(&mut random, &state);
                let id =
                    recorder.invoke(client, now, input.clone()).expect("a client rests after its operation");
                let lost = random.below(1000) < shape.lost_per_mille;
                if lost {
                    recorder.abandon(id).expect("the operation was just invoked");
                    let next = now + LATENCY_MAX + within(&mut random, REST_MAX);
                    schedule(&mut agenda, next, Step::Invoke(client));
                    // Half of the lost operations never arrive.
                    if random.below(2) == 0 {
                        continue;
                    }
                }
                let delay = within(&mut random, if lost { STRAY_MAX } else { LATENCY_MAX });
                schedule(&mut agenda, now + delay, Step::Effect { client, id, input, lost });
            }
            Step::Effect { client, id, input, lost } => {
                let (after, output) = execute(&state, &input);
                state = after;
                if !lost {
                    let at = now + within(&mut random, LATENCY_MAX);
                    schedule(&mut agenda, at, Step::Return { client, id, output });
                }
            }
            Step::Return { client, id, output } => {
                recorder.complete(id, now, output).expect("an operation returns once, in the order of time");
                let next = now + within(&mut random, REST_MAX);
                schedule(&mut agenda, next, Step::Invoke(client));
            }
        }
    }
    recorder.finish()
}

/// A history of a register that begins with 0: half reads, half writes of `1..=values`. With `values` 0, every write has
/// a value of its own.
pub fn register(shape: Shape, values: u64) -> History<RegisterInput<u64>, RegisterOutput<u64>> {
    let mut unique = 0;
    let choose = |random: &mut Random, _: &u64| {
        if random.below(2) == 0 {
            return RegisterInput::Read;
        }
        unique += 1;
        RegisterInput::Write(if values == 0 { unique } else { 1 + random.below(values) })
    };
    history(shape, 0, choose, |state, input| match input {
        RegisterInput::Read => (*state, RegisterOutput::Value(*state)),
        RegisterInput::Write(value) => (*value, RegisterOutput::Written),
    })
}

/// A history of a compare-and-swap register that begins with 0: reads, writes and swaps of `1..=values`.
pub fn cas_register(shape: Shape, values: u64) -> History<CasInput<u64>, CasOutput<u64>> {
    let choose = |random: &mut Random, state: &u64| match random.below(3) {
        0 => CasInput::Read,
        1 => CasInput::Write(1 + random.below(values)),
        _ => {
            let expected = if random.below(2) == 0 { *state } else { 1 + random.below(values) };
            CasInput::CompareAndSwap { expected, new: 1 + random.below(values) }
        }
    };
    history(shape, 0, choose, |state, input| match input {
        CasInput::Read => (*state, CasOutput::Value(*state)),
        CasInput::Write(value) => (*value, CasOutput::Written),
        CasInput::CompareAndSwap { expected, new } => {
            let swapped = expected == state;
            (if swapped { *new } else { *state }, CasOutput::Swapped(swapped))
        }
    })
}

/// A history of an etcd-like store with `keys` keys: gets, ranges, puts, deletes, transactions.
pub fn key_value(shape: Shape, keys: u64) -> KeyValueHistory {
    let mut unique = 0;
    let choose = |random: &mut Random, state: &Store| {
        let key = format!("key-{:02}", random.below(keys));
        unique += 1;
        let value = format!("value-{unique}");
        match random.below(10) {
            0..3 => Request::get(key),
            3 => Request::range(Span::prefix("key-")),
            4 => Request::delete(key),
            5..7 => {
                let seen = state.get(key.as_bytes()).map_or(0, |pair| pair.mod_revision);
                Request::put_if_unchanged(key, seen, value)
            }
            _ => Request::put(key, value),
        }
    };
    history(shape, Store::default(), choose, |state, request| {
        let (after, reply) = state.execute(request);
        let revision = after.revision;
        (after, Answer { revision, reply })
    })
}

/// Makes one read of a register history stale: it is answered with a value that was certainly overwritten before the
/// read was invoked. The values of the writes must be different (`values` 0). The read is the first that can be made so
/// among the operations from `from` on; nothing if there is none.
pub fn plant_stale_read(
    history: &History<RegisterInput<u64>, RegisterOutput<u64>>,
    from: usize,
) -> Option<(History<RegisterInput<u64>, RegisterOutput<u64>>, OperationId)> {
    let mut position_of = vec![(0, usize::MAX); history.len()];
    for (position, event) in history.events().iter().enumerate() {
        match *event {
            Event::Invoked(index) => position_of[index].0 = position,
            Event::Returned(index) => position_of[index].1 = position,
        }
    }
    let writes: Vec<(usize, u64)> = history
        .operations()
        .iter()
        .enumerate()
        .filter(|(index, _)| position_of[*index].1 != usize::MAX)
        .filter_map(|(index, operation)| match operation.input {
            RegisterInput::Write(value) => Some((index, value)),
            RegisterInput::Read => None,
        })
        .collect();
    for (read, operation) in history.operations().iter().enumerate().skip(from) {
        let is_answered = matches!(operation.outcome, Outcome::Returned { .. });
        if operation.input != RegisterInput::Read || !is_answered {
            continue;
        }
        let overwritten = |&&(first, _): &&(usize, u64)| {
            writes.iter().any(|&(second, _)| {
                position_of[first].1 < position_of[second].0 && position_of[second].1 < position_of[read].0
            })
        };
        if let Some(&(_, stale)) = writes.iter().rev().find(overwritten) {
            let changed = with_output(history, read, RegisterOutput::Value(stale));
            return Some((changed, OperationId(read as u64)));
        }
    }
    None
}

/// The same history with another answer to one operation that was answered.
pub fn with_output<I: Clone, O: Clone>(history: &History<I, O>, index: usize, output: O) -> History<I, O> {
    let mut operations: Vec<Operation<I, O>> = history.operations().to_vec();
    if let Outcome::Returned { output: old, .. } = &mut operations[index].outcome {
        *old = output;
    }
    history.with_operations(operations)
}
