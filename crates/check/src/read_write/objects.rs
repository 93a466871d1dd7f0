//! A trace as a history again, for the search for linearizations: with numbers that know their names.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::trace::{INITIAL_VALUE, NO_VALUE, Trace};
use crate::history::{Event, History, Operation, Outcome};
use crate::specification::{At, Effect, RegisterInput, RegisterOutput, Specification};

/// A key or a value: a number, and its name where it is shown.
#[derive(Clone, Copy)]
pub(super) struct Named<'t, 'h> {
    number: u32,
    is_key: bool,
    trace: &'t Trace<'h>,
}

impl fmt::Debug for Named<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            if self.is_key { self.trace.key_text(self.number) } else { self.trace.value_text(self.number) };
        f.write_str(&text)
    }
}

impl PartialEq for Named<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Named<'_, '_> {}

impl PartialOrd for Named<'_, '_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named<'_, '_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl Hash for Named<'_, '_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

type Input<'t, 'h> = At<Named<'t, 'h>, RegisterInput<Named<'t, 'h>>>;
type Output<'t, 'h> = RegisterOutput<Named<'t, 'h>>;

/// The initial value of every key.
pub(super) fn initial<'t, 'h>(trace: &'t Trace<'h>) -> Named<'t, 'h> {
    Named { number: INITIAL_VALUE, is_key: false, trace }
}

/// The history of a trace, its events in the order given.
pub(super) fn history<'t, 'h>(
    trace: &'t Trace<'h>,
    events: Vec<Event>,
) -> History<Input<'t, 'h>, Output<'t, 'h>> {
    let mut operations: Vec<Option<Operation<_, _>>> = (0..trace.len()).map(|_| None).collect();
    for access in &trace.accesses {
        let value = Named { number: access.value, is_key: false, trace };
        let (input, output) = match access.is_write {
            true => (RegisterInput::Write(value), RegisterOutput::Written),
            false => (RegisterInput::Read, RegisterOutput::Value(value)),
        };
        let outcome = match access.returned {
            Some(at) => Outcome::Returned { at, output },
            None => Outcome::Open,
        };
        debug_assert!(access.is_write || access.returned.is_some() == (access.value != NO_VALUE));
        let key = Named { number: access.key, is_key: true, trace };
        let client = trace.sessions[access.session as usize];
        let operation = Operation { client, input: At { key, input }, invoked: access.invoked, outcome };
        operations[access.operation.0 as usize] = Some(operation);
    }
    let operations = operations.into_iter().map(|operation| operation.expect("a trace has all operations"));
    History::from_parts(operations.collect(), events)
}

/// A register whose reads may return one of the newest versions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent<V> {
    pub(super) initial: V,
    /// How many versions may be returned, from 1.
    pub(super) versions: usize,
}

impl<V: Copy + fmt::Debug + Eq + Hash> Specification for Recent<V> {
    type Input = RegisterInput<V>;
    type Output = RegisterOutput<V>;
    /// The newest versions, oldest first.
    type State = Vec<V>;
    type Partition = std::convert::Infallible;

    fn initial(&self) -> Vec<V> {
        vec![self.initial]
    }

    fn step(&self, state: &Vec<V>, input: &Self::Input, output: Option<&Self::Output>) -> Option<Vec<V>> {
        match (input, output) {
            (RegisterInput::Read, None) => Some(state.clone()),
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => {
                state.contains(value).then(|| state.clone())
            }
            (RegisterInput::Write(value), None | Some(RegisterOutput::Written)) => {
                let kept = state.len().min(self.versions - 1);
                let mut after = state[state.len() - kept..].to_vec();
                after.push(*value);
                Some(after)
            }
            _ => None,
        }
    }

    fn effect(&self, input: &Self::Input, _: Option<&Self::Output>) -> Effect {
        if matches!(input, RegisterInput::Read) { Effect::ReadOnly } else { Effect::General }
    }

    fn objection(&self, state: &Vec<V>, _: &Self::Input, _: &Self::Output) -> String {
        format!("it would have read one of {state:?}")
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => format!("read → {value:?}"),
            (RegisterInput::Read, _) => "read → ?".to_owned(),
            (RegisterInput::Write(value), Some(_)) => format!("write {value:?}"),
            (RegisterInput::Write(value), None) => format!("write {value:?} → ?"),
        }
    }
}
