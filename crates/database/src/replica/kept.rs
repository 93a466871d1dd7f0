//! What a replica keeps in its store beside keys and leases: it travels with snapshots and changes with the data.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use synod_machine::NodeId;
use synod_protocols::consensus::raft::{self, Index, SnapshotPoint, Term};
use synod_storage::kv::Reader;
use synod_storage::mvcc::{StoreError, View};

use crate::Attributes;

/// The last entry that is applied, with the membership as of there.
pub(super) const META_POINT: &[u8] = b"point";
/// Which proposals were let through.
pub(super) const META_SESSIONS: &[u8] = b"sessions";
/// What the members published.
pub(super) const META_MEMBERS: &[u8] = b"members";

/// The members that a store's view knows of.
///
/// # Errors
/// When the store cannot be read.
pub fn members_of<S: Reader>(view: &View<S>) -> Result<Vec<Attributes>, StoreError> {
    let bytes = view.meta(META_MEMBERS)?;
    Ok(bytes.and_then(decode_members).unwrap_or_default().into_values().collect())
}

/// The form in which [`META_POINT`] stands in the store.
pub(super) fn encode_point(point: &SnapshotPoint) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u64_le(point.index.0);
    out.put_u64_le(point.term.0);
    let raft::Configuration { voters, outgoing, learners } = &point.configuration;
    for nodes in [voters, outgoing, learners] {
        out.put_u32_le(nodes.len() as u32);
        for node in nodes {
            out.put_u64_le(node.0);
        }
    }
    out.freeze()
}

/// Reads what [`encode_point`] wrote; `None` for anything else.
pub(super) fn decode_point(mut bytes: Bytes) -> Option<SnapshotPoint> {
    let index = Index(bytes.try_get_u64_le().ok()?);
    let term = Term(bytes.try_get_u64_le().ok()?);
    let mut nodes = || {
        let count = bytes.try_get_u32_le().ok()?;
        (0..count).map(|_| bytes.try_get_u64_le().ok().map(NodeId)).collect::<Option<_>>()
    };
    let configuration = raft::Configuration { voters: nodes()?, outgoing: nodes()?, learners: nodes()? };
    bytes.is_empty().then_some(SnapshotPoint { index, term, configuration })
}

/// The form in which [`META_MEMBERS`] stands in the store.
pub(super) fn encode_members(members: &BTreeMap<NodeId, Attributes>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u32_le(members.len() as u32);
    for attributes in members.values() {
        attributes.encode(&mut out);
    }
    out.freeze()
}

/// Reads what [`encode_members`] wrote; `None` for anything else.
pub(super) fn decode_members(mut bytes: Bytes) -> Option<BTreeMap<NodeId, Attributes>> {
    let count = bytes.try_get_u32_le().ok()?;
    let members = (0..count)
        .map(|_| Attributes::decode(&mut bytes).map(|attributes| (attributes.member, attributes)))
        .collect::<Option<_>>()?;
    bytes.is_empty().then_some(members)
}
