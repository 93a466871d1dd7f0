//! Copies of data, in the laboratory.

pub mod quorum;
