//! Terms, votes and elections (paper, sections 5.1, 5.2 and 5.4.1; thesis, sections 4.2.3 and 9.6).
//!
//! **The election deadline is not moved at every message.** A follower notes when it heard its leader. When the deadline fires it has
//! either been silent for less than `election_least`, and the deadline is set for the rest; or for as long, and then a lot is drawn from
//! what is left up to `election_most`. So the time from the last message to the candidacy is drawn evenly from the
//! configured range, as the paper wants it, for about one timer an election time however many messages come.
//!
//! **A term is written before it is spoken of.** The paper lets a server answer after writing; here the write is started, and the messages of the
//! new term are held back by its ticket. A candidate's requests too: were they to leave earlier, a crash could leave votes under way for a log
//! whose end was lost, and the candidate's next life, in the same term again, would win with them. For the same reason it counts its own vote
//! only when that is durable.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Mono, NodeId, Ticket};

use super::{Event, Fx, Message, Place, Raft, Refusal, Reply, Role, State, Term, Timer, Write};
use crate::quorum::Tally;

/// What the disk has of term and vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ballot {
    /// Changed in memory and not written.
    changed: bool,
    /// The newest write, while it is not durable.
    pub pending: Option<Ticket>,
    /// The newest write.
    pub written: Ticket,
    /// What is durable.
    pub durable: (Term, Option<NodeId>),
}

impl Ballot {
    /// What was read back at the start.
    pub fn restored(term: Term, vote: Option<NodeId>) -> Self {
        Ballot { durable: (term, vote), ..Ballot::default() }
    }

    /// Writes up to `ticket` are durable. Returns whether the newest ballot has become so.
    pub fn confirm(&mut self, ticket: Ticket, term: Term, vote: Option<NodeId>) -> bool {
        let confirmed = self.pending.is_some_and(|pending| pending <= ticket);
        if confirmed {
            self.pending = None;
            self.durable = (term, vote);
        }
        confirmed
    }
}

/// Votes given and refused, the candidate's own included.
pub(super) type Ballots = BTreeMap<NodeId, bool>;

/// What is known of the leader's being alive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Contact {
    /// When a leader was last heard, or this life began: what promises rest on.
    pub heard: Mono,
    /// When the silence began that leads to a candidacy: then, or when this node last voted, stood or led.
    pub since: Mono,
    /// The lot of candidacy is drawn for the silence since then.
    lot: Option<Mono>,
    /// The connection to the leader broke since.
    suspected: bool,
}

impl Raft {
    /// Enters the message's term if it is newer. Returns whether the message is to be acted on.
    pub(super) fn enter_term_of(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        message: &Message,
        fx: &mut Fx,
    ) -> bool {
        let term = message.term();
        if term > self.term {
            return match message {
                // Neither the question nor a promise is of a term that anybody has entered.
                Message::Vote { pre: true, .. } | Message::Voted { pre: true, granted: true, .. } => true,
                Message::Vote { transfer: false, .. } if self.withholds_votes(cx) => {
                    fx.note("raft.vote_withheld", 1);
                    self.wake(cx, fx);
                    false
                }
                _ => {
                    let leader = message.is_leaders().then_some(from);
                    self.become_follower(cx, term, leader, fx);
                    true
                }
            };
        }
        if term < self.term {
            match message {
                Message::Vote { .. } | Message::ReadRequest { .. } => {}
                // A voter says in which term it is; its answer counts for the ballot that it names.
                Message::Voted { .. } => return true,
                message if message.is_leaders() => {}
                _ => return false,
            }
            self.send(from, Message::Outdated { term: self.term }, fx);
            return false;
        }
        true
    }

    /// Whether votes are withheld because a leader was heard lately: without this a removed or cut-off node could depose
    /// leaders for ever, and leases would mean nothing.
    fn withholds_votes(&self, cx: &Context<'_>) -> bool {
        self.config.check_quorum && self.believes_in_leader(cx)
    }

    fn believes_in_leader(&self, cx: &Context<'_>) -> bool {
        let lately = cx.now.since(self.contact.heard) < self.config.election_least;
        if self.config.lease_drift_ppm.is_some() {
            // Also after a restart: the life before may have promised it.
            return self.is_leader() || lately;
        }
        self.is_leader() || (self.leader.is_some() && !self.contact.suspected && (lately || self.quiescent))
    }

