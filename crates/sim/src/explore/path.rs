//! A [`Path`]: which way to go from the beginning, as numbers; and the way itself, gone again.

use std::fmt;
use std::str::FromStr;

use super::Model;

/// A way through a model: the number of the initial state, then at each step the number of the successor, in the order in which the model
/// gives them. Means the same for as long as the model is the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<usize>);

/// A path with what lies along it.
#[derive(Clone, Debug)]
pub struct Walk<M: Model> {
    /// From the initial state on: one more than actions.
    pub states: Vec<M::State>,
    /// What led from each to the next.
    pub actions: Vec<M::Action>,
}

/// Longest path that is read from text.
const STEPS_MAX: usize = 100_000;

impl Path {
    pub(super) fn new(ordinals: Vec<usize>) -> Self {
        Path(ordinals)
    }

    /// How many actions it has.
    pub fn steps(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    pub(super) fn ordinals(&self) -> &[usize] {
        &self.0
    }

    /// Goes the way again. The error says where the model has no such way.
    pub fn walk<M: Model>(&self, model: &M) -> Result<Walk<M>, String> {
        let lost = |step: usize, there: usize| {
            format!("the path leads nowhere at step {step}: it takes successor {} of {there}", self.0[step])
        };
        let first = *self.0.first().ok_or("an empty path does not say where it begins")?;
        let initial = model.initial();
        let state = initial.get(first).cloned().ok_or_else(|| lost(0, initial.len()))?;
        let mut walk: Walk<M> = Walk { states: vec![state], actions: Vec::new() };
        let (mut actions, mut next) = (Vec::new(), Vec::new());
        for (step, ordinal) in self.0.iter().enumerate().skip(1) {
            let state = walk.states.last().expect("a walk has a beginning").clone();
            actions.clear();
            next.clear();
            model.actions(&state, &mut actions);
            let taken = actions.iter().find(|action| {
                model.apply(&state, action, &mut next);
                next.len() > *ordinal
            });
            let Some(action) = taken else { return Err(lost(step, next.len())) };
            walk.actions.push(action.clone());
            walk.states.push(next.swap_remove(*ordinal));
        }
        Ok(walk)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            part.parse().map_err(|_| format!("expected a path like `0.3.1.2`, found `{part}` in it"))
        };
        let numbers: Vec<usize> =
            text.split('.').take(STEPS_MAX + 1).map(number).collect::<Result<_, _>>()?;
        if numbers.len() > STEPS_MAX {
            return Err(format!("a path has at most {STEPS_MAX} steps"));
        }
        Ok(Path(numbers))
    }
}
