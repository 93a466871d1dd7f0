//! Reads of a replica's store at one moment.

use synod_storage::kv::Reader;
use synod_storage::mvcc::{Revision, StoreError, View};

use crate::replica::members_of;
use crate::{Answer, Query};

/// Answers a query from a view; may run on any thread, beside applies. Gives the view's revision too.
pub fn answer<S: Reader>(view: &View<S>, query: &Query) -> (Revision, Result<Answer, StoreError>) {
    let answer = match query {
        Query::Range(request) => view.range(request).map(Answer::Range),
        Query::Txn(request) => view.txn(request).map(Answer::Txn),
        Query::Members => members_of(view).map(Answer::Members),
        Query::Leases => {
            view.leases().map(|leases| Answer::Leases(leases.into_iter().map(|(id, _)| id).collect()))
        }
        Query::LeaseKeys(id) => view.lease_keys(*id).map(Answer::LeaseKeys),
        Query::Revision => Ok(Answer::Revision),
        Query::HashKv(revision) => view.hash_kv(*revision).map(|hash| Answer::HashKv {
            hash: hash.hash,
            revision: hash.revision,
            compacted: hash.compacted,
        }),
        Query::Hash => view.hash().map(Answer::Hash),
    };
    (view.revision(), answer)
}
