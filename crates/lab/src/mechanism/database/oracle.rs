//! What really happened: every committed entry, applied once, in order, by one store that never crashes.
//!
//! The oracle sees each entry when the first node reports it committed, before any client can hear of it. From it come the revisions and changes against
//! which answers, watches and leases are judged, and a frozen view of the store after each entry, against which replicas are compared.
//! It lets each proposal through by a rule of its own, so that a replica that applies one twice, or not at all, differs from it.
//!
//! The store's logic here is the product's. That it is right is not taken for granted: at the end of a run all answers of clients are put
//! before the checkers' own model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use synod_check::etcd::StoreHistory;
use synod_database::Reply;
use synod_database::proposal::{Change as Proposed, Envelope};
use synod_database::raft::{Entry, Payload};
use synod_machine::{NodeId, RequestId};
use synod_sim::Violation;
use synod_storage::kv::{MemoryKv, MemorySnapshot};
use synod_storage::mvcc::{
    Event, Events, HistoryLimits, KeyRange, LeaseId, Operation, Outcome, Revision, Store, StoreError, Sweep,
    View,
};

use super::model;

/// Deletions of so many keys are cleared away in steps: few, so that it happens often.
pub const MARKED_KEYS_MIN: u64 = 2;
/// Views kept for comparison with replicas, which lag by far less or are not compared.
const VIEWS_MAX: usize = 4_096;

/// The true course of a run.
pub struct Oracle {
    store: Store<MemoryKv>,
    applied: u64,
    sessions: BTreeMap<NodeId, Session>,
    /// Every proposal that was ever let through.
    admitted: BTreeSet<(NodeId, u64, u64)>,
    answers: BTreeMap<RequestId, Reply>,
    /// Requests whose clients were told that nothing was done.
    declined: BTreeSet<RequestId>,
    history: StoreHistory,
    events: Vec<Event>,
    /// The views after each entry up to `applied`, the newest last.
    views: VecDeque<View<MemorySnapshot>>,
}

#[derive(Default)]
struct Session {
    boot: u64,
    floor: u64,
}

/// What a committed entry means to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A client's change took effect, or was refused for good: see [`Oracle::answer`].
    Decided(RequestId),
    /// A lease exists no more.
    Ended {
        /// Which.
        lease: LeaseId,
        /// The revision in which its keys went, if it had any.
        revision: Option<u64>,
        /// A client asked for it.
        revoked: bool,
    },
}

impl Default for Oracle {
    fn default() -> Self {
        let mut store = Store::open(MemoryKv::new()).expect("an empty engine in memory opens");
        store.mark_from(MARKED_KEYS_MIN);
        Oracle {
            views: VecDeque::from([store.view()]),
            store,
            applied: 0,
            sessions: BTreeMap::new(),
            admitted: BTreeSet::new(),
            answers: BTreeMap::new(),
            declined: BTreeSet::new(),
            history: StoreHistory::new(Vec::new()),
            events: Vec::new(),
        }
    }
}

impl Oracle {
    /// Takes entries that a node reports committed. Gives what those that are news mean.
    pub fn feed(&mut self, node: NodeId, entries: &[Entry]) -> Result<Vec<Fact>, Violation> {
        let mut facts = Vec::new();
        for entry in entries {
            if entry.index.0 <= self.applied {
                continue;
            }
            if entry.index.0 != self.applied + 1 {
                let sentence = format!(
                    "{node} reports entry {} committed; the last before was {}",
                    entry.index.0, self.applied
                );
                return Err(Violation::new("state machine safety", [node], sentence));
            }
            self.applied = entry.index.0;
            match &entry.payload {
                Payload::Command(bytes) => {
                    let envelope = Envelope::decode(bytes.clone()).expect("the database encoded it");
                    facts.extend(self.take(node, &envelope)?);
                    let id = RequestId(envelope.sequence);
                    if envelope.origin != INTERNAL && self.answers.contains_key(&id) {
                        facts.push(Fact::Decided(id));
                    }
                }
                Payload::Noop | Payload::Configuration(_) => self.store.skip(self.applied),
            }
            self.store.flush().expect("an engine in memory does not fail");
            self.views.push_back(self.store.view());
            if self.views.len() > VIEWS_MAX {
                self.views.pop_front();
            }
        }
        Ok(facts)
    }

