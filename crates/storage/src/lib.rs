//! A node's durable state: the write-ahead log and the multi-version store. Knows bytes and revisions, nothing of consensus.

pub mod kv;
pub mod mvcc;
pub mod wal;
