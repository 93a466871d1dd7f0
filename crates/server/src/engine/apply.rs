//! The apply thread: the node's replicas, fed in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use synod_database::{GroupId, Job, Replicas};
use synod_machine::{Mono, Output, Worker};

use super::clients::Served;
use super::core::CoreInput;
use super::inbox::Inbox;
use super::shared::{Engine, Shared};

/// Entries of consecutive jobs that are applied as one batch.
const BATCH_ENTRIES_MAX: usize = 4_096;

/// Runs until the inbox is closed.
pub fn run(mut replicas: Replicas<Engine>, inbox: &Inbox<Job>, shared: &Arc<Shared>) -> Replicas<Engine> {
    let mut jobs = VecDeque::new();
    let mut more = true;
    let mut out = Output::default();
    let began = Instant::now();
    let now = || Mono::from_start(began.elapsed());
    loop {
        // With something left to do in idle moments, only look whether a job has come.
        let deadline = more.then(Instant::now);
        if !inbox.take(&mut jobs, deadline) {
            return replicas;
        }
        while let Some(job) = jobs.pop_front() {
            let job = merge(job, &mut jobs);
            let changes = matches!(job, Job::Apply { .. } | Job::Snapshot { .. });
            replicas.work(now(), job, &mut out);
            if changes && let Some(replica) = replicas.get(GroupId::default()) {
                shared.publish(replica.view());
            }
            deliver(&mut out, shared);
        }
        more = replicas.idle(now(), &mut out);
        deliver(&mut out, shared);
        if let Some(replica) = replicas.get(GroupId::default()) {
            shared.note_size(|| replica.size_bytes());
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

fn deliver(out: &mut Output<synod_database::Node>, shared: &Shared) {
    if !out.replies.is_empty() {
        shared.clients.serve(out.replies.drain(..).map(|(id, reply)| (id, Served::Reply(reply))));
    }
    if !out.done.is_empty() {
        shared.core.extend(out.done.drain(..).map(CoreInput::Done));
    }
}
