//! What Raft nodes send each other.
//!
//! Each message carries its sender's term. A receiver in an older term enters the newer one first; a request of an older
//! term is answered with [`Message::Outdated`] so that a deposed leader or a late candidate learns of it.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Chunk, Entry, Index, Place, SnapshotPoint, Term};

/// A message between the nodes of one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Asks for a vote in `term` (paper, figure 2: RequestVote), or whether it would be given (thesis, section 9.6).
    Vote {
        /// The term to be led. A pre-candidate is still in the one before.
        term: Term,
        /// The end of the candidate's log.
        last: Place,
        /// Only a question: neither side changes its state.
        pre: bool,
        /// The leader itself asked for this election: its being alive is no objection.
        transfer: bool,
    },
    /// The answer to `Vote`.
    Voted {
        /// The voter's own term.
        term: Term,
        /// The term that was asked for.
        ballot: Term,
        /// As asked.
        pre: bool,
        /// Yes or no.
        granted: bool,
    },
    /// Entries, one after the other, that follow `previous` (paper, figure 2: AppendEntries).
    Append {
        /// The leader's term.
        term: Term,
        /// What must stand right before them at the receiver.
        previous: Place,
        /// Entries with indices from `previous.index + 1` on.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: Index,
    },
    /// The receiver's log equals the leader's up to `matched`, durably.
    Appended {
        /// The follower's term.
        term: Term,
        /// Up to here.
        matched: Index,
    },
    /// The receiver's log has no `previous`.
    Rejected {
        /// The follower's term.
        term: Term,
        /// Which append this answers: its `previous.index`.
        previous: Index,
        /// Where the follower's log may agree with the leader's: its last place not after `previous` whose term is not after
        /// that of `previous`. It skips a whole term of conflict at once (paper, end of section 5.3).
        hint: Place,
    },
    /// The leader lives.
    Heartbeat {
        /// The leader's term.
        term: Term,
        /// What is committed of what the receiver is known to have.
        commit: Index,
        /// Number of the leader's round of heartbeats, which reads wait for.
        round: u64,
        /// All is quiet and the receiver has it all: no more heartbeats will come until something happens.
        quiesce: bool,
    },
    /// The answer to `Heartbeat`: its sender had not left `term` when it got that round.
    Alive {
        /// The follower's term.
        term: Term,
        /// As received.
        round: u64,
    },
    /// Tells a follower with an empty pipeline, at once, what the next append or heartbeat would. Not answered.
    Committed {
        /// The leader's term.
        term: Term,
        /// What is committed of what the receiver is known to have.
        commit: Index,
    },
    /// A follower asks for an index to read at.
    ReadRequest {
        /// The follower's term.
        term: Term,
        /// Comes back with the answer; never used twice, by later lives of the follower either.
        token: u64,
    },
    /// A state at `index` is current.
    ReadAnswer {
        /// The leader's term.
        term: Term,
        /// As asked.
        token: u64,
        /// From here on.
        index: Index,
    },
    /// A piece of a snapshot, for a follower whose next entries the leader no longer has (paper, section 7).
    Snapshot {
        /// The leader's term.
        term: Term,
        /// What the snapshot stands for.
        point: SnapshotPoint,
        /// The piece.
        chunk: Chunk,
    },
    /// How far a snapshot has come.
    SnapshotProgress {
        /// The follower's term.
        term: Term,
        /// The last entry of the snapshot that this is about.
        index: Index,
        /// The piece that is wanted next; `None`: the snapshot is in place and durable.
        next: Option<Bytes>,
    },
    /// The leader asks its successor to stand for election now (thesis, section 3.10).
    TimeoutNow {
        /// The leader's term.
        term: Term,
    },
    /// The receiver's message was of an older term.
    Outdated {
        /// The newer term.
        term: Term,
    },
}

impl Message {
    /// The term it speaks in.
    pub fn term(&self) -> Term {
        match self {
            Message::Vote { term, .. }
            | Message::Voted { term, .. }
            | Message::Append { term, .. }
            | Message::Appended { term, .. }
            | Message::Rejected { term, .. }
            | Message::Heartbeat { term, .. }
            | Message::Alive { term, .. }
            | Message::Committed { term, .. }
            | Message::ReadRequest { term, .. }
            | Message::ReadAnswer { term, .. }
            | Message::Snapshot { term, .. }
            | Message::SnapshotProgress { term, .. }
            | Message::TimeoutNow { term }
            | Message::Outdated { term } => *term,
        }
    }

    /// Whether only the leader of its term sends it.
    pub fn is_leaders(&self) -> bool {
        matches!(
            self,
            Message::Append { .. }
                | Message::Heartbeat { .. }
                | Message::Committed { .. }
                | Message::ReadAnswer { .. }
                | Message::Snapshot { .. }
                | Message::TimeoutNow { .. }
        )
    }

    /// Its name in traces and counters.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Vote { pre: true, .. } => "pre-vote",
            Message::Vote { .. } => "vote",
            Message::Voted { pre: true, .. } => "pre-voted",
            Message::Voted { .. } => "voted",
            Message::Append { .. } => "append",
            Message::Appended { .. } => "appended",
            Message::Rejected { .. } => "rejected",
            Message::Heartbeat { .. } => "heartbeat",
            Message::Alive { .. } => "alive",
            Message::Committed { .. } => "committed",
            Message::ReadRequest { .. } => "read request",
            Message::ReadAnswer { .. } => "read answer",
            Message::Snapshot { .. } => "snapshot",
            Message::SnapshotProgress { .. } => "snapshot progress",
            Message::TimeoutNow { .. } => "timeout now",
            Message::Outdated { .. } => "outdated",
        }
    }
}
