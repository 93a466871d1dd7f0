//! Leases and the keys attached to them.

use super::*;

#[test]
fn keys_attach_move_and_detach() {
    let mut fixture = Fixture::new();
    let attach = |id| Operation::Put(PutRequest { lease: id, ..put("a", "1") });
    assert_eq!(fixture.try_apply(attach(1)), Err(StoreError::LeaseNotFound(1)));
    fixture.grant(1).unwrap();
    fixture.grant(2).unwrap();
    assert_eq!(fixture.grant(1), Err(StoreError::LeaseExists(1)));
    let keys = |fixture: &Fixture| [1, 2].map(|id| fixture.store.view().lease_keys(id).unwrap());
    fixture.apply(attach(1));
    assert_eq!(keys(&fixture), [vec![Bytes::from("a")], vec![]]);
    fixture.apply(attach(2));
    assert_eq!(keys(&fixture), [vec![], vec![Bytes::from("a")]]);
    fixture.apply(attach(0));
    assert_eq!(keys(&fixture), [vec![], Vec::<Bytes>::new()]);
    fixture.apply(attach(1));
    fixture.delete(KeyRange::key("a"));
    assert_eq!(keys(&fixture), [vec![], Vec::<Bytes>::new()]);
    assert_eq!(fixture.store.view().leases().unwrap(), [(1, 5), (2, 5)]);
    assert_eq!(fixture.store.view().lease_ttl_seconds(3).unwrap(), None);
}

#[test]
fn a_revoked_lease_takes_its_keys_in_one_revision() {
    let mut fixture = Fixture::with(&["free"]);
    fixture.grant(-4).unwrap();
    for key in ["b", "a"] {
        fixture.apply(Operation::Put(PutRequest { lease: -4, ..put(key, "1") }));
    }
    let applied = fixture.apply(Operation::LeaseRevoke { id: -4 });
    assert_eq!((applied.revision, applied.outcome), (5, Ok(Outcome::LeaseRevoke)));
    let deleted: Vec<_> =
        applied.events.iter().map(|event| (&event.kv.key[..], event.kv.mod_revision)).collect();
    assert_eq!(deleted, [(&b"a"[..], 5), (b"b", 5)]);
    assert_eq!(fixture.keys(reading(KeyRange::all())), ["free"]);
    let again = fixture.try_apply(Operation::LeaseRevoke { id: -4 });
    assert_eq!(again, Err(StoreError::LeaseNotFound(-4)));
}
