//! What etcd's clients rest on, a test for each rule.

mod compaction;
mod history;
mod leases;
mod puts;
mod ranges;
mod revisions;
mod snapshots;
mod transactions;

use bytes::Bytes;
use synod_storage::{kv::MemoryKv, mvcc::*};

/// A store in memory that is driven one operation at a time.
struct Fixture {
    store: Store<MemoryKv>,
}

impl Fixture {
    fn new() -> Self {
        Self { store: Store::open(MemoryKv::new()).unwrap() }
    }

    /// A store with these puts, from revision 2 on.
    fn with(keys: &[&'static str]) -> Self {
        let mut fixture = Self::new();
        keys.iter().for_each(|key| drop(fixture.put(key, key)));
        fixture
    }

    fn apply(&mut self, operation: Operation) -> Applied {
        let index = self.store.applied_index() + 1;
        let applied = self.store.apply(index, &operation, Events::Collect).unwrap();
        self.store.flush().unwrap();
        applied
    }

    fn try_apply(&mut self, operation: Operation) -> Result<Outcome, StoreError> {
        self.apply(operation).outcome
    }

    fn put(&mut self, key: &'static str, value: &'static str) -> Applied {
        self.apply(Operation::Put(put(key, value)))
    }

    fn delete(&mut self, range: KeyRange) -> DeleteResponse {
        match self.try_apply(Operation::Delete(DeleteRequest { range, prev_kv: true })) {
            Ok(Outcome::Delete(response)) => response,
            other => panic!("expected a deletion's answer, found {other:?}"),
        }
    }

    fn txn(&mut self, request: TxnRequest) -> Result<TxnResponse, StoreError> {
        match self.try_apply(Operation::Txn(request))? {
            Outcome::Txn(response) => Ok(response),
            other => panic!("expected a transaction's answer, found {other:?}"),
        }
    }

    fn compact(&mut self, revision: Revision) -> Result<Outcome, StoreError> {
        self.try_apply(Operation::Compact { revision })
    }

    fn grant(&mut self, id: LeaseId) -> Result<Outcome, StoreError> {
        self.try_apply(Operation::LeaseGrant { id, ttl_seconds: 5 })
    }

    fn range(&self, request: RangeRequest) -> Result<RangeResponse, StoreError> {
        self.store.view().range(&request)
    }

    fn get(&self, key: &'static str) -> Option<KeyValue> {
        self.range(reading(KeyRange::key(key))).unwrap().kvs.pop()
    }

    fn keys(&self, request: RangeRequest) -> Vec<Bytes> {
        self.range(request).unwrap().kvs.into_iter().map(|kv| kv.key).collect()
    }

    fn history(&self, from: Revision) -> Result<Vec<Event>, StoreError> {
        let page = self.store.view().history(&KeyRange::all(), from, true, HistoryLimits::default())?;
        Ok(page.events)
    }
}

fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

fn put_op(key: &'static str, value: &'static str) -> RequestOp {
    RequestOp::Put(put(key, value))
}

fn delete_op(key: &'static str, end: &'static str) -> RequestOp {
    RequestOp::Delete(DeleteRequest { range: between(key, end), prev_kv: false })
}

fn get_op(key: &'static str) -> RequestOp {
    RequestOp::Range(reading(KeyRange::key(key)))
}

fn txn_op(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
    RequestOp::Txn(TxnRequest { compare: vec![], success, failure })
}

fn then(success: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success, ..TxnRequest::default() }
}

fn between(key: &'static str, end: &'static str) -> KeyRange {
    KeyRange { key: key.into(), end: end.into() }
}

fn reading(range: KeyRange) -> RangeRequest {
    RangeRequest { range, ..RangeRequest::default() }
}

fn compare(key: &'static str, result: CompareResult, target: CompareTarget) -> Compare {
    Compare { range: KeyRange::key(key), result, target }
}
