//! Revisions, and the writes that were acknowledged.

use std::collections::BTreeSet;

use super::{Property, PropertyViolation, StoreHistory};
use crate::history::OperationId;
use crate::specification::key_value::{Blob, KeyValueHistory, Reply, Request, Span, Text};

/// Judges [`Property::RevisionsAreDense`].
///
/// # Errors
/// A revision is skipped, used again after a later one, or changes a key twice.
pub fn revisions_are_dense(history: &StoreHistory) -> Result<(), PropertyViolation> {
    let violation = |sentence| Err(PropertyViolation::new(Property::RevisionsAreDense, sentence));
    let mut latest = history.base_revision;
    let mut keys = BTreeSet::new();
    for (index, change) in history.changes.iter().enumerate() {
        let is_next = change.revision == latest + 1;
        // The first change begins a new revision: nothing can belong to the base.
        if !is_next && (change.revision != latest || index == 0) {
            let word = if change.revision > latest { "skips" } else { "goes back to" };
            return violation(format!(
                "After revision {latest} comes {change}, which {word} revision {}.",
                if change.revision > latest { latest + 1 } else { change.revision }
            ));
        }
        if is_next {
            keys.clear();
        }
        if !keys.insert(&change.key) {
            return violation(format!("Revision {latest} changes {} twice.", Text(&change.key)));
        }
        latest = change.revision;
    }
    Ok(())
}

/// A write whose client was told that it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgedWrite {
    /// The operation.
    pub id: OperationId,
    /// The revision that the answer named.
    pub revision: u64,
    /// What was acknowledged; together all that the revision changed.
    pub effects: Vec<AcknowledgedEffect>,
}

/// A part of what an acknowledged write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcknowledgedEffect {
    /// A value was put at a key.
    Put {
        /// Where.
        key: Blob,
        /// What.
        value: Blob,
    },
    /// Keys were deleted.
    Deleted {
        /// Which could be.
        span: Span,
        /// How many were.
        count: u64,
    },
}

/// The writes of a history that were acknowledged and changed something. Revocations are left out: their answers do not
/// say whether a key was attached.
pub fn acknowledged_writes(history: &KeyValueHistory) -> Vec<AcknowledgedWrite> {
    let mut writes = Vec::new();
    for (index, operation) in history.operations().iter().enumerate() {
        let Some(answer) = operation.output() else { continue };
        let mut effects = Vec::new();
        collect_effects(&operation.input, &answer.reply, &mut effects);
        if !effects.is_empty() {
            writes.push(AcknowledgedWrite {
                id: OperationId(index as u64),
                revision: answer.revision,
                effects,
            });
        }
    }
    writes
}

fn collect_effects(request: &Request, reply: &Reply, effects: &mut Vec<AcknowledgedEffect>) {
    match (request, reply) {
        (Request::Put { key, value, .. }, Reply::Put { .. }) => {
            effects.push(AcknowledgedEffect::Put { key: key.clone(), value: value.clone() });
        }
        (Request::Delete { span, .. }, Reply::Delete { deleted, .. }) if *deleted > 0 => {
            effects.push(AcknowledgedEffect::Deleted { span: span.clone(), count: *deleted });
        }
        (Request::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
            let branch = if *succeeded { success } else { failure };
            for (request, reply) in branch.iter().zip(replies) {
                collect_effects(request, reply, effects);
            }
        }
        _ => {}
    }
}

/// Judges [`Property::AcknowledgedWritesSurvive`].
///
/// # Errors
/// A write is not in the history, or the history has something else in its place.
pub fn acknowledged_writes_survive(
    history: &StoreHistory,
    writes: &[AcknowledgedWrite],
) -> Result<(), PropertyViolation> {
    let mut owners: Vec<(u64, OperationId)> = Vec::with_capacity(writes.len());
    for write in writes {
        if let Some(sentence) = missing_part(history, write) {
            return Err(PropertyViolation::new(Property::AcknowledgedWritesSurvive, sentence));
        }
        owners.push((write.revision, write.id));
    }
    owners.sort_unstable();
    for pair in owners.windows(2) {
        if pair[0].0 == pair[1].0 {
            let ((revision, one), (_, two)) = (pair[0], pair[1]);
            let sentence =
                format!("Operations {one} and {two} were both told that revision {revision} is theirs.");
            return Err(PropertyViolation::new(Property::AcknowledgedWritesSurvive, sentence));
        }
    }
    Ok(())
}

/// What of a write is not in the history, in a sentence.
fn missing_part(history: &StoreHistory, write: &AcknowledgedWrite) -> Option<String> {
    let AcknowledgedWrite { id, revision, .. } = write;
    let changes = history.at(*revision);
    if changes.is_empty() {
        let last = history.last_revision();
        return Some(format!(
            "Operation {id} was acknowledged at revision {revision}, but the store's history has no change at that \
             revision (it ends at {last})."
        ));
    }
    let mut accounted = 0;
    for effect in &write.effects {
        match effect {
            AcknowledgedEffect::Put { key, value } => {
                let found = changes.iter().find(|change| change.key == *key);
                if found.is_none_or(|change| change.value.as_ref() != Some(value)) {
                    let (key, value) = (Text(key), Text(value));
                    let instead = found.unwrap_or(&changes[0]);
                    return Some(format!(
                        "Operation {id} was acknowledged to have put {key} = {value} at revision {revision}, but the \
                         store's history has {instead}."
                    ));
                }
                accounted += 1;
            }
            AcknowledgedEffect::Deleted { span, count } => {
                let deleted =
                    changes.iter().filter(|change| change.value.is_none() && span.contains(&change.key));
                let found = deleted.count() as u64;
                if found < *count {
                    return Some(format!(
                        "Operation {id} was acknowledged to have deleted {count} keys in {span} at revision \
                         {revision}, but the store's history has {found} deletions there."
                    ));
                }
                accounted += count;
            }
        }
    }
    (accounted != changes.len() as u64).then(|| {
        format!(
            "Operation {id} was acknowledged to have changed {accounted} keys at revision {revision}, but the store's \
             history has {} changes there.",
            changes.len()
        )
    })
}