    pub(super) fn on_vote(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        term: Term,
        last: Place,
        pre: bool,
        transfer: bool,
        fx: &mut Fx,
    ) {
        let current = last >= self.log.last() || self.config.flaws.vote_for_stale_log;
        let free = match self.vote {
            _ if term > self.term => true,
            None => self.leader.is_none(),
            Some(vote) => vote == from,
        };
        // Here too, since this node may have entered the term otherwise than by this request.
        let withheld = if pre { self.believes_in_leader(cx) } else { !transfer && self.withholds_votes(cx) };
        let granted = current && free && !withheld;
        if pre {
            self.wake(cx, fx);
        } else if granted {
            if self.vote != Some(from) {
                self.vote = Some(from);
                self.ballot.changed = true;
            }
            // Who gives its vote also gives the candidate the time to win.
            self.contact.since = cx.now;
            self.contact.suspected = false;
        }
        let message = Message::Voted { term: self.term, ballot: term, pre, granted };
        self.send(from, message, fx);
    }

    pub(super) fn on_voted(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        ballot: Term,
        pre: bool,
        granted: bool,
        fx: &mut Fx,
    ) {
        let term = self.term;
        match &mut self.state {
            State::PreCandidate(ballots) if pre && ballot == Term(term.0 + 1) => {
                ballots.insert(from, granted);
            }
            State::Candidate(ballots) if !pre && ballot == term => {
                ballots.insert(from, granted);
            }
            _ => return,
        }
        self.count_votes(cx, fx);
    }

    /// The candidate's own ballot is durable.
    pub(super) fn count_own_vote(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let me = self.me;
        if let State::Candidate(ballots) = &mut self.state
            && self.vote == Some(me)
        {
            ballots.insert(me, true);
            self.count_votes(cx, fx);
        }
    }

    fn count_votes(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let (State::PreCandidate(ballots) | State::Candidate(ballots)) = &self.state else { return };
        match (self.voters().tally(|node| ballots.get(&node).copied()), self.role()) {
            (Tally::Won, Role::PreCandidate) => self.stand(cx, false, fx),
            (Tally::Won, _) => self.become_leader(cx, fx),
            // Also when it is lost: the deadline is when the next attempt is made.
            (Tally::Lost | Tally::Open, _) => {}
        }
    }

    /// Begins an election, with the question first if that is configured.
    fn campaign(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if self.config.pre_vote { self.ask(cx, fx) } else { self.stand(cx, false, fx) }
    }

    fn ask(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        self.state = State::PreCandidate(Ballots::from([(self.me, true)]));
        self.leader = None;
        self.tell_role(fx);
        match self.config.suspicion.filter(|_| self.contact.suspected) {
            // Others may learn of the broken connection a little later: ask them again soon.
            Some(most) => fx.arm(Timer::Election, most..=most * 2),
            None => self.arm_candidacy(fx),
        }
        let message =
            Message::Vote { term: Term(self.term.0 + 1), last: self.log.last(), pre: true, transfer: false };
        self.send_to_voters(&message, fx);
        self.count_votes(cx, fx);
    }

    /// Stands for election in the next term.
    pub(super) fn stand(&mut self, cx: &Context<'_>, transfer: bool, fx: &mut Fx) {
        self.term =
            Term(self.term.0.checked_add(1).expect("terms rise by one an election and do not run out"));
        self.vote = Some(self.me);
        self.ballot.changed = true;
        self.leader = None;
        self.state = State::Candidate(Ballots::new());
        fx.note("raft.election", 1);
        self.tell_role(fx);
        self.arm_candidacy(fx);
        let message = Message::Vote { term: self.term, last: self.log.last(), pre: false, transfer };
        self.write_ballot(fx);
        self.send_to_voters(&message, fx);
        if self.config.flaws.reply_before_durable {
            self.count_own_vote(cx, fx);
        }
    }

    fn send_to_voters(&mut self, message: &Message, fx: &mut Fx) {
        let configuration = self.log.configuration();
        let voters: Vec<NodeId> = configuration
            .voters
            .union(&configuration.outgoing)
            .copied()
            .filter(|node| *node != self.me)
            .collect();
        for voter in voters {
            self.send(voter, message.clone(), fx);
        }
    }

    /// Acts on a message of a leader of this term: follows it. Returns whether the message is to be acted on.
    pub(super) fn follow(&mut self, cx: &Context<'_>, from: NodeId, message: &Message, fx: &mut Fx) -> bool {
        if self.is_leader() || self.leader.is_some_and(|leader| leader != from) {
            // Two leaders of one term: a peer speaks nonsense, for elections do not allow it.
            fx.note("raft.nonsense", 1);
            return false;
        }
        self.contact.heard = cx.now;
        self.contact.since = cx.now;
        self.contact.suspected = false;
        if self.leader.is_none() {
            self.become_follower(cx, self.term, Some(from), fx);
        }
        if !matches!(message, Message::Heartbeat { quiesce: true, .. }) {
            self.wake(cx, fx);
        }
        true
    }

