//! The coordinator: it asks, decides, and tells until nobody can be in doubt any more.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use synod_machine::{NodeId, RequestId};

use super::{
    Command, Event, Fx, Message, Outcome, Presumption, Record, Refusal, Reply, Resource, Timer,
    TransactionId, TwoPhase, Vote,
};

/// A transaction at its coordinator, from the first question to the last acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Round<W> {
    /// The voting phase.
    Voting {
        /// Who is to be told.
        client: RequestId,
        /// Each participant's part.
        work: BTreeMap<NodeId, W>,
        /// What came in.
        votes: BTreeMap<NodeId, Vote>,
    },
    /// The decision phase, as far as acknowledgements are waited for.
    Telling {
        /// What was decided.
        outcome: Outcome,
        /// Who has not acknowledged.
        unacknowledged: BTreeSet<NodeId>,
    },
}

impl<R: Resource> TwoPhase<R> {
    pub(super) fn begin(
        &mut self,
        id: RequestId,
        number: u64,
        work: BTreeMap<NodeId, R::Work>,
        fx: &mut Fx<R>,
    ) {
        let transaction = TransactionId { coordinator: self.me, number };
        let known =
            self.rounds.contains_key(&transaction) || self.ledger.coordinated.contains_key(&transaction);
        if known || work.is_empty() {
            fx.reply(id, Reply::Refused(Refusal::Invalid));
            return;
        }
        if self.rounds.len() >= self.config.transactions_max {
            fx.reply(id, Reply::Refused(Refusal::Overloaded));
            return;
        }
        if self.config.presumption == Presumption::Commit && !self.config.flaws.skip_collecting {
            // Without it a crash before the decision would leave nothing, and nothing would mean commit.
            let participants = work.keys().copied().collect();
            self.write(transaction, Record::Collecting { transaction, participants }, fx);
        }
        self.ask_for_votes(transaction, &work, fx);
        self.rounds.insert(transaction, Round::Voting { client: id, work, votes: BTreeMap::new() });
        fx.arm(Timer::Votes(transaction), self.config.votes_within..=self.config.votes_within);
    }

    fn ask_for_votes(
        &mut self,
        transaction: TransactionId,
        work: &BTreeMap<NodeId, R::Work>,
        fx: &mut Fx<R>,
    ) {
        let askable = |part: &R::Work| !R::reads_only(part) || self.config.flaws.ask_readers;
        let changing: BTreeSet<NodeId> =
            work.iter().filter(|(_, part)| askable(part)).map(|(node, _)| *node).collect();
        for (participant, part) in work {
            let peers = changing.iter().filter(|peer| *peer != participant).copied().collect();
            self.send(*participant, Message::Prepare { transaction, work: part.clone(), peers }, true, fx);
        }
    }

    pub(super) fn on_vote(&mut self, from: NodeId, transaction: TransactionId, vote: Vote, fx: &mut Fx<R>) {
        let Some(Round::Voting { work, votes, .. }) = self.rounds.get_mut(&transaction) else { return };
        if !work.contains_key(&from) {
            fx.note("two_phase.nonsense", 1);
            return;
        }
        votes.insert(from, vote);
        if vote == Vote::No {
            self.decide(transaction, Outcome::Abort, fx);
        } else if votes.len() == work.len() {
            self.decide(transaction, Outcome::Commit, fx);
        }
    }

    /// A vote is missing. Until the decision is written the coordinator is free to abort.
    pub(super) fn on_votes_timer(&mut self, transaction: TransactionId, fx: &mut Fx<R>) {
        if let Some(Round::Voting { .. }) = self.rounds.get(&transaction) {
            fx.note("two_phase.vote_missed", 1);
            let hasty = self.config.flaws.commit_without_all_votes;
            self.decide(transaction, if hasty { Outcome::Commit } else { Outcome::Abort }, fx);
        }
    }

