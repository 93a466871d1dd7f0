//! Logical clocks put on records from outside, so that no mechanism carries clocks only to be drawn with them.
//!
//! A record is one event. Lamport's rule (Lamport 1978, section "Logical clocks"): a node's clock rises by one at every event and at a receive
//! first to the sender's. Vector rule (Mattern 1989, Fidge 1988): the same by component, so that one event happened
//! before another iff its vector is smaller.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::{NodeId, SendId};

/// The stamps of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Lamport's clock.
    pub lamport: u64,
    /// One component a node, in the order of the observer's nodes.
    pub vector: Vec<u64>,
}

impl Stamp {
    /// Whether this event happened before the other: its vector is smaller in some component and larger in none.
    pub fn happened_before(&self, other: &Stamp) -> bool {
        self.vector.len() == other.vector.len()
            && self.vector != other.vector
            && self.vector.iter().zip(&other.vector).all(|(mine, theirs)| mine <= theirs)
    }

    /// Neither could know of the other.
    pub fn concurrent(&self, other: &Stamp) -> bool {
        self != other && !self.happened_before(other) && !other.happened_before(self)
    }
}

/// Stamps the records of a run, in the order in which they happened.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    nodes: BTreeMap<NodeId, usize>,
    clocks: Vec<Stamp>,
    under_way: BTreeMap<SendId, Stamp>,
}

impl Observer {
    /// An observer of these nodes; the order gives the components of vectors.
    pub fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let nodes: BTreeMap<NodeId, usize> =
            nodes.into_iter().enumerate().map(|(i, node)| (node, i)).collect();
        let clocks = vec![Stamp { lamport: 0, vector: vec![0; nodes.len()] }; nodes.len()];
        Observer { nodes, clocks, under_way: BTreeMap::new() }
    }

    /// Stamps an event at `node`, caused by the receipt of `cause`, that sends `sends`.
    ///
    /// # Panics
    /// When `node` is not one of the observer's.
    pub fn stamp(
        &mut self,
        node: NodeId,
        cause: Option<SendId>,
        sends: impl IntoIterator<Item = SendId>,
    ) -> Stamp {
        let place = *self.nodes.get(&node).expect("the observer was told of every node");
        let clock = &mut self.clocks[place];
        if let Some(sent) = cause.and_then(|id| self.under_way.get(&id)) {
            clock.lamport = clock.lamport.max(sent.lamport);
            for (mine, theirs) in clock.vector.iter_mut().zip(&sent.vector) {
                *mine = (*mine).max(*theirs);
            }
        }
        clock.lamport += 1;
        clock.vector[place] += 1;
        let stamp = clock.clone();
        self.under_way.extend(sends.into_iter().map(|id| (id, stamp.clone())));
        stamp
    }

    /// Forgets a message that cannot be received any more.
    pub fn settled(&mut self, id: SendId) {
        self.under_way.remove(&id);
    }
}
