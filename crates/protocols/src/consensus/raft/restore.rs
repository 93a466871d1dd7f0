//! From what survived a crash to a node that goes on, and what a node still needs of what it wrote.
//!
//! The writes that come back are a suffix of all writes, from a place at or before [`Raft::oldest_ticket`] on. They must be durable when
//! they are handed over: a driver that reads a log which the operating system may not have written through makes it durable first.
//!
//! The state machine may be ahead of the log (a snapshot was installed and the crash came before the log's new base; or entries that a
//! majority had were applied here before they were durable here). Then the log begins anew after it: all that is gone was committed, and is in
//! the state. It must never be behind the log's base.

use alloc::vec::Vec;

use synod_machine::{Context, Ticket};

use super::election::Ballot;
use super::read::Forwarded;
use super::{Entry, Event, Forgetting, Fx, Index, Log, NodeId, Raft, SnapshotPoint, Term, Timer, Write};

/// What the writes add up to.
#[derive(Debug, Default)]
struct Saved {
    term: Term,
    vote: Option<NodeId>,
    base: Option<SnapshotPoint>,
    entries: Vec<Entry>,
}

impl Saved {
    fn replay(writes: Vec<Write>) -> Saved {
        let mut saved = Saved::default();
        for write in writes {
            match write {
                Write::Vote { term, vote } => (saved.term, saved.vote) = (term, vote),
                Write::Append(entries) => saved.append(entries),
                Write::Base(point) => {
                    saved.entries.retain(|entry| entry.index > point.index);
                    saved.base = Some(point);
                }
                Write::Reset(point) => {
                    saved.entries.clear();
                    saved.base = Some(point);
                }
            }
        }
        saved
    }

    fn append(&mut self, mut entries: Vec<Entry>) {
        let base = self.base.as_ref().map_or(Index(0), |point| point.index);
        entries.retain(|entry| entry.index > base);
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        while self.entries.last().is_some_and(|entry| entry.index >= first) {
            self.entries.pop();
        }
        if let Some(last) = self.entries.last() {
            let expected = last.index.next();
            assert!(first == expected, "expected a logged entry at {expected}, found {first}");
        }
        self.entries.append(&mut entries);
    }
}

impl Raft {
    pub(super) fn start(&mut self, cx: &Context<'_>, writes: Vec<Write>, fx: &mut Fx) {
        let fresh = writes.is_empty();
        let saved = Saved::replay(writes);
        let applied = self.applied.clone();
        let last_term = saved.entries.last().map_or(Term(0), |entry| entry.term);
        self.term = saved.term.max(last_term).max(applied.term);
        self.vote = saved.vote.filter(|_| saved.term == self.term && !self.config.flaws.forget_vote);
        self.ballot = Ballot::restored(self.term, self.vote);
        self.forwarded = Forwarded::new(fx.entropy());
        self.contact.heard = cx.now;
        self.contact.since = cx.now;
        let base = saved.base.unwrap_or_else(|| applied.clone());
        assert!(
            applied.index >= base.index,
            "expected a state machine that includes the log's base at {}, found one at {}",
            base.index,
            applied.index
        );
        let begins = base.index.next();
        if let Some(first) = saved.entries.first().map(|entry| entry.index) {
            assert!(first == begins, "expected the first logged entry at {begins}, found {first}");
        }
        self.log = Log::new(base);
        self.log.append(&saved.entries);
        self.log.confirm_all();
        self.commit = applied.index;
        if fresh || !self.log.matches(applied.place()) {
            self.reset_log(applied, fx);
        }
        fx.emit(Event::Configured(self.log.configuration().clone()));
        self.tell_role(fx);
        self.begin_watch(cx, fx);
    }

    fn begin_watch(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let configuration = self.log.configuration();
        if configuration.voters.len() == 1 && configuration.is_voter(self.me) && !configuration.is_joint() {
            // Nobody else could lead: there is nothing to wait for.
            fx.arm(Timer::Election, core::time::Duration::ZERO..=core::time::Duration::ZERO);
            self.doubt();
        } else if let Some(most) = self.config.suspicion
            && self.config.pre_vote
            && self.config.lease_drift_ppm.is_none()
            && self.may_stand()
        {
            // It knows of no leader: it asks soon whether it could lead. Where there is one, the others say no, and nothing happened.
            fx.arm(Timer::Election, most / 4..=most);
            self.doubt();
        } else {
            self.arm_election(cx, fx);
        }
    }

    /// The oldest write that the next start needs. A parent whose groups share a log keeps from the least of them on.
    pub fn oldest_ticket(&self) -> Ticket {
        let fixed = self.base_ticket.min(self.ballot.written);
        self.log.oldest_ticket().map_or(fixed, |ticket| ticket.min(fixed))
    }

    /// Writes everything that the next start needs anew, so that older writes can be forgotten: for a group in which nothing happens, or its
    /// few entries would keep a whole node's log. Costs a write of all entries held; compact first.
    pub fn renew(&mut self, fx: &mut Fx) {
        self.base_ticket = fx.write(Write::Base(self.log.base_point()));
        self.rewrite_ballot(fx);
        let entries: Vec<Entry> =
            self.log.range(self.log.base().index, self.log.last().index).cloned().collect();
        let mut after = self.ballot.written;
        if !entries.is_empty() {
            after = fx.write(Write::Append(entries));
            self.log.rewritten(after);
        }
        self.forgetting = Some(Forgetting { after, before: self.oldest_ticket() });
    }
}
