//! What must hold of siblings, said with full causal histories: the definition that dotted version vectors are a short form of.
//!
//! A causal history is the set of all writes that a version includes (Schwarz and Mattern 1994, section 2). It grows for ever, so nothing ships it; but it is what
//! "the writer had seen" means, so it decides which siblings are false and which are lost (Preguiça et al. 2010, section 3).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::Siblings;
use crate::clocks::version_vector::Dot;

/// Everything that a version includes, itself as well.
pub type CausalHistory<R> = BTreeSet<Dot<R>>;

/// One replica's versions of a key with their whole histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histories<R: Ord> {
    versions: BTreeMap<Dot<R>, CausalHistory<R>>,
}

impl<R: Ord> Default for Histories<R> {
    fn default() -> Self {
        Histories { versions: BTreeMap::new() }
    }
}

impl<R: Ord + Clone> Histories<R> {
    /// What a client that reads now has seen.
    pub fn seen(&self) -> CausalHistory<R> {
        self.versions.values().flatten().cloned().collect()
    }

    /// The writes that nothing replaced.
    pub fn versions(&self) -> impl Iterator<Item = &Dot<R>> {
        self.versions.keys()
    }

    /// The write `dot`, by a client that had seen `seen`.
    pub fn put(&mut self, dot: Dot<R>, mut seen: CausalHistory<R>) {
        seen.insert(dot.clone());
        self.versions.insert(dot, seen);
        self.keep_maximal();
    }

    /// Takes in another replica's versions.
    pub fn merge(&mut self, other: &Self) {
        self.versions.extend(other.versions.iter().map(|(dot, history)| (dot.clone(), history.clone())));
        self.keep_maximal();
    }

    /// No false sibling, no lost sibling, and no longer clock than there are `replicas`.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check<V>(&self, siblings: &Siblings<V, R>, replicas: usize) -> Result<(), String>
    where
        R: core::fmt::Debug,
    {
        if let Some(lost) = self.versions.keys().find(|dot| siblings.iter().all(|(kept, _)| kept != *dot)) {
            return Err(format!("no lost sibling: {lost:?} was replaced by nothing, and is gone"));
        }
        if let Some((kept, _)) = siblings.iter().find(|(kept, _)| !self.versions.contains_key(kept)) {
            return Err(format!("no false sibling: {kept:?} was seen by the writer of a version beside it"));
        }
        if siblings.context().len() > replicas {
            let found = siblings.context().len();
            return Err(format!("clock length: expected at most {replicas} counters, found {found}"));
        }
        Ok(())
    }

    fn keep_maximal(&mut self) {
        let replaced: BTreeSet<Dot<R>> = self
            .versions
            .iter()
            .flat_map(|(dot, history)| history.iter().filter(move |seen| *seen != dot).cloned())
            .collect();
        self.versions.retain(|dot, _| !replaced.contains(dot));
    }
}
