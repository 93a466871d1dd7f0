//! Atomic commitment in the laboratory.

pub mod two_phase;
