//! Copies of data, and what they promise.

pub mod quorum;
