//! What a change of the ring moves.

use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{HashRing, WHOLE};

/// A range of places whose owner changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// The range begins after this place …
    pub after: u64,
    /// … and goes up to this one. The whole ring if both are equal.
    pub upto: u64,
    /// Who owned it; `None` if nobody did.
    pub from: Option<NodeId>,
    /// Who owns it now; `None` if nobody does.
    pub to: Option<NodeId>,
}

impl Move {
    /// Whether a key at `place` is in the range.
    pub fn covers(&self, place: u64) -> bool {
        let offset = place.wrapping_sub(self.after);
        self.after == self.upto || (offset > 0 && offset <= self.upto.wrapping_sub(self.after))
    }

    /// The part of the ring that moves, between 0 and 1.
    pub fn share(&self) -> f64 {
        length(self.after, self.upto) as f64 / WHOLE as f64
    }
}

impl HashRing {
    /// What moves when this ring becomes `next`, in the order of the ring, neighbouring ranges of the same owners joined. The rings must place keys alike.
    ///
    /// # Panics
    /// When the rings have different seeds.
    pub fn moves_to(&self, next: &HashRing) -> Vec<Move> {
        let seeds = (self.config.seed, next.config.seed);
        assert!(seeds.0 == seeds.1, "expected rings of one seed, found {} and {}", seeds.0, seeds.1);
        let mut ends: Vec<u64> = self.points.iter().chain(&next.points).map(|(place, _)| *place).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut moves: Vec<Move> = Vec::new();
        let Some(mut after) = ends.last().copied() else { return moves };
        for upto in ends {
            let (from, to) = (self.owner(upto), next.owner(upto));
            match moves.last_mut() {
                _ if from == to => {}
                Some(last) if (last.upto, last.from, last.to) == (after, from, to) => last.upto = upto,
                _ => moves.push(Move { after, upto, from, to }),
            }
            after = upto;
        }
        moves
    }
}

/// The ranges of the ring with their owners: after, up to, owner.
pub(super) fn arcs(ring: &HashRing) -> impl Iterator<Item = (u64, u64, NodeId)> + '_ {
    let last = ring.points.last().map(|(place, _)| *place);
    let mut after = last;
    let mut first = true;
    ring.points.iter().filter_map(move |(upto, node)| {
        let before = after.replace(*upto)?;
        // A second node at the very same place owns nothing there.
        let shadowed = before == *upto && !first;
        first = false;
        (!shadowed).then_some((before, *upto, *node))
    })
}

/// Places in a range; a range that ends where it begins is the whole ring.
pub(super) fn length(after: u64, upto: u64) -> u128 {
    if after == upto { WHOLE } else { u128::from(upto.wrapping_sub(after)) }
}
