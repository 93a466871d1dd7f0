//! What really happened: every committed entry, applied once, in order, by one store that never crashes.
//!
//! The oracle sees each entry when the first node reports it committed, before any client can hear of it. From it come the revisions and changes against
//! which answers, watches and leases are judged, and a frozen view of the store after each entry, against which replicas are compared.
//! It lets each proposal through by a rule of its own, so that a replica that applies one twice, or not at all, differs from it.
//!
//! The store's logic here is the product's. That it is right is not taken for granted: all answers of clients are put before the checkers' own model.
//!
//! In a long run it [forgets](Oracle::forget) what is long past. What is asked about that then is not judged any more, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use synod_check::etcd::{Change, StoreHistory};
use synod_check::specification::key_value::Blob;
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
    answers: BTreeMap<RequestId, Reply>,
    /// Requests whose clients were told that nothing was done.
    declined: BTreeSet<RequestId>,
    history: StoreHistory,
    events: Vec<Event>,
    /// How many events are forgotten.
    events_forgotten: usize,
    /// Everything from here on is remembered.
    horizon: Horizon,
    /// The views after each entry up to `applied`, the newest last.
    views: VecDeque<View<MemorySnapshot>>,
}

/// A moment in a run: what came before it can be told by its revision, or by the id of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// The newest revision then.
    pub revision: Revision,
    /// No request asked before has this id or a higher one.
    pub request: RequestId,
}

#[derive(Default)]
struct Session {
    boot: u64,
    floor: u64,
    /// What was let through of this boot, at the floor or above.
    admitted: BTreeSet<u64>,
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
            answers: BTreeMap::new(),
            declined: BTreeSet::new(),
            history: StoreHistory::new(Vec::new()),
            events: Vec::new(),
            events_forgotten: 0,
            horizon: Horizon::default(),
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
            // It never crashes; what it could lose it need not remember.
            self.store.persist().expect("an engine in memory does not fail");
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

    /// The changes so far, with their revisions. Of what is forgotten only the last put of each key that was there is left.
    pub fn history(&self) -> &StoreHistory {
        &self.history
    }

    /// The changes from a [place](Oracle::position) on as events, each with what was there before.
    pub fn events(&self, place: usize) -> &[Event] {
        &self.events[place.saturating_sub(self.events_forgotten)..]
    }

    /// The first place that is remembered.
    pub fn events_begin(&self) -> usize {
        self.events_forgotten
    }

    /// The place in the run's events at which revision `revision` begins, or would.
    pub fn position(&self, revision: Revision) -> usize {
        self.events_forgotten + self.events.partition_point(|event| event.kv.mod_revision < revision)
    }

    /// Everything from there on is remembered.
    pub fn horizon(&self) -> Horizon {
        self.horizon
    }

    /// Forgets what was before. Requests that were asked before must have been answered or given up.
    pub fn forget(&mut self, horizon: Horizon) {
        let forgotten = self.position(horizon.revision + 1) - self.events_forgotten;
        self.events.drain(..forgotten);
        self.events_forgotten += forgotten;
        self.history.changes = still_there(&self.history.changes, model::number(horizon.revision));
        self.answers = self.answers.split_off(&horizon.request);
        self.declined = self.declined.split_off(&horizon.request);
        self.horizon = horizon;
    }

    /// Whether a change that was proposed through a node will never take effect, since that node has said so to the group.
    pub fn is_over(&self, node: NodeId, id: RequestId) -> bool {
        // The ids at one node grow, so this holds of a later life's floor too.
        self.sessions.get(&node).is_some_and(|session| id.0 < session.floor)
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
            *session = Session { boot, ..Session::default() };
        }
        if boot < session.boot || sequence < session.floor || !session.admitted.insert(sequence) {
            return false;
        }
        if floor > session.floor {
            session.floor = floor;
            session.admitted = session.admitted.split_off(&floor);
        }
        true
    }
}

/// Origin of the ends of leases that expired: the group itself.
const INTERNAL: NodeId = NodeId(0);

/// The last put up to `horizon` of each key that was there then, and all later changes.
fn still_there(changes: &[Change], horizon: u64) -> Vec<Change> {
    let past = changes.partition_point(|change| change.revision <= horizon);
    let mut last: BTreeMap<&Blob, &Change> = BTreeMap::new();
    for change in &changes[..past] {
        last.insert(&change.key, change);
    }
    let mut kept: Vec<Change> = last.into_values().filter(|change| change.value.is_some()).cloned().collect();
    kept.sort_by_key(|change| change.revision);
    kept.extend_from_slice(&changes[past..]);
    kept
}

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
