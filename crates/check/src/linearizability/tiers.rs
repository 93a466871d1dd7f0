//! A search in the smallest width that has room for what is in flight.

use crate::specification::Specification;

use super::Limits;
use super::mask::{Mask as _, Unbounded, Words};
use super::search::{Ending, Label, Late, Scope, Search};

/// A search with up to 64, up to 256, or any number of operations in flight.
#[derive(Clone, Debug)]
pub(super) enum Tiered<S: Specification> {
    Narrow(Search<S, Words<1>>),
    Wide(Search<S, Words<4>>),
    Unbounded(Search<S, Unbounded>),
}

/// The same expression in every width.
macro_rules! in_any_width {
    ($tiered:expr, $search:ident => $expression:expr) => {
        match $tiered {
            Tiered::Narrow($search) => $expression,
            Tiered::Wide($search) => $expression,
            Tiered::Unbounded($search) => $expression,
        }
    };
}

pub(super) use in_any_width;

impl<S: Specification + Clone> Tiered<S> {
    pub fn new(spec: S, scope: Scope, limits: Limits) -> Self {
        Self::Narrow(Search::new(spec, scope, limits))
    }

    /// The same search with room for so many operations in flight.
    pub fn with_room(self, slots: usize) -> Self {
        match self {
            Self::Narrow(search) if slots > Words::<1>::SLOTS_MAX => {
                Self::Wide(search.widened()).with_room(slots)
            }
            Self::Wide(search) if slots > Words::<4>::SLOTS_MAX => Self::Unbounded(search.widened()),
            enough => enough,
        }
    }

    /// See [`Search::invoke`].
    pub fn invoke(&mut self, label: Label, input: &S::Input, output: Option<&S::Output>) -> Option<usize> {
        match self {
            Self::Narrow(search) if search.is_full() => *self = Self::Wide(search.widened()),
            Self::Wide(search) if search.is_full() => *self = Self::Unbounded(search.widened()),
            _ => {}
        }
        in_any_width!(self, search => search.invoke(label, input, output))
    }

    /// See [`Search::explain_return`].
    pub fn explain_return(&mut self, slot: usize, late: Late<'_>) -> Result<(), Ending> {
        in_any_width!(self, search => search.explain_return(slot, late))
    }

    /// See [`Search::relax`].
    pub fn relax(&mut self) {
        in_any_width!(self, search => search.relax());
    }

    /// See [`Search::start_from`].
    pub fn start_from(&mut self, states: &[S::State]) {
        in_any_width!(self, search => search.start_from(states));
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        in_any_width!(self, search => search.limits = limits);
    }

    /// See [`Search::narrow`].
    pub fn narrow(&mut self, width: usize, overwrite_price: u32) {
        in_any_width!(self, search => search.narrow(width, overwrite_price));
    }

    /// See [`Search::open_count`].
    pub fn open_count(&self) -> usize {
        in_any_width!(self, search => search.open_count())
    }

    /// How many worlds are possible.
    pub fn width(&self) -> usize {
        in_any_width!(self, search => search.frontier.len())
    }

    pub fn returned_count(&self) -> u64 {
        in_any_width!(self, search => search.returned_count)
    }

    pub fn steps(&self) -> u64 {
        in_any_width!(self, search => search.steps)
    }

    /// Counts the steps of a search that was given up as steps of this one.
    pub fn set_steps(&mut self, steps: u64) {
        in_any_width!(self, search => search.steps = steps);
    }

    /// The states of the possible worlds.
    pub fn states(&self) -> Vec<&S::State> {
        in_any_width!(self, search => {
            search.frontier.iter().map(|world| search.automaton.state(world.state)).collect()
        })
    }
}
