//! Mutual exclusion in the laboratory: one workload of the family, and what each of its mechanisms is held to.

pub mod central;
mod ensemble;
pub mod lamport;
pub mod maekawa;
mod measure;
mod workload;
