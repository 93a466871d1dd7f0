//! A whole history checked: first as it comes, then, where too much is possible, in narrow and ever broader passes.
//!
//! As long as few worlds are possible at a time, all are kept, and one pass decides. Where many are (operations that were
//! never answered can take effect in any order, for ever), there are four ways on, tried in turn until one decides:
//!
//! First of all it is seen whether each answer is one that anybody could have got, see [`supply`].
//!
//! 1. *Narrow.* A pass keeps only the most promising worlds, at first only one, so that it goes depth first: those in which
//!    fewest unanswered operations had to take effect, since what has not been used can still be. If it comes to the
//!    end, it has found an explanation. If it dies, it goes back some way and tries again with more worlds, the further
//!    and the more the more often it died there; once it is past that place it is as narrow as before. It is given up
//!    when it dies as broad as it may become, or has taken its share of the steps.
//! 2. *Weaker.* If no explanation exists even when unanswered operations may take effect any number of times, none
//!    exists. Under that condition there are fewer worlds, because what has been used need not be remembered. This is
//!    tried when a narrow pass dies twice at one place, and again, with more patience, as its cost grows.
//! 3. *Broader.* More worlds are all kept, up to the limit. A pass that never had to leave out anything is exact,
//!    whatever it says.
//! 4. *Lessons.* Between the narrow passes a search learns from its failures ([`lessons`](super::lessons)), at first for a
//!    short while: where there are many unanswered swaps it decides in milliseconds what narrow passes do not in minutes.
//!    Where a history is long and has few of them, narrow passes are quicker.
//!
//! What is most promising is a guess, and where it misleads another guess may not: narrow passes differ in how dear an
//! unanswered overwrite is beside an unanswered swap, which helps in one state only. With each broader pass another price
//! is tried, and with several threads the others are tried at the same time (see the module `learning`).
//!
//! A history with unanswered operations goes narrow early: nearly always one of the orders that come to mind first
//! explains it, and keeping all of them costs a hundred times as much. Without such operations the worlds are few, and
//! keeping them all is both cheaper and exact.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::history::{Event, History, OperationId, Outcome};
use crate::specification::Specification;
use crate::verdict::{Unknown, Verdict};

use super::explain;
use super::search::{Ending, Label, NEVER, Scope};
use super::supply;
use super::tiers::Tiered;
use super::zones::{self, Found};
use super::{Limits, TimeLimit};

/// How many worlds are kept at once, and when.
#[derive(Clone, Copy, Debug)]
struct Widths {
    /// Up to so many worlds are all kept before a narrow pass is tried.
    kept_max_first: usize,
    /// The same where some operation was never answered.
    kept_max_first_open: usize,
    /// How many worlds a narrow pass keeps as long as it lives.
    narrow: usize,
    /// How many worlds it keeps at most after it died.
    narrow_max: usize,
    /// How much broader the next pass is.
    factor: usize,
}

/// For how many other operations an unanswered overwrite counts, one price for each time that narrow passes are tried.
pub(super) const OVERWRITE_PRICES: [u32; 4] = [6, 1, 3, 16];

const WIDTHS: Widths =
    Widths { kept_max_first: 1_024, kept_max_first_open: 16, narrow: 1, narrow_max: 1_024, factor: 4 };

/// When narrow passes are given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Haste {
    /// When one dies as broad as this.
    width_max: usize,
    /// When so many worlds are possible within one return.
    worlds_max: usize,
    /// When they have made so many steps.
    steps_max: u64,
}

