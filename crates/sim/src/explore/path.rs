//! A [`Path`]: which way to go from the beginning, as numbers; and the way itself, gone again.

use std::fmt;
use std::str::FromStr;

use super::Model;

/// A way through a model: the number of the initial state, then at each step the number of the action in the list of those that are possible, and which of the states it
/// leads to. Means the same for as long as the model is the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<usize>);

/// One step: which action, and which of its outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) action: usize,
    pub(super) outcome: usize,
}

const OUTCOME_BITS: u32 = 12;

impl Way {
    pub(super) fn ordinal(self) -> usize {
        let Way { action, outcome } = self;
        let fits = action.max(outcome) < 1 << OUTCOME_BITS;
        assert!(fits, "a state with more than {action} actions, or one with {outcome} outcomes, is too much");
        (action << OUTCOME_BITS) | outcome
    }

    fn of(ordinal: usize) -> Self {
        Way { action: ordinal >> OUTCOME_BITS, outcome: ordinal & ((1 << OUTCOME_BITS) - 1) }
    }
}

/// A path with what lies along it.
#[derive(Clone, Debug)]
pub struct Walk<M: Model> {
    /// From the initial state on: one more than actions.
    pub states: Vec<M::State>,
    /// What led from each to the next.
    pub actions: Vec<M::Action>,
}

/// States at one distance that a path may go through.
struct Layer<'a, S> {
    names: &'a [u64],
    found: Vec<u64>,
    states: Vec<S>,
    /// For each, the place of the one before it, and the way from there.
    steps: Vec<(usize, usize)>,
}

impl<'a, S> Layer<'a, S> {
    fn new(names: &'a [u64]) -> Self {
        Layer { names, found: Vec::new(), states: Vec::new(), steps: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.found.len() == self.names.len()
    }

    fn add(&mut self, name: impl Fn(&S) -> u64, state: S, from: usize, ordinal: usize) {
        let name = name(&state);
        if self.names.contains(&name) && !self.found.contains(&name) {
            self.found.push(name);
            self.states.push(state);
            self.steps.push((from, ordinal));
        }
    }
}

/// Longest path that is read from text.
const STEPS_MAX: usize = 100_000;

impl Path {
    /// The way from an initial state whose name is in the first set, through one state of each, to the last.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn through<M: Model>(model: &M, layers: &[Vec<u64>], name: impl Fn(&M::State) -> u64) -> Path {
        let mut reached = Layer::new(layers.first().expect("a path has a beginning"));
        model
            .initial()
            .into_iter()
            .enumerate()
            .for_each(|(ordinal, state)| reached.add(&name, state, 0, ordinal));
        let mut steps = vec![reached.steps];
        let (mut actions, mut next) = (Vec::new(), Vec::new());
        for names in &layers[1..] {
            let mut beyond = Layer::new(names);
            for (from, state) in reached.states.iter().enumerate() {
                actions.clear();
                model.actions(state, &mut actions);
                for (action, of) in actions.iter().enumerate() {
                    if beyond.is_complete() {
                        break;
                    }
                    model.apply(state, of, &mut next);
                    for (outcome, state) in next.drain(..).enumerate() {
                        beyond.add(&name, state, from, Way { action, outcome }.ordinal());
                    }
                }
            }
            reached = beyond;
            steps.push(std::mem::take(&mut reached.steps));
        }
        let mut place = 0;
        let mut ordinals = Vec::with_capacity(steps.len());
        for layer in steps.iter().rev() {
            let (from, ordinal) = layer[place];
            ordinals.push(ordinal);
            place = from;
        }
        ordinals.reverse();
        Path(ordinals)
    }

    /// How many actions it has.
    pub fn steps(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The number of the initial state.
    pub(super) fn first(&self) -> usize {
        self.0[0]
    }

    pub(super) fn ways(&self) -> impl Iterator<Item = Way> {
        self.0.iter().skip(1).map(|ordinal| Way::of(*ordinal))
    }

    /// Goes the way again. The error says where the model has no such way.
    pub fn walk<M: Model>(&self, model: &M) -> Result<Walk<M>, String> {
        let lost = |step: usize, what: &str, number: usize, of: usize| {
            format!("the path leads nowhere at step {step}: it takes {what} {number} of {of}")
        };
        let initial = model.initial();
        let state = initial.get(self.first()).cloned();
        let state = state.ok_or_else(|| lost(0, "initial state", self.first(), initial.len()))?;
        let mut walk: Walk<M> = Walk { states: vec![state], actions: Vec::new() };
        for (step, Way { action: number, outcome }) in (1..).zip(self.ways()) {
            let state = walk.states.last().expect("a walk has a beginning");
            let (mut actions, mut next) = (Vec::new(), Vec::new());
            model.actions(state, &mut actions);
            let action = actions.get(number).ok_or_else(|| lost(step, "action", number, actions.len()))?;
            model.apply(state, action, &mut next);
            if outcome >= next.len() {
                return Err(lost(step, "outcome", outcome, next.len()));
            }
            walk.actions.push(action.clone());
            walk.states.push(next.swap_remove(outcome));
        }
        Ok(walk)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        self.ways().try_for_each(|Way { action, outcome }| match outcome {
            0 => write!(f, ".{action}"),
            _ => write!(f, ".{action}:{outcome}"),
        })
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |part: &str| format!("expected a path like `0.3.1:2`, found `{part}` in it");
        let number = |part: &str| {
            let number = part.parse::<usize>().ok().filter(|number| *number < 1 << OUTCOME_BITS);
            number.ok_or_else(|| wrong(part))
        };
        let way = |part: &str| -> Result<usize, String> {
            let (action, outcome) = part.split_once(':').unwrap_or((part, "0"));
            Ok(Way { action: number(action)?, outcome: number(outcome)? }.ordinal())
        };
        let mut parts = text.split('.');
        let mut ordinals = vec![number(parts.next().unwrap_or_default())?];
        for part in parts {
            ordinals.push(way(part)?);
            if ordinals.len() > STEPS_MAX {
                return Err(format!("a path has at most {STEPS_MAX} steps"));
            }
        }
        Ok(Path(ordinals))
    }
}
