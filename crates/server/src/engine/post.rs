//! What leaves for other members: gathered while the core works, written after.
//!
//! # The problem
//! A frame to a peer is a system call, and wakes a process there. Both take longer than most of what the core does itself, and
//! while they last somebody waits: the disk that could have begun, the client whose answer is ready.
//!
//! # The rules
//! - Frames are queued while the core works, and leave once the disk has been given its work, in one write for each peer.
//! - News of how far the log is committed are in no hurry where nobody waits for them. When entries have come briskly the next
//!   ones say as much: the news wait for those, for at most [`HOLD_MAX`]. A peer that forwards its clients' proposals waits.
//! - Frames for one peer keep their order: what is held leaves before any other frame does, or is outdated by it.
//!
//! # What it guarantees
//! Nothing happens that a slower network could not have done. A watcher at a follower hears of a change later by [`HOLD_MAX`] at
//! most, and only if changes come one after another.
//!
//! # What it costs
//! While news are held the core's thread has a deadline: a wake-up for each [`HOLD_MAX`], instead of two processes' for each
//! entry. On three members, watched by a hundred, a lone writer's events are a quarter more a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use synod_database::{GroupId, Message, raft, wire};
use synod_machine::NodeId;
use synod_transport::Transport;

/// News of what is committed wait no longer for entries to travel with.
const HOLD_MAX: Duration = Duration::from_millis(1);

/// Takes frames to peers.
pub trait Carrier {
    /// Queues a frame; `false` when it is dropped, as any network may.
    fn queue(&self, to: NodeId, frame: Bytes) -> bool;

    /// Has what is queued written.
    fn flush(&self, to: NodeId);
}

impl Carrier for Transport {
    fn queue(&self, to: NodeId, frame: Bytes) -> bool {
        Transport::queue(self, to.0, frame).is_ok()
    }

    fn flush(&self, to: NodeId) {
        Transport::flush(self, to.0);
    }
}

/// What leaves for other members.
#[derive(Default)]
pub struct Post {
    peers: BTreeMap<NodeId, Outgoing>,
    scratch: BytesMut,
    /// When the first of what is held leaves.
    due: Option<Instant>,
}

/// What leaves for one of them.
#[derive(Default)]
struct Outgoing {
    /// Frames are queued and not yet written.
    queued: bool,
    news: BTreeMap<GroupId, News>,
}

/// What a peer is told of one group.
#[derive(Default)]
struct News {
    /// How far its log is committed.
    held: Option<Held>,
    /// When the last entries left.
    appended: Option<Instant>,
    /// They came soon after those before them.
    briskly: bool,
    /// It forwarded proposals since it had the last news.
    waits: bool,
}

struct Held {
    due: Instant,
    frame: Bytes,
}

impl Post {
    /// Takes a message that a peer is to have. What the carrier has no room for is lost: consensus sends it again.
    pub fn take(&mut self, carrier: &impl Carrier, now: Instant, to: NodeId, message: &Message) {
        wire::encode_message(message, &mut self.scratch);
        let frame = self.scratch.split().freeze();
        let outgoing = self.peers.entry(to).or_default();
        match message {
            Message::Raft { group, message: raft::Message::Append { .. } } => {
                let news = outgoing.news.entry(*group).or_default();
                let last = news.appended.replace(now);
                news.briskly = last.is_some_and(|last| now - last < HOLD_MAX);
                news.held = None;
            }
            Message::Raft { group, message: raft::Message::Committed { .. } } => {
                let news = outgoing.news.entry(*group).or_default();
                if news.briskly && !news.waits {
                    let due = news.held.take().map_or(now + HOLD_MAX, |held| held.due);
                    news.held = Some(Held { due, frame });
                    self.due = Some(self.due.map_or(due, |first| first.min(due)));
                    return;
                }
                news.held = None;
                news.waits = false;
            }
            _ => outgoing.let_go(carrier, to, |_| true),
        }
        outgoing.queued |= carrier.queue(to, frame);
    }

    /// Looks at what a peer says.
    pub fn heard(&mut self, from: NodeId, message: &Message) {
        if let Message::Forward { group, .. } = message {
            self.peers.entry(from).or_default().news.entry(*group).or_default().waits = true;
        }
    }

    /// Has written what is queued.
    pub fn hand_over(&mut self, carrier: &impl Carrier) {
        for (peer, outgoing) in &mut self.peers {
            if std::mem::take(&mut outgoing.queued) {
                carrier.flush(*peer);
            }
        }
    }

    /// When it wants to be tended.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Has written what was held long enough.
    pub fn tend(&mut self, carrier: &impl Carrier, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        for (peer, outgoing) in &mut self.peers {
            outgoing.let_go(carrier, *peer, |held| held.due <= now);
        }
        let news = self.peers.values().flat_map(|outgoing| outgoing.news.values());
        self.due = news.filter_map(|news| news.held.as_ref().map(|held| held.due)).min();
        self.hand_over(carrier);
    }
}

