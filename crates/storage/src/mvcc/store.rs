//! The store: operations go in by index, answers and events come out, the engine holds the result.
//!
//! # How it is driven
//! One thread applies: [`Store::apply`] for each committed operation in order, then one [`Store::flush`] for many of them,
//! which is one atomic engine batch that carries the applied index along. So after a crash the engine shows the store
//! exactly as it was after some operation, and the log says what to apply next. Operations of one batch see each other before
//! the flush; a [`View`](super::View) sees flushed state only, and can be read on any thread while applies go on.
//!
//! # Guarantees
//! - Equal operations at equal indexes give equal answers, events and state on every replica, whatever engine, batching,
//!   crashes and progress of physical compaction lie between. Events of a deletion of many keys come later (`marks.rs`).
//! - An operation that is refused changes the applied index and nothing else.
//! - An engine failure is an `Err` of `apply` or `flush`; the store must then not be used further, since what is on the disk
//!   is unknown. It is opened again after a restart.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    DeleteRequest, DeleteResponse, Event, KeyRange, Operation, Outcome, Revision, StoreError, View,
    check::{TXN_NESTING_MAX, check_txn},
    counts::{Counts, count},
    execute::Execution,
    marks::{MARKS_MAX, Mark, Marks},
    overlay::Overlay,
    range::Window,
    record::{Position, STATE_KEY, State, damaged, encode_ttl, lease_key, meta_key},
};
use crate::kv::{Kv, Reader, Space};

/// A multi-version store over an engine.
#[derive(Clone, Debug)]
pub struct Store<K> {
    pub(super) overlay: Overlay<K>,
    pub(super) state: State,
    pub(super) counts: Counts,
    /// The state that the engine shows.
    pub(super) flushed: State,
    flushed_marks: Marks,
    marked_keys_min: u64,
    /// Where in the log of changes the next step of a sweep begins, if that is known.
    pub(super) sweep_from: Option<Bytes>,
    /// The applied index that survives power loss.
    persisted_index: u64,
    /// Marks of the engine that are not reached yet, each with the applied index that then survives.
    persisting: VecDeque<(u64, u64)>,
}

/// Whether to gather what happened for watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They are wanted.
    Collect,
    /// Nobody watches.
    Skip,
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer, or why it was refused.
    pub outcome: Result<Outcome, StoreError>,
    /// The store's revision after it.
    pub revision: Revision,
    /// Its changes in order, all at that revision; empty if not asked for.
    pub events: Vec<Event>,
    /// So many keys were deleted in this range that their events are told by [`View::history`] alone, once
    /// [`Store::compact_step`] has come that far.
    pub later: Option<KeyRange>,
}

impl Applied {
    fn without_change(outcome: Result<Outcome, StoreError>, revision: Revision) -> Self {
        Applied { outcome, revision, events: Vec::new(), later: None }
    }
}

/// With so many keys a deletion is marked ([`marks`](super::marks)): fewer are deleted in some thirty milliseconds.
pub const MARKED_KEYS_MIN: u64 = 4_096;

impl<K: Kv> Store<K> {
    /// Opens the store that is in the engine, or an empty one. What it reads of the keys is a count of about every thousand.
    pub fn open(engine: K) -> Result<Self, StoreError> {
        let (state, marks) = load_state(&engine)?;
        let mut overlay = Overlay::new(engine);
        overlay.marks = marks.clone();
        let counts = Counts::load(&mut overlay)?;
        Ok(Self {
            overlay,
            state,
            counts,
            flushed: state,
            flushed_marks: marks,
            marked_keys_min: MARKED_KEYS_MIN,
            sweep_from: None,
            persisted_index: state.applied_index,
            persisting: VecDeque::new(),
        })
    }

