//! Snapshots, sent and installed piece by piece, and the log's compaction (paper, section 7).
//!
//! The state machine is not here: pieces are read and put in place by the node's worker, as jobs. One piece is under way at a time.
//! The follower says which piece it wants next, so a lost piece or answer costs that piece alone; a follower that lost its place (it
//! restarted, or the leader changed) asks for the first. The paper's leader keeps no position, its follower discards on a new snapshot; a cursor
//! chosen by the worker serves stores whose snapshot is not one file.
//!
//! While the last piece is being installed the state machine changes under the log's feet: until that is done the node takes no
//! entries, commits nothing and does not stand for election.
//!
//! A compaction keeps a bounded tail for followers that lag, and, within a larger bound, what followers need that are being sent a
//! snapshot, until they have come from there to what is committed. Without the latter a follower is sent one snapshot after the other, if
//! more is written while it takes one than the tail holds.

use bytes::Bytes;
use synod_machine::{Context, NodeId, RequestId};

use super::{
    Chunk, Done, Event, Forgetting, Fx, Index, Job, Message, Mode, Raft, Refusal, Reply, SnapshotPoint,
    Transfer, Write,
};

/// A snapshot coming in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Installing {
    point: SnapshotPoint,
    /// The piece that is to come next.
    expected: Bytes,
    /// A piece is with the worker; `Some(true)`: the last one.
    busy: Option<bool>,
}

impl Raft {
    /// Starts sending a snapshot to a follower whose next entries are gone.
    pub(super) fn begin_snapshot(&mut self, cx: &Context<'_>, peer: NodeId, fx: &mut Fx) {
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        fx.note("raft.snapshot_sent", 1);
        progress.mode = Mode::Snapshot(Transfer::default());
        progress.moved = cx.now;
        self.read_piece(peer, fx);
    }

    /// Has the piece read that the follower wants.
    pub(super) fn read_piece(&mut self, peer: NodeId, fx: &mut Fx) {
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        if let Mode::Snapshot(transfer) = &mut progress.mode
            && !transfer.reading
        {
            transfer.reading = true;
            fx.work(Job::Read { peer, point: transfer.point.clone(), cursor: transfer.cursor.clone() });
        }
        self.watch(peer, fx);
    }

    pub(super) fn on_done(&mut self, cx: &Context<'_>, done: Done, fx: &mut Fx) {
        match done {
            Done::Read { peer, point, chunk } => self.on_read(cx, peer, point, chunk, fx),
            Done::Unreadable { peer } => self.on_unreadable(peer, fx),
            Done::Installed { point, next } => self.on_installed(cx, &point, next, fx),
            Done::Uninstallable { point } => {
                if self.installing.take_if(|installing| installing.point == point).is_some() {
                    self.want_piece(point.index, Some(Bytes::new()), fx);
                }
            }
        }
    }

