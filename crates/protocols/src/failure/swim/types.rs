//! What members know of each other, and what they tell.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};

/// Which announcement of a member about itself a statement refers to. Only the member itself raises it, and never gives one twice (SWIM, section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Incarnation(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

/// How a member stands. Of two statements about one incarnation the one that comes later here overrides the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Up, as far as is known.
    Alive,
    /// It did not answer; it may refute that.
    Suspect,
    /// It did not refute in time.
    Failed,
    /// It said good-bye.
    Left,
}

impl State {
    /// Whether it counts as a member: it is probed, and told of things.
    pub fn is_present(self) -> bool {
        self <= State::Suspect
    }
}

/// A member, as another knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// How it stands.
    pub state: State,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// What it says about itself: address, role, version.
    pub metadata: Bytes,
}

impl Member {
    /// A member that is up in its first incarnation and says nothing about itself.
    pub fn new(node: NodeId) -> Self {
        Member { node, state: State::Alive, incarnation: Incarnation(0), metadata: Bytes::new() }
    }
}

/// News about a member, passed on with the messages of the detector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rumour {
    /// About whom.
    pub node: NodeId,
    /// About which of its incarnations.
    pub incarnation: Incarnation,
    /// What.
    pub claim: Claim,
}

/// What is said of a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// It says so itself.
    Alive {
        /// What it says about itself in this incarnation.
        metadata: Bytes,
    },
    /// `by` had no answer from it.
    Suspect {
        /// Who said so of its own knowledge. Confirmations count only if they come from different members.
        by: NodeId,
    },
    /// `by` waited in vain for it to refute.
    Failed {
        /// Who.
        by: NodeId,
    },
    /// It says itself that it leaves.
    Left,
}

impl Claim {
    /// The state that it claims.
    pub fn state(&self) -> State {
        match self {
            Claim::Alive { .. } => State::Alive,
            Claim::Suspect { .. } => State::Suspect,
            Claim::Failed { .. } => State::Failed,
            Claim::Left => State::Left,
        }
    }
}

/// What members send each other. All of it may be lost, late, doubled or reordered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Are you there?
    Ping {
        /// The asker's number of this question.
        probe: u64,
        /// News.
        rumours: Vec<Rumour>,
    },
    /// Ask `target` for me.
    PingRequest {
        /// The asker's number of its question.
        probe: u64,
        /// Who does not answer.
        target: NodeId,
        /// How long the asker waits; before that it wants to hear at least that the helper tried. `None`: it does not.
        patience: Option<Duration>,
        /// News.
        rumours: Vec<Rumour>,
    },
    /// I am here; or, from a helper: it is.
    Ack {
        /// The number of the question.
        probe: u64,
        /// News.
        rumours: Vec<Rumour>,
    },
    /// From a helper: I tried, it has not answered me either (Lifeguard, section IV-A).
    Nack {
        /// The number of the question.
        probe: u64,
    },
    /// News, beyond those that probes carry.
    Gossip {
        /// News.
        rumours: Vec<Rumour>,
    },
    /// A piece of the sender's table.
    Sync {
        /// Members, in any order.
        members: Vec<Member>,
        /// The sender wants the receiver's.
        reply: bool,
    },
}

/// The names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next protocol period begins.
    Period,
    /// The target of the period has not answered directly.
    Direct,
    /// A helper tells the asker of this probe that it tried.
    Nack(u64),
    /// The suspect has not refuted.
    Suspicion(NodeId),
    /// News are told beyond those that probes carry.
    Gossip,
    /// Tables are compared.
    Sync,
    /// A member that failed or left is forgotten.
    Forget(NodeId),
    /// The good-bye is said again and the node is gone.
    Leave,
}

/// What the embedder asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Who is there?
    Members,
    /// Say this about this node from now on.
    SetMetadata(Bytes),
    /// Leave the group, in good order.
    Leave,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Everybody known, by number, this node included.
    Members(Vec<Member>),
    /// The metadata go out under this incarnation.
    Announced(Incarnation),
    /// The good-bye was said.
    Left,
    /// Nothing was done.
    Refused(Refusal),
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// More than [`Config::metadata_bytes_max`](super::Config::metadata_bytes_max).
    MetadataTooLong,
    /// This node leaves, or left.
    Leaving,
    /// This node's incarnation is not durable yet: ask again.
    NotReady,
}

/// What the embedder is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A member is there, for the first time or again.
    Joined(NodeId),
    /// A member does not answer. It may be slow, or its messages get lost.
    Suspected(NodeId),
    /// A suspect refuted.
    Refuted(NodeId),
    /// A member is taken for failed.
    Failed(NodeId),
    /// A member left in good order.
    Left(NodeId),
    /// A member says something else about itself.
    Changed(NodeId),
}

/// What must survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// This life may use incarnations up to this one; a later life begins above.
    Reserve(Incarnation),
}

/// Where this node stands in its own life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its first incarnation is not durable yet: it answers, but neither probes nor announces itself.
    #[default]
    Starting,
    /// A member.
    Member,
    /// It said good-bye; the command is answered when it was said again.
    Leaving(RequestId),
    /// Gone.
    Left,
}
