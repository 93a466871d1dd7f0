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

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const AGAIN: Option<Duration> = Some(Duration::from_millis(500));

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn waiting(sequences: &[u64]) -> Proposals {
        let mut proposals = Proposals::default();
        for sequence in sequences {
            proposals.add(*sequence, Bytes::from(vec![*sequence as u8]), at(*sequence));
        }
        proposals
    }

    fn sent(due: Vec<(u64, Bytes)>) -> Vec<u64> {
        due.into_iter().map(|(sequence, _)| sequence).collect()
    }

    #[test]
    fn each_leader_is_sent_each_proposal_once_a_term() {
        let mut proposals = waiting(&[1, 2]);
        assert_eq!(sent(proposals.due(A, Term(1), at(10), None)), [1, 2]);
        proposals.add(3, Bytes::new(), at(11));
        assert_eq!(sent(proposals.due(A, Term(1), at(12), None)), [3]);
        assert_eq!(sent(proposals.due(B, Term(2), at(13), None)), [1, 2, 3], "another leader");
        assert_eq!(sent(proposals.due(B, Term(3), at(14), None)), [1, 2, 3], "another term of it");
        assert_eq!(sent(proposals.due(B, Term(3), at(9_999), None)), [] as [u64; 0]);
    }

    #[test]
    fn what_was_sent_long_ago_is_sent_again() {
        let mut proposals = waiting(&[1]);
        proposals.due(A, Term(1), at(0), AGAIN);
        proposals.add(2, Bytes::new(), at(400));
        assert_eq!(sent(proposals.due(A, Term(1), at(400), AGAIN)), [2]);
        assert_eq!(sent(proposals.due(A, Term(1), at(499), AGAIN)), [] as [u64; 0]);
        assert_eq!(sent(proposals.due(A, Term(1), at(500), AGAIN)), [1]);
        assert_eq!(sent(proposals.due(A, Term(1), at(900), AGAIN)), [2]);
    }

    #[test]
    fn only_what_never_left_can_be_refused() {
        let mut proposals = waiting(&[1, 2, 3]);
        proposals.due(A, Term(1), at(10), None);
        proposals.left([2]);
        assert!(proposals.refused(1, true), "nothing was done, and nobody can do it any more");
        assert!(!proposals.refused(2, true), "a copy of it may still be applied");
        assert!(!proposals.refused(3, false), "it may go to another leader");
        assert!(!proposals.refused(9, true), "nobody waits for it");
        assert_eq!(sent(proposals.due(A, Term(1), at(11), None)), [2, 3], "the refused copies are gone");
    }

    #[test]
    fn the_floor_is_the_oldest_that_is_waited_for() {
        let mut proposals = waiting(&[4, 6]);
        assert_eq!(proposals.floor(9), 4);
        assert!(proposals.remove(4) && !proposals.remove(4));
        assert_eq!(proposals.floor(9), 6);
        proposals.remove(6);
        assert_eq!((proposals.floor(9), proposals.is_empty()), (9, true));
    }

    #[test]
    fn those_that_waited_for_the_whole_time_are_given_up() {
        let mut proposals = waiting(&[10, 20, 30]);
        assert_eq!(proposals.oldest(), Some(at(10)));
        assert_eq!(proposals.expire(at(120), Duration::from_millis(100)), [10, 20]);
        assert_eq!((proposals.len(), proposals.oldest()), (1, Some(at(30))));
    }
}
