//! A whole history checked: first as it comes, then, where too much is possible, in ever broader passes.
//!
//! As long as few worlds are possible at a time, all are kept, and one pass decides. Where many are (operations that were
//! never answered can take effect in any order, for ever), a pass keeps only the most promising ones: those in which
//! fewest unanswered operations had to take effect, since what has not been used can still be. If such a pass comes to
//! the end, it has found an explanation. If it dies, nothing is known; then the condition is made weaker: if no explanation
//! exists even when unanswered operations may take effect any number of times, none exists. (Under that condition there
//! are few worlds, because what has been used need not be remembered.) If that does not decide it either, the next pass
//! is broader, from the last point at which all worlds were known. A pass that never had to leave out anything is exact,
//! whatever it says.

use crate::history::{Event, History, OperationId, Outcome};
use crate::specification::Specification;
use crate::verdict::{Unknown, Verdict};

use super::search::{Ending, Label, NEVER, Scope};
use super::tiers::Tiered;
use super::{Limits, TimeLimit};

/// How many worlds the first pass keeps at once.
const WIDTH_FIRST: usize = 1_024;
/// How much broader the next pass is.
const WIDTH_FACTOR: usize = 8;
/// Steps after which the time is looked at again.
const STEPS_PER_LOOK: u64 = 20_000;

/// A history with what all its parts need.
pub(super) struct Course<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    /// By operation: a number that orders the returns.
    deadlines: Vec<u64>,
    limits: Limits,
    time: Option<TimeLimit<'a>>,
}

/// How far a pass through a part has come.
struct Pass<'a, S: Specification> {
    search: Tiered<&'a S>,
    /// Events that have been taken.
    position: usize,
    /// By operation: its slot, while it is in flight.
    slots: Vec<u32>,
    /// At how many steps the time is to be looked at.
    look_at: u64,
}

impl<S: Specification> Clone for Pass<'_, S> {
    fn clone(&self) -> Self {
        let Self { search, position, slots, look_at } = self;
        Self { search: search.clone(), position: *position, slots: slots.clone(), look_at: *look_at }
    }
}

/// Why a pass stopped.
enum Stop {
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
        Self { spec, history, deadlines, limits, time }
    }

    /// The verdict on a part of the object, or on the whole.
    pub fn check(&self, events: &[Event], scope: Scope) -> Verdict {
        let mut known = Pass {
            search: Tiered::new(self.spec, scope, self.limits),
            position: 0,
            slots: vec![0; self.history.len()],
            look_at: STEPS_PER_LOOK,
        };
        let mut width = WIDTH_FIRST.min(self.limits.configurations_max);
        let mut is_weaker_tried = false;
        loop {
            // All that is possible, as far as that can be kept.
            match self.advance(&mut known, events, width) {
                Stop::Done => return Verdict::Linearizable,
                Stop::Ended(ending) => return ending.into(),
                Stop::TooWide => {}
            }
            let mut narrow = known.clone();
            let unknown = loop {
                narrow.search.narrow(width);
                match self.advance(&mut narrow, events, width) {
                    Stop::Done => return Verdict::Linearizable,
                    Stop::TooWide => {}
                    Stop::Ended(Ending::Violation(_)) => break None,
                    Stop::Ended(Ending::Unknown(unknown)) => break Some(unknown),
                }
            };
            if let Some(unknown @ (Unknown::Steps { .. } | Unknown::Time { .. })) = unknown {
                return Verdict::Unknown(unknown);
            }
            known.search.set_steps(narrow.search.steps());
            if !std::mem::replace(&mut is_weaker_tried, true)
                && let Some(violation) = self.check_weaker(&mut known, events)
            {
                return violation;
            }
            if width >= self.limits.configurations_max {
                return Verdict::Unknown(Unknown::Configurations {
                    configurations_max: self.limits.configurations_max,
                    operations_returned: known.search.returned_count(),
                    open: known.search.open_count(),
                });
            }
            width = (width * WIDTH_FACTOR).min(self.limits.configurations_max);
        }
    }

    /// A violation even of the weaker condition, if there is one.
    fn check_weaker(&self, known: &mut Pass<'a, S>, events: &[Event]) -> Option<Verdict> {
        let mut weaker = known.clone();
        weaker.search.relax();
        let stop = self.advance(&mut weaker, events, self.limits.configurations_max);
        known.search.set_steps(weaker.search.steps());
        match stop {
            Stop::Ended(ending @ Ending::Violation(_)) => Some(ending.into()),
            Stop::Ended(Ending::Unknown(_)) | Stop::Done | Stop::TooWide => None,
        }
    }

    /// Takes events until the worlds are more than `width`.
    fn advance(&self, pass: &mut Pass<'a, S>, events: &[Event], width: usize) -> Stop {
        if pass.search.width() > width {
            return Stop::TooWide;
        }
        while let Some(event) = events.get(pass.position) {
            pass.position += 1;
            match *event {
                Event::Invoked(index) => self.invoke(pass, index),
                Event::Returned(index) => {
                    if let Err(ending) = pass.search.explain_return(pass.slots[index] as usize) {
                        return Stop::Ended(ending);
                    }
                    if pass.search.width() > width {
                        return Stop::TooWide;
                    }
                    if let Some(unknown) = self.out_of_time(pass) {
                        return Stop::Ended(Ending::Unknown(unknown));
                    }
                }
            }
        }
        Stop::Done
    }

    fn invoke(&self, pass: &mut Pass<'a, S>, index: usize) {
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
        if let Some(slot) = pass.search.invoke(label, &operation.input, output) {
            pass.slots[index] = u32::try_from(slot).expect("fewer operations in flight than 2^32");
        }
    }

    fn out_of_time(&self, pass: &mut Pass<'a, S>) -> Option<Unknown> {
        let steps = pass.search.steps();
        if steps < pass.look_at {
            return None;
        }
        pass.look_at = steps + STEPS_PER_LOOK;
        let TimeLimit { time_max, elapsed } = self.time?;
        (elapsed() > time_max).then(|| Unknown::Time {
            time_max,
            operations_returned: pass.search.returned_count(),
            open: pass.search.open_count(),
        })
    }
}
