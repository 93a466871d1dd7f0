//! The binary form of an [`Operation`], as it is replicated in the log.
//!
//! A version byte, a tag, then the fields in their order: numbers as varints, byte strings with their length, lists with
//! their count. The decoder shares the input (keys and values are slices of it), is bounded in nesting and list length, and
//! refuses what it does not know: an entry that cannot be decoded was written by a newer program or is damaged, and must not be
//! skipped, or replicas would part.

use bytes::Bytes;

use super::{
    Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange, Operation, PutRequest, RangeRequest,
    RequestOp, SortOrder, SortTarget, TxnRequest,
    check::TXN_NESTING_MAX,
    wire::{DecodeError, Decoder, put_bytes, put_signed, put_varint},
};

/// The format that is written, and the newest that is read.
const VERSION: u8 = 1;

/// Most elements of one list of a transaction: beyond any sensible configuration, and no danger to memory.
pub const TXN_LIST_ITEMS_MAX: usize = 65_536;

impl Operation {
    /// Its binary form.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out.into()
    }

    /// Appends its binary form to a buffer.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        match self {
            Self::Put(put) => {
                out.reserve(put.key.len() + put.value.len() + 24);
                out.push(0);
                encode_put(out, put);
            }
            Self::Delete(delete) => {
                out.push(1);
                encode_delete(out, delete);
            }
            Self::Txn(txn) => {
                out.push(2);
                encode_txn(out, txn);
            }
            Self::Compact { revision } => {
                out.push(3);
                put_signed(out, *revision);
            }
            Self::LeaseGrant { id, ttl_seconds } => {
                out.push(4);
                put_signed(out, *id);
                put_signed(out, *ttl_seconds);
            }
            Self::LeaseRevoke { id } => {
                out.push(5);
                put_signed(out, *id);
            }
        }
    }

    /// Reads the binary form back; keys and values are slices of `bytes`.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        const WHAT: &str = "operation";
        let mut decoder = Decoder::new(bytes);
        let found = decoder.byte(WHAT)?;
        if found != VERSION {
            return Err(DecodeError::UnknownVersion { what: WHAT, found, supported: VERSION });
        }
        let operation = match decoder.byte(WHAT)? {
            0 => Self::Put(decode_put(&mut decoder)?),
            1 => Self::Delete(decode_delete(&mut decoder)?),
            2 => Self::Txn(decode_txn(&mut decoder, TXN_NESTING_MAX)?),
            3 => Self::Compact { revision: decoder.signed("revision")? },
            4 => {
                let id = decoder.signed("lease")?;
                Self::LeaseGrant { id, ttl_seconds: decoder.signed("time to live")? }
            }
            5 => Self::LeaseRevoke { id: decoder.signed("lease")? },
            tag => return Err(DecodeError::UnknownTag { what: WHAT, tag }),
        };
        decoder.finish()?;
        Ok(operation)
    }
}

fn encode_range_of_keys(out: &mut Vec<u8>, range: &KeyRange) {
    put_bytes(out, &range.key);
    put_bytes(out, &range.end);
}

fn decode_range_of_keys(decoder: &mut Decoder) -> Result<KeyRange, DecodeError> {
    Ok(KeyRange { key: decoder.bytes("key")?, end: decoder.bytes("end of a range")? })
}

fn encode_put(out: &mut Vec<u8>, put: &PutRequest) {
    put_bytes(out, &put.key);
    put_bytes(out, &put.value);
    put_signed(out, put.lease);
    out.push(flags([put.prev_kv, put.ignore_value, put.ignore_lease]));
}

fn decode_put(decoder: &mut Decoder) -> Result<PutRequest, DecodeError> {
    let key = decoder.bytes("key")?;
    let value = decoder.bytes("value")?;
    let lease = decoder.signed("lease")?;
    let [prev_kv, ignore_value, ignore_lease] = split_flags(decoder, "options of a put")?;
    Ok(PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease })
}

