//! Snapshots, tested from outside.

#[path = "../network/mod.rs"]
mod network;
mod properties;
mod scripts;
