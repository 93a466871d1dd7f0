//! What a node knows of the others: before it, after it, and across the ring.

use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{Identifier, Peer, Ring, Routes};

/// The routing state of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    pub(super) ring: Ring,
    pub(super) me: Peer,
    /// How many successors are kept.
    pub(super) kept: usize,
    pub(super) predecessor: Option<Peer>,
    /// Nearest first. Only a ring's sole node names itself.
    pub(super) successors: Vec<Peer>,
    pub(super) fingers: Vec<Option<Peer>>,
}

impl Table {
    pub(super) fn new(ring: Ring, me: Peer, kept: usize) -> Self {
        let fingers = (0..ring.bits()).map(|_| None).collect();
        Table { ring, me, kept, predecessor: None, successors: Vec::new(), fingers }
    }

    /// The node before.
    pub fn predecessor(&self) -> Option<Peer> {
        self.predecessor
    }

    /// The fingers: `fingers()[i]` is the first node at or after `me + 2^i`, as far as is known.
    pub fn fingers(&self) -> &[Option<Peer>] {
        &self.fingers
    }

    /// The nodes after, nearest first.
    pub fn successors(&self) -> &[Peer] {
        &self.successors
    }

    /// The first successor.
    pub fn head(&self) -> Option<Peer> {
        self.successors.first().copied()
    }

    /// `head` and who follows it, as it said. The list ends where it would come round to this node, also if it skips it.
    pub(super) fn follow(&mut self, head: Peer, then: &[Peer]) {
        self.successors.clear();
        let mut last = 0;
        for peer in core::iter::once(&head).chain(then) {
            let distance = self.ring.distance(self.me.id, peer.id);
            if distance <= last || self.successors.len() == self.kept {
                break;
            }
            last = distance;
            self.successors.push(*peer);
        }
        if self.successors.is_empty() {
            self.successors.push(self.me);
        }
    }

    /// A node is dead: nobody is sent there any more. The predecessor is `rectify`'s to replace.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.successors.retain(|peer| peer.node != node);
        self.forget_finger(node);
    }

    pub(super) fn forget_finger(&mut self, node: NodeId) {
        for finger in self.fingers.iter_mut().filter(|finger| finger.is_some_and(|peer| peer.node == node)) {
            *finger = None;
        }
    }

    /// The founders of a ring, in ideal order.
    pub(super) fn found(&mut self, founders: &[Peer]) {
        let mut others: Vec<Peer> =
            founders.iter().copied().filter(|peer| peer.node != self.me.node).collect();
        others.sort_by_key(|peer| self.ring.distance(self.me.id, peer.id));
        self.predecessor = Some(others.last().copied().unwrap_or(self.me));
        let head = others.first().copied().unwrap_or(self.me);
        self.follow(head, others.get(1..).unwrap_or_default());
        for index in 0..self.ring.bits() {
            let start = self.ring.finger_start(self.me.id, index);
            let nearest = others.iter().find(|peer| self.ring.up_to(self.me.id, start, peer.id));
            self.fingers[index as usize] = nearest.copied();
        }
    }
}

impl Routes for Table {
    fn me(&self) -> Peer {
        self.me
    }

    fn successors(&self) -> Vec<Peer> {
        self.successors.clone()
    }

    fn preceding(&self, key: Identifier, count: usize) -> Vec<Peer> {
        let known = self.fingers.iter().rev().flatten().chain(self.successors.iter());
        let mut nearer: Vec<Peer> =
            known.copied().filter(|peer| self.ring.between(self.me.id, peer.id, key)).collect();
        nearer.sort_by_key(|peer| self.ring.distance(peer.id, key));
        nearer.dedup();
        nearer.truncate(count);
        nearer
    }
}
