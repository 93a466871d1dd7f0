//! The mechanisms, one folder a family, each a [`Machine`](synod_machine::Machine).
#![no_std]

extern crate alloc;

mod broken;
pub mod clocks;
pub mod commit;
pub mod consensus;
pub mod failure;
pub mod gossip;
pub mod merkle;
pub mod mutex;
pub mod position;
pub mod quorum;
pub mod replication;
pub mod routing;
pub mod snapshot;
pub mod time_sync;

pub use broken::Broken;
