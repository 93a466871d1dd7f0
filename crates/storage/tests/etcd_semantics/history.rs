//! What watchers are given.

use super::*;

#[test]
fn events_say_what_happened_and_what_was_before() {
    let mut fixture = Fixture::with(&["a"]);
    let before = fixture.get("a");
    let put_event = fixture.put("a", "2").events.remove(0);
    assert_eq!((put_event.kind, &put_event.prev_kv), (EventKind::Put, &before));
    let applied = fixture.apply(Operation::Delete(DeleteRequest { range: KeyRange::all(), prev_kv: false }));
    let bare = KeyValue { key: "a".into(), mod_revision: 4, ..KeyValue::default() };
    let delete_event = Event { kind: EventKind::Delete, kv: bare, prev_kv: Some(put_event.kv.clone()) };
    assert_eq!(applied.events, std::slice::from_ref(&delete_event));
    assert_eq!(fixture.history(3).unwrap(), [put_event, delete_event], "the past says the same");
    assert_eq!(fixture.history(5).unwrap(), []);
    assert_eq!(fixture.history(99).unwrap(), []);
}

#[test]
fn a_deletion_at_the_compacted_revision_is_still_watchable() {
    let mut fixture = Fixture::with(&["a", "b"]);
    fixture.delete(KeyRange::key("a"));
    fixture.put("b", "2");
    fixture.compact(4).unwrap();
    let check = |fixture: &Fixture| {
        let events = fixture.history(4).unwrap();
        let seen: Vec<_> = events.iter().map(|event| (event.kind, event.prev_kv.is_some())).collect();
        assert_eq!(seen, [(EventKind::Delete, false), (EventKind::Put, true)]);
        let compacted = Err(StoreError::Compacted { requested: 3, compacted: 4 });
        assert_eq!(fixture.history(3), compacted);
    };
    check(&fixture);
    while fixture.store.compact_step(1).unwrap() == Sweep::Unfinished {}
    check(&fixture);
}

#[test]
fn a_page_does_not_split_a_revision_and_narrow_watches_take_short_pages() {
    let mut fixture = Fixture::with(&["x"]);
    fixture.txn(then(vec![put_op("a", "1"), put_op("b", "1"), put_op("c", "1")])).unwrap();
    fixture.put("a", "2");
    let view = fixture.store.view();
    let limits = HistoryLimits { events_max: 2, ..HistoryLimits::default() };
    let page = view.history(&KeyRange::all(), 3, false, limits).unwrap();
    assert_eq!((page.events.len(), page.next_revision), (3, 4));
    let limits = HistoryLimits { changes_max: 1, ..HistoryLimits::default() };
    let page = view.history(&KeyRange::key("nobody"), 2, false, limits).unwrap();
    assert_eq!((page.events.len(), page.next_revision), (0, 3));
}
