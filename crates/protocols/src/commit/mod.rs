//! All or nothing, on several nodes.

pub mod two_phase;
