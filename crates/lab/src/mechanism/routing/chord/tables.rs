//! Routing tables of very many nodes in little memory.
//!
//! The ring is ideal but for nodes that have just failed, so a node's fingers are a calculation over the sorted identifiers: eight bytes a node, whatever the number of
//! fingers. What is asked of a table is the mechanism's own [`Routes`], and who asks is its own [`Search`].

use synod_machine::NodeId;
use synod_protocols::routing::chord::{Identifier, Next, Peer, Ring, Routes, Search, advise};
use synod_sim::Stream;

/// All nodes of an ideal ring; some have failed since.
pub(super) struct Tables {
    ring: Ring,
    ids: Vec<u64>,
    failed: Vec<bool>,
    successors: usize,
}

/// What a lookup came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    pub(super) hops: u32,
    pub(super) timeouts: u32,
    /// Whether the owner that was found is the first living node at or after the key.
    pub(super) right: bool,
}

impl Tables {
    /// `nodes` nodes at random places with lists of `successors`.
    pub(super) fn draw(nodes: u64, successors: u64, draw: &mut Stream) -> Self {
        let mut ids: Vec<u64> = (0..nodes).map(|_| draw.bits()).collect();
        ids.sort_unstable();
        ids.dedup();
        let failed = vec![false; ids.len()];
        Tables { ring: Ring::of_bits(64), ids, failed, successors: successors as usize }
    }

    /// A share of the nodes fails at once, and nobody has noticed.
    pub(super) fn fail(&mut self, share: f64, draw: &mut Stream) {
        let count = (self.ids.len() as f64 * share).round() as usize;
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        draw.shuffle(&mut order);
        for index in order.into_iter().take(count.min(self.ids.len() - 1)) {
            self.failed[index] = true;
        }
    }

    pub(super) fn nodes(&self) -> &[u64] {
        &self.ids
    }

    /// The first node at or after a place.
    pub(super) fn owner(&self, place: u64) -> usize {
        let index = self.ids.partition_point(|id| *id < place);
        if index == self.ids.len() { 0 } else { index }
    }

    /// A lookup of a random key from a random living node.
    pub(super) fn lookup(&self, draw: &mut Stream) -> Walked {
        let from = loop {
            let index = draw.below(self.ids.len() as u64) as usize;
            if !self.failed[index] {
                break index;
            }
        };
        let key = Identifier(draw.bits());
        let mut search = Search::new(self.ring, key, advise(&self.table(from), key));
        loop {
            let next = search.step();
            let (Next::Ask(peer) | Next::Found { owner: peer, .. }) = next else {
                return Walked { hops: search.hops(), timeouts: search.timeouts(), right: false };
            };
            let index = peer.node.0 as usize;
            match next {
                _ if self.failed[index] => search.failed(peer.node),
                Next::Ask(_) => search.advised(advise(&self.table(index), key)),
                _ => {
                    let right = self.living_owner(key.0) == index;
                    return Walked { hops: search.hops(), timeouts: search.timeouts(), right };
                }
            }
        }
    }

    fn living_owner(&self, place: u64) -> usize {
        let first = self.owner(place);
        let round = (first..self.ids.len()).chain(0..first);
        round.into_iter().find(|index| !self.failed[*index]).unwrap_or(first)
    }

    fn table(&self, index: usize) -> Table<'_> {
        Table { all: self, index }
    }

    fn peer(&self, index: usize) -> Peer {
        Peer { id: Identifier(self.ids[index]), node: NodeId(index as u64) }
    }

    fn after(&self, index: usize) -> impl Iterator<Item = Peer> + '_ {
        let count = self.successors.min(self.ids.len() - 1);
        (1..=count).map(move |step| self.peer((index + step) % self.ids.len()))
    }
}

/// One node's table.
struct Table<'a> {
    all: &'a Tables,
    index: usize,
}

impl Routes for Table<'_> {
    fn me(&self) -> Peer {
        self.all.peer(self.index)
    }

    fn successors(&self) -> Vec<Peer> {
        self.all.after(self.index).collect()
    }

    fn preceding(&self, key: Identifier, count: usize) -> Vec<Peer> {
        let (ring, me) = (self.all.ring, self.me());
        let mut nearer: Vec<Peer> = Vec::with_capacity(count + self.all.successors);
        // From the farthest finger down: the first that precede the key are the nearest to it.
        for bit in (0..ring.bits()).rev() {
            let finger = self.all.peer(self.all.owner(ring.finger_start(me.id, bit).0));
            if finger == me || !ring.between(me.id, finger.id, key) || nearer.last() == Some(&finger) {
                continue;
            }
            nearer.push(finger);
            if nearer.len() == count {
                break;
            }
        }
        nearer.extend(self.all.after(self.index).filter(|peer| ring.between(me.id, peer.id, key)));
        nearer.sort_by_key(|peer| ring.distance(peer.id, key));
        nearer.dedup();
        nearer.truncate(count);
        nearer
    }
}
