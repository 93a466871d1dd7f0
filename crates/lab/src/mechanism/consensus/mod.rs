//! Agreement in the laboratory.

pub mod paxos;
pub mod raft;
