//! Agreement in the laboratory.

pub mod paxos;
