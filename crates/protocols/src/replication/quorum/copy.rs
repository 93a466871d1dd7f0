//! A copy of a key: a value that can be merged with other copies in any order, any number of times.

use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::NodeId;

use crate::clocks::{Siblings, VersionVector};

/// Orders the writes of a register (Lynch and Shvartsman 1997: counter, then writer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// One more than the largest that the writer saw.
    pub counter: u64,
    /// The coordinator of the write.
    pub node: NodeId,
    /// Random: a coordinator that crashed may take a counter twice, having forgotten the first.
    pub nonce: u64,
}

/// What a node has of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Copy {
    /// Nothing was ever stored here.
    #[default]
    Nothing,
    /// A register's value: the larger tag wins.
    Tagged {
        /// Which write.
        tag: Tag,
        /// Its value.
        value: Bytes,
    },
    /// Values that nothing replaced yet.
    Siblings(Siblings<Bytes>),
}

impl Copy {
    /// Takes in another copy; whether that changed anything. Copies of different kinds do not occur on one ring: the other is left alone then.
    pub fn merge(&mut self, other: &Copy) -> bool {
        match (&mut *self, other) {
            (_, Copy::Nothing) => false,
            (Copy::Nothing, _) => {
                *self = other.clone();
                true
            }
            (Copy::Tagged { tag, .. }, Copy::Tagged { tag: theirs, .. }) if theirs > tag => {
                *self = other.clone();
                true
            }
            (Copy::Siblings(ours), Copy::Siblings(theirs)) => ours.merge(theirs),
            _ => false,
        }
    }

    /// Whether a merge of the other would change this one.
    pub fn lacks(&self, other: &Copy) -> bool {
        match (self, other) {
            (_, Copy::Nothing) => false,
            (Copy::Nothing, _) => true,
            (Copy::Tagged { tag, .. }, Copy::Tagged { tag: theirs, .. }) => theirs > tag,
            (Copy::Siblings(ours), Copy::Siblings(theirs)) => ours.lacks(theirs),
            _ => false,
        }
    }

    /// The tag; the smallest if there is none.
    pub fn tag(&self) -> Tag {
        match self {
            Copy::Tagged { tag, .. } => *tag,
            _ => Tag::default(),
        }
    }

    /// All values.
    pub fn values(&self) -> Vec<Bytes> {
        match self {
            Copy::Nothing => Vec::new(),
            Copy::Tagged { value, .. } => Vec::from([value.clone()]),
            Copy::Siblings(siblings) => siblings.values().cloned().collect(),
        }
    }

    /// What a reader of this has seen.
    pub fn context(&self) -> VersionVector {
        match self {
            Copy::Siblings(siblings) => siblings.context().clone(),
            _ => VersionVector::new(),
        }
    }
}
