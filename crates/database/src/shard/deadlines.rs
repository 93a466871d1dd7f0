//! The shard's own deadlines: each is set for the oldest thing that waits, and none while nothing does.

use synod_machine::{Context, RequestId};

use super::{Fx, Shard};
use crate::reads::Waiter;
use crate::{Refusal, Reply, ShardTimer, Timer};

impl Shard {
    pub(super) fn expire_requests(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        self.request_timer = false;
        let limit = self.config.request_time;
        let refused = Reply::Refused(Refusal::TimedOut { leader_known: self.leader.is_some() });
        for sequence in self.proposals.expire(cx.now, limit) {
            fx.fx.reply(RequestId(sequence), refused.clone());
        }
        for waiter in self.reads.expire(cx.now, limit) {
            // A lease's question is answered from `asked` below, or by the node that asked.
            if let Waiter::Query { id, .. } = waiter {
                fx.fx.reply(id, refused.clone());
            }
        }
        let late: Vec<RequestId> = self
            .asked
            .iter()
            .filter(|(_, asked)| cx.now.since(asked.since) >= limit)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.asked.remove(&id);
            fx.fx.reply(id, refused.clone());
        }
        self.arm_request_timer(cx, fx);
    }

    pub(super) fn arm_request_timer(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        if self.request_timer {
            return;
        }
        let oldest_asked = self.asked.first_key_value().map(|(_, asked)| asked.since);
        let oldest = [self.proposals.oldest(), self.reads.oldest(), oldest_asked].into_iter().flatten().min();
        if let Some(oldest) = oldest {
            let wait = (oldest + self.config.request_time).since(cx.now);
            fx.fx.arm(Timer::Shard(self.group, ShardTimer::Request), wait..=wait);
            self.request_timer = true;
        }
    }

    pub(super) fn arm_resend_timer(&mut self, fx: &mut Fx<'_, '_>) {
        let waits = !self.proposals.is_empty() || !self.asked.is_empty() || self.reads.gathering();
        if waits && !self.resend_timer {
            let after = self.config.resend_after;
            fx.fx.arm(Timer::Shard(self.group, ShardTimer::Resend), after..=after + after / 4);
            self.resend_timer = true;
        }
    }

    pub(super) fn arm_lease_timer(&mut self, cx: &Context<'_>, fx: &mut Fx<'_, '_>) {
        let next = self.lessor.next_deadline();
        if next == self.lease_timer {
            return;
        }
        self.lease_timer = next;
        let timer = Timer::Shard(self.group, ShardTimer::Lease);
        match next {
            Some(deadline) => {
                let wait = deadline.since(cx.now);
                fx.fx.arm(timer, wait..=wait);
            }
            None => fx.fx.disarm(timer),
        }
    }
}
