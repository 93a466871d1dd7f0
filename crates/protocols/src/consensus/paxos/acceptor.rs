//! The acceptor: the memory of the group. It promises, accepts, and forgets neither.

use alloc::collections::VecDeque;

use synod_machine::{NodeId, Ticket};

use super::{Announce, Ballot, Fx, Message, Paxos, Pledge, Proposal, Value, Write};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Acceptor<V> {
    /// What it goes by.
    pub pledge: Pledge<V>,
    /// What its disk has confirmed.
    pub durable: Pledge<V>,
    /// What its disk has not confirmed yet.
    pub(super) underway: VecDeque<(Ticket, Pledge<V>)>,
}

impl<V> Default for Acceptor<V> {
    fn default() -> Self {
        Acceptor { pledge: Pledge::default(), durable: Pledge::default(), underway: VecDeque::new() }
    }
}

impl<V: Value> Acceptor<V> {
    /// A new life, from what was written.
    pub fn restored(pledge: Pledge<V>) -> Self {
        Acceptor { pledge: pledge.clone(), durable: pledge, underway: VecDeque::new() }
    }

    /// The newest write that may still be lost.
    pub fn unsynced(&self) -> Option<Ticket> {
        self.underway.back().map(|(ticket, _)| *ticket)
    }

    /// Writes up to `ticket` are durable.
    pub fn confirm(&mut self, ticket: Ticket) {
        while let Some((first, _)) = self.underway.front()
            && *first <= ticket
            && let Some((_, pledge)) = self.underway.pop_front()
        {
            self.durable = pledge;
        }
    }

    /// Binds itself: from here on it goes by `pledge`, and speaks of it when it is durable.
    pub fn bind(&mut self, pledge: Pledge<V>, fx: &mut Fx<V>) -> Ticket {
        self.pledge = pledge.clone();
        let ticket = fx.write(Write::Pledged(pledge.clone()));
        self.underway.push_back((ticket, pledge));
        // The newest write says all: a log of any number of ballots stays one record long.
        fx.forget(ticket);
        ticket
    }
}

impl<V: Value> Paxos<V> {
    /// Phase 1b (paper, section 2.2): promise unless something higher is promised. The same ballot asked again is the
    /// same proposer's repetition, and is answered again.
    pub(super) fn on_prepare(&mut self, from: NodeId, ballot: Ballot, fx: &mut Fx<V>) {
        if ballot < self.acceptor.pledge.promised {
            self.reject(from, ballot, fx);
            return;
        }
        if ballot > self.acceptor.pledge.promised {
            self.promise(ballot, fx);
        }
        let accepted = self.acceptor.pledge.accepted.clone();
        self.answer(from, Message::Promise { ballot, accepted }, fx);
    }

    /// Promises a ballot that is higher than all before.
    pub(super) fn promise(&mut self, ballot: Ballot, fx: &mut Fx<V>) -> Ticket {
        let accepted = self.acceptor.pledge.accepted.clone();
        self.acceptor.bind(Pledge { promised: ballot, accepted }, fx)
    }

    /// Phase 2b (P1a): accept unless something higher is promised. A ballot's proposal that comes first may find no promise of it
    /// here, since a quorum of others was enough: accepting promises as well.
    pub(super) fn on_accept(&mut self, proposal: Proposal<V>, fx: &mut Fx<V>) {
        let Pledge { promised, accepted } = &self.acceptor.pledge;
        let (promised, proposer) = (*promised, proposal.ballot.proposer);
        if proposal.ballot < promised && !self.config.flaws.accept_below_promise {
            self.reject(proposer, proposal.ballot, fx);
            return;
        }
        if accepted.as_ref() != Some(&proposal) {
            if accepted.as_ref().is_some_and(|old| old.ballot == proposal.ballot)
                && !self.config.flaws.reuse_ballot
            {
                // Two values under one ballot: its proposer does not keep the rules.
                fx.note("paxos.nonsense", 1);
                return;
            }
            let promised = promised.max(proposal.ballot);
            self.acceptor.bind(Pledge { promised, accepted: Some(proposal.clone()) }, fx);
        }
        self.tell_accepted(proposal, fx);
    }

    fn tell_accepted(&mut self, proposal: Proposal<V>, fx: &mut Fx<V>) {
        let proposer = proposal.ballot.proposer;
        if self.config.announce == Announce::ByAcceptors {
            let config = self.config.clone();
            for learner in config.learners.iter().filter(|learner| **learner != proposer) {
                self.answer(*learner, Message::Accepted(proposal.clone()), fx);
            }
        }
        self.answer(proposer, Message::Accepted(proposal), fx);
    }

    /// A learner asks: what is accepted here counts as soon as it is durable, whoever hears of it.
    pub(super) fn on_inquire(&mut self, from: NodeId, fx: &mut Fx<V>) {
        if let Some(proposal) = self.acceptor.pledge.accepted.clone() {
            self.answer(from, Message::Accepted(proposal), fx);
        }
    }

    /// The promise that stands in the way need not be durable: to speak of it binds nobody.
    fn reject(&mut self, to: NodeId, ballot: Ballot, fx: &mut Fx<V>) {
        let message = Message::Rejected { ballot, promised: self.acceptor.pledge.promised };
        if to == self.me {
            self.own.push_back((None, message));
        } else {
            fx.send(to, message);
        }
    }
}
