//! Quorum replication: the survey's figure as a script, and what copies are as values.

mod scripts;
mod values;
#[path = "../world/mod.rs"]
mod world;
