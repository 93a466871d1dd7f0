//! What a hash ring costs and how even it is, as formulas.

/// The relative standard deviation of a node's share among `nodes` nodes of `points` points each. The points are uniform, so a share follows a beta distribution
/// with parameters `v` and `v (n - 1)`, whose variance over the square of its mean is `(n - 1) / (v n + 1)`.
pub fn relative_deviation_squared(nodes: u64, points: u64) -> f64 {
    (nodes.saturating_sub(1)) as f64 / (nodes * points + 1) as f64
}

/// The part of all keys that move when a node joins `nodes` others of the same weight.
pub fn joining_moves(nodes: u64) -> f64 {
    1.0 / (nodes + 1) as f64
}

/// Comparisons to find an owner: the depth of a binary search over all points.
pub fn comparisons(nodes: u64, points: u64) -> u32 {
    u64::BITS - (nodes * points).leading_zeros()
}
