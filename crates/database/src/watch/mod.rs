//! Watches: every matching event once, in order, without a gap, from the revision that was asked for.
//!
//! A stream belongs to one client and has many watches. A watch is **synced** when it has been given everything up to
//! the present: new events go to it as they are applied. Otherwise it is **behind** and reads history until it has
//! caught up. It falls behind when it begins in the past, when its client does not keep up, and when a snapshot replaces the store.
//!
//! A slow client costs a bounded amount: a stream has room for [`STREAM_OUTPUTS_MAX`] outputs that its client has not taken; without room its
//! watches fall behind, and read what they missed from history later. History that is compacted before that ends the watch, and says so.

mod hub;
mod types;

pub use hub::{History, Hub, HubOutput};
pub use types::*;
