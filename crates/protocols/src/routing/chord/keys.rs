//! Whose keys are whose: ranges are granted by one node and served by another only then.

use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};

use super::{
    Answer, Chord, Departure, Event, Fx, Identifier, Peer, Purpose, Question, Reply, Standing, Table, Timer,
};

impl Chord {
    /// Whether a key is this node's to serve.
    pub(super) fn owns(&self, key: Identifier) -> bool {
        self.owned_after().is_some_and(|after| self.config.ring.up_to(after, key, self.table.me.id))
    }

    pub(super) fn put(&mut self, key: Identifier, value: Bytes) -> Answer {
        if !self.owns(key) {
            return self.not_mine(key);
        }
        self.store.insert(key, value);
        Answer::Stored
    }

    pub(super) fn get(&self, key: Identifier) -> Answer {
        if self.owns(key) { Answer::Value(self.store.get(&key).cloned()) } else { self.not_mine(key) }
    }

    /// The node before may have it, unless this one is about to.
    fn not_mine(&self, key: Identifier) -> Answer {
        let Table { ring, me, predecessor, .. } = &self.table;
        Answer::NotMine(predecessor.filter(|before| before != me && !ring.up_to(before.id, key, me.id)))
    }

    /// A predecessor is known: what lies up to it is not this node's any more, and if it has just joined, it is granted to it.
    pub(super) fn shrink(&mut self, peer: Peer, wants_keys: bool, fx: &mut Fx<'_>) {
        let (ring, me) = (self.config.ring, self.table.me);
        let Some(after) = self.owned_after.filter(|_| self.standing == Standing::Member) else { return };
        if wants_keys && self.asks(|purpose| *purpose == Purpose::Grant) {
            // One at a time. What it wants stays here until it asks again: a range that was dropped and not granted would be nobody's, and where it began would be lost.
            return;
        }
        let is_part = ring.between(after, peer.id, me.id);
        if is_part {
            self.owned_after = Some(peer.id);
        }
        if !wants_keys {
            return;
        }
        // A range of its own that is granted begins where it began here. If it is no part of it, its owner has crashed, and the node before the new one is where it begins.
        let keys = self.keys_outside(peer.id);
        let after = is_part.then_some(after);
        if is_part || self.owned_after == Some(peer.id) {
            self.ask(peer, Question::Take { keys, after, leaving: None }, Purpose::Grant, fx);
        }
    }

    fn keys_outside(&self, after: Identifier) -> Vec<(Identifier, Bytes)> {
        let outside = |key: &Identifier| !self.config.ring.up_to(after, *key, self.table.me.id);
        self.store.iter().filter(|(key, _)| outside(key)).map(|(key, value)| (*key, value.clone())).collect()
    }

    /// A range is granted to this node.
    pub(super) fn take(
        &mut self,
        keys: Vec<(Identifier, Bytes)>,
        after: Option<Identifier>,
        leaving: Option<Departure>,
    ) -> Answer {
        match leaving {
            Some(departure) => self.take_over(departure, keys, after),
            None => {
                if self.owned_after.is_none() {
                    let begin = after.or(self.table.predecessor.map(|peer| peer.id));
                    self.owned_after = Some(begin.unwrap_or(self.table.me.id));
                    self.store.extend(keys);
                }
                Answer::Taken
            }
        }
    }

    /// The node before leaves. Only the owner of the range after it can take its range.
    fn take_over(
        &mut self,
        Departure { peer, predecessor }: Departure,
        keys: Vec<(Identifier, Bytes)>,
        after: Option<Identifier>,
    ) -> Answer {
        let (ring, me) = (self.config.ring, self.table.me);
        match self.table.predecessor {
            Some(before) if ring.between(peer.id, before.id, me.id) => return Answer::NotMine(Some(before)),
            _ => {}
        }
        if self.owned_after() != Some(peer.id) {
            return Answer::NotMine(None);
        }
        self.owned_after = after;
        self.store.extend(keys);
        if self.table.predecessor == Some(peer) {
            self.table.predecessor = predecessor;
        }
        Answer::Taken
    }

    /// The range arrived: what was granted is not needed here any more.
    pub(super) fn granted(&mut self, peer: Peer) {
        let (ring, me) = (self.config.ring, self.table.me);
        self.store.retain(|key, _| ring.up_to(peer.id, *key, me.id));
    }

    pub(super) fn leave(&mut self, id: RequestId, fx: &mut Fx<'_>) {
        if self.standing != Standing::Member {
            return fx.reply(id, Reply::NotAMember);
        }
        let alone = self.table.head() == Some(self.table.me);
        let busy = self.owned_after.is_none() || self.asks(|purpose| *purpose == Purpose::Grant);
        if alone || busy {
            // A range that is still on its way to or from this node cannot be handed on.
            return fx.reply(id, Reply::Unavailable);
        }
        self.standing = Standing::Leaving { id };
        self.try_leave(fx);
    }

    pub(super) fn try_leave(&mut self, fx: &mut Fx<'_>) {
        let Standing::Leaving { .. } = self.standing else { return };
        if self.asks(|purpose| *purpose == Purpose::Leave) {
            return;
        }
        match self.table.head().filter(|head| *head != self.table.me) {
            Some(head) => self.hand_to(head, fx),
            None => self.leave_later(fx),
        }
    }

    fn hand_to(&mut self, peer: Peer, fx: &mut Fx<'_>) {
        let keys = self.store.iter().map(|(key, value)| (*key, value.clone())).collect();
        let departure = Departure { peer: self.table.me, predecessor: self.table.predecessor };
        let question = Question::Take { keys, after: self.owned_after, leaving: Some(departure) };
        self.ask(peer, question, Purpose::Leave, fx);
    }

    pub(super) fn leave_answered(&mut self, answer: Answer, fx: &mut Fx<'_>) {
        let Standing::Leaving { id } = self.standing else { return };
        match answer {
            Answer::Taken => {
                self.standing = Standing::Outside { left: true };
                self.owned_after = None;
                self.store.clear();
                self.table = Table::new(self.config.ring, self.table.me, self.config.successors);
                self.searches.clear();
                fx.reply(id, Reply::Left);
                fx.emit(Event::Left);
            }
            Answer::NotMine(Some(nearer)) if nearer != self.table.me => self.hand_to(nearer, fx),
            _ => self.leave_later(fx),
        }
    }

    pub(super) fn leave_later(&mut self, fx: &mut Fx<'_>) {
        fx.arm(Timer::Leave, self.config.retry_after..=self.config.retry_after);
    }

    /// Whether this node is about to give its range away.
    pub fn is_granting(&self, to: NodeId) -> bool {
        self.calls.values().any(|pending| pending.purpose == Purpose::Grant && pending.peer.node == to)
    }
}
