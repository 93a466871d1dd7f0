//! A sorted map whose copies are free and whose comparison costs only where the maps differ.
//!
//! A checker keeps many states of one object, each a few changes away from another. A copy of a whole map for each
//! would make the check of a store with n keys n times slower. This map shares what has not changed: it is a treap
//! (a binary search tree that is also a heap over priorities) whose nodes are immutable. The priority of a node is
//! the hash of its key, so the shape of the tree depends on its content alone, whatever the order of insertion: equal
//! maps have equal shapes, and shared parts are recognized by their address. Each node carries a fingerprint of its
//! subtree, which is what a map is hashed by.
//!
//! Depth is logarithmic as long as the hashes of the keys look random. Keys that are chosen to collide would degrade it;
//! histories are not adversaries.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::hashing::hash_of;

type Link<K, V> = Option<Arc<Node<K, V>>>;

#[derive(Clone)]
struct Node<K, V> {
    key: K,
    value: V,
    priority: u64,
    /// Entries in this subtree.
    count: usize,
    /// Sum of the hashes of the entries in this subtree.
    fingerprint: u64,
    left: Link<K, V>,
    right: Link<K, V>,
}

/// The sorted map.
pub struct OrderedMap<K, V> {
    root: Link<K, V>,
}

impl<K, V> Clone for OrderedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K, V> OrderedMap<K, V> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        count_of(&self.root)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }
}

impl<K: Clone + Ord + Hash, V: Clone + Hash> OrderedMap<K, V> {
    /// The value at `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let mut link = &self.root;
        while let Some(node) = link {
            link = match key.cmp(node.key.borrow()) {
                Ordering::Less => &node.left,
                Ordering::Greater => &node.right,
                Ordering::Equal => return Some(&node.value),
            };
        }
        None
    }

    /// Puts `value` at `key`.
    pub fn insert(&mut self, key: K, value: V) {
        let priority = hash_of(&key);
        self.root = Some(insert(self.root.as_ref(), key, value, priority));
    }

    /// Takes away what is at `key`, if anything.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        if self.get(key).is_some() {
            self.root = remove(self.root.as_ref(), key);
        }
    }

    /// Calls `visit` with the entries whose keys are at least `from` and, where `below` is given, less than it, in
    /// order, until it returns `false`.
    pub fn visit_range<'a, Q: Ord + ?Sized>(
        &'a self,
        from: &Q,
        below: Option<&Q>,
        mut visit: impl FnMut(&'a K, &'a V) -> bool,
    ) where
        K: std::borrow::Borrow<Q>,
    {
        visit_range(&self.root, from, below, &mut visit);
    }

    /// Calls `visit` with every entry in order.
    pub fn visit_all<'a>(&'a self, mut visit: impl FnMut(&'a K, &'a V)) {
        visit_all(&self.root, &mut visit);
    }
}

fn count_of<K, V>(link: &Link<K, V>) -> usize {
    link.as_ref().map_or(0, |node| node.count)
}

fn fingerprint_of<K, V>(link: &Link<K, V>) -> u64 {
    link.as_ref().map_or(0, |node| node.fingerprint)
}

fn node<K: Hash, V: Hash>(
    key: K,
    value: V,
    priority: u64,
    left: Link<K, V>,
    right: Link<K, V>,
) -> Arc<Node<K, V>> {
    let count = 1 + count_of(&left) + count_of(&right);
    let fingerprint =
        hash_of(&(&key, &value)).wrapping_add(fingerprint_of(&left)).wrapping_add(fingerprint_of(&right));
    Arc::new(Node { key, value, priority, count, fingerprint, left, right })
}

fn with_children<K: Clone + Hash, V: Clone + Hash>(
    of: &Node<K, V>,
    left: Link<K, V>,
    right: Link<K, V>,
) -> Arc<Node<K, V>> {
    node(of.key.clone(), of.value.clone(), of.priority, left, right)
}

/// Whether the first belongs above the second. Keys break ties, so that the shape is a function of the content.
fn above<K: Ord>(first: (u64, &K), second: (u64, &K)) -> bool {
    first > second
}

fn insert<K: Clone + Ord + Hash, V: Clone + Hash>(
    link: Option<&Arc<Node<K, V>>>,
    key: K,
    value: V,
    priority: u64,
) -> Arc<Node<K, V>> {
    let Some(old) = link else { return node(key, value, priority, None, None) };
    if key == old.key {
        return node(key, value, priority, old.left.clone(), old.right.clone());
    }
    if above((priority, &key), (old.priority, &old.key)) {
        // Nothing with this key is below: it would have to be under itself.
        let (left, right) = split(link, &key);
        return node(key, value, priority, left, right);
    }
    if key < old.key {
        let left = insert(old.left.as_ref(), key, value, priority);
        with_children(old, Some(left), old.right.clone())
    } else {
        let right = insert(old.right.as_ref(), key, value, priority);
        with_children(old, old.left.clone(), Some(right))
    }
}

/// The entries below `key` and those above it.
fn split<K: Clone + Ord + Hash, V: Clone + Hash>(
    link: Option<&Arc<Node<K, V>>>,
    key: &K,
) -> (Link<K, V>, Link<K, V>) {
    let Some(old) = link else { return (None, None) };
    if *key < old.key {
        let (left, rest) = split(old.left.as_ref(), key);
        (left, Some(with_children(old, rest, old.right.clone())))
    } else {
        let (rest, right) = split(old.right.as_ref(), key);
        (Some(with_children(old, old.left.clone(), rest)), right)
    }
}

