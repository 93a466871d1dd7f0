//! Several registers that one operation reads and writes together: a transaction as one step.
//!
//! A history of transactions is strictly serializable exactly if it is a linearizable one of this object, and strong
//! session serializable exactly if it is a sequentially consistent one. That is how such histories are judged whose
//! writes cannot be told apart by their values, where graphs of who read from whom say nothing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::{Effect, Specification};

/// Registers by key, all of which hold the same before they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiRegister<K, V> {
    /// The value of every register before the first operation.
    pub initial: V,
    key: std::marker::PhantomData<K>,
}

impl<K, V> MultiRegister<K, V> {
    /// Registers that hold `initial`.
    pub fn new(initial: V) -> Self {
        Self { initial, key: std::marker::PhantomData }
    }
}

/// A part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterPart<K, V> {
    /// Return the value at the key.
    Read(K),
    /// Replace the value at the key.
    Write(K, V),
}

impl<K, V> RegisterPart<K, V> {
    fn key(&self) -> &K {
        match self {
            Self::Read(key) | Self::Write(key, _) => key,
        }
    }
}

impl<K, V> Specification for MultiRegister<K, V>
where
    K: Clone + Debug + Ord + Hash,
    V: Clone + Debug + Eq + Hash,
{
    type Input = Vec<RegisterPart<K, V>>;
    /// What the reads returned, in their order; nothing where that is not known.
    type Output = Vec<Option<V>>;
    /// Registers that hold what all held at first are not in the map.
    type State = BTreeMap<K, V>;
    /// The key, of a transaction that concerns one alone.
    type Partition = K;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        let mut after = state.clone();
        let mut seen = output.into_iter().flatten();
        for part in input {
            match part {
                RegisterPart::Read(key) => {
                    let wanted = seen.next().and_then(Option::as_ref);
                    if wanted.is_some_and(|wanted| wanted != after.get(key).unwrap_or(&self.initial)) {
                        return None;
                    }
                }
                RegisterPart::Write(key, value) if *value == self.initial => {
                    after.remove(key);
                }
                RegisterPart::Write(key, value) => {
                    after.insert(key.clone(), value.clone());
                }
            }
        }
        Some(after)
    }

    fn effect(&self, input: &Self::Input, _output: Option<&Self::Output>) -> Effect {
        let is_read = |part: &RegisterPart<K, V>| matches!(part, RegisterPart::Read(_));
        if input.iter().all(is_read) { Effect::ReadOnly } else { Effect::General }
    }

    fn partition(&self, input: &Self::Input) -> Option<K> {
        let key = input.first()?.key();
        input.iter().all(|part| part.key() == key).then(|| key.clone())
    }

    fn effect_within_partition(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        let is_write = |part: &RegisterPart<K, V>| matches!(part, RegisterPart::Write(..));
        if !input.is_empty() && input.iter().all(is_write) {
            return Effect::Overwrite;
        }
        self.effect(input, output)
    }

    fn objection(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> String {
        let mut now = state.clone();
        let mut seen = output.iter();
        for part in input {
            match part {
                RegisterPart::Write(key, value) => {
                    now.insert(key.clone(), value.clone());
                }
                RegisterPart::Read(key) => {
                    let held = now.get(key).unwrap_or(&self.initial);
                    if seen.next().and_then(Option::as_ref).is_some_and(|wanted| wanted != held) {
                        return format!("it would have read {held:?} in {key:?}");
                    }
                }
            }
        }
        "it does not fit".to_owned()
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let mut seen = output.into_iter().flatten();
        let parts: Vec<String> = input
            .iter()
            .map(|part| match part {
                RegisterPart::Write(key, value) => format!("w {key:?} {value:?}"),
                RegisterPart::Read(key) => match seen.next().and_then(Option::as_ref) {
                    Some(value) => format!("r {key:?} {value:?}"),
                    None => format!("r {key:?} ?"),
                },
            })
            .collect();
        format!("[{}]", parts.join(", "))
    }
}
