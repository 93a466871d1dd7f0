//! What Chord costs, as formulas.

/// The mean path length on a ring of `2^log2_nodes` nodes with fingers: half the bits of a distance are one, and each takes a step (paper, section 4.3 and 6.3).
/// The asking node and the owner are not counted.
pub fn mean_path(log2_nodes: f64) -> f64 {
    log2_nodes / 2.0
}

/// Messages of an iterative lookup with `hops` nodes on the way.
pub fn iterative_messages(hops: u64) -> u64 {
    2 * hops
}

/// Messages of a recursive lookup: each hop is acknowledged, and the result goes straight back unless the asking node finds it itself.
pub fn recursive_messages(hops: u64) -> u64 {
    2 * hops + u64::from(hops > 0)
}

/// Messages of a round of stabilization in which nothing changes.
pub const STABILIZE_MESSAGES: u64 = 3;

/// The keys that move to a node that joins `nodes` others, on average.
pub fn keys_moved(keys: f64, nodes: u64) -> f64 {
    keys / (nodes + 1) as f64
}
