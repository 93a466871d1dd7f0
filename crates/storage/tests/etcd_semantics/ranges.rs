//! Range: ends, count, limit, filters, order, old revisions.

use super::*;

fn fixture() -> Fixture {
    Fixture::with(&["a", "ab", "abc", "b", "c\u{7f}", "d"])
}

#[test]
fn ends_mean_one_key_a_bound_or_everything() {
    let fixture = fixture();
    let keys = |range| fixture.keys(reading(range));
    assert_eq!(keys(between("a", "")), ["a"]);
    assert_eq!(keys(between("ab", "d")), ["ab", "abc", "b", "c\u{7f}"]);
    assert_eq!(keys(between("b", "\0")), ["b", "c\u{7f}", "d"]);
    assert_eq!(keys(between("\0", "\0")).len(), 6);
    assert_eq!(keys(KeyRange::prefix("ab")), ["ab", "abc"]);
    assert_eq!(keys(KeyRange::prefix("")).len(), 6);
    assert_eq!(
        KeyRange::prefix(vec![0xff, 0xff]),
        KeyRange { key: vec![0xff, 0xff].into(), end: vec![0].into() }
    );
    assert_eq!(fixture.range(reading(between("b", "a"))), Ok(RangeResponse::default()));
    assert!(between("b", "b").is_empty() && !between("b", "\0").is_empty() && !between("b", "").is_empty());
}

#[test]
fn count_ignores_limit_and_filters_and_more_is_the_limits() {
    let fixture = fixture();
    let all = || reading(KeyRange::all());
    let response = fixture.range(RangeRequest { limit: 2, ..all() }).unwrap();
    assert_eq!((response.kvs.len(), response.more, response.count), (2, true, 6));
    let response = fixture.range(RangeRequest { limit: 6, ..all() }).unwrap();
    assert_eq!((response.kvs.len(), response.more, response.count), (6, false, 6));
    let response = fixture.range(RangeRequest { min_mod_revision: 6, ..all() }).unwrap();
    assert_eq!((response.kvs.len(), response.more, response.count), (2, false, 6));
    let response = fixture.range(RangeRequest { count_only: true, limit: 2, ..all() }).unwrap();
    assert_eq!(response, RangeResponse { kvs: vec![], more: false, count: 6 });
    // Cut by limit after filtering.
    let response = fixture.range(RangeRequest { min_mod_revision: 4, limit: 1, ..all() }).unwrap();
    assert_eq!((&response.kvs[0].key[..], response.more), (&b"abc"[..], true));
}

#[test]
fn filters_are_inclusive_on_both_revisions() {
    let mut fixture = fixture();
    fixture.put("a", "again");
    let all = || reading(KeyRange::all());
    assert_eq!(fixture.keys(RangeRequest { max_mod_revision: 4, ..all() }), ["ab", "abc"]);
    assert_eq!(fixture.keys(RangeRequest { min_mod_revision: 7, ..all() }), ["a", "d"]);
    assert_eq!(fixture.keys(RangeRequest { max_create_revision: 3, ..all() }), ["a", "ab"]);
    assert_eq!(
        fixture.keys(RangeRequest { min_create_revision: 6, max_create_revision: 6, ..all() }),
        ["c\u{7f}"]
    );
}

#[test]
fn every_target_sorts_both_ways_and_before_the_cut() {
    let mut fixture = Fixture::new();
    for (key, value) in [("c", "1"), ("a", "3"), ("b", "2"), ("a", "4"), ("a", "0")] {
        fixture.put(key, value);
    }
    let sorted = |sort_target, sort_order, limit| {
        let request = RangeRequest { sort_target, sort_order, limit, ..reading(KeyRange::all()) };
        fixture.keys(request)
    };
    for (target, ascending) in [
        (SortTarget::Key, ["a", "b", "c"]),
        (SortTarget::Version, ["b", "c", "a"]),
        (SortTarget::Create, ["c", "a", "b"]),
        (SortTarget::Mod, ["c", "b", "a"]),
        (SortTarget::Value, ["a", "c", "b"]),
    ] {
        assert_eq!(sorted(target, SortOrder::Ascend, 0), ascending, "{target:?}");
        assert_eq!(sorted(target, SortOrder::Ascend, 2), ascending[..2], "{target:?}");
        let descending = sorted(target, SortOrder::Descend, 0);
        if target == SortTarget::Version {
            assert_eq!(descending, ["a", "b", "c"], "equal targets come by key");
        } else {
            assert!(descending.iter().eq(ascending.iter().rev()), "{target:?}");
        }
        assert_eq!(sorted(target, SortOrder::Descend, 1), descending[..1], "{target:?}");
    }
}

