//! A persistent ordered map: clones share all nodes, a write copies only the path to its leaf.
//!
//! # Problem
//! Engines take a snapshot of what they hold in memory after every batch, and the simulator clones whole worlds to branch from
//! them; both must cost nothing. Between two snapshots a write must cost little more than in a map that cannot do that.
//!
//! # How it works
//! A B+tree of small nodes behind `Arc`s: a clone is one counter, a write to a shared tree copies `depth` nodes, a write to an
//! unshared one copies none. Copying a node touches the counter of each of its items, and each touch may miss the cache: so nodes
//! are small, and an entry is one item.
//!
//! Looking for a key compares numbers that lie in the node itself: of each item the eight bytes behind the prefix that all
//! keys of the node share. What they share lies there, too, if it is not too long. Only where those are equal the keys are looked
//! at, which lie elsewhere in memory: on the way down mostly none is.
//!
//! # What it costs
//! About 110 bytes an entry beside its key and value. Nodes split when full. They are not merged when they shrink, only dropped
//! when empty: lookups stay logarithmic in the largest size that the tree ever had, which is all that a store whose keys come and
//! go needs.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Direction, Span};

/// Most entries of a leaf, and most children of a branch.
const NODE_ITEMS_MAX: usize = 16;

/// So much of what a node's keys share lies in the node itself.
const PREFIX_BYTES: usize = 40;

/// What a tree holds under its keys.
pub trait Held: Clone {
    /// Bytes that it counts for.
    fn bytes(&self) -> u64;
}

impl Held for Bytes {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// A change that lies above another content: a value, or the mark of a removal.
impl Held for Option<Bytes> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(0, Held::bytes)
    }
}

/// The map. An empty one holds no memory beyond its root.
#[derive(Clone, Debug)]
pub struct Tree<V> {
    root: Arc<Node<V>>,
    bytes: u64,
    entries: u64,
}

impl<V: Held> Default for Tree<V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::leaf(Row::default())), bytes: 0, entries: 0 }
    }
}

