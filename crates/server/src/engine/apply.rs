//! The apply thread: the node's replicas, fed in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use synod_database::watch::WatchOutput;
use synod_database::{Done, GroupId, Job, Replicas, Reply};
use synod_machine::{Mono, Output, Worker};

use super::clients::Served;
use super::core::CoreInput;
use super::inbox::Inbox;
use super::shared::{Engine, Shared};

/// Entries of consecutive jobs that are applied as one batch.
const BATCH_ENTRIES_MAX: usize = 4_096;
/// An apply that takes longer is counted as slow, as in etcd.
const SLOW_APPLY: Duration = Duration::from_millis(100);
/// How often it is looked whether the engine has made durable what it was asked to, when nothing else happens.
const PERSISTED_LOOK: Duration = Duration::from_millis(20);

/// Runs until the inbox is closed.
pub fn run(mut replicas: Replicas<Engine>, inbox: &Inbox<Job>, shared: &Arc<Shared>) -> Replicas<Engine> {
    let mut jobs = VecDeque::new();
    let mut more = true;
    let mut out = Output::default();
    let began = Instant::now();
    let now = || Mono::from_start(began.elapsed());
    // When to look at the store's size again; `None` once nothing has changed since the last look.
    let mut size_due: Option<Instant> = None;
    let mut persisting = false;
    loop {
        // With something left to do in idle moments, only look whether a job has come.
        let persisted = persisting.then(|| Instant::now() + PERSISTED_LOOK);
        let deadline =
            if more { Some(Instant::now()) } else { [size_due, persisted].into_iter().flatten().min() };
        if !inbox.take(&mut jobs, deadline) {
            return replicas;
        }
        let busy = more || !jobs.is_empty();
        while let Some(job) = jobs.pop_front() {
            let job = merge(job, &mut jobs);
            let changes = matches!(job, Job::Apply { .. } | Job::Snapshot { .. });
            let before = Instant::now();
            replicas.work(now(), job, &mut out);
            if changes && let Some(replica) = replicas.get(GroupId::default()) {
                shared.publish(replica.revision(), replica.compacted());
                count_apply(before.elapsed(), shared);
            }
            deliver(&mut out, shared);
        }
        more = replicas.idle(now(), &mut out);
        deliver(&mut out, shared);
        if let Some(replica) = replicas.get(GroupId::default()) {
            let behind = i64::try_from(replica.watches_behind()).unwrap_or(i64::MAX);
            shared.metrics.slow_watchers.set(behind);
            persisting = replica.is_persisting();
            if busy || size_due.is_some() {
                size_due = shared.note_size(|| replica.size_bytes()).err();
                if size_due.is_none() {
                    shared.forget_old_view();
                }
            }
        }
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
        shared.core.extend(out.done.drain(..).map(CoreInput::Done));
    }
}
