//! Copies merge in any order, and quorums that meet share one.

use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::clocks::{Siblings, VersionVector};
use synod_protocols::replication::quorum::*;

fn tagged() -> impl Strategy<Value = Copy> {
    (1..6_u64, 1..4_u64).prop_map(|(counter, node)| {
        let tag = Tag { counter, node: NodeId(node), nonce: counter * 10 + node };
        Copy::Tagged { tag, value: format!("{counter}.{node}").into() }
    })
}

/// Copies that three nodes came to by writes and exchanges.
fn siblings() -> impl Strategy<Value = Vec<Copy>> {
    prop::collection::vec((0..3_usize, 0..3_usize, any::<bool>()), 0..12).prop_map(|steps| {
        let mut all = vec![Siblings::default(); 3];
        for (index, (a, b, writes)) in steps.into_iter().enumerate() {
            let other: Siblings<bytes::Bytes> = all[b].clone();
            if writes {
                let seen: VersionVector = other.context().clone();
                all[a].put(NodeId(a as u64 + 1), &seen, index.to_string().into());
            } else {
                all[a].merge(&other);
            }
        }
        all.into_iter().map(Copy::Siblings).collect()
    })
}

fn check_merges(a: &Copy, b: &Copy, c: &Copy) -> Result<(), TestCaseError> {
    let merge = |x: &Copy, y: &Copy| {
        let mut merged = x.clone();
        let changed = merged.merge(y);
        (merged, changed)
    };
    let (ab, ba) = (merge(a, b).0, merge(b, a).0);
    prop_assert_eq!(&ab, &ba);
    prop_assert_eq!(merge(&ab, c).0, merge(a, &merge(b, c).0).0);
    prop_assert!(!merge(&ab, b).1 && !ab.lacks(a) && !ab.lacks(b));
    prop_assert_eq!(a.lacks(b), merge(a, b).1);
    Ok(())
}

proptest! {
    #[test]
    fn tags_merge_in_any_order(a in tagged(), b in tagged(), c in tagged()) {
        check_merges(&a, &b, &c)?;
        check_merges(&a, &Copy::Nothing, &c)?;
    }

    #[test]
    fn siblings_merge_in_any_order(copies in siblings()) {
        check_merges(&copies[0], &copies[1], &copies[2])?;
    }

    #[test]
    fn quorums_meet_exactly_if_they_are_large_enough(copies in 1..6_u64, read in 1..6_u64, write in 1..6_u64) {
        prop_assume!(read <= copies && write <= copies);
        let sets = |size: u64| (0..1_u32 << copies).filter(move |set| u64::from(set.count_ones()) == size);
        let always = sets(read).all(|r| sets(write).all(|w| r & w != 0));
        prop_assert_eq!(always, cost::meet(copies, read, write));
        let met = sets(read).flat_map(|r| sets(write).map(move |w| r & w != 0));
        let (hits, all) = met.fold((0, 0), |(hits, all), met| (hits + u32::from(met), all + 1));
        prop_assert!((f64::from(hits) / f64::from(all) - cost::within_versions(copies, read, write, 1)).abs() < 1e-9);
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let refused = |config: Config| config.validate(3).expect_err("refused").to_string();
    assert_eq!(
        refused(Config { copies: 4, ..Config::default() }),
        "expected 1 to 3 copies on 3 nodes, found 4"
    );
    assert_eq!(
        refused(Config { read: 0, ..Config::default() }),
        "expected a quorum of 1 to 3 copies, found 0"
    );
}
