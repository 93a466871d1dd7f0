//! The service KV: reads, writes, transactions, compaction.
//!
//! A transaction that only reads needs no entry in the log. A write's request must fit the log; a read's need not.

use std::sync::Arc;

use bytes::BytesMut;
use synod_storage::mvcc::{Operation, Outcome, check_operation};
use tonic::Status;

use super::edge::{Edge, mismatch};
use super::encode::RangeAnswer;
use super::pieces::{self, Large};
use super::{check, convert, errors};
use crate::backend::{Applied, Backend};
use crate::proto::etcdserverpb as pb;

/// KV over a backend.
pub struct KvService<B>(pub Arc<Edge<B>>);

impl<B: Backend> KvService<B> {
    /// Reads keys.
    ///
    /// # Errors
    /// As [`check`] and the backend refuse; so it is with all that follow.
    pub async fn range(&self, request: pb::RangeRequest) -> Result<RangeAnswer, Status> {
        self.check_range(&request)?;
        let consistency = convert::consistency(request.serializable);
        let read = self.0.backend.range(convert::range_request(request), consistency).await?;
        let (header, response) = self.0.read(read);
        Ok(RangeAnswer { header, response })
    }

    /// Reads keys, as many as there are.
    pub async fn range_at_large(&self, request: pb::RangeRequest) -> Result<Large, Status> {
        let consistency = convert::consistency(request.serializable);
        let asked = convert::range_request(request.clone());
        if !asked.comes_in_pieces() {
            let mut out = BytesMut::new();
            self.range(request).await?.encode(&mut out);
            return Ok(Large::Whole(out.freeze()));
        }
        self.check_range(&request)?;
        let view = self.0.backend.frozen(consistency).await?;
        let header = self.0.header(view.revision());
        pieces::range(view, header, asked).await
    }

    /// Writes a key.
    pub async fn put(&self, request: pb::PutRequest) -> Result<pb::PutResponse, Status> {
        check::put(&request)?;
        check::size(&request, &self.0.limits)?;
        self.0.metrics.puts.inc();
        let applied = self.0.backend.propose(Operation::Put(convert::put_request(request))).await?;
        let Applied { revision, outcome: Outcome::Put(response) } = applied else { return Err(mismatch()) };
        Ok(convert::put_response(self.0.header(revision), response))
    }

    /// Deletes keys.
    pub async fn delete_range(
        &self,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Status> {
        check::delete(&request)?;
        check::size(&request, &self.0.limits)?;
        self.0.metrics.deletes.inc();
        let applied = self.0.backend.propose(Operation::Delete(convert::delete_request(request))).await?;
        let Applied { revision, outcome: Outcome::Delete(response) } = applied else {
            return Err(mismatch());
        };
        Ok(convert::delete_response(self.0.header(revision), response))
    }

    /// Evaluates a transaction.
    pub async fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse, Status> {
        check::txn(&request, self.0.limits.txn_operations_max)?;
        self.0.metrics.txns.inc();
        if let Some(consistency) = convert::read_only(&request) {
            let read = self.0.backend.read_txn(convert::txn_request(request), consistency).await?;
            let (header, response) = self.0.read(read);
            return Ok(convert::txn_response(header, response));
        }
        let size = check::size(&request, &self.0.limits);
        let operation = Operation::Txn(convert::txn_request(request));
        // Last in etcd's order but for the size: the same key written twice.
        check_operation(&operation, self.0.limits.txn_operations_max).map_err(errors::store_status)?;
        size?;
        let applied = self.0.backend.propose(operation).await?;
        let Applied { revision, outcome: Outcome::Txn(response) } = applied else { return Err(mismatch()) };
        Ok(convert::txn_response(self.0.header(revision), response))
    }

    fn check_range(&self, request: &pb::RangeRequest) -> Result<(), Status> {
        check::range(request)?;
        if !request.serializable && self.0.backend.position().is_learner {
            return Err(errors::LEARNER.status());
        }
        self.0.metrics.ranges.inc();
        Ok(())
    }

    /// Forgets history.
    pub async fn compact(&self, request: pb::CompactionRequest) -> Result<pb::CompactionResponse, Status> {
        let pb::CompactionRequest { revision, physical } = request;
        let applied = self.0.backend.propose(Operation::Compact { revision }).await?;
        if physical {
            self.0.backend.compaction_finished(revision).await?;
        }
        Ok(pb::CompactionResponse { header: self.0.header(applied.revision) })
    }
}
