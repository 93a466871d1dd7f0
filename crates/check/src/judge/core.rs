//! A small set of operations that is impossible already.
//!
//! The checker names the shortest prefix that has no explanation. Most of it does not matter, but an operation cannot
//! just be left away: without a write, a read of its value would be impossible for a poor reason. So what does not
//! matter is *weakened* instead: it is treated as never answered, free to take effect at any time after its invocation,
//! or never. A history that is impossible although it was weakened was impossible before, all the more; what could not
//! be weakened is the core. (A read that is weakened says nothing any more, and is gone.)
//!
//! Where an answer tells its operation's place, as the revisions of an etcd do, one without an answer could be anywhere, and all orders of such
//! ones would have to be looked through. There an operation that is weakened keeps its answer and loses the time of it: it
//! [returns last of all](Weakening::Late). That says less than before too, and what is left is whose being over mattered.
//!
//! Which operations can be weakened together is searched by halving, as in delta debugging (Zeller and Hildebrandt, 2002): large
//! pieces first, the oldest first. The result cannot be weakened by any single one of its operations, unless a limit
//! ended the search before; it need not be the smallest of all.
//!
//! What is never answered stays open for ever, and many open operations make each trial dear. So all operations are tried
//! first under a condition that is cheap to refute, in which what is never answered may take effect any number of times: what
//! is impossible even then is impossible. What that leaves is tried again under the whole condition.
//!
//! A value that was written a thousand times can be read late unless all thousand writes are known to be over, so the core of
//! a stale read may be large however it is found. Then the latest operations alone are weakened, and those before them
//! stay what they were, or are weakened as long as there is time and trials have answers. What is left of them stays
//! what it was, and the core says how many they are.

use crate::history::{Event, History, Recorder};
use crate::linearizability::{Effort, check_with, is_refuted};
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
    /// Whether the others are known to have been answered some time: see the essay of this module.
    pub others_are_answered: bool,
    /// Whether no operation can be left out.
    pub is_minimal: bool,
}

/// Up to so many operations are weakened under the whole condition.
const SEARCHED_MAX: usize = 2_000;
/// How many of the latest operations are weakened where a core of all would be large.
const LATEST: usize = 64;
/// So many operations are a large core.
const NAMED_MAX: usize = 24;
/// After so many trials in a row that refuted nothing the cheap condition is given up.
const CHEAP: Failures = Failures { unknown: 0, others: 256 };
/// After so many trials without an answer nothing before the latest operations is weakened any more.
const LONG_PAST: Failures = Failures { unknown: 8, others: u32::MAX };
/// No trial is given up.
const PATIENT: Failures = Failures { unknown: u32::MAX, others: u32::MAX };

/// How many trials in a row may fail: for want of an answer, and because what is left is possible.
#[derive(Clone, Copy)]
struct Failures {
    unknown: u32,
    others: u32,
}

