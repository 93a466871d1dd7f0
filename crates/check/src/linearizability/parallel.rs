//! Parts of one object checked by several threads.
//!
//! Linearizability is local, so the parts need nothing of each other. The verdict does not depend on the threads: of
//! several broken parts the first is named, whichever thread was done first.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::history::{Event, History};
use crate::specification::Specification;
use crate::verdict::Verdict;

use super::broadening::Course;
use super::search::Scope;
use super::{Limits, TimeLimit, divide};

/// What a check may take.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// For each part of the object, where it is divided.
    pub limits: Limits,
    /// For all of it.
    pub time: Option<TimeLimit<'a>>,
    /// How many threads check parts side by side.
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
    let Some(parts) = divide(spec, history) else { return course.check(history.events(), Scope::Whole) };
    let parts: Vec<(String, Vec<Event>)> =
        parts.into_iter().map(|(partition, events)| (format!("{partition:?}"), events)).collect();
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
