//! Where is the data? Keys and nodes on one ring of identifiers.

pub mod hash_ring;
