//! Reads and questions about leases: what needs a moment at which the group's state is known to be current.
//!
//! Reads of this node wait here. A lease's question goes to the leader, which alone knows how long leases last; there it
//! waits as a read does, so that a leader that was deposed without knowing it extends nothing.

use synod_machine::{Context, Input, NodeId, RequestId};
use synod_protocols::consensus::raft;
use synod_storage::mvcc::{LeaseId, Operation};

use super::{Asked, Fx, Shard, Token};
use crate::proposal::{Change, Envelope};
use crate::reads::Waiter;
use crate::session::INTERNAL;
use crate::{Job, LeaseTime, Message, Refusal, Reply};

impl Shard {
    pub(super) fn begin_round(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if self.leader.is_none() {
            if self.reads.gathering() {
                self.arm_resend_timer(fx);
            }
            return;
        }
        let round = RequestId(self.next_token);
        if self.reads.begin(round) {
            let id = self.token(Token::Round);
            self.step_raft(cx, Input::Command { id, command: raft::Command::ReadIndex }, fx);
        }
    }

    pub(super) fn release_reads(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        for waiter in self.reads.ready(self.applied) {
            match waiter {
                Waiter::Query { id, query } => fx.fx.work(Job::Read { group: self.group, id, query }),
                Waiter::Lease { from, boot, id, lease, renew } => {
                    self.answer_lease(cx, (from, boot), id, lease, renew, fx);
                }
            }
        }
    }

    pub(super) fn ask_lease(
        &mut self,
        cx: &Context<'_>,
        id: RequestId,
        lease: LeaseId,
        renew: bool,
        fx: &mut Fx<'_, '_>,
    ) {
        if self.asked.len() + self.reads.len() >= self.config.reads_max {
            fx.fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        self.asked.insert(id, Asked { lease, renew, since: cx.now });
        self.ask_leader(cx, id, fx);
    }

    pub(super) fn ask_leader(&mut self, cx: &Context<'_>, id: RequestId, fx: &mut Fx<'_, '_>) {
        let Some(Asked { lease, renew, .. }) = self.asked.get(&id) else { return };
        let (group, boot, lease, renew) = (self.group, self.boot, *lease, *renew);
        match self.leader {
            Some(leader) if leader == self.me && self.lessor.leads() => {
                self.reads.add(Waiter::Lease { from: self.me, boot, id, lease, renew }, cx.now);
            }
            Some(leader) if leader != self.me => {
                fx.fx.send(leader, Message::Lease { group, boot, id, lease, renew })
            }
            _ => {}
        }
        self.arm_resend_timer(fx);
    }

    pub(super) fn ask_leader_again(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        let ids: Vec<RequestId> = self.asked.keys().copied().collect();
        for id in ids {
            self.ask_leader(cx, id, fx);
        }
        self.begin_round(cx, fx);
    }

    pub(super) fn answer_lease(
        &mut self,
        cx: &Context<'_>,
        (from, boot): (NodeId, u64),
        id: RequestId,
        lease: LeaseId,
        renew: bool,
        fx: &mut Fx<'_, '_>,
    ) {
        let group = self.group;
        if !self.lessor.leads() {
            if from == self.me {
                self.arm_resend_timer(fx);
            } else {
                fx.fx.send(from, Message::LeaseRefused { group, boot, id });
            }
            return;
        }
        let time: Option<LeaseTime> =
            if renew { self.lessor.renew(lease, cx.now) } else { self.lessor.time(lease, cx.now) };
        if renew && time.is_some() {
            fx.fx.note("lease renewed", 1);
        }
        self.arm_lease_timer(cx, fx);
        if from != self.me {
            fx.fx.send(from, Message::LeaseAnswer { group, boot, id, lease, time });
        } else if self.asked.remove(&id).is_some() {
            fx.fx.reply(id, Reply::Lease(time));
        }
    }

    pub(super) fn promote_lessor(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if !self.lessor.leads() && self.established.is_some_and(|index| self.applied >= index) {
            self.lessor.promote(cx.now);
            self.arm_lease_timer(cx, fx);
            self.ask_leader_again(cx, fx);
        }
    }

    pub(super) fn end_leases(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        for lease in self.lessor.expired(cx.now, self.config.lease_ends_max) {
            let change = Change::Store(Operation::LeaseRevoke { id: lease });
            let envelope = Envelope { origin: INTERNAL, boot: 0, sequence: 0, floor: 0, change }.encode();
            fx.fx.note("lease expired", 1);
            match self.leader {
                // The bug of etcd 3.5 before 3.5.10: a deposed leader's verdict is sent on to its successor.
                Some(leader) if leader != self.me && self.config.flaws.lessor_outlives_leadership => {
                    fx.fx.send(leader, Message::Forward { group: self.group, envelopes: vec![envelope] });
                }
                _ => {
                    let id = self.token(Token::LeaseEnd(lease));
                    let command = raft::Command::ProposeInTerm(self.term, envelope);
                    self.step_raft(cx, Input::Command { id, command }, fx);
                }
            }
        }
        self.arm_lease_timer(cx, fx);
    }
}
