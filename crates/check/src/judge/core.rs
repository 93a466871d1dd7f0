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
//! [returns last of all](Weakening::Late). That says less than before too, and what is left is whose being over mattered. (What only
//! reads is gone there, too.)
//!
//! Which operations can be weakened together is searched by halving, as in delta debugging (Zeller and Hildebrandt, 2002): large
//! pieces first, the oldest first. The result cannot be weakened by any single one of its operations, unless a limit
//! ended the search before; it need not be the smallest of all.
//!
//! A read that is stale by a few operations is impossible after a hundred thousand others, and most of them do not matter.
//! How the ones that do are found depends on the object:
//!
//! - Where an object knows which answers contradict each other, as an etcd does by its revisions ([`Specification::contradiction`]),
//!   these are the core.
//! - Where values tell the writes apart, the zones of two values are in each other's way, and their ends are the core.
//! - Where there are few states, the history is cut near its end ([`Tail`]), and what was over by then is taken together by
//!   *kind*: what was asked and what was answered. A value that was written a thousand times can be read late unless all
//!   thousand writes are over, so such a core names a kind once and counts the rest of it. The cut is made earlier until the
//!   end is impossible by itself.
//! - Otherwise all operations are tried. What is never answered stays open for ever, and many open operations make each
//!   trial dear. So all are tried first under a condition that is cheap to refute, in which what is never answered may take
//!   effect any number of times: what is impossible even then is impossible. What that leaves is tried again under the
//!   whole condition. Where too many are left, the latest operations alone are weakened, and those before them stay what
//!   they were, or are weakened as long as there is time and trials have answers.

use std::collections::HashMap;

use crate::history::{Event, History, Operation};
use crate::linearizability::{Effort, Tail, check_with, conflict, is_refuted};
use crate::specification::{Contradiction, Effect, Specification};

/// Operations that are impossible whatever the others did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The operations, in the order of their invocation; the one that cannot be placed is among them.
    pub operations: Vec<usize>,
    /// For operations among these: how many before it that asked the same and were answered the same must be over too.
    pub alike: Vec<(usize, usize)>,
    /// How many operations of the prefix were not weakened, since they are long past.
    pub before: usize,
    /// How many others there are in the prefix. They may have taken effect at any time after their invocation, or never.
    pub others: usize,
    /// Whether the others are known to have been answered some time: see the essay of this module.
    pub others_are_answered: bool,
    /// Whether everything was tried: no operation can be left out, nor the answers of all those that are alike. (Two smaller
    /// changes that only help together are not looked for.) Of a contradiction: its reason needs each operation.
    pub is_minimal: bool,
}

/// How many events of the end are looked at by themselves, and how many more if that is not enough.
const TAIL_EVENTS_FIRST: usize = 128;
const TAIL_EVENTS_FACTOR: usize = 8;
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

/// How a core is looked for.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub weakening: Weakening,
    /// Whether the specification takes hints from the answers of the history that it is made for.
    pub takes_hints: bool,
    /// What each trial may cost.
    pub trial: Effort<'a>,
    /// Asked before each trial, which goes over so many operations.
    pub has_time: &'a dyn Fn(usize) -> bool,
}

