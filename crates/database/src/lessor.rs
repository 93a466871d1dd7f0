//! A group's leases: who has them is replicated, how long they last is the leader's to say.
//!
//! The rules, as etcd's lessor has them:
//! - every node knows the leases and their times to live from what it applied; deadlines exist at the leader only;
//! - a new leader gives each lease its full time from the moment at which it has applied all that earlier leaders committed:
//!   a lease may so last longer than it was asked for, never shorter;
//! - a renewal counts from a moment at which the node still led, as a read index confirms; so a deposed leader
//!   extends nothing that its successor may end;
//! - an expired lease is ended by an ordinary entry of the log, proposed only in the very term in which the leader saw it
//!   expire: a stale leader's verdict never reaches the log of a later one.
//!
//! What a lease promises: for a client that was told `ttl` in answer to a request it sent at time `t`, the lease exists
//! at least until `t + ttl` on the leader's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_machine::Mono;
use synod_storage::mvcc::LeaseId;

use crate::LeaseTime;

/// Leases of one group, with deadlines while this node leads.
#[derive(Clone, Debug, Default)]
pub struct Lessor {
    granted: BTreeMap<LeaseId, Duration>,
    /// Empty unless this node is the established leader.
    deadlines: BTreeMap<LeaseId, Mono>,
    /// Those whose end was not reported yet.
    order: BTreeSet<(Mono, LeaseId)>,
    leads: bool,
}

impl Lessor {
    /// The leases that exist, instead of all known before.
    pub fn replace(&mut self, leases: impl IntoIterator<Item = (LeaseId, Duration)>, now: Mono) {
        let leads = self.leads;
        self.demote();
        self.granted = leases.into_iter().collect();
        if leads {
            self.promote(now);
        }
    }

    /// A lease was granted, as the log says.
    pub fn grant(&mut self, id: LeaseId, ttl: Duration, now: Mono) {
        self.granted.insert(id, ttl);
        if self.leads {
            self.set(id, now + ttl);
        }
    }

    /// A lease has ended, as the log says.
    pub fn end(&mut self, id: LeaseId) {
        self.granted.remove(&id);
        self.clear(id);
    }

    /// This node leads and has applied all that was committed before: each lease gets its full time.
    pub fn promote(&mut self, now: Mono) {
        self.leads = true;
        let leases: Vec<(LeaseId, Duration)> = self.granted.iter().map(|(id, ttl)| (*id, *ttl)).collect();
        for (id, ttl) in leases {
            self.set(id, now + ttl);
        }
    }

    /// This node does not lead any more; it knows no deadlines.
    pub fn demote(&mut self) {
        self.leads = false;
        self.deadlines.clear();
        self.order.clear();
    }

    /// Whether deadlines are kept here.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Extends a lease by its full time. `None` when there is none, or it has expired and only waits for its end in the log.
    pub fn renew(&mut self, id: LeaseId, now: Mono) -> Option<LeaseTime> {
        let granted = *self.granted.get(&id)?;
        if *self.deadlines.get(&id)? <= now {
            return None;
        }
        self.set(id, now + granted);
        Some(LeaseTime { granted, remaining: granted })
    }

    /// What is left; `None` as for [`Lessor::renew`].
    pub fn time(&self, id: LeaseId, now: Mono) -> Option<LeaseTime> {
        let granted = *self.granted.get(&id)?;
        let ends = *self.deadlines.get(&id)?;
        (ends > now).then(|| LeaseTime { granted, remaining: ends.since(now) })
    }

    /// When the next lease ends.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// At most `limit` leases that have expired since they were last asked for. A leader proposes the end of each once: within its
    /// term the proposal cannot be lost, and a second one could end a lease that was granted anew in between.
    pub fn expired(&mut self, now: Mono, limit: usize) -> Vec<LeaseId> {
        let mut expired = Vec::new();
        while expired.len() < limit
            && let Some(&(deadline, id)) = self.order.first()
            && deadline <= now
        {
            self.order.pop_first();
            expired.push(id);
        }
        expired
    }

    /// The end of these was not taken into the log after all: they are due again at `at`.
    pub fn again(&mut self, ids: &[LeaseId], at: Mono) {
        for id in ids {
            if self.deadlines.contains_key(id) {
                self.order.insert((at, *id));
            }
        }
    }

    /// Number of leases.
    pub fn len(&self) -> usize {
        self.granted.len()
    }

    /// Whether there is no lease.
    pub fn is_empty(&self) -> bool {
        self.granted.is_empty()
    }

    fn set(&mut self, id: LeaseId, deadline: Mono) {
        self.clear(id);
        self.deadlines.insert(id, deadline);
        self.order.insert((deadline, id));
    }

    fn clear(&mut self, id: LeaseId) {
        if let Some(deadline) = self.deadlines.remove(&id) {
            self.order.remove(&(deadline, id));
        }
    }
}
