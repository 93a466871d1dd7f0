//! What can be refused from a request alone, in the order in which etcd looks, since the first fault names the error.
//!
//! A transaction is counted before it is looked into: the longest of its three lists must fit the budget, and a nested
//! transaction has what its parent's longest list left. So the depth of nesting is bounded too. That one branch writes
//! the same key twice is found last, by the store's own rule.

use prost::Message;

use super::errors::{self, ApiError};
use super::limits::Limits;
use crate::proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, compare, range_request,
    request_op::Request,
};

/// A read names a key and known sort options.
pub fn range(request: &RangeRequest) -> Result<(), ApiError> {
    key(&request.key)?;
    let order = range_request::SortOrder::try_from(request.sort_order);
    let target = range_request::SortTarget::try_from(request.sort_target);
    if order.is_err() || target.is_err() { Err(errors::INVALID_SORT_OPTION) } else { Ok(()) }
}

/// A write names a key, and does not give what it asks to keep.
pub fn put(request: &PutRequest) -> Result<(), ApiError> {
    key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(errors::VALUE_PROVIDED);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(errors::LEASE_PROVIDED);
    }
    Ok(())
}

/// A deletion names a key.
pub fn delete(request: &DeleteRangeRequest) -> Result<(), ApiError> {
    key(&request.key)
}

/// Every list of the transaction fits the budget, and every operation in it is well formed.
pub fn txn(request: &TxnRequest, operations_max: usize) -> Result<(), ApiError> {
    let longest = request.compare.len().max(request.success.len()).max(request.failure.len());
    let Some(remaining) = operations_max.checked_sub(longest) else {
        return Err(errors::TOO_MANY_OPERATIONS);
    };
    request.compare.iter().try_for_each(comparison)?;
    request.success.iter().chain(&request.failure).try_for_each(|op| operation(op, remaining))
}

/// A request that goes into the log fits there.
pub fn size(request: &impl Message, limits: &Limits) -> Result<(), ApiError> {
    if request.encoded_len() > limits.request_bytes_max { Err(errors::REQUEST_TOO_LARGE) } else { Ok(()) }
}

fn operation(op: &RequestOp, remaining: usize) -> Result<(), ApiError> {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete(request),
        Some(Request::RequestTxn(request)) => txn(request, remaining),
        None => Err(errors::KEY_NOT_FOUND),
    }
}

/// etcd lets an unknown result hold and takes an unknown target for equal; a guard that nobody understands must not open.
fn comparison(compare: &Compare) -> Result<(), ApiError> {
    key(&compare.key)?;
    let result = compare::CompareResult::try_from(compare.result);
    let target = compare::CompareTarget::try_from(compare.target);
    if result.is_err() || target.is_err() { Err(errors::UNKNOWN_COMPARE) } else { Ok(()) }
}

fn key(key: &[u8]) -> Result<(), ApiError> {
    if key.is_empty() { Err(errors::EMPTY_KEY) } else { Ok(()) }
}
