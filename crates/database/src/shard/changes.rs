//! Changes on their way: from a client of this node to the leader's log, and back when the replica has applied them.
//!
//! A proposal is sent to each leader once a term, and once more whenever it was not applied in time: the session table lets
//! only the first copy through. What stands in a leader's log, its own changes or others', is not proposed again while it leads in
//! that term, so that sending again costs messages and no log.

use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Context, Input, RequestId};
use synod_protocols::consensus::raft;

use super::{Fx, Shard, Token};
use crate::proposal::{Change, Envelope};
use crate::session::INTERNAL;
use crate::{Applied, Message, Refusal, Reply};

impl Shard {
    pub(super) fn propose(&mut self, cx: &Context<'_>, id: RequestId, change: Change, fx: &mut Fx<'_, '_>) {
        assert!(id.0 >= self.next_sequence, "command ids must grow: {} after {}", id.0, self.next_sequence);
        self.next_sequence = id.0 + 1;
        if self.proposals.len() >= self.config.proposals_max {
            fx.fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        let floor = self.proposals.floor(id.0);
        let envelope = Envelope { origin: self.me, boot: self.boot, sequence: id.0, floor, change };
        self.proposals.add(id.0, envelope.encode(), cx.now);
    }

    /// Sends what the leader does not have yet, and again what it was sent longer than `again` ago.
    pub(super) fn send_proposals(&mut self, cx: &Context<'_>, again: Option<Duration>, fx: &mut Fx<'_, '_>) {
        if self.proposals.is_empty() {
            return;
        }
        self.arm_resend_timer(fx);
        let Some(leader) = self.leader else { return };
        // What is in this node's own log of this term stays there for as long as it leads.
        let again = again.filter(|_| leader != self.me);
        let due = self.proposals.due(leader, self.term, cx.now, again);
        if due.is_empty() {
            return;
        }
        if leader == self.me {
            let (sequences, envelopes) = due.into_iter().unzip();
            self.step_raft_propose(cx, Token::Proposals(sequences), envelopes, fx);
            return;
        }
        self.proposals.left(due.iter().map(|(sequence, _)| *sequence));
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (_, envelope) in due {
            if !batch.is_empty() && bytes + envelope.len() > self.config.forward_bytes_max {
                let envelopes = std::mem::take(&mut batch);
                fx.fx.send(leader, Message::Forward { group: self.group, envelopes });
                bytes = 0;
            }
            bytes += envelope.len();
            batch.push(envelope);
        }
        fx.fx.send(leader, Message::Forward { group: self.group, envelopes: batch });
    }

    /// Takes changes that another node forwarded, but for copies of what is under way.
    pub(super) fn take_forwarded(&mut self, cx: &Context<'_>, envelopes: Vec<Bytes>, fx: &mut Fx<'_, '_>) {
        let (mut names, mut taken) = (Vec::new(), Vec::new());
        for bytes in envelopes {
            // What cannot be read back from the log stops every replica: it does not get there.
            let Some(envelope) = Envelope::decode(bytes.clone()) else {
                fx.fx.note("forwarded bytes that are no envelope", 1);
                continue;
            };
            if envelope.origin == INTERNAL {
                taken.push(bytes);
            } else if self.underway.take(envelope.name()) {
                names.push(envelope.name());
                taken.push(bytes);
            } else {
                fx.fx.note("forwarded copy of what is under way", 1);
            }
        }
        if !taken.is_empty() {
            self.step_raft_propose(cx, Token::Forwarded(names), taken, fx);
        }
    }

    /// Entries are committed: what they carry is not under way any more.
    pub(super) fn note_committed(&mut self, entries: &[raft::Entry]) {
        if self.underway.is_empty() {
            return;
        }
        for entry in entries {
            if let raft::Payload::Command(bytes) = &entry.payload {
                self.underway.committed(Envelope::peek_name(bytes));
            }
        }
    }

    pub(super) fn step_raft_propose(
        &mut self,
        cx: &Context<'_>,
        token: Token,
        batch: Vec<Bytes>,
        fx: &mut Fx<'_, '_>,
    ) {
        let id = self.token(token);
        self.step_raft(cx, Input::Command { id, command: raft::Command::ProposeBatch(batch) }, fx);
    }

    pub(super) fn hear_applied(&mut self, cx: &Context<'_>, applied: Applied, fx: &mut Fx<'_, '_>) {
        self.applied = self.applied.max(applied.index);
        for sequence in applied.sequences {
            self.proposals.remove(sequence);
        }
        for (lease, ttl) in applied.leases {
            match ttl {
                Some(ttl) => self.lessor.grant(lease, ttl, cx.now),
                None => self.lessor.end(lease),
            }
        }
        self.promote_lessor(cx, fx);
        self.release_reads(cx, fx);
        self.arm_lease_timer(cx, fx);
    }
}
