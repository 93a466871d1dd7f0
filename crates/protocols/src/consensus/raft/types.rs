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
    /// The term of the leader that made it.
    pub term: Term,
    /// Its place.
    pub index: Index,
    /// What it carries.
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

/// A place in the log together with the term of the entry there: by the Log Matching property it stands for
/// everything before it as well. Ordered as elections compare logs: by term, then by index (paper, section 5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Term of the entry.
    pub term: Term,
    /// Index of the entry.
    pub index: Index,
}

/// Who votes and who only listens. While `outgoing` is not empty, decisions need a majority of both sets (joint consensus).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// The voters, or those to come during a joint phase.
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
    /// Its term.
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
    /// Opaque to Raft.
    pub data: Bytes,
}

/// What a client of the group asks of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Append to the log; only a leader can.
    Propose(Bytes),
    /// Append several to the log, one after the other, in one write; all or none are taken.
    ProposeBatch(Vec<Bytes>),
    /// Append only if this node leads in exactly this term: for decisions that a leader took as leader (a lease's end).
    ProposeInTerm(Term, Bytes),
    /// An index such that a state that includes it is linearizable now (thesis, section 6.4). Followers ask the leader.
    ReadIndex,
    /// Something is awaited from the group that Raft does not see (a proposal sent to the leader past it): a group at rest wakes up
    /// and notices if its leader is gone.
    Wake,
    /// Hand leadership to a voter.
    Transfer(NodeId),
    /// Change the membership: enters and leaves the joint phase by itself.
    Configure {
        /// Who is to vote; not empty.
        voters: BTreeSet<NodeId>,
        /// Who is to listen only; disjoint from the voters.
        learners: BTreeSet<NodeId>,
    },
    /// The state machine durably includes everything up to this index: the log may be cut there (some entries are
    /// kept for followers that lag, see `Config`).
    Compact(SnapshotPoint),
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// In this node's log; it may still be lost with its leader.
    Proposed {
        /// The leader's term.
        term: Term,
        /// Its place.
        index: Index,
    },
    /// As `Proposed`, for a batch: one place after the other, from `first` to `last`.
    ProposedBatch {
        /// The leader's term.
        term: Term,
        /// Place of the first.
        first: Index,
        /// Place of the last.
        last: Index,
    },
    /// A state at `index` or later is current.
    ReadAt(Index),
    /// The transfer, membership change, compaction or waking is done.
    Completed,
    /// Not taken, and why.
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
    /// It can never be done as asked: the target of a transfer is no voter or this node, the set of voters is empty, a
    /// set is too large, a learner to be promoted lags too far, a command is too long, or what is to be compacted is not committed.
    Invalid,
    /// Leadership was lost, or nothing was heard of a majority, before the answer was known.
    Unknown,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes entries from a leader, or waits for one.
    #[default]
    Follower,
    /// Asks whether it could win an election, and changes nothing yet (thesis, section 9.6).
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

/// What is told to whoever embeds the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// These entries are committed, in order, each reported once a life of the node.
    Committed(Vec<Entry>),
    /// Role, term or known leader changed.
    Role {
        /// This node's.
        role: Role,
        /// This node's.
        term: Term,
        /// Who leads, as far as it knows.
        leader: Option<NodeId>,
    },
    /// A leader's first own entry is committed: it knows all that was committed before.
    Established {
        /// The leader's.
        term: Term,
        /// That entry's place.
        index: Index,
    },
    /// The state machine was replaced by a leader's snapshot; what is committed goes on from there.
    Restored(SnapshotPoint),
    /// The membership in force changed.
    Configured(Configuration),
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// The newest of these counts.
    Vote {
        /// The term this node is in.
        term: Term,
        /// For whom it voted in it.
        vote: Option<NodeId>,
    },
    /// Entries; the first replaces everything at and after its index. Empty entries are never written.
    Append(Vec<Entry>),
    /// The log begins after this point: entries up to it are void, later ones stay. Written before older writes are forgotten.
    Base(SnapshotPoint),
    /// As `Base`, but every entry written before is void, later ones too: the log went another way than the snapshot
    /// that replaced it.
    Reset(SnapshotPoint),
}

/// Work for whoever holds the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Read a piece of a snapshot for `peer`. With an empty cursor begin one of the present state.
    Read {
        /// For whom; one snapshot a peer is kept at a time.
        peer: NodeId,
        /// The snapshot being read; `None` for a new one, which includes at least all that this group reported committed
        /// and had applied when the job is done.
        point: Option<SnapshotPoint>,
        /// Where to read.
        cursor: Bytes,
    },
    /// A peer has its snapshot, or will not get it: let go of it.
    Release {
        /// Whose.
        peer: NodeId,
    },
    /// Put a received piece in place; after the last one, replace the state durably.
    Install {
        /// The leader that sent it.
        from: NodeId,
        /// What the snapshot stands for. A chunk with an empty cursor begins anew.
        point: SnapshotPoint,
        /// The piece.
        chunk: Chunk,
    },
}

/// What came of a [`Job`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// A piece, and the point that its snapshot stands for.
    Read {
        /// For whom.
        peer: NodeId,
        /// What the snapshot stands for.
        point: SnapshotPoint,
        /// The piece.
        chunk: Chunk,
    },
    /// The piece could not be read (the snapshot is gone): begin anew.
    Unreadable {
        /// For whom it was.
        peer: NodeId,
    },
    /// In place up to `next`; `None`: complete, durable, and the state machine is the snapshot's.
    Installed {
        /// Which snapshot.
        point: SnapshotPoint,
        /// The cursor that is to come next.
        next: Option<Bytes>,
    },
    /// Not usable (a gap, a bad checksum): begin anew from an empty cursor.
    Uninstallable {
        /// Which snapshot.
        point: SnapshotPoint,
    },
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

impl SnapshotPoint {
    /// Its place in the log.
    pub fn place(&self) -> Place {
        Place { term: self.term, index: self.index }
    }
}

impl Entry {
    /// Its place with its term.
    pub fn place(&self) -> Place {
        Place { term: self.term, index: self.index }
    }

    /// What it counts for in every limit in bytes: its payload and a fixed share for its frame.
    pub fn bytes(&self) -> usize {
        const FRAME_BYTES: usize = 24;
        const MEMBER_BYTES: usize = 9;
        let payload = match &self.payload {
            Payload::Noop => 0,
            Payload::Command(bytes) => bytes.len(),
            Payload::Configuration(c) => {
                (c.voters.len() + c.outgoing.len() + c.learners.len()).saturating_mul(MEMBER_BYTES)
            }
        };
        FRAME_BYTES + payload
    }
}

impl Index {
    /// The place after this one.
    pub fn next(self) -> Index {
        Index(self.0.saturating_add(1))
    }

    /// The place before this one; 0 has none and stays.
    pub fn previous(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl core::fmt::Display for Term {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "term {}", self.0)
    }
}

impl core::fmt::Display for Index {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "index {}", self.0)
    }
}

impl Configuration {
    /// A membership with these voters and no learners.
    pub fn of(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Configuration { voters: voters.into_iter().collect(), ..Configuration::default() }
    }

    /// Everyone who receives the log; some may come twice.
    pub fn members(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied()
    }

    /// Whether this node votes in it.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Whether this is the phase in which two majorities decide.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }
}
