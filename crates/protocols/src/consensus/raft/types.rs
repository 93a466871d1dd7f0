//! What a Raft node is sent, is asked, logs and reports.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::NodeId;

/// A leader's reign; at most one leader a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

/// A place in the log, from 1; 0 stands before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

/// One entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub term: Term,
    pub index: Index,
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A new leader's first entry: committing it commits all before it (paper, section 5.4.2 and 8).
    Noop,
    /// A command of the state machine.
    Command(Bytes),
    /// A membership, in force at each node as soon as it is in its log (paper, section 6).
    Configuration(Configuration),
}

/// Who votes and who only listens. While `outgoing` is not empty, decisions need a majority of both sets (joint consensus).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    pub voters: BTreeSet<NodeId>,
    /// The voters being replaced, during a joint phase.
    pub outgoing: BTreeSet<NodeId>,
    /// Receive the log, count for nothing.
    pub learners: BTreeSet<NodeId>,
}

/// A point of the log that a snapshot of the state machine stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SnapshotPoint {
    /// The last entry it includes.
    pub index: Index,
    pub term: Term,
    /// The membership as of that entry.
    pub configuration: Configuration,
}

/// A piece of a snapshot. `cursor` is the worker's own way to name a place: empty at the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Where this piece begins.
    pub cursor: Bytes,
    /// Where the next one begins; `None` after the last.
    pub next: Option<Bytes>,
    pub data: Bytes,
}

/// What a client of the group asks of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Append to the log; only a leader can.
    Propose(Bytes),
    /// Append only if this node leads in exactly this term: for decisions that a leader took as leader (a lease's end).
    ProposeInTerm(Term, Bytes),
    /// An index such that a state that includes it is linearizable now (thesis, section 6.4). Followers ask the leader.
    ReadIndex,
    /// Hand leadership to a voter.
    Transfer(NodeId),
    /// Change the membership: enters and leaves the joint phase by itself.
    Configure { voters: BTreeSet<NodeId>, learners: BTreeSet<NodeId> },
    /// The state machine durably includes everything up to this index: the log may be cut there (some entries are
    /// kept for followers that lag, see `Config`).
    Compact(SnapshotPoint),
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// In this node's log; it may still be lost with its leader.
    Proposed {
        term: Term,
        index: Index,
    },
    /// A state at `index` or later is current.
    ReadAt(Index),
    /// The transfer or membership change is done.
    Completed,
    Refused(Refusal),
}

/// Why a command was not taken; nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Another node leads, if it is known.
    NotLeader(Option<NodeId>),
    /// Too much is in flight; try later.
    Overloaded,
    /// A transfer or membership change is under way.
    Busy,
    /// The target is not a voter, or the set of voters is empty, or a replaced member lags too far.
    Invalid,
    /// Leadership was lost, or nothing was heard of a majority, before the answer was known.
    Unknown,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    #[default]
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

/// What is told to whoever embeds the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// These entries are committed, in order, each reported once a life of the node.
    Committed(Vec<Entry>),
    /// Role, term or known leader changed.
    Role { role: Role, term: Term, leader: Option<NodeId> },
    /// A leader's first own entry is committed: it knows all that was committed before.
    Established { term: Term, index: Index },
    /// The state machine was replaced by a leader's snapshot; what is committed goes on from there.
    Restored(SnapshotPoint),
    /// The membership in force changed.
    Configured(Configuration),
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// The newest of these counts.
    Vote { term: Term, vote: Option<NodeId> },
    /// Entries; the first replaces everything at and after its index. Empty entries are never written.
    Append(Vec<Entry>),
    /// The log begins after this point; entries up to it are void. Written again before older writes are forgotten, so that
    /// the newest of these and what follows is all that is needed.
    Base(SnapshotPoint),
}

/// Work for whoever holds the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Read a piece of a snapshot for `peer`. With an empty cursor begin one of the present state.
    Read { peer: NodeId, point: Option<SnapshotPoint>, cursor: Bytes },
    /// A peer has its snapshot, or will not get it: let go of it.
    Release { peer: NodeId },
    /// Put a received piece in place; after the last one, replace the state durably.
    Install { from: NodeId, point: SnapshotPoint, chunk: Chunk },
}

/// What came of a [`Job`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// A piece, and the point that its snapshot stands for.
    Read { peer: NodeId, point: SnapshotPoint, chunk: Chunk },
    /// The piece could not be read (the snapshot is gone): begin anew.
    Unreadable { peer: NodeId },
    /// In place up to `next`; `None`: complete, durable, and the state machine is the snapshot's.
    Installed { point: SnapshotPoint, next: Option<Bytes> },
    /// Not usable (a gap, a bad checksum): begin anew from an empty cursor.
    Uninstallable { point: SnapshotPoint },
}

/// Names of a group's deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A follower hears nothing, or a candidate wins nothing.
    Election,
    /// A leader speaks up.
    Heartbeat,
    /// A leader looks whether it still hears a majority.
    CheckQuorum,
    /// A transfer takes too long.
    Transfer,
    /// A peer's progress stalls (a lost append or chunk).
    Retry(NodeId),
    /// Forwarded reads are asked again.
    Read,
}
