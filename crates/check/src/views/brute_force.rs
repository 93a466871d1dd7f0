//! The definitions of this module's models, tried out set by set and order by order.
//!
//! Nothing here is shared with the search. The cost is exponential several times over: for histories of seven operations or
//! so.

use crate::history::{Event, History};
use crate::model::Model;
use crate::specification::{Effect, Specification};

/// Whether the history keeps the model, or nothing where there is no definition here.
///
/// # Panics
/// The history has more than 32 operations.
pub fn keeps<S: Specification>(
    model: Model,
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Option<bool> {
    let small = Small::new(spec, history);
    Some(match model {
        Model::Pram => small.pram(),
        Model::CausalMemory => small.causal(0, &mut vec![0; history.len()], true),
        Model::Causal => small.causal(0, &mut vec![0; history.len()], false),
        Model::ReadYourWrites => small.read_your_writes(),
        Model::MonotonicReads | Model::MonotonicWrites => members(small.answered).all(|index| {
            let mut session: Vec<usize> = members(small.session(index) & small.answered).collect();
            session.sort_by_key(|&each| small.before[each].count_ones());
            small.guarantee(model, &session, &mut vec![0; history.len()])
        }),
        Model::WritesFollowReads => {
            let is_answered = |index: &usize| small.answered >> index & 1 == 1;
            let order: Vec<usize> = small.order.iter().copied().filter(is_answered).collect();
            small.guarantee(model, &order, &mut vec![0; history.len()])
        }
        _ => return None,
    })
}

/// Operations, as a mask.
type Mask = u32;

fn members(mask: Mask) -> impl Iterator<Item = usize> {
    (0..Mask::BITS as usize).filter(move |index| mask >> index & 1 == 1)
}

/// All masks within another.
fn subsets(mask: Mask) -> impl Iterator<Item = Mask> {
    (0..=mask).filter(move |subset| subset & !mask == 0)
}

struct Small<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    /// By operation: the answered ones of its session before it.
    before: Vec<Mask>,
    answered: Mask,
    updates: Mask,
    /// Operations in the order of their invocation.
    order: Vec<usize>,
}

impl<'a, S: Specification> Small<'a, S> {
    fn new(spec: &'a S, history: &'a History<S::Input, S::Output>) -> Self {
        assert!(history.len() <= Mask::BITS as usize, "too long for trying out all orders");
        let operations = history.operations();
        let mut small = Self {
            spec,
            history,
            before: vec![0; history.len()],
            answered: 0,
            updates: 0,
            order: Vec::new(),
        };
        for event in history.events() {
            let Event::Invoked(index) = *event else { continue };
            let own = |&&other: &&usize| operations[other].client == operations[index].client;
            let own: Vec<usize> = small.order.iter().filter(own).copied().collect();
            small.before[index] = own.iter().fold(0, |mask, &other| mask | (small.answered & (1 << other)));
            small.order.push(index);
            small.answered |= Mask::from(operations[index].output().is_some()) << index;
            let is_update = spec.effect(&operations[index].input, None) != Effect::ReadOnly;
            small.updates |= Mask::from(is_update) << index;
        }
        small
    }

    /// Whether `set` has an order, in which each operation comes after those of its `before` that are in the set, the answers
    /// of `visible` are right, and so is that of `last` after all of them.
    fn explains(&self, set: Mask, before: &[Mask], visible: Mask, last: usize) -> bool {
        self.continues(&self.spec.initial(), 0, set, before, visible, Some(last))
    }

    fn continues(
        &self,
        state: &S::State,
        placed: Mask,
        set: Mask,
        before: &[Mask],
        visible: Mask,
        last: Option<usize>,
    ) -> bool {
        let step = |index: usize, is_visible: bool| {
            let operation = &self.history.operations()[index];
            self.spec.step(state, &operation.input, operation.output().filter(|_| is_visible))
        };
        if placed == set {
            return last.is_none_or(|last| step(last, true).is_some());
        }
        members(set & !placed).any(|next| {
            before[next] & set & !placed == 0
                && step(next, visible >> next & 1 == 1).is_some_and(|after| {
                    self.continues(&after, placed | 1 << next, set, before, visible, last)
                })
        })
    }

