//! A leader's log and its followers' (paper, sections 5.3 and 5.4.2).
//!
//! **Batches without a timer.** A proposal goes into the log and to the disk at once. To a follower it goes at once while the
//! follower's window has room; else it waits, and the acknowledgement that opens the window takes along all that has gathered. So a
//! lone command is not delayed, and under load appends grow by themselves.
//!
//! **The leader is a follower of its own disk.** Its write runs in parallel with the sends (thesis, section 10.2.1), and it counts itself in
//! a majority only up to what is durable. A majority of others commits without it.

use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::{Context, NodeId, RequestId};

use super::{
    Entry, Event, Fx, Index, Message, Mode, Payload, Place, Progress, Raft, Refusal, Reply, State, Term,
    Timer, Write,
};

/// Entries in one report of what is committed.
const COMMITTED_ENTRIES_MAX: usize = 1024;

impl Raft {
    /// Appends commands for a client.
    pub(super) fn propose(
        &mut self,
        cx: &Context<'_>,
        id: RequestId,
        only_in: Option<Term>,
        commands: Vec<Bytes>,
        batch: bool,
        fx: &mut Fx,
    ) {
        if let Err(refusal) = self.may_propose(cx, only_in, &commands, fx) {
            Self::refuse(id, refusal, fx);
            return;
        }
        let payloads: Vec<Payload> = commands.into_iter().map(Payload::Command).collect();
        let (first, last) = self.append(payloads, fx);
        let term = self.term;
        let reply = if batch {
            Reply::ProposedBatch { term, first, last }
        } else {
            Reply::Proposed { term, index: first }
        };
        fx.reply(id, reply);
        self.wake(cx, fx);
        self.feed_all(cx, fx);
        if self.config.flaws.reply_before_durable {
            self.commit_what_majority_has(cx, fx);
        }
    }

    fn may_propose(
        &mut self,
        cx: &Context<'_>,
        only_in: Option<Term>,
        commands: &[Bytes],
        fx: &mut Fx,
    ) -> Result<(), Refusal> {
        let State::Leader(leader) = &self.state else {
            let leader = self.leader;
            // Somebody wants something: a group at rest looks whether its leader lives.
            self.wake(cx, fx);
            return Err(Refusal::NotLeader(leader));
        };
        if only_in.is_some_and(|term| term != self.term) {
            return Err(Refusal::NotLeader(Some(self.me)));
        }
        if self.handover.is_some() {
            return Err(Refusal::Busy);
        }
        if commands.is_empty() || commands.iter().any(|bytes| bytes.len() > self.config.command_bytes_max) {
            return Err(Refusal::Invalid);
        }
        let bytes: usize = commands.iter().map(Bytes::len).sum();
        // The limit is looked at before, so that one command fits an empty log whatever its length.
        if leader.uncommitted_bytes > 0
            && leader.uncommitted_bytes.saturating_add(bytes) > self.config.uncommitted_bytes_max
        {
            fx.note("raft.overloaded", 1);
            return Err(Refusal::Overloaded);
        }
        Ok(())
    }

    /// Appends to the leader's own log and starts the one write for it.
    pub(super) fn append(&mut self, payloads: Vec<Payload>, fx: &mut Fx) -> (Index, Index) {
        let first = self.log.last().index.next();
        let term = self.term;
        let entries: Vec<Entry> = payloads
            .into_iter()
            .zip(first.0..)
            .map(|(payload, index)| Entry { term, index: Index(index), payload })
            .collect();
        let bytes: usize = entries.iter().map(Entry::bytes).sum();
        if let Some(leader) = self.as_leader_mut() {
            leader.uncommitted_bytes += bytes;
        }
        (first, self.write_entries(entries, fx))
    }

    /// Puts entries behind the last and starts their write. Returns the new end.
    pub(super) fn write_entries(&mut self, entries: Vec<Entry>, fx: &mut Fx) -> Index {
        let before = self.log.configuration_index();
        self.write_ballot(fx);
        self.log.append(&entries);
        let last = self.log.last().index;
        if let Some(first) = entries.first().map(|entry| entry.index) {
            let ticket = fx.write(Write::Append(entries));
            self.log.wrote(ticket, first, last);
        }
        if self.log.configuration_index() != before {
            fx.emit(Event::Configured(self.log.configuration().clone()));
        }
        last
    }

