//! What must hold of a group at every moment, whatever happened: the five properties of the paper's figure 3, that commit indices and terms
//! do not fall, and that what was durable is still there after a crash.
//!
//! A [`History`] is shown a node after each of its steps and remembers what the properties need of the past. Each look costs what
//! the step changed: new entries, newly committed entries; elections and truncations look at more. It is shown nodes,
//! not messages: what a node promised is what is durable there, and a majority that decided is counted among durable logs.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::hash::{Hash, Hasher};

use synod_machine::{Fingerprint, NodeId};

use super::{Configuration, Entry, Index, Place, Raft, Role, Term};
use crate::quorum::Voters;

/// The past of a group, as far as its properties need it.
#[derive(Clone, Debug, Default)]
pub struct History {
    leaders: BTreeMap<Term, NodeId>,
    entries: BTreeMap<Place, Known>,
    committed: BTreeMap<Index, Committed>,
    nodes: BTreeMap<NodeId, Past>,
}

/// An entry that some log has or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    previous: Term,
    digest: u64,
}

/// An entry that some node saw committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    term: Term,
    digest: u64,
    /// The term of the first node that knew.
    by: Term,
}

/// A node when it was last looked at.
#[derive(Clone, Debug, Default)]
struct Past {
    /// Looked at in this life.
    alive: bool,
    term: Term,
    role: Role,
    commit: Index,
    last: Place,
    generation: u64,
    vote: (Term, Option<NodeId>),
    disk: Disk,
}

/// The entries that a node's disk holds: all up to `base`, and runs of one term each up to `last`.
#[derive(Clone, Debug, Default)]
struct Disk {
    base: Index,
    runs: BTreeMap<Index, Term>,
    last: Index,
}

impl Disk {
    fn term(&self, index: Index) -> Option<Term> {
        let run = self.runs.range(..=index).next_back();
        run.filter(|_| index <= self.last).map(|(_, term)| *term)
    }

    fn holds(&self, place: Place) -> bool {
        place.index <= self.base || self.term(place.index) == Some(place.term)
    }

    fn follow(&mut self, raft: &Raft, anew: bool) {
        let log = raft.log();
        // A base beyond what was on disk leaves a gap in the runs: a state machine that was ahead of its log.
        if anew || log.durable() < self.last || log.base().index > self.last {
            *self = Disk::default();
        }
        let from = self.last.max(log.base().index);
        for entry in log.range(from, log.durable()) {
            if self.runs.last_key_value().map(|(_, term)| *term) != Some(entry.term) {
                self.runs.insert(entry.index, entry.term);
            }
        }
        self.last = log.durable();
        self.base = log.base().index;
        // One run may begin before the base and reach beyond it; older ones are not needed.
        while let Some((second, _)) = self.runs.iter().nth(1)
            && *second <= self.base
        {
            self.runs.pop_first();
        }
    }
}

impl History {
    /// A node begins a new life: its next look is compared with what its disk had.
    pub fn restarted(&mut self, node: NodeId) {
        if let Some(past) = self.nodes.get_mut(&node) {
            past.alive = false;
        }
    }

