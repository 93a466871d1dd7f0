//! The mechanisms in the laboratory, one folder a family, each with its workload, its properties, its weaknesses and its experiments.

pub mod database;
pub mod mutex;
pub mod replication;
pub mod routing;
