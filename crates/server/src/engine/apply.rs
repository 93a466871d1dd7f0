//! Applying: the node's replicas, fed in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use synod_database::watch::WatchOutput;
use synod_database::{Done, GroupId, Job, Replicas, Reply};
use synod_machine::{Mono, Output, Worker};

use super::clients::Served;
use super::combining::Duty;
use super::core::CoreInput;
use super::shared::{Engine, Shared};

/// Entries of consecutive jobs that are applied as one batch.
const BATCH_ENTRIES_MAX: usize = 4_096;
/// An apply that takes longer is counted as slow, as in etcd.
const SLOW_APPLY: Duration = Duration::from_millis(100);
/// So few entries are applied in less time than it takes to wake a thread for them.
const QUICK_ENTRIES_MAX: usize = 4;
/// How often it is looked whether the engine has made durable what it was asked to, when nothing else happens.
const PERSISTED_LOOK: Duration = Duration::from_millis(20);

/// The replicas, with what they do between jobs.
pub struct Applier {
    replicas: Replicas<Engine>,
    shared: Arc<Shared>,
    out: Output<synod_database::Node>,
    began: Instant,
    /// There is something to do in idle moments.
    more: bool,
    /// The engine is making something durable.
    persisting: bool,
    /// When to look at the store's size again; `None` once nothing has changed since the last look.
    size_due: Option<Instant>,
}

/// Whether these are done in less time than it takes to wake a thread for them.
pub fn is_quick(jobs: &[Job]) -> bool {
    let entries = |job: &Job| match job {
        Job::Apply { entries, .. } => Some(entries.len()),
        _ => None,
    };
    jobs.iter().map(entries).sum::<Option<usize>>().is_some_and(|entries| entries <= QUICK_ENTRIES_MAX)
}

impl Applier {
    /// Over these replicas.
    pub fn new(replicas: Replicas<Engine>, shared: Arc<Shared>) -> Applier {
        Applier {
            replicas,
            shared,
            out: Output::default(),
            began: Instant::now(),
            more: true,
            persisting: false,
            size_due: None,
        }
    }

    fn now(&self) -> Mono {
        Mono::from_start(self.began.elapsed())
    }

    /// Looks at the store's size, if it may have changed.
    fn note_size(&mut self) {
        let Some(replica) = self.replicas.get(GroupId::default()) else { return };
        self.size_due = self.shared.note_size(|| replica.size_bytes()).err();
        if self.size_due.is_none() {
            self.shared.forget_old_view();
        }
    }
}

impl Duty for Applier {
    type Item = Job;

    fn work(&mut self, jobs: &mut VecDeque<Job>) {
        let worked = !jobs.is_empty();
        while let Some(job) = jobs.pop_front() {
            let job = merge(job, jobs);
            let changes = matches!(job, Job::Apply { .. } | Job::Snapshot { .. });
            let before = Instant::now();
            self.replicas.work(self.now(), job, &mut self.out);
            if changes && let Some(replica) = self.replicas.get(GroupId::default()) {
                self.shared.publish(replica.revision(), replica.compacted());
                count_apply(before.elapsed(), &self.shared);
            }
            deliver(&mut self.out, &self.shared);
        }
        if let Some(replica) = self.replicas.get(GroupId::default()) {
            self.more |= replica.has_idle_work();
            self.persisting = replica.is_persisting();
        }
        if worked {
            self.note_size();
        }
    }

    fn tend(&mut self) {
        self.more = self.replicas.idle(self.now(), &mut self.out);
        deliver(&mut self.out, &self.shared);
        let Some(replica) = self.replicas.get(GroupId::default()) else { return };
        let behind = i64::try_from(replica.watches_behind()).unwrap_or(i64::MAX);
        self.shared.metrics.slow_watchers.set(behind);
        self.persisting = replica.is_persisting();
        if self.more || self.size_due.is_some() {
            self.note_size();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.more {
            return Some(Instant::now());
        }
        let persisted = self.persisting.then(|| Instant::now() + PERSISTED_LOOK);
        [self.size_due, persisted].into_iter().flatten().min()
    }
}

/// Joins the applies that follow to the first one: one batch of the engine, one flush.
fn merge(job: Job, jobs: &mut VecDeque<Job>) -> Job {
    let Job::Apply { group, boot, mut entries } = job else { return job };
    while entries.len() < BATCH_ENTRIES_MAX
        && let Some(Job::Apply { group: next, .. }) = jobs.front()
        && *next == group
        && let Some(Job::Apply { entries: more, .. }) = jobs.pop_front()
    {
        entries.extend(more);
    }
    Job::Apply { group, boot, entries }
}

fn count_apply(took: Duration, shared: &Shared) {
    shared.metrics.apply_seconds.observe(took.as_secs_f64());
    if took > SLOW_APPLY {
        shared.metrics.slow_applies.inc();
    }
}

fn deliver(out: &mut Output<synod_database::Node>, shared: &Shared) {
    for (_, reply) in &out.replies {
        if let Reply::Watch(WatchOutput::Events { events, .. }) = reply {
            shared.metrics.events.inc_by(events.len() as u64);
        }
    }
    for done in &out.done {
        let Done::Applied { applied, .. } = done else { continue };
        let granted = applied.leases.iter().filter(|(_, ttl)| ttl.is_some()).count();
        shared.metrics.leases_granted.inc_by(granted as u64);
        shared.metrics.leases_revoked.inc_by((applied.leases.len() - granted) as u64);
    }
    if !out.replies.is_empty() {
        shared.clients.serve(out.replies.drain(..).map(|(id, reply)| (id, Served::Reply(reply))));
    }
    if !out.done.is_empty() {
        shared.give(out.done.drain(..).map(CoreInput::Done));
    }
}
