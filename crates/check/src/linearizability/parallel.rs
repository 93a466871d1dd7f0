//! Parts of one object checked by several threads.
//!
//! Linearizability is local, so the parts need nothing of each other. The verdict does not depend on the threads: of
//! several broken parts the first is named, whichever thread was done first.
//!
//! Where there is one part only, and operations of it were never answered, one thread checks it as if it were alone, and the
//! others divide the worlds that are possible where they become too many, and learn from their failures (see the module
//! `learning`). Whoever knows the answer first ends the work of all. The verdict is the same for any number of threads, and so
//! is the return that is named, but for one case: alone, a thread may find a return that is impossible whatever unanswered
//! operations did and however often, before it finds the first that is impossible at all; others may find that one
//! first. ([`judge`](crate::judge) always names the first.)

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::history::{Event, History};
use crate::specification::Specification;
use crate::verdict::Verdict;

use super::broadening::{Course, OVERWRITE_PRICES, is_any_open};
use super::learning::{Prospect, Roots};
use super::search::Scope;
use super::zones;
use super::{Limits, TimeLimit, divide};

/// What a check may take.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// For each part of the object, where it is divided.
    pub limits: Limits,
    /// For all of it.
    pub time: Option<TimeLimit<'a>>,
    /// How many threads check parts side by side, or one part if there is only one and some of its operations were never
    /// answered.
    pub threads: NonZeroUsize,
}

impl Default for Effort<'_> {
    /// One thread, the default limits, any time.
    fn default() -> Self {
        Self { limits: Limits::default(), time: None, threads: NonZeroUsize::MIN }
    }
}

/// Checks a history with the given effort.
pub fn check_with<S>(spec: &S, history: &History<S::Input, S::Output>, effort: Effort<'_>) -> Verdict
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    let course = Course::new(spec, history, effort.limits, effort.time);
    let Some(parts) = divide(spec, history) else {
        return check_one(&course, history.events(), &Scope::Whole, effort.threads);
    };
    let parts: Vec<(String, Vec<Event>)> =
        parts.into_iter().map(|(partition, events)| (format!("{partition:?}"), events)).collect();
    if let [(name, events)] = &parts[..] {
        return check_one(&course, events, &Scope::Partition(name.clone()), effort.threads);
    }
    // The longest first: a long one that is begun last would keep everybody waiting.
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(parts[index].1.len()));
    let (taken, broken) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let verdicts: Mutex<Vec<(usize, Verdict)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some(&index) = order.get(taken.fetch_add(1, Ordering::Relaxed)) {
            // What comes after a part that is broken cannot be the first.
            if index > broken.load(Ordering::Relaxed) {
                continue;
            }
            let (name, events) = &parts[index];
            let verdict = course.check(events, Scope::Partition(name.clone()));
            if verdict.is_violation() {
                broken.fetch_min(index, Ordering::Relaxed);
            }
            if !verdict.is_linearizable() {
                verdicts.lock().expect("no thread panics while it holds the lock").push((index, verdict));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..effort.threads.get().min(parts.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut verdicts = verdicts.into_inner().expect("no thread panics while it holds the lock");
    verdicts.sort_by_key(|(index, verdict)| (!verdict.is_violation(), *index));
    verdicts.into_iter().next().map_or(Verdict::Linearizable, |(_, verdict)| verdict)
}

/// Whether a history of one part of an object is impossible even if unanswered operations may take effect any number of
/// times: then it is not linearizable. If it is not, nothing is known.
pub(crate) fn is_refuted<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    effort: Effort<'_>,
) -> bool {
    Course::new(spec, history, effort.limits, effort.time).is_refuted(history.events())
}

/// At most four operations whose returns make a history of one part of an object impossible, whatever the others did, where
/// each of its operations reads or writes and values tell the writes apart.
pub(crate) fn conflict<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Option<Vec<usize>> {
    zones::conflict(spec, history, history.events())
}

/// The verdict on one part, with as many threads as there are prices for unanswered overwrites.
fn check_one<S>(course: &Course<'_, S>, events: &[Event], scope: &Scope, threads: NonZeroUsize) -> Verdict
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    let others = OVERWRITE_PRICES.iter().skip(1).take(threads.get() - 1);
    if others.len() == 0 || !is_any_open(events) {
        return course.check(events, scope.clone());
    }
    let roots = Roots::new(others.len());
    let (is_over, is_explained, impossible) =
        (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(usize::MAX));
    let mine = course.until(&is_over);
    let verdict = std::thread::scope(|threads| {
        for &price in others {
            let (mine, roots, is_over) = (&mine, &roots, &is_over);
            let (is_explained, impossible) = (&is_explained, &impossible);
            threads.spawn(move || {
                match mine.prospect(events, scope, price, roots) {
                    Prospect::Nothing => return,
                    Prospect::Explained => is_explained.store(true, Ordering::Relaxed),
                    Prospect::Impossible(place) => impossible.store(place, Ordering::Relaxed),
                }
                is_over.store(true, Ordering::Relaxed);
            });
        }
        let verdict = mine.check(events, scope.clone());
        is_over.store(true, Ordering::Relaxed);
        verdict
    });
    match (verdict, impossible.into_inner()) {
        (Verdict::Unknown(_), _) if is_explained.into_inner() => Verdict::Linearizable,
        (Verdict::Unknown(_), place) if place < events.len() => course.explain(&events[..=place], scope),
        (verdict, _) => verdict,
    }
}