fn encode_delete(out: &mut Vec<u8>, delete: &DeleteRequest) {
    encode_range_of_keys(out, &delete.range);
    out.push(flags([delete.prev_kv]));
}

fn decode_delete(decoder: &mut Decoder) -> Result<DeleteRequest, DecodeError> {
    let range = decode_range_of_keys(decoder)?;
    let [prev_kv] = split_flags(decoder, "options of a delete")?;
    Ok(DeleteRequest { range, prev_kv })
}

fn encode_range(out: &mut Vec<u8>, request: &RangeRequest) {
    encode_range_of_keys(out, &request.range);
    out.push(flags([request.keys_only, request.count_only]));
    out.push(match request.sort_order {
        SortOrder::None => 0,
        SortOrder::Ascend => 1,
        SortOrder::Descend => 2,
    });
    out.push(match request.sort_target {
        SortTarget::Key => 0,
        SortTarget::Version => 1,
        SortTarget::Create => 2,
        SortTarget::Mod => 3,
        SortTarget::Value => 4,
    });
    for number in [
        request.limit,
        request.revision,
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ] {
        put_signed(out, number);
    }
}

fn decode_range(decoder: &mut Decoder) -> Result<RangeRequest, DecodeError> {
    let range = decode_range_of_keys(decoder)?;
    let [keys_only, count_only] = split_flags(decoder, "options of a range")?;
    let sort_order = match decoder.byte("sort order")? {
        0 => SortOrder::None,
        1 => SortOrder::Ascend,
        2 => SortOrder::Descend,
        tag => return Err(DecodeError::UnknownTag { what: "sort order", tag }),
    };
    let sort_target = match decoder.byte("sort target")? {
        0 => SortTarget::Key,
        1 => SortTarget::Version,
        2 => SortTarget::Create,
        3 => SortTarget::Mod,
        4 => SortTarget::Value,
        tag => return Err(DecodeError::UnknownTag { what: "sort target", tag }),
    };
    Ok(RangeRequest {
        range,
        sort_order,
        sort_target,
        keys_only,
        count_only,
        limit: decoder.signed("limit")?,
        revision: decoder.signed("revision")?,
        min_mod_revision: decoder.signed("least mod revision")?,
        max_mod_revision: decoder.signed("greatest mod revision")?,
        min_create_revision: decoder.signed("least create revision")?,
        max_create_revision: decoder.signed("greatest create revision")?,
    })
}

fn encode_txn(out: &mut Vec<u8>, txn: &TxnRequest) {
    put_varint(out, txn.compare.len() as u64);
    txn.compare.iter().for_each(|compare| encode_compare(out, compare));
    for branch in [&txn.success, &txn.failure] {
        put_varint(out, branch.len() as u64);
        branch.iter().for_each(|operation| encode_request_op(out, operation));
    }
}

fn decode_txn(decoder: &mut Decoder, nesting_left: usize) -> Result<TxnRequest, DecodeError> {
    let nesting_left = nesting_left.checked_sub(1).ok_or(DecodeError::TooDeep)?;
    Ok(TxnRequest {
        compare: decode_list(decoder, decode_compare)?,
        success: decode_list(decoder, |decoder| decode_request_op(decoder, nesting_left))?,
        failure: decode_list(decoder, |decoder| decode_request_op(decoder, nesting_left))?,
    })
}

/// The list grows as elements are found, not by the count that is claimed.
fn decode_list<T>(
    decoder: &mut Decoder,
    mut element: impl FnMut(&mut Decoder) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = decoder.varint("length of a list")?;
    if count > TXN_LIST_ITEMS_MAX as u64 {
        return Err(DecodeError::OutOfRange { what: "length of a list" });
    }
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(element(decoder)?);
    }
    Ok(list)
}

