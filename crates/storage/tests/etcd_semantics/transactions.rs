//! Transactions: compares, branches, nesting, what is refused.

use super::*;
use CompareResult::{Equal, Greater, Less, NotEqual};

fn holds(fixture: &Fixture, compare: Compare) -> bool {
    let request = TxnRequest { compare: vec![compare], ..TxnRequest::default() };
    fixture.store.view().txn(&request).unwrap().succeeded
}

fn check(request: &TxnRequest) -> Result<(), StoreError> {
    check_txn(request, TXN_OPERATIONS_MAX, TXN_NESTING_MAX)
}

#[test]
fn every_target_compares_in_every_way() {
    let mut fixture = Fixture::new();
    fixture.grant(5).unwrap();
    fixture.put("other", "");
    fixture.apply(Operation::Put(PutRequest { lease: 5, ..put("a", "m") }));
    fixture.apply(Operation::Put(PutRequest { lease: 5, ..put("a", "m") }));
    // Version 2, created at 3, modified at 4, lease 5.
    let targets: [(fn(i64) -> CompareTarget, i64); 4] = [
        (CompareTarget::Version, 2),
        (CompareTarget::Create, 3),
        (CompareTarget::Mod, 4),
        (CompareTarget::Lease, 5),
    ];
    for (target, is) in targets {
        for than in is - 1..=is + 1 {
            let hold = |result| holds(&fixture, compare("a", result, target(than)));
            let found = [hold(Equal), hold(NotEqual), hold(Greater), hold(Less)];
            assert_eq!(found, [is == than, is != than, is > than, is < than], "{:?}", target(than));
        }
        assert!(holds(&fixture, compare("missing", Equal, target(0))));
        assert!(holds(&fixture, compare("missing", Less, target(1))));
    }
    for (than, order) in [
        ("l", [false, true, true, false]),
        ("m", [true, false, false, false]),
        ("ma", [false, true, false, true]),
    ] {
        let hold = |result| holds(&fixture, compare("a", result, CompareTarget::Value(than.into())));
        assert_eq!([hold(Equal), hold(NotEqual), hold(Greater), hold(Less)], order, "{than}");
    }
}

#[test]
fn a_missing_value_compares_to_nothing() {
    let fixture = Fixture::new();
    for result in [Equal, NotEqual, Greater, Less] {
        assert!(!holds(&fixture, compare("missing", result, CompareTarget::Value("".into()))));
    }
}

#[test]
fn a_compare_over_a_range_holds_for_every_key() {
    let mut fixture = Fixture::with(&["a1", "a2"]);
    let over = |range, result, target| Compare { range, result, target };
    assert!(holds(&fixture, over(KeyRange::prefix("a"), Equal, CompareTarget::Version(1))));
    fixture.put("a2", "");
    assert!(!holds(&fixture, over(KeyRange::prefix("a"), Equal, CompareTarget::Version(1))));
    assert!(
        holds(&fixture, over(KeyRange::prefix("x"), Equal, CompareTarget::Version(0))),
        "as a key that never was"
    );
    assert!(!holds(&fixture, over(KeyRange::prefix("x"), Equal, CompareTarget::Value("".into()))));
}

#[test]
fn all_compares_must_hold_and_the_other_branch_runs_else() {
    let mut fixture = Fixture::with(&["a"]);
    let mut request = TxnRequest {
        compare: vec![
            compare("a", Equal, CompareTarget::Version(1)),
            compare("a", Equal, CompareTarget::Version(9)),
        ],
        success: vec![put_op("yes", "")],
        failure: vec![put_op("no", "")],
    };
    assert!(!fixture.txn(request.clone()).unwrap().succeeded);
    assert!(fixture.get("no").is_some() && fixture.get("yes").is_none());
    request.compare.pop();
    assert!(fixture.txn(request).unwrap().succeeded);
    assert!(fixture.get("yes").is_some());
}

#[test]
fn later_operations_see_earlier_ones_and_answers_carry_revisions() {
    let mut fixture = Fixture::with(&["a", "b"]);
    let request = then(vec![
        get_op("a"),
        put_op("a", "new"),
        get_op("a"),
        delete_op("b", ""),
        get_op("b"),
        txn_op(vec![get_op("a")], vec![]),
    ]);
    let responses = fixture.txn(request).unwrap().responses;
    let read = |index: usize| match &responses[index] {
        ResponseOp::Range { revision, response } => {
            (*revision, response.kvs.first().map(|kv| (kv.value.clone(), kv.mod_revision)))
        }
        other => panic!("expected a range's answer, found {other:?}"),
    };
    assert_eq!(read(0), (3, Some(("a".into(), 2))));
    assert!(matches!(responses[1], ResponseOp::Put { revision: 4, .. }));
    assert_eq!(read(2), (4, Some(("new".into(), 4))));
    assert!(matches!(
        responses[3],
        ResponseOp::Delete { revision: 4, response: DeleteResponse { deleted: 1, .. } }
    ));
    assert_eq!(read(4), (4, None));
    assert!(matches!(responses[5], ResponseOp::Txn { revision: 4, .. }));
}

#[test]
fn a_range_within_may_read_the_past_but_not_its_own_future() {
    let mut fixture = Fixture::with(&["a"]);
    let reading_at = |revision| RequestOp::Range(RangeRequest { revision, ..reading(KeyRange::key("a")) });
    let responses = fixture.txn(then(vec![put_op("a", "new"), reading_at(2)])).unwrap().responses;
    let ResponseOp::Range { response, .. } = &responses[1] else { panic!("not a range's answer") };
    assert_eq!(response.kvs[0].value, "a");
    let future = Err(StoreError::FutureRevision { requested: 4, current: 3 });
    assert_eq!(fixture.txn(then(vec![put_op("a", "x"), reading_at(4)])), future);
    assert_eq!(fixture.get("a").unwrap().value, "new", "nothing of it happened");
    fixture.compact(3).unwrap();
    let compacted = Err(StoreError::Compacted { requested: 2, compacted: 3 });
    assert_eq!(fixture.txn(then(vec![put_op("a", "x"), reading_at(2)])), compacted);
}

