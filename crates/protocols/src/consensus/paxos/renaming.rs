//! Other names for the nodes of a group: for explorers that take acceptors, or learners, for interchangeable.
//!
//! Proposers are not, for ballots are ordered by their names.

use synod_machine::{NodeId, Rename};

use super::acceptor::Acceptor;
use super::learner::Learner;
use super::proposer::Proposer;
use super::{Ballot, Command, Config, Event, Message, Paxos, Phase, Pledge, Proposal, Reply, Timer, Write};

impl Rename for Ballot {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Ballot { round: _, proposer } = self;
        // No ballot yet: nobody's.
        if *proposer != Ballot::default().proposer {
            proposer.rename(names);
        }
    }
}

impl<V> Rename for Proposal<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Proposal { ballot, value: _ } = self;
        ballot.rename(names);
    }
}

impl<V> Rename for Pledge<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Pledge { promised, accepted } = self;
        promised.rename(names);
        accepted.rename(names);
    }
}

impl<V> Rename for Message<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Message::Prepare { ballot } => ballot.rename(names),
            Message::Promise { ballot, accepted } => {
                ballot.rename(names);
                accepted.rename(names);
            }
            Message::Accept(proposal) | Message::Accepted(proposal) => proposal.rename(names),
            Message::Rejected { ballot, promised } => {
                ballot.rename(names);
                promised.rename(names);
            }
            Message::Chosen(_) | Message::Inquire => {}
        }
    }
}

impl<V> Rename for Write<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Write::Attempted(ballot) => ballot.rename(names),
            Write::Pledged(pledge) => pledge.rename(names),
        }
    }
}

impl<V> Rename for Command<V> {
    fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
}

impl<V> Rename for Reply<V> {
    fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
}

impl<V> Rename for Event<V> {
    fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
}

impl Rename for Timer {
    fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
}

impl<V> Rename for Phase<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Phase::Idle | Phase::BackingOff => {}
            Phase::Preparing { ballot, written: _, promises } => {
                ballot.rename(names);
                promises.rename(names);
            }
            Phase::Accepting(proposal) => proposal.rename(names),
        }
    }
}

impl<V> Rename for Proposer<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Proposer { seen, wanted: _, phase, refusals: _ } = self;
        seen.rename(names);
        phase.rename(names);
    }
}

impl<V> Rename for Acceptor<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Acceptor { pledge, durable, underway } = self;
        pledge.rename(names);
        durable.rename(names);
        underway.rename(names);
    }
}

impl<V> Rename for Learner<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Learner { learned: _, votes, waiting: _ } = self;
        votes.rename(names);
    }
}

impl Rename for Config {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Config { proposers, acceptors, learners, .. } = self;
        proposers.rename(names);
        acceptors.rename(names);
        learners.rename(names);
    }
}

impl<V> Rename for Paxos<V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Paxos { me, config, proposer, acceptor, learner, own } = self;
        me.rename(names);
        let mut renamed = Config::clone(config);
        renamed.rename(names);
        // Most often the roles keep their members, and one configuration is shared as before.
        if renamed != **config {
            *config = renamed.into();
        }
        proposer.rename(names);
        acceptor.rename(names);
        learner.rename(names);
        own.rename(names);
    }
}
