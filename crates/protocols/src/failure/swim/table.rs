//! Everybody that a member knows, in little memory and without work that grows with the group.
//!
//! Members of one group know nearly the same of each other. So a table is a base, which tables may share (whoever starts a group hands all of its
//! members the same one), and what differs from it. What differs goes into a new base of its own once there is much of it, so that
//! the cost of a change is the logarithm of the group, averaged over many.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::types::{Member, State};

/// Changes that a table always has room for beside its base.
const CHANGES_MIN: usize = 64;

/// What a member knows of everybody, itself included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// By number.
    base: Arc<[Member]>,
    /// What replaces members of the base (`None`: forgotten), and who is not in it.
    changed: BTreeMap<NodeId, Option<Member>>,
    /// Who is not in the base, in the order of coming.
    joined: Vec<NodeId>,
    present: usize,
    known: usize,
    /// Failed members: they may come back, and are asked.
    failed: BTreeSet<NodeId>,
}

impl Table {
    /// A table on a base that may be shared. Later ones of the same node are dropped.
    pub fn new(base: Arc<[Member]>) -> Self {
        let is_ordered = base.windows(2).all(|pair| pair[0].node < pair[1].node);
        let base = if is_ordered { base } else { ordered(&base) };
        let failed = base.iter().filter(|member| member.state == State::Failed);
        Table {
            failed: failed.map(|member| member.node).collect(),
            present: base.iter().filter(|member| member.state.is_present()).count(),
            known: base.len(),
            base,
            changed: BTreeMap::new(),
            joined: Vec::new(),
        }
    }

    /// A member.
    pub fn get(&self, node: NodeId) -> Option<&Member> {
        match self.changed.get(&node) {
            Some(changed) => changed.as_ref(),
            None => self.in_base(node),
        }
    }

    /// Everybody, in the order of seats.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        (0..self.seats()).filter_map(|seat| self.seat(seat))
    }

    /// How many count as members: alive or suspected.
    pub fn present(&self) -> usize {
        self.present
    }

    /// How many are known, whatever their state.
    pub fn known(&self) -> usize {
        self.known
    }

    /// Failed members that may come back.
    pub fn failed(&self) -> impl ExactSizeIterator<Item = NodeId> + use<'_> {
        self.failed.iter().copied()
    }

    /// How many seats there are; some are empty.
    pub(super) fn seats(&self) -> u32 {
        (self.base.len() + self.joined.len()) as u32
    }

    /// Who sits there.
    pub(super) fn seat(&self, seat: u32) -> Option<&Member> {
        let seat = seat as usize;
        match self.base.get(seat) {
            Some(member) if self.changed.is_empty() => Some(member),
            Some(member) => self.get(member.node),
            None => self.get(*self.joined.get(seat - self.base.len())?),
        }
    }

    /// The first from seat `start` on, and round, that is acceptable. With many seats empty of members it favours those that follow a gap.
    pub(super) fn walk(&self, start: u32, accept: impl Fn(&Member) -> bool) -> Option<NodeId> {
        let seats = self.seats();
        let order = (start..seats).chain(0..start.min(seats));
        order.filter_map(|seat| self.seat(seat)).find(|member| accept(member)).map(|member| member.node)
    }

    /// Puts a member in its place. Whether seats were counted anew: then an order of seats means nothing any more.
    pub(super) fn put(&mut self, member: Member) -> bool {
        let node = member.node;
        let before = self.get(node).map(|known| known.state);
        let was_seated = self.changed.contains_key(&node) || self.in_base(node).is_some();
        self.known += usize::from(before.is_none());
        self.present -= usize::from(before.is_some_and(State::is_present));
        self.present += usize::from(member.state.is_present());
        if member.state == State::Failed {
            self.failed.insert(node);
        } else {
            self.failed.remove(&node);
        }
        if !was_seated {
            self.joined.push(node);
        }
        if self.in_base(node) == Some(&member) {
            self.changed.remove(&node);
        } else {
            self.changed.insert(node, Some(member));
        }
        self.settle()
    }

    /// Forgets a member. Whether seats were counted anew.
    pub(super) fn forget(&mut self, node: NodeId) -> bool {
        let Some(member) = self.get(node) else { return false };
        self.present -= usize::from(member.state.is_present());
        self.known -= 1;
        self.failed.remove(&node);
        // Its seat stays, empty, until seats are counted anew: an order of seats that is under way must not shift.
        self.changed.insert(node, None);
        self.settle()
    }

    fn in_base(&self, node: NodeId) -> Option<&Member> {
        let place = self.base.binary_search_by_key(&node, |member| member.node).ok()?;
        Some(&self.base[place])
    }

    fn settle(&mut self) -> bool {
        if self.changed.len() <= CHANGES_MIN.max(self.base.len() / 4) {
            return false;
        }
        let members: Vec<Member> = self.members().cloned().collect();
        self.base = ordered(&members);
        self.changed.clear();
        self.joined.clear();
        true
    }
}

fn ordered(members: &[Member]) -> Arc<[Member]> {
    let by_number: BTreeMap<NodeId, &Member> =
        members.iter().rev().map(|member| (member.node, member)).collect();
    by_number.into_values().cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::swim::types::Incarnation;

    fn member(node: u64, state: State) -> Member {
        Member { state, incarnation: Incarnation(1), ..Member::new(NodeId(node)) }
    }

    fn any_state() -> impl Strategy<Value = State> {
        prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Failed), Just(State::Left)]
    }

    proptest! {
        /// Against a plain map: whatever is put and forgotten, in a base, beside it, and across settlements.
        #[test]
        fn a_table_is_a_map(
            base in 0_u64..100,
            acts in prop::collection::vec((0_u64..300, prop::option::weighted(0.8, any_state())), 0..400),
        ) {
            let mut table = Table::new((0..base).map(|node| Member::new(NodeId(node))).collect());
            let mut model: BTreeMap<NodeId, Member> =
                (0..base).map(|node| (NodeId(node), Member::new(NodeId(node)))).collect();
            for (node, state) in acts {
                match state {
                    Some(state) => {
                        table.put(member(node, state));
                        model.insert(NodeId(node), member(node, state));
                    }
                    None => {
                        table.forget(NodeId(node));
                        model.remove(&NodeId(node));
                    }
                }
                prop_assert_eq!(table.get(NodeId(node)), model.get(&NodeId(node)));
            }
            let mut members: Vec<Member> = table.members().cloned().collect();
            members.sort_by_key(|member| member.node);
            prop_assert_eq!(&members, &model.values().cloned().collect::<Vec<_>>());
            prop_assert_eq!(table.known(), members.len());
            prop_assert_eq!(table.present(), members.iter().filter(|m| m.state.is_present()).count());
            let failed: Vec<NodeId> =
                members.iter().filter(|m| m.state == State::Failed).map(|m| m.node).collect();
            prop_assert_eq!(table.failed().collect::<Vec<_>>(), failed);
        }
    }

    #[test]
    fn tables_share_their_base_until_they_differ_much() {
        let base: Arc<[Member]> = (0..1000).map(|node| Member::new(NodeId(node))).collect();
        let mut tables: Vec<Table> = (0..10).map(|_| Table::new(base.clone())).collect();
        assert!(!tables[0].put(member(7, State::Failed)));
        assert_eq!(Arc::strong_count(&base), 11);
        let anew = (0..251).filter(|node| tables[0].put(member(*node, State::Failed))).count();
        assert_eq!((anew, Arc::strong_count(&base)), (1, 10));
        assert_eq!(tables[0].present(), 749);
    }
}
