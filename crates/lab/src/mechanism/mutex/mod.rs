//! Mutual exclusion.

pub mod lamport;
mod workload;
