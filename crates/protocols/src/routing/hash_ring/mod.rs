//! The hash ring: keys find their nodes by a calculation, and hardly any key moves when the nodes change.
//!
//! # The problem
//!
//! Keys are to be spread over nodes so that everyone who knows the nodes finds a key without asking. `hash(key) mod n` does that, but one node more or less moves nearly
//! every key. Consistent hashing (Karger, Lehman, Leighton, Panigrahy, Levine and Lewin, "Consistent Hashing and Random Trees", STOC 1997)
//! moves only what must move.
//!
//! # The rules
//!
//! - **Points** (Karger et al., section 4): every node has points on a ring of 2^64 places, every key has one place, and the key belongs to the node of the first
//!   point at or after its place: [`HashRing::owner`].
//! - **Virtual nodes** (Stoica et al., "Chord", ToN 2003, section 6.2; DeCandia et al., "Dynamo", SOSP 2007, section 4.2): a node has
//!   [`points_per_weight`](Config::points_per_weight) points for each unit of its weight. Many points make shares even; weights make them as uneven as the machines are.
//! - **Replicas** (Dynamo, section 4.3): the next points of *other* nodes, walking on; and of other zones as long as there are any: [`HashRing::replicas`], in `placement.rs`.
//! - **Movement**: what a change of the nodes moves, as ranges with their old and new owners: [`HashRing::moves_to`], in `movement.rs`.
//! - **Bounded loads** (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018): no node takes more than `1 + epsilon` times its fair share of
//!   the keys; a key whose node is full goes to the next one that is not: [`BoundedLoads`], in `bounded.rs`.
//!
//! `invariants.rs` has the properties below as functions, `cost.rs` what they cost.
//!
//! # What is guaranteed
//!
//! The same nodes, weights and seed give the same ring, in whatever order they came. A joining node takes keys from others and no other key moves; a leaving node's
//! keys go to others and no other key moves; a change of weight is one or the other. Replicas are on distinct nodes, and on as many distinct zones as there are, up to
//! their number. With bounded loads no node of weight `w` among total weight `W` ever has more than `ceil((1 + epsilon) m w / W)` of `m` keys, and a key that is not at
//! its first choice has passed only full nodes.
//!
//! # What is assumed
//!
//! That all who calculate know the same nodes: the ring is a value and agrees with nobody. That keys are not chosen by an adversary who knows the hash.
//!
//! # What it costs
//!
//! No messages. Memory is one entry a point; finding an owner is one binary search, `log2(n v)` comparisons. Of `K` keys a joining node of average weight moves `K / (n + 1)`.
//! A node's share deviates from its fair one by a relative standard deviation of `1 / sqrt(v)` for `v` points a node: 100 % for one point, 10 % for a hundred. With bounded
//! loads a key that comes or goes moves `O(1 / epsilon^2)` other keys in expectation, whatever their number.
//!
//! # Where this differs from the papers
//!
//! Mirrokni et al. let only so many nodes have the larger of two capacities that their sum is `ceil((1 + epsilon) m)`; here every node has the larger one, which is the
//! same bound for each and makes capacities grow together.
//!
//! # What is left out
//!
//! Rings without memory (rendezvous hashing, jump hash), placements that are searched rather than calculated, and racks within zones.
//!
//! # Example
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::routing::hash_ring::{Config, HashRing, Member};
//!
//! let mut ring = HashRing::new(Config::default());
//! for (node, zone) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
//!     ring.insert(NodeId(node), Member { weight: 1, zone });
//! }
//! let replicas = ring.replicas(ring.place(b"user/42"), 2);
//! assert_eq!(replicas.len(), 2);
//! assert_ne!(ring.member(replicas[0]).unwrap().zone, ring.member(replicas[1]).unwrap().zone);
//!
//! // A fifth node: everything that moves, moves to it.
//! let mut larger = ring.clone();
//! larger.insert(NodeId(5), Member { weight: 2, zone: 3 });
//! assert!(ring.moves_to(&larger).iter().all(|moved| moved.to == Some(NodeId(5))));
//! ```

mod bounded;
pub mod cost;
pub mod invariants;
mod movement;
mod placement;

use alloc::collections::{BTreeMap, BTreeSet};

use synod_machine::NodeId;

use crate::position;

pub use bounded::{BoundedLoads, Relocation, Slack};
pub use movement::Move;

