//! [`Rename`]: other names for nodes, everywhere in a value.
//!
//! Where nodes are interchangeable, two states of a system that differ in names alone are one and the same to every question that does not ask for names; who looks at all states
//! need look at one of them (Ip and Dill 1996). For that, names must be replaced wherever they stand: in a machine's state, in messages, in what is written. A value that holds no names stays as it is.
//!
//! To rename is mechanical: name every field, so that one that is added later cannot be forgotten. What was forgotten all the same is found by
//! holding steps of renamed states against renamed steps, which the simulator's explorer does on demand.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::{Never, NodeId, RequestId, Ticket};

/// A value in which nodes are named.
pub trait Rename {
    /// Puts `names(node)` in place of every `node`. `names` gives no two nodes the same name.
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId);
}

impl Rename for NodeId {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        *self = names(*self);
    }
}

macro_rules! names_nobody {
    ($($type:ty),* $(,)?) => {
        $(impl Rename for $type {
            fn rename(&mut self, _: &dyn Fn(NodeId) -> NodeId) {}
        })*
    };
}

names_nobody!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    Duration,
    RequestId,
    Ticket,
    Never
);

impl<T: Rename> Rename for Option<T> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        self.iter_mut().for_each(|value| value.rename(names));
    }
}

impl<T: Rename> Rename for Box<T> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        (**self).rename(names);
    }
}

impl<T: Rename> Rename for Vec<T> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        self.iter_mut().for_each(|value| value.rename(names));
    }
}

impl<T: Rename> Rename for VecDeque<T> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        self.iter_mut().for_each(|value| value.rename(names));
    }
}

impl<A: Rename, B: Rename> Rename for (A, B) {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        self.0.rename(names);
        self.1.rename(names);
    }
}

impl<T: Rename + Ord> Rename for BTreeSet<T> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let renamed = core::mem::take(self).into_iter().map(|mut value| {
            value.rename(names);
            value
        });
        *self = renamed.collect();
    }
}

impl<K: Rename + Ord, V: Rename> Rename for BTreeMap<K, V> {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let renamed = core::mem::take(self).into_iter().map(|mut entry| {
            entry.rename(names);
            entry
        });
        *self = renamed.collect();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_name_is_replaced_and_order_follows_the_new_ones() {
        let turned = |node: NodeId| NodeId(4 - node.0);
        let mut value = (
            BTreeMap::from([(NodeId(1), Some('a')), (NodeId(2), None)]),
            vec![Box::new((NodeId(3), 7u8)), Box::new((NodeId(1), 3))],
        );
        value.rename(&turned);
        assert_eq!(value.0, BTreeMap::from([(NodeId(3), Some('a')), (NodeId(2), None)]));
        assert_eq!(value.1, vec![Box::new((NodeId(1), 7u8)), Box::new((NodeId(3), 3))]);
        let mut set = BTreeSet::from([NodeId(1), NodeId(2)]);
        set.rename(&turned);
        assert_eq!(set, BTreeSet::from([NodeId(2), NodeId(3)]));
    }
}
