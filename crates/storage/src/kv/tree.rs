//! A persistent ordered map: clones share all nodes, a write copies only the path to its leaf.
//!
//! The in-memory engine takes a snapshot after every batch, and the simulator clones whole worlds to branch from them;
//! both must cost nothing. A B+tree of small nodes behind `Arc`s gives that: clone is one counter, a write to a shared tree
//! copies `depth` nodes, a write to an unshared one copies none.
//!
//! Nodes split when full. They are not merged when they shrink, only dropped when empty: lookups stay logarithmic in the
//! largest size that the tree ever had, which is all that a store whose keys come and go needs.

use std::sync::Arc;

use bytes::Bytes;

use super::{Direction, Entry, Span};

/// Most entries of a leaf, and most children of a branch.
const NODE_ITEMS_MAX: usize = 32;

/// The map. An empty one holds no memory beyond its root.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Arc<Node>,
    bytes: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), bytes: 0 }
    }
}

impl Tree {
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(children) => node = &children[child_of(children, key)].1,
                Node::Leaf(entries) => {
                    let index = entries.binary_search_by(|(have, _)| have[..].cmp(key)).ok()?;
                    return Some(&entries[index].1);
                }
            }
        }
    }

    pub fn insert(&mut self, key: Bytes, value: Bytes) {
        self.bytes += entry_bytes(&key, &value);
        let key_bytes = key.len() as u64;
        let Inserted { replaced, split } = insert(&mut self.root, key, value);
        if let Some(old) = replaced {
            self.bytes -= key_bytes + old.len() as u64;
        }
        if let Some(right) = split {
            let left = (Bytes::new(), Arc::clone(&self.root));
            self.root = Arc::new(Node::Branch(vec![left, right]));
        }
    }

    pub fn remove(&mut self, key: &[u8]) {
        // Asked first, so that removing what is not there copies no path.
        let Some(value) = self.get(key) else { return };
        self.bytes -= key.len() as u64 + value.len() as u64;
        remove(&mut self.root, key);
        loop {
            let only = match &*self.root {
                Node::Branch(children) if children.len() == 1 => Arc::clone(&children[0].1),
                Node::Branch(children) if children.is_empty() => Arc::new(Node::Leaf(Vec::new())),
                _ => return,
            };
            self.root = only;
        }
    }

    pub fn scan(&self, span: Span, direction: Direction) -> Scan<'_> {
        Scan { root: &self.root, span, direction, leaf: &[] }
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The entries of a span, in order.
pub struct Scan<'a> {
    root: &'a Node,
    /// What is still to come, apart from `leaf`.
    span: Span,
    direction: Direction,
    /// What is left of the leaf at hand, within the span.
    leaf: &'a [(Bytes, Bytes)],
}

impl Iterator for Scan<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.leaf.is_empty() && !self.span.is_empty() {
            self.next_leaf();
        }
        let (entry, rest) = match self.direction {
            Direction::Forward => self.leaf.split_first()?,
            Direction::Backward => self.leaf.split_last()?,
        };
        self.leaf = rest;
        Some(entry.clone())
    }
}

impl Scan<'_> {
    /// Finds the next leaf with entries of the span, cuts it to the span and the span to what lies beyond it.
    fn next_leaf(&mut self) {
        let found = match self.direction {
            Direction::Forward => leaf_from(self.root, &self.span.start),
            Direction::Backward => leaf_below(self.root, self.span.end.as_deref()),
        };
        let Some(entries) = found else { return };
        let low = entries.partition_point(|(key, _)| *key < self.span.start);
        let high =
            self.span.end.as_ref().map_or(entries.len(), |end| entries.partition_point(|(key, _)| key < end));
        // Forward the leaf may begin beyond the end, backward it may end before the start: nothing is left then.
        self.leaf = if low < high { &entries[low..high] } else { &[] };
        match (self.direction, self.leaf) {
            (_, []) => self.span.end = Some(self.span.start.clone()),
            (Direction::Forward, [.., (last, _)]) => self.span.start = successor(last),
            (Direction::Backward, [(first, _), ..]) => self.span.end = Some(first.clone()),
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<(Bytes, Bytes)>),
    /// Each child with a lower bound of its keys; the first child's bound is not looked at.
    Branch(Vec<(Bytes, Arc<Node>)>),
}

impl Node {
    fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(entries) => entries.is_empty(),
            Self::Branch(children) => children.is_empty(),
        }
    }
}

struct Inserted {
    replaced: Option<Bytes>,
    /// The right half, if the node had to be split, with its lower bound.
    split: Option<(Bytes, Arc<Node>)>,
}