    /// Index of the last operation applied; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.state.applied_index
    }

    /// Up to which index a power cut loses nothing: the log before it is not needed any more.
    pub fn persisted_index(&self) -> u64 {
        self.persisted_index
    }

    /// The newest revision; 1 in an empty store.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The compacted revision: the oldest that can be read; 0 before the first compaction.
    pub fn compacted(&self) -> Revision {
        self.state.compacted
    }

    /// Applies the operation at `index`. The outer error is the engine's and fatal, refusals are in [`Applied::outcome`].
    ///
    /// # Panics
    /// If `index` is not beyond the last one: applying twice is the caller's bug, and would corrupt this replica silently.
    pub fn apply(
        &mut self,
        index: u64,
        operation: &Operation,
        events: Events,
    ) -> Result<Applied, StoreError> {
        self.skip(index);
        // All others are refused before they change anything.
        self.overlay.begin(matches!(operation, Operation::Txn(_)));
        match self.execute(operation, events) {
            Ok(applied) => {
                self.state.revision = applied.revision;
                Ok(applied)
            }
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.overlay.rollback();
                Ok(Applied::without_change(Err(error), self.state.revision))
            }
        }
    }

    /// Passes over `index`: an entry of the log that means nothing to the store.
    ///
    /// # Panics
    /// If `index` is not beyond the last one.
    pub fn skip(&mut self, index: u64) {
        let applied = self.state.applied_index;
        assert!(index > applied, "expected an index beyond the applied one, {applied}, found {index}");
        self.state.applied_index = index;
    }

    /// Sets (or removes) the owner's entry `name`, atomically with the operations of the same flush.
    pub fn set_meta(&mut self, name: &[u8], value: Option<Bytes>) {
        match value {
            Some(value) => self.overlay.put(Space::Meta, meta_key(name), value),
            None => self.overlay.remove(Space::Meta, meta_key(name)),
        }
    }

    /// The owner's entry `name`, as last set.
    pub fn meta(&self, name: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.overlay.get(Space::Meta, &meta_key(name))?)
    }

    /// Writes everything applied since the last flush into the engine as one atomic batch. Views taken after it see it; it
    /// is durable after [`Store::persist`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.state != self.flushed || self.overlay.marks != self.flushed_marks {
            let state = self.state.encode_with(&self.overlay.marks);
            self.overlay.put(Space::Meta, STATE_KEY, state);
        }
        let batch = self.overlay.take_batch();
        if !batch.is_empty() {
            self.overlay.engine.write(batch)?;
        }
        self.flushed = self.state;
        self.flushed_marks.clone_from(&self.overlay.marks);
        Ok(())
    }

    /// Waits until everything flushed survives power loss, and says up to which index that is.
    pub fn persist(&mut self) -> Result<u64, StoreError> {
        self.overlay.engine.persist()?;
        self.persisting.clear();
        self.persisted_index = self.flushed.applied_index;
        Ok(self.persisted_index)
    }

    /// Begins to make everything flushed survive power loss. It does once [`Store::persisted`] gives the mark that comes
    /// back, or a higher one.
    pub fn begin_persist(&mut self) -> Result<u64, StoreError> {
        let mark = self.overlay.engine.begin_persist()?;
        self.persisting.push_back((mark, self.flushed.applied_index));
        self.persisted()?;
        Ok(mark)
    }

    /// How far the engine has come with that.
    pub fn persisted(&mut self) -> Result<u64, StoreError> {
        let reached = self.overlay.engine.persisted()?;
        while let Some((mark, index)) = self.persisting.front()
            && *mark <= reached
        {
            self.persisted_index = *index;
            self.persisting.pop_front();
        }
        Ok(reached)
    }

    /// The flushed state, frozen, for reading on any thread.
    pub fn view(&self) -> View<K::Snapshot> {
        View::new(self.overlay.engine.snapshot(), self.flushed, self.flushed_marks.clone())
    }

    /// Has deletions of so many keys marked: the same number at all replicas, for as long as they live. For tests.
    #[doc(hidden)]
    pub fn mark_from(&mut self, keys: u64) {
        self.marked_keys_min = keys;
    }

    /// Bytes that the store takes, about.
    pub fn size_bytes(&self) -> u64 {
        self.overlay.engine.size_bytes()
    }

    /// The engine, for those who look after it.
    pub fn engine(&self) -> &K {
        &self.overlay.engine
    }

    /// Gives the engine back; what was not flushed is lost, as in a crash.
    pub fn into_engine(self) -> K {
        self.overlay.engine
    }

    /// The engine's content has been replaced by one that shows `state`, and that is durable.
    pub(super) fn reset(&mut self, state: State, marks: Marks) -> Result<(), StoreError> {
        self.state = state;
        self.flushed = state;
        self.overlay.marks = marks.clone();
        self.flushed_marks = marks;
        self.sweep_from = None;
        self.persisting.clear();
        self.persisted_index = state.applied_index;
        self.counts = Counts::load(&mut self.overlay)?;
        Ok(())
    }

    fn execute(&mut self, operation: &Operation, events: Events) -> Result<Applied, StoreError> {
        let before =
            Window { newest: self.state.revision, compacted: self.state.compacted, is_counted: true };
        let unchanged = |outcome| Ok(Applied::without_change(Ok(outcome), before.newest));
        match operation {
            Operation::Compact { revision } => {
                self.compact(*revision)?;
                return unchanged(Outcome::Compact);
            }
            Operation::LeaseGrant { id, ttl_seconds } => {
                self.grant(*id, *ttl_seconds)?;
                return unchanged(Outcome::LeaseGrant { id: *id, ttl_seconds: *ttl_seconds });
            }
            Operation::Delete(request) if self.is_to_be_marked(request)? => return self.mark(request),
            _ => {}
        }
        let mut execution = Execution::new(&mut self.overlay, before, events == Events::Collect);
        let outcome = match operation {
            Operation::Put(request) => Outcome::Put(execution.put(request)?),
            Operation::Delete(request) => Outcome::Delete(execution.delete(request)?),
            Operation::Txn(request) => {
                // How many operations are too many is the proposer's configuration; here only what could exhaust the stack.
                check_txn(request, usize::MAX, TXN_NESTING_MAX)?;
                Outcome::Txn(execution.txn(request)?)
            }
            Operation::LeaseRevoke { id } => {
                execution.revoke(*id)?;
                Outcome::LeaseRevoke
            }
            Operation::Compact { .. } | Operation::LeaseGrant { .. } => unreachable!("answered above"),
        };
        let (revision, events, came_and_went) = execution.finish();
        self.counts.note(&mut self.overlay, &came_and_went)?;
        Ok(Applied { outcome: Ok(outcome), revision, events, later: None })
    }

    /// Whether a deletion is marked. Every replica decides alike: how many keys there are does not depend on what is carried out.
    fn is_to_be_marked(&self, request: &DeleteRequest) -> Result<bool, StoreError> {
        let span = request.range.span();
        if request.prev_kv || span.is_empty() || self.counts.at_most(&span) < self.marked_keys_min {
            return Ok(false);
        }
        Ok(count(&self.overlay.shown(), &span)? >= self.marked_keys_min)
    }

    fn mark(&mut self, request: &DeleteRequest) -> Result<Applied, StoreError> {
        while self.overlay.marks.len() >= MARKS_MAX {
            self.carry_out_some(usize::MAX, usize::MAX)?;
        }
        let revision = self.state.revision + 1;
        let span = request.range.span();
        let deleted = self.counts.empty(&mut self.overlay, &span)? as i64;
        self.overlay.marks.push(Mark { span, position: Position { main: revision, sub: 0 } });
        Ok(Applied {
            outcome: Ok(Outcome::Delete(DeleteResponse { deleted, prev_kvs: Vec::new() })),
            revision,
            events: Vec::new(),
            later: Some(request.range.clone()),
        })
    }

    fn compact(&mut self, requested: Revision) -> Result<(), StoreError> {
        let State { revision: current, compacted, .. } = self.state;
        if requested <= compacted {
            return Err(StoreError::Compacted { requested, compacted });
        }
        if requested > current {
            return Err(StoreError::FutureRevision { requested, current });
        }
        self.state.compacted = requested;
        self.sweep_from = None;
        // What happened at the former compacted revision was kept, and now falls to the sweep again.
        self.state.swept = self.state.swept.min(Position { main: compacted, sub: 0 });
        Ok(())
    }

    fn grant(&mut self, id: i64, ttl_seconds: i64) -> Result<(), StoreError> {
        let key = lease_key(id);
        if id == 0 || self.overlay.get(Space::Lease, &key)?.is_some() {
            return Err(StoreError::LeaseExists(id));
        }
        self.overlay.put(Space::Lease, key, encode_ttl(ttl_seconds));
        Ok(())
    }
}

/// The state in an engine, with its marks; that of an empty store if there is none.
pub(super) fn load_state(reader: &impl Reader) -> Result<(State, Marks), StoreError> {
    match reader.get(Space::Meta, &STATE_KEY)? {
        Some(value) => State::decode_with(value).map_err(damaged(Space::Meta)),
        None => Ok(<(State, Marks)>::default()),
    }
}
