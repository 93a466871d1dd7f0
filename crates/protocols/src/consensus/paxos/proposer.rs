//! The proposer: it asks for promises, finds the value that it may propose, puts it to the vote, and gives way to who is ahead.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{NodeId, Ticket};

use super::{Ballot, Fx, Message, Paxos, Proposal, Timer, Value, Write};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proposer<V> {
    /// The highest ballot used or heard of.
    pub seen: Ballot,
    /// The client's value; the first one asked for stays.
    pub wanted: Option<V>,
    pub phase: Phase<V>,
    /// In a row, since an attempt last got through phase 1 and 2.
    pub refusals: u32,
}

/// Where a proposer stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase<V> {
    /// It wants nothing, or knows the outcome.
    Idle,
    /// It was refused and waits for its next attempt.
    BackingOff,
    /// Phase 1: promises come in.
    Preparing {
        /// Its ballot.
        ballot: Ballot,
        /// The write that uses the ballot up.
        written: Option<Ticket>,
        /// Who promised, with what each had accepted.
        promises: BTreeMap<NodeId, Option<Proposal<V>>>,
    },
    /// Phase 2: acceptances come in.
    Accepting(Proposal<V>),
}

impl<V> Default for Proposer<V> {
    fn default() -> Self {
        Proposer { seen: Ballot::default(), wanted: None, phase: Phase::Idle, refusals: 0 }
    }
}

impl<V> Phase<V> {
    /// The ballot that is under way.
    pub fn ballot(&self) -> Option<Ballot> {
        match self {
            Phase::Idle | Phase::BackingOff => None,
            Phase::Preparing { ballot, .. } => Some(*ballot),
            Phase::Accepting(proposal) => Some(proposal.ballot),
        }
    }
}

impl<V: Value> Paxos<V> {
    /// A client's wish.
    pub(super) fn propose(&mut self, value: V, fx: &mut Fx<V>) {
        self.proposer.wanted.get_or_insert(value);
        if self.proposer.phase == Phase::Idle {
            self.attempt(fx);
        }
    }

    /// Phase 1a: a ballot above all that were heard of.
    pub(super) fn attempt(&mut self, fx: &mut Fx<V>) {
        if self.learner.learned.is_some() || self.proposer.wanted.is_none() {
            return;
        }
        let ballot = self.proposer.seen.max(self.acceptor.pledge.promised).next(self.me);
        self.proposer.seen = ballot;
        fx.note("paxos.attempt", 1);
        let written = if self.is_acceptor() {
            Some(self.promise(ballot, fx))
        } else if self.config.flaws.reuse_ballot {
            None
        } else {
            let ticket = fx.write(Write::Attempted(ballot));
            fx.forget(ticket);
            Some(ticket)
        };
        self.proposer.phase = Phase::Preparing { ballot, written, promises: BTreeMap::new() };
        if self.is_acceptor() {
            let accepted = self.acceptor.pledge.accepted.clone();
            self.answer(self.me, Message::Promise { ballot, accepted }, fx);
        }
        self.ask_again(fx);
    }

    /// Asks the acceptors that have not answered the request under way, now and after each [`Config::retry`](super::Config::retry).
    pub(super) fn ask_again(&mut self, fx: &mut Fx<V>) {
        let (message, written) = match &self.proposer.phase {
            Phase::Idle | Phase::BackingOff => return,
            Phase::Preparing { ballot, written, .. } => (Message::Prepare { ballot: *ballot }, *written),
            Phase::Accepting(proposal) => (Message::Accept(proposal.clone()), None),
        };
        for acceptor in self.silent() {
            // A ballot must not be heard of before it is used up for good.
            match written {
                Some(ticket) => fx.hold(ticket, |fx| fx.send(acceptor, message.clone())),
                None => fx.send(acceptor, message.clone()),
            }
        }
        fx.arm(Timer::Retry, self.config.retry..=self.config.retry);
    }

    /// Other acceptors that have not answered the request under way.
    fn silent(&self) -> Vec<NodeId> {
        let answered = |acceptor: &NodeId| match &self.proposer.phase {
            Phase::Idle | Phase::BackingOff => true,
            Phase::Preparing { promises, .. } => promises.contains_key(acceptor),
            Phase::Accepting(proposal) => self.learner.has_accepted(*acceptor, proposal.ballot),
        };
        let others = self.config.acceptors.iter().filter(|acceptor| **acceptor != self.me);
        others.filter(|acceptor| !answered(acceptor)).copied().collect()
    }

    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        accepted: Option<Proposal<V>>,
        fx: &mut Fx<V>,
    ) {
        let Phase::Preparing { ballot: current, promises, .. } = &mut self.proposer.phase else { return };
        if *current != ballot {
            return;
        }
        promises.insert(from, accepted);
        if promises.len() >= self.config.prepare_quorum {
            self.put_to_the_vote(fx);
        }
    }

    /// Phase 2a. The value is free only if no promise reports one (paper, section 2.2, P2c).
    fn put_to_the_vote(&mut self, fx: &mut Fx<V>) {
        let Phase::Preparing { ballot, promises, .. } = &self.proposer.phase else { return };
        let reported = promises.values().flatten();
        let bound = match self.config.flaws {
            flaws if flaws.ignore_accepted => None,
            flaws if flaws.adopt_lowest => reported.min_by_key(|proposal| proposal.ballot),
            _ => reported.max_by_key(|proposal| proposal.ballot),
        };
        let value = bound.map(|proposal| &proposal.value).or(self.proposer.wanted.as_ref());
        let value = value.expect("an attempt begins with a value that is wanted").clone();
        let proposal = Proposal { ballot: *ballot, value };
        self.proposer.phase = Phase::Accepting(proposal.clone());
        self.ask_again(fx);
        if self.is_acceptor() {
            self.on_accept(proposal, fx);
        }
    }

    /// Someone is ahead: give way for a while. Who draws the shorter time meets no rival, with a probability that grows with the bound.
    pub(super) fn on_rejected(&mut self, ballot: Ballot, promised: Ballot, fx: &mut Fx<V>) {
        self.proposer.seen = self.proposer.seen.max(promised);
        if self.proposer.phase.ballot() != Some(ballot) {
            return;
        }
        self.proposer.refusals = self.proposer.refusals.saturating_add(1);
        self.proposer.phase = Phase::BackingOff;
        fx.note("paxos.gave_way", 1);
        fx.disarm(Timer::Retry);
        fx.arm(Timer::Attempt, Duration::ZERO..=self.config.backoff(self.proposer.refusals));
    }
}
