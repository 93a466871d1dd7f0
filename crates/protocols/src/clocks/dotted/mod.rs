//! Dotted version vectors: which versions of a key replace each other, and which are siblings, with one counter a replica whatever the number of clients.
//!
//! # The problem
//!
//! Two clients read the same version of a key at one replica and both write. Neither saw the other's write, so both must be kept as *siblings* until someone who has seen
//! both merges them. A version vector with an entry a server cannot say so: both writes go through one server, the second gets the larger counter, and seems to
//! include the first, which is lost. A vector with an entry a client can, but grows with every client that ever wrote.
//!
//! # The rules
//!
//! Preguiça, Baquero, Almeida, Fonte, Gonçalves 2010 ("Dotted version vectors: logical clocks for optimistic replication") and Almeida et al. 2014
//! ("Scalable and accurate causality tracking for eventually consistent stores", sections 4 and 5).
//!
//! - A version's clock is the dot of the write itself plus a version vector of what the writing client had *read*: [`Version`]. The dot need not be next to
//!   the vector's counter of that replica; between them lie the writes that the client has not seen.
//! - `a` is replaced by `b` iff `b`'s past contains `a`'s dot. One look at one counter.
//! - A read gives the values together with one [`Siblings::context`] for all of them; a write hands the context of the read before it back.
//! - [`Siblings::put`]: the coordinating replica drops the values whose dots the context contains, and stores the new one under a fresh dot of its own.
//! - [`Siblings::merge`]: a value that both sides have stays; one that only one side has stays unless the other side's context contains its dot: that side
//!   has had it and has seen it replaced.
//!
//! [`Siblings`] is the set form of the paper of 2014, section 5: one vector for the whole set, and a dot with each value.
//!
//! # What is guaranteed
//!
//! No false sibling and no lost one: two versions are both kept iff neither writer had seen the other's. The clock's length is at most the number of
//! replicas that coordinated a write of the key. `merge` is commutative, associative and idempotent, so replicas that exchanged
//! their states in any order hold the same. `invariants.rs` says all this once more with full causal histories, to check against.
//!
//! # What is assumed
//!
//! A replica never gives a dot twice: its set for a key is durable before the write is acknowledged or sent on, and a wiped replica comes back under another name.
//! Contexts come from reads, unchanged. Replicas exchange whole sets: one version without its set cannot be merged into a plain vector, which has no way
//! to say "up to 3, and 5".
//!
//! # What it costs
//!
//! One counter a coordinating replica and key, one dot a sibling. A put or merge takes the number of siblings times the logarithm of the replicas.
//!
//! # What is left out
//!
//! Deletion beyond a value that says so: a key whose clock is dropped can come back from a replica that was away; see the death certificates of
//! `crate::gossip`. Pruning of long vectors (as Riak's and Dynamo's) is left out on purpose, for it gives up the guarantee.
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::clocks::{Siblings, VersionVector};
//!
//! let mut key = Siblings::default();
//! key.put(NodeId(1), &VersionVector::new(), "milk");
//! let seen = key.context().clone();                  // two clients read "milk" …
//! key.put(NodeId(1), &seen, "milk, eggs");           // … and both write at n1
//! key.put(NodeId(1), &seen, "milk, bread");
//! assert_eq!(key.values().collect::<Vec<_>>(), [&"milk, eggs", &"milk, bread"]);
//!
//! let seen = key.context().clone();                  // who has seen both, replaces both
//! key.put(NodeId(2), &seen, "milk, eggs, bread");
//! assert_eq!(key.values().collect::<Vec<_>>(), [&"milk, eggs, bread"]);
//! assert_eq!(key.context().len(), 2, "one counter a replica");
//! ```

pub mod invariants;

use alloc::collections::BTreeMap;
use core::cmp::Ordering;

use synod_machine::NodeId;

use super::version_vector::{Dot, VersionVector};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// The clock of one version: the write's own dot, and what its writer had seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version<R: Ord = NodeId> {
    /// The write itself.
    pub dot: Dot<R>,
    /// What the writer had read.
    pub past: VersionVector<R>,
}

impl<R: Ord + Clone> Version<R> {
    /// Everything that this version includes, its own write as well. Lossy: the vector also contains what lies between the past and the dot.
    pub fn vector(&self) -> VersionVector<R> {
        let mut vector = self.past.clone();
        vector.raise(self.dot.replica.clone(), self.dot.counter);
        vector
    }

    /// Neither writer had seen the other's write: siblings.
    pub fn concurrent(&self, other: &Self) -> bool {
        self.partial_cmp(other).is_none()
    }
}

impl<R: Ord + Clone> PartialOrd for Version<R> {
    /// `Less` if the other replaces this one; `None` for siblings.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.dot == other.dot {
            return (self.past == other.past).then_some(Ordering::Equal);
        }
        match (other.past.contains(&self.dot), self.past.contains(&other.dot)) {
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            // Both at once is a cycle, which no execution makes; a peer's nonsense is kept as siblings.
            _ => None,
        }
    }
}

/// The versions of one key that nothing replaced yet, and all that is known of the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Siblings<V, R: Ord = NodeId> {
    context: VersionVector<R>,
    values: BTreeMap<Dot<R>, V>,
}

impl<V, R: Ord> Default for Siblings<V, R> {
    fn default() -> Self {
        Siblings { context: VersionVector::default(), values: BTreeMap::new() }
    }
}

impl<V, R: Ord + Clone> Siblings<V, R> {
    /// What a client that reads now has seen; it comes back with the client's next write.
    pub fn context(&self) -> &VersionVector<R> {
        &self.context
    }

    /// The values, in the order of their dots.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.values.values()
    }

    /// The values with the writes that made them.
    pub fn iter(&self) -> impl Iterator<Item = (&Dot<R>, &V)> {
        self.values.iter()
    }

    /// How many siblings there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no value was ever stored, or none is left.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A write coordinated by `replica`, from a client that had seen `seen`. Gives the name of the write. It must be durable before it is acknowledged.
    pub fn put(&mut self, replica: R, seen: &VersionVector<R>, value: V) -> Dot<R> {
        self.values.retain(|dot, _| !seen.contains(dot));
        // A context from a replica that is ahead of this one: its writes are known of from now on, though their values never came here.
        self.context.merge(seen);
        let dot = self.context.advance(replica);
        self.values.insert(dot.clone(), value);
        dot
    }
}

impl<V: Clone, R: Ord + Clone> Siblings<V, R> {
    /// Takes in another replica's set: keeps what neither side has seen replaced. Whether that changed anything here.
    pub fn merge(&mut self, other: &Self) -> bool {
        let before = self.values.len();
        self.values.retain(|dot, _| other.values.contains_key(dot) || !other.context.contains(dot));
        let mut changed = self.values.len() != before;
        for (dot, value) in &other.values {
            if !self.context.contains(dot) {
                self.values.insert(dot.clone(), value.clone());
                changed = true;
            }
        }
        if !matches!(self.context.partial_cmp(&other.context), Some(Ordering::Equal | Ordering::Greater)) {
            self.context.merge(&other.context);
            changed = true;
        }
        changed
    }

    /// Whether the other set has something that this one lacks, or has seen replaced what this one keeps: a merge would change it.
    pub fn lacks(&self, other: &Self) -> bool {
        !matches!(self.context.partial_cmp(&other.context), Some(Ordering::Equal | Ordering::Greater))
    }
}
