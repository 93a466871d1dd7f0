//! A course decided by a search that learns from its failures, by one thread or by several.
//!
//! One thread learns for a while between narrow passes ([`Course::learn`]). Where there are others, each goes as far as all
//! worlds can be kept, and then they divide these worlds, the *roots*: each takes the next one that none has taken, and
//! tries to lead it to the end, with a price of its own for unanswered overwrites ([`Course::prospect`]). One root that
//! comes to the end explains the history; if all have failed, whoever tried them, it is impossible, and the furthest
//! return that any of them came to is the first that is.
//!
//! Each thread keeps its own lessons. Together they keep no more than one alone might.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::history::Event;
use crate::specification::Specification;
use crate::verdict::{Unknown, Verdict};

use super::Limits;
use super::broadening::{Course, LESSONS_STEPS_SHARE, Pass, Stop};
use super::lessons::{Invoke, Learned, Learner};
use super::search::{Late, Scope};
use super::tiers::{Tiered, in_any_width};

/// The worlds where several threads begin, and what became of them.
pub(super) struct Roots {
    threads: usize,
    taken: AtomicUsize,
    failed: AtomicUsize,
    /// The place of the furthest return that a root which failed came to.
    furthest: AtomicUsize,
}

/// What a thread found out, if anything.
pub(super) enum Prospect {
    /// There is an explanation.
    Explained,
    /// There is none, and the return at this place among the events is the first that is impossible.
    Impossible(usize),
    Nothing,
}

impl Roots {
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            taken: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            furthest: AtomicUsize::new(0),
        }
    }

    /// The next root of so many, the most promising first.
    fn take(&self, count: usize) -> Option<usize> {
        count.checked_sub(1 + self.taken.fetch_add(1, Ordering::Relaxed))
    }

    /// Some roots have failed; whether that was the last of so many.
    fn fail(&self, roots: usize, place: usize, count: usize) -> Option<usize> {
        // Whoever is last must see how far the others came.
        self.furthest.fetch_max(place, Ordering::AcqRel);
        let failed = self.failed.fetch_add(roots, Ordering::AcqRel) + roots;
        (roots > 0 && failed == count).then(|| self.furthest.load(Ordering::Acquire))
    }
}

impl<'a, S: Specification> Course<'a, S> {
    /// The verdict by a search that learns from its failures, from where all worlds are known.
    pub(super) fn learn(
        &self,
        known: &mut Pass<'a, S>,
        events: &[Event],
        scope: &Scope,
        price: u32,
        steps_max: u64,
    ) -> Option<Verdict> {
        let steps_max = known.search.steps().saturating_add(steps_max).min(self.limits.steps_max);
        let limits = Limits { steps_max, ..self.limits };
        let mut left = known.search.width();
        let learned = self.lead_on(known, events, price, limits, &mut || {
            left = left.checked_sub(1)?;
            Some(left)
        });
        match learned {
            Learned::Explained => Some(Verdict::Linearizable),
            Learned::Impossible(place) => Some(self.explain(&events[..=place], scope)),
            Learned::GaveUp(Some(unknown @ Unknown::Time { .. })) => Some(unknown.into()),
            Learned::GaveUp(_) => None,
        }
    }

    /// What one of several threads finds out, with its price; then, if there is an explanation that narrow passes find.
    pub(super) fn prospect(&self, events: &[Event], scope: &Scope, price: u32, roots: &Roots) -> Prospect {
        let mut known = self.begin(scope, self.limits);
        match self.advance(&mut known, events, self.width_first(events)) {
            Stop::Done => return Prospect::Explained,
            Stop::Ended(_) => return Prospect::Nothing,
            Stop::TooWide => {}
        }
        let limits = Limits {
            steps_max: self.limits.steps_max / LESSONS_STEPS_SHARE,
            configurations_max: self.limits.configurations_max / roots.threads,
        };
        let count = known.search.width();
        let mut taken = 0;
        let learned = self.lead_on(&mut known, events, price, limits, &mut || {
            let root = roots.take(count)?;
            taken += 1;
            Some(root)
        });
        match learned {
            Learned::Explained => return Prospect::Explained,
            Learned::Impossible(place) => {
                if let Some(place) = roots.fail(taken, place, count) {
                    return Prospect::Impossible(place);
                }
            }
            Learned::GaveUp(_) => {}
        }
        match self.try_narrow(&mut known, events, price, self.patient()) {
            Some(Verdict::Linearizable) => Prospect::Explained,
            _ => Prospect::Nothing,
        }
    }

    /// Leads the worlds that are known, those that `next_root` names, to the end or to their failure.
    fn lead_on(
        &self,
        known: &mut Pass<'a, S>,
        events: &[Event],
        price: u32,
        limits: Limits,
        next_root: &mut dyn FnMut() -> Option<usize>,
    ) -> Learned {
        let room = room(known.search.open_count(), &events[known.position..]);
        let mut search = known.search.clone().with_room(room);
        search.set_limits(limits);
        let (position, in_flight) = (known.position, &known.in_flight);
        let late: Late<'_> = &|returned, open| self.too_late(returned, open);
        let (learned, steps) = in_any_width!(search, search => {
            let invoke: Invoke<'_, _, _> = &|search, index| {
                let (label, input, output) = self.labelled(index);
                search.invoke(label, input, output)
            };
            let mut learner = Learner::new(search, events, position, in_flight, price, invoke);
            (learner.run(next_root, late), learner.steps())
        });
        known.search.set_steps(steps);
        learned
    }
}

