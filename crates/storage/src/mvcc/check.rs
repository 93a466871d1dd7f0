//! What is refused before it is proposed, and again when it is applied: keys that cannot be stored, transactions that are
//! too large or that touch a key twice.
//!
//! The rules for transactions are etcd's, to the letter, since a client must not see a difference:
//! - Each level counts the longest of its three lists against the budget; what is left is the budget of the level below.
//! - In one branch a key may be put once, nested branches included, and not be put where the branch deletes it. The two
//!   branches of a *nested* transaction may share a key, since only one of them runs.
//! - Deletes may overlap. A delete from a key *on* (its end is the zero byte) is not looked at, nor are deletes of a nested
//!   transaction held against the puts of an earlier sibling; the operations then simply run in their order.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{DeleteRequest, KeyRange, Operation, RequestOp, StoreError, TxnRequest, record::KEY_BYTES_MAX};

/// etcd's default for the most operations in one transaction.
pub const TXN_OPERATIONS_MAX: usize = 128;

/// Deepest nesting of transactions: more than the default budget allows, and little enough for any stack.
pub const TXN_NESTING_MAX: usize = 130;

/// Whether the store could apply `operation` as far as can be told without its content.
pub fn check_operation(operation: &Operation, txn_operations_max: usize) -> Result<(), StoreError> {
    match operation {
        Operation::Put(put) => check_key(&put.key),
        Operation::Txn(txn) => check_txn(txn, txn_operations_max, TXN_NESTING_MAX),
        Operation::Delete(_)
        | Operation::Compact { .. }
        | Operation::LeaseGrant { .. }
        | Operation::LeaseRevoke { .. } => Ok(()),
    }
}

/// Whether a transaction is within the budget of operations and nesting, and puts each key at most once.
pub fn check_txn(txn: &TxnRequest, operations_max: usize, nesting_max: usize) -> Result<(), StoreError> {
    check_size(txn, operations_max, nesting_max, operations_max)?;
    for branch in [&txn.success, &txn.failure] {
        check_touched_once(branch)?;
    }
    Ok(())
}

/// Whether nothing in either branch writes.
pub fn is_read_only(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|operation| match operation {
        RequestOp::Range(_) => true,
        RequestOp::Put(_) | RequestOp::Delete(_) => false,
        RequestOp::Txn(nested) => is_read_only(nested),
    })
}

pub(super) fn check_key(key: &Bytes) -> Result<(), StoreError> {
    match key.len() {
        0 => Err(StoreError::EmptyKey),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(StoreError::KeyTooLong { limit: KEY_BYTES_MAX }),
    }
}

fn check_size(txn: &TxnRequest, budget: usize, nesting: usize, limit: usize) -> Result<(), StoreError> {
    let operations = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    let (Some(left), Some(nesting)) = (budget.checked_sub(operations), nesting.checked_sub(1)) else {
        return Err(StoreError::TooManyOperations { limit });
    };
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            RequestOp::Txn(nested) => check_size(nested, left, nesting, limit)?,
            RequestOp::Put(put) => check_key(&put.key)?,
            RequestOp::Range(_) | RequestOp::Delete(_) => {}
        }
    }
    Ok(())
}

/// What a branch touches.
#[derive(Default)]
struct Touched<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<&'a KeyRange>,
}

impl<'a> Touched<'a> {
    fn put(&mut self, key: &'a [u8], shared: Option<&BTreeSet<&[u8]>>) -> Result<(), StoreError> {
        let twice = self.puts.contains(key) && shared.is_none_or(|shared| !shared.contains(key));
        if twice || self.deletes.iter().any(|range| deletes(range, key)) {
            return Err(StoreError::DuplicateKey);
        }
        self.puts.insert(key);
        Ok(())
    }
}

fn check_touched_once(branch: &[RequestOp]) -> Result<Touched<'_>, StoreError> {
    let mut touched = Touched::default();
    for operation in branch {
        if let RequestOp::Delete(DeleteRequest { range, .. }) = operation {
            touched.deletes.push(range);
        }
    }
    for operation in branch {
        let RequestOp::Txn(nested) = operation else { continue };
        let success = check_touched_once(&nested.success)?;
        let failure = check_touched_once(&nested.failure)?;
        for key in &success.puts {
            touched.put(key, None)?;
        }
        for key in &failure.puts {
            touched.put(key, Some(&success.puts))?;
        }
        touched.deletes.extend(success.deletes);
        touched.deletes.extend(failure.deletes);
    }
    for operation in branch {
        if let RequestOp::Put(put) = operation {
            touched.put(&put.key, None)?;
        }
    }
    Ok(touched)
}

fn deletes(range: &KeyRange, key: &[u8]) -> bool {
    range.end[..] != [0] && range.contains(key)
}
