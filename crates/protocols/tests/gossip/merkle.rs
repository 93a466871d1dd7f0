//! The Merkle tree against a plain set of entries.

use std::collections::BTreeMap;

use proptest::prelude::*;
use synod_protocols::merkle::{LEVELS_MAX, MerkleTree, Range};

fn changes() -> impl Strategy<Value = Vec<(u64, u64)>> {
    // Few positions in few neighbourhoods, so that ranges are shared and entries come and go.
    let position = (0..6_u64, 0..4_u64).prop_map(|(high, low)| (high << 60) | low);
    proptest::collection::vec((position, 0..3_u64), 0..60)
}

fn tree(levels: u8, changes: &[(u64, u64)]) -> MerkleTree {
    let mut tree = MerkleTree::new(levels);
    changes.iter().for_each(|(position, digest)| tree.put(*position, *digest));
    tree
}

fn contents(changes: &[(u64, u64)]) -> BTreeMap<u64, u64> {
    let mut contents: BTreeMap<u64, u64> = changes.iter().copied().collect();
    contents.retain(|_, digest| *digest != 0);
    contents
}

proptest! {
    #[test]
    fn equal_contents_have_equal_trees_whatever_came_before(a in changes(), b in changes(), levels in 1..=LEVELS_MAX) {
        let (left, right) = (tree(levels, &a), tree(levels, &b));
        prop_assert_eq!(left == right, contents(&a) == contents(&b));
        prop_assert_eq!(left.digest(Range::ALL) == right.digest(Range::ALL), contents(&a) == contents(&b));
        prop_assert_eq!(left.entries(Range::ALL).collect::<BTreeMap<_, _>>(), contents(&a));
    }

    #[test]
    fn the_descent_finds_every_difference_and_only_those(a in changes(), b in changes(), levels in 1..=LEVELS_MAX) {
        let (left, right) = (tree(levels, &a), tree(levels, &b));
        let mut open = vec![Range::ALL];
        let mut leaves = Vec::new();
        while let Some(range) = open.pop() {
            prop_assert!(range.is_sound(levels));
            if left.is_leaf(range) {
                leaves.push(range);
            } else {
                open.extend(left.differing(&right.children(range), range));
            }
        }
        let (ours, theirs) = (contents(&a), contents(&b));
        for position in ours.keys().chain(theirs.keys()) {
            let differs = ours.get(position) != theirs.get(position);
            let found = leaves.iter().any(|leaf| leaf.contains(*position));
            prop_assert!(found || !differs, "{position:x} differs and was not found");
        }
        let empty = leaves.iter().filter(|leaf| left.digest(**leaf) == right.digest(**leaf)).count();
        prop_assert!(contents(&a) == contents(&b) || empty == 0, "a leaf was found that does not differ");
    }

    #[test]
    fn ranges_are_what_they_contain(position in any::<u64>(), level in 0..=LEVELS_MAX) {
        let range = Range::around(position, level);
        let (first, last) = range.bounds();
        prop_assert!(range.contains(position) && range.contains(first) && range.contains(last));
        prop_assert_eq!((Range::around(first, level), Range::around(last, level)), (range, range));
        prop_assert!(first == 0 || !range.contains(first - 1));
        prop_assert!(last == u64::MAX || !range.contains(last + 1));
        if level < LEVELS_MAX {
            let children: Vec<Range> = range.children().collect();
            prop_assert_eq!(children.iter().filter(|child| child.contains(position)).count(), 1);
            prop_assert_eq!((children[0].bounds().0, children[15].bounds().1), (first, last));
        }
    }
}
