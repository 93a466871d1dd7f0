//! The participant: it promises or refuses, and keeps its promise, in doubt if need be.

use alloc::collections::BTreeSet;

use synod_machine::NodeId;

use super::{
    Event, Fx, Message, Outcome, Prepared, Presumption, Record, Resource, Timer, TransactionId, TwoPhase,
    Vote,
};

impl<R: Resource> TwoPhase<R> {
    pub(super) fn on_prepare(
        &mut self,
        transaction: TransactionId,
        work: R::Work,
        peers: BTreeSet<NodeId>,
        fx: &mut Fx<R>,
    ) {
        if self.ledger.prepared.contains_key(&transaction) {
            // A repetition of the question is answered by a repetition of the vote.
            self.vote(transaction, Vote::Yes, fx);
        } else if self.ledger.outcomes.get(&transaction) == Some(&Outcome::Commit) {
            // The coordinator has decided long ago; the question was late.
        } else if R::reads_only(&work) {
            self.tell(transaction, Event::Voted(transaction, Vote::ReadOnly));
            self.vote(transaction, Vote::ReadOnly, fx);
        } else if self.ledger.is_new(transaction) && self.can_promise(&work) {
            self.write(transaction, Record::Prepared { transaction, work, peers }, fx);
            self.tell(transaction, Event::Voted(transaction, Vote::Yes));
            self.vote(transaction, Vote::Yes, fx);
            fx.arm(Timer::InDoubt(transaction), self.config.retry..=self.config.retry);
        } else {
            self.refuse(transaction, fx);
        }
    }

    fn can_promise(&self, work: &R::Work) -> bool {
        let prepared = self.ledger.prepared.values().map(|Prepared { work, .. }| work);
        self.ledger.resource.can_promise(work, prepared)
    }

    /// Votes No: the part is aborted, and the question, should it come again, is refused again.
    fn refuse(&mut self, transaction: TransactionId, fx: &mut Fx<R>) {
        if self.ledger.is_new(transaction) {
            self.resolve(transaction, Outcome::Abort, fx);
            self.tell(transaction, Event::Voted(transaction, Vote::No));
        }
        self.vote(transaction, Vote::No, fx);
    }

    /// A vote waits for what it rests on. With abort presumed, a No rests on nothing.
    fn vote(&mut self, transaction: TransactionId, vote: Vote, fx: &mut Fx<R>) {
        let forced = match vote {
            Vote::Yes => !self.config.flaws.vote_before_durable,
            Vote::No => self.config.presumption != Presumption::Abort,
            Vote::ReadOnly => false,
        };
        self.send(transaction.coordinator, Message::Vote { transaction, vote }, forced, fx);
    }

    /// Ends the transaction here.
    fn resolve(&mut self, transaction: TransactionId, outcome: Outcome, fx: &mut Fx<R>) {
        self.write(transaction, Record::Resolved { transaction, outcome }, fx);
        self.tell(transaction, Event::Decided(transaction, outcome));
        fx.disarm(Timer::InDoubt(transaction));
    }

    pub(super) fn on_decision(
        &mut self,
        from: NodeId,
        transaction: TransactionId,
        outcome: Outcome,
        fx: &mut Fx<R>,
    ) {
        let in_doubt = self.ledger.prepared.contains_key(&transaction);
        // An abort that overtakes its question is remembered, or the question would be answered with a promise.
        if in_doubt || (outcome == Outcome::Abort && self.ledger.is_new(transaction)) {
            self.resolve(transaction, outcome, fx);
        }
        // A peer's word is as good as the coordinator's, but only the latter waits for an answer.
        if from == transaction.coordinator && self.config.presumption.acknowledges(outcome) {
            self.send(from, Message::Ack { transaction }, true, fx);
        }
    }

    /// In doubt for long: asks whoever may know.
    pub(super) fn on_doubt_timer(&mut self, transaction: TransactionId, fx: &mut Fx<R>) {
        let Some(Prepared { peers, .. }) = self.ledger.prepared.get(&transaction) else { return };
        let peers = if self.config.cooperative { peers.clone() } else { BTreeSet::new() };
        if self.config.flaws.abort_in_doubt {
            self.resolve(transaction, Outcome::Abort, fx);
            return;
        }
        fx.note("two_phase.in_doubt", 1);
        self.tell(transaction, Event::InDoubt(transaction));
        self.send(transaction.coordinator, Message::Inquire { transaction }, false, fx);
        for peer in peers {
            self.send(peer, Message::Inquire { transaction }, false, fx);
        }
        fx.arm(Timer::InDoubt(transaction), self.config.retry..=self.config.retry);
    }

    /// Cooperative termination, the side that is asked: who knows tells; who never voted aborts, and can then never vote Yes; who is in doubt as
    /// well, or may have forgotten, is silent.
    pub(super) fn answer_peer(&mut self, from: NodeId, transaction: TransactionId, fx: &mut Fx<R>) {
        if self.ledger.is_new(transaction) {
            self.resolve(transaction, Outcome::Abort, fx);
        }
        if let Some(outcome) = self.ledger.outcomes.get(&transaction).copied() {
            self.send(from, Message::Decision { transaction, outcome }, true, fx);
        }
    }
}
