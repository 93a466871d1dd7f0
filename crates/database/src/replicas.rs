//! The worker of a node: its groups' replicas.

use std::collections::BTreeMap;

use synod_machine::{Mono, Output, Worker};
use synod_storage::kv::Kv;

use crate::{GroupId, Job, Node, Replica};

/// The replicas of a node, by group.
pub struct Replicas<K: Kv> {
    replicas: BTreeMap<GroupId, Replica<K>>,
}

impl<K: Kv> Replicas<K> {
    /// A worker over these replicas.
    pub fn new(replicas: impl IntoIterator<Item = (GroupId, Replica<K>)>) -> Self {
        Replicas { replicas: replicas.into_iter().collect() }
    }

    /// One group's replica.
    pub fn get(&self, group: GroupId) -> Option<&Replica<K>> {
        self.replicas.get(&group)
    }

    /// One group's replica, to change its engine (a simulated crash).
    pub fn get_mut(&mut self, group: GroupId) -> Option<&mut Replica<K>> {
        self.replicas.get_mut(&group)
    }

    /// Gives the replicas back.
    pub fn into_inner(self) -> BTreeMap<GroupId, Replica<K>> {
        self.replicas
    }
}

impl<K: Kv> Worker<Node> for Replicas<K> {
    fn work(&mut self, _: Mono, job: Job, out: &mut Output<Node>) {
        let group = job.group();
        let replica = self.replicas.get_mut(&group).expect("a shard only gives jobs for its own replica");
        replica.work(job, out);
    }

    fn idle(&mut self, _: Mono, out: &mut Output<Node>) -> bool {
        let mut more = false;
        for replica in self.replicas.values_mut() {
            more |= replica.idle(out);
        }
        more
    }
}

impl Job {
    /// The group that it is about.
    pub fn group(&self) -> GroupId {
        match self {
            Job::Apply { group, .. }
            | Job::Read { group, .. }
            | Job::Watch { group, .. }
            | Job::WatchTaken { group, .. }
            | Job::WatchClosed { group, .. }
            | Job::AwaitCompaction { group, .. }
            | Job::Snapshot { group, .. }
            | Job::Persist { group, .. } => *group,
        }
    }
}
