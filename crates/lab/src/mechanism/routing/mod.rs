//! Where the data is, in the laboratory: Chord under churn, and the figures of rings.

pub mod chord;
mod hash_ring;