    fn decide(&mut self, transaction: TransactionId, outcome: Outcome, fx: &mut Fx<R>) {
        let Some(Round::Voting { client, work, votes }) = self.rounds.remove(&transaction) else { return };
        fx.disarm(Timer::Votes(transaction));
        // Who voted No has aborted, who only reads is out; who said nothing may have voted Yes.
        let concerned = |node: &NodeId| matches!(votes.get(node), None | Some(Vote::Yes));
        let told: BTreeSet<NodeId> = work.keys().copied().filter(concerned).collect();
        let presumption = self.config.presumption;
        let collecting = self.ledger.coordinated.contains_key(&transaction);
        let mut forced = false;
        if told.is_empty() {
            if collecting {
                // Nobody can be in doubt: there is no hurry to say so.
                self.write(transaction, Record::Ended { transaction }, fx);
            }
        } else if presumption.records(outcome) {
            self.write(transaction, Record::Decided { transaction, outcome, told: told.clone() }, fx);
            forced = !self.config.flaws.tell_before_durable;
        }
        for participant in &told {
            self.send(*participant, Message::Decision { transaction, outcome }, forced, fx);
        }
        self.tell(transaction, Event::Decided(transaction, outcome));
        let reply = Reply::Decided(outcome);
        match self.underway.get(&transaction).filter(|_| forced) {
            Some(ticket) => fx.hold(*ticket, |fx| fx.reply(client, reply)),
            None => fx.reply(client, reply),
        }
        if !told.is_empty() && presumption.acknowledges(outcome) {
            self.rounds.insert(transaction, Round::Telling { outcome, unacknowledged: told });
            fx.arm(Timer::Acks(transaction), self.config.retry..=self.config.retry);
        }
    }

    pub(super) fn on_ack(&mut self, from: NodeId, transaction: TransactionId, fx: &mut Fx<R>) {
        let Some(Round::Telling { unacknowledged, .. }) = self.rounds.get_mut(&transaction) else { return };
        unacknowledged.remove(&from);
        if unacknowledged.is_empty() {
            self.rounds.remove(&transaction);
            fx.disarm(Timer::Acks(transaction));
            if self.ledger.coordinated.contains_key(&transaction) {
                self.write(transaction, Record::Ended { transaction }, fx);
            }
        }
    }

    /// Tells who has not acknowledged, and goes on.
    pub(super) fn tell_again(&mut self, transaction: TransactionId, fx: &mut Fx<R>) {
        let Some(Round::Telling { outcome, unacknowledged }) = self.rounds.get(&transaction) else { return };
        let (outcome, silent) = (*outcome, unacknowledged.iter().copied().collect::<Vec<_>>());
        for participant in silent {
            self.send(participant, Message::Decision { transaction, outcome }, true, fx);
        }
        fx.arm(Timer::Acks(transaction), self.config.retry..=self.config.retry);
    }

    /// A participant in doubt asks. While votes come in there is nothing to say; of what is not known, the presumption holds, but not before the
    /// record that it rests on is durable.
    pub(super) fn answer_inquiry(&mut self, from: NodeId, transaction: TransactionId, fx: &mut Fx<R>) {
        let outcome = match self.rounds.get(&transaction) {
            Some(Round::Voting { .. }) => return,
            Some(Round::Telling { outcome, .. }) => *outcome,
            None => self.config.presumption.presumed(),
        };
        self.send(from, Message::Decision { transaction, outcome }, true, fx);
    }

    /// A new life: what was decided is told again, what was not is aborted.
    pub(super) fn resume_coordinating(&mut self, fx: &mut Fx<R>) {
        for (transaction, coordinated) in self.ledger.coordinated.clone() {
            let outcome = coordinated.outcome.unwrap_or(Outcome::Abort);
            if coordinated.outcome.is_none() {
                self.tell(transaction, Event::Decided(transaction, outcome));
            }
            self.rounds.insert(transaction, Round::Telling { outcome, unacknowledged: coordinated.told });
            self.tell_again(transaction, fx);
        }
    }
}

impl<W> Command<W> {
    /// Its number at the coordinator that is asked.
    pub fn number(&self) -> u64 {
        let Command::Commit { number, .. } = self;
        *number
    }
}