impl<V: Held> Tree<V> {
    /// The value under `key`.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match &node.items {
                Items::Branch(children) => node = children.at(children.child_of(key)),
                Items::Leaf(entries) => return entries.find(key).ok().map(|index| &entries.at(index).1),
            }
        }
    }

    /// Puts a value under `key`, in place of what is there.
    pub fn insert(&mut self, key: Bytes, value: V) {
        let key_bytes = key.len() as u64;
        self.bytes += key_bytes + value.bytes();
        let Inserted { replaced, split } = Arc::make_mut(&mut self.root).insert(Entry(key, value));
        match replaced {
            Some(old) => self.bytes -= key_bytes + old.1.bytes(),
            None => self.entries += 1,
        }
        if let Some(right) = split {
            let children = Row::of(vec![Arc::clone(&self.root), right]);
            self.root = Arc::new(Node { low: self.root.low.clone(), items: Items::Branch(children) });
        }
    }

    /// Removes what is under `key`.
    pub fn remove(&mut self, key: &[u8]) {
        // Asked first, so that removing what is not there copies no path.
        let Some(value) = self.get(key) else { return };
        self.bytes -= key.len() as u64 + value.bytes();
        self.entries -= 1;
        Arc::make_mut(&mut self.root).remove(key);
        loop {
            let only = match &self.root.items {
                Items::Branch(children) if children.len() == 1 => Arc::clone(&children.items[0].1),
                Items::Branch(children) if children.len() == 0 => Arc::new(Node::leaf(Row::default())),
                _ => return,
            };
            self.root = only;
        }
    }

    /// The entries of a span, in order.
    pub fn scan(&self, span: Span, direction: Direction) -> Scan<V> {
        Scan { root: Arc::clone(&self.root), span, direction, leaf: None }
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many entries there are.
    #[cfg_attr(not(feature = "disk"), allow(dead_code))]
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

/// The entries of a span, in order. Holds on to what it scans, as a clone of the tree does.
pub struct Scan<V> {
    root: Arc<Node<V>>,
    /// What is still to come, apart from `leaf`.
    span: Span,
    direction: Direction,
    /// The leaf at hand, and which of its entries are still to come.
    leaf: Option<(Arc<Node<V>>, Range<usize>)>,
}

impl<V: Held> Iterator for Scan<V> {
    type Item = (Bytes, V);

    fn next(&mut self) -> Option<(Bytes, V)> {
        if self.leaf.as_ref().is_none_or(|(_, left)| left.is_empty()) {
            self.next_leaf();
        }
        let (leaf, left) = self.leaf.as_mut()?;
        let index = match self.direction {
            Direction::Forward => left.next()?,
            Direction::Backward => left.next_back()?,
        };
        let entry = leaf.entries()?.at(index);
        Some((entry.0.clone(), entry.1.clone()))
    }
}

impl<V: Held> Scan<V> {
    /// Finds the next leaf with entries of the span, cuts it to the span and the span to what lies beyond it.
    fn next_leaf(&mut self) {
        self.leaf = None;
        if self.span.is_empty() {
            return;
        }
        let found = match self.direction {
            Direction::Forward => Node::leaf_from(&self.root, &self.span.start),
            Direction::Backward => Node::leaf_below(&self.root, self.span.end.as_deref()),
        };
        let Some((leaf, entries)) = found.and_then(|leaf| Some((leaf, leaf.entries()?))) else { return };
        let low = entries.below(&self.span.start, false);
        let high = self.span.end.as_ref().map_or(entries.len(), |end| entries.below(end, false));
        // Forward the leaf may begin beyond the end, backward it may end before the start: nothing is left then.
        match (self.direction, &entries.items[low..high.max(low)]) {
            (_, []) => self.span.end = Some(self.span.start.clone()),
            (Direction::Forward, [.., (_, last)]) => self.span.start = successor(&last.0),
            (Direction::Backward, [(_, first), ..]) => self.span.end = Some(first.0.clone()),
        }
        self.leaf = Some((Arc::clone(leaf), low..high));
    }
}

#[derive(Clone, Debug)]
struct Node<V> {
    /// No key in it is lower.
    low: Bytes,
    items: Items<V>,
}

#[derive(Clone, Debug)]
enum Items<V> {
    Leaf(Row<Entry<V>>),
    Branch(Row<Node<V>>),
}

#[derive(Debug)]
struct Entry<V>(Bytes, V);

struct Inserted<V> {
    replaced: Option<Arc<Entry<V>>>,
    /// The right half, if the node had to be split.
    split: Option<Arc<Node<V>>>,
}

impl<V: Held> Node<V> {
    fn leaf(entries: Row<Entry<V>>) -> Self {
        let low = entries.items.first().map_or_else(Bytes::new, |(_, entry)| entry.0.clone());
        Self { low, items: Items::Leaf(entries) }
    }

    fn is_empty(&self) -> bool {
        match &self.items {
            Items::Leaf(entries) => entries.len() == 0,
            Items::Branch(children) => children.len() == 0,
        }
    }

    fn insert(&mut self, entry: Entry<V>) -> Inserted<V> {
        if entry.0 < self.low || self.is_empty() {
            self.low = entry.0.clone();
        }
        match &mut self.items {
            Items::Leaf(entries) => match entries.find(&entry.0) {
                Ok(index) => {
                    let replaced = std::mem::replace(&mut entries.items[index].1, Arc::new(entry));
                    Inserted { replaced: Some(replaced), split: None }
                }
                Err(index) => {
                    entries.insert(index, Arc::new(entry));
                    let right = entries.split(index);
                    Inserted { replaced: None, split: right.map(|right| Arc::new(Node::leaf(right))) }
                }
            },
            Items::Branch(children) => {
                let index = children.child_of(&entry.0);
                let child = Arc::make_mut(&mut children.items[index].1);
                let is_lower = entry.0 < child.low;
                let mut inserted = child.insert(entry);
                if is_lower {
                    children.refit();
                }
                if let Some(right) = inserted.split.take() {
                    children.insert(index + 1, right);
                    inserted.split = children.split(index + 1).map(|right| {
                        let low = right.at(0).low.clone();
                        Arc::new(Node { low, items: Items::Branch(right) })
                    });
                }
                inserted
            }
        }
    }

    fn remove(&mut self, key: &[u8]) {
        match &mut self.items {
            Items::Leaf(entries) => {
                if let Ok(index) = entries.find(key) {
                    entries.items.remove(index);
                }
            }
            Items::Branch(children) => {
                let index = children.child_of(key);
                let child = Arc::make_mut(&mut children.items[index].1);
                child.remove(key);
                if child.is_empty() {
                    children.items.remove(index);
                }
            }
        }
    }

    fn entries(&self) -> Option<&Row<Entry<V>>> {
        match &self.items {
            Items::Leaf(entries) => Some(entries),
            Items::Branch(_) => None,
        }
    }

    /// The first leaf with an entry at or after `start`. Only the root can be empty, so at most two children a level are looked at.
    fn leaf_from<'n>(node: &'n Arc<Self>, start: &[u8]) -> Option<&'n Arc<Self>> {
        match &node.items {
            Items::Leaf(entries) => (entries.below(start, false) < entries.len()).then_some(node),
            Items::Branch(children) => children.items[children.child_of(start)..]
                .iter()
                .find_map(|(_, child)| Self::leaf_from(child, start)),
        }
    }

    /// The last leaf with an entry below `end`.
    fn leaf_below<'n>(node: &'n Arc<Self>, end: Option<&[u8]>) -> Option<&'n Arc<Self>> {
        match &node.items {
            Items::Leaf(entries) => {
                let below = end.map_or(entries.len(), |end| entries.below(end, false));
                (below > 0).then_some(node)
            }
            Items::Branch(children) => {
                let last = end.map_or(children.len() - 1, |end| children.child_of(end));
                children.items[..=last].iter().rev().find_map(|(_, child)| Self::leaf_below(child, end))
            }
        }
    }
}

