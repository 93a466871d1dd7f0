//! The driver: one database node on a real disk, a real network and real clocks.
//!
//! # Threads
//! ```text
//!  edge tasks ──commands──▶ ┌────────┐ ──writes──▶ ┌──────┐
//!  link tasks ──frames────▶ │  core  │ ◀──tickets─ │ disk │   one fdatasync for all that waits
//!                           │ (Node) │             └──────┘
//!  edge tasks ◀──reads────  │        │ ──jobs────▶ ┌───────┐
//!      ▲                    └────────┘ ◀──done──── │ apply │   store, sessions, watches
//!      └────────────────replies, events─────────── └───────┘
//! ```
//! - **core** steps the machine. It does not wait for the log, nor for the store, but on a quiet member (below): so neither delays a
//!   heartbeat.
//! - **disk** appends what waits and syncs once; then its tickets are durable, and core lets go of what it held for them.
//! - **apply** works through committed entries and answers the clients directly. After each batch it publishes a view of the store.
//! - Reads: once core says that a read may go, the task of the client itself reads the published view.
//!
//! Each queue is taken whole by its thread, so batches form by themselves under load and nothing waits for a batch to fill.
//! On a quiet member nobody is woken for what is done sooner than that: whoever brings core, disk or apply their work does it
//! itself ([`combining`]): a few entries are applied, and a member without peers syncs a few writes if its disk has been quick of
//! late. With peers that was tried, and was worse with eight clients than with the thread, which batches what they write.
//!
//! # What stops a member
//! A failed write or sync of the log, a failing store, a broken invariant: the member stops answering, says why once, and
//! is not restarted by itself. [`Member::failure`] resolves with the reason.

mod apply;
mod asking;
mod backup;
mod clients;
mod combining;
mod compactor;
mod core;
mod disk;
mod gathering;
mod home;
mod member;
mod post;
mod shared;
mod timed;
mod timers;
mod watches;

pub use backup::{RestoreError, Restored, restore};
pub use compactor::{AutoCompaction, compact_history};
pub use member::{Member, MemberBackend, MemberConfig, PeerMember, StartError};
