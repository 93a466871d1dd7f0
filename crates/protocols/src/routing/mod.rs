//! Where is the data? Keys and nodes on one ring of identifiers.

pub mod chord;
pub mod hash_ring;
