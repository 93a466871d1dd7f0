//! Logical time: what happened before what, without a clock that all share.
//!
//! [`LamportClock`] never contradicts causality, [`VectorClock`] tells it exactly, [`DifferentialClock`] does so with fewer numbers over FIFO channels, and [`HybridClock`] stays
//! near the wall clock. [`Stamped`] puts any of them round any machine. [`Execution`] knows what really happened before what, to check them
//! by. [`VersionVector`] counts updates of replicas instead of events, and [`Siblings`] are the versions of a key that no write has replaced.

pub mod differential;
pub mod dotted;
pub mod happens_before;
pub mod hybrid;
pub mod lamport;
pub mod stamped;
pub mod vector;
pub mod version_vector;

pub use differential::DifferentialClock;
pub use dotted::{Siblings, Version};
pub use happens_before::{EventId, Execution};
pub use hybrid::{HybridClock, HybridTimestamp};
pub use lamport::{LamportClock, Timestamp};
pub use stamped::{LogicalClock, Stamped, StampedMessage};
pub use vector::VectorClock;
pub use version_vector::{Dot, VersionVector};
