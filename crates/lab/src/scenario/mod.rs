//! Scenarios: a mechanism, its clients, its faults and its properties.

pub mod database;

/// What can be hunted, with a line of words about each.
pub const SCENARIOS: [(&str, &str); 1] =
    [(database::NAME, "the replicated key-value database: clients, watchers and leases under every fault it claims to survive")];
