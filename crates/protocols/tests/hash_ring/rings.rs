//! Properties of rings, and their figures.

use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::routing::hash_ring::*;

fn ring(points_per_weight: u32, seed: u64, members: &[(u64, u32, u64)]) -> HashRing {
    let mut ring = HashRing::new(Config { points_per_weight, seed });
    for (node, weight, zone) in members {
        ring.insert(NodeId(*node), Member { weight: *weight, zone: *zone });
    }
    ring
}

fn even(nodes: u64, points: u32, seed: u64) -> HashRing {
    let members: Vec<_> = (1..=nodes).map(|node| (node, 1, node)).collect();
    ring(points, seed, &members)
}

fn members() -> impl Strategy<Value = Vec<(u64, u32, u64)>> {
    prop::collection::vec((1..20_u64, 0..4_u32, 0..4_u64), 0..12)
}

proptest! {
    #[test]
    fn changes_move_only_what_must(before in members(), after in members(), seed: u64, places: [u64; 8]) {
        let (before, after) = (ring(5, seed, &before), ring(5, seed, &after));
        invariants::minimal_movement(&before, &after).map_err(TestCaseError::fail)?;
        // What `moves_to` says is what `owner` does.
        let moves = before.moves_to(&after);
        for place in places {
            let found = moves.iter().find(|moved| moved.covers(place));
            let expected = (before.owner(place), after.owner(place));
            prop_assert_eq!(found.map_or((expected.0, expected.0), |m| (m.from, m.to)), expected);
        }
    }

    #[test]
    fn replicas_are_apart(members in members(), seed: u64, place: u64, count in 0..6_usize) {
        let ring = ring(3, seed, &members);
        invariants::replicas_apart(&ring, place, count).map_err(TestCaseError::fail)?;
        prop_assert_eq!(ring.replicas(place, 1).first().copied(), ring.owner(place));
    }

    #[test]
    fn the_order_of_changes_does_not_matter(members in members(), seed: u64) {
        let mut last: std::collections::BTreeMap<u64, (u32, u64)> = Default::default();
        for (node, weight, zone) in &members {
            last.insert(*node, (*weight, *zone));
        }
        let reversed: Vec<_> = last.iter().rev().map(|(node, (weight, zone))| (*node, *weight, *zone)).collect();
        let (one, other) = (ring(4, seed, &members), ring(4, seed, &reversed));
        prop_assert_eq!(&one, &other);
        let total: f64 = one.shares().values().sum();
        prop_assert!(one.points() == 0 || (total - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_node_that_leaves_again_leaves_no_trace(members in members(), seed: u64) {
        let before = ring(4, seed, &members);
        let mut after = before.clone();
        after.insert(NodeId(99), Member { weight: 2, zone: 0 });
        after.remove(NodeId(99));
        prop_assert_eq!(before, after);
    }
}

fn relative_deviation(ring: &HashRing) -> f64 {
    let shares = ring.shares();
    let mean = 1.0 / shares.len() as f64;
    let variance = shares.values().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64;
    variance.sqrt() / mean
}

#[test]
fn shares_deviate_as_the_formula_says() {
    for (points, rings, expected) in [(1, 40, 0.998), (100, 2, 0.0997)] {
        let measured =
            (0..rings).map(|seed| relative_deviation(&even(1_000, points, seed))).sum::<f64>() / rings as f64;
        assert!(
            (measured / expected - 1.0).abs() < 0.02,
            "{points} points: expected {expected}, found {measured}"
        );
        let formula = cost::relative_deviation_squared(1_000, points.into()).sqrt();
        assert!((formula / expected - 1.0).abs() < 0.005, "the formula gives {formula}");
    }
}

#[test]
fn a_joining_node_takes_its_share_and_nothing_else_moves() {
    let before = even(50, 100, 7);
    let mut after = before.clone();
    after.insert(NodeId(51), Member { weight: 1, zone: 0 });
    let moves = before.moves_to(&after);
    assert!(moves.iter().all(|moved| moved.to == Some(NodeId(51))));
    let share: f64 = moves.iter().map(Move::share).sum();
    assert!((share / cost::joining_moves(50) - 1.0).abs() < 0.3, "moved {share}");
    assert!((share - after.shares()[&NodeId(51)]).abs() < 1e-9);
}

#[test]
fn weights_are_shares() {
    let ring = ring(200, 3, &[(1, 1, 0), (2, 2, 0), (3, 5, 0)]);
    for (node, expected) in [(1, 0.125), (2, 0.25), (3, 0.625)] {
        let share = ring.shares()[&NodeId(node)];
        assert!((share / expected - 1.0).abs() < 0.2, "n{node}: expected about {expected}, found {share}");
    }
}

#[test]
fn a_ring_of_nobody_owns_nothing() {
    let ring = ring(5, 0, &[(1, 0, 0)]);
    assert_eq!((ring.owner(7), ring.replicas(7, 3), ring.points()), (None, vec![], 0));
}

#[test]
#[should_panic(expected = "expected at most 1048576 points")]
fn a_mistyped_weight_is_refused() {
    ring(100, 0, &[(1, u32::MAX, 0)]);
}