trait Keyed {
    fn key(&self) -> &[u8];
}

impl<V> Keyed for Entry<V> {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

impl<V> Keyed for Node<V> {
    fn key(&self) -> &[u8] {
        &self.low
    }
}

/// Eight bytes of its key, from behind what all keys of the row share, and the item.
type Item<T> = (u64, Arc<T>);

/// The items of a node, by their keys.
#[derive(Debug)]
struct Row<T> {
    /// So many first bytes are the same in all keys.
    shared: usize,
    /// The first of those.
    prefix: [u8; PREFIX_BYTES],
    items: Vec<Item<T>>,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { shared: 0, prefix: [0; PREFIX_BYTES], items: Vec::new() }
    }
}

impl<T> Clone for Row<T> {
    fn clone(&self) -> Self {
        // Most often it is cloned to be changed: room for one more.
        let mut items = Vec::with_capacity(self.items.len() + 1);
        items.extend(self.items.iter().cloned());
        Self { shared: self.shared, prefix: self.prefix, items }
    }
}

impl<T: Keyed> Row<T> {
    fn of(items: Vec<Arc<T>>) -> Self {
        let items = items.into_iter().map(|item| (0, item)).collect();
        let mut row = Self { items, ..Self::default() };
        row.refit();
        row
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn at(&self, index: usize) -> &T {
        &self.items[index].1
    }

    /// How many keys are below `key`, or with `or_equal` at most `key`.
    fn below(&self, key: &[u8], or_equal: bool) -> usize {
        match self.beside_shared(key) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.len(),
            Ordering::Equal => {}
        }
        let wanted = head(key, self.shared);
        let certain = self.items.partition_point(|(head, _)| *head < wanted);
        let is_below = |(head, item): &&Item<T>| {
            *head == wanted && (item.key() < key || (or_equal && item.key() == key))
        };
        certain + self.items[certain..].iter().take_while(is_below).count()
    }