fn insert(node: &mut Arc<Node>, key: Bytes, value: Bytes) -> Inserted {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|(have, _)| have.cmp(&key)) {
            Ok(index) => {
                let replaced = Some(std::mem::replace(&mut entries[index].1, value));
                Inserted { replaced, split: None }
            }
            Err(index) => {
                entries.insert(index, (key, value));
                let split = (entries.len() > NODE_ITEMS_MAX).then(|| {
                    let right = entries.split_off(split_point(index, entries.len()));
                    (right[0].0.clone(), Arc::new(Node::Leaf(right)))
                });
                Inserted { replaced: None, split }
            }
        },
        Node::Branch(children) => {
            let index = child_of(children, &key);
            let mut inserted = insert(&mut children[index].1, key, value);
            if let Some(right) = inserted.split.take() {
                children.insert(index + 1, right);
                if children.len() > NODE_ITEMS_MAX {
                    let right = children.split_off(split_point(index + 1, children.len()));
                    inserted.split = Some((right[0].0.clone(), Arc::new(Node::Branch(right))));
                }
            }
            inserted
        }
    }
}

/// Where to cut a full node: at its end when it grew there (ascending keys then fill nodes whole), else in the middle.
fn split_point(grown_at: usize, items: usize) -> usize {
    if grown_at + 1 == items { items - 1 } else { items / 2 }
}

fn remove(node: &mut Arc<Node>, key: &[u8]) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            if let Ok(index) = entries.binary_search_by(|(have, _)| have[..].cmp(key)) {
                entries.remove(index);
            }
        }
        Node::Branch(children) => {
            let index = child_of(children, key);
            remove(&mut children[index].1, key);
            if children[index].1.is_empty() {
                children.remove(index);
            }
        }
    }
}

/// The child that would hold `key`.
fn child_of(children: &[(Bytes, Arc<Node>)], key: &[u8]) -> usize {
    children[1..].partition_point(|(bound, _)| &bound[..] <= key)
}

/// The first leaf with an entry at or after `start`. Only the root can be empty, so at most two children a level are looked at.
fn leaf_from<'a>(node: &'a Node, start: &[u8]) -> Option<&'a [(Bytes, Bytes)]> {
    match node {
        Node::Leaf(entries) => entries.last().is_some_and(|(key, _)| &key[..] >= start).then_some(entries),
        Node::Branch(children) => {
            children[child_of(children, start)..].iter().find_map(|(_, child)| leaf_from(child, start))
        }
    }
}

/// The last leaf with an entry below `end`.
fn leaf_below<'a>(node: &'a Node, end: Option<&[u8]>) -> Option<&'a [(Bytes, Bytes)]> {
    match node {
        Node::Leaf(entries) => {
            entries.first().is_some_and(|(key, _)| end.is_none_or(|end| &key[..] < end)).then_some(entries)
        }
        Node::Branch(children) => {
            let last = end.map_or(children.len() - 1, |end| child_of(children, end));
            children[..=last].iter().rev().find_map(|(_, child)| leaf_below(child, end))
        }
    }
}

fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

fn entry_bytes(key: &Bytes, value: &Bytes) -> u64 {
    key.len() as u64 + value.len() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u16) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn bound(number: Option<u16>) -> Option<Bytes> {
        number.map(key)
    }

    proptest! {
        /// The tree is a sorted map, in both directions, and a clone does not see what comes after it.
        #[test]
        fn behaves_as_a_sorted_map(
            writes in prop::collection::vec((0u16..600, any::<Option<u8>>()), 0..1500),
            frozen_after in 0usize..1500,
            spans in prop::collection::vec((0u16..600, any::<Option<u16>>()), 20),
        ) {
            let mut tree = Tree::default();
            let mut model: BTreeMap<Bytes, Bytes> = BTreeMap::new();
            let mut frozen = (tree.clone(), model.clone());
            for (step, (number, value)) in writes.into_iter().enumerate() {
                if step == frozen_after {
                    frozen = (tree.clone(), model.clone());
                }
                match value {
                    // Removals are drawn half the time, so that leaves become empty.
                    Some(value) if value < 128 => {
                        tree.insert(key(number), Bytes::copy_from_slice(&[value]));
                        model.insert(key(number), Bytes::copy_from_slice(&[value]));
                    }
                    _ => {
                        tree.remove(&key(number));
                        model.remove(&key(number));
                    }
                }
                prop_assert_eq!(tree.get(&key(number)), model.get(&key(number)));
            }
            for (tree, model) in [(tree, model), frozen] {
                prop_assert_eq!(tree.bytes(), model.len() as u64 * 3);
                for (start, end) in &spans {
                    let span = Span { start: key(*start), end: bound(end.map(|end| end % 600)) };
                    let mut expected: Vec<Entry> = model
                        .iter()
                        .filter(|(key, _)| span.contains(key))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    let forward: Vec<Entry> = tree.scan(span.clone(), Direction::Forward).collect();
                    prop_assert_eq!(&forward, &expected);
                    expected.reverse();
                    let backward: Vec<Entry> = tree.scan(span.clone(), Direction::Backward).collect();
                    prop_assert_eq!(&backward, &expected);
                }
            }
        }
    }
}