fn encode_compare(out: &mut Vec<u8>, compare: &Compare) {
    encode_range_of_keys(out, &compare.range);
    out.push(match compare.result {
        CompareResult::Equal => 0,
        CompareResult::Greater => 1,
        CompareResult::Less => 2,
        CompareResult::NotEqual => 3,
    });
    let (tag, number) = match &compare.target {
        CompareTarget::Version(number) => (0, *number),
        CompareTarget::Create(number) => (1, *number),
        CompareTarget::Mod(number) => (2, *number),
        CompareTarget::Lease(number) => (4, *number),
        CompareTarget::Value(value) => {
            out.push(3);
            return put_bytes(out, value);
        }
    };
    out.push(tag);
    put_signed(out, number);
}

fn decode_compare(decoder: &mut Decoder) -> Result<Compare, DecodeError> {
    let range = decode_range_of_keys(decoder)?;
    let result = match decoder.byte("result of a compare")? {
        0 => CompareResult::Equal,
        1 => CompareResult::Greater,
        2 => CompareResult::Less,
        3 => CompareResult::NotEqual,
        tag => return Err(DecodeError::UnknownTag { what: "result of a compare", tag }),
    };
    const WHAT: &str = "target of a compare";
    let target = match decoder.byte(WHAT)? {
        0 => CompareTarget::Version(decoder.signed(WHAT)?),
        1 => CompareTarget::Create(decoder.signed(WHAT)?),
        2 => CompareTarget::Mod(decoder.signed(WHAT)?),
        3 => CompareTarget::Value(decoder.bytes(WHAT)?),
        4 => CompareTarget::Lease(decoder.signed(WHAT)?),
        tag => return Err(DecodeError::UnknownTag { what: WHAT, tag }),
    };
    Ok(Compare { range, result, target })
}

fn encode_request_op(out: &mut Vec<u8>, operation: &RequestOp) {
    match operation {
        RequestOp::Range(request) => {
            out.push(0);
            encode_range(out, request);
        }
        RequestOp::Put(request) => {
            out.push(1);
            encode_put(out, request);
        }
        RequestOp::Delete(request) => {
            out.push(2);
            encode_delete(out, request);
        }
        RequestOp::Txn(request) => {
            out.push(3);
            encode_txn(out, request);
        }
    }
}

fn decode_request_op(decoder: &mut Decoder, nesting_left: usize) -> Result<RequestOp, DecodeError> {
    match decoder.byte("operation of a transaction")? {
        0 => decode_range(decoder).map(RequestOp::Range),
        1 => decode_put(decoder).map(RequestOp::Put),
        2 => decode_delete(decoder).map(RequestOp::Delete),
        3 => decode_txn(decoder, nesting_left).map(RequestOp::Txn),
        tag => Err(DecodeError::UnknownTag { what: "operation of a transaction", tag }),
    }
}

fn flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit).sum()
}

