//! Taking entries from a leader (paper, section 5.3).

use alloc::vec::Vec;

use synod_machine::{Context, NodeId};

use super::{Entry, Event, Fx, Index, Message, Place, Raft};

impl Raft {
    pub(super) fn on_append(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        mut previous: Place,
        mut entries: Vec<Entry>,
        commit: Index,
        fx: &mut Fx,
    ) {
        if !self.is_well_formed(previous, &entries) {
            fx.note("raft.nonsense", 1);
            return;
        }
        if self.is_installing_last() {
            // The state machine is about to become the snapshot's; what is committed meanwhile would be applied twice.
            fx.note("raft.append_during_install", 1);
            return;
        }
        if previous.index < self.commit {
            // What is committed here is in every leader's log: only what comes after it can be news.
            let known = entries.iter().take_while(|entry| entry.index <= self.commit).count();
            entries.drain(..known);
            let index = self.commit;
            match entries.first() {
                Some(_) => previous = Place { term: self.log.term(index).unwrap_or(previous.term), index },
                None => {
                    self.send_matched(from, index, fx);
                    return;
                }
            }
        }
        if !self.log.matches(previous) && !self.flawed_fit(previous) {
            let hint = self.log.agree_before(previous);
            let message = Message::Rejected { term: self.term, previous: previous.index, hint };
            self.send(from, message, fx);
            return;
        }
        let matched = entries.last().map_or(previous.index, |entry| entry.index);
        self.take(cx, entries, fx);
        self.send_matched(from, matched, fx);
        self.advance_commit(commit.min(matched), fx);
    }

    fn send_matched(&mut self, to: NodeId, matched: Index, fx: &mut Fx) {
        let message = Message::Appended { term: self.term, matched };
        self.send_when_durable(matched, to, message, fx);
    }

    /// The entries follow `previous` one by one, with terms that do not fall and are not beyond the leader's.
    fn is_well_formed(&self, previous: Place, entries: &[Entry]) -> bool {
        let mut before = previous;
        for entry in entries {
            if Some(entry.index.0) != before.index.0.checked_add(1)
                || entry.term < before.term
                || entry.term > self.term
            {
                return false;
            }
            before = entry.place();
        }
        true
    }

    fn flawed_fit(&self, previous: Place) -> bool {
        self.config.flaws.append_without_check && self.log.term(previous.index).is_some()
    }

    /// Adds the entries that the log does not have; one of another term, and all after it, give way.
    fn take(&mut self, cx: &Context<'_>, mut entries: Vec<Entry>, fx: &mut Fx) {
        let known = entries.iter().take_while(|entry| self.log.matches(entry.place())).count();
        entries.drain(..known);
        let Some(first) = entries.first() else { return };
        let (index, term) = (first.index, first.term);
        if index <= self.log.last().index {
            let before = self.log.configuration_index();
            fx.note("raft.truncated", self.log.last().index.0 - index.previous().0);
            self.log.truncate(index);
            if self.log.configuration_index() != before {
                fx.emit(Event::Configured(self.log.configuration().clone()));
            }
        }
        if term < self.log.last().term {
            // Only a flaw gets here: the check that it leaves out sees to this.
            return;
        }
        let before = self.log.configuration_index();
        self.write_entries(entries, fx);
        if self.log.configuration_index() != before {
            self.follow_configuration(cx, fx);
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        commit: Index,
        round: u64,
        quiesce: bool,
        fx: &mut Fx,
    ) {
        if !self.is_installing_last() {
            self.advance_commit(commit, fx);
        }
        if quiesce && self.rest(commit, fx) {
            return;
        }
        let message = Message::Alive { term: self.term, round };
        self.send(from, message, fx);
    }

    pub(super) fn on_committed(&mut self, commit: Index, fx: &mut Fx) {
        if !self.is_installing_last() {
            self.advance_commit(commit, fx);
        }
    }
}
