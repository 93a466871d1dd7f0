//! Reads on their way to a moment at which the replica may answer them: a round of the read index, then the applied index.
//!
//! All reads that wait share one round; while a round is under way the next ones gather for the next. So the cost of a
//! linearizable read falls with the load, and nothing waits for a timer.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Mono, NodeId, RequestId};
use synod_protocols::consensus::raft::Index;
use synod_storage::mvcc::LeaseId;

use crate::Query;

/// What waits for a linearizable moment.
#[derive(Clone, Debug)]
pub enum Waiter {
    /// A client's read.
    Query {
        /// The request.
        id: RequestId,
        /// What to read.
        query: Query,
    },
    /// A question about a lease, which this node answers as the leader.
    Lease {
        /// Who asked; may be this node.
        from: NodeId,
        /// In which of its lives.
        boot: u64,
        /// The request there.
        id: RequestId,
        /// Which lease.
        lease: LeaseId,
        /// Whether to extend it.
        renew: bool,
    },
}

type Since = (Mono, Waiter);

/// The reads of one group at one node that are not answered yet.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    gathered: Vec<Since>,
    /// Under way. With two at once each would be shared by fewer: a tenth less throughput, measured with 64 clients.
    round: Option<(RequestId, Vec<Since>)>,
    /// Confirmed; waiting until the replica has applied this far.
    confirmed: BTreeMap<Index, Vec<Since>>,
}

impl Reads {
    /// Waits for the next round.
    pub fn add(&mut self, waiter: Waiter, now: Mono) {
        self.gathered.push((now, waiter));
    }

    /// Begins a round for all that gathered, if one may begin.
    pub fn begin(&mut self, round: RequestId) -> bool {
        if self.gathered.is_empty() || self.round.is_some() {
            return false;
        }
        self.round = Some((round, std::mem::take(&mut self.gathered)));
        true
    }

    /// All that gathered join the round under way, whose answer may be older than they are: a known bug, for tests only.
    pub(crate) fn join(&mut self) {
        if let Some((_, waiters)) = &mut self.round {
            waiters.append(&mut self.gathered);
        }
    }

    /// A round was answered.
    pub fn confirm(&mut self, round: RequestId, index: Index) {
        if let Some(waiters) = self.take_round(round) {
            self.confirmed.entry(index).or_default().extend(waiters);
        }
    }

    /// A round was not answered: its reads gather anew.
    pub fn refuse(&mut self, round: RequestId) {
        if let Some(waiters) = self.take_round(round) {
            self.gathered.extend(waiters);
        }
    }

    /// Those that may be answered now that the replica has applied up to `applied`.
    pub fn ready(&mut self, applied: Index) -> Vec<Waiter> {
        let mut ready = Vec::new();
        while let Some(entry) = self.confirmed.first_entry() {
            if *entry.key() > applied {
                break;
            }
            ready.extend(entry.remove().into_iter().map(|(_, waiter)| waiter));
        }
        ready
    }

    /// Removes those that have waited for `limit`.
    pub fn expire(&mut self, now: Mono, limit: Duration) -> Vec<Waiter> {
        let mut expired = Vec::new();
        for waiters in self.queues_mut() {
            let (late, rest): (Vec<Since>, Vec<Since>) =
                std::mem::take(waiters).into_iter().partition(|(since, _)| now.since(*since) >= limit);
            *waiters = rest;
            expired.extend(late.into_iter().map(|(_, waiter)| waiter));
        }
        self.confirmed.retain(|_, waiters| !waiters.is_empty());
        expired
    }

    /// When the one that has waited longest came.
    pub fn oldest(&self) -> Option<Mono> {
        let round = self.round.iter().flat_map(|(_, waiters)| waiters);
        self.gathered
            .iter()
            .chain(round)
            .chain(self.confirmed.values().flatten())
            .map(|(since, _)| *since)
            .min()
    }

