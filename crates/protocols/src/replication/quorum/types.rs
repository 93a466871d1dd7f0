//! What nodes and clients say to each other, and what is logged.

use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::NodeId;

use super::Copy;
use crate::clocks::{Dot, VersionVector};

/// What is read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// A request's number at its coordinator; each of its phases has one of its own, so that answers to an earlier one are known as late. Unique in the node's life by its random
/// half, so that answers to questions of a former life are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u64);

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The value, or values, of a key.
    Read {
        /// Which.
        key: Key,
    },
    /// A new value.
    Write {
        /// Of which key.
        key: Key,
        /// The value.
        value: Bytes,
        /// What the writer had read before; a register has no use for it.
        seen: VersionVector,
    },
}

/// What they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To a read. A register has at most one value; siblings come in the order of their dots.
    Values {
        /// The values.
        values: Vec<Bytes>,
        /// For the next write.
        context: VersionVector,
    },
    /// To a write.
    Written {
        /// The write's name, with vectors.
        dot: Option<Dot>,
    },
    /// Too few nodes answered. A write may have taken effect, may later, or never.
    Unavailable,
    /// With vectors a write goes through one of the key's own nodes, or where the quorum is sloppy through one that can take a hint. The request took no effect.
    NotAReplica {
        /// The key's nodes.
        preference: Vec<NodeId>,
    },
}

/// What nodes send each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// What is your copy?
    Fetch {
        /// The phase that asks.
        serial: Serial,
        /// Of which key.
        key: Key,
    },
    /// This is it.
    Fetched {
        /// The phase that asked.
        serial: Serial,
        /// The copy.
        copy: Copy,
    },
    /// Merge this into your copy.
    Store {
        /// The phase that asks; none for a repair, which nobody waits for.
        serial: Option<Serial>,
        /// Of which key.
        key: Key,
        /// What to merge.
        copy: Copy,
        /// The node in whose place the receiver is to keep it.
        owner: Option<NodeId>,
    },
    /// It is merged, durably.
    Stored {
        /// The phase that asked.
        serial: Serial,
    },
    /// A copy that was kept for you while you were away.
    Offer {
        /// Of which key.
        key: Key,
        /// The copy.
        copy: Copy,
    },
    /// It is merged, durably.
    Taken {
        /// Of which key.
        key: Key,
        /// What was offered: the hint may have grown meanwhile.
        copy: Copy,
    },
}

/// The names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Ask those again that are silent.
    Again(Serial),
    /// A client has waited long enough.
    GiveUp(Serial),
    /// Offer hints to their owners.
    Offer,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The copy of a key is this.
    Copy {
        /// Which key.
        key: Key,
        /// The whole copy.
        copy: Copy,
    },
    /// A copy kept for another node is this.
    Hint {
        /// For whom.
        owner: NodeId,
        /// Of which key.
        key: Key,
        /// The whole copy.
        copy: Copy,
    },
    /// Its owner has it.
    HandedOver {
        /// Who.
        owner: NodeId,
        /// Of which key.
        key: Key,
    },
    /// All there is: what was logged before is void.
    All {
        /// The copies.
        copies: Vec<(Key, Copy)>,
        /// The copies kept for others.
        hints: Vec<((NodeId, Key), Copy)>,
    },
}
