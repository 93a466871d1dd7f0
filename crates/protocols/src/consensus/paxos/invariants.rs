//! What must hold of a group at every moment: agreement, validity, and the chain of requirements by which "Paxos Made Simple" (section 2.2: P1a,
//! P2b, P2c) comes to them. They are checked one by one, since a run that breaks P2c may be many steps from two nodes that disagree.
//!
//! A [`History`] is shown a node after each of its steps, before its effects are acted on, and remembers every vote that was ever durable. It is shown
//! nodes, not messages. [`agreement`] needs no past: it is for explorations, which see every state by itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use synod_machine::NodeId;

use crate::Broken;

use super::{Ballot, Paxos, Phase, Pledge, Proposal, Value};

/// The past of a group, as far as its properties need it.
#[derive(Clone, Debug)]
pub struct History<V> {
    /// What clients wished.
    wishes: Vec<V>,
    /// What was put to the vote, or voted for, under each ballot.
    proposals: BTreeMap<Ballot, V>,
    acceptors: BTreeMap<NodeId, Past<V>>,
    /// The first proposal that a quorum accepted.
    chosen: Option<Proposal<V>>,
    /// What was learned first, and where.
    learned: Option<(NodeId, V)>,
}

/// An acceptor, up to its last step.
#[derive(Clone, Debug)]
struct Past<V> {
    durable: Pledge<V>,
    /// Its votes that a crash cannot undo.
    votes: BTreeSet<Ballot>,
    /// Its votes that it can, in this life.
    underway: BTreeSet<Ballot>,
}

impl<V> Default for History<V> {
    fn default() -> Self {
        History {
            wishes: Vec::new(),
            proposals: BTreeMap::new(),
            acceptors: BTreeMap::new(),
            chosen: None,
            learned: None,
        }
    }
}

impl<V> Default for Past<V> {
    fn default() -> Self {
        Past { durable: Pledge::default(), votes: BTreeSet::new(), underway: BTreeSet::new() }
    }
}

impl<V: Value> History<V> {
    /// The proposal that a quorum accepted first, if one did.
    pub fn chosen(&self) -> Option<&Proposal<V>> {
        self.chosen.as_ref()
    }

    /// A node begins a new life: what its disk had not confirmed may be gone.
    pub fn restarted(&mut self, node: NodeId) {
        if let Some(past) = self.acceptors.get_mut(&node) {
            past.underway.clear();
        }
    }

    /// A node's disk was lost, and with it its pledge. That its votes are forgotten is not held against it; what comes of it is.
    pub fn wiped(&mut self, node: NodeId) {
        self.restarted(node);
        if let Some(past) = self.acceptors.get_mut(&node) {
            past.durable = Pledge::default();
        }
    }

    /// Looks at one node; enough after each step if it is the node that made the step.
    ///
    /// # Errors
    /// The first property that does not hold, in a sentence.
    pub fn observe(&mut self, paxos: &Paxos<V>) -> Result<(), Broken> {
        if let Some(wanted) = paxos.wanted()
            && !self.wishes.contains(wanted)
        {
            self.wishes.push(wanted.clone());
        }
        self.pledges_kept(paxos)?;
        let fresh = self.note_votes(paxos)?;
        self.choice_is_final(paxos, &fresh)?;
        self.only_safe_values(paxos)?;
        self.learned_what_is_chosen(paxos)
    }

    /// What an acceptor's disk confirmed is not undone (section 2.5), and promises only rise (P1a rests on it).
    fn pledges_kept(&mut self, paxos: &Paxos<V>) -> Result<(), Broken> {
        let past = self.acceptors.entry(paxos.id()).or_default();
        let (old, new) = (&past.durable, paxos.durable_pledge());
        let ballot = |pledge: &Pledge<V>| pledge.accepted.as_ref().map(|proposal| proposal.ballot);
        if new.promised < old.promised {
            return Err(Broken::new(
                "P1a",
                format!(
                    "{} had promised {}, and now knows of {} only",
                    paxos.id(),
                    old.promised,
                    new.promised
                ),
            ));
        }
        if ballot(new) < ballot(old) {
            return Err(Broken::new(
                "acceptances kept",
                format!(
                    "{} had accepted {:?}, and now knows of {:?} only",
                    paxos.id(),
                    old.accepted,
                    new.accepted
                ),
            ));
        }
        past.durable = new.clone();
        Ok(())
    }

    /// Remembers what was voted for, and put to the vote; gives the ballots whose votes became durable. Each ballot has one value: its proposer proposes once (section 2.2).
    fn note_votes(&mut self, paxos: &Paxos<V>) -> Result<Vec<Ballot>, Broken> {
        let voted = paxos.pledge().accepted.iter().chain(&paxos.durable_pledge().accepted);
        let proposed = match paxos.phase() {
            Phase::Accepting(proposal) => Some(proposal),
            _ => None,
        };
        for proposal in voted.chain(proposed) {
            let known = self.proposals.entry(proposal.ballot).or_insert_with(|| proposal.value.clone());
            if *known != proposal.value {
                return Err(Broken::new(
                    "one value a ballot",
                    format!(
                        "under {} both {known:?} and {:?} were proposed",
                        proposal.ballot, proposal.value
                    ),
                ));
            }
        }
        let past = self.acceptors.entry(paxos.id()).or_default();
        past.underway.extend(paxos.pledge().accepted.iter().map(|proposal| proposal.ballot));
        let Some(durable) = &paxos.durable_pledge().accepted else { return Ok(Vec::new()) };
        // Writes are durable in order: with this vote all before it.
        let later = past.underway.split_off(&durable.ballot);
        let mut fresh = core::mem::replace(&mut past.underway, later);
        past.underway.remove(&durable.ballot);
        fresh.insert(durable.ballot);
        fresh.retain(|ballot| past.votes.insert(*ballot));
        Ok(fresh.into_iter().collect())
    }