/// Before lessons are learned.
const HASTY: Haste = Haste { width_max: 64, worlds_max: 1_024, steps_max: 20_000 };
/// Steps that narrow passes of one price may take at most.
const NARROW_STEPS_MAX: u64 = 20_000_000;
/// Steps of a search with lessons, before narrow passes are tried for longer.
const LESSONS_STEPS_FIRST: u64 = 400_000;
/// The part of all steps that narrow passes of one price may take.
const NARROW_STEPS_SHARE: u64 = 4 * OVERWRITE_PRICES.len() as u64;
/// The part of all steps that it may take then.
pub(super) const LESSONS_STEPS_SHARE: u64 = 2;
/// Events between two points to which a narrow pass can go back.
const TRAIL_SPACING: usize = 64;
/// How many such points are kept.
const TRAIL_POINTS_MAX: usize = 256;
/// The weaker condition is given up after so many times the steps that were made before, and tried again when the others
/// have made as many.
const WEAKER_STEPS_FACTOR: u64 = 4;
/// But not before this many.
const WEAKER_STEPS_MIN: u64 = 20_000;
/// Nor, when the narrow passes have been given up, before this many.
const WEAKER_STEPS_MIN_LAST: u64 = 200_000;
/// Worlds that it may come to at once.
const WEAKER_WORLDS_MAX: usize = 4_096;
/// It is tried when a narrow pass has died so often at one place.
const WEAKER_DEATHS_MIN: u32 = 2;
/// What is spent on the worlds before a return that is known to be impossible.
const EXPLANATION_STEPS_MAX: u64 = 500_000;
const EXPLANATION_WORLDS_MAX: usize = 4_096;
/// How many of the values that were written last are tried, where there are too many worlds to keep them all.
const CANDIDATES_MAX: usize = 64;
/// What is spent on an event where only the weaker condition is asked about.
const REFUTATION_STEPS_PER_EVENT: u64 = 32;

/// A history with what all its parts need.
pub(super) struct Course<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    /// By operation: a number that orders the returns.
    deadlines: Vec<u64>,
    pub(super) limits: Limits,
    time: Option<TimeLimit<'a>>,
    widths: Widths,
    /// Set by another thread when the answer is not wanted any more.
    is_over: Option<&'a AtomicBool>,
}

/// How far a pass through a part has come.
pub(super) struct Pass<'a, S: Specification> {
    pub search: Tiered<&'a S>,
    /// Events that have been taken.
    pub position: usize,
    /// Operations in flight that will return, with their slots.
    pub in_flight: Vec<(usize, usize)>,
}

impl<S: Specification> Clone for Pass<'_, S> {
    fn clone(&self) -> Self {
        let Self { search, position, in_flight } = self;
        Self { search: search.clone(), position: *position, in_flight: in_flight.clone() }
    }
}

/// A pass in which operations that were never answered may take effect any number of times.
struct Weaker<'a, S: Specification> {
    pass: Pass<'a, S>,
    /// Whether it can say nothing more.
    is_over: bool,
}

impl<'a, S: Specification> Weaker<'a, S> {
    /// It begins where all worlds are known.
    fn from(known: &Pass<'a, S>) -> Self {
        let mut pass = known.clone();
        pass.search.relax();
        Self { pass, is_over: false }
    }
}

/// Why a pass stopped.
pub(super) enum Stop {
    /// All events have been taken.
    Done,
    /// More worlds are possible than the width allows.
    TooWide,
    Ended(Ending),
}

impl<'a, S: Specification> Course<'a, S> {
    pub fn new(
        spec: &'a S,
        history: &'a History<S::Input, S::Output>,
        limits: Limits,
        time: Option<TimeLimit<'a>>,
    ) -> Self {
        let mut deadlines = vec![NEVER; history.len()];
        for (position, event) in history.events().iter().enumerate() {
            if let Event::Returned(index) = *event {
                deadlines[index] = position as u64;
            }
        }
        Self { spec, history, deadlines, limits, time, widths: WIDTHS, is_over: None }
    }

    /// The same, to be given up when another thread says so.
    pub fn until(&self, is_over: &'a AtomicBool) -> Self {
        let Self { spec, history, ref deadlines, limits, time, widths, .. } = *self;
        Self { spec, history, deadlines: deadlines.clone(), limits, time, widths, is_over: Some(is_over) }
    }

