//! Handing leadership over (thesis, section 3.10): the leader takes no more proposals, brings its successor up to date, and asks it to
//! stand at once, with a mark on its requests that tells voters that the leader itself wants it.
//!
//! Once asked, the successor may stand at any later time, however the message is delayed. So the leader's lease is void from then on
//! for the rest of its term, even if the transfer is given up.

use synod_machine::{Context, NodeId, RequestId};

use super::{Fx, Message, Raft, Refusal, Reply, State, Timer};

/// A transfer under way. It outlives leadership: it has succeeded when the successor is seen to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handover {
    id: RequestId,
    target: NodeId,
    asked: bool,
}

impl Raft {
    pub(super) fn transfer(&mut self, cx: &Context<'_>, id: RequestId, target: NodeId, fx: &mut Fx) {
        let refusal = match &self.state {
            State::Leader(_) if self.handover.is_some() => Some(Refusal::Busy),
            State::Leader(_) if target == self.me || !self.log.configuration().voters.contains(&target) => {
                Some(Refusal::Invalid)
            }
            State::Leader(_) => None,
            _ => Some(Refusal::NotLeader(self.leader)),
        };
        if let Some(refusal) = refusal {
            Self::refuse(id, refusal, fx);
            return;
        }
        self.wake(cx, fx);
        self.handover = Some(Handover { id, target, asked: false });
        // Within an election time it is done, or others would begin to ask.
        let patience = self.config.election_least;
        fx.arm(Timer::Transfer, patience..=patience);
        self.feed(cx, target, fx);
        self.go_on_with_transfer(cx, target, fx);
    }

    /// A follower came forward: if it is the successor and has everything, it is asked to stand.
    pub(super) fn go_on_with_transfer(&mut self, _cx: &Context<'_>, from: NodeId, fx: &mut Fx) {
        let last = self.log.last().index;
        let Some(handover) = self.handover.filter(|handover| handover.target == from && !handover.asked)
        else {
            return;
        };
        let ready = self
            .as_leader()
            .and_then(|leader| leader.progress.get(&from))
            .is_some_and(|progress| progress.matched == last);
        if ready {
            self.handover = Some(Handover { asked: true, ..handover });
            self.appoint(from, fx);
        }
    }

    /// Asks a follower to stand at once.
    pub(super) fn appoint(&mut self, successor: NodeId, fx: &mut Fx) {
        if let Some(leader) = self.as_leader_mut() {
            leader.lease_void = true;
        }
        self.send(successor, Message::TimeoutNow { term: self.term }, fx);
    }

    pub(super) fn on_timeout_now(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if self.may_stand() {
            self.stand(cx, true, fx);
        }
    }

    pub(super) fn on_transfer_timer(&mut self, fx: &mut Fx) {
        if let Some(handover) = self.handover.take() {
            Self::refuse(handover.id, Refusal::Unknown, fx);
        }
    }

    /// A leader is known: was it the one that this node handed over to?
    pub(super) fn settle_handover(&mut self, leader: NodeId, fx: &mut Fx) {
        if let Some(handover) = self.handover.take() {
            fx.disarm(Timer::Transfer);
            if handover.target == leader {
                fx.reply(handover.id, Reply::Completed);
            } else {
                Self::refuse(handover.id, Refusal::Unknown, fx);
            }
        }
    }
}
