//! Narrow passes that learn from where they die what is scarce.
//!
//! An operation that was never answered can be used once, at any time. A narrow pass that uses it too early lacks it
//! later, and dies where nothing else leads to the state that is needed. To go back a little does not help then: the
//! waste may be as old as the history. So each kind of unanswered operation has a *price*, at first the same for all.
//! A pass keeps the worlds that spent least. Where it dies, those kinds become dearer that were used before and could
//! have helped now, and it begins anew. That is what multipliers do in the relaxation of an assignment with scarce
//! goods (Held and Karp, 1971): prices rise until what is scarce is kept for where nothing else will do.
//!
//! What is found is an explanation whatever the prices were. What is not found proves nothing.

use crate::history::Event;
use crate::specification::Specification;
use crate::verdict::Verdict;

use super::broadening::{Course, Pass, Stop};
use super::search::Ending;

/// What each kind costs before anything is known.
const PRICE_FIRST: u32 = 8;
/// How many worlds a pass keeps: few at first, since most histories need no more.
const WIDTHS: [usize; 3] = [4, 16, 64];
/// How many passes of each width are made.
const PASSES_MAX: u32 = 60;

/// What the use of an unanswered operation costs, by the number of its action.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    raised: Vec<u32>,
}

impl Prices {
    /// The price of an action.
    pub fn of(&self, action: u32) -> u32 {
        PRICE_FIRST + self.raised.get(action as usize).copied().unwrap_or_default()
    }

    /// Makes an action dearer.
    pub fn raise(&mut self, action: u32, by: u32) {
        let index = action as usize;
        if self.raised.len() <= index {
            self.raised.resize(index + 1, 0);
        }
        self.raised[index] = self.raised[index].saturating_add(by);
    }
}

impl<'a, S: Specification> Course<'a, S> {
    /// The verdict, if a pass from where all worlds are known comes to the end.
    pub(super) fn try_priced(&self, known: &mut Pass<'a, S>, events: &[Event]) -> Option<Verdict> {
        let steps_max = known.search.steps() + self.limits.steps_max / super::broadening::NARROW_STEPS_SHARE;
        for width in WIDTHS {
            let mut prices = Prices::default();
            for pass_number in 0..PASSES_MAX {
                let mut pass = known.clone();
                let ending = self.advance_at_prices(&mut pass, events, width, &prices);
                known.search.set_steps(pass.search.steps());
                match ending {
                    None => return Some(Verdict::Linearizable),
                    Some(Ending::Unknown(unknown)) if unknown.is_final() => {
                        return Some(Verdict::Unknown(unknown));
                    }
                    Some(_) if known.search.steps() > steps_max => return None,
                    Some(_) => {}
                }
                // Later steps are smaller, so that the prices settle.
                let by = (PRICE_FIRST / (1 + pass_number / 8)).max(1);
                if !pass.stuck_at.is_some_and(|slot| pass.search.raise_prices(slot, by, &mut prices)) {
                    break;
                }
            }
        }
        None
    }

    /// Goes to the end with the worlds that spent least; nothing if it is reached.
    fn advance_at_prices(
        &self,
        pass: &mut Pass<'a, S>,
        events: &[Event],
        width: usize,
        prices: &Prices,
    ) -> Option<Ending> {
        pass.search.narrow_at_prices(width, prices);
        loop {
            match self.advance(pass, events, width) {
                Stop::Done => return None,
                Stop::Ended(ending) => return Some(ending),
                Stop::TooWide => pass.search.narrow_at_prices(width, prices),
            }
        }
    }
}
