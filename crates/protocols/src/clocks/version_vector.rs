//! Version vectors: how much of each replica's doings a state includes.
//!
//! # The problem
//!
//! Two copies of one object meet. Does one include everything that the other does, so that it may replace it, or did both change, so that something would be lost?
//! Wall clocks cannot tell; a counter a replica can.
//!
//! # The rules
//!
//! Parker et al. 1983 ("Detection of mutual inconsistency in distributed systems", section III); the same structure as the vector clock of Fidge 1988 and
//! Mattern 1989, but it counts updates, not events.
//!
//! - A replica that updates an object raises its own counter by one: [`VersionVector::advance`]. The pair of replica and counter names the update for ever: a [`Dot`].
//! - A state that includes two others has the larger counter of each replica: [`VersionVector::merge`].
//! - A state includes another iff none of its counters is smaller. This is `a >= b`; `partial_cmp` gives `None` for states that include each
//!   other neither way, which are *concurrent*.
//!
//! A replica that is not mentioned has counter zero, and counter zero is never stored. So equal vectors are equal values, and the length is the
//! number of replicas that ever updated.
//!
//! # What is guaranteed
//!
//! Vectors form a lattice: merging is commutative, associative and idempotent, and gives the least vector that includes both. If counters are
//! advanced only by their own replica, `a <= b` iff every update that `a` includes is included in `b`.
//!
//! # What is assumed
//!
//! No two actors advance the same counter, and nobody forgets how far it has counted: a replica whose disk was wiped comes back under another name.
//! States include an update only together with those that its author had seen before: what a vector describes is closed downwards.
//!
//! # What it costs
//!
//! One counter a replica, on every object and every message about it. Comparing and merging take the sum of both lengths.
//!
//! # What is left out
//!
//! Removal of the entries of replicas that are gone for good; that takes agreement that no state without them is left anywhere. Bounded counters and
//! interval tree clocks, which rename replicas, are other mechanisms.
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::clocks::VersionVector;
//!
//! let mut at_n1 = VersionVector::new();
//! at_n1.advance(NodeId(1));
//! let mut at_n2 = at_n1.clone();
//! at_n2.advance(NodeId(2));
//! assert!(at_n1 < at_n2, "n2 has seen what n1 did");
//!
//! at_n1.advance(NodeId(1));
//! assert_eq!(at_n1.partial_cmp(&at_n2), None, "both changed: concurrent");
//! ```

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use core::cmp::Ordering;
use core::fmt;

use synod_machine::NodeId;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("version_vector.rs");

/// One update: the `counter`th of that replica, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot<R = NodeId> {
    /// Who made it.
    pub replica: R,
    /// Which of its updates, from 1.
    pub counter: u64,
}

impl<R: fmt::Display> fmt::Display for Dot<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replica, self.counter)
    }
}

/// A counter for each replica; absent means zero.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionVector<R: Ord = NodeId>(BTreeMap<R, u64>);

impl<R: Ord> Default for VersionVector<R> {
    fn default() -> Self {
        VersionVector(BTreeMap::new())
    }
}

impl<R: Ord + Clone> VersionVector<R> {
    /// The vector that includes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many updates of that replica are included.
    pub fn get(&self, replica: &R) -> u64 {
        self.0.get(replica).copied().unwrap_or(0)
    }

    /// Whether that update is included.
    pub fn contains(&self, dot: &Dot<R>) -> bool {
        dot.counter <= self.get(&dot.replica)
    }

    /// One more update of that replica; gives its name.
    pub fn advance(&mut self, replica: R) -> Dot<R> {
        let counter = self.0.entry(replica.clone()).or_insert(0);
        *counter = counter.checked_add(1).expect("2^64 updates take longer than any replica lives");
        Dot { replica, counter: *counter }
    }

    /// Includes at least the first `counter` updates of that replica.
    pub fn raise(&mut self, replica: R, counter: u64) {
        match self.0.entry(replica) {
            Entry::Occupied(mut known) => *known.get_mut() = counter.max(*known.get()),
            Entry::Vacant(unknown) if counter > 0 => {
                unknown.insert(counter);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Includes what `other` includes as well: the larger counter of each replica.
    pub fn merge(&mut self, other: &Self) {
        for (replica, counter) in other.iter() {
            self.raise(replica.clone(), counter);
        }
    }

    /// Neither includes the other.
    pub fn concurrent(&self, other: &Self) -> bool {
        self.partial_cmp(other).is_none()
    }

    /// The replicas that ever updated, with their counters (never zero), in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&R, u64)> {
        self.0.iter().map(|(replica, counter)| (replica, *counter))
    }

    /// How many replicas ever updated.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is included.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn includes(&self, other: &Self) -> bool {
        self.len() >= other.len() && other.iter().all(|(replica, counter)| counter <= self.get(replica))
    }
}

impl<R: Ord + Clone> PartialOrd for VersionVector<R> {
    /// `Less` if the other includes this and more; `None` if they are concurrent.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.includes(other), other.includes(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

impl<R: Ord + Clone> FromIterator<(R, u64)> for VersionVector<R> {
    /// Of a replica that is named twice the larger counter counts.
    fn from_iter<I: IntoIterator<Item = (R, u64)>>(counters: I) -> Self {
        let mut vector = Self::new();
        for (replica, counter) in counters {
            vector.raise(replica, counter);
        }
        vector
    }
}

impl<R: Ord + fmt::Debug> fmt::Debug for VersionVector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl<R: Ord + fmt::Display> fmt::Display for VersionVector<R> {
    /// `{n1:2 n3:1}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (replica, counter)) in self.0.iter().enumerate() {
            write!(f, "{}{replica}:{counter}", if place == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}
