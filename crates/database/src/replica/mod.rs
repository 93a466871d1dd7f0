//! One group's replica at one node: the store, the sessions, the watches.
//!
//! It does what it is told, in order, and answers the clients of its own node. Everything it holds apart from watches stands in the
//! store ([`kept`]), is written with the data in one batch, and travels with snapshots ([`snapshots`]): a replica that
//! starts from its engine, or from another's snapshot, goes on as if it had applied every entry itself.
//!
//! Nothing is told to anyone, client, watcher or machine, before it is visible to readers.

mod kept;
mod restore;
mod snapshots;

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{NodeId, Output, RequestId};
use synod_protocols::consensus::raft::{self, Index, Payload, SnapshotPoint};
use synod_storage::kv::Kv;
use synod_storage::mvcc::{
    Event, Events, Installer, KeyRange, LeaseId, MARKED_KEYS_MIN, Operation, Outcome, Revision, Store,
    StoreError, Sweep, View,
};

use crate::proposal::{Change, Envelope};
use crate::session::Sessions;
use crate::watch::{Hub, HubOutput, WatchControl};
use crate::{Applied, Attributes, Done, Flaws, GroupId, Job, Node, Reply, ShardBoot, query};

use self::kept::{META_MEMBERS, META_POINT, META_SESSIONS};

pub use self::kept::members_of;
pub use self::restore::{Restored, Restoring};

/// Outputs made from history before other work gets its turn.
const CATCH_UP_OUTPUTS_MAX: usize = 64;
/// Steps of a sweep before it waits until the engine has made durable what they wrote. Without that a sweep fills the engine faster than it
/// writes, and then clients' changes wait with it.
const SWEEP_STEPS_MAX: u32 = 8;

/// Limits of a replica.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// The node it lives at: it answers the clients that wait there.
    pub me: NodeId,
    /// Whose state it holds.
    pub group: GroupId,
    /// Entries applied before the engine is asked to make them durable; the log holds them until then.
    pub persist_entries: u64,
    /// Bytes of entries applied before that.
    pub persist_bytes: usize,
    /// Compacted changes cleared away at once when nothing else is to be done.
    pub compact_step_changes: usize,
    /// Deletions of so many keys are cleared away likewise. All replicas of a group have the same number for ever; tests have a small one.
    #[doc(hidden)]
    pub marked_keys_min: u64,
    /// Bytes in a snapshot's piece.
    pub chunk_bytes: usize,
    /// The group's members at its very beginning.
    pub bootstrap: raft::Configuration,
    /// Known bugs, put back by tests.
    #[doc(hidden)]
    pub flaws: Flaws,
}

impl ReplicaConfig {
    /// Defaults for a group that began with these members.
    pub fn new(me: NodeId, group: GroupId, bootstrap: raft::Configuration) -> Self {
        ReplicaConfig {
            me,
            group,
            persist_entries: 10_000,
            persist_bytes: 8 << 20,
            compact_step_changes: 1_000,
            marked_keys_min: MARKED_KEYS_MIN,
            chunk_bytes: 1 << 20,
            bootstrap,
            flaws: Flaws::default(),
        }
    }
}

/// One group's state at one node.
pub struct Replica<K: Kv> {
    config: ReplicaConfig,
    store: Store<K>,
    point: SnapshotPoint,
    sessions: Sessions,
    members: BTreeMap<NodeId, Attributes>,
    hub: Hub,
    unpersisted: Unpersisted,
    /// What the engine is making durable: its mark, and the entry that is durable with it.
    persisting: Option<(u64, SnapshotPoint)>,
    outgoing: BTreeMap<NodeId, (SnapshotPoint, View<K::Snapshot>)>,
    incoming: Option<(SnapshotPoint, Installer<K::Staging>)>,
    awaiting: Vec<(RequestId, Revision)>,
    compacting: bool,
    /// Steps of the sweep that the engine was not asked to make durable.
    sweep_steps: u32,
}

/// What watches are told of a revision.
enum Told {
    Events(Vec<Event>),
    /// The keys that were deleted in this range, from history.
    Later(KeyRange),
}

