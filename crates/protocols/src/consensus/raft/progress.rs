//! What a leader knows of one follower: how far its log agrees, and what is under way to it.
//!
//! A follower is *probed* while the leader searches the place where the logs agree: one append at a time. Then entries are
//! *replicated*: sent without waiting, within a window. When the leader no longer has the entries that a follower needs it is sent a
//! *snapshot* and nothing else. (The three states are etcd's; the paper leaves pipelining to the reader.)

use alloc::collections::VecDeque;

use bytes::Bytes;
use synod_machine::Mono;

use super::{Config, Index, SnapshotPoint};

/// A leader's view of one follower.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The follower's log durably equals the leader's up to here.
    pub matched: Index,
    /// The next entry to send.
    pub next: Index,
    /// How entries get there.
    pub mode: Mode,
    /// The last round of heartbeats that it answered.
    pub round: u64,
    /// When it last answered anything.
    pub heard: Mono,
    /// The commit index that it was last told.
    pub commit_told: Index,
    /// When something under way was last confirmed, or first sent into an empty pipeline.
    pub moved: Mono,
    /// The retry timer is armed.
    pub watched: bool,
    /// The connection to it is known to be down: nothing but heartbeats is sent.
    pub down: bool,
    /// It was sent a snapshot, and has not come from there to what is committed: the entries between are kept for it.
    pub catching_up: bool,
}

/// How a follower is brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Searching where the logs agree: one append under way at most.
    Probe {
        /// One is under way.
        waiting: bool,
    },
    /// Streaming entries.
    Replicate(Window),
    /// Sending a snapshot.
    Snapshot(Transfer),
}

/// Appends under way: the last index and the bytes of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    appends: VecDeque<(Index, usize)>,
    bytes: usize,
}

/// A snapshot under way, a piece at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// What the snapshot stands for, once its first piece was read.
    pub point: Option<SnapshotPoint>,
    /// The piece that the follower wants.
    pub cursor: Bytes,
    /// The worker is reading it.
    pub reading: bool,
}

impl Progress {
    /// A follower of which nothing is known; `next` is where to probe first.
    pub fn new(next: Index, now: Mono) -> Self {
        Progress {
            matched: Index(0),
            next,
            mode: Mode::Probe { waiting: false },
            round: 0,
            heard: now,
            commit_told: Index(0),
            moved: now,
            watched: false,
            down: false,
            catching_up: false,
        }
    }

    /// Whether an append may be sent now.
    pub fn has_room(&self, config: &Config) -> bool {
        match &self.mode {
            _ if self.down => false,
            Mode::Probe { waiting } => !waiting,
            Mode::Replicate(window) => {
                window.appends.len() < config.inflight_messages_max
                    && window.bytes < config.inflight_bytes_max
            }
            Mode::Snapshot(_) => false,
        }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        match &self.mode {
            Mode::Probe { waiting } => !waiting,
            Mode::Replicate(window) => window.appends.is_empty(),
            Mode::Snapshot(_) => false,
        }
    }

    /// Appends under way.
    pub fn inflight(&self) -> usize {
        match &self.mode {
            Mode::Probe { waiting } => usize::from(*waiting),
            Mode::Replicate(window) => window.appends.len(),
            Mode::Snapshot(_) => 0,
        }
    }

    /// An append up to `last` was sent.
    pub fn sent(&mut self, last: Index, bytes: usize, now: Mono) {
        if self.is_idle() {
            self.moved = now;
        }
        match &mut self.mode {
            Mode::Probe { waiting } => *waiting = true,
            Mode::Replicate(window) => {
                window.appends.push_back((last, bytes));
                window.bytes += bytes;
                self.next = last.next();
            }
            Mode::Snapshot(_) => {}
        }
    }

    /// The follower has everything up to `index`. Returns whether that is news.
    pub fn acknowledged(&mut self, index: Index, now: Mono) -> bool {
        let news = index > self.matched;
        self.matched = self.matched.max(index);
        self.next = self.next.max(self.matched.next());
        self.moved = now;
        match &mut self.mode {
            Mode::Replicate(window) => window.release(index),
            Mode::Probe { .. } => self.mode = Mode::Replicate(Window::default()),
            Mode::Snapshot(transfer) => {
                if transfer.point.as_ref().is_some_and(|point| index >= point.index) {
                    self.mode = Mode::Replicate(Window::default());
                    self.catching_up = true;
                }
            }
        }
        news
    }

    /// Whether entries, not a snapshot, are under way or may be.
    pub fn mode_is_stream(&self) -> bool {
        !matches!(self.mode, Mode::Snapshot(_))
    }

    /// What is under way may be lost: search again from what is known.
    pub fn probe(&mut self) {
        self.next = self.matched.next();
        self.mode = Mode::Probe { waiting: false };
    }

    /// The follower refused an append after `previous`. Returns whether that is news, and then `next` must be lowered.
    pub fn refused(&mut self, previous: Index) -> bool {
        match self.mode {
            Mode::Replicate(_) => previous > self.matched,
            Mode::Probe { .. } => previous.next() == self.next,
            Mode::Snapshot(_) => false,
        }
    }
}

impl Window {
    fn release(&mut self, upto: Index) {
        while let Some((_, bytes)) = self.appends.front().copied().filter(|(last, _)| *last <= upto) {
            self.bytes -= bytes;
            self.appends.pop_front();
        }
    }
}