/// How many operations will be in flight at once, if none is over that was never answered.
fn room(open: usize, events: &[Event]) -> usize {
    let mut room = (open, open);
    for event in events {
        match event {
            Event::Invoked(_) => room.0 += 1,
            Event::Returned(_) => room.0 -= 1,
        }
        room.1 = room.1.max(room.0);
    }
    room.1
}

#[cfg(test)]
mod tests {
    use super::super::brute_force;
    use super::*;
    use crate::generate::{self, Shape};
    use crate::specification::{CasOutput, CasRegister};

    /// More operations that differ than are remembered for ever: a search that goes back finds what was in flight all the same.
    #[test]
    fn a_search_that_goes_back_finds_the_operations_that_were_in_flight() {
        let spec = CasRegister { initial: 0 };
        for seed in 0..10 {
            let shape = Shape { seed, clients: 8, operations: 1_500, lost_per_mille: 0 };
            let history = generate::cas_register(shape, 500);
            let is_read =
                |&index: &usize| matches!(history.operations()[index].output(), Some(CasOutput::Value(_)));
            let read = (1_400..1_500).find(is_read).expect("there is a read in so many operations");
            let stale = (700..read).rev().filter(is_read).nth(40).expect("there are reads before it");
            let stale = *history.operations()[stale].output().expect("it was answered");
            for (history, is_right) in
                [(generate::with_output(&history, read, stale), false), (history, true)]
            {
                let course = Course::new(&spec, &history, Limits::default(), None);
                let mut known = course.begin(&Scope::Whole, Limits::default());
                let learned = course.learn(&mut known, history.events(), &Scope::Whole, 1, u64::MAX);
                let mut all = course.begin(&Scope::Whole, Limits::default());
                let exact = course.advance(&mut all, history.events(), usize::MAX);
                let learned = learned.expect("it is decided");
                assert_eq!(learned.is_linearizable(), matches!(exact, Stop::Done), "seed {seed}");
                assert!(learned.is_linearizable() || !is_right, "seed {seed}: correct by construction");
            }
        }
    }

    /// Several threads' work, one after the other: however the roots are divided, the verdict is the definition's, and the
    /// place of the first impossible return is the one that a thread alone finds.
    #[test]
    fn roots_that_are_divided_end_in_the_verdict_of_the_definition() {
        let spec = CasRegister { initial: 0 };
        let (mut kept, mut broken) = (0, 0);
        for seed in 0..2_000_usize {
            let shape = Shape { seed: seed as u64, clients: 6, operations: 12, lost_per_mille: 450 };
            let mut history = generate::cas_register(shape, 3);
            for index in [seed % 12, seed / 12 % 12] {
                if let Some(CasOutput::Value(value)) = history.operations()[index].output() {
                    history = generate::with_output(&history, index, CasOutput::Value((value + 1) % 4));
                }
            }
            let course = Course::new(&spec, &history, Limits::default(), None);
            let mut known = course.begin(&Scope::Whole, Limits::default());
            // Wherever several worlds are possible for the first time.
            if !matches!(course.advance(&mut known, history.events(), 2), Stop::TooWide) {
                continue;
            }
            let width = known.search.width();
            let alone = course.learn(&mut known, history.events(), &Scope::Whole, 1, u64::MAX);
            let alone = alone.expect("so short a history is decided");
            assert_eq!(alone.is_linearizable(), brute_force::is_linearizable(&spec, &history), "seed {seed}");
            let roots = Roots::new(2);
            let mut found = None;
            for (price, share) in [(6, width / 2), (1, width)] {
                let mut taken = 0;
                let learned =
                    course.lead_on(&mut known, history.events(), price, Limits::default(), &mut || {
                        let root = (taken < share).then(|| roots.take(width)).flatten()?;
                        taken += 1;
                        Some(root)
                    });
                match learned {
                    Learned::Explained => found = Some(Ok(())),
                    Learned::Impossible(place) => found = found.or(roots.fail(taken, place, width).map(Err)),
                    Learned::GaveUp(_) => {}
                }
            }
            match found.expect("all roots were taken") {
                Ok(()) => {
                    assert!(alone.is_linearizable(), "seed {seed}");
                    kept += 1;
                }
                Err(place) => {
                    let verdict = course.explain(&history.events()[..=place], &Scope::Whole);
                    assert_eq!(verdict, alone, "seed {seed}");
                    broken += 1;
                }
            }
        }
        assert!(kept > 100 && broken > 10, "both must be exercised: {kept} kept, {broken} broken");
    }
}