    /// A node's disk is gone, and with it every promise that it made.
    pub fn wiped(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Looks at all of these nodes.
    ///
    /// # Errors
    /// The first property that does not hold, in a sentence.
    pub fn check(&mut self, views: &[(NodeId, &Raft)]) -> Result<(), String> {
        views.iter().try_for_each(|(_, raft)| self.observe(raft))
    }

    /// Looks at one node; enough after each step if it is the node that made the step.
    ///
    /// # Errors
    /// The first property that does not hold, in a sentence.
    pub fn observe(&mut self, raft: &Raft) -> Result<(), String> {
        self.votes_durable(raft)?;
        self.entries_durable(raft)?;
        self.never_back(raft)?;
        self.leader_append_only(raft)?;
        self.log_matching(raft)?;
        self.note_disk(raft);
        self.election_safety(raft)?;
        self.leader_completeness(raft)?;
        self.state_machine_safety(raft)?;
        self.note(raft);
        self.prune();
        Ok(())
    }

    /// Election Safety (paper, figure 3): at most one leader is elected in a term.
    fn election_safety(&mut self, raft: &Raft) -> Result<(), String> {
        if raft.role() != Role::Leader {
            return Ok(());
        }
        let leader = *self.leaders.entry(raft.term()).or_insert(raft.id());
        if leader == raft.id() {
            return Ok(());
        }
        Err(format!("election safety: {leader} and {} both lead in {}", raft.id(), raft.term()))
    }

    /// Leader Append-Only (paper, figure 3): a leader never overwrites or deletes entries in its log; it only appends.
    fn leader_append_only(&self, raft: &Raft) -> Result<(), String> {
        let Some(past) = self.living(raft) else { return Ok(()) };
        let same = past.role == Role::Leader && raft.role() == Role::Leader && past.term == raft.term();
        let last = raft.log().last();
        if same && (past.generation != raft.log().generation() || last.index < past.last.index) {
            return Err(format!(
                "leader append-only: {} leads in {} and its log went from {:?} to {last:?}",
                raft.id(),
                raft.term(),
                past.last
            ));
        }
        Ok(())
    }

    /// Log Matching (paper, figure 3): if two logs have an entry with the same index and term, they are identical up to
    /// it. By induction it is enough that equal places have equal payloads and equal places before them.
    fn log_matching(&mut self, raft: &Raft) -> Result<(), String> {
        let log = raft.log();
        let known = match self.living(raft) {
            Some(past) if past.generation == log.generation() => past.last.index,
            _ => log.base().index,
        };
        let mut previous = log.term(known.max(log.base().index)).unwrap_or_default();
        for entry in log.range(known, log.last().index) {
            let found = Known { previous, digest: digest(entry) };
            let first = *self.entries.entry(entry.place()).or_insert(found);
            if first != found {
                return Err(format!(
                    "log matching: {} has another entry, or another predecessor, at {} of {} than others had",
                    raft.id(),
                    entry.index,
                    entry.term
                ));
            }
            previous = entry.term;
        }
        Ok(())
    }

    /// Leader Completeness (paper, figure 3): an entry committed in a term is in the log of every leader of later terms.
    fn leader_completeness(&self, raft: &Raft) -> Result<(), String> {
        let already =
            self.living(raft).is_some_and(|past| past.role == Role::Leader && past.term == raft.term());
        if raft.role() != Role::Leader || already {
            return Ok(());
        }
        let log = raft.log();
        for (index, committed) in self.committed.range(log.first()..) {
            if committed.by < raft.term() && log.term(*index) != Some(committed.term) {
                return Err(format!(
                    "leader completeness: {} leads in {} without the entry of {} at {index}, which was committed in {}",
                    raft.id(),
                    raft.term(),
                    committed.term,
                    committed.by
                ));
            }
        }
        Ok(())
    }

    /// State Machine Safety (paper, figure 3): no two nodes apply different entries at one index. And what is committed is
    /// durable at a majority: without it the entry could be lost (paper, section 5.1: persistent state).
    fn state_machine_safety(&mut self, raft: &Raft) -> Result<(), String> {
        let log = raft.log();
        let Some(before) = self.living(raft).map(|past| past.commit) else { return Ok(()) };
        let mut news = None;
        for entry in log.range(before, raft.commit()) {
            let found = Committed { term: entry.term, digest: digest(entry), by: raft.term() };
            match self.committed.get(&entry.index) {
                None => {
                    self.committed.insert(entry.index, found);
                    news = Some(entry.place());
                }
                Some(first) if (first.term, first.digest) == (found.term, found.digest) => {}
                Some(first) => {
                    return Err(format!(
                        "state machine safety: {} commits an entry of {} at {}, others one of {}",
                        raft.id(),
                        found.term,
                        entry.index,
                        first.term
                    ));
                }
            }
        }
        match news {
            Some(place) => self.committed_durable(raft, place),
            None => Ok(()),
        }
    }

    /// What a node commits first is durable at a majority of its membership.
    fn committed_durable(&self, raft: &Raft, place: Place) -> Result<(), String> {
        let holds = |node: NodeId| self.nodes.get(&node).is_some_and(|past| past.disk.holds(place));
        let decided = |c: &Configuration| Voters::joint(&c.voters, &c.outgoing).decided_by(holds);
        // In one step a leader may commit by one membership and go on to the next.
        if decided(raft.configuration()) || decided(raft.log().configuration_at(raft.commit())) {
            return Ok(());
        }
        Err(format!(
            "durability: {} commits {} of {} which no majority has on disk",
            raft.id(),
            place.index,
            place.term
        ))
    }

    /// Terms and commit indices do not fall in a life (paper, figure 2: "increases monotonically").
    fn never_back(&self, raft: &Raft) -> Result<(), String> {
        let Some(past) = self.living(raft) else { return Ok(()) };
        if raft.commit() < past.commit {
            return Err(format!(
                "monotone commit: {} went from {} to {}",
                raft.id(),
                past.commit,
                raft.commit()
            ));
        }
        if raft.term() < past.term {
            return Err(format!("monotone term: {} went from {} to {}", raft.id(), past.term, raft.term()));
        }
        Ok(())
    }

    /// A term and a vote that are durable are not forgotten and not changed (paper, figure 2: persistent state).
    fn votes_durable(&self, raft: &Raft) -> Result<(), String> {
        let Some(past) = self.nodes.get(&raft.id()) else { return Ok(()) };
        let ((old_term, old_vote), (term, vote)) = (past.vote, raft.durable_vote());
        let kept = term > old_term || (term == old_term && (old_vote.is_none() || old_vote == vote));
        if kept {
            return Ok(());
        }
        Err(format!(
            "durability of votes: {} voted for {old_vote:?} in {old_term} and now says {vote:?} in {term}",
            raft.id()
        ))
    }

    /// Entries that were durable when a node crashed are there when it is back, or included in its snapshot.
    fn entries_durable(&self, raft: &Raft) -> Result<(), String> {
        let Some(past) = self.nodes.get(&raft.id()).filter(|past| !past.alive) else { return Ok(()) };
        let log = raft.log();
        let Some(term) = past.disk.term(past.disk.last) else { return Ok(()) };
        let place = Place { term, index: past.disk.last };
        if log.base().index >= place.index || log.matches(place) {
            return Ok(());
        }
        Err(format!(
            "durability of entries: {} had {} of {} on disk, and after its restart has not",
            raft.id(),
            place.index,
            place.term
        ))
    }

    fn living(&self, raft: &Raft) -> Option<&Past> {
        self.nodes.get(&raft.id()).filter(|past| past.alive)
    }

    fn note_disk(&mut self, raft: &Raft) {
        let past = self.nodes.entry(raft.id()).or_default();
        let anew = !past.alive || past.generation != raft.log().generation();
        past.disk.follow(raft, anew);
    }

    fn note(&mut self, raft: &Raft) {
        let past = self.nodes.entry(raft.id()).or_default();
        past.alive = true;
        past.term = raft.term();
        past.role = raft.role();
        past.commit = raft.commit();
        past.last = raft.log().last();
        past.generation = raft.log().generation();
        past.vote = raft.durable_vote();
    }

    /// Lets go of what every node has committed: nothing can contradict it any more without contradicting what follows it.
    fn prune(&mut self) {
        const KEPT_MAX: usize = 8192;
        if self.committed.len() <= KEPT_MAX && self.entries.len() <= 2 * KEPT_MAX {
            return;
        }
        let Some(everywhere) = self.nodes.values().map(|past| past.commit).min() else { return };
        self.committed = self.committed.split_off(&everywhere);
        self.entries.retain(|place, _| place.index >= everywhere);
    }
}

fn digest(entry: &Entry) -> u64 {
    let mut hasher = Fingerprint::default();
    entry.payload.hash(&mut hasher);
    hasher.finish()
}
