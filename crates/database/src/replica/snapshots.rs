//! A replica's snapshots: given to peers piece by piece, and installed in place of what is there.
//!
//! Giving: each peer that is behind gets the store as it was when its first piece was asked for; the view is held until the
//! last, while the replica goes on applying. Taking: pieces are checked and staged beside the present store, which serves until
//! the last one is there; then the new content takes its place at once. A piece that comes twice or too early is answered
//! with what is needed.

use bytes::Bytes;
use synod_machine::{NodeId, Output};
use synod_protocols::consensus::raft::{self, SnapshotPoint};
use synod_storage::kv::Kv;
use synod_storage::mvcc::SnapshotCursor;

use super::kept::META_SESSIONS;
use super::{Replica, Unpersisted, expect_engine};
use crate::session::Sessions;
use crate::{Done, Node};

impl<K: Kv> Replica<K> {
    /// Reads, installs or lets go, as consensus asks.
    pub(super) fn snapshot(&mut self, job: raft::Job, out: &mut Output<Node>) {
        let done = match job {
            raft::Job::Release { peer } => {
                self.outgoing.remove(&peer);
                return;
            }
            raft::Job::Read { peer, point, cursor } => self.read_chunk(peer, point, cursor),
            raft::Job::Install { point, chunk, .. } => self.install_chunk(point, chunk, out),
        };
        out.done(Done::Snapshot { group: self.config.group, done });
    }

    fn read_chunk(&mut self, peer: NodeId, point: Option<SnapshotPoint>, cursor: Bytes) -> raft::Done {
        if cursor.is_empty() {
            if self.config.flaws.snapshot_without_sessions {
                self.store.set_meta(META_SESSIONS, Some(Sessions::default().encode()));
                expect_engine(self.store.flush());
            }
            self.outgoing.insert(peer, (self.point.clone(), self.store.view()));
            if self.config.flaws.snapshot_without_sessions {
                self.flush();
            }
        }
        let Some((held, view)) = self.outgoing.get(&peer) else { return raft::Done::Unreadable { peer } };
        if !cursor.is_empty() && point.as_ref() != Some(held) {
            return raft::Done::Unreadable { peer };
        }
        let place = if cursor.is_empty() {
            Ok(SnapshotCursor::default())
        } else {
            SnapshotCursor::decode(cursor.clone())
        };
        match place.map(|place| view.snapshot_chunk(&place, self.config.chunk_bytes)) {
            Ok(Ok(chunk)) => {
                let next = chunk.next.map(|next| next.encode());
                let chunk = raft::Chunk { cursor, next, data: chunk.bytes };
                raft::Done::Read { peer, point: held.clone(), chunk }
            }
            _ => raft::Done::Unreadable { peer },
        }
    }

    fn install_chunk(
        &mut self,
        point: SnapshotPoint,
        chunk: raft::Chunk,
        out: &mut Output<Node>,
    ) -> raft::Done {
        if chunk.cursor.is_empty() {
            let installer = expect_engine(self.store.begin_install());
            self.incoming = Some((point.clone(), installer));
        }
        let Some((_, installer)) = self.incoming.as_mut().filter(|(held, _)| *held == point) else {
            return raft::Done::Uninstallable { point };
        };
        let expected = installer.cursor().encode();
        if !chunk.cursor.is_empty() && chunk.cursor != expected {
            // A piece that came twice, or too early: say what is needed.
            return raft::Done::Installed { point, next: Some(expected) };
        }
        match installer.accept(&chunk.data) {
            Ok(false) => {
                let next = Some(installer.cursor().encode());
                return raft::Done::Installed { point, next };
            }
            Ok(true) => {}
            Err(_) => {
                self.incoming = None;
                return raft::Done::Uninstallable { point };
            }
        }
        let Some((_, installer)) = self.incoming.take() else { return raft::Done::Uninstallable { point } };
        let seen = self.store.revision();
        if self.store.install(installer).is_err() {
            return raft::Done::Uninstallable { point };
        }
        expect_engine(self.load());
        assert!(self.point == point, "expected the snapshot of {point:?}, found that of {:?}", self.point);
        if !self.config.flaws.watch_skips_snapshot {
            self.hub.replaced(seen);
        }
        self.unpersisted = Unpersisted::default();
        self.persisting = None;
        self.compacting = true;
        let leases = expect_engine(self.leases());
        out.done(Done::Restored { group: self.config.group, leases });
        raft::Done::Installed { point, next: None }
    }
}
