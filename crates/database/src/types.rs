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
    Raft {
        /// Whose.
        group: GroupId,
        /// From and for that group's [`Raft`](raft::Raft).
        message: raft::Message,
    },
    /// Proposals for the leader, each an encoded [`Envelope`](crate::proposal::Envelope).
    Forward {
        /// Whose leader is meant.
        group: GroupId,
        /// In the order in which their clients were accepted.
        envelopes: Vec<Bytes>,
    },
    /// A lease's question for the leader.
    Lease {
        /// Whose leader is meant.
        group: GroupId,
        /// The asker's life: ids begin anew in each, and an answer to an earlier one must not pass for this one's.
        boot: u64,
        /// The client's request at the node that asks; comes back with the answer.
        id: RequestId,
        /// Which lease.
        lease: LeaseId,
        /// Whether to extend it, or only to look.
        renew: bool,
    },
    /// The leader's answer.
    LeaseAnswer {
        /// As asked.
        group: GroupId,
        /// As asked.
        boot: u64,
        /// As asked.
        id: RequestId,
        /// As asked.
        lease: LeaseId,
        /// None when there is no such lease, or it has expired.
        time: Option<LeaseTime>,
    },
    /// Asked the wrong node: it does not lead, or does not yet know whether.
    LeaseRefused {
        /// As asked.
        group: GroupId,
        /// As asked.
        boot: u64,
        /// As asked.
        id: RequestId,
    },
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
    /// Its full time to live.
    pub granted: Duration,
    /// Until it expires, on the leader's clock when it answered.
    pub remaining: Duration,
}

/// Names of a node's deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A deadline of a group's consensus.
    Raft(GroupId, raft::Timer),
    /// A deadline of what stands around it.
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
    Read {
        /// What to read.
        query: Query,
        /// How fresh.
        consistency: Consistency,
    },
    /// Extend a lease by its full time to live.
    LeaseRenew(LeaseId),
    /// What is left of a lease.
    LeaseTime(LeaseId),
    /// Something about the watches of the stream whose id this is.
    Watch {
        /// Begins with its first control; its outputs come as replies to this id.
        stream: RequestId,
        /// What is asked.
        control: WatchControl,
    },
    /// The stream's client has made room.
    WatchTaken {
        /// Whose.
        stream: RequestId,
        /// Outputs with events that it has taken since it last said so.
        outputs: u32,
    },
    /// The stream is gone, and its watches with it.
    WatchClosed {
        /// Which.
        stream: RequestId,
    },
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
    /// Who tells it.
    pub member: NodeId,
    /// Which directory it lives from, so that it is not taken for itself on another.
    pub home: u64,
    /// Its name, for people.
    pub name: String,
    /// Where clients reach it; at most [`CLIENT_URLS_MAX`](crate::proposal::CLIENT_URLS_MAX).
    pub client_urls: Vec<String>,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// Keys.
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
    Applied {
        /// Right after the change; unchanged by one that changed nothing.
        revision: Revision,
        /// What it gave, or why the store refused it.
        outcome: Result<Outcome, StoreError>,
    },
    /// What was read.
    Read {
        /// The store's newest revision, not the one that was asked for.
        revision: Revision,
        /// What was found, or why it cannot be read.
        answer: Result<Answer, StoreError>,
    },
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
    /// To [`Query::Range`].
    Range(RangeResponse),
    /// To [`Query::Txn`].
    Txn(TxnResponse),
    /// By ascending member; one that has never started is missing.
    Members(Vec<Attributes>),
    /// By ascending id.
    Leases(Vec<LeaseId>),
    /// In the order of the keys.
    LeaseKeys(Vec<Bytes>),
    /// To [`Query::Revision`]: the reply carries it.
    Revision,
    /// Equal at every replica that has the same revision and compaction.
    HashKv {
        /// Of all versions from `compacted` up to `revision`.
        hash: u64,
        /// Up to which it goes.
        revision: Revision,
        /// Where history begins.
        compacted: Revision,
    },
    /// Of the whole store, leases too.
    Hash(u64),
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No answer within the request's time: a change may still take effect.
    TimedOut {
        /// Whether a leader was known when the time was up; without one the fault lies with the cluster.
        leader_known: bool,
    },
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
    Role {
        /// Whose.
        group: GroupId,
        /// This node's part in it.
        role: raft::Role,
        /// The newest term that it has seen.
        term: raft::Term,
        /// That term's leader, once it is known.
        leader: Option<NodeId>,
    },
    /// A group's membership changed.
    Configured {
        /// Whose.
        group: GroupId,
        /// As of the newest entry of its kind in the log: it counts before it is committed.
        configuration: raft::Configuration,
    },
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// A group's votes, entries and log positions.
    Raft {
        /// Whose.
        group: GroupId,
        /// What its consensus wrote.
        write: raft::Write,
    },
    /// The number is a session's: by it proposals of an earlier life are told from this one's.
    Boot {
        /// How many times the node has started, this time included; from 1.
        number: u64,
    },
}

