//! Changing who belongs to the group (paper, section 6: joint consensus).
//!
//! A change of voters goes through a joint phase in which decisions need a majority of the old and one of the new set; the leader
//! enters it with one log entry and, once that is committed, leaves it with another. A change of learners alone needs one entry.
//! A membership is in force at each node as soon as it is in its log. A leader begins a change only when an entry of its own term is committed and none
//! is under way: the rule whose absence broke the thesis's single-server changes (raft-dev, July 2015), kept for joint ones too.
//!
//! A leader that the new membership leaves out leads until it is committed, counting itself in no majority of it, then asks the
//! voter with the longest log to stand, and steps down. Members that were left out are told of the commit, once and best effort; one that
//! misses it asks for votes in vain, since the others withhold them while they hear their leader.
//!
//! New voters may be added without having been learners first; who wants to keep the group available adds a learner and promotes it,
//! which is refused while it lags.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use synod_machine::{Context, NodeId, RequestId};

use super::{Configuration, Fx, Job, Message, Mode, Payload, Raft, Refusal, Reply, State, Timer};

impl Raft {
    pub(super) fn configure(
        &mut self,
        cx: &Context<'_>,
        id: RequestId,
        voters: BTreeSet<NodeId>,
        learners: BTreeSet<NodeId>,
        fx: &mut Fx,
    ) {
        if let Err(refusal) = self.may_configure(&voters, &learners) {
            Self::refuse(id, refusal, fx);
            return;
        }
        let present = self.log.configuration();
        if present.voters == voters && present.learners == learners {
            fx.reply(id, Reply::Completed);
            return;
        }
        let direct = present.voters == voters || self.config.flaws.skip_joint;
        let outgoing = if direct { BTreeSet::new() } else { present.voters.clone() };
        self.wake(cx, fx);
        if let Some(leader) = self.as_leader_mut() {
            leader.change = Some(id);
        }
        self.append_configuration(cx, Configuration { voters, outgoing, learners }, fx);
    }

    fn may_configure(&self, voters: &BTreeSet<NodeId>, learners: &BTreeSet<NodeId>) -> Result<(), Refusal> {
        let State::Leader(leader) = &self.state else { return Err(Refusal::NotLeader(self.leader)) };
        let present = self.log.configuration();
        if !leader.established
            || leader.change.is_some()
            || present.is_joint()
            || self.log.configuration_index() > self.commit
            || self.handover.is_some()
        {
            return Err(Refusal::Busy);
        }
        let members = voters.len() + learners.len();
        if voters.is_empty() || members > self.config.members_max || !voters.is_disjoint(learners) {
            return Err(Refusal::Invalid);
        }
        let last = self.log.last().index;
        let lags = |node: &NodeId| {
            let matched = leader.progress.get(node).map_or(0, |progress| progress.matched.0);
            last.0 - matched.min(last.0) > self.config.promotion_lag_entries_max
        };
        if voters.intersection(&present.learners).any(lags) { Err(Refusal::Invalid) } else { Ok(()) }
    }

    fn append_configuration(&mut self, cx: &Context<'_>, configuration: Configuration, fx: &mut Fx) {
        // New members are probed from the place before this entry.
        let next = self.log.last().index.next();
        self.append(Vec::from([Payload::Configuration(configuration)]), fx);
        self.reconcile_progress(cx, next);
        self.arm_leader_timers(fx);
        self.feed_all(cx, fx);
        self.commit_what_majority_has(cx, fx);
    }

    /// A leader's commit index rose: leaves the joint phase, or ends the change.
    pub(super) fn go_on_with_change(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let State::Leader(leader) = &self.state else { return };
        if self.log.configuration_index() > self.commit || !leader.established {
            return;
        }
        let present = self.log.configuration();
        if present.is_joint() {
            let next = Configuration { outgoing: BTreeSet::new(), ..present.clone() };
            self.append_configuration(cx, next, fx);
            return;
        }
        self.dismiss_removed(fx);
        let Some(leader) = self.as_leader_mut() else { return };
        if let Some(id) = leader.change.take() {
            fx.note("raft.configured", 1);
            fx.reply(id, Reply::Completed);
        }
        if !self.log.configuration().is_voter(self.me) {
            self.resign(cx, fx);
        }
    }

    /// Tells those who were left out that they were, and forgets them.
    fn dismiss_removed(&mut self, fx: &mut Fx) {
        let members: BTreeSet<NodeId> = self.log.configuration().members().collect();
        let (term, commit) = (self.term, self.commit);
        let Some(leader) = self.as_leader_mut() else { return };
        if leader.progress.keys().all(|peer| members.contains(peer)) {
            return;
        }
        let (keep, removed) =
            core::mem::take(&mut leader.progress).into_iter().partition(|(peer, _)| members.contains(peer));
        leader.progress = keep;
        let alone = leader.progress.is_empty();
        for (peer, progress) in removed {
            let commit = commit.min(progress.matched);
            self.send(peer, Message::Committed { term, commit }, fx);
            fx.disarm(Timer::Retry(peer));
            if matches!(progress.mode, Mode::Snapshot(_)) {
                fx.work(Job::Release { peer });
            }
        }
        if alone {
            self.arm_leader_timers(fx);
        }
    }

    /// A leader that is no voter any more leaves; the voter with the longest log is to follow it without delay.
    fn resign(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let State::Leader(leader) = &self.state else { return };
        let voters = &self.log.configuration().voters;
        let candidates = leader.progress.iter().filter(|(peer, _)| voters.contains(peer));
        // The first of the longest, so that every run chooses the same.
        let successor = candidates.rev().max_by_key(|(_, progress)| progress.matched).map(|(peer, _)| *peer);
        if let Some(successor) = successor {
            self.appoint(successor, fx);
        }
        self.step_down(cx, fx);
    }

    /// A follower's membership changed: a node that has become a voter watches its leader from now on.
    pub(super) fn follow_configuration(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if !self.is_leader() {
            self.arm_election(cx, fx);
        }
    }
}
