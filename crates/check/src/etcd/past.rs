//! Reads of old revisions, judged while a run goes on.
//!
//! # The problem
//! [`old_reads`](super::old_reads) holds every read of a past revision against the whole history of the store, so whoever wants to call it must keep that history. A
//! run that goes on for hours cannot.
//!
//! # The rule
//! The past is kept in two parts: the store as it was at a base revision, and all changes since. Reads are judged in batches, in the order of their
//! revisions, so that one walk over the changes serves them all. When more changes are kept than the bound, the older half
//! goes into the base.
//!
//! # What it costs, and what is left out
//! The keys of the store and a bounded number of changes. A read of a revision before the base cannot be judged any more: it is counted, and whoever reports on
//! the run says how many there were.

use std::collections::BTreeMap;

use super::old_reads::{apply, first_objection};
use super::{Change, OldRead, PropertyViolation};
use crate::specification::key_value::{Blob, Pair};

/// What is remembered of a store, and the reads that are to be held against it.
#[derive(Clone, Debug)]
pub(super) struct Past {
    base_revision: u64,
    base: BTreeMap<Blob, Pair>,
    changes: Vec<Change>,
    changes_max: usize,
    reads: Vec<OldRead>,
    /// Reads that were judged.
    pub judged: u64,
    /// Reads of what was already forgotten.
    pub too_old: u64,
}

impl Past {
    /// Of a store that is empty, at revision 1.
    pub fn new(changes_max: usize) -> Self {
        Self {
            base_revision: 1,
            base: BTreeMap::new(),
            changes: Vec::new(),
            changes_max,
            reads: Vec::new(),
            judged: 0,
            too_old: 0,
        }
    }

    /// The store was changed.
    pub fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// A read returned. What it read has happened by now.
    pub fn read(&mut self, read: OldRead) {
        self.reads.push(read);
    }

    /// How many reads wait to be judged.
    pub fn waiting(&self) -> usize {
        self.reads.len()
    }

    /// Judges what waits, and forgets what is too much.
    ///
    /// # Errors
    /// As [`old_reads`](super::old_reads).
    pub fn judge(&mut self) -> Result<(), PropertyViolation> {
        let waiting = self.reads.len();
        self.reads.retain(|read| read.at_revision >= self.base_revision);
        self.too_old += (waiting - self.reads.len()) as u64;
        self.judged += self.reads.len() as u64;
        let reads = std::mem::take(&mut self.reads);
        if !reads.is_empty() {
            first_objection(self.base.clone(), &self.changes, &reads)?;
        }
        if self.changes.len() > self.changes_max {
            self.forget();
        }
        Ok(())
    }

    /// The older half becomes the base. The changes of one revision stay together.
    fn forget(&mut self) {
        self.base_revision = self.changes[self.changes.len() / 2].revision;
        let kept = self.changes.partition_point(|change| change.revision <= self.base_revision);
        self.changes.drain(..kept).for_each(|change| apply(&mut self.base, &change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::OldReadAnswer;
    use crate::history::OperationId;
    use crate::specification::key_value::Span;

    const CHANGES_MAX: usize = 10;

    fn read(at_revision: u64, value: &str) -> OldRead {
        let pair = Pair {
            key: b"k".as_slice().into(),
            value: value.as_bytes().into(),
            create_revision: 2,
            mod_revision: at_revision,
            version: at_revision - 1,
            lease: 0,
        };
        let answer = OldReadAnswer::Pairs(vec![pair]);
        OldRead {
            id: OperationId(at_revision),
            span: Span::key("k"),
            at_revision,
            compaction_requested: 0,
            answer,
        }
    }

    fn past(revisions: u64) -> Past {
        let mut past = Past::new(CHANGES_MAX);
        for revision in 2..=revisions {
            past.changed(Change::put(revision, "k", revision.to_string()));
            past.judge().expect("nothing was read");
        }
        past
    }

    #[test]
    fn what_was_forgotten_is_the_base_of_what_is_judged() {
        let mut past = past(1_000);
        assert!(past.changes.len() <= CHANGES_MAX);
        for revision in past.base_revision..=1_000 {
            past.read(read(revision, &revision.to_string()));
        }
        past.judge().expect("every read is of its revision");
        past.read(read(999, "998"));
        past.judge().expect_err("999 was put at 999");
    }

    #[test]
    fn a_read_of_what_was_forgotten_is_counted_and_not_judged() {
        let mut past = past(1_000);
        past.read(read(3, "nonsense"));
        past.judge().expect("it cannot be judged");
        assert_eq!((past.too_old, past.judged), (1, 0));
    }
}