fn split_flags<const N: usize>(decoder: &mut Decoder, what: &'static str) -> Result<[bool; N], DecodeError> {
    let byte = decoder.byte(what)?;
    if u32::from(byte) >= 1 << N {
        return Err(DecodeError::UnknownTag { what, tag: byte });
    }
    Ok(std::array::from_fn(|bit| byte & 1 << bit != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Bytes::from)
    }

    fn range_of_keys() -> impl Strategy<Value = KeyRange> {
        (bytes(), bytes()).prop_map(|(key, end)| KeyRange { key, end })
    }

    fn put() -> impl Strategy<Value = PutRequest> {
        (bytes(), bytes(), any::<i64>(), any::<[bool; 3]>()).prop_map(|(key, value, lease, flags)| {
            let [prev_kv, ignore_value, ignore_lease] = flags;
            PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease }
        })
    }

    fn delete() -> impl Strategy<Value = DeleteRequest> {
        (range_of_keys(), any::<bool>()).prop_map(|(range, prev_kv)| DeleteRequest { range, prev_kv })
    }

    fn range() -> impl Strategy<Value = RangeRequest> {
        let order = prop::sample::select(vec![SortOrder::None, SortOrder::Ascend, SortOrder::Descend]);
        let target = prop::sample::select(vec![
            SortTarget::Key,
            SortTarget::Version,
            SortTarget::Create,
            SortTarget::Mod,
            SortTarget::Value,
        ]);
        (range_of_keys(), order, target, any::<[bool; 2]>(), any::<[i64; 6]>()).prop_map(
            |(range, sort_order, sort_target, flags, numbers)| RangeRequest {
                range,
                sort_order,
                sort_target,
                keys_only: flags[0],
                count_only: flags[1],
                limit: numbers[0],
                revision: numbers[1],
                min_mod_revision: numbers[2],
                max_mod_revision: numbers[3],
                min_create_revision: numbers[4],
                max_create_revision: numbers[5],
            },
        )
    }

    fn compare() -> impl Strategy<Value = Compare> {
        let result = prop::sample::select(vec![
            CompareResult::Equal,
            CompareResult::Greater,
            CompareResult::Less,
            CompareResult::NotEqual,
        ]);
        let target = prop_oneof![
            any::<i64>().prop_map(CompareTarget::Version),
            any::<i64>().prop_map(CompareTarget::Create),
            any::<i64>().prop_map(CompareTarget::Mod),
            any::<i64>().prop_map(CompareTarget::Lease),
            bytes().prop_map(CompareTarget::Value),
        ];
        (range_of_keys(), result, target).prop_map(|(range, result, target)| Compare {
            range,
            result,
            target,
        })
    }

    fn txn() -> impl Strategy<Value = TxnRequest> {
        let leaf = prop_oneof![
            range().prop_map(RequestOp::Range),
            put().prop_map(RequestOp::Put),
            delete().prop_map(RequestOp::Delete),
        ];
        let operation = leaf.prop_recursive(3, 24, 3, |inner| {
            let branch = || prop::collection::vec(inner.clone(), 0..3);
            (prop::collection::vec(compare(), 0..2), branch(), branch()).prop_map(
                |(compare, success, failure)| RequestOp::Txn(TxnRequest { compare, success, failure }),
            )
        });
        let branch = prop::collection::vec(operation, 0..4);
        (prop::collection::vec(compare(), 0..3), branch.clone(), branch)
            .prop_map(|(compare, success, failure)| TxnRequest { compare, success, failure })
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            put().prop_map(Operation::Put),
            delete().prop_map(Operation::Delete),
            txn().prop_map(Operation::Txn),
            any::<i64>().prop_map(|revision| Operation::Compact { revision }),
            any::<[i64; 2]>().prop_map(|[id, ttl_seconds]| Operation::LeaseGrant { id, ttl_seconds }),
            any::<i64>().prop_map(|id| Operation::LeaseRevoke { id }),
        ]
    }

    proptest! {
        #[test]
        fn operations_come_back(operation in operation()) {
            prop_assert_eq!(Operation::decode(operation.encode()), Ok(operation));
        }

        /// Cut short or with a byte changed, it is refused or means something else, but does no harm.
        #[test]
        fn damaged_operations_do_no_harm(operation in operation(), at: prop::sample::Index, byte: u8) {
            let bytes = operation.encode();
            let at = at.index(bytes.len());
            prop_assert!(Operation::decode(bytes.slice(..at)).is_err());
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            let _ = Operation::decode(changed.into());
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(tag in 0u8..6, bytes: Vec<u8>) {
            let bytes = [&[VERSION, tag][..], &bytes].concat();
            let _ = Operation::decode(bytes.into());
        }
    }

    #[test]
    fn decoding_shares_the_input() {
        let put = PutRequest { key: "key".into(), value: vec![7; 100].into(), ..PutRequest::default() };
        let bytes = Operation::Put(put).encode();
        let within = bytes.as_ptr_range();
        let Ok(Operation::Put(put)) = Operation::decode(bytes) else { panic!("not a put") };
        assert!(within.contains(&put.value.as_ptr()));
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        let mut bytes = vec![VERSION, 2];
        for _ in 0..100_000 {
            // No compares, one operation in the success branch: a transaction.
            bytes.extend_from_slice(&[0, 1, 3]);
        }
        assert_eq!(Operation::decode(bytes.into()), Err(DecodeError::TooDeep));
    }
}
