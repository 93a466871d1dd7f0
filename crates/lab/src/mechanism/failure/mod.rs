//! Failure detectors and membership: who is up, and who says so.

pub mod swim;