impl Outgoing {
    fn let_go(&mut self, carrier: &impl Carrier, to: NodeId, which: impl Fn(&Held) -> bool) {
        for news in self.news.values_mut() {
            if let Some(held) = news.held.take_if(|held| which(held)) {
                self.queued |= carrier.queue(to, held.frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use synod_database::raft::{Index, Place, Term};

    use super::*;

    const PEER: NodeId = NodeId(7);

    /// Remembers what it was given; `None` is a write.
    #[derive(Default)]
    struct Carried(RefCell<Vec<Option<Message>>>);

    impl Carrier for Carried {
        fn queue(&self, to: NodeId, frame: Bytes) -> bool {
            assert_eq!(to, PEER);
            self.0.borrow_mut().push(Some(wire::decode_message(frame).unwrap()));
            true
        }

        fn flush(&self, _: NodeId) {
            self.0.borrow_mut().push(None);
        }
    }

    struct Desk {
        post: Post,
        carried: Carried,
        now: Instant,
    }

    impl Desk {
        /// At which entries have come briskly.
        fn brisk() -> Desk {
            let mut desk = Desk { post: Post::default(), carried: Carried::default(), now: Instant::now() };
            desk.takes(append(1));
            desk.now += HOLD_MAX / 2;
            desk.takes(append(2));
            assert_eq!(desk.carried(), [Some(append(1)), None, Some(append(2)), None]);
            desk
        }

        /// One step's only message.
        fn takes(&mut self, message: Message) {
            self.post.take(&self.carried, self.now, PEER, &message);
            self.post.hand_over(&self.carried);
        }

        fn carried(&self) -> Vec<Option<Message>> {
            self.carried.0.take()
        }
    }

    fn raft(message: raft::Message) -> Message {
        Message::Raft { group: GroupId::default(), message }
    }

    fn append(index: u64) -> Message {
        let previous = Place { term: Term(1), index: Index(index - 1) };
        raft(raft::Message::Append { term: Term(1), previous, entries: Vec::new(), commit: Index(0) })
    }

    fn committed(index: u64) -> Message {
        raft(raft::Message::Committed { term: Term(1), commit: Index(index) })
    }

    fn answer() -> Message {
        raft(raft::Message::ReadAnswer { term: Term(1), token: 1, index: Index(2) })
    }

    #[test]
    fn what_a_step_sends_leaves_in_one_write() {
        let mut desk = Desk::brisk();
        desk.post.take(&desk.carried, desk.now, PEER, &append(3));
        desk.post.take(&desk.carried, desk.now, PEER, &answer());
        desk.post.hand_over(&desk.carried);
        assert_eq!(desk.carried(), [Some(append(3)), Some(answer()), None]);
    }

    #[test]
    fn lone_news_leave_at_once() {
        let mut desk = Desk::brisk();
        desk.now += HOLD_MAX;
        desk.takes(append(3));
        desk.takes(committed(3));
        assert_eq!(desk.carried(), [Some(append(3)), None, Some(committed(3)), None]);
        assert_eq!(desk.post.deadline(), None);
    }

    #[test]
    fn news_among_many_travel_with_the_next_entries() {
        let mut desk = Desk::brisk();
        desk.takes(committed(2));
        desk.takes(append(3));
        assert_eq!(desk.carried(), [Some(append(3)), None], "an append says as much");
        let due = desk.post.deadline().unwrap();
        desk.post.tend(&desk.carried, due);
        assert_eq!((desk.carried(), desk.post.deadline()), (Vec::new(), None));
    }

    #[test]
    fn news_are_held_for_so_long_and_the_newest_leave() {
        let mut desk = Desk::brisk();
        desk.takes(committed(1));
        let due = desk.now + HOLD_MAX;
        desk.now += HOLD_MAX / 4;
        desk.takes(committed(2));
        assert_eq!(desk.post.deadline(), Some(due));
        desk.post.tend(&desk.carried, due - Duration::from_nanos(1));
        assert_eq!(desk.carried(), []);
        desk.post.tend(&desk.carried, due);
        assert_eq!(desk.carried(), [Some(committed(2)), None]);
        assert_eq!(desk.post.deadline(), None);
    }

    #[test]
    fn held_news_leave_before_anything_else_does() {
        let mut desk = Desk::brisk();
        desk.takes(committed(2));
        desk.takes(answer());
        assert_eq!(desk.carried(), [Some(committed(2)), Some(answer()), None]);
    }

    #[test]
    fn a_peer_that_forwarded_proposals_has_its_news_at_once() {
        let mut desk = Desk::brisk();
        desk.post.heard(PEER, &Message::Forward { group: GroupId::default(), envelopes: Vec::new() });
        desk.takes(committed(2));
        desk.takes(committed(3));
        assert_eq!(desk.carried(), [Some(committed(2)), None], "and the next may wait again");
    }
}
