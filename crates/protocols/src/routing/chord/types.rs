//! What nodes, clients and embedders say to each other.

use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::NodeId;

use super::{Advice, Identifier, Peer};

/// A question's number at the node that asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u64);

/// What nodes send each other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A question, answered under its number.
    Ask {
        /// Its number.
        call: Call,
        /// What is asked.
        question: Question,
    },
    /// The answer.
    Answer {
        /// The question's number.
        call: Call,
        /// What is answered.
        answer: Answer,
    },
    /// "I believe that I am your predecessor" (paper, figure 6; Zave: the start of `rectify`).
    Notify {
        /// Who believes so.
        peer: Peer,
        /// It has joined and waits for its keys.
        wants_keys: bool,
    },
    /// The end of a recursive lookup, from the key's predecessor to the node that asked.
    Arrived {
        /// The lookup's number at the node that asked.
        lookup: Call,
        /// What was found.
        found: Found,
    },
}

/// What a node asks another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Who is before and after you?
    Neighbours,
    /// Which way to this key? Iterative lookups ask it of every node on the way.
    Route {
        /// The key.
        key: Identifier,
        /// The node that asks in order to join at the key: proof that an earlier life of it is over.
        joining: Option<Peer>,
    },
    /// Find the owner of this key, and tell `origin`: a recursive lookup's next step.
    Forward {
        /// Who asked first.
        origin: NodeId,
        /// The lookup's number there.
        lookup: Call,
        /// The key.
        key: Identifier,
        /// Nodes on the way so far, this one included.
        hops: u32,
        /// Dead nodes met so far.
        timeouts: u32,
    },
    /// Store this.
    Put {
        /// The key.
        key: Identifier,
        /// Its value.
        value: Bytes,
    },
    /// Read this.
    Get {
        /// The key.
        key: Identifier,
    },
    /// These are yours now.
    Take {
        /// Keys with their values.
        keys: Vec<(Identifier, Bytes)>,
        /// Where the granted range begins; it ends at the receiver, or at the leaving node. `None`: right after the receiver's predecessor.
        after: Option<Identifier>,
        /// The sender leaves the ring. Otherwise it is the receiver's successor and keeps its own keys.
        leaving: Option<Departure>,
    },
}

/// A node leaves, and says who was before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Departure {
    /// Who leaves.
    pub peer: Peer,
    /// Who was before it, and is now before its successor (paper, "Voluntary node departures").
    pub predecessor: Option<Peer>,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// To [`Question::Neighbours`].
    Neighbours {
        /// Who is before.
        predecessor: Option<Peer>,
        /// Who is after, nearest first.
        successors: Vec<Peer>,
    },
    /// To [`Question::Route`].
    Advice(Advice),
    /// To [`Question::Forward`]: it will be done.
    Accepted,
    /// To [`Question::Put`].
    Stored,
    /// To [`Question::Get`]: the value, if there is one.
    Value(Option<Bytes>),
    /// To [`Question::Take`].
    Taken,
    /// The key, or what is to be taken, concerns another node: perhaps this one.
    NotMine(Option<Peer>),
    /// The sender is not part of the ring: as good as dead.
    NotAMember {
        /// It was, and has granted its keys before it left.
        left: bool,
    },
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The key.
    pub key: Identifier,
    /// Who has it.
    pub owner: Peer,
    /// The last node before it.
    pub predecessor: Peer,
    /// Nodes on the way, the asking one and the owner not counted.
    pub hops: u32,
    /// Dead nodes met.
    pub timeouts: u32,
}

/// How the way is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Manner {
    /// The asking node asks every node on the way: it sees failures itself.
    #[default]
    Iterative,
    /// Each node on the way hands the question on: half the messages.
    Recursive,
}

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Who owns this key?
    Lookup {
        /// The key.
        key: Identifier,
        /// How to find out.
        manner: Manner,
    },
    /// Store a value at the key's owner.
    Put {
        /// The key.
        key: Identifier,
        /// Its value.
        value: Bytes,
    },
    /// Read the value at the key's owner.
    Get {
        /// The key.
        key: Identifier,
    },
    /// Hand all keys to the successor and leave.
    Leave,
    /// Join again after leaving, through the configured contacts.
    Join,
}

/// What they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To [`Command::Lookup`].
    Found(Found),
    /// To [`Command::Put`].
    Stored,
    /// To [`Command::Get`].
    Value(Option<Bytes>),
    /// To [`Command::Leave`].
    Left,
    /// To [`Command::Join`], at once: the ring takes its time.
    Joining,
    /// It could not be done: nothing is known of whether it took effect, if it was a put.
    Unavailable,
    /// This node is not part of the ring, and the request took no effect.
    NotAMember,
}

/// What an embedder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// This node is part of the ring.
    Joined,
    /// It is not any more: it left.
    Left,
    /// All successors are dead: it tries to join anew.
    Isolated,
}

/// The names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next round of stabilization.
    Stabilize,
    /// The next finger.
    FixFinger,
    /// The next attempt to join.
    Join,
    /// A question has not been answered.
    Answer(Call),
    /// A client's operation tries again.
    Retry(Call),
    /// Another attempt to hand all keys over.
    Leave,
}