impl Told {
    fn is_empty(&self) -> bool {
        matches!(self, Told::Events(events) if events.is_empty())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Unpersisted {
    entries: u64,
    bytes: usize,
}

impl<K: Kv> Replica<K> {
    /// A replica over what its engine holds; an empty one is at the group's beginning.
    ///
    /// # Errors
    /// When the engine cannot be read, or holds what this version did not write.
    pub fn open(config: ReplicaConfig, engine: K) -> Result<Self, StoreError> {
        let mut store = Store::open(engine)?;
        store.mark_from(config.marked_keys_min);
        let mut replica = Replica {
            point: SnapshotPoint { configuration: config.bootstrap.clone(), ..SnapshotPoint::default() },
            config,
            store,
            sessions: Sessions::default(),
            members: BTreeMap::new(),
            hub: Hub::default(),
            unpersisted: Unpersisted::default(),
            persisting: None,
            outgoing: BTreeMap::new(),
            incoming: None,
            awaiting: Vec::new(),
            compacting: true,
            sweep_steps: 0,
        };
        replica.load()?;
        Ok(replica)
    }

    /// What the group's shard starts from.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn boot(&self) -> Result<ShardBoot, StoreError> {
        let mut applied = self.point.clone();
        if self.config.flaws.apply_again_after_restart {
            applied.index = Index(applied.index.0.saturating_sub(3));
        }
        Ok(ShardBoot { applied, leases: self.leases()? })
    }

    /// The store, to read.
    pub fn view(&self) -> View<K::Snapshot> {
        self.store.view()
    }

    /// The newest revision of the store.
    pub fn revision(&self) -> Revision {
        self.store.revision()
    }

    /// The store's compacted revision: the oldest that can be read.
    pub fn compacted(&self) -> Revision {
        self.store.compacted()
    }

    /// The last entry that was applied.
    pub fn point(&self) -> &SnapshotPoint {
        &self.point
    }

    /// The sessions, to compare replicas.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The store, to change its engine from outside (a simulated crash).
    pub fn into_engine(self) -> K {
        self.store.into_engine()
    }

    /// Bytes that the engine takes.
    pub fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }

    /// How many watches have not caught up.
    pub fn watches_behind(&self) -> usize {
        self.hub.behind()
    }

    /// Does one job.
    ///
    /// # Panics
    /// When the engine fails: a replica that cannot write must not go on as if it had.
    pub fn work(&mut self, job: Job, out: &mut Output<Node>) {
        match job {
            Job::Apply { boot, entries, .. } => self.apply(boot, entries, out),
            Job::Read { id, query, .. } => {
                let (revision, answer) = self.answer(&query);
                out.reply(id, Reply::Read { revision, answer });
            }
            Job::Watch { stream, control, .. } => self.watch(stream, control, out),
            Job::WatchTaken { stream, outputs, .. } => self.hub.taken(stream, outputs),
            Job::WatchClosed { stream, .. } => self.hub.close(stream),
            Job::AwaitCompaction { id, revision, .. } => self.awaiting.push((id, revision)),
            Job::Persist { id, .. } => {
                self.persist(out);
                if let Some(id) = id {
                    out.reply(id, Reply::Completed);
                }
            }
            Job::Snapshot { job, .. } => self.snapshot(job, out),
        }
    }

    /// Whether the engine is making something durable, and [`Replica::idle`] would say when it is done.
    pub fn is_persisting(&self) -> bool {
        self.persisting.is_some()
    }

    /// Whether [`Replica::idle`] has something to do now.
    pub fn has_idle_work(&self) -> bool {
        let may_sweep = self.compacting && self.persisting.is_none();
        may_sweep || !self.awaiting.is_empty() || self.hub.wants_history()
    }

    /// What may be put off: watches that are behind, physical compaction, looking what has become durable. Returns whether
    /// there is more of the former two.
    pub fn idle(&mut self, out: &mut Output<Node>) -> bool {
        self.note_persisted(out);
        let mut more = false;
        if self.hub.wants_history() {
            let view = self.store.view();
            let mut outputs = HubOutput::new();
            more |= self.hub.catch_up(&view, CATCH_UP_OUTPUTS_MAX, &mut outputs);
            tell(outputs, out);
        }
        if self.compacting && self.persisting.is_none() {
            let was_marked = self.store.is_marked();
            let sweep = expect_engine(self.store.compact_step(self.config.compact_step_changes));
            self.compacting = sweep == Sweep::Unfinished;
            self.sweep_steps += 1;
            // Watches may have waited for what a mark deleted.
            more |= was_marked && self.hub.wants_history();
            if self.sweep_steps >= SWEEP_STEPS_MAX {
                self.begin_persist(out);
            }
            more |= self.compacting && self.persisting.is_none();
        }
        if !self.compacting {
            for (id, _) in self.awaiting.drain(..) {
                out.reply(id, Reply::Completed);
            }
        }
        more
    }

