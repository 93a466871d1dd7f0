//! What quorum replication costs and what partial quorums promise, as formulas.

/// Messages of a register's read whose copies agree, the coordinator's own copy counted like the others'.
pub fn read_messages(copies: u64) -> u64 {
    2 * copies
}

/// Messages of a register's write, or of a read that writes back: two phases.
pub fn write_messages(copies: u64) -> u64 {
    4 * copies
}

/// Messages of a write with vectors, through one of the key's own nodes.
pub fn put_messages(copies: u64) -> u64 {
    2 * (copies - 1)
}

/// Whether quorums of those sizes always meet.
pub fn meet(copies: u64, read: u64, write: u64) -> bool {
    read + write > copies
}

/// The probability that a read asks at least one copy that one of the last `k` writes reached, if each reached exactly `write` copies, drawn at random: PBS k-staleness
/// (Bailis, Venkataraman, Franklin, Hellerstein and Stoica, "Probabilistically Bounded Staleness", VLDB 2012, section 3.1, equation 2).
pub fn within_versions(copies: u64, read: u64, write: u64, k: u32) -> f64 {
    let missed: f64 = (0..read)
        .map(|taken| copies.saturating_sub(write + taken) as f64 / (copies - taken) as f64)
        .product();
    1.0 - (0..k).map(|_| missed).product::<f64>()
}
