//! Which proposals were let through: at-most-once for changes that are sent again.
//!
//! One session a node, replaced when the node starts anew. Within a session the table holds what was applied at or above
//! the floor that the node itself declares, so its size is bounded by what a node may have in flight. The table is part of
//! the replicated state and travels with snapshots: a table that were lost there would let old copies through.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use synod_machine::NodeId;

use crate::proposal::Envelope;

/// Origin of what a group proposes by itself, once and in its own term (a lease's end): no session stands behind it.
pub const INTERNAL: NodeId = NodeId(0);

/// The replicated table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions {
    sessions: BTreeMap<NodeId, Session>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Session {
    boot: u64,
    floor: u64,
    /// At or above the floor.
    applied: BTreeSet<u64>,
}

impl Sessions {
    /// Whether this is the first copy of a proposal that its origin may still wait for; remembers it if so.
    pub fn admit(&mut self, envelope: &Envelope) -> bool {
        if envelope.origin == INTERNAL {
            return true;
        }
        let session = self.sessions.entry(envelope.origin).or_default();
        if envelope.boot < session.boot {
            return false;
        }
        if envelope.boot > session.boot {
            *session = Session { boot: envelope.boot, floor: 0, applied: BTreeSet::new() };
        }
        if envelope.sequence < session.floor || !session.applied.insert(envelope.sequence) {
            return false;
        }
        if envelope.floor > session.floor {
            session.floor = envelope.floor;
            session.applied = session.applied.split_off(&envelope.floor);
        }
        true
    }

    /// For the store's `meta`.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(self.sessions.len() as u32);
        for (node, session) in &self.sessions {
            for number in [node.0, session.boot, session.floor, session.applied.len() as u64] {
                out.put_u64_le(number);
            }
            for sequence in &session.applied {
                out.put_u64_le(*sequence);
            }
        }
        out.freeze()
    }

    /// Reads what [`Sessions::encode`] wrote; `None` for anything else.
    pub fn decode(mut bytes: Bytes) -> Option<Sessions> {
        let mut sessions = BTreeMap::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            let node = NodeId(bytes.try_get_u64_le().ok()?);
            let boot = bytes.try_get_u64_le().ok()?;
            let floor = bytes.try_get_u64_le().ok()?;
            let mut applied = BTreeSet::new();
            for _ in 0..bytes.try_get_u64_le().ok()? {
                applied.insert(bytes.try_get_u64_le().ok()?);
            }
            sessions.insert(node, Session { boot, floor, applied });
        }
        bytes.is_empty().then_some(Sessions { sessions })
    }
}
