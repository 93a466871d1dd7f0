//! Global states in the laboratory.

pub mod chandy_lamport;
