//! One ring, while nodes join and fail: join, stabilize, rectify, and fingers.

use super::{
    Advice, Answer, Chord, Errand, Event, Fx, Gone, Message, Next, Peer, Purpose, Question, Search, Standing,
    Timer, advise,
};

/// After so many rounds in which the predecessor alone reported, nobody else can own what lies between it and the owned range.
const SHORT_ROUNDS_MAX: u32 = 4;

impl Chord {
    /// Looks for the place to join at, through the next contact.
    pub(super) fn join(&mut self, fx: &mut Fx<'_>) {
        if self.is_member() {
            return;
        }
        let me = self.table.me;
        let contacts: alloc::vec::Vec<Peer> =
            self.config.contacts.iter().copied().filter(|contact| contact.node != me.node).collect();
        if contacts.is_empty() {
            return;
        }
        self.standing = Standing::Joining;
        let contact = contacts[self.next_contact % contacts.len()];
        self.next_contact += 1;
        let search = Search::through(self.config.ring, me.id, me, contact);
        self.search(Errand::Join, search, fx);
    }

    /// Zave, figure 4: the node before is the predecessor, and its list the list.
    fn joined(&mut self, predecessor: Peer, owner: Peer, advice: Advice, fx: &mut Fx<'_>) {
        if self.config.flaws.original_join {
            // Paper of 2001, figure 6: successor = n'.find_successor(n), predecessor = nil.
            self.table.follow(owner, &[]);
            self.table.predecessor = None;
        } else {
            let from_owner = advice.successors.iter().position(|peer| *peer == owner).unwrap_or(0);
            self.table.follow(owner, advice.successors.get(from_owner + 1..).unwrap_or_default());
            self.table.predecessor = Some(predecessor);
        }
        self.standing = Standing::Member;
        self.store.clear();
        self.owned_after = self.config.flaws.serve_at_once.then_some(predecessor.id);
        fx.emit(Event::Joined);
        self.begin_rounds(fx);
        self.stabilize(fx);
    }

    pub(super) fn begin_rounds(&mut self, fx: &mut Fx<'_>) {
        let (round, finger) = (self.config.stabilize_every, self.config.fix_finger_every);
        // Rounds of different nodes are not to fall together. The first begins late enough for all founders to be up.
        fx.arm(Timer::Stabilize, round / 2..=round + round / 2);
        fx.arm(Timer::FixFinger, finger / 2..=finger + finger / 2);
    }

    /// Zave, figure 5: asks the first successor for its neighbours.
    pub(super) fn stabilize(&mut self, fx: &mut Fx<'_>) {
        if !self.is_member() {
            return;
        }
        fx.arm(Timer::Stabilize, self.config.stabilize_every..=self.config.stabilize_every);
        if self.asks(|purpose| matches!(purpose, Purpose::Successor | Purpose::Candidate)) {
            return;
        }
        if self.config.flaws.original_join {
            self.check_predecessor(fx);
        }
        self.ask_successor(fx);
    }

    fn ask_successor(&mut self, fx: &mut Fx<'_>) {
        let me = self.table.me;
        match self.table.head() {
            // The only node of its ring: whoever is before it is after it as well.
            Some(head) if head == me => {
                if let Some(peer) = self.table.predecessor.filter(|peer| *peer != me) {
                    self.consider(peer, head, fx);
                }
            }
            Some(head) => self.ask(head, Question::Neighbours, Purpose::Successor, fx),
            None => self.isolated(fx),
        }
    }

    pub(super) fn successor_answered(&mut self, head: Peer, answer: Answer, fx: &mut Fx<'_>) {
        let Answer::Neighbours { predecessor, successors } = answer else {
            return fx.note("chord.answers_strange", 1);
        };
        self.table.follow(head, &successors);
        match predecessor {
            Some(peer) if self.config.ring.between(self.table.me.id, peer.id, head.id) => {
                self.consider(peer, head, fx)
            }
            _ => self.notify_successor(fx),
        }
    }