    /// The verdict on a part of the object, or on the whole.
    pub fn check(&self, events: &[Event], scope: Scope) -> Verdict {
        if let Some(unknown) = self.too_late(0, 0) {
            return unknown.into();
        }
        match zones::decide(self.spec, self.history, events) {
            None => self.search(events, &scope),
            Some(Found::Linearizable) => Verdict::Linearizable,
            Some(Found::Impossible(place)) => self.explain(&events[..=place], &scope),
        }
    }

    /// Why events whose last is the first that is impossible are so: with all worlds before it if they are few.
    pub(super) fn explain(&self, events: &[Event], scope: &Scope) -> Verdict {
        let limits = Limits {
            steps_max: self.limits.steps_max.min(EXPLANATION_STEPS_MAX),
            configurations_max: self.limits.configurations_max.min(EXPLANATION_WORLDS_MAX),
        };
        let mut pass = self.begin(scope, limits);
        match self.advance(&mut pass, events, limits.configurations_max) {
            Stop::Ended(ending @ Ending::Violation(_)) => ending.into(),
            _ => {
                let states = zones::possible_states(self.spec, self.history, events, CANDIDATES_MAX);
                let violation = explain::without_worlds(self.spec, self.history, events, scope, &states);
                Verdict::Violation(Box::new(violation))
            }
        }
    }

    /// Whether the events are impossible even if unanswered operations may take effect any number of times. It takes time
    /// nearly linear in the events, however many were never answered.
    pub fn is_refuted(&self, events: &[Event]) -> bool {
        let limits = Limits {
            steps_max: self.limits.steps_max.max(REFUTATION_STEPS_PER_EVENT * events.len() as u64),
            configurations_max: WEAKER_WORLDS_MAX,
        };
        let mut pass = self.begin(&Scope::Partition(String::new()), limits);
        pass.search.relax();
        matches!(
            self.advance(&mut pass, events, limits.configurations_max),
            Stop::Ended(Ending::Violation(_))
        )
    }