/// Finds a core of a history that ends with the return of the operation `last`, which is impossible. The history must be of
/// one part of the object. Each trial costs at most `trial`; `has_time` is asked before each.
pub(super) fn core<S>(
    spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
    history: &History<S::Input, S::Output>,
    last: usize,
    weakening: Weakening,
    trial: Effort<'_>,
    has_time: &dyn Fn() -> bool,
) -> Core
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    // Those that never returned have nothing to lose.
    let returned = |event: &Event| match *event {
        Event::Returned(index) if index != last => Some(index),
        _ => None,
    };
    let all: Vec<usize> = history.events().iter().filter_map(returned).collect();
    let mut is_weak = vec![false; history.len()];
    let mut refute = |is_weak: &[bool]| {
        let weaker = weakened(history, is_weak, weakening);
        Some(is_refuted(&spec_of(&weaker), &weaker, trial))
    };
    let mut judge = |is_weak: &[bool]| {
        let weaker = weakened(history, is_weak, weakening);
        let verdict = check_with(&spec_of(&weaker), &weaker, trial);
        (verdict.is_violation() || verdict.is_linearizable()).then_some(verdict.is_violation())
    };
    let (mut kept, mut before) = (all.clone(), Vec::new());
    weaken(&mut kept, &mut is_weak, &mut refute, CHEAP, has_time);
    let mut is_minimal =
        kept.len() <= SEARCHED_MAX && weaken(&mut kept, &mut is_weak, &mut judge, PATIENT, has_time);
    if kept.len() > NAMED_MAX && all.len() > LATEST {
        is_weak.fill(false);
        before = all;
        kept = before.split_off(before.len() - LATEST);
        is_minimal = weaken(&mut kept, &mut is_weak, &mut judge, PATIENT, has_time);
        let is_all_tried = weaken(&mut before, &mut is_weak, &mut judge, LONG_PAST, has_time);
        // Few that are left are named, many are counted.
        if is_all_tried || before.len() <= NAMED_MAX {
            kept.append(&mut before);
        }
        is_minimal &= is_all_tried;
    }
    let before = before.len();
    let others = history.len() - before - kept.len() - 1;
    let mut operations = kept;
    operations.push(last);
    operations.sort_unstable();
    let others_are_answered = weakening == Weakening::Late;
    Core { operations, before, others, others_are_answered, is_minimal }
}

/// Weakens what can be of `kept`, which is left with the rest; whether none of that can be weakened alone. `judge` says
/// whether a history is impossible, if it knows. It ends when there is no more time, or when more than `failures_max` trials
/// in a row have failed.
fn weaken(
    kept: &mut Vec<usize>,
    is_weak: &mut [bool],
    judge: &mut dyn FnMut(&[bool]) -> Option<bool>,
    failures_max: Failures,
    has_time: &dyn Fn() -> bool,
) -> bool {
    let mut size = kept.len().div_ceil(2);
    let mut in_a_row = Failures { unknown: 0, others: 0 };
    while size > 0 && has_time() {
        let mut is_any_weakened = false;
        let mut from = 0;
        while from < kept.len() && has_time() {
            let piece = &kept[from..kept.len().min(from + size)];
            piece.iter().for_each(|&index| is_weak[index] = true);
            let is_impossible = judge(is_weak);
            if is_impossible == Some(true) {
                kept.drain(from..kept.len().min(from + size));
                is_any_weakened = true;
            } else {
                piece.iter().for_each(|&index| is_weak[index] = false);
                from += size;
            }
            in_a_row = match is_impossible {
                Some(true) => Failures { unknown: 0, others: 0 },
                Some(false) => Failures { unknown: 0, others: in_a_row.others + 1 },
                None => Failures { unknown: in_a_row.unknown + 1, ..in_a_row },
            };
            if in_a_row.unknown > failures_max.unknown || in_a_row.others > failures_max.others {
                return false;
            }
        }
        if size == 1 && !is_any_weakened {
            return has_time();
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    kept.is_empty()
}

/// What becomes of an operation that is weakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakening {
    /// It was never answered.
    Unanswered,
    /// It was answered after everything else.
    Late,
}

/// The same history, in which some operations are weakened.
pub(super) fn weakened<I: Clone, O: Clone>(
    history: &History<I, O>,
    is_weak: &[bool],
    weakening: Weakening,
) -> History<I, O> {
    if weakening == Weakening::Late {
        return with_late_returns(history, is_weak);
    }
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

/// The same history, in which some operations return last of all. Each is a client of its own: it may have gone on meanwhile.
fn with_late_returns<I: Clone, O: Clone>(history: &History<I, O>, is_weak: &[bool]) -> History<I, O> {
    let is_late = |event: &Event| matches!(*event, Event::Returned(index) if is_weak[index]);
    let (late, mut events): (Vec<Event>, Vec<Event>) = history.events().iter().copied().partition(is_late);
    events.extend(late);
    History::from_parts(history.operations().to_vec(), events)
}