    /// The last entry that was committed.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.store.revision()
    }

    /// The compacted revision.
    pub fn compacted(&self) -> Revision {
        self.store.compacted()
    }

    /// The changes so far, with their revisions.
    pub fn history(&self) -> &StoreHistory {
        &self.history
    }

    /// The changes so far as events, each with what was there before.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Where in [`Oracle::events`] revision `revision` begins, or would.
    pub fn position(&self, revision: Revision) -> usize {
        self.events.partition_point(|event| event.kv.mod_revision < revision)
    }

    /// The store after that entry, if it is remembered.
    pub fn view(&self, applied: u64) -> Option<&View<MemorySnapshot>> {
        let first = self.applied + 1 - self.views.len() as u64;
        self.views.get(usize::try_from(applied.checked_sub(first)?).ok()?)
    }

    /// What the request's change was answered, if it was committed and let through.
    pub fn answer(&self, id: RequestId) -> Option<&Reply> {
        self.answers.get(&id)
    }

    /// The client was told that its change was not and will not be made.
    pub fn decline(&mut self, node: NodeId, id: RequestId) -> Result<(), Violation> {
        self.declined.insert(id);
        if self.answers.contains_key(&id) { Err(declined(node, id)) } else { Ok(()) }
    }

    fn take(&mut self, node: NodeId, envelope: &Envelope) -> Result<Option<Fact>, Violation> {
        if !self.admit(envelope) {
            self.store.skip(self.applied);
            return Ok(None);
        }
        let id = RequestId(envelope.sequence);
        if envelope.origin != INTERNAL && self.declined.contains(&id) {
            return Err(declined(node, id));
        }
        let Proposed::Store(operation) = &envelope.change else {
            self.store.skip(self.applied);
            self.answers.insert(id, Reply::Completed);
            return Ok(None);
        };
        let before = self.store.revision();
        let mut done = self
            .store
            .apply(self.applied, operation, Events::Collect)
            .expect("an engine in memory does not fail");
        if let Some(range) = done.later.take() {
            done.events = self.carry_out(&range, done.revision);
        }
        self.note_changes(node, before, done.revision, done.events)?;
        let fact = lease_fact(envelope, operation, &done.outcome, (before, done.revision));
        if matches!((operation, &done.outcome), (Operation::Compact { .. }, Ok(_))) {
            while self.store.compact_step(1_000).expect("an engine in memory does not fail")
                == Sweep::Unfinished
            {}
        }
        if envelope.origin != INTERNAL {
            self.answers.insert(id, Reply::Applied { revision: done.revision, outcome: done.outcome });
        }
        Ok(fact)
    }

    /// Carries out at once what a deletion has only marked, for its events.
    fn carry_out(&mut self, range: &KeyRange, revision: Revision) -> Vec<Event> {
        while self.store.is_marked() {
            self.store.compact_step(1_000).expect("an engine in memory does not fail");
        }
        let page = self.store.view().history(range, revision, true, HistoryLimits::default());
        page.expect("it has just happened").events
    }

    /// Revisions rise by one from change to change.
    fn note_changes(
        &mut self,
        node: NodeId,
        before: Revision,
        after: Revision,
        events: Vec<Event>,
    ) -> Result<(), Violation> {
        let expected = before + i64::from(!events.is_empty());
        let stray = events.iter().any(|event| event.kv.mod_revision != after);
        if after != expected || stray {
            let sentence =
                format!("an operation took the store from revision {before} to {after} with {events:?}");
            return Err(Violation::new("revisions are dense and increasing", [node], sentence));
        }
        self.history.changes.extend(events.iter().map(model::change));
        self.events.extend(events);
        Ok(())
    }

    /// A proposal counts once: the first copy, while its node's life has not ended and has not given it up.
    fn admit(&mut self, envelope: &Envelope) -> bool {
        let Envelope { origin, boot, sequence, floor, .. } = *envelope;
        if origin == INTERNAL {
            return true;
        }
        let session = self.sessions.entry(origin).or_default();
        if boot > session.boot {
            *session = Session { boot, floor: 0 };
        }
        if boot < session.boot || sequence < session.floor || !self.admitted.insert((origin, boot, sequence))
        {
            return false;
        }
        session.floor = session.floor.max(floor);
        true
    }
}

/// Origin of the ends of leases that expired: the group itself.
const INTERNAL: NodeId = NodeId(0);

fn declined(node: NodeId, id: RequestId) -> Violation {
    let sentence =
        format!("the client of request {} was told that nothing was done, and it took effect", id.0);
    Violation::new("refused requests have no effect", [node], sentence)
}

fn lease_fact(
    envelope: &Envelope,
    operation: &Operation,
    outcome: &Result<Outcome, StoreError>,
    (before, after): (Revision, Revision),
) -> Option<Fact> {
    match (operation, outcome) {
        (Operation::LeaseRevoke { id }, Ok(_)) => Some(Fact::Ended {
            lease: *id,
            revision: (after > before).then(|| model::number(after)),
            revoked: envelope.origin != INTERNAL,
        }),
        _ => None,
    }
}
