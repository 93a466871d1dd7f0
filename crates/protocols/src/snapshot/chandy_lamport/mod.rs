//! Chandy and Lamport's snapshot: a consistent global state of a system that does not stop for it.
//!
//! # The problem
//!
//! Nobody sees all processes at one moment. If each writes its state down when it pleases, money that was under way is counted twice or not at all.
//!
//! # The rules
//!
//! Chandy and Lamport 1985 ("Distributed snapshots: determining global states of distributed systems", section 3.2).
//!
//! - *Marker-sending rule*: a process writes its state down, and before it sends anything else sends a marker on each outgoing channel.
//! - *Marker-receiving rule*: who receives a marker and has not recorded yet records now; the state of the channel that the marker came on is empty. Who has recorded
//!   closes that channel: its state is what came on it since this process, the *receiver*, recorded.
//! - Any process may begin, and several may at once: [`Command::Snapshot`] and [`Command::Join`].
//! - A part is finished when a marker has come on every incoming channel. Finished parts go to the collector (section 3.2 leaves open how; here directly), which
//!   answers with the [`GlobalState`].
//!
//! Snapshots have names and may overlap; each has markers and recordings of its own.
//!
//! *Messages that wait for the disk.* A message that is held back until a write is durable leaves later than it was sent, and the channel's order is the order of leaving.
//! So a marker is held as long as the messages before it, and as long as a marker is held, everything that the application sends is held with it.
//!
//! # What is guaranteed
//!
//! The global state is consistent: it contains the send of each message whose receive it contains, and each channel's state is what was sent before the sender recorded and not received before
//! the receiver did (theorem 1: the system could have passed through it). So a property that, once true, stays true held at the snapshot's end if it holds
//! in the snapshot, and holds in the snapshot if it held at its start. The application is not stopped and not changed. `invariants.rs` checks the cut against all sends and receives.
//!
//! # What is assumed
//!
//! Channels are FIFO, and lose and repeat nothing; processes do not crash. From the initiators every process can be reached over channels. The collector can be sent to directly.
//!
//! # What it costs
//!
//! One marker a directed channel and snapshot, N - 1 parts to the collector: [`messages`]. Time: the longest marker path. Memory: the state and what came on open channels. No
//! forced write.
//!
//! # What is left out
//!
//! Channels that are not FIFO (Lai and Yang 1987: colours on messages instead of markers). One set of markers for several concurrent initiators (Spezialetti and Kearns 1986).
//! Snapshots on disk, and restarting a system from one: a snapshot that does not complete because a process crashed stays open until the node is started anew.
//!
//! ```
//! use synod_protocols::snapshot::chandy_lamport::{SnapshotId, messages};
//! use synod_machine::NodeId;
//!
//! // Three nodes, all connected: 6 markers, and 2 parts that travel.
//! assert_eq!((messages(3, 6).markers, messages(3, 6).parts), (6, 2));
//! assert_eq!(SnapshotId { collector: NodeId(2), sequence: 1 }.to_string(), "n2/1");
//! ```

pub mod invariants;
mod types;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use synod_machine::{Context, Effects, Input, Machine, Needs, NodeId, RequestId, Scope, Ticket, View};

pub use types::{Command, Event, GlobalState, Message, Part, Recordable, Reply, SnapshotId, Topology};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// Snapshots that one node collects at a time.
pub const COLLECTIONS_MAX: usize = 64;

/// Messages of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Markers: one a directed channel.
    pub markers: u64,
    /// Parts that travel to the collector.
    pub parts: u64,
}

/// What one snapshot costs among `nodes` processes with `channels` directed channels, however many initiators there are.
pub const fn messages(nodes: u64, channels: u64) -> Messages {
    Messages { markers: channels, parts: nodes.saturating_sub(1) }
}

/// An application and the snapshots of it, at one node.
#[derive(Clone, Debug, Hash)]
pub struct ChandyLamport<M: Recordable> {
    me: NodeId,
    topology: Topology,
    application: M,
    /// Parts that this node is still recording.
    recordings: BTreeMap<SnapshotId, Recording<M>>,
    /// Snapshots that this node puts together.
    collections: BTreeMap<SnapshotId, Collection<M>>,
    /// The number of this node's last snapshot.
    sequence: u64,
    /// Of each collector the newest snapshot that this node recorded.
    recorded: BTreeMap<NodeId, u64>,
    /// For each peer the last ticket that something sent to it waits for.
    held: BTreeMap<NodeId, Ticket>,
    /// The last ticket that a marker waits for.
    marker_held: Option<Ticket>,
}

#[derive(Clone, Debug, Hash)]
struct Recording<M: Recordable> {
    part: Part<M::State, M::Message>,
    /// Incoming channels on which the marker has not come yet.
    open: BTreeSet<NodeId>,
}

