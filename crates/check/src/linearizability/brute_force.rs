//! The definition of linearizability, tried out order by order.
//!
//! It has no idea in common with the fast checker but the specification, and is there to be compared with it. Its
//! cost is factorial: use it on histories of ten operations.

use crate::history::{Event, History, Operation};
use crate::specification::Specification;

/// Whether some order of the operations respects real time and the specification. Open operations may be left out.
pub fn is_linearizable<S: Specification>(spec: &S, history: &History<S::Input, S::Output>) -> bool {
    let count = history.len();
    let mut invoked_at = vec![0; count];
    let mut returned_at = vec![usize::MAX; count];
    for (position, event) in history.events().iter().enumerate() {
        match *event {
            Event::Invoked(index) => invoked_at[index] = position,
            Event::Returned(index) => returned_at[index] = position,
        }
    }
    let trial = Trial { spec, operations: history.operations(), invoked_at, returned_at };
    trial.extends(&spec.initial(), &mut vec![false; count])
}

struct Trial<'a, S: Specification> {
    spec: &'a S,
    operations: &'a [Operation<S::Input, S::Output>],
    /// Positions in the order of events.
    invoked_at: Vec<usize>,
    returned_at: Vec<usize>,
}

impl<S: Specification> Trial<'_, S> {
    /// Whether the order of the `placed` operations, which led to `state`, can be extended to one of all.
    fn extends(&self, state: &S::State, placed: &mut Vec<bool>) -> bool {
        let left = |placed: &[bool], index: &usize| !placed[*index];
        let indices = 0..self.operations.len();
        // What returned first of all that is left must be placed before anything that was invoked later.
        let earliest_return = indices
            .clone()
            .filter(|index| left(placed, index))
            .map(|index| self.returned_at[index])
            .min()
            .unwrap_or(usize::MAX);
        if earliest_return == usize::MAX {
            return true;
        }
        for index in indices {
            if placed[index] || self.invoked_at[index] > earliest_return {
                continue;
            }
            let operation = &self.operations[index];
            if let Some(after) = self.spec.step(state, &operation.input, operation.output()) {
                placed[index] = true;
                if self.extends(&after, placed) {
                    return true;
                }
                placed[index] = false;
            }
        }
        false
    }
}
