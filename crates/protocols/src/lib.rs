//! The mechanisms, one folder a family, each a [`Machine`](synod_machine::Machine).
#![no_std]

extern crate alloc;

mod broken;

pub use broken::Broken;

pub mod clocks;
pub mod commit;
pub mod consensus;
pub mod failure;
pub mod gossip;
pub mod kerberos;
pub mod merkle;
pub mod mutex;
pub mod position;
pub mod quorum;
pub mod replication;
pub mod retry;
pub mod role;
pub mod routing;
pub mod rpc;
pub mod snapshot;
pub mod time_sync;
