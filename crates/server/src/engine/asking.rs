//! The API's questions to a member.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use synod_database::{Answer, Command, Consistency as Freshness, Query, Refusal, Reply, query};
use synod_machine::NodeId;
use synod_storage::kv::stand_back;
use synod_storage::mvcc::{
    LeaseId, Operation, RangeRequest, RangeResponse, RequestOp, Revision, StoreError, TxnRequest, TxnResponse,
};
use tokio::sync::{mpsc, oneshot};

use super::backup;
use super::clients::Served;
use super::member::MemberBackend;
use super::watches;
use crate::backend::{
    Applied, Backend, BackendError, Consistency, Frozen, HashKv, Identity, KEYS_AT_ONCE_MAX, LeaseTimeToLive,
    Member, Position, Read, Status, WatchStream,
};
use crate::metrics::Metrics;

/// A proposal under way, counted for as long as its client waits.
struct Pending<'m>(&'m Metrics);

impl<'m> Pending<'m> {
    fn new(metrics: &'m Metrics) -> Self {
        metrics.proposals_pending.inc();
        Pending(metrics)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.proposals_pending.dec();
    }
}

impl MemberBackend {
    async fn command(&self, command: Command) -> Result<Reply, BackendError> {
        match self.ask(command).await {
            Some(Served::Reply(Reply::Refused(refusal))) => Err(refused(refusal)),
            Some(Served::Reply(reply)) => Ok(reply),
            Some(Served::Read(_)) => Err(unexpected("leave to read")),
            None => Err(BackendError::Stopped),
        }
    }

    /// Reads: from the published view at once, or when the core says that it has come far enough.
    async fn read(&self, query: Query, consistency: Consistency) -> Result<(Revision, Answer), BackendError> {
        let query = self.leave_to_read(query, consistency).await?;
        let view = self.shared.view()?;
        if !may_walk_far(&query) {
            let (revision, answer) = query::answer(&view, &query);
            return Ok((revision, answer?));
        }
        // Not on a thread that serves connections: all others of them would wait.
        let reading = tokio::task::spawn_blocking(move || query::answer(&view, &query));
        let (revision, answer) =
            reading.await.map_err(|failed| BackendError::Internal(format!("the read failed: {failed}")))?;
        Ok((revision, answer?))
    }

    /// Gives the query back when the published view is as fresh as is wanted.
    async fn leave_to_read(&self, query: Query, consistency: Consistency) -> Result<Query, BackendError> {
        if consistency == Consistency::Serializable {
            return Ok(query);
        }
        let command = Command::Read { query, consistency: Freshness::Linearizable };
        match self.ask(command).await {
            Some(Served::Read(query)) => Ok(query),
            Some(Served::Reply(Reply::Refused(refusal))) => {
                self.shared.metrics.read_indexes_failed.inc();
                Err(refused(refusal))
            }
            Some(Served::Reply(_)) => Err(unexpected("an answer to a read")),
            None => Err(BackendError::Stopped),
        }
    }

    async fn ask_lease(&self, command: Command) -> Result<Option<synod_database::LeaseTime>, BackendError> {
        match self.command(command).await? {
            Reply::Lease(time) => Ok(time),
            _ => Err(unexpected("another answer than a lease's time")),
        }
    }
}

impl Backend for MemberBackend {
    fn identity(&self) -> Identity {
        self.whoami()
    }

    fn position(&self) -> Position {
        let standing = self.shared.standing();
        Position {
            revision: self.shared.revision(),
            term: standing.term,
            leader: standing.leader.map(|leader| leader.0),
            is_learner: standing.learner,
        }
    }

    fn hold(&self) {
        self.shared.gathering.hold();
    }

    fn release(&self) {
        let mut inputs = self.shared.gathering.release();
        if inputs.len() == 1 {
            self.shared.give(inputs.pop());
        } else if !inputs.is_empty() {
            // Enough for the core's thread to be woken for.
            self.shared.core.extend(inputs);
        }
    }

    async fn propose(&self, operation: Operation) -> Result<Applied, BackendError> {
        let grows = match &operation {
            Operation::Put(_) | Operation::LeaseGrant { .. } => true,
            Operation::Txn(txn) => puts(txn),
            _ => false,
        };
        if grows && self.config.quota_bytes > 0 && self.shared.size_bytes() >= self.config.quota_bytes {
            return Err(BackendError::NoSpace);
        }
        let metrics = &self.shared.metrics;
        let _pending = Pending::new(metrics);
        let answer = self.command(Command::Propose(operation)).await;
        if answer.is_err() {
            metrics.proposals_failed.inc();
        }
        match answer? {
            Reply::Applied { revision, outcome } => Ok(Applied { revision, outcome: outcome? }),
            _ => Err(unexpected("another answer than an outcome")),
        }
    }

