//! Replicas: deterministic machines that are fed the same log hold the same.

use std::collections::BTreeMap;

use super::{Property, PropertyViolation};

/// What a replica held when it had applied so much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaHash {
    /// The replica, as messages name it.
    pub node: String,
    /// How many entries of the log it had applied.
    pub applied_index: u64,
    /// A hash of all that it held.
    pub hash: u64,
}

/// Judges [`Property::ReplicasAgree`].
///
/// # Errors
/// Two replicas, or one before and after a restart, had different hashes at one applied index.
pub fn replicas_agree(hashes: &[ReplicaHash]) -> Result<(), PropertyViolation> {
    let mut first_at: BTreeMap<u64, &ReplicaHash> = BTreeMap::new();
    // The earliest disagreement tells most: what follows is its consequence.
    let mut earliest: Option<(&ReplicaHash, &ReplicaHash)> = None;
    for found in hashes {
        let first = *first_at.entry(found.applied_index).or_insert(found);
        let is_earlier = earliest.is_none_or(|(first, _)| found.applied_index < first.applied_index);
        if first.hash != found.hash && is_earlier {
            earliest = Some((first, found));
        }
    }
    let Some((first, found)) = earliest else { return Ok(()) };
    let sentence = format!(
        "At applied index {}, {} had hash {:016x} and {} had hash {:016x}.",
        found.applied_index, first.node, first.hash, found.node, found.hash
    );
    Err(PropertyViolation::new(Property::ReplicasAgree, sentence))
}