impl Search<'_> {
    /// Finds a core of a history that ends with the return of the operation `last`, which is impossible. The history must
    /// be of one part of the object.
    pub fn core<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        history: &History<S::Input, S::Output>,
        last: usize,
    ) -> Core
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        let found = match self.weakening {
            Weakening::Late => by_contradiction(&spec_of(history), history, last),
            Weakening::Unanswered if !self.takes_hints => {
                let spec = spec_of(history);
                self.by_zones(&spec, history, last).or_else(|| self.by_kinds(&spec, history, last))
            }
            _ => None,
        };
        found.unwrap_or_else(|| self.by_trials(spec_of, history, last))
    }

    /// The ends of two zones that are in each other's way.
    fn by_zones<S: Specification>(
        self,
        spec: &S,
        history: &History<S::Input, S::Output>,
        last: usize,
    ) -> Option<Core> {
        let mut kept = conflict(spec, history)?;
        kept.retain(|&index| index != last);
        let mut is_weak = vec![true; history.len()];
        kept.iter().chain([&last]).for_each(|&index| is_weak[index] = false);
        let mut units: Vec<Vec<usize>> = kept.into_iter().map(|index| vec![index]).collect();
        let mut judge = |is_weak: &[bool]| Some(conflict(spec, &history.without_answers(is_weak)).is_some());
        let has_time = || (self.has_time)(history.len());
        let is_minimal = weaken(&mut units, &mut is_weak, &mut judge, PATIENT, &has_time);
        Some(named(history, last, units, is_minimal))
    }

    /// Operations near the end, and kinds of what was over before, of an object with few states.
    fn by_kinds<S>(self, spec: &S, history: &History<S::Input, S::Output>, last: usize) -> Option<Core>
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        let mut events = TAIL_EVENTS_FIRST;
        while (self.has_time)(history.len()) {
            let tail = Tail::new(spec, history, events)?;
            let mut units = kinds(spec, history, &tail);
            let kinds_count = units.len();
            units.extend(tail.returned().filter(|&index| index != last).map(|index| vec![index]));
            let mut is_weak = vec![false; history.len()];
            // One of a kind stands for all of it.
            let first_of_kind: Vec<usize> = units[..kinds_count].iter().map(|kind| kind[0]).collect();
            let mut judge = |is_weak: &[bool]| {
                let still_possible = first_of_kind.iter().copied().filter(|&index| is_weak[index]);
                let still_possible: Vec<usize> = still_possible.collect();
                let Effort { limits, time, .. } = self.trial;
                Some(tail.is_refuted(&still_possible, |index| is_weak[index], limits, time))
            };
            if judge(&is_weak) == Some(true) {
                let has_time = || (self.has_time)(events);
                let is_minimal = weaken(&mut units, &mut is_weak, &mut judge, PATIENT, &has_time);
                return Some(named(history, last, units, is_minimal));
            }
            if events >= history.events().len() {
                return None;
            }
            events *= TAIL_EVENTS_FACTOR;
        }
        None
    }

    /// Any operations, under the cheap condition and then under the whole one.
    fn by_trials<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        history: &History<S::Input, S::Output>,
        last: usize,
    ) -> Core
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        // Those that never returned have nothing to lose.
        let returned = |event: &Event| match *event {
            Event::Returned(index) if index != last => Some(vec![index]),
            _ => None,
        };
        let all: Vec<Vec<usize>> = history.events().iter().filter_map(returned).collect();
        let mut is_weak = vec![false; history.len()];
        let whole = spec_of(history);
        let weaker = |is_weak: &[bool]| {
            let weaker = weakened(&whole, history, is_weak, self.weakening);
            // What is answered late is answered all the same, so all answers are hints.
            let spec = if self.weakening == Weakening::Late { spec_of(history) } else { spec_of(&weaker) };
            (spec, weaker)
        };
        let mut refute = |is_weak: &[bool]| {
            let (spec, weaker) = weaker(is_weak);
            Some(is_refuted(&spec, &weaker, self.trial))
        };
        let mut judge = |is_weak: &[bool]| {
            let (spec, weaker) = weaker(is_weak);
            let verdict = check_with(&spec, &weaker, self.trial);
            (!verdict.is_unknown()).then_some(verdict.is_violation())
        };
        let has_time = || (self.has_time)(history.len());
        let (mut kept, mut before) = (all.clone(), Vec::new());
        weaken(&mut kept, &mut is_weak, &mut refute, CHEAP, &has_time);
        let mut is_minimal =
            kept.len() <= SEARCHED_MAX && weaken(&mut kept, &mut is_weak, &mut judge, PATIENT, &has_time);
        if kept.len() > NAMED_MAX && all.len() > LATEST {
            is_weak.fill(false);
            before = all;
            kept = before.split_off(before.len() - LATEST);
            is_minimal = weaken(&mut kept, &mut is_weak, &mut judge, PATIENT, &has_time);
            let is_all_tried = weaken(&mut before, &mut is_weak, &mut judge, LONG_PAST, &has_time);
            // Few that are left are named, many are counted.
            if is_all_tried || before.len() <= NAMED_MAX {
                kept.append(&mut before);
            }
            is_minimal &= is_all_tried;
        }
        let core = named(history, last, kept, is_minimal);
        let others = core.others - before.len();
        let others_are_answered = self.weakening == Weakening::Late;
        Core { before: before.len(), others, others_are_answered, ..core }
    }
}