#[test]
fn a_target_without_an_order_sorts_only_what_the_limit_left() {
    let mut fixture = Fixture::new();
    for key in ["c", "b", "a"] {
        fixture.put(key, "");
    }
    // By key the first two and one more are a, b, c; by creation those are c, b, a.
    let request = RangeRequest { sort_target: SortTarget::Create, limit: 1, ..reading(KeyRange::all()) };
    assert_eq!(fixture.keys(request), ["b"]);
}

#[test]
fn a_sorted_cut_is_right_however_much_is_thrown_away() {
    let mut fixture = Fixture::new();
    let keys: Vec<&'static str> =
        (0..500).map(|number: u32| &*format!("{:03}", number * 7 % 500).leak()).collect();
    keys.iter().for_each(|key| drop(fixture.put(key, "")));
    let request = RangeRequest {
        sort_target: SortTarget::Mod,
        sort_order: SortOrder::Descend,
        limit: 3,
        ..reading(KeyRange::all())
    };
    let response = fixture.range(request).unwrap();
    assert_eq!((response.count, response.more), (500, true));
    let found: Vec<Bytes> = response.kvs.into_iter().map(|kv| kv.key).collect();
    assert_eq!(found, [keys[499], keys[498], keys[497]]);
}

#[test]
fn keys_only_leaves_values_out_but_sorts_by_them() {
    let mut fixture = Fixture::new();
    fixture.put("a", "2");
    fixture.put("b", "1");
    let request = RangeRequest {
        keys_only: true,
        sort_target: SortTarget::Value,
        sort_order: SortOrder::Ascend,
        ..reading(KeyRange::all())
    };
    let kvs = fixture.range(request).unwrap().kvs;
    assert_eq!([&kvs[0].key[..], &kvs[1].key[..]], [b"b", b"a"]);
    assert!(kvs.iter().all(|kv| kv.value.is_empty() && kv.mod_revision > 0));
}

#[test]
fn old_revisions_answer_as_then_until_compacted() {
    let mut fixture = Fixture::with(&["a", "b"]);
    fixture.put("a", "new");
    fixture.delete(KeyRange::key("b"));
    let at = |fixture: &Fixture, revision| {
        fixture.range(RangeRequest { revision, ..reading(KeyRange::all()) }).map(|response| response.count)
    };
    assert_eq!([2, 3, 4, 5].map(|revision| at(&fixture, revision).unwrap()), [1, 2, 2, 1]);
    assert_eq!(at(&fixture, 6), Err(StoreError::FutureRevision { requested: 6, current: 5 }));
    assert_eq!(at(&fixture, -1), Ok(1));
    fixture.compact(4).unwrap();
    assert_eq!(at(&fixture, 3), Err(StoreError::Compacted { requested: 3, compacted: 4 }));
    assert_eq!(at(&fixture, 4), Ok(2), "exactly the compacted revision is readable");
}

#[test]
fn pieces_make_the_whole_answer() {
    let mut fixture = fixture();
    let old = fixture.store.revision();
    fixture.put("ab", "again");
    fixture.put("new", "1");
    let view = fixture.store.view();
    for (limit, revision, keys_only) in
        [(0, 0, false), (1, 0, true), (3, 0, false), (4, old, false), (9, old, true)]
    {
        let request = RangeRequest { limit, revision, keys_only, ..reading(between("ab", "\0")) };
        let whole = view.range(&request).unwrap();
        let total = view.range_total(&request).unwrap();
        assert_eq!((total.count, total.more), (whole.count, whole.more));
        for bytes_max in [1, 100, 10_000] {
            let (mut kvs, mut cursor) = (Vec::new(), Some(RangeCursor::default()));
            while let Some(at) = cursor {
                let piece = view.range_piece(&request, &at, bytes_max).unwrap();
                assert!(bytes_max > 1 || piece.kvs.len() <= 1, "a piece is as small as can be");
                kvs.extend(piece.kvs);
                cursor = piece.next;
            }
            assert_eq!(kvs, whole.kvs);
        }
    }
}

#[test]
fn what_must_be_seen_as_a_whole_does_not_come_in_pieces() {
    let all = || reading(KeyRange::all());
    assert!(all().comes_in_pieces());
    assert!(RangeRequest { sort_order: SortOrder::Ascend, ..all() }.comes_in_pieces());
    for request in [
        reading(KeyRange::key("a")),
        RangeRequest { sort_order: SortOrder::Descend, ..all() },
        RangeRequest { sort_target: SortTarget::Value, ..all() },
        RangeRequest { min_mod_revision: 3, ..all() },
    ] {
        assert!(!request.comes_in_pieces(), "{request:?}");
    }
}
