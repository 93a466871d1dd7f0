//! The multi-version key-value store: etcd's revisions, transactions, leases' keys and history, over any ordered key-value engine.
//!
//! [`Store`] applies operations in order and is the only writer; [`View`] is a frozen state for readers. The layout of what
//! lies in the engine is described in `record.rs`, the rules for transactions in `check.rs` and `execute.rs`, for ranges in `range.rs`.

mod check;
mod codec;
mod compaction;
mod counts;
mod execute;
mod hash;
mod history;
mod marks;
mod overlay;
mod pieces;
mod range;
mod recent;
mod record;
mod snapshot;
mod store;
mod types;
mod versions;
mod view;
mod wire;

pub use self::{
    check::{TXN_NESTING_MAX, TXN_OPERATIONS_MAX, check_operation, check_txn, is_read_only},
    codec::TXN_LIST_ITEMS_MAX,
    compaction::Sweep,
    hash::RevisionHash,
    history::{HistoryLimits, HistoryPage},
    pieces::{RangeCursor, RangePiece, RangeTotal},
    record::KEY_BYTES_MAX,
    snapshot::{Installer, SnapshotChunk, SnapshotCursor},
    store::{Applied, Events, MARKED_KEYS_MIN, Store},
    types::*,
    view::View,
    wire::DecodeError,
};