    async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Read<RangeResponse>, BackendError> {
        match self.read(Query::Range(request), consistency).await? {
            (revision, Answer::Range(response)) => Ok(Read { revision, response }),
            _ => Err(unexpected("another answer than a range")),
        }
    }

    async fn frozen(&self, consistency: Consistency) -> Result<Box<dyn Frozen>, BackendError> {
        self.leave_to_read(Query::Revision, consistency).await?;
        Ok(Box::new(self.shared.view()?))
    }

    async fn read_txn(
        &self,
        request: TxnRequest,
        consistency: Consistency,
    ) -> Result<Read<TxnResponse>, BackendError> {
        match self.read(Query::Txn(request), consistency).await? {
            (revision, Answer::Txn(response)) => Ok(Read { revision, response }),
            _ => Err(unexpected("another answer than a transaction's")),
        }
    }

    async fn compaction_finished(&self, revision: Revision) -> Result<(), BackendError> {
        self.command(Command::AwaitCompaction(revision)).await.map(|_| ())
    }

    fn watch_stream(&self) -> WatchStream {
        watches::open(&self.shared)
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Option<i64>, BackendError> {
        let time = self.ask_lease(Command::LeaseRenew(id)).await?;
        Ok(time.map(|time| time.granted.as_secs() as i64))
    }

    async fn lease_time_to_live(
        &self,
        id: LeaseId,
        keys: bool,
    ) -> Result<Option<LeaseTimeToLive>, BackendError> {
        let Some(time) = self.ask_lease(Command::LeaseTime(id)).await? else { return Ok(None) };
        let keys = match keys {
            false => Vec::new(),
            true => match self.read(Query::LeaseKeys(id), Consistency::Linearizable).await {
                Ok((_, Answer::LeaseKeys(keys))) => keys,
                Ok(_) => return Err(unexpected("another answer than a lease's keys")),
                Err(BackendError::Store(StoreError::LeaseNotFound(_))) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let (remaining, granted) = (time.remaining.as_secs() as i64, time.granted.as_secs() as i64);
        Ok(Some(LeaseTimeToLive { remaining_seconds: remaining, granted_seconds: granted, keys }))
    }

    async fn leases(&self) -> Result<Vec<LeaseId>, BackendError> {
        match self.read(Query::Leases, Consistency::Linearizable).await? {
            (_, Answer::Leases(leases)) => Ok(leases),
            _ => Err(unexpected("another answer than leases")),
        }
    }

    async fn members(&self, consistency: Consistency) -> Result<Vec<Member>, BackendError> {
        match self.read(Query::Members, consistency).await? {
            (_, Answer::Members(published)) => Ok(self.describe(&published)),
            _ => Err(unexpected("another answer than members")),
        }
    }

    async fn status(&self) -> Result<Status, BackendError> {
        let standing = self.shared.standing();
        let bytes = self.shared.size_bytes();
        Ok(Status {
            committed_index: standing.committed,
            applied_index: standing.applied,
            store_bytes: bytes,
            store_bytes_in_use: bytes,
            quota_bytes: self.config.quota_bytes,
        })
    }

    async fn hash(&self) -> Result<Read<u32>, BackendError> {
        match self.read(Query::Hash, Consistency::Serializable).await? {
            (revision, Answer::Hash(hash)) => Ok(Read { revision, response: fold(hash) }),
            _ => Err(unexpected("another answer than a hash")),
        }
    }

    async fn hash_kv(&self, revision: Revision) -> Result<HashKv, BackendError> {
        match self.read(Query::HashKv(revision), Consistency::Serializable).await? {
            (current, Answer::HashKv { hash, revision, compacted }) => {
                Ok(HashKv { hash: fold(hash), revision: current, hash_revision: revision, compacted })
            }
            _ => Err(unexpected("another answer than a hash")),
        }
    }

    fn copy(&self) -> Result<mpsc::Receiver<Result<Bytes, BackendError>>, BackendError> {
        let busy = |_| BackendError::TooManyRequests;
        let permit = Arc::clone(&self.shared.copies).try_acquire_owned().map_err(busy)?;
        let view = self.shared.view()?;
        let (pieces, taken) = mpsc::channel(1);
        beside("synod-copy", move || {
            if let Err(error) = backup::copy(&view, |piece| pieces.blocking_send(Ok(piece)).is_ok()) {
                // Nobody may be left to hear it.
                let _ = pieces.blocking_send(Err(error.into()));
            }
            drop(permit);
        })?;
        Ok(taken)
    }

    async fn defragment(&self) -> Result<(), BackendError> {
        // One after the other: the second finds little to do.
        let permit = Arc::clone(&self.shared.defragmenting).acquire_owned().await;
        let permit = permit.map_err(|_| BackendError::Stopped)?;
        let (done, result) = oneshot::channel();
        let views = self.shared.views.clone();
        beside("synod-defrag", move || {
            let _ = done.send(views.defragment());
            drop(permit);
        })?;
        let result = result.await.map_err(|_| BackendError::Internal("defragmentation failed".to_owned()))?;
        result.map_err(|error| BackendError::Internal(error.to_string()))
    }

    fn measure(&self, metrics: &Metrics) {
        metrics.compact_revision.set(self.shared.compacted());
        if let Some(transport) = self.transport.upgrade() {
            metrics.observe_peers(self.config.member_id, &transport.counts());
        }
    }

    async fn move_leader(&self, target: u64) -> Result<(), BackendError> {
        self.command(Command::Transfer(NodeId(target))).await.map(|_| ())
    }
}

/// Runs something long beside what serves clients, in a thread that stands back.
fn beside(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), BackendError> {
    let run = move || {
        stand_back();
        work();
    };
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| BackendError::Internal(format!("cannot start a thread: {error}")))
}

/// The API's hashes have 32 bits.
fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Whether it may look at many keys, however few it then gives.
fn may_walk_far(query: &Query) -> bool {
    match query {
        Query::Range(range) => range_may_walk_far(range),
        Query::Txn(txn) => txn_may_walk_far(txn),
        Query::LeaseKeys(_) | Query::HashKv(_) | Query::Hash => true,
        Query::Members | Query::Leases | Query::Revision => false,
    }
}

fn txn_may_walk_far(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match op {
        RequestOp::Range(range) => range_may_walk_far(range),
        RequestOp::Txn(txn) => txn_may_walk_far(txn),
        RequestOp::Put(_) | RequestOp::Delete(_) => false,
    })
}

fn range_may_walk_far(request: &RangeRequest) -> bool {
    // What is sorted, filtered or of the past is not found, or counted, without a look at all that the range has.
    let walks_all = !request.comes_in_pieces() || request.revision > 0;
    let is_short = request.count_only || (1..=KEYS_AT_ONCE_MAX).contains(&request.limit);
    !request.range.is_single() && (walks_all || !is_short)
}

fn puts(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match op {
        RequestOp::Put(_) => true,
        RequestOp::Txn(txn) => puts(txn),
        RequestOp::Range(_) | RequestOp::Delete(_) => false,
    })
}

