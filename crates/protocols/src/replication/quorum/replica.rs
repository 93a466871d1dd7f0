//! A node that has copies: it merges what it is sent, and says so when it can no longer be lost.

use synod_machine::{NodeId, Ticket};

use super::{Copy, Fx, Key, Message, Own, Quorum, Record, Serial};

impl Quorum {
    /// Someone asks for the copy. Where the quorum is sloppy, what is kept for others counts as well.
    pub(super) fn fetch(&mut self, from: NodeId, serial: Serial, key: Key, fx: &mut Fx<'_>) {
        let copy = self.known(key);
        // What is read must not be lost any more: a later read could see less, and a dot that was seen could be given again.
        match self.undurable() {
            Some(ticket) => fx.hold(ticket, |fx| fx.send(from, Message::Fetched { serial, copy })),
            None => fx.send(from, Message::Fetched { serial, copy }),
        }
    }

    pub(super) fn known(&self, key: Key) -> Copy {
        let mut copy = self.copies.get(&key).cloned().unwrap_or_default();
        for (_, kept) in self.hints.iter().filter(|((_, hinted), _)| *hinted == key) {
            copy.merge(kept);
        }
        copy
    }

    /// Someone wants this merged.
    pub(super) fn store(
        &mut self,
        from: NodeId,
        serial: Option<Serial>,
        key: Key,
        copy: Copy,
        owner: Option<NodeId>,
        fx: &mut Fx<'_>,
    ) {
        let ticket = match owner {
            Some(owner) if owner != self.me => {
                let is_new = !self.hints.contains_key(&(owner, key));
                if is_new && self.hints.len() >= self.config.hints_max {
                    return fx.note("quorum.hints_refused", 1);
                }
                fx.note("quorum.hints", u64::from(is_new));
                self.keep(owner, key, &copy, fx)
            }
            _ => self.merge(key, &copy, fx),
        };
        if let Some(serial) = serial {
            fx.hold(ticket, |fx| fx.send(from, Message::Stored { serial }));
        }
    }

    /// Merges into this node's own copy; gives the ticket after which the outcome is durable. What changes nothing is logged all the same: what it repeats may not be durable yet.
    pub(super) fn merge(&mut self, key: Key, copy: &Copy, fx: &mut Fx<'_>) -> Ticket {
        let ours = self.copies.entry(key).or_default();
        ours.merge(copy);
        let copy = ours.clone();
        self.record(Record::Copy { key, copy }, fx)
    }

    /// Keeps a copy for another node.
    fn keep(&mut self, owner: NodeId, key: Key, copy: &Copy, fx: &mut Fx<'_>) -> Ticket {
        let kept = self.hints.entry((owner, key)).or_default();
        kept.merge(copy);
        let copy = kept.clone();
        self.record(Record::Hint { owner, key, copy }, fx)
    }

    /// The last write, if it is not durable yet.
    fn undurable(&self) -> Option<Ticket> {
        (self.last > self.durable).then_some(self.last)
    }

    /// An answer of this node to itself, which counts like others' only when it can no longer be lost.
    pub(super) fn when_durable(&mut self, own: Own, fx: &mut Fx<'_>) {
        match self.undurable() {
            Some(ticket) => self.own.entry(ticket).or_default().push(own),
            None => self.count_own(own, fx),
        }
    }

    pub(super) fn is_durable(&mut self, ticket: Ticket, fx: &mut Fx<'_>) {
        self.durable = self.durable.max(ticket);
        while let Some(entry) = self.own.first_entry().filter(|entry| *entry.key() <= ticket) {
            for own in entry.remove() {
                self.count_own(own, fx);
            }
        }
    }

    fn count_own(&mut self, own: Own, fx: &mut Fx<'_>) {
        match own {
            Own::Fetched { serial, copy } => self.fetched(self.me, serial, copy, fx),
            Own::Stored { serial } => self.stored(self.me, serial, fx),
        }
    }
}