#[test]
fn nested_compares_look_at_the_state_before() {
    let mut fixture = Fixture::new();
    let nested = TxnRequest {
        compare: vec![compare("a", Equal, CompareTarget::Version(0))],
        success: vec![put_op("b", "a was not there")],
        failure: vec![],
    };
    fixture.txn(then(vec![put_op("a", "1"), RequestOp::Txn(nested)])).unwrap();
    assert!(fixture.get("b").is_some());
}

#[test]
fn a_key_is_put_once_in_a_branch() {
    let duplicate = Err(StoreError::DuplicateKey);
    let put_a = || put_op("a", "1");
    let both = |success: Vec<RequestOp>| {
        let failing = TxnRequest { failure: success.clone(), ..TxnRequest::default() };
        assert_eq!(check(&then(success.clone())), check(&failing), "both branches are checked");
        check(&then(success))
    };
    assert_eq!(both(vec![put_a(), put_a()]), duplicate);
    assert_eq!(both(vec![put_a(), delete_op("a", "")]), duplicate);
    assert_eq!(both(vec![delete_op("0", "b"), put_a()]), duplicate);
    assert_eq!(both(vec![put_a(), txn_op(vec![put_a()], vec![])]), duplicate);
    assert_eq!(both(vec![txn_op(vec![], vec![put_a()]), put_a()]), duplicate);
    assert_eq!(both(vec![txn_op(vec![put_a()], vec![]), txn_op(vec![put_a()], vec![])]), duplicate);
    assert_eq!(both(vec![delete_op("a", ""), txn_op(vec![put_a()], vec![])]), duplicate);
    assert_eq!(both(vec![txn_op(vec![delete_op("a", "")], vec![]), put_a()]), duplicate);

    assert_eq!(both(vec![txn_op(vec![put_a()], vec![put_a()])]), Ok(()), "one of the two runs");
    assert_eq!(both(vec![delete_op("a", "c"), delete_op("b", "d")]), Ok(()), "deletes may overlap");
    assert_eq!(both(vec![put_a(), delete_op("b", ""), get_op("a")]), Ok(()));
    let apart = TxnRequest { success: vec![put_a()], failure: vec![put_a()], ..TxnRequest::default() };
    assert_eq!(check(&apart), Ok(()));

    let applied = Fixture::new().txn(then(vec![put_a(), put_a()]));
    assert_eq!(applied, Err(StoreError::DuplicateKey), "and is checked again when applied");
}

#[test]
fn one_transaction_may_delete_what_it_has_put_where_etcd_allows_it() {
    let mut fixture = Fixture::with(&["a"]);
    let request = then(vec![
        txn_op(vec![put_op("a", "2")], vec![]),
        txn_op(vec![delete_op("a", "")], vec![]),
        delete_op("x", "\0"),
        put_op("x", "1"),
    ]);
    assert_eq!(check(&request), Ok(()));
    let applied = fixture.apply(Operation::Txn(request));
    let kinds: Vec<_> = applied.events.iter().map(|event| (event.kind, event.kv.mod_revision)).collect();
    assert_eq!(kinds, [(EventKind::Put, 3), (EventKind::Delete, 3), (EventKind::Put, 3)]);
    assert_eq!(fixture.history(3).unwrap(), applied.events);
    assert!(fixture.get("a").is_none() && fixture.get("x").is_some());
}

#[test]
fn the_budget_is_the_longest_list_and_nesting_takes_from_it() {
    let reads = |count| vec![get_op("a"); count];
    let limit = TXN_OPERATIONS_MAX;
    let too_many = Err(StoreError::TooManyOperations { limit });
    assert_eq!(check(&then(reads(limit))), Ok(()));
    assert_eq!(check(&then(reads(limit + 1))), too_many);
    let many = vec![compare("a", Equal, CompareTarget::Version(0)); limit + 1];
    assert_eq!(check(&TxnRequest { compare: many, ..TxnRequest::default() }), too_many);
    let wide = TxnRequest { success: reads(limit), failure: reads(limit), ..TxnRequest::default() };
    assert_eq!(check(&wide), Ok(()), "lists do not add up");
    let nested = |inner| [reads(limit - 29), vec![txn_op(reads(inner), vec![])]].concat();
    assert_eq!(check(&then(nested(28))), Ok(()));
    assert_eq!(check(&then(nested(29))), too_many);
}

#[test]
fn read_only_transactions_run_on_a_view() {
    let mut fixture = Fixture::with(&["a"]);
    let request = TxnRequest {
        compare: vec![compare("a", Equal, CompareTarget::Version(1))],
        success: vec![get_op("a"), txn_op(vec![get_op("a")], vec![])],
        failure: vec![],
    };
    assert!(is_read_only(&request));
    let seen = fixture.store.view().txn(&request).unwrap();
    assert_eq!(fixture.txn(request), Ok(seen));
    let writing = then(vec![txn_op(vec![], vec![put_op("a", "1")])]);
    assert!(!is_read_only(&writing));
    assert_eq!(fixture.store.view().txn(&then(vec![put_op("a", "1")])), Err(StoreError::WriteInReadOnlyTxn));
}
