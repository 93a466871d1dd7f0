//! Who is up: failure detectors and membership in the laboratory.

pub mod swim;
