//! The mechanisms in the laboratory, one folder a family, each with its workload, its properties, its weaknesses and its experiments.

pub mod clocks;
pub mod commit;
pub mod consensus;
pub mod database;
pub mod failure;
pub mod gossip;
pub mod kerberos;
pub mod mutex;
pub mod replication;
pub mod routing;
pub mod rpc;
pub mod snapshot;
pub mod time_sync;
