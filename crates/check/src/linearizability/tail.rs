//! The end of a long history, refuted whatever came before it.
//!
//! Most of what makes a late answer impossible is near it. What is long past matters in one way only: that it is over. So the
//! history is cut, and of what came before the cut nothing is known but which *kinds* of operation (what was asked, and
//! what was answered) may still take effect after it:
//!
//! - at the cut any state is possible to which the operations of the whole history lead, each in any order and any number of
//!   times, whatever it was answered;
//! - an operation that was under way at the cut may have taken effect before it; a read is believed to have, and if there
//!   are many others, what they do is not restricted at all;
//! - an operation that was never answered, or whose kind may still take effect, may do so at any time, any number of times;
//! - all other operations from before the cut are over.
//!
//! Whoever can explain the history can explain its end under these conditions. So an end that is impossible under them makes
//! the history impossible, and it costs the length of the end to see it. The reverse does not hold.
//!
//! Objects with more states than `supply` keeps are left alone.

use crate::history::{Event, History, OperationId, Outcome};
use crate::specification::{Effect, Specification};
use crate::verdict::Unknown;

use super::search::{Ending, Label, NEVER, Scope};
use super::supply;
use super::tiers::Tiered;
use super::{Limits, TimeLimit};

/// A history of one part of an object, cut.
pub(crate) struct Tail<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    /// The events after the cut.
    events: &'a [Event],
    /// All states that can be.
    states: Vec<S::State>,
    /// By operation: a number that orders the returns, or [`NEVER`].
    deadlines: Vec<u64>,
    /// By operation: where it was at the cut.
    places: Vec<Place>,
}

/// Where an operation was at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not yet invoked.
    Ahead,
    /// Under way.
    Here,
    /// Under way, and nothing is known of what it does: it never returns, or only reads, or there are too many others.
    Unknown,
    /// Over.
    Past,
}

/// So many operations under way at the cut that depend on the state may have taken effect before it, or not: each doubles what
/// is possible.
const EITHER_MAX: usize = 5;

impl<'a, S: Specification> Tail<'a, S> {
    /// The history, cut before the last `events` of its events; nothing if the object has too many states.
    pub(crate) fn new(spec: &'a S, history: &'a History<S::Input, S::Output>, events: usize) -> Option<Self> {
        let states = supply::states(spec, history)?;
        let (before, events) = history.events().split_at(history.events().len().saturating_sub(events));
        let mut places = vec![Place::Ahead; history.len()];
        for event in before {
            match *event {
                Event::Invoked(index) => places[index] = Place::Unknown,
                Event::Returned(index) => places[index] = Place::Past,
            }
        }
        let mut deadlines = vec![NEVER; history.len()];
        let mut either = 0;
        for (place, event) in events.iter().enumerate() {
            let Event::Returned(index) = *event else { continue };
            deadlines[index] = place as u64;
            if places[index] != Place::Unknown {
                continue;
            }
            let operation = &history.operations()[index];
            match spec.effect_within_partition(&operation.input, operation.output()) {
                Effect::Overwrite => places[index] = Place::Here,
                Effect::General if either < EITHER_MAX => {
                    either += 1;
                    places[index] = Place::Here;
                }
                Effect::General | Effect::ReadOnly => {}
            }
        }
        Some(Self { spec, history, events, states, deadlines, places })
    }

    /// Whether an operation was over at the cut.
    pub(crate) fn is_past(&self, index: usize) -> bool {
        self.places[index] == Place::Past
    }

    /// The operations whose returns the end is about, in the order of these.
    pub(crate) fn returned(&self) -> impl Iterator<Item = usize> {
        self.events.iter().filter_map(|event| match *event {
            Event::Returned(index) if self.places[index] != Place::Unknown => Some(index),
            _ => None,
        })
    }

