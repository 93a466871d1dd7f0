//! A condition that every history must keep and that costs next to nothing: each answer was one that anybody could get.
//!
//! If all operations that have been invoked may take effect in any order and any number of times, then the states that can
//! be are those reached from the first one by their steps. An answer that fits none of these states is impossible. A read
//! of a value that nobody writes is found like that at once, where a search would try all orders of everything before
//! it gave up.
//!
//! The states of the whole history are also where the search for a small impossible set may begin, see `tail`.
//!
//! The set of states only grows, and so does that of the operations that differ; each is tried in each state once. Objects
//! with more states than [`STATES_MAX`] are left to the search: a store whose state is new after each change has no use for
//! this.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::hashing::FastHasher;
use crate::history::{Event, History};
use crate::specification::{Effect, Specification};

/// States that are kept.
const STATES_MAX: usize = 256;
/// Operations that are told apart.
const ACTIONS_MAX: usize = 256;

/// The place of the first event, a return, that no state could explain; nothing if there is none, or if it was not found out.
pub(super) fn impossible<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
) -> Option<usize> {
    let mut supply = Supply::new(spec);
    for (place, event) in events.iter().enumerate() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let operation = &history.operations()[index];
        let action = (&operation.input, operation.output());
        match *event {
            Event::Invoked(_) => supply.add(action),
            Event::Returned(_) if supply.explains(action) => {}
            Event::Returned(_) => return Some(place),
        }
        if supply.states.len() > STATES_MAX || supply.actions.len() > ACTIONS_MAX {
            return None;
        }
    }
    None
}

/// All states to which the operations of a history lead, in any order, any number of times, and whatever they are answered;
/// nothing if they are many.
pub(super) fn states<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Option<Vec<S::State>> {
    let mut supply = Supply::new(spec);
    for operation in history.operations() {
        supply.add((&operation.input, operation.output()));
        supply.add((&operation.input, None));
        if supply.states.len() > STATES_MAX || supply.actions.len() > ACTIONS_MAX {
            return None;
        }
    }
    Some(supply.states)
}

/// An operation with its answer, if it has one.
type Action<'a, S> = (&'a <S as Specification>::Input, Option<&'a <S as Specification>::Output>);

struct Supply<'a, S: Specification> {
    spec: &'a S,
    /// States that can be, each once.
    states: Vec<S::State>,
    /// Operations that change something, each once.
    actions: Vec<Action<'a, S>>,
    /// All operations, by what they ask.
    known: HashMap<&'a S::Input, Vec<Option<&'a S::Output>>, BuildHasherDefault<FastHasher>>,
}

impl<'a, S: Specification> Supply<'a, S> {
    fn new(spec: &'a S) -> Self {
        Self { spec, states: vec![spec.initial()], actions: Vec::new(), known: HashMap::default() }
    }

    fn add(&mut self, action: Action<'a, S>) {
        let answers = self.known.entry(action.0).or_default();
        if answers.contains(&action.1) {
            return;
        }
        answers.push(action.1);
        if self.spec.effect_within_partition(action.0, action.1) == Effect::ReadOnly {
            return;
        }
        self.actions.push(action);
        let mut done = self.states.len();
        for index in 0..done {
            self.step(index, action);
        }
        while done < self.states.len() && self.states.len() <= STATES_MAX {
            for number in 0..self.actions.len() {
                self.step(done, self.actions[number]);
            }
            done += 1;
        }
    }

    fn step(&mut self, index: usize, (input, output): Action<'a, S>) {
        if let Some(after) = self.spec.step(&self.states[index], input, output)
            && !self.states.contains(&after)
        {
            self.states.push(after);
        }
    }

    fn explains(&self, (input, output): Action<'a, S>) -> bool {
        self.states.iter().any(|state| self.spec.step(state, input, output).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{self, Shape};
    use crate::linearizability::brute_force;
    use crate::specification::{CasOutput, CasRegister, Queue};

    #[test]
    fn what_it_finds_impossible_is_so() {
        let spec = CasRegister { initial: 0 };
        let mut found = 0;
        for seed in 0..2_000 {
            let shape = Shape { seed, clients: 3, operations: 7, lost_per_mille: 200 };
            let history = generate::cas_register(shape, 2);
            assert_eq!(impossible(&spec, &history, history.events()), None);
            let changed = generate::with_output(&history, seed as usize % history.len(), CasOutput::Value(2));
            if impossible(&spec, &changed, changed.events()).is_some() {
                found += 1;
                assert!(!brute_force::is_linearizable(&spec, &changed), "seed {seed}");
            }
        }
        assert!(found > 50, "expected many reads of what nobody wrote, found {found}");
    }

    #[test]
    fn an_object_with_ever_new_states_is_left_alone() {
        let shape = Shape { seed: 1, clients: 4, operations: 400, lost_per_mille: 0 };
        let history = generate::queue(shape);
        assert_eq!(impossible(&Queue::default(), &history, history.events()), None);
    }
}