/// Work for [`Replicas`](crate::Replicas).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Apply committed entries; answer the clients of this node's session `boot` that wait for one.
    Apply {
        /// Whose.
        group: GroupId,
        /// This life's number: its proposals have clients that wait here.
        boot: u64,
        /// By index, one after the other; those that the replica has already are passed over.
        entries: Vec<raft::Entry>,
    },
    /// Read what is there; the machine gives it once that is fresh enough. A driver may do it elsewhere, from a view.
    Read {
        /// Whose replica.
        group: GroupId,
        /// The client's request.
        id: RequestId,
        /// What to read.
        query: Query,
    },
    /// See [`Command::Watch`].
    Watch {
        /// Whose changes.
        group: GroupId,
        /// The client's stream.
        stream: RequestId,
        /// What it asks.
        control: WatchControl,
    },
    /// See [`Command::WatchTaken`].
    WatchTaken {
        /// Whose changes.
        group: GroupId,
        /// The client's stream.
        stream: RequestId,
        /// Outputs with events that were taken.
        outputs: u32,
    },
    /// See [`Command::WatchClosed`].
    WatchClosed {
        /// Whose changes.
        group: GroupId,
        /// The client's stream.
        stream: RequestId,
    },
    /// See [`Command::AwaitCompaction`].
    AwaitCompaction {
        /// Whose history.
        group: GroupId,
        /// The client's request.
        id: RequestId,
        /// What lies below it must be gone.
        revision: Revision,
    },
    /// Read or install a piece of a snapshot.
    Snapshot {
        /// Whose.
        group: GroupId,
        /// What its consensus asks.
        job: raft::Job,
    },
    /// Bring everything applied to stable storage; [`Done::Persisted`] follows.
    Persist {
        /// Whose.
        group: GroupId,
        /// Who waits for it, if someone does.
        id: Option<RequestId>,
    },
}

/// What the replicas hand back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// Entries are applied, and readers can see it.
    Applied {
        /// Whose.
        group: GroupId,
        /// What that changed.
        applied: Applied,
    },
    /// What is applied survives any crash: the log need not keep it.
    Persisted {
        /// Whose.
        group: GroupId,
        /// The last entry of it, with the membership as of there.
        point: raft::SnapshotPoint,
    },
    /// A snapshot was installed.
    Restored {
        /// Whose.
        group: GroupId,
        /// All leases that there are now, with their times to live.
        leases: Vec<(LeaseId, Duration)>,
    },
    /// An answer to a [`Job::Snapshot`].
    Snapshot {
        /// Whose.
        group: GroupId,
        /// For its consensus.
        done: raft::Done,
    },
}

/// What applying entries changed that a shard must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Applied {
    /// The last entry that is applied.
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
