//! Put and its options.

use super::*;

#[test]
fn ignoring_needs_the_key() {
    let mut fixture = Fixture::new();
    let keep_value = || PutRequest { ignore_value: true, ..put("a", "") };
    let keep_lease = || PutRequest { ignore_lease: true, ..put("a", "2") };
    assert_eq!(fixture.try_apply(Operation::Put(keep_value())), Err(StoreError::KeyNotFound));
    assert_eq!(fixture.try_apply(Operation::Put(keep_lease())), Err(StoreError::KeyNotFound));
    fixture.grant(7).unwrap();
    fixture.apply(Operation::Put(PutRequest { lease: 7, ..put("a", "1") }));
    fixture.apply(Operation::Put(keep_lease()));
    assert_eq!((fixture.get("a").unwrap().lease, fixture.get("a").unwrap().value), (7, "2".into()));
    fixture.apply(Operation::Put(keep_value()));
    assert_eq!((fixture.get("a").unwrap().lease, fixture.get("a").unwrap().value), (0, "2".into()));
    assert_eq!(fixture.get("a").unwrap().version, 3);
}

#[test]
fn the_previous_version_comes_when_asked_for() {
    let mut fixture = Fixture::with(&["a"]);
    let before = fixture.get("a");
    let request = PutRequest { prev_kv: true, ..put("a", "2") };
    let outcome = fixture.try_apply(Operation::Put(request));
    assert_eq!(outcome, Ok(Outcome::Put(PutResponse { prev_kv: before })));
    let outcome = fixture.put("a", "3").outcome;
    assert_eq!(outcome, Ok(Outcome::Put(PutResponse::default())));
}

#[test]
fn keys_that_cannot_be_stored_are_refused() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.try_apply(Operation::Put(put("", "1"))), Err(StoreError::EmptyKey));
    let mut request = put("", "1");
    request.key = vec![0; KEY_BYTES_MAX + 1].into();
    let too_long = Err(StoreError::KeyTooLong { limit: KEY_BYTES_MAX });
    assert_eq!(check_operation(&Operation::Put(request.clone()), TXN_OPERATIONS_MAX), too_long);
    assert!(fixture.try_apply(Operation::Put(request.clone())).is_err());
    request.key = vec![0; KEY_BYTES_MAX].into();
    assert!(fixture.try_apply(Operation::Put(request.clone())).is_ok());
    assert!(fixture.try_apply(Operation::Put(request)).is_ok());
}