    /// Answers a query from the present state.
    pub fn answer(&self, query: &crate::Query) -> (Revision, Result<crate::Answer, StoreError>) {
        query::answer(&self.view(), query)
    }

    // ---- applying ----

    fn apply(&mut self, boot: u64, entries: Vec<raft::Entry>, out: &mut Output<Node>) {
        let (applied, again) = (self.point.index, self.config.flaws.apply_again_after_restart);
        let mut entries = entries.into_iter().filter(|entry| entry.index > applied || again);
        let mut next = entries.next();
        loop {
            if self.store.is_marked() && next.as_ref().is_some_and(is_compaction) {
                self.tell_what_is_owed(out);
            }
            next = self.apply_batch(boot, next, &mut entries, out);
            if next.is_none() {
                return;
            }
        }
    }

    /// Applies entries as one batch. Stops before a compaction that may take from watches what they are still to be told, and gives that
    /// entry back, to begin the next batch with.
    fn apply_batch(
        &mut self,
        boot: u64,
        first: Option<raft::Entry>,
        entries: &mut impl Iterator<Item = raft::Entry>,
        out: &mut Output<Node>,
    ) -> Option<raft::Entry> {
        let mut stopped = None;
        let mut applied = Applied::default();
        let mut revisions: Vec<(Revision, Told)> = Vec::new();
        let mut replies = Vec::new();
        let watched = self.hub.watches() > 0;
        for (number, entry) in first.into_iter().chain(entries).enumerate() {
            if number > 0 && watched && self.store.is_marked() && is_compaction(&entry) {
                stopped = Some(entry);
                break;
            }
            self.unpersisted.entries += 1;
            (self.point.index, self.point.term) = (entry.index, entry.term);
            match entry.payload {
                Payload::Noop => {}
                Payload::Configuration(configuration) => self.point.configuration = configuration,
                Payload::Command(bytes) => {
                    self.unpersisted.bytes += bytes.len();
                    let envelope = Envelope::decode(bytes).expect(
                        "a committed entry holds an envelope of this version; this node is older than its cluster",
                    );
                    if !self.sessions.admit(&envelope) {
                        continue;
                    }
                    let mut told = Told::Events(Vec::new());
                    let reply =
                        self.change(entry.index, envelope.change, &mut applied, watched.then_some(&mut told));
                    if !told.is_empty() {
                        revisions.push((self.store.revision(), told));
                    }
                    if (envelope.origin, envelope.boot) == (self.config.me, boot) {
                        applied.sequences.push(envelope.sequence);
                        replies.push((RequestId(envelope.sequence), reply));
                    }
                }
            }
        }
        applied.index = self.point.index;
        self.flush();
        // Only what is flushed may be told: a reader that was told of a revision must find it.
        for (id, reply) in replies {
            out.reply(id, reply);
        }
        let mut outputs = HubOutput::new();
        for (revision, told) in &revisions {
            match told {
                Told::Events(events) => self.hub.publish(*revision, events, &mut outputs),
                Told::Later(range) => self.hub.publish_later(*revision, range),
            }
        }
        tell(outputs, out);
        out.done(Done::Applied { group: self.config.group, applied });
        self.note_persisted(out);
        let Unpersisted { entries, bytes } = self.unpersisted;
        let due = entries >= self.config.persist_entries || bytes >= self.config.persist_bytes;
        if due && self.persisting.is_none() {
            self.begin_persist(out);
        }
        stopped
    }

    /// Carries out deletions that watches wait for.
    fn tell_what_is_owed(&mut self, out: &mut Output<Node>) {
        if !self.hub.owes() {
            return;
        }
        while self.store.is_marked() {
            expect_engine(self.store.compact_step(self.config.compact_step_changes));
        }
        let view = self.store.view();
        let mut outputs = HubOutput::new();
        while self.hub.catch_up(&view, CATCH_UP_OUTPUTS_MAX, &mut outputs) {}
        tell(outputs, out);
    }

    /// Asks the engine to make durable what it was given, while the replica goes on.
    fn begin_persist(&mut self, out: &mut Output<Node>) {
        self.persisting = Some((expect_engine(self.store.begin_persist()), self.point.clone()));
        self.unpersisted = Unpersisted::default();
        self.sweep_steps = 0;
        self.note_persisted(out);
    }

