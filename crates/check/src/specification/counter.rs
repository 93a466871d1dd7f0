//! A counter: additions commute, so their order shows only in what is read between them.
//!
//! With `k` additions in flight there can be as many possible sums as they have subsets: a history in which many were
//! never answered is the hardest kind for this object.

use std::convert::Infallible;

use super::{Effect, Specification};

/// A counter that wraps around at the ends of its range.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter {
    /// What it shows before the first operation.
    pub initial: i64,
}

/// What a counter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterInput {
    /// Return the value.
    Read,
    /// Add to the value.
    Add(i64),
    /// Add to the value, and return what it is then.
    AddAndGet(i64),
}

/// What a counter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterOutput {
    /// The value; for an addition, what it is afterwards.
    Value(i64),
    /// It was added.
    Added,
}

impl Specification for Counter {
    type Input = CounterInput;
    type Output = CounterOutput;
    type State = i64;
    type Partition = Infallible;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, input: &CounterInput, output: Option<&CounterOutput>) -> Option<i64> {
        let (after, right) = match *input {
            CounterInput::Read => (*state, CounterOutput::Value(*state)),
            CounterInput::Add(amount) => (state.wrapping_add(amount), CounterOutput::Added),
            CounterInput::AddAndGet(amount) => {
                let after = state.wrapping_add(amount);
                (after, CounterOutput::Value(after))
            }
        };
        output.is_none_or(|output| *output == right).then_some(after)
    }

    fn effect(&self, input: &CounterInput, _: Option<&CounterOutput>) -> Effect {
        match input {
            CounterInput::Read | CounterInput::Add(0) | CounterInput::AddAndGet(0) => Effect::ReadOnly,
            CounterInput::Add(_) | CounterInput::AddAndGet(_) => Effect::General,
        }
    }

    fn objection(&self, state: &i64, input: &CounterInput, output: &CounterOutput) -> String {
        match (*input, output) {
            (CounterInput::Read, CounterOutput::Value(_)) => format!("it would have read {state}"),
            (CounterInput::AddAndGet(amount), CounterOutput::Value(_)) => {
                format!("it would have returned {}", state.wrapping_add(amount))
            }
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &CounterInput, output: Option<&CounterOutput>) -> String {
        let asked = match input {
            CounterInput::Read => "read".to_owned(),
            CounterInput::Add(amount) => format!("add {amount}"),
            CounterInput::AddAndGet(amount) => format!("add {amount} and get"),
        };
        match output {
            None => format!("{asked} → ?"),
            Some(CounterOutput::Added) => asked,
            Some(CounterOutput::Value(value)) => format!("{asked} → {value}"),
        }
    }
}
