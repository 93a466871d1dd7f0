//! Consistent hashing with bounded loads: no node is much fuller than the others.
//!
//! Every node has a capacity, a little more than its fair share. A key goes to the first node on its walk that is not full. The rule that makes it consistent is an invariant,
//! not an order of arrival: *a key has passed full nodes only*. When a node stops being full, the keys that passed it come back to it, one a free place, and what that
//! frees is filled the same way; when capacities shrink, the surplus walks on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::HashRing;

/// How much more than its fair share a node may take: the papers' epsilon, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slack {
    /// 250 allows a quarter more.
    pub per_thousand: u32,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Placed {
    place: u64,
    at: NodeId,
}

/// A key that moved because of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relocation<K> {
    /// Which.
    pub key: K,
    /// Where it was; `None` if it is new.
    pub from: Option<NodeId>,
    /// Where it is; `None` if it is gone.
    pub to: Option<NodeId>,
}

/// Keys on the nodes of a ring, none of which is overloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedLoads<K> {
    ring: HashRing,
    slack: Slack,
    /// The sum of all weights, and how many nodes have each.
    weight_sum: u64,
    weights: BTreeMap<u32, u64>,
    keys: BTreeMap<K, Placed>,
    held: BTreeMap<NodeId, BTreeSet<K>>,
    /// The keys that found the node full.
    passed: BTreeMap<NodeId, BTreeSet<K>>,
}

/// Where the keys were that an operation touched: `None` for a new one.
type Origins<K> = BTreeMap<K, Option<NodeId>>;

impl<K: Ord + Clone> BoundedLoads<K> {
    /// No keys yet.
    ///
    /// # Panics
    /// When no node has any weight.
    pub fn new(ring: HashRing, slack: Slack) -> Self {
        let mut loads = BoundedLoads {
            ring,
            slack,
            weight_sum: 0,
            weights: BTreeMap::new(),
            keys: BTreeMap::new(),
            held: BTreeMap::new(),
            passed: BTreeMap::new(),
        };
        loads.weigh();
        loads
    }

    /// Adds a key at its place on the ring. Gives all that moved, the key itself included; nothing if it is there already.
    pub fn assign(&mut self, key: K, place: u64) -> Vec<Relocation<K>> {
        let mut origins = Origins::new();
        if self.keys.contains_key(&key) {
            return Vec::new();
        }
        let m = self.keys.len() as u64 + 1;
        let grown = self.capacities_differ(m - 1, m);
        self.put(key, place, m, &mut origins);
        if grown {
            self.fill(&mut origins);
        }
        self.relocations(origins)
    }

    /// Removes a key. Gives all that moved, the key itself included; nothing if it is not there.
    pub fn release(&mut self, key: &K) -> Vec<Relocation<K>> {
        let mut origins = Origins::new();
        let Some(placed) = self.take(key, &mut origins) else { return Vec::new() };
        let m = self.keys.len() as u64;
        if self.capacities_differ(m, m + 1) {
            self.shed(&mut origins);
            self.fill(&mut origins);
        } else {
            self.fill_from(placed.at, &mut origins);
        }
        self.relocations(origins)
    }

    /// Takes another ring: nodes came, went, or changed their weights. Gives all that moved.
    ///
    /// # Panics
    /// When no node of the new ring has any weight.
    pub fn update(&mut self, ring: HashRing) -> Vec<Relocation<K>> {
        let mut origins = Origins::new();
        self.ring = ring;
        self.weigh();
        self.passed.clear();
        let mut homeless = Vec::new();
        for (key, placed) in &self.keys {
            if self.owns(placed.at) {
                for node in self.ring.preference(placed.place).take_while(|node| *node != placed.at) {
                    self.passed.entry(node).or_default().insert(key.clone());
                }
            } else {
                homeless.push((key.clone(), placed.place));
            }
        }
        let m = self.keys.len() as u64;
        for (key, place) in homeless {
            let placed = self.keys.remove(&key).expect("the key was just seen");
            self.held.entry(placed.at).or_default().remove(&key);
            origins.insert(key.clone(), Some(placed.at));
            self.put(key, place, m, &mut origins);
        }
        self.held.retain(|_, keys| !keys.is_empty());
        self.shed(&mut origins);
        self.fill(&mut origins);
        self.relocations(origins)
    }

