//! Raft.

mod types;

pub use types::*;