    /// A node between this one and its successor may be the better successor.
    fn consider(&mut self, peer: Peer, head: Peer, fx: &mut Fx<'_>) {
        if self.config.flaws.original_join {
            // Paper of 2001: adopted unasked, in front of the list.
            let then = self.table.successors.clone();
            self.table.follow(peer, if head == self.table.me { &[] } else { &then });
            self.notify_successor(fx);
        } else {
            self.ask(peer, Question::Neighbours, Purpose::Candidate, fx);
        }
    }

    pub(super) fn candidate_answered(&mut self, peer: Peer, answer: Answer, fx: &mut Fx<'_>) {
        if let Answer::Neighbours { successors, .. } = answer {
            self.table.follow(peer, &successors);
        }
        self.notify_successor(fx);
    }

    pub(super) fn successor_gone(&mut self, head: Peer, fx: &mut Fx<'_>) {
        self.strike_off(head, fx);
        if self.is_member() {
            self.ask_successor(fx);
        }
    }

    pub(super) fn notify_successor(&mut self, fx: &mut Fx<'_>) {
        let me = self.table.me;
        let Some(head) = self.table.head().filter(|head| *head != me) else { return };
        let wants_keys = self.owned_after.is_none() && self.standing == Standing::Member;
        fx.send(head.node, Message::Notify { peer: me, wants_keys });
    }

    /// Zave, figure 6: rectify.
    pub(super) fn notified(&mut self, peer: Peer, wants_keys: bool, fx: &mut Fx<'_>) {
        let me = self.table.me;
        if !self.is_member() || peer.node == me.node {
            return;
        }
        match self.table.predecessor {
            Some(before) if before == peer => self.predecessor_reported(peer, wants_keys, fx),
            Some(before) if !self.config.ring.between(before.id, peer.id, me.id) => {
                if !self.config.flaws.original_join
                    && !self.asks(|purpose| matches!(purpose, Purpose::Predecessor { .. }))
                {
                    let purpose = Purpose::Predecessor { instead: Some(peer), wants_keys };
                    self.ask(before, Question::Neighbours, purpose, fx);
                }
            }
            _ => {
                self.table.predecessor = Some(peer);
                self.shrink(peer, wants_keys, fx);
            }
        }
    }

    fn predecessor_reported(&mut self, peer: Peer, wants_keys: bool, fx: &mut Fx<'_>) {
        if wants_keys {
            self.shrink(peer, true, fx);
        }
        let (ring, me) = (self.config.ring, self.table.me.id);
        let waits = |after| wants_keys && ring.between(after, peer.id, me);
        let short = self.owned_after.is_some_and(|after| after != peer.id && !waits(after));
        self.short_rounds = if short { self.short_rounds + 1 } else { 0 };
        if self.short_rounds > SHORT_ROUNDS_MAX {
            self.owned_after = Some(peer.id);
        }
    }

    pub(super) fn predecessor_gone(
        &mut self,
        gone: Peer,
        instead: Option<Peer>,
        wants_keys: bool,
        how: Gone,
        fx: &mut Fx<'_>,
    ) {
        if self.table.predecessor != Some(gone) {
            return;
        }
        self.table.predecessor = instead;
        let Some(peer) = instead else { return };
        // Who left in order has granted its range before. Who crashed has not: it falls to this node.
        if how != (Gone::Said { left: true }) && self.owned_after.is_some() {
            self.owned_after = Some(peer.id);
        }
        self.shrink(peer, wants_keys, fx);
    }

    /// Paper of 2001: a dead predecessor is forgotten.
    fn check_predecessor(&mut self, fx: &mut Fx<'_>) {
        let others = self.table.predecessor.filter(|peer| *peer != self.table.me);
        if let Some(peer) =
            others.filter(|_| !self.asks(|purpose| matches!(purpose, Purpose::Predecessor { .. })))
        {
            let purpose = Purpose::Predecessor { instead: None, wants_keys: false };
            self.ask(peer, Question::Neighbours, purpose, fx);
        }
    }

