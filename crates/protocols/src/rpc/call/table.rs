//! The duplicate table: which calls were executed, and what they returned.
//!
//! Calls of an activity are numbered, and a client says below which number it needs no answer any more. So an activity takes as much room as it has
//! open calls, and whatever arrives from below the line is a late copy (Birrell and Nelson 1984, section 3.2: the next call acknowledges the last result).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::{NodeId, Ticket};

use super::{Activity, CallId, Incarnation, Remembered};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DuplicateTable {
    activities: BTreeMap<Activity, Record>,
    /// Activities of a client's lives before this are closed.
    oldest: BTreeMap<NodeId, Incarnation>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    closed: u64,
    results: BTreeMap<u64, Kept>,
}

/// What a call returned, and the write that makes it so; answers wait for that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    pub results: Bytes,
    pub ticket: Ticket,
}

/// What the table knows of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Executed(Kept),
    /// Its client needs no answer any more.
    Closed,
}

impl DuplicateTable {
    pub(super) fn look(&self, call: CallId) -> Known {
        let Activity { client, incarnation } = call.activity;
        if self.oldest.get(&client).is_some_and(|oldest| incarnation < *oldest) {
            return Known::Closed;
        }
        let Some(record) = self.activities.get(&call.activity) else { return Known::Nothing };
        match record.results.get(&call.sequence) {
            Some(kept) => Known::Executed(kept.clone()),
            None if call.sequence < record.closed => Known::Closed,
            None => Known::Nothing,
        }
    }

    /// The client needs no answer to calls below `closed`, nor to those of its lives before `oldest`.
    pub(super) fn close(&mut self, activity: Activity, closed: u64, oldest: Incarnation) {
        let known = self.oldest.entry(activity.client).or_default();
        if *known < oldest {
            *known = oldest;
            self.activities.retain(|other, _| other.client != activity.client || other.incarnation >= oldest);
        }
        if activity.incarnation >= oldest {
            let record = self.activities.entry(activity).or_default();
            record.closed = record.closed.max(closed);
            record.results = record.results.split_off(&record.closed);
        }
    }

    pub(super) fn remember(&mut self, call: CallId, results: Bytes, ticket: Ticket) {
        let record = self.activities.entry(call.activity).or_default();
        record.results.insert(call.sequence, Kept { results, ticket });
    }

    pub(super) fn expire(&mut self, activity: Activity) {
        self.activities.remove(&activity);
        if !self.activities.keys().any(|other| other.client == activity.client) {
            self.oldest.remove(&activity.client);
        }
    }

    pub(super) fn activities(&self) -> usize {
        self.activities.len()
    }

    pub(super) fn results(&self) -> usize {
        self.activities.values().map(|record| record.results.len()).sum()
    }

    pub(super) fn save(&self) -> Vec<Remembered> {
        let saved = self.activities.iter().map(|(activity, record)| Remembered {
            activity: *activity,
            closed: record.closed,
            results: record
                .results
                .iter()
                .map(|(sequence, kept)| (*sequence, kept.results.clone()))
                .collect(),
        });
        saved.collect()
    }

    pub(super) fn restore(saved: Vec<Remembered>) -> Self {
        let mut table = DuplicateTable::default();
        for Remembered { activity, closed, results } in saved {
            let oldest = table.oldest.entry(activity.client).or_insert(activity.incarnation);
            *oldest = (*oldest).min(activity.incarnation);
            let results = results
                .into_iter()
                .map(|(sequence, results)| (sequence, Kept { results, ticket: Ticket(0) }));
            table.activities.insert(activity, Record { closed, results: results.collect() });
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(incarnation: u64, sequence: u64) -> CallId {
        CallId { activity: Activity { client: NodeId(1), incarnation: Incarnation(incarnation) }, sequence }
    }

    #[test]
    fn closed_calls_are_forgotten_and_yet_known() {
        let mut table = DuplicateTable::default();
        for sequence in 1..=3 {
            table.remember(call(1, sequence), Bytes::new(), Ticket(0));
        }
        table.close(call(1, 3).activity, 3, Incarnation(1));
        assert_eq!((table.results(), table.look(call(1, 2))), (1, Known::Closed));
        assert!(matches!(table.look(call(1, 3)), Known::Executed(_)));
        assert_eq!(table.look(call(1, 4)), Known::Nothing);
    }

    #[test]
    fn activities_of_finished_lives_are_forgotten_and_yet_known() {
        let mut table = DuplicateTable::default();
        table.remember(call(1, 7), Bytes::new(), Ticket(0));
        table.close(call(2, 1).activity, 1, Incarnation(2));
        assert_eq!((table.activities(), table.look(call(1, 8))), (1, Known::Closed));
    }

    #[test]
    fn what_is_saved_comes_back() {
        let mut table = DuplicateTable::default();
        table.close(call(2, 5).activity, 5, Incarnation(2));
        table.remember(call(2, 6), Bytes::from_static(b"x"), Ticket(0));
        assert_eq!(DuplicateTable::restore(table.save()), table);
    }
}
