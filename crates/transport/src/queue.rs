//! What waits for one peer: a bounded first-in-first-out queue between the caller's thread and the link's
//! task.
//!
//! Bytes and frames count from [`Queue::push`] until they were written, so the bound is on memory, not on the
//! part of it that happens to lie here. The queue is open only while the link is up; closing it drops what it
//! holds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::counters::PeerCounters;

/// Why a frame was not queued. It is dropped and counted; the sender's protocol has to send it again if it
/// matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// No peer of this id.
    #[error("no such peer")]
    UnknownPeer,
    /// The link is down.
    #[error("the link to the peer is down")]
    Down,
    /// No room for it until others were written.
    #[error("the queue to the peer is full")]
    Full,
    /// It is over [`crate::Limits::frame_bytes_max`] and never can be sent.
    #[error("the frame is over the limit")]
    TooLarge,
}

/// Free room in the queue of one peer; none while its link is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Bytes of payload.
    pub bytes: usize,
    /// Frames.
    pub frames: usize,
}

/// A frame's payload, in one part or several that are sent as one. Parts are shared, not copied (but small
/// ones, into the buffer that many frames leave in).
#[derive(Clone, Debug)]
pub struct Payload(Parts);

#[derive(Clone, Debug)]
enum Parts {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Payload {
    /// The parts in order.
    pub fn parts(&self) -> &[Bytes] {
        match &self.0 {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }

    /// Their length together, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "an empty payload is nothing special")]
    pub fn len(&self) -> usize {
        self.parts().iter().map(Bytes::len).sum()
    }
}

impl From<Bytes> for Payload {
    fn from(part: Bytes) -> Payload {
        Payload(Parts::One(part))
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(parts: Vec<Bytes>) -> Payload {
        Payload(Parts::Many(parts))
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    bytes_max: usize,
    frames_max: usize,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    frames: VecDeque<Payload>,
    /// Of the frames waiting.
    waiting_bytes: usize,
    /// Taken by the link's task and not yet written.
    writing_frames: usize,
    writing_bytes: usize,
    /// Somebody holds the right to write.
    writing: bool,
    /// Somebody else asked for it meanwhile.
    wanted: bool,
}

impl State {
    fn held_bytes(&self) -> usize {
        self.waiting_bytes + self.writing_bytes
    }

    fn held_frames(&self) -> usize {
        self.frames.len() + self.writing_frames
    }
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, frames_max: usize) -> Queue {
        Queue { state: Mutex::default(), filled: Notify::new(), bytes_max, frames_max }
    }

    /// Appends a frame; somebody has to write it then.
    pub(crate) fn push(&self, payload: Payload) -> Result<(), NotSent> {
        let payload_bytes = payload.len();
        let mut state = self.lock();
        if !state.open {
            return Err(NotSent::Down);
        }
        if state.held_bytes() + payload_bytes > self.bytes_max || state.held_frames() >= self.frames_max {
            return Err(NotSent::Full);
        }
        state.frames.push_back(payload);
        state.waiting_bytes += payload_bytes;
        Ok(())
    }

    /// Wakes the link's task.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Resolves after a [`Queue::wake`]; perhaps with nothing left to take.
    pub(crate) async fn woken(&self) {
        self.filled.notified().await;
    }

    /// Takes the right to write, and moves frames to `out` until these hold `batch_bytes_max` (the first one
    /// always goes). False when another holds the right; it will look for more frames when it is done.
    pub(crate) fn begin(&self, batch_bytes_max: usize, out: &mut Vec<Payload>) -> bool {
        let mut state = self.lock();
        if state.writing {
            state.wanted = true;
            return false;
        }
        state.writing = true;
        let mut taken_bytes = 0;
        while taken_bytes < batch_bytes_max
            && let Some(payload) = state.frames.pop_front()
        {
            taken_bytes += payload.len();
            state.writing_frames += 1;
            out.push(payload);
        }
        state.waiting_bytes -= taken_bytes;
        state.writing_bytes += taken_bytes;
        true
    }

    /// All that was taken has been written. Gives the right back; true when there is more to do.
    pub(crate) fn finish(&self, counters: &PeerCounters) -> bool {
        let mut state = self.lock();
        counters.frames_sent.add(std::mem::take(&mut state.writing_frames));
        counters.bytes_sent.add(std::mem::take(&mut state.writing_bytes));
        state.writing = false;
        std::mem::take(&mut state.wanted) || !state.frames.is_empty()
    }

    /// Gives the right back with some of what was taken unwritten: true, there is more to do.
    pub(crate) fn hand_over(&self) -> bool {
        let mut state = self.lock();
        (state.writing, state.wanted) = (false, false);
        true
    }

    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    /// Drops everything; returns how many frames were lost.
    pub(crate) fn close(&self) -> usize {
        let state = std::mem::take(&mut *self.lock());
        state.held_frames()
    }

    pub(crate) fn credit(&self) -> Credit {
        let state = self.lock();
        if !state.open {
            return Credit::default();
        }
        Credit { bytes: self.bytes_max - state.held_bytes(), frames: self.frames_max - state.held_frames() }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.lock().held_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: usize) -> Payload {
        Bytes::from(vec![0; bytes]).into()
    }

    #[test]
    fn room_returns_only_when_written() {
        let queue = Queue::new(100, 3);
        assert_eq!(queue.push(payload(1)), Err(NotSent::Down));
        assert_eq!(queue.credit(), Credit::default());
        queue.open();
        assert_eq!(queue.push(payload(60)), Ok(()));
        assert_eq!(queue.push(payload(41)), Err(NotSent::Full));
        assert_eq!(queue.push(payload(40)), Ok(()));
        assert_eq!(queue.credit(), Credit { bytes: 0, frames: 1 });
        let mut taken = Vec::new();
        assert!(queue.begin(1, &mut taken));
        assert_eq!(taken.len(), 1);
        assert!(!queue.begin(1, &mut taken), "one writes at a time");
        assert_eq!(queue.push(payload(1)), Err(NotSent::Full), "what is being written still counts");
        let counters = PeerCounters::default();
        assert!(queue.finish(&counters), "there is more");
        assert_eq!((counters.frames_sent.get(), counters.bytes_sent.get()), (1, 60));
        assert_eq!(queue.push(payload(60)), Ok(()));
    }

    #[test]
    fn frames_are_bounded_too_and_closing_drops_all() {
        let queue = Queue::new(100, 2);
        queue.open();
        assert_eq!(queue.push(payload(0)), Ok(()));
        assert_eq!(queue.push(payload(0)), Ok(()));
        assert_eq!(queue.push(payload(0)), Err(NotSent::Full));
        assert!(queue.begin(1, &mut Vec::new()));
        assert_eq!(queue.close(), 2);
        assert_eq!(queue.push(payload(0)), Err(NotSent::Down));
        queue.open();
        assert_eq!(queue.credit(), Credit { bytes: 100, frames: 2 });
    }
}