    fn session(&self, index: usize) -> Mask {
        let operations = self.history.operations();
        let is_own = |other: &usize| operations[*other].client == operations[index].client;
        (0..operations.len()).filter(is_own).fold(0, |mask, other| mask | 1 << other)
    }

    /// For each session an order of its operations and all updates. What was never answered may not have happened.
    fn pram(&self) -> bool {
        members(self.answered).all(|index| {
            let own = self.session(index) & self.answered;
            let certain = own | (self.updates & self.answered);
            subsets(self.updates & !self.answered).any(|happened| {
                self.continues(&self.spec.initial(), 0, certain | happened, &self.before, own, None)
            })
        })
    }

    /// Whether the operations that are not in `done`, whose pasts are in `past`, can follow one another so that each answer
    /// is right after its past; with `is_memory`, together with its session's before it.
    fn causal(&self, done: Mask, past: &mut Vec<Mask>, is_memory: bool) -> bool {
        if done & self.answered == self.answered {
            return true;
        }
        let all = (1 << self.history.len()) - 1;
        let due: Vec<usize> = members(all & !done).filter(|&index| self.before[index] & !done == 0).collect();
        due.into_iter().any(|next| {
            let least = members(self.before[next]).fold(self.before[next], |mask, other| mask | past[other]);
            let pasts: Vec<Mask> = subsets(done)
                .filter(|set| set & least == least && members(*set).all(|other| past[other] & !set == 0))
                .collect();
            pasts.into_iter().any(|set| {
                let own = if is_memory { self.before[next] } else { 0 };
                let seen = set & (self.updates | own);
                let is_answered = self.answered >> next & 1 == 1;
                if is_answered && !self.explains(seen, past, own, next) {
                    return false;
                }
                past[next] = set;
                self.causal(done | 1 << next, past, is_memory)
            })
        })
    }

    fn read_your_writes(&self) -> bool {
        members(self.answered).all(|index| {
            let others = self.updates & !(1 << index);
            let own = self.before[index] & others;
            subsets(others).any(|set| set & own == own && self.explains(set, &self.before, 0, index))
        })
    }

    /// Whether the answers of `left`, in this order, have sets of updates that they can be given after, and that together with
    /// those before, in `sets`, keep the guarantee.
    fn guarantee(&self, model: Model, left: &[usize], sets: &mut Vec<Mask>) -> bool {
        let Some((&index, left)) = left.split_first() else { return true };
        subsets(self.updates & !(1 << index)).any(|set| {
            sets[index] = set;
            let is_kept = self.holds(model, index, sets) && self.guarantee(model, left, sets);
            sets[index] = 0;
            is_kept
        })
    }

    /// Whether the set of an answer, and what is chosen of the others, keep the guarantee. Sets that are not chosen yet are
    /// empty; once they are, what depends on them is asked again.
    fn holds(&self, model: Model, index: usize, sets: &[Mask]) -> bool {
        let union =
            |of: Mask, each: &dyn Fn(usize) -> Mask| members(of).fold(0, |mask, one| mask | each(one));
        let seen_by = |update: usize| union(self.before[update], &|read| sets[read]);
        let until = |index: usize| self.before[index] | 1 << index;
        let is_right = |index: usize| {
            let sources = |update: usize| match model {
                Model::MonotonicWrites => self.before[update] & self.updates,
                _ => seen_by(update),
            };
            let wanted = match model {
                Model::MonotonicReads => union(self.before[index], &|read| sets[read]),
                _ => union(until(index), &|read| union(sets[read], &sources)),
            };
            let before: Vec<Mask> = (0..sets.len())
                .map(|update| match model {
                    Model::WritesFollowReads => self.before[update] | seen_by(update),
                    _ => self.before[update],
                })
                .collect();
            wanted & !(1 << index) & !sets[index] == 0 && self.explains(sets[index], &before, 0, index)
        };
        match model {
            // Whatever this answer was given after, the updates that its session makes later follow.
            Model::WritesFollowReads => {
                let place = self.order.iter().position(|&other| other == index).expect("all are in order");
                self.order[..=place].iter().all(|&other| self.answered >> other & 1 == 0 || is_right(other))
            }
            _ => is_right(index),
        }
    }
}
