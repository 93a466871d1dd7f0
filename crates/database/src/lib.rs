//! One database node, as a machine.
//!
//! ```text
//!            commands (from the edge)                 frames (from the transport)
//!                     |                                         |
//!             +-------v-----------------------------------------v-------+
//!             | Node          which group?  which ticket may be let go?  |
//!             |   Shard       proposals, reads that wait, leases         |
//!             |     Raft      order                                      |
//!             +-----+----------------------+--------------------+-------+
//!             writes | tickets back         | jobs   done back   | replies
//!             +------v-----+         +------v-------------------v-------+
//!             | log on disk|         | Replicas                          |
//!             +------------+         |   Replica   store, sessions       |
//!                                    |     Hub     watches               |
//!                                    +-----------------------------------+
//! ```
//!
//! [`Node`] is a [`Machine`](synod_machine::Machine): it decides. [`Replicas`] is its [`Worker`](synod_machine::Worker): it holds the stores, applies what
//! is committed, in order, reads, and tells watchers. Both are the same compiled code in the simulator and in the server;
//! neither reads a clock, a file or a socket. A slow read or a huge range is the worker's affair and never delays a heartbeat.
//!
//! # The life of a change
//! A client's operation gets an [`Envelope`](proposal::Envelope) with the node's session and a sequence number, and goes to
//! the group's leader. If the leader changes, or a message is lost, it goes again, to the new leader: the session table,
//! replicated with the store, lets only the first copy through. The node where the client waits answers it when
//! its own replica has applied it.
//!
//! # The life of a read
//! A linearizable read waits for a read index (one round for all reads that wait) and until the replica has come that far,
//! then reads a snapshot. Reads never enter the log.
//!
//! # Leases
//! Their existence is replicated; their time is the leader's (see [`lessor`]).

mod flaws;
pub mod lessor;
mod node;
pub mod proposal;
mod proposals;
pub mod query;
mod reads;
mod replica;
mod replicas;
mod session;
mod shard;
mod types;
pub mod watch;
pub mod wire;

pub use flaws::Flaws;
pub use node::{Node, NodeConfig};
pub use replica::{Replica, ReplicaConfig, Restored, Restoring, members_of};
pub use replicas::Replicas;
pub use shard::{Shard, ShardBoot, ShardConfig};
pub use synod_protocols::consensus::raft;
pub use types::*;