    /// P2b: once a value is chosen, every higher-numbered proposal that is chosen has it. Only what this node voted for can be news.
    fn choice_is_final(&mut self, paxos: &Paxos<V>, fresh: &[Ballot]) -> Result<(), Broken> {
        let config = paxos.config();
        for ballot in fresh {
            let Some(value) = self.proposals.get(ballot) else { continue };
            if self.votes(*ballot) < config.accept_quorum {
                continue;
            }
            match &self.chosen {
                Some(first) if first.value != *value => {
                    return Err(Broken::new(
                        "P2b",
                        format!(
                            "{:?} was chosen under {}, and now {value:?} is under {ballot}",
                            first.value, first.ballot
                        ),
                    ));
                }
                Some(_) => {}
                None => self.chosen = Some(Proposal { ballot: *ballot, value: value.clone() }),
            }
        }
        Ok(())
    }

    /// How many acceptors have durably voted under a ballot.
    pub fn votes(&self, ballot: Ballot) -> usize {
        self.acceptors.values().filter(|past| past.votes.contains(&ballot)).count()
    }

    /// P2c: for what is put to the vote under ballot n, there is a quorum of acceptors that will accept nothing below n any more, and either
    /// none of them accepted anything below n, or the highest-numbered proposal below n that one of them accepted has this value.
    fn only_safe_values(&self, paxos: &Paxos<V>) -> Result<(), Broken> {
        let Phase::Accepting(Proposal { ballot, value }) = paxos.phase() else { return Ok(()) };
        let config = paxos.config();
        let bound = |acceptor: &&NodeId| {
            self.acceptors.get(acceptor).is_some_and(|past| past.durable.promised >= *ballot)
        };
        let highest: Vec<Option<Ballot>> = config
            .acceptors
            .iter()
            .filter(bound)
            .map(|acceptor| self.last_vote(*acceptor, *ballot))
            .collect();
        let below = |limit: Option<Ballot>| highest.iter().filter(|vote| **vote <= limit).count();
        let free = below(None) >= config.prepare_quorum;
        let has_this_value = |vote: &Ballot| self.proposals.get(vote) == Some(value);
        let mut reported = highest.iter().flatten().filter(|vote| has_this_value(vote));
        if free || reported.any(|vote| below(Some(*vote)) >= config.prepare_quorum) {
            return Ok(());
        }
        Err(Broken::new(
            "P2c",
            format!(
                "{} puts {value:?} to the vote under {ballot}, but no quorum bound by that \
             ballot allows it",
                paxos.id()
            ),
        ))
    }

    /// Agreement and validity (section 2.1): what is learned has been chosen, no two nodes learn differently, and a client wished it.
    fn learned_what_is_chosen(&mut self, paxos: &Paxos<V>) -> Result<(), Broken> {
        let Some(value) = paxos.learned() else { return Ok(()) };
        let (first, known) = self.learned.get_or_insert_with(|| (paxos.id(), value.clone()));
        if known != value {
            return Err(Broken::new(
                "agreement",
                format!("{first} learned {known:?}, {} learned {value:?}", paxos.id()),
            ));
        }
        if !self.wishes.contains(value) {
            return Err(Broken::new(
                "validity",
                format!("{} learned {value:?}, which no client proposed", paxos.id()),
            ));
        }
        if self.chosen.as_ref().is_none_or(|chosen| chosen.value != *value) {
            return Err(Broken::new(
                "only chosen is learned",
                format!("{} learned {value:?}, and chosen is {:?}", paxos.id(), self.chosen),
            ));
        }
        Ok(())
    }

    /// The highest ballot below `limit` under which that acceptor durably voted.
    fn last_vote(&self, acceptor: NodeId, limit: Ballot) -> Option<Ballot> {
        self.acceptors.get(&acceptor)?.votes.range(..limit).next_back().copied()
    }
}

/// Agreement of one state: no two nodes know different outcomes, and what a quorum's disks hold under one ballot is what they know.
///
/// # Errors
/// Who disagrees, in a sentence.
pub fn agreement<'a, V: Value + 'a>(
    nodes: impl IntoIterator<Item = &'a Paxos<V>> + Clone,
) -> Result<(), Broken> {
    let mut first: Option<&Paxos<V>> = None;
    for node in nodes.clone().into_iter().filter(|node| node.learned().is_some()) {
        match first {
            Some(first) if first.learned() != node.learned() => {
                return Err(Broken::new(
                    "agreement",
                    format!(
                        "{} learned {:?}, {} learned {:?}",
                        first.id(),
                        first.learned(),
                        node.id(),
                        node.learned()
                    ),
                ));
            }
            _ => first = Some(node),
        }
    }
    let Some((learned, node)) = first.and_then(|node| Some((node.learned()?, node))) else { return Ok(()) };
    for accepted in nodes.clone().into_iter().filter_map(|node| node.durable_pledge().accepted.as_ref()) {
        let same = |other: &&Paxos<V>| other.durable_pledge().accepted.as_ref() == Some(accepted);
        let votes = nodes.clone().into_iter().filter(same).count();
        if votes >= node.config().accept_quorum && accepted.value != *learned {
            return Err(Broken::new(
                "agreement",
                format!(
                    "{} learned {learned:?}, and {votes} acceptors hold {:?} under {}",
                    node.id(),
                    accepted.value,
                    accepted.ballot
                ),
            ));
        }
    }
    Ok(())
}
