//! What a database node is sent, is asked, logs and reports.

use std::time::Duration;

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};
use synod_protocols::consensus::raft;
use synod_storage::mvcc::{
    LeaseId, Operation, Outcome, RangeRequest, RangeResponse, Revision, StoreError, TxnRequest, TxnResponse,
};

use crate::watch::{WatchControl, WatchOutput};

/// A consensus group. Every node hosts many; one holds all keys for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// What nodes send each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Consensus.
    Raft { group: GroupId, message: raft::Message },
    /// Proposals for the leader, each an encoded [`Envelope`](crate::proposal::Envelope).
    Forward { group: GroupId, envelopes: Vec<Bytes> },
    /// A lease's question for the leader; `id` is the asker's.
    Lease { group: GroupId, id: RequestId, lease: LeaseId, renew: bool },
    /// Its answer; none when there is no such lease.
    LeaseAnswer { group: GroupId, id: RequestId, lease: LeaseId, time: Option<LeaseTime> },
    /// Asked the wrong node: it does not lead.
    LeaseRefused { group: GroupId, id: RequestId },
}

impl Message {
    /// The group that it is about.
    pub fn group(&self) -> GroupId {
        match self {
            Message::Raft { group, .. }
            | Message::Forward { group, .. }
            | Message::Lease { group, .. }
            | Message::LeaseAnswer { group, .. }
            | Message::LeaseRefused { group, .. } => *group,
        }
    }
}

/// What is left of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseTime {
    pub granted: Duration,
    pub remaining: Duration,
}

/// Names of a node's deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    Raft(GroupId, raft::Timer),
    Shard(GroupId, ShardTimer),
}

/// Names of a shard's own deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardTimer {
    /// The oldest request has waited for its whole time.
    Request,
    /// What was sent to the leader is sent again.
    Resend,
    /// The next lease ends.
    Lease,
}

/// What a client of this node asks, by way of the edge. Ids of commands grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Several at once; the first has the batch's id, the others count on from it.
    Batch(Vec<Command>),
    /// A change.
    Propose(Operation),
    /// Tell the cluster a member's name and where its clients reach it.
    Publish(Attributes),
    /// A read.
    Read { query: Query, consistency: Consistency },
    /// Extend a lease by its full time to live.
    LeaseRenew(LeaseId),
    /// What is left of a lease.
    LeaseTime(LeaseId),
    /// Something about the watches of the stream whose id this is.
    Watch { stream: RequestId, control: WatchControl },
    /// The stream's client has taken this many outputs.
    WatchTaken { stream: RequestId, outputs: u32 },
    /// The stream is gone.
    WatchClosed { stream: RequestId },
    /// Answer when history below `revision` is physically gone here.
    AwaitCompaction(Revision),
    /// Hand leadership to another member.
    Transfer(NodeId),
    /// Bring everything applied to stable storage now (a graceful stop).
    Persist,
}

/// What a member tells of itself when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    pub member: NodeId,
    pub name: String,
    pub client_urls: Vec<String>,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    Range(RangeRequest),
    /// A transaction that only reads.
    Txn(TxnRequest),
    /// What the members published, by ascending id.
    Members,
    /// Every lease.
    Leases,
    /// The keys of one lease.
    LeaseKeys(LeaseId),
    /// Nothing but the present revision.
    Revision,
    /// A hash of all keys at a revision, 0 for the newest.
    HashKv(Revision),
    /// A hash of the whole store.
    Hash,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// It sees every write acknowledged before it began.
    #[default]
    Linearizable,
    /// It sees what this member has.
    Serializable,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The change was applied, as the store's revision then says.
    Applied { revision: Revision, outcome: Result<Outcome, StoreError> },
    /// What was read, with the store's newest revision.
    Read { revision: Revision, answer: Result<Answer, StoreError> },
    /// A lease's time; none when there is no such lease.
    Lease(Option<LeaseTime>),
    /// To a watch stream.
    Watch(WatchOutput),
    /// Compaction, transfer or persisting is done.
    Completed,
    /// Not done, or not known to be done.
    Refused(Refusal),
}

/// What a [`Query`] gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Range(RangeResponse),
    Txn(TxnResponse),
    Members(Vec<Attributes>),
    Leases(Vec<LeaseId>),
    LeaseKeys(Vec<Bytes>),
    Revision,
    HashKv { hash: u64, revision: Revision, compacted: Revision },
    Hash(u64),
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No answer within the request's time: a change may still take effect.
    TimedOut { leader_known: bool },
    /// Too many requests wait: nothing was done.
    Overloaded,
    /// The transfer's target cannot lead, or another transfer is under way.
    BadTarget,
    /// This node does not lead.
    NotLeader,
}

/// What is told to the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Role, term or leader of a group changed.
    Role { group: GroupId, role: raft::Role, term: raft::Term, leader: Option<NodeId> },
    /// A group's membership changed.
    Configured { group: GroupId, configuration: raft::Configuration },
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    Raft {
        group: GroupId,
        write: raft::Write,
    },
    /// The node has started this many times: the number is its session's, so that proposals of an earlier life are told
    /// from this one's.
    Boot {
        number: u64,
    },
}

/// Work for [`Replicas`](crate::Replicas).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Apply committed entries; answer the clients of this node's session `boot` that wait for one.
    Apply {
        group: GroupId,
        boot: u64,
        entries: Vec<raft::Entry>,
    },
    Read {
        group: GroupId,
        id: RequestId,
        query: Query,
    },
    Watch {
        group: GroupId,
        stream: RequestId,
        control: WatchControl,
    },
    WatchTaken {
        group: GroupId,
        stream: RequestId,
        outputs: u32,
    },
    WatchClosed {
        group: GroupId,
        stream: RequestId,
    },
    AwaitCompaction {
        group: GroupId,
        id: RequestId,
        revision: Revision,
    },
    Snapshot {
        group: GroupId,
        job: raft::Job,
    },
    Persist {
        group: GroupId,
        id: Option<RequestId>,
    },
}

/// What the replicas hand back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// Everything up to `index` is applied.
    Applied {
        group: GroupId,
        applied: Applied,
    },
    /// Everything up to this point survives any crash.
    Persisted {
        group: GroupId,
        point: raft::SnapshotPoint,
    },
    /// A snapshot was installed: the leases are these now.
    Restored {
        group: GroupId,
        leases: Vec<(LeaseId, Duration)>,
    },
    Snapshot {
        group: GroupId,
        done: raft::Done,
    },
}

/// What applying entries changed that a shard must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Applied {
    pub index: raft::Index,
    /// Sequence numbers of this node's session that were let through.
    pub sequences: Vec<u64>,
    /// Leases in the order of their changes: granted with their time to live, or ended.
    pub leases: Vec<(LeaseId, Option<Duration>)>,
}

impl Done {
    /// The group that it is about.
    pub fn group(&self) -> GroupId {
        match self {
            Done::Applied { group, .. }
            | Done::Persisted { group, .. }
            | Done::Restored { group, .. }
            | Done::Snapshot { group, .. } => *group,
        }
    }
}
