//! News that a member passes on, the youngest first, each a bounded number of times.
//!
//! A message has room for few rumours. Those that were passed on least often go first (SWIM, section 4.4), so that a burst of news does not starve
//! what is new; of equals the newer. A rumour about a member replaces an older one about the same: what it overrides is not worth passing on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

use synod_machine::NodeId;

use super::types::Rumour;

/// Transmissions so far, and age.
type Rank = (u32, Reverse<u64>);

/// The rumours that are still passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rumours {
    known: BTreeMap<NodeId, (Rank, Rumour)>,
    order: BTreeSet<(Rank, NodeId)>,
    heard: u64,
}

impl Rumours {
    /// Passes on a rumour from now on, in place of one about the same member.
    pub(super) fn push(&mut self, rumour: Rumour) {
        self.remove(rumour.node);
        self.heard += 1;
        let rank = (0, Reverse(self.heard));
        self.order.insert((rank, rumour.node));
        self.known.insert(rumour.node, (rank, rumour));
    }

    /// Stops passing on what is said about a member.
    pub(super) fn remove(&mut self, node: NodeId) {
        if let Some((rank, _)) = self.known.remove(&node) {
            self.order.remove(&(rank, node));
        }
    }

    /// The rumour about a member, if it is still passed on.
    pub fn about(&self, node: NodeId) -> Option<&Rumour> {
        self.known.get(&node).map(|(_, rumour)| rumour)
    }

    /// Takes at most `most` rumours for a message into `out`; each is dropped once it was taken `transmissions` times. Nothing is said about `except`.
    pub(super) fn take(
        &mut self,
        most: usize,
        transmissions: u32,
        except: Option<NodeId>,
        out: &mut Vec<Rumour>,
    ) {
        if self.order.is_empty() {
            return;
        }
        let chosen: Vec<(Rank, NodeId)> =
            self.order.iter().filter(|(_, node)| Some(*node) != except).take(most).copied().collect();
        for (rank, node) in chosen {
            self.order.remove(&(rank, node));
            let taken = (rank.0 + 1, rank.1);
            let (known, rumour) = self.known.get_mut(&node).expect("what is ordered is known");
            out.push(rumour.clone());
            *known = taken;
            if taken.0 < transmissions {
                self.order.insert((taken, node));
            } else {
                self.known.remove(&node);
            }
        }
    }

    /// How many are still passed on.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is no news.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::failure::swim::types::{Claim, Incarnation};

    fn rumour(node: u64, incarnation: u64) -> Rumour {
        Rumour { node: NodeId(node), incarnation: Incarnation(incarnation), claim: Claim::Left }
    }

    fn take(rumours: &mut Rumours, most: usize) -> Vec<u64> {
        let mut out = Vec::new();
        rumours.take(most, 3, None, &mut out);
        out.iter().map(|rumour| rumour.node.0).collect()
    }

    #[test]
    fn the_least_told_go_first_and_all_go_equally_often() {
        let mut rumours = Rumours::default();
        for node in 1..=3 {
            rumours.push(rumour(node, 1));
        }
        let told: Vec<Vec<u64>> = (0..6).map(|_| take(&mut rumours, 2)).collect();
        assert_eq!(told, [vec![3, 2], vec![1, 3], vec![2, 1], vec![3, 2], vec![1], vec![]]);
        assert!(rumours.is_empty());
    }

    #[test]
    fn what_is_newer_replaces_what_is_older() {
        let mut rumours = Rumours::default();
        rumours.push(rumour(1, 1));
        assert_eq!(take(&mut rumours, 2), [1]);
        rumours.push(rumour(1, 2));
        assert_eq!((rumours.len(), rumours.about(NodeId(1))), (1, Some(&rumour(1, 2))));
        assert_eq!((0..4).map(|_| take(&mut rumours, 2).len()).sum::<usize>(), 3);
    }
}
