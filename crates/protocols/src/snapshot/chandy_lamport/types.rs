//! What snapshots are made of, and what nodes say to each other about them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use synod_machine::{Data, Machine, NodeId};

/// A machine whose local state can be written down.
pub trait Recordable: Machine {
    /// What is written down of it.
    type State: Data;

    /// The local state at this moment.
    fn record(&self) -> Self::State;
}

/// A snapshot's name: where its parts come together, and a number that node gives once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// The node that puts the parts together.
    pub collector: NodeId,
    /// Which of its snapshots.
    pub sequence: u64,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collector, self.sequence)
    }
}

/// The channels of one node, and who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topology {
    /// Every process of the system, this one as well.
    pub members: BTreeSet<NodeId>,
    /// Those that send to this one.
    pub incoming: BTreeSet<NodeId>,
    /// Those that this one sends to.
    pub outgoing: BTreeSet<NodeId>,
}

impl Topology {
    /// Everybody has a channel to everybody.
    pub fn complete(me: NodeId, members: impl IntoIterator<Item = NodeId>) -> Self {
        let members: BTreeSet<NodeId> = members.into_iter().collect();
        let others: BTreeSet<NodeId> = members.iter().copied().filter(|node| *node != me).collect();
        Topology { members, incoming: others.clone(), outgoing: others }
    }
}

/// What one node contributes: its state, and what was under way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part<S, T> {
    /// The node's state.
    pub state: S,
    /// For each incoming channel, by its sender, the messages under way, oldest first.
    pub channels: BTreeMap<NodeId, Vec<T>>,
}

/// A consistent global state: one that the system could have been in between the snapshot's start and its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GlobalState<S, T> {
    /// The snapshot.
    pub id: SnapshotId,
    /// Every node's part.
    pub parts: BTreeMap<NodeId, Part<S, T>>,
}

impl<S, T> GlobalState<S, T> {
    /// The local states.
    pub fn states(&self) -> impl Iterator<Item = (NodeId, &S)> {
        self.parts.iter().map(|(node, part)| (*node, &part.state))
    }

    /// The messages under way, each with its sender and receiver.
    pub fn in_transit(&self) -> impl Iterator<Item = (NodeId, NodeId, &T)> {
        self.parts.iter().flat_map(|(to, part)| {
            part.channels.iter().flat_map(|(from, messages)| messages.iter().map(|m| (*from, *to, m)))
        })
    }
}

/// What nodes say to each other: `T` are the application's messages, `S` its states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message<T, S> {
    /// The application's.
    Application(T),
    /// All that comes before this on the channel belongs to the snapshot, all that comes after does not.
    Marker(SnapshotId),
    /// A finished part, on its way to the collector.
    Part {
        /// The snapshot.
        id: SnapshotId,
        /// The sender's part.
        part: Part<S, T>,
    },
}

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<C> {
    /// Take a snapshot; this node collects it.
    Snapshot,
    /// Be one more initiator of that snapshot, before its first marker comes or after. Once a node and snapshot.
    Join(SnapshotId),
    /// The application's.
    Application(C),
}

/// What they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply<R, S, T> {
    /// The snapshot that was asked for.
    Snapshot(GlobalState<S, T>),
    /// Too many snapshots are under way: ask again when one is finished.
    Busy,
    /// The node has recorded its state, for a snapshot that another node collects.
    Joined,
    /// The application's.
    Application(R),
}

/// What whoever embeds the machine is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<E, S, T> {
    /// This node has written its state down.
    Recorded(SnapshotId),
    /// This node, the collector, has every part.
    Completed(GlobalState<S, T>),
    /// The application's.
    Application(E),
}
