//! The conditions of the atomic commitment problem (Bernstein, Hadzilacos and Goodman, 1987, section 7.3), as functions.
//!
//! A [`History`] is shown each node after each of its steps, with the events of that step, and so knows every vote and every decision that could not be lost.
//! [`agreement`] needs no past: it is for explorations, which see every state by itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use synod_machine::NodeId;

use crate::Broken;

use super::{Event, Outcome, Resource, Round, TransactionId, TwoPhase, Vote};

/// The votes and decisions of the past.
#[derive(Clone, Debug, Default)]
pub struct History {
    participants: BTreeMap<TransactionId, BTreeSet<NodeId>>,
    votes: BTreeMap<(TransactionId, NodeId), Vote>,
    decisions: BTreeMap<TransactionId, BTreeMap<NodeId, Outcome>>,
}

impl History {
    /// Looks at a node after a step that emitted `events`.
    ///
    /// # Errors
    /// The first condition that does not hold, in a sentence.
    pub fn observe<'a, R: Resource>(
        &mut self,
        node: &TwoPhase<R>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<(), Broken> {
        for (transaction, round) in node.rounds() {
            if let Round::Voting { work, .. } = round {
                self.participants.entry(*transaction).or_insert_with(|| work.keys().copied().collect());
            }
        }
        for event in events {
            match event {
                Event::Voted(transaction, vote) => self.note_vote(*transaction, node.id(), *vote)?,
                Event::Decided(transaction, outcome) => {
                    self.note_decision(*transaction, node.id(), *outcome)?;
                }
                Event::InDoubt(_) => {}
            }
        }
        Ok(())
    }

    /// How a transaction ended, where it was decided first.
    pub fn outcome(&self, transaction: TransactionId) -> Option<Outcome> {
        self.decisions.get(&transaction)?.values().next().copied()
    }

    /// How many transactions were decided so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.decisions.values().filter(|nodes| nodes.values().next() == Some(&outcome)).count()
    }

    /// AC4: if nothing failed and all voted Yes, the decision is commit. To be asked after a run in which nothing failed.
    ///
    /// # Errors
    /// The transaction that aborted for no reason, in a sentence.
    pub fn commits_unless_refused(&self) -> Result<(), Broken> {
        for (transaction, participants) in &self.participants {
            let willing =
                |node: &NodeId| self.votes.get(&(*transaction, *node)).is_some_and(|vote| *vote != Vote::No);
            if participants.iter().all(willing) && self.outcome(*transaction) == Some(Outcome::Abort) {
                return Err(Broken::new(
                    "AC4",
                    format!("nothing failed and all voted for {transaction}, and it was aborted"),
                ));
            }
        }
        Ok(())
    }

    fn note_vote(&mut self, transaction: TransactionId, node: NodeId, vote: Vote) -> Result<(), Broken> {
        match self.votes.insert((transaction, node), vote) {
            Some(Vote::Yes) if vote == Vote::No => {
                Err(Broken::new("promises kept", format!("{node} voted Yes for {transaction}, and then No")))
            }
            _ => Ok(()),
        }
    }

    fn note_decision(
        &mut self,
        transaction: TransactionId,
        node: NodeId,
        outcome: Outcome,
    ) -> Result<(), Broken> {
        if let Some(participants) = self.participants.get(&transaction).filter(|_| outcome == Outcome::Commit)
        {
            let unwilling = |participant: &&NodeId| {
                !matches!(self.votes.get(&(transaction, **participant)), Some(Vote::Yes | Vote::ReadOnly))
            };
            if let Some(missing) = participants.iter().find(unwilling) {
                return Err(Broken::new(
                    "AC3",
                    format!("{node} commits {transaction} without the promise of {missing}"),
                ));
            }
        }
        let decisions = self.decisions.entry(transaction).or_default();
        if let Some(before) = decisions.insert(node, outcome).filter(|before| *before != outcome) {
            return Err(Broken::new(
                "AC2",
                format!("{node} decided {before:?} for {transaction}, and then {outcome:?}"),
            ));
        }
        match decisions.iter().find(|(_, other)| **other != outcome) {
            None => Ok(()),
            Some((other, _)) => Err(Broken::new(
                "AC1",
                format!("{other} decided {:?} for {transaction}, and {node} {outcome:?}", decisions[other]),
            )),
        }
    }
}

/// AC1 in one state: no two nodes know different outcomes of a transaction.
///
/// # Errors
/// Who disagrees, in a sentence.
pub fn agreement<'a, R: Resource + 'a>(
    nodes: impl IntoIterator<Item = &'a TwoPhase<R>>,
) -> Result<(), Broken> {
    let mut known: BTreeMap<TransactionId, (NodeId, Outcome)> = BTreeMap::new();
    for node in nodes {
        let telling = node.rounds().iter().filter_map(|(transaction, round)| match round {
            Round::Telling { outcome, .. } => Some((*transaction, *outcome)),
            Round::Voting { .. } => None,
        });
        let ended = node.ledger().outcomes.iter().map(|(transaction, outcome)| (*transaction, *outcome));
        for (transaction, outcome) in telling.chain(ended) {
            let (first, other) = *known.entry(transaction).or_insert((node.id(), outcome));
            if other != outcome {
                return Err(Broken::new(
                    "AC1",
                    format!("{first} knows {other:?} for {transaction}, and {} {outcome:?}", node.id()),
                ));
            }
        }
    }
    Ok(())
}

/// AC5, what is to be empty in the end: the transactions that some node still has something to do for.
pub fn undecided<'a, R: Resource + 'a>(
    nodes: impl IntoIterator<Item = &'a TwoPhase<R>>,
) -> BTreeSet<TransactionId> {
    let mut open = BTreeSet::new();
    for node in nodes {
        open.extend(node.in_doubt().map(|(transaction, _)| transaction));
        open.extend(node.rounds().keys().copied());
    }
    open
}
