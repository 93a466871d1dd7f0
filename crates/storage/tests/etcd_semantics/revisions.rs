//! Revisions, versions, and operations that are refused.

use super::*;

#[test]
fn an_empty_store_is_at_one_and_the_first_put_makes_two() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.store.revision(), 1);
    assert_eq!(fixture.put("a", "1").revision, 2);
}

#[test]
fn what_changes_nothing_raises_nothing() {
    let mut fixture = Fixture::with(&["a"]);
    fixture.delete(KeyRange::key("nothing"));
    fixture.txn(then(vec![get_op("a")])).unwrap();
    fixture.txn(then(vec![delete_op("x", "y")])).unwrap();
    fixture.grant(1).unwrap();
    fixture.try_apply(Operation::LeaseRevoke { id: 1 }).unwrap();
    fixture.compact(2).unwrap();
    assert_eq!(fixture.store.revision(), 2);
    assert_eq!(fixture.store.applied_index(), 7, "the index counts them all");
}

#[test]
fn all_keys_of_a_transaction_share_a_revision() {
    let mut fixture = Fixture::with(&["z"]);
    fixture.txn(then(vec![put_op("a", "1"), delete_op("z", ""), put_op("b", "1")])).unwrap();
    assert_eq!(fixture.store.revision(), 3);
    assert_eq!(fixture.get("a").unwrap().mod_revision, 3);
    assert_eq!(fixture.get("b").unwrap().mod_revision, 3);
}

#[test]
fn a_key_begins_anew_after_its_deletion() {
    let mut fixture = Fixture::new();
    fixture.put("a", "1");
    fixture.put("a", "2");
    let kv = fixture.get("a").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (2, 3, 2));
    assert_eq!(fixture.delete(KeyRange::key("a")).prev_kvs, [kv]);
    fixture.put("a", "3");
    let kv = fixture.get("a").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (5, 5, 1));
}

#[test]
fn a_refused_operation_changes_the_index_only() {
    let mut fixture = Fixture::with(&["a"]);
    let before = fixture.store.view();
    // The put before the one that fails must be taken back.
    let missing = PutRequest { ignore_value: true, ..put("missing", "") };
    let request = then(vec![put_op("b", "1"), RequestOp::Put(missing)]);
    let applied = fixture.apply(Operation::Txn(request));
    assert_eq!(
        applied,
        Applied { outcome: Err(StoreError::KeyNotFound), revision: 2, events: vec![], later: None }
    );
    let after = fixture.store.view();
    assert_eq!(after.hash_kv(0), before.hash_kv(0));
    assert_eq!(after.applied_index(), before.applied_index() + 1);
}

#[test]
#[should_panic(expected = "expected an index beyond the applied one")]
fn applying_an_index_twice_is_noticed() {
    let mut fixture = Fixture::with(&["a"]);
    let _ = fixture.store.apply(1, &Operation::Put(put("a", "1")), Events::Skip);
}
