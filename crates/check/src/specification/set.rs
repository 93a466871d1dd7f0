//! A set of values.
//!
//! As long as nobody asks for all elements at once, each element is an object of its own, and is checked apart.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use super::{Effect, Specification};

/// A set that begins empty.
#[derive(Clone, Copy, Debug)]
pub struct Set<V>(PhantomData<V>);

impl<V> Default for Set<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What a set is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetInput<V> {
    /// Put a value in.
    Add(V),
    /// Take a value out.
    Remove(V),
    /// Whether a value is in.
    Contains(V),
    /// All values.
    Elements,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOutput<V> {
    /// Whether adding or removing made a difference.
    Changed(bool),
    /// Whether the value is in.
    Contained(bool),
    /// All values.
    Elements(BTreeSet<V>),
}

impl<V: Clone + Debug + Ord + Hash> Specification for Set<V> {
    type Input = SetInput<V>;
    type Output = SetOutput<V>;
    type State = BTreeSet<V>;
    type Partition = V;

    fn initial(&self) -> BTreeSet<V> {
        BTreeSet::new()
    }

    fn step(
        &self,
        state: &BTreeSet<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<BTreeSet<V>> {
        let mut after = state.clone();
        let right = match input {
            SetInput::Add(value) => SetOutput::Changed(after.insert(value.clone())),
            SetInput::Remove(value) => SetOutput::Changed(after.remove(value)),
            SetInput::Contains(value) => SetOutput::Contained(after.contains(value)),
            SetInput::Elements => {
                let is_right = match output {
                    None => true,
                    Some(SetOutput::Elements(seen)) => seen == state,
                    Some(_) => false,
                };
                return is_right.then_some(after);
            }
        };
        output.is_none_or(|output| *output == right).then_some(after)
    }

    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match (input, output) {
            (SetInput::Contains(_) | SetInput::Elements, _) | (_, Some(SetOutput::Changed(false))) => {
                Effect::ReadOnly
            }
            _ => Effect::General,
        }
    }

    fn effect_within_partition(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match (input, output) {
            // Where there is only one element, what is unknown is not whether it is in afterwards.
            (SetInput::Add(_) | SetInput::Remove(_), None) => Effect::Overwrite,
            _ => self.effect(input, output),
        }
    }

    fn partition(&self, input: &Self::Input) -> Option<V> {
        match input {
            SetInput::Add(value) | SetInput::Remove(value) | SetInput::Contains(value) => Some(value.clone()),
            SetInput::Elements => None,
        }
    }

    fn is_source(&self, other: &Self::Input, input: &Self::Input, output: &Self::Output) -> Option<bool> {
        let (value, proves_it) = match (input, output) {
            (SetInput::Contains(value), SetOutput::Contained(is_in)) => (value, *is_in),
            (SetInput::Remove(value), SetOutput::Changed(changed)) => (value, *changed),
            (SetInput::Add(value), SetOutput::Changed(changed)) => (value, !changed),
            _ => return None,
        };
        proves_it.then(|| matches!(other, SetInput::Add(added) if added == value))
    }

    fn objection(&self, state: &BTreeSet<V>, input: &Self::Input, output: &Self::Output) -> String {
        match (input, output) {
            (SetInput::Add(value), SetOutput::Changed(_)) if state.contains(value) => {
                "it was in already".to_owned()
            }
            (SetInput::Add(_), SetOutput::Changed(_)) => "it was not in yet".to_owned(),
            (
                SetInput::Remove(value) | SetInput::Contains(value),
                SetOutput::Changed(_) | SetOutput::Contained(_),
            ) => {
                let is_in = if state.contains(value) { "in" } else { "not in" };
                format!("it was {is_in}")
            }
            (SetInput::Elements, SetOutput::Elements(seen)) => {
                let missing: Vec<_> = state.difference(seen).collect();
                let extra: Vec<_> = seen.difference(state).collect();
                format!("it would also have shown {missing:?}, and not {extra:?}")
            }
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let asked = match input {
            SetInput::Add(value) => format!("add {value:?}"),
            SetInput::Remove(value) => format!("remove {value:?}"),
            SetInput::Contains(value) => format!("contains {value:?}"),
            SetInput::Elements => "elements".to_owned(),
        };
        match output {
            None => format!("{asked} → ?"),
            Some(SetOutput::Changed(true)) => format!("{asked} → done"),
            Some(SetOutput::Changed(false)) => format!("{asked} → no change"),
            Some(SetOutput::Contained(is_in)) => format!("{asked} → {}", if *is_in { "yes" } else { "no" }),
            Some(SetOutput::Elements(elements)) => format!("{asked} → {elements:?}"),
        }
    }
}
