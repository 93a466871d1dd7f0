//! The mechanisms, one folder a family, each a [`Machine`](synod_machine::Machine).
#![no_std]

extern crate alloc;

mod broken;
pub mod clocks;
pub mod commit;
pub mod consensus;
pub mod failure;
pub mod mutex;
pub mod position;
pub mod quorum;
pub mod routing;

pub use broken::Broken;
