//! A small set of operations that is impossible already.
//!
//! The checker names the shortest prefix that has no explanation. Most of it does not matter, but an operation cannot
//! just be left away: without a write, a read of its value would be impossible for a poor reason. So what does not
//! matter is *weakened* instead: it is treated as never answered, free to take effect at any time after its invocation,
//! or never. A history that is impossible although it was weakened was impossible before, all the more; what could not
//! be weakened is the core. (A read that is weakened says nothing any more, and is gone.)
//!
//! Which operations can be weakened together is searched by halving, as in delta debugging (Zeller and Hildebrandt, 2002): large
//! pieces first, the oldest first. The result cannot be weakened by any single one of its operations, unless a limit
//! ended the search before; it need not be the smallest of all.
//!
//! What is never answered stays open for ever, and many open operations make each trial dear. So of a long history only
//! the latest operations are weakened. Those before them stay what they were, and the core says how many they are.

use crate::history::{Event, History, Recorder};
use crate::linearizability::{Effort, check_with};
use crate::specification::Specification;

/// Operations that are impossible whatever the others did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The operations, in the order of their invocation; the one that cannot be placed is among them.
    pub operations: Vec<usize>,
    /// How many operations of the prefix were not weakened, since they are long past.
    pub before: usize,
    /// How many others there are in the prefix. They may have taken effect at any time after their invocation, or never.
    pub others: usize,
    /// Whether no operation can be left out.
    pub is_minimal: bool,
}

/// How many of the latest operations are weakened.
const WEAKENED_MAX: usize = 2_000;

/// Finds a core of a history that ends with the return of the operation `last`, which is impossible. The history must be of
/// one part of the object. Each trial costs at most `trial`; `has_time` is asked before each.
pub(super) fn core<S>(
    spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
    history: &History<S::Input, S::Output>,
    last: usize,
    trial: Effort<'_>,
    has_time: &dyn Fn() -> bool,
) -> Core
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    // Those that never returned have nothing to lose.
    let mut kept: Vec<usize> = history
        .events()
        .iter()
        .filter_map(|event| match *event {
            Event::Returned(index) if index != last => Some(index),
            _ => None,
        })
        .collect();
    let before = kept.len().saturating_sub(WEAKENED_MAX);
    kept.drain(..before);
    let mut is_weak = vec![false; history.len()];
    let is_impossible = |is_weak: &[bool]| {
        let weaker = weakened(history, is_weak);
        check_with(&spec_of(&weaker), &weaker, trial).is_violation()
    };
    let mut size = kept.len().div_ceil(2);
    let mut is_minimal = false;
    while size > 0 && has_time() {
        let mut is_any_weakened = false;
        let mut from = 0;
        while from < kept.len() && has_time() {
            let piece = &kept[from..kept.len().min(from + size)];
            piece.iter().for_each(|&index| is_weak[index] = true);
            if is_impossible(&is_weak) {
                kept.drain(from..kept.len().min(from + size));
                is_any_weakened = true;
            } else {
                piece.iter().for_each(|&index| is_weak[index] = false);
                from += size;
            }
        }
        if size == 1 && !is_any_weakened {
            is_minimal = has_time();
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    let others = history.len() - before - kept.len() - 1;
    let mut operations = kept;
    operations.push(last);
    operations.sort_unstable();
    Core { operations, before, others, is_minimal }
}

/// The same history, in which some operations were never answered.
pub(super) fn weakened<I: Clone, O: Clone>(history: &History<I, O>, is_weak: &[bool]) -> History<I, O> {
    let mut recorder = Recorder::new();
    let mut ids = vec![None; history.len()];
    for event in history.events() {
        let sound = "the order is that of a history";
        match *event {
            Event::Invoked(index) => {
                let operation = &history.operations()[index];
                let id = recorder.invoke(operation.client, operation.invoked, operation.input.clone());
                let id = id.expect(sound);
                ids[index] = Some(id);
                let returns = operation.output().is_some() && !is_weak[index];
                if !returns {
                    recorder.abandon(id).expect(sound);
                }
            }
            Event::Returned(index) => {
                let operation = &history.operations()[index];
                if let (false, Some(id), crate::history::Outcome::Returned { at, output }) =
                    (is_weak[index], ids[index], &operation.outcome)
                {
                    recorder.complete(id, *at, output.clone()).expect(sound);
                }
            }
        }
    }
    recorder.finish()
}