    pub(super) fn begin(&self, scope: &Scope, limits: Limits) -> Pass<'a, S> {
        Pass { search: Tiered::new(self.spec, scope.clone(), limits), position: 0, in_flight: Vec::new() }
    }

    /// The verdict by a search for an order.
    pub fn search(&self, events: &[Event], scope: &Scope) -> Verdict {
        let mut known = self.begin(scope, self.limits);
        let mut width = self.width_first(events);
        let mut prices = OVERWRITE_PRICES.into_iter();
        loop {
            match self.advance(&mut known, events, width) {
                Stop::Done => return Verdict::Linearizable,
                Stop::Ended(ending) => return ending.into(),
                Stop::TooWide => {}
            }
            if prices.len() == OVERWRITE_PRICES.len()
                && let Some(place) = supply::impossible(self.spec, self.history, events)
            {
                return self.explain(&events[..=place], scope);
            }
            if let Some(price) = prices.next() {
                let is_first = prices.len() + 1 == OVERWRITE_PRICES.len();
                let verdict = match is_first {
                    true => self.try_first(&mut known, events, scope, price),
                    false => self.try_narrow(&mut known, events, price, self.patient()),
                };
                if let Some(verdict) = verdict {
                    return verdict;
                }
            }
            if width >= self.limits.configurations_max {
                return Verdict::Unknown(Unknown::Configurations {
                    configurations_max: self.limits.configurations_max,
                    operations_returned: known.search.returned_count(),
                    open: known.search.open_count(),
                });
            }
            width = (width * self.widths.factor).min(self.limits.configurations_max);
        }
    }

    /// Narrow passes and a search with lessons, in turn: first for a short while, then for longer.
    fn try_first(
        &self,
        known: &mut Pass<'a, S>,
        events: &[Event],
        scope: &Scope,
        price: u32,
    ) -> Option<Verdict> {
        self.try_narrow(known, events, price, HASTY)
            .or_else(|| self.learn(known, events, scope, price, LESSONS_STEPS_FIRST))
            .or_else(|| self.try_narrow(known, events, price, self.patient()))
            .or_else(|| self.learn(known, events, scope, price, self.limits.steps_max / LESSONS_STEPS_SHARE))
    }

    /// When narrow passes are given up for good.
    pub(super) fn patient(&self) -> Haste {
        Haste {
            width_max: self.widths.narrow_max,
            worlds_max: self.limits.configurations_max,
            steps_max: (self.limits.steps_max / NARROW_STEPS_SHARE).min(NARROW_STEPS_MAX),
        }
    }

    /// Up to how many worlds are all kept before a narrow pass is tried.
    pub(super) fn width_first(&self, events: &[Event]) -> usize {
        let Widths { kept_max_first, kept_max_first_open, .. } = self.widths;
        let width = if is_any_open(events) { kept_max_first_open } else { kept_max_first };
        width.min(self.limits.configurations_max)
    }

    /// The verdict, if a narrow pass from where all worlds are known, or the weaker condition, finds one.
    pub(super) fn try_narrow(
        &self,
        known: &mut Pass<'a, S>,
        events: &[Event],
        price: u32,
        haste: Haste,
    ) -> Option<Verdict> {
        let steps_max = known.search.steps().saturating_add(haste.steps_max);
        let mut pass = known.clone();
        pass.search.set_limits(Limits { configurations_max: haste.worlds_max, ..self.limits });
        let mut trail = vec![pass.clone()];
        let mut width = self.widths.narrow;
        let (mut deaths_here, mut furthest) = (0, 0);
        let (mut weaker, mut weaker_at) = (Weaker::from(known), 0);
        loop {
            match self.advance(&mut pass, events, width) {
                Stop::Done => return Some(Verdict::Linearizable),
                Stop::Ended(Ending::Unknown(unknown @ (Unknown::Steps { .. } | Unknown::Time { .. }))) => {
                    return Some(Verdict::Unknown(unknown));
                }
                Stop::Ended(Ending::Unknown(Unknown::Configurations { .. }) | Ending::Violation(_)) => {
                    known.search.set_steps(pass.search.steps());
                    deaths_here += 1;
                    furthest = furthest.max(pass.position);
                    width *= self.widths.factor;
                    let is_last = width > haste.width_max || known.search.steps() > steps_max;
                    if is_last || (deaths_here >= WEAKER_DEATHS_MIN && known.search.steps() >= weaker_at) {
                        let steps_min = if is_last { WEAKER_STEPS_MIN_LAST } else { WEAKER_STEPS_MIN };
                        if let Some(violation) = self.try_weaker(&mut weaker, known, events, steps_min) {
                            return Some(violation);
                        }
                        weaker_at = known.search.steps() * WEAKER_STEPS_FACTOR;
                    }
                    if is_last {
                        return None;
                    }
                    trail.truncate(trail.len().saturating_sub(1 << deaths_here).max(1));
                    pass = trail.last().expect("the first point stays").clone();
                    pass.search.set_steps(known.search.steps());
                    pass.search.narrow(width, price);
                }
                Stop::TooWide => {
                    if pass.position > furthest {
                        (deaths_here, width) = (0, self.widths.narrow);
                    }
                    leave_point(&mut trail, &pass);
                    pass.search.narrow(width, price);
                }
            }
        }
    }

    /// Goes on under the weaker condition, but not for long: a violation even of that, if there is one.
    fn try_weaker(
        &self,
        weaker: &mut Weaker<'a, S>,
        known: &mut Pass<'a, S>,
        events: &[Event],
        steps_min: u64,
    ) -> Option<Verdict> {
        let steps_max = known.search.steps() + steps_min.max(known.search.steps() * WEAKER_STEPS_FACTOR);
        weaker.pass.search.set_steps(known.search.steps());
        // What may be repeated can lead to ever new states: a single return may not take more than twice its share.
        let steps_max_within = steps_max + (steps_max - known.search.steps());
        weaker.pass.search.set_limits(Limits {
            steps_max: steps_max_within.min(self.limits.steps_max),
            configurations_max: self.limits.configurations_max.min(WEAKER_WORLDS_MAX),
        });
        let verdict = loop {
            if weaker.is_over {
                break None;
            }
            // A few events at a time, to look at the steps in between.
            let until = events.len().min(weaker.pass.position + TRAIL_SPACING);
            match self.advance(&mut weaker.pass, &events[..until], WEAKER_WORLDS_MAX) {
                Stop::Ended(ending @ Ending::Violation(_)) => break Some(ending.into()),
                Stop::Ended(Ending::Unknown(_)) | Stop::TooWide => weaker.is_over = true,
                Stop::Done if until == events.len() => weaker.is_over = true,
                Stop::Done if weaker.pass.search.steps() >= steps_max => break None,
                Stop::Done => {}
            }
        };
        known.search.set_steps(weaker.pass.search.steps());
        verdict
    }

    /// Takes events until the worlds are more than `width`.
    pub(super) fn advance(&self, pass: &mut Pass<'a, S>, events: &[Event], width: usize) -> Stop {
        if pass.search.width() > width {
            return Stop::TooWide;
        }
        while let Some(event) = events.get(pass.position) {
            pass.position += 1;
            match *event {
                Event::Invoked(index) => self.invoke(pass, index),
                Event::Returned(index) => {
                    let place = pass.in_flight.iter().position(|(other, _)| *other == index);
                    let place = place.expect("an operation that returns was invoked before");
                    let (_, slot) = pass.in_flight.swap_remove(place);
                    if let Err(ending) =
                        pass.search.explain_return(slot, &|returned, open| self.too_late(returned, open))
                    {
                        return Stop::Ended(ending);
                    }
                    if pass.search.width() > width {
                        return Stop::TooWide;
                    }
                }
            }
        }
        Stop::Done
    }

    fn invoke(&self, pass: &mut Pass<'a, S>, index: usize) {
        let (label, input, output) = self.labelled(index);
        let slot = pass.search.invoke(label, input, output);
        if let Some(slot) = slot.filter(|_| output.is_some()) {
            pass.in_flight.push((index, slot));
        }
    }

    /// An operation as it comes into flight.
    pub(super) fn labelled(&self, index: usize) -> (Label, &'a S::Input, Option<&'a S::Output>) {
        let operation = &self.history.operations()[index];
        let (returned, output) = match &operation.outcome {
            Outcome::Returned { at, output } => (Some(*at), Some(output)),
            Outcome::Open => (None, None),
        };
        let label = Label {
            id: OperationId(index as u64),
            client: operation.client,
            invoked: operation.invoked,
            returned,
            deadline: self.deadlines[index],
        };
        (label, &operation.input, output)
    }

    /// The answer, if the time is over.
    pub(super) fn too_late(&self, operations_returned: u64, open: usize) -> Option<Unknown> {
        if self.is_over.is_some_and(|is_over| is_over.load(Ordering::Relaxed)) {
            return Some(Unknown::Time { time_max: Duration::ZERO, operations_returned, open });
        }
        let TimeLimit { time_max, elapsed } = self.time?;
        (elapsed() > time_max).then_some(Unknown::Time { time_max, operations_returned, open })
    }
}

