//! Hinted hand-off: copies kept for nodes that were away are offered until they are taken.

use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{Copy, Fx, Key, Message, Quorum, Record, Timer};

impl Quorum {
    pub(super) fn offer_later(&mut self, fx: &mut Fx<'_>) {
        fx.arm(Timer::Offer, self.config.offer_every..=self.config.offer_every * 2);
    }

    /// Offers some hints, beginning anywhere: an owner that is away for long is not to keep the others waiting.
    pub(super) fn offer(&mut self, fx: &mut Fx<'_>) {
        self.offer_later(fx);
        let count = self.hints.len();
        if count == 0 {
            return;
        }
        let first = fx.choose("quorum hint", count as u32) as usize;
        let all = self.hints.iter().cycle().skip(first).take(count.min(self.config.offers_max));
        let offers: Vec<(NodeId, Key, Copy)> =
            all.map(|((owner, key), copy)| (*owner, *key, copy.clone())).collect();
        for (owner, key, copy) in offers {
            fx.send(owner, Message::Offer { key, copy });
        }
    }

    /// Another node kept this while this one was away.
    pub(super) fn offered(&mut self, from: NodeId, key: Key, copy: Copy, fx: &mut Fx<'_>) {
        let ticket = self.merge(key, &copy, fx);
        fx.hold(ticket, |fx| fx.send(from, Message::Taken { key, copy }));
    }

    /// The owner has it; the hint goes, unless it has grown since it was offered.
    pub(super) fn taken(&mut self, owner: NodeId, key: Key, copy: &Copy, fx: &mut Fx<'_>) {
        if self.hints.get(&(owner, key)) == Some(copy) {
            self.hints.remove(&(owner, key));
            self.record(Record::HandedOver { owner, key }, fx);
            fx.note("quorum.handed_over", 1);
        }
    }
}
