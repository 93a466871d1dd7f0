//! Answers with many keys, written straight from the store's terms into the output.
//!
//! A list of a hundred keys would otherwise be built a second time, as the API's messages, only to be written and dropped; and the events of a
//! revision once for each watcher. The bytes are those that the generated messages come to; tests compare them.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use synod_storage::mvcc::{Event, EventKind, KeyValue, RangeResponse};

use crate::proto::etcdserverpb as pb;

/// Tag of a field that is a number, and of one that has a length.
const fn number_tag(field: u8) -> u8 {
    field << 3
}

const fn length_tag(field: u8) -> u8 {
    field << 3 | 2
}

/// The answer to a read.
#[derive(Clone, Debug, Default)]
pub struct RangeAnswer {
    /// Who answers.
    pub header: Option<pb::ResponseHeader>,
    /// What was read.
    pub response: RangeResponse,
}

impl RangeAnswer {
    /// Writes the message.
    pub fn encode(&self, out: &mut BytesMut) {
        let RangeResponse { kvs, more, count } = &self.response;
        range_begin(self.header.as_ref(), out);
        range_keys(kvs, out);
        range_end(*more, *count, out);
    }
}

/// Writes what stands before the keys of an answer to a read.
pub fn range_begin(header: Option<&pb::ResponseHeader>, out: &mut BytesMut) {
    if let Some(header) = header {
        put_message(out, length_tag(1), header);
    }
}

/// Writes some of its keys.
pub fn range_keys(kvs: &[KeyValue], out: &mut BytesMut) {
    for kv in kvs {
        put_key_value(out, length_tag(2), kv);
    }
}

/// What [`range_keys`] comes to.
pub fn range_keys_bytes(kvs: &[KeyValue]) -> usize {
    kvs.iter().map(|kv| field_bytes(key_value_bytes(kv))).sum()
}

/// Writes what stands behind the keys.
pub fn range_end(more: bool, count: i64, out: &mut BytesMut) {
    put_number(out, 3, i64::from(more));
    put_number(out, 4, count);
}

/// The field of events of a watch's answer, the version before only if asked for.
pub fn events(events: &[Event], prev_kv: bool) -> Bytes {
    let mut out = BytesMut::new();
    for event in events {
        let before = event.prev_kv.as_ref().filter(|_| prev_kv);
        let kind = match event.kind {
            EventKind::Put => 0,
            EventKind::Delete => 1,
        };
        let length = number_bytes(kind)
            + field_bytes(key_value_bytes(&event.kv))
            + before.map_or(0, |kv| field_bytes(key_value_bytes(kv)));
        out.reserve(field_bytes(length));
        out.put_u8(length_tag(11));
        encode_varint(length as u64, &mut out);
        put_number(&mut out, 1, kind);
        put_key_value(&mut out, length_tag(2), &event.kv);
        if let Some(kv) = before {
            put_key_value(&mut out, length_tag(3), kv);
        }
    }
    out.freeze()
}

fn put_message(out: &mut BytesMut, tag: u8, message: &impl Message) {
    out.put_u8(tag);
    message.encode_length_delimited(out).expect("the buffer grows");
}

fn put_key_value(out: &mut BytesMut, tag: u8, kv: &KeyValue) {
    let length = key_value_bytes(kv);
    out.reserve(field_bytes(length));
    out.put_u8(tag);
    encode_varint(length as u64, out);
    put_bytes(out, 1, &kv.key);
    put_number(out, 2, kv.create_revision);
    put_number(out, 3, kv.mod_revision);
    put_number(out, 4, kv.version);
    put_bytes(out, 5, &kv.value);
    put_number(out, 6, kv.lease);
}

fn key_value_bytes(kv: &KeyValue) -> usize {
    bytes_bytes(&kv.key)
        + number_bytes(kv.create_revision)
        + number_bytes(kv.mod_revision)
        + number_bytes(kv.version)
        + bytes_bytes(&kv.value)
        + number_bytes(kv.lease)
}

/// What has its default value is left out.
fn put_number(out: &mut BytesMut, field: u8, value: i64) {
    if value != 0 {
        out.put_u8(number_tag(field));
        encode_varint(value as u64, out);
    }
}

fn put_bytes(out: &mut BytesMut, field: u8, value: &[u8]) {
    if !value.is_empty() {
        out.put_u8(length_tag(field));
        encode_varint(value.len() as u64, out);
        out.extend_from_slice(value);
    }
}

fn number_bytes(value: i64) -> usize {
    if value == 0 { 0 } else { 1 + encoded_len_varint(value as u64) }
}

fn bytes_bytes(value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { field_bytes(value.len()) }
}

/// Bytes of a field that has so many, with its tag and length.
fn field_bytes(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::convert;
    use super::*;

    fn key_value() -> impl Strategy<Value = KeyValue> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        let number = || prop_oneof![Just(0), 1..300_i64, any::<i64>()];
        (bytes(), bytes(), number(), number(), number(), number()).prop_map(
            |(key, value, create_revision, mod_revision, version, lease)| KeyValue {
                key,
                value,
                create_revision,
                mod_revision,
                version,
                lease,
            },
        )
    }

    fn event() -> impl Strategy<Value = Event> {
        (any::<bool>(), key_value(), prop::option::of(key_value())).prop_map(|(deletes, kv, prev_kv)| Event {
            kind: if deletes { EventKind::Delete } else { EventKind::Put },
            kv,
            prev_kv,
        })
    }

    proptest! {
        #[test]
        fn a_read_is_written_as_the_message_is(
            kvs in prop::collection::vec(key_value(), 0..5),
            (more, count, revision) in (any::<bool>(), 0..9_i64, prop::option::of(any::<i64>())),
        ) {
            let header = revision.map(|revision| pb::ResponseHeader { revision, member_id: 7, ..Default::default() });
            let response = RangeResponse { kvs, more, count };
            let mut written = BytesMut::new();
            RangeAnswer { header, response: response.clone() }.encode(&mut written);
            prop_assert_eq!(&written[..], convert::range_response(header, response.clone()).encode_to_vec());
            let mut keys = BytesMut::new();
            range_keys(&response.kvs, &mut keys);
            prop_assert_eq!(range_keys_bytes(&response.kvs), keys.len());
        }

        #[test]
        fn events_are_written_as_the_message_has_them(list in prop::collection::vec(event(), 1..4), prev_kv in any::<bool>()) {
            let expected = pb::WatchResponse {
                events: list.iter().map(|event| convert::event(event, prev_kv)).collect(),
                ..Default::default()
            };
            prop_assert_eq!(&events(&list, prev_kv)[..], expected.encode_to_vec());
        }
    }
}