/// Whether some operation was never answered.
pub(super) fn is_any_open(events: &[Event]) -> bool {
    events.iter().filter(|event| matches!(event, Event::Invoked(_))).count() * 2 > events.len()
}

/// Keeps `pass` as a point to go back to, if the last one is some way back. Of too many, every other is forgotten.
fn leave_point<'a, S: Specification>(trail: &mut Vec<Pass<'a, S>>, pass: &Pass<'a, S>) {
    if trail.last().is_some_and(|last| pass.position < last.position + TRAIL_SPACING) {
        return;
    }
    trail.push(pass.clone());
    if trail.len() > TRAIL_POINTS_MAX {
        let mut index = 0;
        trail.retain(|_| {
            index += 1;
            index % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::brute_force;
    use super::*;
    use crate::generate::{self, Shape};
    use crate::specification::{CasOutput, CasRegister};

    /// Histories so small that the definition decides them, on ways so narrow that they die.
    #[test]
    fn narrow_weaker_and_broader_passes_end_in_the_verdict_of_the_definition() {
        let spec = CasRegister { initial: 0 };
        let (mut kept, mut broken) = (0, 0);
        for seed in 0..3_000_usize {
            let shape = Shape { seed: seed as u64, clients: 4, operations: 10, lost_per_mille: 400 };
            let mut history = generate::cas_register(shape, 2);
            let index = seed % history.len();
            match history.operations()[index].output() {
                Some(CasOutput::Value(value)) => {
                    let other = CasOutput::Value((value + 1) % 3);
                    history = generate::with_output(&history, index, other);
                }
                Some(CasOutput::Swapped(swapped)) => {
                    let other = CasOutput::Swapped(!swapped);
                    history = generate::with_output(&history, index, other);
                }
                _ => {}
            }
            let expected = brute_force::is_linearizable(&spec, &history);
            *(if expected { &mut kept } else { &mut broken }) += 1;
            for (kept_max_first, narrow, factor) in [(1, 1, 2), (1, 1, 100), (2, 1, 2), (3, 2, 2)] {
                let mut course = Course::new(&spec, &history, Limits::default(), None);
                let kept_max_first_open = kept_max_first;
                course.widths = Widths { kept_max_first, kept_max_first_open, narrow, narrow_max: 4, factor };
                let verdict = course.search(history.events(), &Scope::Whole);
                assert_eq!(verdict.is_linearizable(), expected, "seed {seed}: {verdict}");
                assert_eq!(verdict.is_violation(), !expected, "seed {seed}: {verdict}");
            }
        }
        assert!(kept > 300 && broken > 300, "both verdicts must be exercised: {kept} kept, {broken} broken");
    }

    /// From the beginning, with nothing else tried before; and what is named as the first impossible return is that.
    #[test]
    fn a_search_with_lessons_ends_in_the_verdict_of_the_definition() {
        let spec = CasRegister { initial: 0 };
        let (mut kept, mut broken) = (0, 0);
        for seed in 0..6_000_usize {
            let lost_per_mille = 300 + 100 * (seed as u64 % 4);
            let shape = Shape { seed: seed as u64, clients: 4, operations: 11, lost_per_mille };
            let mut history = generate::cas_register(shape, 2 + seed as u64 % 2);
            for index in [seed % 11, seed / 11 % 11] {
                if let Some(CasOutput::Value(value)) = history.operations()[index].output() {
                    let other = CasOutput::Value((value + 1) % 3);
                    history = generate::with_output(&history, index, other);
                }
            }
            let expected = brute_force::is_linearizable(&spec, &history);
            *(if expected { &mut kept } else { &mut broken }) += 1;
            let course = Course::new(&spec, &history, Limits::default(), None);
            for price in OVERWRITE_PRICES {
                let mut known = course.begin(&Scope::Whole, Limits::default());
                let verdict = course.learn(&mut known, history.events(), &Scope::Whole, price, u64::MAX);
                let verdict = verdict.expect("so short a history is decided");
                assert_eq!(verdict.is_linearizable(), expected, "seed {seed}: {history:?}");
                let mut all = course.begin(&Scope::Whole, Limits::default());
                let exact = match course.advance(&mut all, history.events(), usize::MAX) {
                    Stop::Ended(Ending::Violation(violation)) => Some(violation.operation.id),
                    _ => None,
                };
                let named = verdict.violation().map(|violation| violation.operation.id);
                assert_eq!(named, exact, "seed {seed}: {history:?}");
            }
        }
        assert!(kept > 500 && broken > 500, "both must be exercised: {kept} kept, {broken} broken");
    }
}