    pub(super) fn feed_all(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let Some(leader) = self.as_leader() else { return };
        // The usual case allocates nothing: nobody has room, or all have everything.
        let last = self.log.last().index;
        let hungry = |(peer, progress): (&NodeId, &Progress)| {
            (progress.next <= last && progress.has_room(&self.config)).then_some(*peer)
        };
        let peers: Vec<NodeId> = leader.progress.iter().filter_map(hungry).collect();
        for peer in peers {
            self.feed(cx, peer, fx);
        }
    }

    /// Sends a follower what its window and the transport take.
    pub(super) fn feed(&mut self, cx: &Context<'_>, peer: NodeId, fx: &mut Fx) {
        loop {
            let State::Leader(leader) = &self.state else { return };
            let Some(progress) = leader.progress.get(&peer) else { return };
            if progress.next > self.log.last().index || !progress.has_room(&self.config) {
                return;
            }
            let index = progress.next.previous();
            let Some(term) = self.log.term(index) else {
                self.begin_snapshot(cx, peer, fx);
                return;
            };
            let entries = self.log.slice(progress.next, self.config.append_bytes_max);
            let bytes: usize = entries.iter().map(Entry::bytes).sum();
            if cx.credit.bytes(peer) < bytes {
                // The next heartbeat or acknowledgement tries again.
                fx.note("raft.no_credit", 1);
                return;
            }
            let last = entries.last().map_or(index, |entry| entry.index);
            let previous = Place { term, index };
            let (term, commit) = (self.term, self.commit);
            self.send(peer, Message::Append { term, previous, entries, commit }, fx);
            let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer))
            else {
                return;
            };
            progress.sent(last, bytes, cx.now);
            progress.commit_told = progress.commit_told.max(commit.min(last));
            self.watch(peer, fx);
        }
    }

    /// Makes sure that what is under way to a follower is not forgotten.
    pub(super) fn watch(&mut self, peer: NodeId, fx: &mut Fx) {
        let retry = self.config.retry;
        if let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer))
            && !progress.watched
        {
            progress.watched = true;
            fx.arm(Timer::Retry(peer), retry..=retry);
        }
    }

    /// Armed once for a busy pipeline, not for each append: when it fires it looks whether anything moved.
    pub(super) fn on_retry_timer(&mut self, cx: &Context<'_>, peer: NodeId, fx: &mut Fx) {
        let (now, retry, patience) = (cx.now, self.config.retry, self.config.election_most);
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        progress.watched = false;
        if progress.is_idle() {
            return;
        }
        let still = now.since(progress.moved);
        if still < retry {
            progress.watched = true;
            fx.arm(Timer::Retry(peer), (retry - still)..=(retry - still));
        } else if now.since(progress.heard) < patience.max(retry) {
            fx.note("raft.resend", 1);
            self.resend(cx, peer, fx);
        }
        // Else it is silent altogether: its next sign of life takes the matter up.
    }

    /// Sends again what may be lost.
    pub(super) fn resend(&mut self, cx: &Context<'_>, peer: NodeId, fx: &mut Fx) {
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        progress.moved = cx.now;
        if matches!(progress.mode, Mode::Snapshot(_)) {
            self.read_piece(peer, fx);
            return;
        }
        match &mut progress.mode {
            // Where the logs agree is not known yet: ask at the same place.
            Mode::Probe { waiting } => *waiting = false,
            _ => progress.probe(),
        }
        self.feed(cx, peer, fx);
    }

    pub(super) fn on_appended(&mut self, cx: &Context<'_>, from: NodeId, matched: Index, fx: &mut Fx) {
        // Who led in this term and crashed may have lost what a follower still acknowledges: only at a leader is it nonsense.
        if self.is_leader() && matched > self.log.last().index {
            fx.note("raft.nonsense", 1);
            return;
        }
        let (now, commit) = (cx.now, self.commit);
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&from)) else {
            return;
        };
        let was_snapshot = matches!(progress.mode, Mode::Snapshot(_));
        let news = progress.acknowledged(matched, now);
        if was_snapshot && !matches!(progress.mode, Mode::Snapshot(_)) {
            fx.work(super::Job::Release { peer: from });
        }
        progress.heard = now;
        progress.down = false;
        progress.catching_up &= progress.matched < commit;
        if news {
            self.commit_what_majority_has(cx, fx);
        }
        self.feed(cx, from, fx);
        if self.progress_of(from).is_some_and(|progress| !progress.is_idle()) {
            self.watch(from, fx);
        }
        self.tell_commit(from, fx);
        self.go_on_with_transfer(cx, from, fx);
    }

    pub(super) fn on_rejected(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        previous: Index,
        hint: Place,
        fx: &mut Fx,
    ) {
        // Places beyond both logs agree with nothing.
        let meet = self.log.agree_before(hint).index.min(previous.previous());
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&from)) else {
            return;
        };
        progress.heard = cx.now;
        progress.down = false;
        if !progress.refused(previous) {
            return;
        }
        fx.note("raft.rejected", 1);
        let matched = progress.matched;
        progress.probe();
        progress.next = meet.max(matched).next();
        self.feed(cx, from, fx);
    }

    /// Commits what a majority has durably, if it is of this term: entries of older terms are committed by what follows
    /// them, or a later leader could still replace them (paper, section 5.4.2 and figure 8).
    pub(super) fn commit_what_majority_has(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let reckless = self.config.flaws.reply_before_durable;
        let (me, durable) = (self.me, if reckless { self.log.last().index } else { self.log.durable() });
        let State::Leader(leader) = &self.state else { return };
        let reached = self.voters().reached(|node| match leader.progress.get(&node) {
            _ if node == me => durable,
            Some(progress) => progress.matched,
            None => Index(0),
        });
        let Some(index) = reached.filter(|index| *index > self.commit) else { return };
        let own_term = self.log.term(index) == Some(self.term);
        if !own_term && !self.config.flaws.commit_older_term {
            return;
        }
        self.advance_commit(index, fx);
        self.establish(fx);
        self.serve_reads(cx, fx);
        self.go_on_with_change(cx, fx);
        self.tell_commits(fx);
    }

    /// Reports everything up to `index` as committed.
    pub(super) fn advance_commit(&mut self, index: Index, fx: &mut Fx) {
        let index = index.min(self.log.last().index);
        if index <= self.commit {
            return;
        }
        let mut bytes = 0;
        while self.commit < index {
            let upto = Index(index.0.min(self.commit.0.saturating_add(COMMITTED_ENTRIES_MAX as u64)));
            let entries: Vec<Entry> = self.log.range(self.commit, upto).cloned().collect();
            bytes += entries.iter().map(Entry::bytes).sum::<usize>();
            self.commit = upto;
            fx.emit(Event::Committed(entries));
        }
        if let Some(leader) = self.as_leader_mut() {
            // Entries of earlier leaders were never counted.
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
        }
    }

    fn progress_of(&self, peer: NodeId) -> Option<&Progress> {
        self.as_leader().and_then(|leader| leader.progress.get(&peer))
    }

    /// Tells followers what is committed where no append is under way that would.
    fn tell_commits(&mut self, fx: &mut Fx) {
        let Some(leader) = self.as_leader() else { return };
        let peers: Vec<NodeId> = leader.progress.keys().copied().collect();
        for peer in peers {
            self.tell_commit(peer, fx);
        }
    }

    fn tell_commit(&mut self, peer: NodeId, fx: &mut Fx) {
        let (term, commit) = (self.term, self.commit);
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        let commit = commit.min(progress.matched);
        if progress.is_idle() && !progress.down && commit > progress.commit_told {
            progress.commit_told = commit;
            self.send(peer, Message::Committed { term, commit }, fx);
        }
    }
}