#[derive(Clone, Debug, Hash)]
struct Collection<M: Recordable> {
    parts: BTreeMap<NodeId, Part<M::State, M::Message>>,
    asked: Option<RequestId>,
}

impl<M: Recordable> ChandyLamport<M> {
    /// Wraps an application.
    pub fn new(me: NodeId, topology: Topology, application: M) -> Self {
        ChandyLamport {
            me,
            topology,
            application,
            recordings: BTreeMap::new(),
            collections: BTreeMap::new(),
            sequence: 0,
            recorded: BTreeMap::new(),
            held: BTreeMap::new(),
            marker_held: None,
        }
    }

    /// The application.
    pub fn application(&self) -> &M {
        &self.application
    }

    /// The snapshots whose part is not finished here, each with the channels that are still open.
    pub fn recordings(&self) -> impl Iterator<Item = (SnapshotId, &BTreeSet<NodeId>)> {
        self.recordings.iter().map(|(id, recording)| (*id, &recording.open))
    }

    /// Begins a snapshot that this node collects; nothing if too many are under way.
    pub fn begin(&mut self, fx: &mut Effects<'_, Self>) -> Option<SnapshotId> {
        self.start(None, fx)
    }

    fn start(&mut self, asked: Option<RequestId>, fx: &mut Effects<'_, Self>) -> Option<SnapshotId> {
        if self.collections.len() >= COLLECTIONS_MAX {
            return None;
        }
        self.sequence += 1;
        let id = SnapshotId { collector: self.me, sequence: self.sequence };
        self.collections.insert(id, Collection { parts: BTreeMap::new(), asked });
        self.record(id, fx);
        self.finish(id, fx);
        Some(id)
    }

    /// The marker-sending rule.
    fn record(&mut self, id: SnapshotId, fx: &mut Effects<'_, Self>) {
        let part = Part { state: self.application.record(), channels: BTreeMap::new() };
        self.recordings.insert(id, Recording { part, open: self.topology.incoming.clone() });
        let newest = self.recorded.entry(id.collector).or_insert(0);
        *newest = id.sequence.max(*newest);
        fx.emit(Event::Recorded(id));
        for peer in &self.topology.outgoing {
            match self.held.get(peer) {
                Some(ticket) => {
                    self.marker_held = self.marker_held.max(Some(*ticket));
                    fx.hold(*ticket, |fx| fx.send(*peer, Message::Marker(id)));
                }
                None => fx.send(*peer, Message::Marker(id)),
            }
        }
    }

    /// The marker-receiving rule.
    fn marker(&mut self, from: NodeId, id: SnapshotId, fx: &mut Effects<'_, Self>) {
        if !self.topology.incoming.contains(&from) || !self.topology.members.contains(&id.collector) {
            fx.note("snapshot.nonsense", 1);
            return;
        }
        if !self.recordings.contains_key(&id) {
            self.record(id, fx);
        }
        if let Some(recording) = self.recordings.get_mut(&id) {
            recording.open.remove(&from);
            recording.part.channels.entry(from).or_default();
        }
        self.finish(id, fx);
    }

    /// When every channel is closed the part goes to the collector.
    fn finish(&mut self, id: SnapshotId, fx: &mut Effects<'_, Self>) {
        if self.recordings.get(&id).is_none_or(|recording| !recording.open.is_empty()) {
            return;
        }
        let Some(Recording { part, .. }) = self.recordings.remove(&id) else { return };
        if id.collector == self.me {
            self.collect(self.me, id, part, fx);
        } else {
            fx.send(id.collector, Message::Part { id, part });
        }
    }

    fn collect(
        &mut self,
        from: NodeId,
        id: SnapshotId,
        part: Part<M::State, M::Message>,
        fx: &mut Effects<'_, Self>,
    ) {
        if id.collector != self.me || !self.topology.members.contains(&from) {
            fx.note("snapshot.nonsense", 1);
            return;
        }
        // A snapshot that others began in this node's name has no collection yet.
        let empty = || Collection { parts: BTreeMap::new(), asked: None };
        let collection = self.collections.entry(id).or_insert_with(empty);
        collection.parts.insert(from, part);
        if collection.parts.len() < self.topology.members.len() {
            return;
        }
        let Some(Collection { parts, asked }) = self.collections.remove(&id) else { return };
        let state = GlobalState { id, parts };
        if let Some(asked) = asked {
            fx.reply(asked, Reply::Snapshot(state.clone()));
        }
        fx.emit(Event::Completed(state));
    }