/// Answers that contradict each other.
fn by_contradiction<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    last: usize,
) -> Option<Core> {
    let Contradiction { operations, needs_answers } = spec.contradiction(history, last)?;
    let units = operations.into_iter().filter(|&index| index != last).map(|index| vec![index]).collect();
    Some(Core { others_are_answered: needs_answers, ..named(history, last, units, true) })
}

/// The core that is left of the units. Where a kind is left, the last of all operations that are of this kind stands for them.
fn named<I: PartialEq, O: PartialEq>(
    history: &History<I, O>,
    last: usize,
    units: Vec<Vec<usize>>,
    is_minimal: bool,
) -> Core {
    let others = history.len() - units.iter().map(Vec::len).sum::<usize>() - 1;
    let (mut kinds, single): (Vec<Vec<usize>>, Vec<Vec<usize>>) =
        units.into_iter().partition(|unit| unit.len() > 1);
    let mut operations = vec![last];
    let question = |index: usize| (&history.operations()[index].input, history.operations()[index].output());
    for index in single.into_iter().flatten() {
        match kinds.iter_mut().find(|kind| question(kind[0]) == question(index)) {
            Some(kind) => kind.push(index),
            None => operations.push(index),
        }
    }
    let mut alike: Vec<(usize, usize)> = Vec::new();
    for kind in kinds {
        let Some((&latest, before)) = kind.split_last() else { continue };
        operations.push(latest);
        alike.push((latest, before.len()));
    }
    operations.sort_unstable();
    Core { operations, alike, before: 0, others, others_are_answered: false, is_minimal }
}

/// What may have changed something before the end, by what was asked and what was answered. In each kind those that returned
/// last come last.
fn kinds<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    tail: &Tail<'_, S>,
) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<&S::Input, Vec<usize>> = HashMap::new();
    for event in history.events() {
        let Event::Returned(index) = *event else { continue };
        let operation = &history.operations()[index];
        // Without its answer, what only reads says nothing.
        if !tail.is_past(index) || spec.effect_within_partition(&operation.input, None) == Effect::ReadOnly {
            continue;
        }
        let same_input = known.entry(&operation.input).or_default();
        let answer_of = |kind: &usize| history.operations()[kinds[*kind][0]].output();
        match same_input.iter().copied().find(|kind| answer_of(kind) == operation.output()) {
            Some(kind) => kinds[kind].push(index),
            None => {
                same_input.push(kinds.len());
                kinds.push(vec![index]);
            }
        }
    }
    kinds
}

/// Weakens what can be of the units in `kept`, which is left with the rest; whether none of that can be weakened alone.
/// `judge` says whether a history is impossible, if it knows. It ends when there is no more time, or when more than
/// `failures_max` trials in a row have failed.
fn weaken(
    kept: &mut Vec<Vec<usize>>,
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
            let piece = from..kept.len().min(from + size);
            kept[piece.clone()].iter().flatten().for_each(|&index| is_weak[index] = true);
            let is_impossible = judge(is_weak);
            if is_impossible == Some(true) {
                kept.drain(piece);
                is_any_weakened = true;
            } else {
                kept[piece].iter().flatten().for_each(|&index| is_weak[index] = false);
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

/// The same history, in which some operations are weakened. What only reads can be done without, late or not.
fn weakened<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    is_weak: &[bool],
    weakening: Weakening,
) -> History<S::Input, S::Output> {
    if weakening == Weakening::Unanswered {
        return history.without_answers(is_weak);
    }
    let only_reads = |operation: &Operation<S::Input, S::Output>| {
        spec.effect(&operation.input, operation.output()) == Effect::ReadOnly
            && spec.effect(&operation.input, None) == Effect::ReadOnly
    };
    let operations = history.operations().iter().zip(is_weak);
    let is_gone: Vec<bool> = operations.map(|(each, &is_weak)| is_weak && only_reads(each)).collect();
    let history = &history.without_answers(&is_gone);
    // Each is a client of its own: it may have gone on meanwhile.
    let is_late = |event: &Event| matches!(*event, Event::Returned(index) if is_weak[index]);
    let (late, mut events): (Vec<Event>, Vec<Event>) = history.events().iter().copied().partition(is_late);
    events.extend(late);
    History::from_parts(history.operations().to_vec(), events)
}
