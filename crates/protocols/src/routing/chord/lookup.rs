//! Finding the owner of a key, step by step.
//!
//! A lookup is a value of the node that asks ([`Search`]); what a node knows of the way is its [`Advice`], made by [`advise`] from whatever routing
//! table it has ([`Routes`]). Nothing here sends anything: the machine asks over the network, an experiment with a million nodes asks tables in memory, and
//! both take the same steps.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{Identifier, Peer, Ring};

/// Alternatives that an advice names at most, beside the successors: if that many nodes are dead, the search goes back a step.
pub const ALTERNATIVES_MAX: usize = 16;
/// A search that took more steps than that is lost: on a whole ring it takes at most one for each bit, and some for dead nodes.
pub const STEPS_MAX: u32 = 1_024;

/// What a node knows of others.
pub trait Routes {
    /// The node itself.
    fn me(&self) -> Peer;
    /// The nodes that follow it, nearest first.
    fn successors(&self) -> Vec<Peer>;
    /// Up to `count` known nodes strictly between this one and `key`, nearest to the key first (the paper's `closest_preceding_node`, figure 5).
    fn preceding(&self, key: Identifier, count: usize) -> Vec<Peer>;
}

/// What a node says of the way to a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Advice {
    /// Who says it.
    pub from: Peer,
    /// Who follows it; one of them owns the key, if the key lies among them.
    pub successors: Vec<Peer>,
    /// Who is nearer to the key, nearest first.
    pub preceding: Vec<Peer>,
}

/// The advice of a node.
pub fn advise(routes: &impl Routes, key: Identifier) -> Advice {
    Advice {
        from: routes.me(),
        successors: routes.successors(),
        preceding: routes.preceding(key, ALTERNATIVES_MAX),
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this node, then say [`Search::advised`] or [`Search::failed`].
    Ask(Peer),
    /// The key's owner, as the node before it knows. If it turns out dead, say [`Search::failed`] and go on.
    Found {
        /// Who has the key.
        owner: Peer,
        /// The last node before the key.
        predecessor: Peer,
    },
    /// Nobody is left to ask.
    Lost,
}

/// An iterative lookup under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Search {
    ring: Ring,
    key: Identifier,
    /// The advice of the nodes on the way, the nearest to the key last.
    way: Vec<Advice>,
    dead: BTreeSet<NodeId>,
    /// Nodes that answered, and named nobody who is alive: they are not asked again, but may own the key.
    exhausted: BTreeSet<NodeId>,
    steps: u32,
    hops: u32,
}

impl Search {
    /// A search for `key` that begins with what the asking node itself knows.
    pub fn new(ring: Ring, key: Identifier, own: Advice) -> Self {
        Search {
            ring,
            key,
            way: Vec::from([own]),
            dead: BTreeSet::new(),
            exhausted: BTreeSet::new(),
            steps: 0,
            hops: 0,
        }
    }

    /// A search that begins at another node, for one that knows nothing itself.
    pub fn through(ring: Ring, key: Identifier, me: Peer, contact: Peer) -> Self {
        let own = Advice { from: me, successors: Vec::new(), preceding: Vec::from([contact]) };
        Search::new(ring, key, own)
    }

    /// What is looked for.
    pub fn key(&self) -> Identifier {
        self.key
    }

    /// Nodes that gave advice, the asking one not counted: the papers' *path length*.
    pub fn hops(&self) -> u32 {
        self.hops
    }

    /// Nodes that gave none.
    pub fn timeouts(&self) -> u32 {
        self.dead.len() as u32
    }

    /// The advice of the last node before the key, once [`Next::Found`] was said.
    pub fn last(&self) -> &Advice {
        self.way.last().expect("the asking node's own advice is never dropped unless the search is lost")
    }

    /// What to do next.
    pub fn step(&mut self) -> Next {
        loop {
            let Some(advice) = self.way.last() else { return Next::Lost };
            if self.steps > STEPS_MAX {
                return Next::Lost;
            }
            let alive = |peer: &&Peer| !self.dead.contains(&peer.node);
            if let Some(owner) = advice.successors.iter().find(alive)
                && self.ring.up_to(advice.from.id, self.key, owner.id)
            {
                return Next::Found { owner: *owner, predecessor: advice.from };
            }
            let to_ask = |peer: &&Peer| alive(peer) && !self.exhausted.contains(&peer.node);
            if let Some(nearer) = advice.preceding.iter().find(to_ask) {
                return Next::Ask(*nearer);
            }
            // All that this node named are dead: back to the one that named it, which is to name another.
            let from = advice.from;
            if self.way.len() == 1 {
                return Next::Lost;
            }
            self.way.pop();
            self.exhausted.insert(from.node);
        }
    }

    /// A node answered. Advice that leads away from the key is cut: a search always comes nearer.
    pub fn advised(&mut self, mut advice: Advice) {
        let (ring, key, from) = (self.ring, self.key, advice.from.id);
        advice.preceding.truncate(ALTERNATIVES_MAX);
        advice.preceding.retain(|peer| ring.between(from, peer.id, key));
        self.way.push(advice);
        self.steps += 1;
        self.hops += 1;
    }

    /// A node did not answer.
    pub fn failed(&mut self, node: NodeId) {
        self.dead.insert(node);
        self.steps += 1;
    }
}
