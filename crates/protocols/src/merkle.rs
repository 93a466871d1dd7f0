//! The Merkle tree: two replicas find where they differ by comparing a few digests a level (Merkle 1987; for replicas DeCandia et al. 2007, section 4.7).
//!
//! The tree is over the 2^64 positions of keys, which a hash spreads evenly. Each level divides a range in sixteen. A leaf's digest is of what it holds,
//! an inner node's of its children's digests, and empty ranges are not stored: the tree's size follows the number of entries, not the number
//! of ranges. A change costs one path: sixteen digests a level.
//!
//! Two trees with the same entries have the same digests, in whatever order they came to be; [`MerkleTree::differing`] is the step of the descent. Equal digests of
//! different contents have a chance of 2^-64 a comparison. The hash is quick, not secret: who may choose keys *and* wishes harm could make two differ unseen, so
//! the tree is for replicas that trust each other.
//!
//! ```
//! use synod_protocols::merkle::{MerkleTree, Range};
//!
//! let (mut ours, mut theirs) = (MerkleTree::new(4), MerkleTree::new(4));
//! for position in 1..100_u64 {
//!     let spread = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
//!     ours.put(spread, 7);
//!     theirs.put(spread, 7);
//! }
//! assert_eq!(ours.digest(Range::ALL), theirs.digest(Range::ALL));
//!
//! theirs.put(42, 7);
//! let mut range = Range::ALL;
//! while !ours.is_leaf(range) {
//!     range = theirs.differing(&ours.children(range), range)[0];
//! }
//! assert!(range.contains(42) && ours.entries(range).next().is_none());
//! ```

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use synod_machine::Fingerprint;

/// Bits of a position that one level looks at.
const LEVEL_BITS: u32 = 4;
/// Children of an inner node.
pub const FANOUT: u64 = 1 << LEVEL_BITS;
/// Most levels below the root: then a leaf is a single position.
pub const LEVELS_MAX: u8 = 16;

/// A digest of some contents; zero is that of nothing.
pub type Digest = u64;

/// The digest of any value, the same on every machine; never zero.
pub fn digest_of(value: &(impl Hash + ?Sized)) -> Digest {
    let mut hasher = Fingerprint::default();
    value.hash(&mut hasher);
    hasher.finish().max(1)
}

/// A range of positions: those that begin with `prefix`, at a level of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    level: u8,
    prefix: u64,
}

impl Range {
    /// All positions: the root.
    pub const ALL: Range = Range { level: 0, prefix: 0 };

    /// The range of that level which the position lies in.
    pub const fn around(position: u64, level: u8) -> Self {
        let level = if level > LEVELS_MAX { LEVELS_MAX } else { level };
        if level == 0 {
            return Range::ALL;
        }
        Range { level, prefix: position >> (u64::BITS - level as u32 * LEVEL_BITS) }
    }

    /// Levels below the root.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The smallest and the largest position in it.
    pub const fn bounds(self) -> (u64, u64) {
        if self.level == 0 {
            return (0, u64::MAX);
        }
        // Between 0, a single position, and 60.
        let shift = u64::BITS - self.level as u32 * LEVEL_BITS;
        let first = self.prefix << shift;
        (first, first | ((1 << shift) - 1))
    }

    /// Whether a position lies in it.
    pub const fn contains(self, position: u64) -> bool {
        let (first, last) = self.bounds();
        first <= position && position <= last
    }

    /// The ranges that it is divided into, at the next level.
    pub fn children(self) -> impl Iterator<Item = Range> {
        (0..FANOUT)
            .map(move |child| Range { level: self.level + 1, prefix: (self.prefix << LEVEL_BITS) | child })
    }

    /// Whether a peer may have meant a range of a tree with so many levels.
    pub fn is_sound(self, levels: u8) -> bool {
        self.level <= levels
            && (self.level == LEVELS_MAX || self.prefix >> (u32::from(self.level) * LEVEL_BITS) == 0)
    }
}

impl fmt::Debug for Range {
    /// The prefix as hexadecimal digits, a digit a level: `3f*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.level > 0 {
            write!(f, "{:0width$x}", self.prefix, width = usize::from(self.level))?;
        }
        f.write_str("*")
    }
}

/// The digests of a set of entries: at each position the digest of what is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MerkleTree {
    levels: u8,
    entries: BTreeMap<u64, Digest>,
    nodes: BTreeMap<Range, Digest>,
}

impl MerkleTree {
    /// An empty tree with so many levels below the root, 1 to 16: about the logarithm to base 16 of the number of entries. Replicas that
    /// compare must have the same.
    pub fn new(levels: u8) -> Self {
        MerkleTree { levels: levels.clamp(1, LEVELS_MAX), entries: BTreeMap::new(), nodes: BTreeMap::new() }
    }

    /// Levels below the root.
    pub fn levels(&self) -> u8 {
        self.levels
    }

    /// How many positions hold something.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says what is at a position; a digest of zero is nothing.
    pub fn put(&mut self, position: u64, digest: Digest) {
        let before =
            if digest == 0 { self.entries.remove(&position) } else { self.entries.insert(position, digest) };
        if before.unwrap_or(0) != digest {
            self.refresh(position);
        }
    }

    /// The digest of a range: equal digests, equal contents.
    pub fn digest(&self, range: Range) -> Digest {
        self.nodes.get(&range).copied().unwrap_or(0)
    }

    /// Whether a range is not divided further.
    pub fn is_leaf(&self, range: Range) -> bool {
        range.level >= self.levels
    }

    /// The children of a range that hold something, with their digests; none of a leaf.
    pub fn children(&self, range: Range) -> Vec<(Range, Digest)> {
        if self.is_leaf(range) {
            return Vec::new();
        }
        range.children().map(|child| (child, self.digest(child))).filter(|(_, digest)| *digest != 0).collect()
    }

    /// Where this tree differs from one whose `children` of `range` are these.
    pub fn differing(&self, children: &[(Range, Digest)], range: Range) -> Vec<Range> {
        if self.is_leaf(range) {
            return Vec::new();
        }
        let theirs = |child: Range| {
            children.iter().find(|(range, _)| *range == child).map_or(0, |(_, digest)| *digest)
        };
        range.children().filter(|child| self.digest(*child) != theirs(*child)).collect()
    }

    /// What is in a range: positions with their digests.
    pub fn entries(&self, range: Range) -> impl Iterator<Item = (u64, Digest)> {
        let (first, last) = range.bounds();
        self.entries.range(first..=last).map(|(position, digest)| (*position, *digest))
    }

    /// Computes the digests on the path to a position anew.
    fn refresh(&mut self, position: u64) {
        let leaf = Range::around(position, self.levels);
        let mut hasher = Fingerprint::default();
        let mut empty = true;
        for entry in self.entries(leaf) {
            entry.hash(&mut hasher);
            empty = false;
        }
        self.set(leaf, if empty { 0 } else { hasher.finish().max(1) });
        for level in (0..self.levels).rev() {
            let range = Range::around(position, level);
            let children = self.children(range);
            self.set(range, if children.is_empty() { 0 } else { digest_of(&children) });
        }
    }

    fn set(&mut self, range: Range, digest: Digest) {
        if digest == 0 {
            self.nodes.remove(&range);
        } else {
            self.nodes.insert(range, digest);
        }
    }
}
