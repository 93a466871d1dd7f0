//! Other names for nodes: for explorers that take participants for interchangeable.

use synod_machine::{NodeId, Rename};

use super::{
    Command, Coordinated, Event, Ledger, Message, Outcome, Own, Prepared, Record, Reply, Resource, Round,
    Timer, TransactionId, TwoPhase, Vote,
};

macro_rules! names_nobody {
    ($($type:ty),*) => {
        $(impl Rename for $type {
            fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
        })*
    };
}

names_nobody!(Outcome, Vote, Reply);

impl Rename for TransactionId {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let TransactionId { coordinator, number: _ } = self;
        coordinator.rename(names);
    }
}

impl<W> Rename for Message<W> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Message::Prepare { transaction, work: _, peers } => {
                transaction.rename(names);
                peers.rename(names);
            }
            Message::Vote { transaction, vote: _ }
            | Message::Decision { transaction, outcome: _ }
            | Message::Ack { transaction }
            | Message::Inquire { transaction } => transaction.rename(names),
        }
    }
}

/// Keys of a map, whose values name nobody.
fn rename_keys<W>(map: &mut alloc::collections::BTreeMap<NodeId, W>, names: &dyn Fn(NodeId) -> NodeId) {
    *map = core::mem::take(map).into_iter().map(|(node, value)| (names(node), value)).collect();
}

impl<W> Rename for Command<W> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Command::Commit { number: _, work } = self;
        rename_keys(work, names);
    }
}

impl Rename for Event {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let (Event::Voted(transaction, _) | Event::Decided(transaction, _) | Event::InDoubt(transaction)) =
            self;
        transaction.rename(names);
    }
}

impl<R: Resource> Rename for Record<R> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Record::Collecting { transaction, participants: nodes }
            | Record::Decided { transaction, outcome: _, told: nodes }
            | Record::Prepared { transaction, work: _, peers: nodes } => {
                transaction.rename(names);
                nodes.rename(names);
            }
            Record::Ended { transaction } | Record::Resolved { transaction, outcome: _ } => {
                transaction.rename(names);
            }
            Record::Checkpoint(ledger) => ledger.rename(names),
        }
    }
}

impl Rename for Timer {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let (Timer::Votes(transaction) | Timer::Acks(transaction) | Timer::InDoubt(transaction)) = self;
        transaction.rename(names);
    }
}

impl<W> Rename for Round<W> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Round::Voting { client: _, work, votes } => {
                rename_keys(work, names);
                votes.rename(names);
            }
            Round::Telling { outcome: _, unacknowledged } => unacknowledged.rename(names),
        }
    }
}

impl Rename for Coordinated {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Coordinated { outcome: _, told } = self;
        told.rename(names);
    }
}

impl<W> Rename for Prepared<W> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Prepared { work: _, peers } = self;
        peers.rename(names);
    }
}

/// The resource is one node's own, and names nobody.
impl<R: Resource> Rename for Ledger<R> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Ledger { resource: _, coordinated, prepared, outcomes, forgotten } = self;
        coordinated.rename(names);
        prepared.rename(names);
        outcomes.rename(names);
        forgotten.rename(names);
    }
}

impl<W> Rename for Own<W> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Own::Message(message) => message.rename(names),
            Own::Event(event) => event.rename(names),
        }
    }
}

impl<R: Resource> Rename for TwoPhase<R> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let TwoPhase { me, config: _, ledger, rounds, underway, own, records: _ } = self;
        me.rename(names);
        ledger.rename(names);
        rounds.rename(names);
        underway.rename(names);
        own.rename(names);
    }
}