    /// A node is dead, or asks to join, which proves that a former life of it is over.
    pub(super) fn strike_off(&mut self, peer: Peer, fx: &mut Fx<'_>) {
        self.table.forget(peer.node);
        if self.table.successors.is_empty() {
            let me = self.table.me;
            if self.table.predecessor.is_some_and(|before| before == peer || before == me) {
                // There were two, and now there is one.
                self.table.predecessor = Some(self.table.me);
                self.owned_after = self.owned_after.map(|_| self.table.me.id);
                self.table.follow(self.table.me, &[]);
            } else {
                self.isolated(fx);
            }
        }
    }

    fn isolated(&mut self, fx: &mut Fx<'_>) {
        fx.note("chord.isolated", 1);
        fx.emit(Event::Isolated);
        self.standing = Standing::Outside { left: false };
        self.owned_after = None;
        self.store.clear();
        self.table.predecessor = None;
        self.join(fx);
    }

    /// The next finger in turn. Those that the first successor covers need no lookup.
    pub(super) fn fix_finger(&mut self, fx: &mut Fx<'_>) {
        if !self.is_member() {
            return;
        }
        fx.arm(Timer::FixFinger, self.config.fix_finger_every..=self.config.fix_finger_every);
        let (ring, me) = (self.config.ring, self.table.me);
        let Some(head) = self.table.head().filter(|head| *head != me) else { return };
        for _ in 0..ring.bits() {
            let index = self.next_finger;
            self.next_finger = (index + 1) % ring.bits();
            let start = ring.finger_start(me.id, index);
            if ring.up_to(me.id, start, head.id) {
                self.table.fingers[index as usize] = Some(head);
            } else if !self.searches.contains_key(&Errand::Finger(index)) {
                let search = Search::new(ring, start, advise(&self.table, start));
                return self.search(Errand::Finger(index), search, fx);
            }
        }
    }

    /// Takes a search of the node's own a step further.
    fn search(&mut self, errand: Errand, mut search: Search, fx: &mut Fx<'_>) {
        match search.step() {
            Next::Ask(peer) => {
                let joining = (errand == Errand::Join).then_some(self.table.me);
                let question = Question::Route { key: search.key(), joining };
                self.searches.insert(errand, search);
                self.ask(peer, question, Purpose::Search(errand), fx);
            }
            Next::Found { owner, predecessor } => {
                self.searches.remove(&errand);
                match errand {
                    Errand::Join if self.standing != Standing::Joining => {}
                    // The ring still takes this node's former life for alive.
                    Errand::Join if owner == self.table.me => self.join_later(fx),
                    Errand::Join => self.joined(predecessor, owner, search.last().clone(), fx),
                    Errand::Finger(index) => {
                        let other = Some(owner).filter(|owner| *owner != self.table.me);
                        self.table.fingers[index as usize] = other;
                    }
                }
            }
            Next::Lost => {
                self.searches.remove(&errand);
                if errand == Errand::Join {
                    self.join_later(fx);
                }
            }
        }
    }

    fn join_later(&mut self, fx: &mut Fx<'_>) {
        fx.note("chord.joins_repeated", 1);
        fx.arm(
            Timer::Join,
            self.config.retry_after..=self.config.stabilize_every.max(self.config.retry_after),
        );
    }

    pub(super) fn search_answered(&mut self, errand: Errand, answer: Answer, fx: &mut Fx<'_>) {
        let Some(mut search) = self.searches.remove(&errand) else { return };
        match answer {
            Answer::Advice(advice) => search.advised(advice),
            _ => fx.note("chord.answers_strange", 1),
        }
        self.search(errand, search, fx);
    }

    pub(super) fn search_failed(&mut self, errand: Errand, peer: Peer, fx: &mut Fx<'_>) {
        if let Some(mut search) = self.searches.remove(&errand) {
            search.failed(peer.node);
            self.search(errand, search, fx);
        }
    }
}