    fn on_read(&mut self, cx: &Context<'_>, peer: NodeId, point: SnapshotPoint, chunk: Chunk, fx: &mut Fx) {
        let base = self.log.base().index;
        let term = self.term;
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            fx.work(Job::Release { peer });
            return;
        };
        let Mode::Snapshot(transfer) = &mut progress.mode else { return };
        if !transfer.reading || transfer.cursor != chunk.cursor {
            // An answer to an earlier wish.
            return;
        }
        transfer.reading = false;
        if point.index < base || transfer.point.as_ref().is_some_and(|known| *known != point) {
            // What follows it is gone, and it would only lead to another snapshot; or the worker began another one since, as it was
            // asked to in an earlier reign of this node, and the pieces do not fit. The retry begins anew.
            *transfer = Transfer::default();
            return;
        }
        transfer.point = Some(point.clone());
        if cx.credit.bytes(peer) < chunk.data.len() {
            fx.note("raft.no_credit", 1);
            return;
        }
        self.send(peer, Message::Snapshot { term, point, chunk }, fx);
    }

    fn on_unreadable(&mut self, peer: NodeId, fx: &mut Fx) {
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        if let Mode::Snapshot(transfer) = &mut progress.mode {
            // The retry begins anew; not at once, for the same might happen again.
            *transfer = Transfer::default();
            self.watch(peer, fx);
        }
    }

    pub(super) fn on_snapshot_progress(
        &mut self,
        cx: &Context<'_>,
        from: NodeId,
        index: Index,
        next: Option<Bytes>,
        fx: &mut Fx,
    ) {
        let Some(next) = next else {
            self.on_appended(cx, from, index, fx);
            return;
        };
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&from)) else {
            return;
        };
        progress.heard = cx.now;
        progress.down = false;
        if let Mode::Snapshot(transfer) = &mut progress.mode
            && transfer.point.as_ref().is_some_and(|point| point.index == index)
        {
            progress.moved = cx.now;
            if transfer.cursor != next {
                transfer.reading = false;
                transfer.cursor = next;
            }
            self.read_piece(from, fx);
        }
    }

    pub(super) fn on_snapshot(&mut self, from: NodeId, point: SnapshotPoint, chunk: Chunk, fx: &mut Fx) {
        if point.index <= self.commit {
            // This node has it already. What it holds may not be durable yet, and the answer says so.
            if !self.is_installing_last() {
                self.installing = None;
            }
            let message = Message::SnapshotProgress { term: self.term, index: point.index, next: None };
            self.send_when_durable(point.index, from, message, fx);
            return;
        }
        let begins = chunk.cursor.is_empty();
        match &mut self.installing {
            // The worker has a piece of it: what comes now was sent before it could say so.
            Some(installing) if installing.busy == Some(true) => return,
            Some(installing) if installing.point == point => {
                if installing.busy.is_some() {
                    return;
                }
                if installing.expected != chunk.cursor {
                    let next = Some(installing.expected.clone());
                    self.want_piece(point.index, next, fx);
                    return;
                }
            }
            _ if begins => {
                let expected = Bytes::new();
                self.installing = Some(Installing { point: point.clone(), expected, busy: None });
            }
            _ => {
                self.want_piece(point.index, Some(Bytes::new()), fx);
                return;
            }
        }
        if let Some(installing) = &mut self.installing {
            installing.busy = Some(chunk.next.is_none());
            fx.work(Job::Install { from, point, chunk });
        }
    }

    /// Tells the leader which piece is to come.
    fn want_piece(&mut self, index: Index, next: Option<Bytes>, fx: &mut Fx) {
        if let Some(leader) = self.leader {
            self.send(leader, Message::SnapshotProgress { term: self.term, index, next }, fx);
        }
    }

    fn on_installed(&mut self, cx: &Context<'_>, point: &SnapshotPoint, next: Option<Bytes>, fx: &mut Fx) {
        let Some(installing) = self.installing.as_mut().filter(|installing| installing.point == *point)
        else {
            return;
        };
        installing.busy = None;
        if let Some(next) = next {
            installing.expected = next.clone();
            self.want_piece(point.index, Some(next), fx);
            return;
        }
        self.installing = None;
        fx.note("raft.snapshot_installed", 1);
        self.reset_log(point.clone(), fx);
        self.commit = point.index;
        fx.emit(Event::Restored(point.clone()));
        fx.emit(Event::Configured(self.log.configuration().clone()));
        self.follow_configuration(cx, fx);
        if let Some(leader) = self.leader {
            let message = Message::SnapshotProgress { term: self.term, index: point.index, next: None };
            let base = self.base_ticket;
            fx.hold(base, |fx| self.send(leader, message, fx));
        }
    }

    /// The last piece is with the worker: the state machine is about to change.
    pub(super) fn is_installing_last(&self) -> bool {
        self.installing.as_ref().is_some_and(|installing| installing.busy == Some(true))
    }

    /// Begins the log after `point`, in memory and on disk; what came later stays if the log went through `point`.
    pub(super) fn reset_log(&mut self, point: SnapshotPoint, fx: &mut Fx) {
        let stays = self.log.rebase(point);
        let base = self.log.base_point();
        self.write_base(if stays { Write::Base(base) } else { Write::Reset(base) }, fx);
    }

    /// The state machine durably includes `point`: entries up to it go, but for a tail.
    pub(super) fn compact(&mut self, id: RequestId, point: &SnapshotPoint, fx: &mut Fx) {
        if point.index > self.commit {
            Self::refuse(id, Refusal::Invalid, fx);
            return;
        }
        let config = &self.config;
        let mut base =
            self.log.tail_before(point.index, config.retained_entries_max, config.retained_bytes_max);
        if let Some(needed) = self.needed_by_transfers().filter(|needed| *needed < base) {
            // As much of it as the bound allows.
            base = base.min(needed.max(self.log.tail_before(
                point.index,
                usize::MAX,
                config.catch_up_bytes_max,
            )));
        }
        if base > self.log.base().index {
            fx.note("raft.compacted", base.0 - self.log.base().index.0);
            self.log.compact(base);
            let base = self.log.base_point();
            self.write_base(Write::Base(base), fx);
        }
        fx.reply(id, Reply::Completed);
    }

    /// The oldest entry that a follower on its way from a snapshot needs next. One whose connection broke needs none: it may never come back.
    fn needed_by_transfers(&self) -> Option<Index> {
        let up = self.as_leader()?.progress.values().filter(|progress| !progress.down);
        let transfers = up.filter_map(|progress| match &progress.mode {
            Mode::Snapshot(transfer) => transfer.point.as_ref().map(|point| point.index),
            _ => progress.catching_up.then_some(progress.matched),
        });
        transfers.min()
    }

    /// Writes the log's beginning and the vote, and lets go of what came before what is still needed.
    pub(super) fn write_base(&mut self, base: Write, fx: &mut Fx) {
        self.base_ticket = fx.write(base);
        self.rewrite_ballot(fx);
        let after = self.ballot.written.max(self.base_ticket);
        self.forgetting = Some(Forgetting { after, before: self.oldest_ticket() });
    }
}
