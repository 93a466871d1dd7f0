//! Identifiers, and what lies between what on a ring of them.

use core::fmt;

use synod_machine::NodeId;

use crate::position;

/// A place on the ring, for a key or a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(pub u64);

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A node with its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Where it is on the ring.
    pub id: Identifier,
    /// Where messages to it go.
    pub node: NodeId,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.id)
    }
}

/// The identifiers modulo 2^m: the paper's *identifier circle*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    bits: u32,
}

impl Ring {
    /// Identifiers of `bits` bits, the papers' m.
    ///
    /// # Panics
    /// When it is not 1 to 64.
    pub const fn of_bits(bits: u32) -> Self {
        assert!(bits >= 1 && bits <= 64, "expected identifiers of 1 to 64 bits");
        Ring { bits }
    }

    /// How many bits an identifier has; as many fingers has a node.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// The place of a name.
    pub fn of_name(self, name: &[u8]) -> Identifier {
        self.of_hash(position::of_bytes(name, 0))
    }

    /// The place that a node has unless it is told another.
    pub fn of_node(self, node: NodeId) -> Identifier {
        self.of_hash(position::of_numbers(node.0, 0, 0))
    }

    fn of_hash(self, hash: u64) -> Identifier {
        Identifier(hash >> (u64::BITS - self.bits))
    }

    /// How far it is from `from` to `to`, clockwise.
    pub fn distance(self, from: Identifier, to: Identifier) -> u64 {
        to.0.wrapping_sub(from.0) & (u64::MAX >> (u64::BITS - self.bits))
    }

    /// Where the `index`th finger of a node at `from` points: `from + 2^index`, `index` from 0.
    pub fn finger_start(self, from: Identifier, index: u32) -> Identifier {
        assert!(index < self.bits, "expected a finger below {}, found {index}", self.bits);
        Identifier(from.0.wrapping_add(1 << index) & (u64::MAX >> (u64::BITS - self.bits)))
    }

    /// Whether `middle` lies strictly between: in `(from, to)`. Where `from` is `to`, everything else does: once round the ring.
    pub fn between(self, from: Identifier, middle: Identifier, to: Identifier) -> bool {
        let (middle, to) = (self.distance(from, middle), self.distance(from, to));
        middle > 0 && (to == 0 || middle < to)
    }

    /// Whether `middle` lies in `(from, to]`, the keys of a node at `to` whose predecessor is at `from`.
    pub fn up_to(self, from: Identifier, middle: Identifier, to: Identifier) -> bool {
        middle == to || self.between(from, middle, to)
    }
}
