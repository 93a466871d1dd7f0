//! Bounded loads under keys and nodes that come and go.

use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::routing::hash_ring::*;

#[derive(Clone, Debug)]
enum Change {
    Assign(u64),
    Release(u64),
    Node(u64, u32),
    Leave(u64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0..60_u64).prop_map(Change::Assign),
        4 => (0..60_u64).prop_map(Change::Release),
        1 => (1..8_u64, 0..4_u32).prop_map(|(node, weight)| Change::Node(node, weight)),
        1 => (2..8_u64).prop_map(Change::Leave),
    ]
}

fn first_ring(seed: u64) -> HashRing {
    let mut ring = HashRing::new(Config { points_per_weight: 3, seed });
    for node in 1..=4 {
        ring.insert(NodeId(node), Member { weight: 1, zone: 0 });
    }
    ring
}

fn apply(loads: &mut BoundedLoads<u64>, change: &Change) -> Vec<Relocation<u64>> {
    match change {
        Change::Assign(key) => {
            let place = loads.ring().place(&key.to_le_bytes());
            loads.assign(*key, place)
        }
        Change::Release(key) => loads.release(key),
        // Node 1 keeps its weight, so that there is always somewhere to go.
        Change::Node(node, weight) => {
            let mut ring = loads.ring().clone();
            let weight = if *node == 1 { 1 } else { *weight };
            ring.insert(NodeId(*node), Member { weight, zone: 0 });
            loads.update(ring)
        }
        Change::Leave(node) => {
            let mut ring = loads.ring().clone();
            ring.remove(NodeId(*node));
            loads.update(ring)
        }
    }
}

proptest! {
    #[test]
    fn no_node_is_overloaded_and_only_full_ones_are_passed(
        changes in prop::collection::vec(change(), 0..120), seed: u64, per_thousand in 0..800_u32,
    ) {
        let mut loads = BoundedLoads::new(first_ring(seed), Slack { per_thousand });
        let mut known = std::collections::BTreeMap::new();
        for change in &changes {
            for moved in apply(&mut loads, change) {
                prop_assert_eq!(known.get(&moved.key).copied(), moved.from, "after {:?}", change);
                match moved.to {
                    Some(node) => known.insert(moved.key, node),
                    None => known.remove(&moved.key),
                };
            }
            invariants::loads_bounded(&loads).map_err(TestCaseError::fail)?;
            invariants::passed_only_full(&loads).map_err(TestCaseError::fail)?;
            prop_assert_eq!(known.len(), loads.len());
            prop_assert!(known.iter().all(|(key, node)| loads.at(key) == Some(*node)));
        }
    }
}

#[test]
fn a_hot_arc_is_shared_out() {
    // All keys at one place: without a bound one node would have them all.
    let mut loads = BoundedLoads::new(first_ring(1), Slack { per_thousand: 250 });
    for key in 0..1_000 {
        loads.assign(key, 12_345);
    }
    let most = (1..=4).map(|node| loads.load(NodeId(node))).max();
    assert_eq!(most, Some(313), "ceil(1.25 * 1000 / 4)");
}

#[test]
fn what_a_key_moves_does_not_grow_with_the_keys() {
    let mut ring = HashRing::new(Config { points_per_weight: 20, seed: 5 });
    for node in 1..=50 {
        ring.insert(NodeId(node), Member { weight: 1, zone: 0 });
    }
    let moved_of = |keys: u64| {
        let mut loads = BoundedLoads::new(ring.clone(), Slack { per_thousand: 250 });
        let mut moved = 0;
        for key in 0..keys {
            moved += loads.assign(key, loads.ring().place(&key.to_le_bytes())).len() - 1;
        }
        moved as f64 / keys as f64
    };
    let (few, many) = (moved_of(2_000), moved_of(20_000));
    assert!(
        many < few * 2.0 + 0.5 && many < 16.0,
        "a key moved {few} others at 2,000 keys, {many} at 20,000"
    );
}
