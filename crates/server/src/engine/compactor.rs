//! Forgetting history by itself, as etcd's auto-compaction does: the leader proposes, all compact.

use std::collections::VecDeque;
use std::time::Duration;

use synod_database::raft;
use synod_storage::mvcc::{Operation, Revision};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::member::MemberBackend;
use crate::backend::Backend;

/// Which history is forgotten by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoCompaction {
    /// None.
    #[default]
    Off,
    /// What is older than this.
    Periodic(Duration),
    /// All but this many revisions.
    Revisions(u64),
}

/// How often the newest revision is noted under [`AutoCompaction::Periodic`], as a share of the period.
const NOTES_PER_PERIOD: u32 = 10;
/// How often [`AutoCompaction::Revisions`] looks, as in etcd.
const REVISIONS_EVERY: Duration = Duration::from_secs(300);

/// Runs until the member stops.
pub async fn compact_history(backend: MemberBackend, mode: AutoCompaction) {
    let every = match mode {
        AutoCompaction::Off => return,
        AutoCompaction::Periodic(period) => (period / NOTES_PER_PERIOD).max(Duration::from_millis(100)),
        AutoCompaction::Revisions(_) => REVISIONS_EVERY,
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notes: VecDeque<(Instant, Revision)> = VecDeque::new();
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let revision = backend.position().revision;
        let target = match mode {
            AutoCompaction::Off => return,
            AutoCompaction::Revisions(kept) => {
                revision.saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX))
            }
            AutoCompaction::Periodic(period) => {
                notes.push_back((now, revision));
                let mut old = 0;
                while let Some((at, noted)) = notes.front()
                    && now.duration_since(*at) >= period
                {
                    old = *noted;
                    notes.pop_front();
                }
                old
            }
        };
        let leads = backend.shared.standing().role == raft::Role::Leader;
        if leads && target > backend.shared.compacted() {
            match backend.propose(Operation::Compact { revision: target }).await {
                Ok(_) => tracing::info!(revision = target, "compacted history"),
                Err(error) => tracing::warn!(revision = target, %error, "history was not compacted"),
            }
        }
    }
}