    /// Whether any read waits for a round to begin.
    pub fn gathering(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// How many reads wait, wherever they stand.
    pub fn len(&self) -> usize {
        let round = self.round.as_ref().map_or(0, |(_, waiters)| waiters.len());
        self.gathered.len() + round + self.confirmed.values().map(Vec::len).sum::<usize>()
    }

    fn take_round(&mut self, round: RequestId) -> Option<Vec<Since>> {
        self.round.take_if(|(id, _)| *id == round).map(|(_, waiters)| waiters)
    }

    fn queues_mut(&mut self) -> impl Iterator<Item = &mut Vec<Since>> {
        let round = self.round.iter_mut().map(|(_, waiters)| waiters);
        std::iter::once(&mut self.gathered).chain(round).chain(self.confirmed.values_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn read(reads: &mut Reads, id: u64) {
        reads.add(Waiter::Query { id: RequestId(id), query: Query::Revision }, at(id));
    }

    fn ids(waiters: Vec<Waiter>) -> Vec<u64> {
        let id = |waiter| match waiter {
            Waiter::Query { id, .. } | Waiter::Lease { id, .. } => id.0,
        };
        waiters.into_iter().map(id).collect()
    }

    #[test]
    fn reads_that_wait_share_a_round_and_later_ones_take_the_next() {
        let mut reads = Reads::default();
        assert!(!reads.begin(RequestId(100)), "nothing waits");
        read(&mut reads, 1);
        read(&mut reads, 2);
        assert!(reads.begin(RequestId(100)));
        read(&mut reads, 3);
        reads.confirm(RequestId(100), Index(5));
        assert_eq!(ids(reads.ready(Index(9))), [1, 2], "the answer may be older than read 3");
        assert!(reads.begin(RequestId(101)));
        reads.confirm(RequestId(101), Index(6));
        assert_eq!((ids(reads.ready(Index(6))), reads.len()), (vec![3], 0));
    }

    #[test]
    fn a_read_waits_until_the_replica_has_come_as_far_as_the_index() {
        let mut reads = Reads::default();
        for (id, index) in [(1, 7), (2, 5)] {
            read(&mut reads, id);
            assert!(reads.begin(RequestId(100 + id)));
            reads.confirm(RequestId(100 + id), Index(index));
        }
        assert_eq!(ids(reads.ready(Index(4))), [] as [u64; 0]);
        assert_eq!(ids(reads.ready(Index(5))), [2]);
        assert_eq!(ids(reads.ready(Index(7))), [1]);
    }

    #[test]
    fn reads_of_a_round_without_an_answer_gather_anew() {
        let mut reads = Reads::default();
        read(&mut reads, 1);
        assert!(reads.begin(RequestId(100)));
        reads.refuse(RequestId(100));
        reads.confirm(RequestId(100), Index(1));
        assert_eq!((ids(reads.ready(Index(9))), reads.gathering()), (vec![], true));
    }

    #[test]
    fn one_round_is_under_way_at_a_time() {
        let mut reads = Reads::default();
        read(&mut reads, 1);
        assert!(reads.begin(RequestId(100)));
        read(&mut reads, 9);
        assert!(!reads.begin(RequestId(200)));
        reads.confirm(RequestId(100), Index(1));
        assert!(reads.begin(RequestId(200)));
    }

    #[test]
    fn late_reads_are_given_up_wherever_they_stand() {
        let mut reads = Reads::default();
        read(&mut reads, 1);
        reads.begin(RequestId(100));
        reads.confirm(RequestId(100), Index(99));
        read(&mut reads, 2);
        reads.begin(RequestId(101));
        read(&mut reads, 3);
        read(&mut reads, 50);
        assert_eq!(reads.oldest(), Some(at(1)));
        let mut late = ids(reads.expire(at(110), Duration::from_millis(100)));
        late.sort_unstable();
        assert_eq!((late, reads.len(), reads.oldest()), (vec![1, 2, 3], 1, Some(at(50))));
        reads.confirm(RequestId(101), Index(1));
        assert_eq!(ids(reads.ready(Index(u64::MAX))), [] as [u64; 0]);
    }
}
