//! The learner: it counts acceptances, its own node's among them, until a quorum has accepted under one ballot; or it is told.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use synod_machine::{NodeId, RequestId};

use super::{Announce, Ballot, Event, Fx, Message, Paxos, Phase, Proposal, Reply, Timer, Value};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Learner<V> {
    pub learned: Option<V>,
    /// The newest acceptance heard of, an acceptor; dropped when the outcome is known.
    pub(super) votes: BTreeMap<NodeId, Proposal<V>>,
    /// Clients that are to be told.
    pub waiting: Vec<RequestId>,
}

impl<V> Default for Learner<V> {
    fn default() -> Self {
        Learner { learned: None, votes: BTreeMap::new(), waiting: Vec::new() }
    }
}

impl<V: Value> Learner<V> {
    /// Whether that acceptor is known to have accepted under that ballot.
    pub fn has_accepted(&self, acceptor: NodeId, ballot: Ballot) -> bool {
        self.votes.get(&acceptor).is_some_and(|proposal| proposal.ballot == ballot)
    }
}

impl<V: Value> Paxos<V> {
    pub(super) fn on_accepted(&mut self, from: NodeId, proposal: Proposal<V>, fx: &mut Fx<V>) {
        if self.learner.learned.is_some() {
            return;
        }
        let votes = &mut self.learner.votes;
        // Messages may overtake each other: an older vote must not replace a newer one.
        if votes.get(&from).is_some_and(|known| known.ballot >= proposal.ballot) {
            return;
        }
        votes.insert(from, proposal.clone());
        let agreeing = votes.values().filter(|vote| **vote == proposal).count();
        if agreeing >= self.config.accept_quorum {
            let brought_about = proposal.ballot.proposer == self.me;
            self.learn(proposal.value, brought_about, fx);
        }
    }

    /// The outcome is known here: tell clients and, if it was `brought_about` here, the learners.
    pub(super) fn learn(&mut self, value: V, brought_about: bool, fx: &mut Fx<V>) {
        if self.learner.learned.is_some() {
            return;
        }
        self.learner.learned = Some(value.clone());
        self.learner.votes.clear();
        self.proposer.phase = Phase::Idle;
        self.proposer.refusals = 0;
        for timer in [Timer::Attempt, Timer::Retry, Timer::Learn] {
            fx.disarm(timer);
        }
        fx.emit(Event::Chosen(value.clone()));
        for id in core::mem::take(&mut self.learner.waiting) {
            fx.reply(id, Reply::Chosen(value.clone()));
        }
        if brought_about && self.config.announce == Announce::ByProposer {
            for learner in self.config.learners.iter().filter(|learner| **learner != self.me) {
                fx.send(*learner, Message::Chosen(value.clone()));
            }
        }
    }

    /// Asks all acceptors, now and after each [`Config::retry`](super::Config::retry) until the outcome is known.
    pub(super) fn inquire(&mut self, fx: &mut Fx<V>) {
        if self.learner.learned.is_some() {
            return;
        }
        for acceptor in self.config.acceptors.iter().filter(|acceptor| **acceptor != self.me) {
            fx.send(*acceptor, Message::Inquire);
        }
        if self.is_acceptor() {
            self.on_inquire(self.me, fx);
        }
        fx.arm(Timer::Learn, self.config.retry..=self.config.retry);
    }

    /// Whoever asks is told the outcome.
    pub(super) fn tell_chosen(&mut self, to: NodeId, fx: &mut Fx<V>) {
        if let Some(value) = self.learner.learned.clone()
            && to != self.me
        {
            fx.send(to, Message::Chosen(value));
        }
    }
}
