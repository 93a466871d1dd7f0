//! Many independent objects of one kind, told apart by a key.
//!
//! Linearizability is local: a history over many objects is linearizable exactly if its restriction to each object
//! is. So the keys are checked one by one, and the cost of a check is the sum over the keys and not their product.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::{Access, Effect, Specification};

/// An object for every key, each as the inner specification says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keyed<S, K> {
    /// What is at each key.
    pub inner: S,
    key: std::marker::PhantomData<K>,
}

impl<S, K> Keyed<S, K> {
    /// An object as `inner` says at every key.
    pub fn new(inner: S) -> Self {
        Self { inner, key: std::marker::PhantomData }
    }
}

/// An input for the object at a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct At<K, I> {
    /// Which object.
    pub key: K,
    /// What it is asked.
    pub input: I,
}

impl<S, K> Specification for Keyed<S, K>
where
    S: Specification,
    K: Clone + Debug + Ord + Hash,
{
    type Input = At<K, S::Input>;
    type Output = S::Output;
    /// Objects that nobody has touched are not in the map.
    type State = BTreeMap<K, S::State>;
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
        let initial;
        let before = match state.get(&input.key) {
            Some(before) => before,
            None => {
                initial = self.inner.initial();
                &initial
            }
        };
        let after = self.inner.step(before, &input.input, output)?;
        let mut state = state.clone();
        // An untouched object and one that is back in its first state are the same: equal states must be equal maps.
        if after == self.inner.initial() {
            state.remove(&input.key);
        } else {
            state.insert(input.key.clone(), after);
        }
        Some(state)
    }

    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match self.inner.effect(&input.input, output) {
            Effect::ReadOnly => Effect::ReadOnly,
            // The other objects stay as they are.
            Effect::Overwrite | Effect::General => Effect::General,
        }
    }

    fn effect_within_partition(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        self.inner.effect(&input.input, output)
    }

    fn access(&self, input: &Self::Input, output: Option<&Self::Output>) -> Option<Access<Self::State>> {
        let whole = |inner: S::State| {
            let is_untouched = inner == self.inner.initial();
            (!is_untouched).then(|| (input.key.clone(), inner)).into_iter().collect()
        };
        Some(match self.inner.access(&input.input, output)? {
            Access::Read(inner) => Access::Read(whole(inner)),
            Access::Write(inner) => Access::Write(whole(inner)),
        })
    }

    fn partition(&self, input: &Self::Input) -> Option<K> {
        Some(input.key.clone())
    }

    fn is_source(&self, other: &Self::Input, input: &Self::Input, output: &Self::Output) -> Option<bool> {
        let is_source = self.inner.is_source(&other.input, &input.input, output)?;
        Some(is_source && other.key == input.key)
    }

    fn objection(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> String {
        match state.get(&input.key) {
            Some(inner) => self.inner.objection(inner, &input.input, output),
            None => self.inner.objection(&self.inner.initial(), &input.input, output),
        }
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        format!("{:?}: {}", input.key, self.inner.describe_operation(&input.input, output))
    }

    fn describe_state(&self, state: &Self::State) -> String {
        let objects: Vec<_> = state
            .iter()
            .map(|(key, inner)| format!("{key:?}: {}", self.inner.describe_state(inner)))
            .collect();
        format!("{{{}}}", objects.join(", "))
    }
}