    /// Whether the end is impossible, where operations that ask what those of `still_possible` ask may still take effect, and
    /// operations of the end that are weak as well. If it is not, or too much would have to be looked at, nothing is known.
    pub(crate) fn is_refuted(
        &self,
        still_possible: &[usize],
        is_weak: impl Fn(usize) -> bool,
        limits: Limits,
        time: Option<TimeLimit<'_>>,
    ) -> bool {
        let late = |operations_returned, open| {
            let TimeLimit { time_max, elapsed } = time?;
            (elapsed() > time_max).then_some(Unknown::Time { time_max, operations_returned, open })
        };
        let mut search = Tiered::new(self.spec, Scope::Partition(String::new()), limits);
        search.relax();
        let mut in_flight: Vec<(usize, usize)> = Vec::new();
        let returns = |index: usize| self.places[index] != Place::Unknown && !is_weak(index);
        for index in (0..self.places.len()).filter(|&index| self.places[index] == Place::Here) {
            let deadline = if is_weak(index) { NEVER } else { self.deadlines[index] };
            in_flight.extend(self.invoke(&mut search, index, deadline).map(|slot| (index, slot)));
        }
        search.start_from(&self.states);
        let unknown = (0..self.places.len()).filter(|&index| self.places[index] == Place::Unknown);
        for index in unknown.chain(still_possible.iter().copied()) {
            self.invoke(&mut search, index, NEVER);
        }
        for event in self.events {
            match *event {
                Event::Invoked(index) => {
                    let deadline = if is_weak(index) { NEVER } else { self.deadlines[index] };
                    let slot = self.invoke(&mut search, index, deadline);
                    in_flight.extend(slot.map(|slot| (index, slot)));
                }
                Event::Returned(index) if returns(index) => {
                    let place = in_flight.iter().position(|(other, _)| *other == index);
                    let place = place.expect("what returns was invoked, or under way at the cut");
                    let (_, slot) = in_flight.swap_remove(place);
                    match search.explain_return(slot, &late) {
                        Ok(()) => {}
                        Err(Ending::Violation(_)) => return true,
                        Err(Ending::Unknown(_)) => return false,
                    }
                }
                Event::Returned(_) => {}
            }
        }
        false
    }

    /// An operation comes into flight: without its answer, if it never returns.
    fn invoke(&self, search: &mut Tiered<&'a S>, index: usize, deadline: u64) -> Option<usize> {
        let operation = &self.history.operations()[index];
        let (returned, output) = match &operation.outcome {
            Outcome::Returned { at, output } if deadline != NEVER => (Some(*at), Some(output)),
            _ => (None, None),
        };
        let (id, client, invoked) = (OperationId(index as u64), operation.client, operation.invoked);
        let label = Label { id, client, invoked, returned, deadline };
        search.invoke(label, &operation.input, output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::brute_force;
    use super::*;
    use crate::generate::{self, Random, Shape};
    use crate::specification::{CasOutput, CasRegister};

    /// What is refuted is impossible, by the definition, though all was weakened that may be.
    #[test]
    fn what_is_refuted_at_its_end_is_impossible_as_a_whole() {
        let spec = CasRegister { initial: 0 };
        let mut random = Random::new(7);
        let (mut refuted, mut impossible) = (0, 0);
        for seed in 0..20_000 {
            let shape = Shape { seed, clients: 3, operations: 8, lost_per_mille: 150 };
            let history = generate::cas_register(shape, 2);
            let index = random.below(8) as usize;
            let history = generate::with_output(&history, index, CasOutput::Value(random.below(3)));
            let events = 2 + random.below(12) as usize;
            let tail = Tail::new(&spec, &history, events).expect("the register has few states");
            // Of what is past, some kinds; of the end, some operations.
            let mut is_weak: Vec<bool> = history.operations().iter().map(|_| random.below(3) == 0).collect();
            for index in 0..history.len() {
                let kind = |index: usize| &history.operations()[index].input;
                let first = (0..index).find(|&other| tail.is_past(other) && kind(other) == kind(index));
                if let Some(first) = first.filter(|_| tail.is_past(index)) {
                    is_weak[index] = is_weak[first];
                }
            }
            let still_possible: Vec<usize> =
                (0..history.len()).filter(|&index| tail.is_past(index) && is_weak[index]).collect();
            if tail.is_refuted(&still_possible, |index| is_weak[index], Limits::default(), None) {
                refuted += 1;
                let weaker = history.without_answers(&is_weak);
                assert!(!brute_force::is_linearizable(&spec, &weaker), "seed {seed}: {history:?}");
            }
            impossible += usize::from(!brute_force::is_linearizable(&spec, &history));
        }
        assert!(refuted > 500, "{refuted} refuted of {impossible} that are impossible");
    }
}
