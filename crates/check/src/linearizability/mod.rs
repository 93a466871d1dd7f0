//! Linearizability: is there one order of all operations that respects real time and the specification.
//!
//! # The search
//!
//! The checker walks the returns of the history in real-time order and keeps the set of all *configurations* that can
//! explain what has returned so far: a state, and which of the operations in flight have taken effect in it. When an
//! operation returns that has not taken effect in a configuration, it has to take effect now, possibly after others that
//! are in flight (Lowe, "Testing for linearizability", 2017: just-in-time linearization). If no configuration is left,
//! the prefix up to this return is the smallest that is impossible.
//!
//! The set of operations in flight is small, where the depth-first search of Wing and Gong has to remember sets over the
//! whole history. What keeps the number of configurations small as well are rules against orders that cannot matter:
//!
//! 1. *Reads at once.* An operation that changes nothing takes effect as soon as it is legal: leaving it for later gains
//!    nothing.
//! 2. *Hidden writes.* Of two blind writes in a row the first is seen by nobody. It is not placed at all; instead a
//!    configuration remembers which writes in flight it *could hide* just before its last overwrite, and one that
//!    returns unplaced is hidden there without any change of the state. A write is placed before it has to be only
//!    where a read in flight sees it, or where it makes another operation legal that then follows it.
//! 3. *Twins.* Of two equal operations in flight the one that returns first is used first; one that never returned
//!    is used last.
//! 4. *Idle unknowns.* An operation that was never answered is placed only where it changes the state, or hides a write
//!    that nothing has hidden yet.
//! 5. *Dominance.* Of two configurations with one state, the one that has all freedoms of the other replaces it.
//!
//! Each rule is an exchange argument: an explanation that breaks the rule can be turned into one that keeps it. They are
//! checked together against [`brute_force`] on random histories.
//!
//! # Plain reads and writes
//!
//! Where every operation only reads or writes, and no value is written twice, no search is needed: when each value must
//! have been there decides, in time linear but for sorting (Gibbons and Korach, 1997).
//!
//! # What it costs
//!
//! A configuration is a few words: two sets of slots and the number of its state. The specification is asked for each
//! step once, as long as there are few states and actions; which of the operations in flight are legal in a state is
//! one set, kept up to date as they come. So an operation costs some hundred nanoseconds with five clients.
//!
//! Operations that were never answered stay in flight for ever, until they have taken effect in every configuration,
//! and multiply what is possible. Where too much is, narrow passes look for one explanation, a weaker condition for a
//! proof that there is none, a search that learns from its failures for either, and only then are more configurations kept
//! at once.
//!
//! # Guarantees and limits
//!
//! The decision problem is NP-complete (Gibbons and Korach, 1997), so there are histories on which the set explodes.
//! [`Limits`] bounds steps and configurations, and with them time and memory, and [`TimeLimit`] time itself; reaching
//! one is the answer [`Verdict::Unknown`], never a guess. Where the specification divides the object, its parts are
//! checked one by one, or, by [`check_with`], several at a time; the worlds of a single hard part are divided.
//!
//! Left out: lessons that several threads share. (A set of operations smaller than the prefix, and impossible already, is
//! looked for by [`judge`](crate::judge).)

mod automaton;
mod broadening;
pub mod brute_force;
mod configuration;
mod explain;
mod explored;
mod learning;
mod lessons;
mod mask;
mod online;
mod parallel;
mod search;
mod supply;
mod tail;
mod tiers;
mod witness;
mod zones;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Event, History};
use crate::specification::Specification;
use crate::verdict::{Unknown, Verdict};

use broadening::Course;
pub use online::{Online, OnlineError};
pub use parallel::{Effort, check_with};
pub(crate) use parallel::{conflict, is_refuted};
use search::{Ending, Scope};
pub(crate) use tail::Tail;
pub use witness::{Witness, WitnessLimits, witness};

/// What a check may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often the specification may be asked to make a step. Time is proportional to it.
    pub steps_max: u64,
    /// How many configurations may be possible at once, or be visited to explain one return. Memory is proportional
    /// to it.
    pub configurations_max: usize,
}

impl Default for Limits {
    /// A few seconds and some hundred megabytes, for small states.
    fn default() -> Self {
        Self { steps_max: 200_000_000, configurations_max: 1_000_000 }
    }
}

/// A limit on time, kept by a clock of the caller's: this crate has none.
#[derive(Clone, Copy)]
pub struct TimeLimit<'a> {
    /// The longest time.
    pub time_max: Duration,
    /// How long the check has lasted. It is asked now and then.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
}

/// Checks a history with the default limits.
pub fn check<S: Specification>(spec: &S, history: &History<S::Input, S::Output>) -> Verdict {
    check_within(spec, history, Limits::default())
}

/// Checks a history. The limits hold for each part of the object, where it is divided.
pub fn check_within<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    limits: Limits,
) -> Verdict {
    let course = Course::new(spec, history, limits, None);
    let Some(parts) = divide(spec, history) else { return course.check(history.events(), Scope::Whole) };
    let mut unknown = None;
    for (partition, events) in parts {
        match course.check(&events, Scope::Partition(format!("{partition:?}"))) {
            Verdict::Linearizable => {}
            Verdict::Unknown(reason) => unknown = unknown.or(Some(reason)),
            violation @ Verdict::Violation(_) => return violation,
        }
    }
    unknown.map_or(Verdict::Linearizable, Verdict::Unknown)
}

/// The events of each part of the object, or nothing if some operation concerns more than one.
fn divide<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Option<BTreeMap<S::Partition, Vec<Event>>> {
    let mut parts: BTreeMap<S::Partition, Vec<Event>> = BTreeMap::new();
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let partition = spec.partition(&history.operations()[index].input)?;
        parts.entry(partition).or_default().push(*event);
    }
    Some(parts)
}

impl From<Ending> for Verdict {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Violation(violation) => Self::Violation(violation),
            Ending::Unknown(unknown) => Self::Unknown(unknown),
        }
    }
}

impl From<Unknown> for Verdict {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}