/// This file: its leading comment is the mechanism's essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// Most points of one node, its weight included: a mistyped weight must not fill the memory.
pub const POINTS_OF_NODE_MAX: u64 = 1 << 20;

/// How a ring is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Virtual nodes for each unit of weight.
    pub points_per_weight: u32,
    /// Rings with different seeds are independent of each other.
    pub seed: u64,
}

impl Default for Config {
    /// A hundred points, which keeps shares within some 10 % of fair.
    fn default() -> Self {
        Config { points_per_weight: 100, seed: 0 }
    }
}

/// What a ring knows of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its share against others'. A node of weight 0 owns nothing.
    pub weight: u32,
    /// Where it stands: nodes of a zone fail together.
    pub zone: u64,
}

/// Nodes on a ring of 2^64 places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HashRing {
    config: Config,
    members: BTreeMap<NodeId, Member>,
    /// Two nodes may claim one place, once in 2^64 pairs: the smaller id has it, whatever the order of their joining.
    points: BTreeSet<(u64, NodeId)>,
}

impl HashRing {
    /// A ring without nodes.
    ///
    /// # Panics
    /// When a unit of weight would have no points.
    pub fn new(config: Config) -> Self {
        assert!(config.points_per_weight > 0, "expected at least one point for a unit of weight, found 0");
        HashRing { config, members: BTreeMap::new(), points: BTreeSet::new() }
    }

    /// How this ring is made.
    pub fn config(&self) -> Config {
        self.config
    }

    /// The place of a key.
    pub fn place(&self, key: &[u8]) -> u64 {
        position::of_bytes(key, self.config.seed)
    }

    /// Adds a node or changes what is known of it. Gives what was known before.
    ///
    /// # Panics
    /// When the node would have more than [`POINTS_OF_NODE_MAX`] points.
    pub fn insert(&mut self, node: NodeId, member: Member) -> Option<Member> {
        let before = self.members.insert(node, member);
        let (old, new) = (self.points_of(before.map_or(0, |m| m.weight)), self.points_of(member.weight));
        assert!(
            new <= POINTS_OF_NODE_MAX,
            "expected at most {POINTS_OF_NODE_MAX} points of {node}, found {new}"
        );
        // A point's place depends on its index only, so a change of weight leaves the common ones where they are.
        for index in old..new {
            self.points.insert((self.point(node, index), node));
        }
        for index in new..old {
            self.points.remove(&(self.point(node, index), node));
        }
        before
    }

    /// Removes a node. Gives what was known of it.
    pub fn remove(&mut self, node: NodeId) -> Option<Member> {
        let member = self.members.remove(&node)?;
        for index in 0..self.points_of(member.weight) {
            self.points.remove(&(self.point(node, index), node));
        }
        Some(member)
    }

    /// What is known of a node.
    pub fn member(&self, node: NodeId) -> Option<Member> {
        self.members.get(&node).copied()
    }

    /// All nodes, by id.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, Member)> + '_ {
        self.members.iter().map(|(node, member)| (*node, *member))
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// The node whose point is the first at or after `place`; `None` if no node has any.
    pub fn owner(&self, place: u64) -> Option<NodeId> {
        self.walk(place).next().map(|(_, node)| node)
    }

    /// All points from `place` on, once round the ring.
    pub fn walk(&self, place: u64) -> impl Iterator<Item = (u64, NodeId)> + '_ {
        let from = (place, NodeId(0));
        self.points.range(from..).chain(self.points.range(..from)).copied()
    }

    /// Each node's share of the ring, between 0 and 1. They add up to 1.
    pub fn shares(&self) -> BTreeMap<NodeId, f64> {
        let mut arcs: BTreeMap<NodeId, u128> = self.members.keys().map(|node| (*node, 0)).collect();
        for (after, upto, owner) in movement::arcs(self) {
            *arcs.entry(owner).or_default() += movement::length(after, upto);
        }
        arcs.into_iter().map(|(node, arc)| (node, arc as f64 / WHOLE as f64)).collect()
    }

    fn points_of(&self, weight: u32) -> u64 {
        u64::from(weight) * u64::from(self.config.points_per_weight)
    }

    fn point(&self, node: NodeId, index: u64) -> u64 {
        position::of_numbers(node.0, index, self.config.seed)
    }
}

/// Places on the ring.
pub(super) const WHOLE: u128 = 1 << 64;