    /// Follows in `term`, which is this node's or newer.
    pub(super) fn become_follower(
        &mut self,
        cx: &Context<'_>,
        term: Term,
        leader: Option<NodeId>,
        fx: &mut Fx,
    ) {
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.ballot.changed = true;
        }
        let before = core::mem::replace(&mut self.state, State::Follower);
        self.leader = leader;
        self.contact.lot = None;
        self.contact.suspected = false;
        self.quiescent = false;
        if leader.is_some() || !matches!(before, State::Follower) {
            // Who stood or led waits a whole election time before it stands again.
            self.contact.since = cx.now;
        }
        if leader.is_some() {
            self.contact.heard = cx.now;
        }
        if let State::Leader(deposed) = before {
            self.give_up_leading(*deposed, fx);
        }
        self.tell_role(fx);
        self.arm_election(cx, fx);
        if let Some(leader) = leader {
            self.settle_handover(leader, fx);
            self.forward_again(fx);
        }
    }

    pub(super) fn tell_role(&self, fx: &mut Fx) {
        fx.emit(Event::Role { role: self.role(), term: self.term, leader: self.leader });
    }

    /// Starts the write of term and vote if they changed.
    pub(super) fn write_ballot(&mut self, fx: &mut Fx) {
        if self.ballot.changed {
            self.rewrite_ballot(fx);
            self.ballot.changed = false;
            self.ballot.pending = Some(self.ballot.written);
        }
    }

    /// Starts a write of term and vote as they are. Nothing waits for it unless they changed.
    pub(super) fn rewrite_ballot(&mut self, fx: &mut Fx) {
        self.ballot.written = fx.write(Write::Vote { term: self.term, vote: self.vote });
    }

    /// Whether this node may stand for election: it votes, and its state machine is not being replaced.
    pub(super) fn may_stand(&self) -> bool {
        self.is_electable() && !self.is_installing_last()
    }

    /// Whether this node votes in the membership in force, or in one that may still be so: as long as the membership that leaves it out is
    /// not committed, it may be the only one whose log lets it win (thesis, section 4.2.2).
    fn is_electable(&self) -> bool {
        self.log.configurations_from(self.commit).any(|configuration| configuration.is_voter(self.me))
    }

    /// Sets the deadline after which a silent leader is doubted.
    pub(super) fn arm_election(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if self.is_electable() {
            let rest = self.config.election_least.saturating_sub(self.silent_for(cx.now));
            fx.arm(Timer::Election, rest..=rest);
        } else {
            fx.disarm(Timer::Election);
        }
    }

    fn arm_candidacy(&self, fx: &mut Fx) {
        fx.arm(Timer::Election, self.config.election_least..=self.config.election_most);
    }

    pub(super) fn on_election_timer(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if self.is_leader() || self.quiescent {
            return;
        }
        if !self.may_stand() {
            // Learners and removed nodes wait for a leader without a deadline; a node with a new state tries again.
            if self.is_installing_last() {
                self.arm_candidacy(fx);
            }
            return;
        }
        if !matches!(self.state, State::Follower) || self.contact.suspected {
            self.campaign(cx, fx);
            return;
        }
        let silent = self.silent_for(cx.now);
        if silent < self.config.election_least {
            let rest = self.config.election_least - silent;
            fx.arm(Timer::Election, rest..=rest);
        } else if self.contact.lot != Some(self.contact.since) {
            self.contact.lot = Some(self.contact.since);
            fx.arm(Timer::Election, Duration::ZERO..=self.config.election_most.saturating_sub(silent));
        } else {
            self.campaign(cx, fx);
        }
    }

    /// There is no point in waiting for a leader.
    pub(super) fn doubt(&mut self) {
        self.contact.suspected = true;
    }

    /// The connection to the leader broke or came back. Its end is evidence of the leader's; asking first keeps a node that
    /// alone lost it from disturbing the others.
    pub(super) fn follower_link(&mut self, cx: &Context<'_>, up: bool, fx: &mut Fx) {
        if up {
            if core::mem::take(&mut self.contact.suspected) {
                self.arm_election(cx, fx);
            }
            return;
        }
        if self.quiescent {
            self.wake(cx, fx);
        }
        if let Some(most) = self.config.suspicion
            && self.config.lease_drift_ppm.is_none()
            && matches!(self.state, State::Follower)
            && self.may_stand()
        {
            self.contact.suspected = true;
            fx.note("raft.suspected", 1);
            fx.arm(Timer::Election, Duration::ZERO..=most);
        }
    }

    /// A leader answers a client whose request can come to nothing any more.
    pub(super) fn refuse(id: synod_machine::RequestId, refusal: Refusal, fx: &mut Fx) {
        fx.reply(id, Reply::Refused(refusal));
    }
}
