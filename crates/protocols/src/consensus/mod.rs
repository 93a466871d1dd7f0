//! Agreement on one value, or on a sequence of them.

pub mod paxos;
pub mod raft;
