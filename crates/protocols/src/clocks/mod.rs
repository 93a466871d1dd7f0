//! Logical time: what happened before what, without a clock that all share.

pub mod dotted;
pub mod version_vector;

pub use dotted::{Siblings, Version};
pub use version_vector::{Dot, VersionVector};