    /// Whether `key` comes before, shares, or comes behind what all keys share.
    fn beside_shared(&self, key: &[u8]) -> Ordering {
        let near = self.shared.min(PREFIX_BYTES);
        let order = key[..near.min(key.len())].cmp(&self.prefix[..near]);
        match self.items.first() {
            Some((_, first)) if self.shared > near && order == Ordering::Equal => {
                key[..self.shared.min(key.len())].cmp(&first.key()[..self.shared])
            }
            _ => order,
        }
    }

    /// The child whose keys `key` would be among.
    fn child_of(&self, key: &[u8]) -> usize {
        // What is below all children belongs to the first.
        self.below(key, true).saturating_sub(1)
    }

    /// Where `key` is, or else where it would be.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let index = self.below(key, false);
        let is_there = self.items.get(index).is_some_and(|(_, item)| item.key() == key);
        if is_there { Ok(index) } else { Err(index) }
    }

    fn insert(&mut self, index: usize, item: Arc<T>) {
        let is_alike = self.beside_shared(item.key()) == Ordering::Equal;
        let is_first = self.items.is_empty();
        self.items.insert(index, (head(item.key(), self.shared), item));
        if is_first || !is_alike {
            self.refit();
        }
    }

    /// Cuts it if it is too full, and gives the right part: at its end when it grew there (ascending keys then fill nodes whole),
    /// else in the middle.
    fn split(&mut self, grown_at: usize) -> Option<Self> {
        let items = self.len();
        if items <= NODE_ITEMS_MAX {
            return None;
        }
        let at = if grown_at + 1 == items { items - 1 } else { items / 2 };
        let mut right = Self { items: self.items.split_off(at), ..*self };
        right.refit_rest();
        self.refit_rest();
        Some(right)
    }

    /// Looks anew at what the keys share, and takes their heads.
    fn refit(&mut self) {
        self.share();
        for (head_of_key, item) in &mut self.items {
            *head_of_key = head(item.key(), self.shared);
        }
    }

    /// The same after items were taken away: the heads change only if the rest shares more.
    fn refit_rest(&mut self) {
        let before = self.shared;
        self.share();
        if self.shared != before {
            self.refit();
        }
    }

    fn share(&mut self) {
        let [(_, first), ..] = &self.items[..] else { return };
        let (first, last) = (first.key(), self.items[self.len() - 1].1.key());
        // Keys in between share what the first and the last do.
        self.shared = first.iter().zip(last).take_while(|(first, last)| first == last).count();
        let near = self.shared.min(PREFIX_BYTES);
        self.prefix[..near].copy_from_slice(&first[..near]);
    }
}

/// The eight bytes of `key` after the first `shared`, as a number that sorts as they do; zeros where it ends.
fn head(key: &[u8], shared: usize) -> u64 {
    let mut bytes = [0; 8];
    let rest = key.get(shared..).unwrap_or_default();
    let known = rest.len().min(bytes.len());
    bytes[..known].copy_from_slice(&rest[..known]);
    u64::from_be_bytes(bytes)
}

fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::kv::Entry;

    /// Keys of several lengths, which share much or little, and some of which are others with zeros behind them.
    fn key(number: u16) -> Bytes {
        let [high, low] = number.to_be_bytes();
        let middle = vec![0; usize::from(low % 13)];
        match low % 3 {
            0 => Bytes::copy_from_slice(&[high, low]),
            1 => [&[high, 64][..], &middle, &[low]].concat().into(),
            _ => [&[high, low / 32][..], &middle].concat().into(),
        }
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
                let bytes: usize = model.iter().map(|(key, value)| key.len() + value.len()).sum();
                prop_assert_eq!((tree.entries(), tree.bytes()), (model.len() as u64, bytes as u64));
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
