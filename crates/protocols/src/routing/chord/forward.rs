//! Recursive lookups: each node on the way hands the question on, and answers for its arrival at the next.

use synod_machine::NodeId;

use super::{
    Call, Chord, Found, Fx, Identifier, Message, Next, Peer, Purpose, Question, STEPS_MAX, Search, advise,
};

/// Someone's question for a key's owner, at one node on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    /// Who asked first.
    pub(super) origin: NodeId,
    /// The lookup's number there.
    pub(super) lookup: Call,
    /// The key.
    pub(super) key: Identifier,
    /// Nodes on the way so far, this one included unless it is the first.
    pub(super) hops: u32,
    /// Dead nodes met so far.
    pub(super) timeouts: u32,
}

impl Chord {
    /// Hands the question on, or ends it where the next node is the owner.
    pub(super) fn forward(&mut self, hop: Hop, fx: &mut Fx<'_>) {
        let Hop { origin, lookup, key, hops, timeouts } = hop;
        if hops > STEPS_MAX {
            return fx.note("chord.lookups_lost", 1);
        }
        // Dead nodes are struck off as they are met, so what the table names now was not met yet.
        match Search::new(self.config.ring, key, advise(&self.table, key)).step() {
            Next::Ask(peer) => {
                let question = Question::Forward { origin, lookup, key, hops: hops + 1, timeouts };
                self.ask(peer, question, Purpose::Hop(hop), fx);
            }
            Next::Found { owner, predecessor } => {
                let found = Found { key, owner, predecessor, hops, timeouts };
                if origin == self.table.me.node {
                    self.arrived(lookup, found, fx);
                } else {
                    fx.send(origin, Message::Arrived { lookup, found });
                }
            }
            Next::Lost => fx.note("chord.lookups_lost", 1),
        }
    }

    /// The next node is dead: hand it to another.
    pub(super) fn hop_failed(&mut self, hop: Hop, dead: Peer, fx: &mut Fx<'_>) {
        self.table.forget(dead.node);
        self.forward(Hop { timeouts: hop.timeouts + 1, ..hop }, fx);
    }
}
