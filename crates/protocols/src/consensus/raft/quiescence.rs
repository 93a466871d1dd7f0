//! Rest: a group in which nothing happens sets no timer (`Config::quiesce`; the idea is CockroachDB's).
//!
//! When every member has every entry, all is committed, and nothing happened for a heartbeat, the leader says so in a last heartbeat and
//! goes quiet; followers that find it true of themselves stop doubting it. Anything that happens wakes a node: a proposal, a read, a
//! message other than that heartbeat, a link that broke. A follower that missed the last heartbeat asks for votes after a while, is refused, and wakes
//! the leader by it. What is lost is the detection of a leader that dies without breaking its links, until someone wants something.

use synod_machine::{Context, Mono};

use super::{Fx, Index, Message, Mode, Raft, State, Timer};

impl Raft {
    /// Whether nothing is left to do for anyone.
    pub(super) fn is_settled(&self) -> bool {
        let State::Leader(leader) = &self.state else { return false };
        let last = self.log.last().index;
        leader.established
            && leader.reads.is_empty()
            && leader.change.is_none()
            && self.handover.is_none()
            && !self.log.configuration().is_joint()
            && self.commit == last
            && self.log.durable() == last
            && leader.progress.values().all(|progress| {
                !progress.down && progress.matched == last && !matches!(progress.mode, Mode::Snapshot(_))
            })
    }

    /// The leader goes quiet.
    pub(super) fn quiesce(&mut self, fx: &mut Fx) {
        let (term, commit) = (self.term, self.commit);
        let Some(leader) = self.as_leader_mut() else { return };
        // Not a round: nobody waits for its answer, and resting followers give none.
        let round = leader.round;
        let peers: alloc::vec::Vec<_> = leader.progress.keys().copied().collect();
        for peer in peers {
            self.send(peer, Message::Heartbeat { term, commit, round, quiesce: true }, fx);
        }
        self.quiescent = true;
        fx.note("raft.quiesced", 1);
        fx.disarm(Timer::Heartbeat);
        fx.disarm(Timer::CheckQuorum);
    }

    /// A follower goes quiet, if it agrees that nothing is left to do. Returns whether it does.
    pub(super) fn rest(&mut self, commit: Index, fx: &mut Fx) -> bool {
        let done = self.log.last().index == commit
            && self.log.durable() == commit
            && self.commit == commit
            && self.installing.is_none()
            && self.forwarded.is_empty()
            && matches!(self.state, State::Follower);
        if !(done && self.config.quiesce) {
            return false;
        }
        self.quiescent = true;
        fx.disarm(Timer::Election);
        true
    }

    /// Ends a rest: something happens.
    pub(super) fn wake(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if !core::mem::take(&mut self.quiescent) {
            return;
        }
        fx.note("raft.woken", 1);
        if let State::Leader(leader) = &mut self.state {
            // Nobody had to answer while all rested: silence counts from now on.
            let now: Mono = cx.now;
            leader.progress.values_mut().for_each(|progress| progress.heard = now);
            self.arm_leader_timers(fx);
            self.start_round(cx, false, fx);
        } else {
            // The leader gets the time to speak up before it is doubted, by this node or by those that ask it.
            self.contact.since = cx.now;
            self.contact.heard = cx.now;
            self.arm_election(cx, fx);
        }
    }
}