fn remove<K, V, Q>(link: Option<&Arc<Node<K, V>>>, key: &Q) -> Link<K, V>
where
    K: Clone + Ord + Hash + std::borrow::Borrow<Q>,
    V: Clone + Hash,
    Q: Ord + ?Sized,
{
    let old = link?;
    match key.cmp(old.key.borrow()) {
        Ordering::Less => Some(with_children(old, remove(old.left.as_ref(), key), old.right.clone())),
        Ordering::Greater => Some(with_children(old, old.left.clone(), remove(old.right.as_ref(), key))),
        Ordering::Equal => join(old.left.as_ref(), old.right.as_ref()),
    }
}

/// One tree of two of which all keys of the first are below all keys of the second.
fn join<K: Clone + Ord + Hash, V: Clone + Hash>(
    left: Option<&Arc<Node<K, V>>>,
    right: Option<&Arc<Node<K, V>>>,
) -> Link<K, V> {
    let (Some(a), Some(b)) = (left, right) else { return left.or(right).cloned() };
    if above((a.priority, &a.key), (b.priority, &b.key)) {
        Some(with_children(a, a.left.clone(), join(a.right.as_ref(), right)))
    } else {
        Some(with_children(b, join(left, b.left.as_ref()), b.right.clone()))
    }
}

fn visit_range<'a, K, V, Q>(
    link: &'a Link<K, V>,
    from: &Q,
    below: Option<&Q>,
    visit: &mut impl FnMut(&'a K, &'a V) -> bool,
) -> bool
where
    K: std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
{
    let Some(node) = link else { return true };
    let key = node.key.borrow();
    let reaches_from = key >= from;
    let before_end = below.is_none_or(|below| key < below);
    if reaches_from && !visit_range(&node.left, from, below, visit) {
        return false;
    }
    if reaches_from && before_end && !visit(&node.key, &node.value) {
        return false;
    }
    !before_end || visit_range(&node.right, from, below, visit)
}

fn visit_all<'a, K, V>(link: &'a Link<K, V>, visit: &mut impl FnMut(&'a K, &'a V)) {
    if let Some(node) = link {
        visit_all(&node.left, visit);
        visit(&node.key, &node.value);
        visit_all(&node.right, visit);
    }
}

fn equal<K: Eq, V: Eq>(first: &Link<K, V>, second: &Link<K, V>) -> bool {
    match (first, second) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            Arc::ptr_eq(a, b)
                || (a.fingerprint == b.fingerprint
                    && a.count == b.count
                    && a.key == b.key
                    && a.value == b.value
                    && equal(&a.left, &b.left)
                    && equal(&a.right, &b.right))
        }
        _ => false,
    }
}

impl<K: Eq, V: Eq> PartialEq for OrderedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.root, &other.root)
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K, V> Hash for OrderedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(fingerprint_of(&self.root));
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries = Vec::with_capacity(self.len());
        visit_all(&self.root, &mut |key, value| entries.push((key, value)));
        f.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entries(map: &OrderedMap<u8, u16>) -> Vec<(u8, u16)> {
        let mut found = Vec::new();
        map.visit_all(|key, value| found.push((*key, *value)));
        found
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map_and_its_copies_stay_as_they_were(
            changes in prop::collection::vec((0_u8..24, prop::option::of(0_u16..4)), 0..120),
            from in 0_u8..24,
            below in prop::option::of(0_u8..24),
        ) {
            let (mut map, mut model) = (OrderedMap::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (key, value) in changes {
                copies.push((map.clone(), model.clone()));
                match value {
                    Some(value) => {
                        map.insert(key, value);
                        model.insert(key, value);
                    }
                    None => {
                        map.remove(&key);
                        model.remove(&key);
                    }
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.len(), model.len());
            }
            copies.push((map.clone(), model.clone()));
            for (copy, model) in copies {
                prop_assert_eq!(entries(&copy), model.into_iter().collect::<Vec<_>>());
            }
            let mut found = Vec::new();
            map.visit_range(&from, below.as_ref(), |key, value| {
                found.push((*key, *value));
                true
            });
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| **key >= from && below.is_none_or(|below| **key < below))
                .map(|(key, value)| (*key, *value))
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn equality_and_hash_depend_on_the_content_alone(
            mut content in prop::collection::btree_map(0_u8..64, 0_u16..4, 1..40),
            detour in prop::collection::vec(0_u8..64, 0..20),
        ) {
            let (mut forward, mut backward) = (OrderedMap::default(), OrderedMap::default());
            for (key, value) in &content {
                forward.insert(*key, *value);
            }
            for key in detour {
                backward.insert(key, 9);
                if !content.contains_key(&key) {
                    backward.remove(&key);
                }
            }
            for (key, value) in content.iter().rev() {
                backward.insert(*key, *value);
            }
            prop_assert_eq!(&forward, &backward);
            prop_assert_eq!(hash_of(&forward), hash_of(&backward));
            let (key, value) = content.pop_first().expect("at least one entry was drawn");
            forward.insert(key, value + 1);
            prop_assert_ne!(&forward, &backward);
        }
    }
}
