//! Registers: the smallest shared objects, and the ones on which consistency models are explained.

use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;

use super::{Access, Effect, Specification};

/// A register that is read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register<V> {
    /// What a read returns before the first write.
    pub initial: V,
}

/// What a register is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterInput<V> {
    /// Return the value.
    Read,
    /// Replace the value.
    Write(V),
}

/// What a register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOutput<V> {
    /// The value that a read found.
    Value(V),
    /// The write was done.
    Written,
}

impl<V: Clone + Debug + Eq + Hash> Specification for Register<V> {
    type Input = RegisterInput<V>;
    type Output = RegisterOutput<V>;
    type State = V;
    type Partition = Infallible;

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> Option<V> {
        match (input, output) {
            (RegisterInput::Read, None) => Some(state.clone()),
            (RegisterInput::Read, Some(RegisterOutput::Value(seen))) => {
                (seen == state).then(|| state.clone())
            }
            (RegisterInput::Write(value), None | Some(RegisterOutput::Written)) => Some(value.clone()),
            _ => None,
        }
    }

    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match (input, output) {
            (RegisterInput::Read, _) => Effect::ReadOnly,
            (RegisterInput::Write(_), None | Some(RegisterOutput::Written)) => Effect::Overwrite,
            _ => Effect::General,
        }
    }

    fn access(&self, input: &Self::Input, output: Option<&Self::Output>) -> Option<Access<V>> {
        match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(seen))) => Some(Access::Read(seen.clone())),
            (RegisterInput::Write(value), None | Some(RegisterOutput::Written)) => {
                Some(Access::Write(value.clone()))
            }
            _ => None,
        }
    }

    fn is_source(&self, other: &Self::Input, _: &Self::Input, output: &Self::Output) -> Option<bool> {
        let RegisterOutput::Value(seen) = output else { return None };
        (*seen != self.initial).then(|| matches!(other, RegisterInput::Write(value) if value == seen))
    }

    fn objection(&self, state: &V, input: &Self::Input, output: &Self::Output) -> String {
        match (input, output) {
            (RegisterInput::Read, RegisterOutput::Value(_)) => format!("it would have read {state:?}"),
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Value(value))) => format!("read → {value:?}"),
            (RegisterInput::Write(value), Some(RegisterOutput::Written)) => format!("write {value:?}"),
            (RegisterInput::Read, None) => "read → ?".to_owned(),
            (RegisterInput::Write(value), None) => format!("write {value:?} → ?"),
            (input, Some(output)) => format!("{input:?} → {output:?}"),
        }
    }
}

/// A register with compare-and-swap.
#[derive(Clone, Copy, Debug, Default)]
pub struct CasRegister<V> {
    /// The value before the first operation.
    pub initial: V,
}

/// What a compare-and-swap register is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CasInput<V> {
    /// Return the value.
    Read,
    /// Replace the value.
    Write(V),
    /// Replace the value by `new` if it is `expected`.
    CompareAndSwap {
        /// The value that must be there.
        expected: V,
        /// The value that is there afterwards.
        new: V,
    },
}

/// What a compare-and-swap register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CasOutput<V> {
    /// The value that a read found.
    Value(V),
    /// The write was done.
    Written,
    /// Whether a compare-and-swap found what it expected.
    Swapped(bool),
}

impl<V: Clone + Debug + Eq + Hash> Specification for CasRegister<V> {
    type Input = CasInput<V>;
    type Output = CasOutput<V>;
    type State = V;
    type Partition = Infallible;

    fn initial(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> Option<V> {
        match (input, output) {
            (CasInput::Read, None) => Some(state.clone()),
            (CasInput::Read, Some(CasOutput::Value(seen))) => (seen == state).then(|| state.clone()),
            (CasInput::Write(value), None | Some(CasOutput::Written)) => Some(value.clone()),
            (CasInput::CompareAndSwap { expected, new }, None) => {
                Some(if expected == state { new } else { state }.clone())
            }
            (CasInput::CompareAndSwap { expected, new }, Some(CasOutput::Swapped(swapped))) => {
                ((expected == state) == *swapped).then(|| if *swapped { new } else { state }.clone())
            }
            _ => None,
        }
    }

    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match (input, output) {
            (CasInput::Read, _) | (CasInput::CompareAndSwap { .. }, Some(CasOutput::Swapped(false))) => {
                Effect::ReadOnly
            }
            (CasInput::Write(_), None | Some(CasOutput::Written)) => Effect::Overwrite,
            _ => Effect::General,
        }
    }

    fn access(&self, input: &Self::Input, output: Option<&Self::Output>) -> Option<Access<V>> {
        match (input, output) {
            (CasInput::Read, Some(CasOutput::Value(seen))) => Some(Access::Read(seen.clone())),
            (CasInput::Write(value), None | Some(CasOutput::Written)) => Some(Access::Write(value.clone())),
            _ => None,
        }
    }

    fn is_source(&self, other: &Self::Input, input: &Self::Input, output: &Self::Output) -> Option<bool> {
        let found = match (input, output) {
            (CasInput::Read, CasOutput::Value(seen)) => seen,
            (CasInput::CompareAndSwap { expected, .. }, CasOutput::Swapped(true)) => expected,
            _ => return None,
        };
        let leaves_it = match other {
            CasInput::Read => false,
            CasInput::Write(value) | CasInput::CompareAndSwap { new: value, .. } => value == found,
        };
        (*found != self.initial).then_some(leaves_it)
    }

    fn objection(&self, state: &V, input: &Self::Input, output: &Self::Output) -> String {
        match (input, output) {
            (CasInput::Read, CasOutput::Value(_)) => format!("it would have read {state:?}"),
            (CasInput::CompareAndSwap { expected, .. }, CasOutput::Swapped(true)) => {
                format!("it would have failed, since {state:?} is not the {expected:?} that it expected")
            }
            (CasInput::CompareAndSwap { .. }, CasOutput::Swapped(false)) => {
                "it would have succeeded, since that is the value that it expected".to_owned()
            }
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let asked = match input {
            CasInput::Read => "read".to_owned(),
            CasInput::Write(value) => format!("write {value:?}"),
            CasInput::CompareAndSwap { expected, new } => format!("cas {expected:?} {new:?}"),
        };
        match output {
            Some(CasOutput::Value(value)) => format!("{asked} → {value:?}"),
            Some(CasOutput::Written) => asked,
            Some(CasOutput::Swapped(true)) => format!("{asked} → swapped"),
            Some(CasOutput::Swapped(false)) => format!("{asked} → failed"),
            None => format!("{asked} → ?"),
        }
    }
}