    fn command(
        &mut self,
        cx: &Context<'_>,
        id: RequestId,
        command: Command<M::Command>,
        fx: &mut Effects<'_, Self>,
    ) {
        match command {
            Command::Snapshot => {
                if self.start(Some(id), fx).is_none() {
                    fx.reply(id, Reply::Busy);
                }
            }
            Command::Join(snapshot) => {
                let known =
                    self.recorded.get(&snapshot.collector).is_some_and(|last| *last >= snapshot.sequence);
                if !known && self.topology.members.contains(&snapshot.collector) {
                    // A collector's own numbers go on after those that others gave in its name.
                    if snapshot.collector == self.me {
                        self.sequence = self.sequence.max(snapshot.sequence);
                    }
                    self.record(snapshot, fx);
                    self.finish(snapshot, fx);
                }
                fx.reply(id, Reply::Joined);
            }
            Command::Application(command) => self.apply(cx, Input::Command { id, command }, fx),
        }
    }

    /// Lets the application act; what it sends does not overtake a marker that is held back.
    fn apply(&mut self, cx: &Context<'_>, input: Input<M>, fx: &mut Effects<'_, Self>) {
        let Self { application, held, marker_held, .. } = self;
        let mut wrap = Wrap { held };
        match *marker_held {
            Some(ticket) => {
                fx.hold(ticket, |fx| fx.scope(&mut wrap, |fx| application.step(cx, input, fx)));
            }
            None => fx.scope(&mut wrap, |fx| application.step(cx, input, fx)),
        }
    }

    /// What waited for this ticket has left.
    fn durable(&mut self, ticket: Ticket) {
        self.held.retain(|_, last| *last > ticket);
        self.marker_held = self.marker_held.filter(|last| *last > ticket);
    }
}

impl<M: Recordable> Machine for ChandyLamport<M> {
    type Message = Message<M::Message, M::State>;
    type Timer = M::Timer;
    type Command = Command<M::Command>;
    type Reply = Reply<M::Reply, M::State, M::Message>;
    type Event = Event<M::Event, M::State, M::Message>;
    type Write = M::Write;
    type Job = M::Job;
    type Done = M::Done;

    const NEEDS: Needs = Needs { fifo: true, reliable: true, ..M::NEEDS };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Receive { from, message: Message::Application(message) } => {
                for recording in
                    self.recordings.values_mut().filter(|recording| recording.open.contains(&from))
                {
                    recording.part.channels.entry(from).or_default().push(message.clone());
                }
                self.apply(cx, Input::Receive { from, message }, fx);
            }
            Input::Receive { from, message: Message::Marker(id) } => self.marker(from, id, fx),
            Input::Receive { from, message: Message::Part { id, part } } => self.collect(from, id, part, fx),
            Input::Command { id, command } => self.command(cx, id, command, fx),
            Input::Durable(ticket) => {
                self.durable(ticket);
                self.apply(cx, Input::Durable(ticket), fx);
            }
            Input::Start { saved } => self.apply(cx, Input::Start { saved }, fx),
            Input::Fire(timer) => self.apply(cx, Input::Fire(timer), fx),
            Input::Done(done) => self.apply(cx, Input::Done(done), fx),
            Input::Link { peer, up } => self.apply(cx, Input::Link { peer, up }, fx),
        }
    }

    fn inspect(&self, view: &mut View) {
        for (id, open) in self.recordings() {
            view.show("recording", (id, open));
        }
        let collected: Vec<(SnapshotId, usize)> =
            self.collections.iter().map(|(id, collection)| (*id, collection.parts.len())).collect();
        view.show("collected", collected);
        self.application.inspect(view);
    }
}

/// Passes the application's effects on, and notes which of them are held back.
struct Wrap<'a> {
    held: &'a mut BTreeMap<NodeId, Ticket>,
}

impl<M: Recordable> Scope<M, ChandyLamport<M>> for Wrap<'_> {
    fn message(
        &mut self,
        to: NodeId,
        message: M::Message,
        after: Option<Ticket>,
    ) -> Message<M::Message, M::State> {
        if let Some(after) = after {
            let last = self.held.entry(to).or_insert(after);
            *last = after.max(*last);
        }
        Message::Application(message)
    }

    fn timer(&mut self, timer: M::Timer) -> M::Timer {
        timer
    }

    fn write(&mut self, write: M::Write) -> M::Write {
        write
    }

    fn work(&mut self, job: M::Job, fx: &mut Effects<'_, ChandyLamport<M>>) {
        fx.work(job);
    }

    fn reply(&mut self, id: RequestId, reply: M::Reply, fx: &mut Effects<'_, ChandyLamport<M>>) {
        fx.reply(id, Reply::Application(reply));
    }

    fn event(&mut self, event: M::Event, fx: &mut Effects<'_, ChandyLamport<M>>) {
        fx.emit(Event::Application(event));
    }

    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, ChandyLamport<M>>) {
        fx.forget(before);
    }
}
