//! The multi-version key-value store: etcd's revisions, transactions, leases' keys and history, over any ordered key-value engine.

mod types;

pub use types::*;
