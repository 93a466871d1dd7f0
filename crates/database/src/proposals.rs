//! Changes whose clients wait here, from their acceptance until this node's replica has applied them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Mono, NodeId};
use synod_protocols::consensus::raft::Term;

/// The changes of one node's session in one group that are not applied yet.
#[derive(Clone, Debug, Default)]
pub struct Proposals {
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    envelope: Bytes,
    since: Mono,
    /// Where the last copy went, if it may be there.
    sent: Option<Sent>,
    /// Some copy left this shard: nobody can say any more that nothing was done.
    left: bool,
}

/// Where a copy went last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The leader of that time, or this node.
    pub to: NodeId,
    /// In which it led.
    pub term: Term,
    /// When it went.
    pub at: Mono,
}

impl Proposals {
    /// The lowest sequence that is still waited for, or `next` if none is.
    pub fn floor(&self, next: u64) -> u64 {
        self.waiting.first_key_value().map_or(next, |(sequence, _)| *sequence)
    }

    /// Waits for one more.
    pub fn add(&mut self, sequence: u64, envelope: Bytes, now: Mono) {
        self.waiting.insert(sequence, Waiting { envelope, since: now, sent: None, left: false });
    }

    /// Applied, or given up. Whether it was waited for.
    pub fn remove(&mut self, sequence: u64) -> bool {
        self.waiting.remove(&sequence).is_some()
    }

    /// What has to go to the leader now: all that was not yet sent to this leader in this term, and, unless it is this
    /// node, what was sent longer than `again` ago. In the order of their acceptance.
    pub fn due(&mut self, to: NodeId, term: Term, now: Mono, again: Option<Duration>) -> Vec<(u64, Bytes)> {
        let mut due = Vec::new();
        for (sequence, waiting) in &mut self.waiting {
            let fresh = waiting.sent.is_some_and(|sent| {
                sent.to == to && sent.term == term && again.is_none_or(|again| now.since(sent.at) < again)
            });
            if !fresh {
                waiting.sent = Some(Sent { to, term, at: now });
                due.push((*sequence, waiting.envelope.clone()));
            }
        }
        due
    }

    /// The leader did not take this copy. Gives it up if it was the only one ever sent, and says so; otherwise it is due again.
    pub fn refused(&mut self, sequence: u64, give_up: bool) -> bool {
        let Some(waiting) = self.waiting.get_mut(&sequence) else { return false };
        waiting.sent = None;
        let given_up = give_up && !waiting.left;
        if given_up {
            self.waiting.remove(&sequence);
        }
        given_up
    }

    /// These copies are in a log, or on their way: whatever is heard later, they may take effect.
    pub fn left(&mut self, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            if let Some(waiting) = self.waiting.get_mut(&sequence) {
                waiting.left = true;
            }
        }
    }

    /// Removes those that have waited for `limit`.
    pub fn expire(&mut self, now: Mono, limit: Duration) -> Vec<u64> {
        let expired: Vec<u64> = self
            .waiting
            .iter()
            .take_while(|(_, waiting)| now.since(waiting.since) >= limit)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in &expired {
            self.waiting.remove(sequence);
        }
        expired
    }

    /// When the oldest was accepted.
    pub fn oldest(&self) -> Option<Mono> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.since)
    }

    /// How many are waited for.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
