//! Reads at old revisions.

use std::collections::BTreeMap;

use super::{Change, Property, PropertyViolation, StoreHistory};
use crate::history::OperationId;
use crate::specification::key_value::{Blob, Pair, Span};

/// A read that named a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldRead {
    /// The operation.
    pub id: OperationId,
    /// Which keys.
    pub span: Span,
    /// The revision that was asked for.
    pub at_revision: u64,
    /// The highest revision that anybody had asked to compact at, when the read returned; 0 if nobody had.
    pub compaction_requested: u64,
    /// What came back.
    pub answer: OldReadAnswer,
}

/// The answer to an [`OldRead`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldReadAnswer {
    /// All pairs in the span, in the order of their keys.
    Pairs(Vec<Pair>),
    /// The revision has been compacted.
    Compacted,
}

/// Judges [`Property::OldReadsAreStable`].
///
/// # Errors
/// A read returned something else than was there at its revision, or was refused as compacted at a revision at or above
/// every compaction.
pub fn old_reads(history: &StoreHistory, reads: &[OldRead]) -> Result<(), PropertyViolation> {
    first_objection(BTreeMap::new(), &history.changes, reads)
}

/// The same of a store that held `pairs` before the changes.
pub(super) fn first_objection(
    mut pairs: BTreeMap<Blob, Pair>,
    changes: &[Change],
    reads: &[OldRead],
) -> Result<(), PropertyViolation> {
    let mut in_order: Vec<&OldRead> = reads.iter().collect();
    in_order.sort_by_key(|read| (read.at_revision, read.id));
    let mut changes = changes.iter().peekable();
    for read in in_order {
        while let Some(change) = changes.next_if(|change| change.revision <= read.at_revision) {
            apply(&mut pairs, change);
        }
        if let Some(sentence) = objection(&pairs, read) {
            return Err(PropertyViolation::new(Property::OldReadsAreStable, sentence));
        }
    }
    Ok(())
}

/// What a change makes of the pairs.
pub(super) fn apply(pairs: &mut BTreeMap<Blob, Pair>, change: &Change) {
    let Some(value) = &change.value else {
        pairs.remove(&change.key);
        return;
    };
    let pair = pairs.entry(change.key.clone()).or_insert_with(|| Pair {
        key: change.key.clone(),
        value: value.clone(),
        create_revision: change.revision,
        mod_revision: change.revision,
        version: 0,
        lease: 0,
    });
    pair.value = value.clone();
    pair.mod_revision = change.revision;
    pair.version += 1;
    pair.lease = change.lease;
}

fn objection(pairs: &BTreeMap<Blob, Pair>, read: &OldRead) -> Option<String> {
    let title = format!("Read {} of {} at revision {}", read.id, read.span, read.at_revision);
    let found = match &read.answer {
        OldReadAnswer::Pairs(found) => found,
        OldReadAnswer::Compacted => {
            // Exactly the revision of a compaction stays readable.
            return (read.at_revision >= read.compaction_requested).then(|| {
                format!(
                    "{title} was refused as compacted, but the highest compaction asked for was at revision {}.",
                    read.compaction_requested
                )
            });
        }
    };
    let mut expected = pairs.values().filter(|pair| read.span.contains(&pair.key));
    let mut found = found.iter();
    loop {
        return match (expected.next(), found.next()) {
            (None, None) => None,
            (expected, found) if expected == found => continue,
            (Some(expected), Some(found)) if expected.key == found.key => Some(format!(
                "{title} returned {found}, version {}, created at {}, lease {}, where the store had {expected}, \
                 version {}, created at {}, lease {}.",
                found.version,
                found.create_revision,
                found.lease,
                expected.version,
                expected.create_revision,
                expected.lease
            )),
            (Some(expected), found) if found.is_none_or(|found| expected.key < found.key) => {
                Some(format!("{title} did not return {expected}."))
            }
            (_, Some(found)) => Some(format!("{title} returned {found}, which was not there.")),
            (_, None) => unreachable!("an expected pair without a found one is the case before"),
        };
    }
}
