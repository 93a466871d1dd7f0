//! The mechanisms in the laboratory, one folder a family, each with its workload, its properties, its weaknesses and its experiments.

pub mod commit;
pub mod consensus;
pub mod database;
pub mod mutex;
