//! The laws of version vectors.

use proptest::prelude::*;
use synod_protocols::clocks::{Dot, VersionVector};

type Vector = VersionVector<u8>;

fn vector() -> impl Strategy<Value = Vector> {
    proptest::collection::vec((0..5_u8, 0..4_u64), 0..6).prop_map(Vector::from_iter)
}

fn merged(a: &Vector, b: &Vector) -> Vector {
    let mut both = a.clone();
    both.merge(b);
    both
}

proptest! {
    #[test]
    fn merging_is_a_least_upper_bound(a in vector(), b in vector(), c in vector()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert!(a <= merged(&a, &b));
        if a <= c && b <= c {
            prop_assert!(merged(&a, &b) <= c);
        }
    }

    #[test]
    fn order_is_inclusion_of_dots(a in vector(), b in vector()) {
        let dots = |v: &Vector| -> Vec<Dot<u8>> {
            v.iter().flat_map(|(r, n)| (1..=n).map(|counter| Dot { replica: *r, counter })).collect()
        };
        prop_assert_eq!(a <= b, dots(&a).iter().all(|dot| b.contains(dot)));
        let (a_in_b, b_in_a) = (a <= b, b <= a);
        prop_assert_eq!(a.concurrent(&b), !a_in_b && !b_in_a);
    }

    #[test]
    fn advancing_names_an_update_that_was_not_there(mut a in vector(), replica in 0..5_u8) {
        let before = a.clone();
        let dot = a.advance(replica);
        prop_assert!(!before.contains(&dot) && a.contains(&dot) && before < a);
    }
}

#[test]
fn zero_is_never_stored() {
    let mut vector = Vector::from_iter([(1, 0)]);
    vector.raise(2, 0);
    assert_eq!((vector.len(), vector.clone()), (0, Vector::new()));
    vector.raise(2, 3);
    vector.raise(2, 1);
    assert_eq!(vector.to_string(), "{2:3}");
}