fn refused(refusal: Refusal) -> BackendError {
    match refusal {
        Refusal::TimedOut { leader_known: true } => BackendError::Timeout,
        Refusal::TimedOut { leader_known: false } => BackendError::TimeoutLeaderFailed,
        Refusal::Overloaded => BackendError::TooManyRequests,
        Refusal::BadTarget => BackendError::BadLeaderTransferee,
        Refusal::NotLeader => BackendError::NotLeader,
    }
}

/// The machine answered with something of another kind: a bug, told to the client instead of a panic.
fn unexpected(found: &str) -> BackendError {
    BackendError::Internal(format!("the member gave {found}"))
}

#[cfg(test)]
mod tests {
    use synod_storage::mvcc::{KeyRange, SortOrder, SortTarget};

    use super::*;

    fn range(change: impl FnOnce(&mut RangeRequest)) -> RangeRequest {
        let range = KeyRange { key: "a".into(), end: "z".into() };
        let mut request = RangeRequest { range, limit: 10, ..RangeRequest::default() };
        change(&mut request);
        request
    }

    #[test]
    fn what_may_walk_far_is_not_read_where_connections_are_served() {
        let short = [
            range(|_| {}),
            range(|range| (range.limit, range.count_only) = (0, true)),
            range(|range| (range.limit, range.range.end) = (0, Bytes::new())),
            range(|range| (range.revision, range.range.end) = (7, Bytes::new())),
        ];
        let far = [
            range(|range| range.limit = 0),
            range(|range| range.limit = KEYS_AT_ONCE_MAX + 1),
            range(|range| range.revision = 7),
            range(|range| range.min_mod_revision = 7),
            range(|range| (range.sort_order, range.sort_target) = (SortOrder::Ascend, SortTarget::Value)),
            range(|range| (range.sort_order, range.sort_target) = (SortOrder::Descend, SortTarget::Key)),
        ];
        let within = |range: &RangeRequest| {
            let inner =
                TxnRequest { failure: vec![RequestOp::Range(range.clone())], ..TxnRequest::default() };
            Query::Txn(TxnRequest { success: vec![RequestOp::Txn(inner)], ..TxnRequest::default() })
        };
        for request in &short {
            assert!(!may_walk_far(&Query::Range(request.clone())), "{request:?}");
            assert!(!may_walk_far(&within(request)), "{request:?}");
        }
        for request in &far {
            assert!(may_walk_far(&Query::Range(request.clone())), "{request:?}");
            assert!(may_walk_far(&within(request)), "{request:?}");
        }
    }
}