    fn change(
        &mut self,
        index: Index,
        change: Change,
        applied: &mut Applied,
        told: Option<&mut Told>,
    ) -> Reply {
        match change {
            Change::Publish(attributes) => {
                self.members.insert(attributes.member, attributes);
                self.store.set_meta(META_MEMBERS, Some(kept::encode_members(&self.members)));
                Reply::Completed
            }
            Change::Store(operation) => {
                let collect = if told.is_some() { Events::Collect } else { Events::Skip };
                let index = match self.config.flaws.apply_again_after_restart {
                    true => index.0.max(self.store.applied_index() + 1),
                    false => index.0,
                };
                let done = expect_engine(self.store.apply(index, &operation, collect));
                match (&operation, &done.outcome) {
                    (Operation::LeaseRevoke { id }, Ok(_)) => applied.leases.push((*id, None)),
                    (_, Ok(Outcome::LeaseGrant { id, ttl_seconds })) => {
                        applied.leases.push((*id, Some(seconds(*ttl_seconds))));
                    }
                    (Operation::Compact { .. }, Ok(_)) => self.compacting = true,
                    _ => {}
                }
                self.compacting |= done.later.is_some();
                if let Some(told) = told {
                    *told = done.later.map_or(Told::Events(done.events), Told::Later);
                }
                Reply::Applied { revision: done.revision, outcome: done.outcome }
            }
        }
    }

    fn flush(&mut self) {
        if self.store.applied_index() < self.point.index.0 {
            self.store.skip(self.point.index.0);
        }
        self.store.set_meta(META_POINT, Some(kept::encode_point(&self.point)));
        self.store.set_meta(META_SESSIONS, Some(self.sessions.encode()));
        expect_engine(self.store.flush());
    }

    fn persist(&mut self, out: &mut Output<Node>) {
        expect_engine(self.store.persist());
        self.unpersisted = Unpersisted::default();
        self.persisting = None;
        out.done(Done::Persisted { group: self.config.group, point: self.point.clone() });
    }

    /// Says what has become durable since it was asked for.
    fn note_persisted(&mut self, out: &mut Output<Node>) {
        let Some((mark, _)) = self.persisting else { return };
        if expect_engine(self.store.persisted()) >= mark
            && let Some((_, point)) = self.persisting.take()
        {
            out.done(Done::Persisted { group: self.config.group, point });
        }
    }

    fn watch(&mut self, stream: RequestId, control: WatchControl, out: &mut Output<Node>) {
        let view = self.store.view();
        let mut outputs = HubOutput::new();
        self.hub.control(stream, control, &view, &mut outputs);
        tell(outputs, out);
    }

    fn load(&mut self) -> Result<(), StoreError> {
        let damaged = |what: &str| StoreError::Engine(format!("the store's {what} are not of this version"));
        if let Some(bytes) = self.store.meta(META_POINT)? {
            self.point = kept::decode_point(bytes).ok_or_else(|| damaged("log position and membership"))?;
        }
        // What an installed snapshot does not have is gone: another replica's state is not mixed with this one's.
        self.sessions = match self.store.meta(META_SESSIONS)? {
            Some(bytes) => Sessions::decode(bytes).ok_or_else(|| damaged("sessions"))?,
            None => Sessions::default(),
        };
        self.members = match self.store.meta(META_MEMBERS)? {
            Some(bytes) => kept::decode_members(bytes).ok_or_else(|| damaged("members"))?,
            None => BTreeMap::new(),
        };
        Ok(())
    }

    fn leases(&self) -> Result<Vec<(LeaseId, Duration)>, StoreError> {
        let leases = self.store.view().leases()?;
        Ok(leases.into_iter().map(|(id, ttl)| (id, seconds(ttl))).collect())
    }
}

fn is_compaction(entry: &raft::Entry) -> bool {
    let Payload::Command(bytes) = &entry.payload else { return false };
    let envelope = Envelope::decode(bytes.clone());
    matches!(envelope, Some(Envelope { change: Change::Store(Operation::Compact { .. }), .. }))
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

fn expect_engine<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("expected the store's engine to work, found: {error}"),
    }
}

fn tell(outputs: HubOutput, out: &mut Output<Node>) {
    for (stream, output) in outputs {
        out.reply(stream, Reply::Watch(output));
    }
}