    /// Where a key is.
    pub fn at(&self, key: &K) -> Option<NodeId> {
        self.keys.get(key).map(|placed| placed.at)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys a node has.
    pub fn load(&self, node: NodeId) -> u64 {
        self.held.get(&node).map_or(0, |keys| keys.len() as u64)
    }

    /// How many it may have at the moment: `ceil((1 + epsilon) m w / W)`.
    pub fn capacity(&self, node: NodeId) -> u64 {
        let weight = self.ring.member(node).map_or(0, |member| member.weight);
        self.capacity_of(weight, self.keys.len() as u64)
    }

    /// The ring.
    pub fn ring(&self) -> &HashRing {
        &self.ring
    }

    /// The keys with their places and nodes.
    pub(super) fn placed(&self) -> impl Iterator<Item = (&K, u64, NodeId)> {
        self.keys.iter().map(|(key, placed)| (key, placed.place, placed.at))
    }

    fn capacity_of(&self, weight: u32, keys: u64) -> u64 {
        let share =
            u128::from(keys) * u128::from(weight) * u128::from(1_000 + u64::from(self.slack.per_thousand));
        share.div_ceil(1_000 * u128::from(self.weight_sum)) as u64
    }

    fn capacities_differ(&self, keys: u64, others: u64) -> bool {
        self.weights.keys().any(|weight| self.capacity_of(*weight, keys) != self.capacity_of(*weight, others))
    }

    fn weigh(&mut self) {
        self.weights.clear();
        for (_, member) in self.ring.members().filter(|(_, member)| member.weight > 0) {
            *self.weights.entry(member.weight).or_default() += 1;
        }
        self.weight_sum = self.weights.iter().map(|(weight, nodes)| u64::from(*weight) * nodes).sum();
        assert!(self.weight_sum > 0, "expected a node to put keys on, found a ring without any");
    }

    fn owns(&self, node: NodeId) -> bool {
        self.ring.member(node).is_some_and(|member| member.weight > 0)
    }

    fn has_room(&self, node: NodeId, keys: u64) -> bool {
        let weight = self.ring.member(node).map_or(0, |member| member.weight);
        self.load(node) < self.capacity_of(weight, keys)
    }

    /// Puts a key that is nowhere on the first node of its walk that is not full, where `m` keys count for the capacities.
    fn put(&mut self, key: K, place: u64, m: u64, origins: &mut Origins<K>) {
        origins.entry(key.clone()).or_insert(None);
        let mut full = Vec::new();
        let mut room = None;
        for node in self.ring.preference(place) {
            if self.has_room(node, m) {
                room = Some(node);
                break;
            }
            full.push(node);
        }
        let at = room.expect("the capacities add up to more than the keys that are placed");
        for node in full {
            self.passed.entry(node).or_default().insert(key.clone());
        }
        self.held.entry(at).or_default().insert(key.clone());
        self.keys.insert(key, Placed { place, at });
    }

    fn take(&mut self, key: &K, origins: &mut Origins<K>) -> Option<Placed> {
        let placed = self.keys.remove(key)?;
        origins.entry(key.clone()).or_insert(Some(placed.at));
        self.forget_passing(key, placed, |_| true);
        self.held.entry(placed.at).or_default().remove(key);
        Some(placed)
    }

    /// The key did not pass those nodes before its own that `which` names, and those after them.
    fn forget_passing(&mut self, key: &K, placed: Placed, which: impl Fn(NodeId) -> bool) {
        let walk = self.ring.preference(placed.place).take_while(|node| *node != placed.at);
        for node in walk.skip_while(|node| !which(*node)) {
            if let Some(keys) = self.passed.get_mut(&node) {
                keys.remove(key);
            }
        }
    }

    /// Capacities shrank: what is too much walks on.
    fn shed(&mut self, origins: &mut Origins<K>) {
        let m = self.keys.len() as u64;
        let nodes: Vec<NodeId> = self.held.keys().copied().collect();
        for node in nodes {
            while self.load(node) > self.capacity(node) {
                let key = self.held[&node].last().expect("an overloaded node has keys").clone();
                let placed = self.take(&key, origins).expect("a held key is placed");
                self.put(key, placed.place, m, origins);
            }
        }
    }

    /// Capacities grew: whoever has room takes back what passed it.
    fn fill(&mut self, origins: &mut Origins<K>) {
        let nodes: Vec<NodeId> = self.passed.keys().copied().collect();
        for node in nodes {
            self.fill_from(node, origins);
        }
    }

    fn fill_from(&mut self, node: NodeId, origins: &mut Origins<K>) {
        let m = self.keys.len() as u64;
        // Every turn shortens a key's walk, so this ends. A node that a key was taken from has room in its turn.
        let mut roomy = Vec::from([node]);
        while let Some(node) = roomy.pop() {
            if !self.has_room(node, m) {
                continue;
            }
            let Some(key) = self.passed.get(&node).and_then(|keys| keys.first()).cloned() else { continue };
            let placed = self.keys[&key];
            origins.entry(key.clone()).or_insert(Some(placed.at));
            self.forget_passing(&key, placed, |passed| passed == node);
            self.held.entry(placed.at).or_default().remove(&key);
            self.held.entry(node).or_default().insert(key.clone());
            self.keys.insert(key, Placed { at: node, ..placed });
            roomy.extend([node, placed.at]);
        }
    }

    fn relocations(&self, origins: Origins<K>) -> Vec<Relocation<K>> {
        let relocated = origins.into_iter().map(|(key, from)| Relocation { to: self.at(&key), key, from });
        relocated.filter(|moved| moved.from != moved.to).collect()
    }
}
