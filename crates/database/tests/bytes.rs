//! Messages, writes and envelopes: what is encoded comes back, and nothing else is believed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use synod_database::proposal::{CLIENT_URLS_MAX, Change, Envelope};
use synod_database::{Attributes, GroupId, LeaseTime, Message, Write, raft, wire};
use synod_machine::{NodeId, RequestId};
use synod_storage::mvcc::{Operation, PutRequest};

fn payload() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn messages() -> impl Strategy<Value = Message> {
    let time = (any::<u64>(), any::<u64>()).prop_map(|(granted, remaining)| LeaseTime {
        granted: Duration::from_nanos(granted),
        remaining: Duration::from_nanos(remaining),
    });
    let forward = prop::collection::vec(payload(), 0..5);
    let lease = (any::<u64>(), any::<u64>(), any::<i64>(), any::<bool>(), prop::option::of(time));
    (any::<u32>(), forward, lease, 0..4u8).prop_map(|(group, envelopes, lease, kind)| {
        let group = GroupId(group);
        let (boot, id, lease, renew, time) = lease;
        let id = RequestId(id);
        match kind {
            0 => Message::Forward { group, envelopes },
            1 => Message::Lease { group, boot, id, lease, renew },
            2 => Message::LeaseAnswer { group, boot, id, lease, time },
            _ => Message::LeaseRefused { group, boot, id },
        }
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let put = (payload(), payload(), any::<i64>(), any::<bool>()).prop_map(|(key, value, lease, prev_kv)| {
        let key = if key.is_empty() { Bytes::from_static(b"k") } else { key };
        Change::Store(Operation::Put(PutRequest { key, value, lease, prev_kv, ..PutRequest::default() }))
    });
    let revoke = any::<i64>().prop_map(|id| Change::Store(Operation::LeaseRevoke { id }));
    let publish = (any::<[u64; 2]>(), ".{0,9}", prop::collection::vec(".{0,9}", 0..4)).prop_map(
        |([member, home], name, client_urls)| {
            Change::Publish(Attributes { member: NodeId(member), home, name, client_urls })
        },
    );
    prop_oneof![put, revoke, publish]
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    (any::<[u64; 4]>(), changes()).prop_map(|([origin, boot, sequence, floor], change)| Envelope {
        origin: NodeId(origin),
        boot,
        sequence,
        floor,
        change,
    })
}

fn message_bytes(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    wire::encode_message(message, &mut out);
    out.freeze()
}

fn write_bytes(write: &Write) -> Bytes {
    let mut out = BytesMut::new();
    wire::encode_write(write, &mut out);
    out.freeze()
}

proptest! {
    #[test]
    fn messages_come_back(message in messages()) {
        let bytes = message_bytes(&message);
        prop_assert_eq!(wire::decode_message(bytes.clone()), Some(message));
        for length in 0..bytes.len() {
            prop_assert_eq!(wire::decode_message(bytes.slice(..length)), None, "cut at {}", length);
        }
        let longer = [&bytes[..], b"x"].concat();
        prop_assert_eq!(wire::decode_message(longer.into()), None);
    }

    #[test]
    fn envelopes_come_back(envelope in envelopes()) {
        let bytes = envelope.encode();
        prop_assert_eq!(Envelope::decode(bytes.clone()), Some(envelope));
        for length in 0..bytes.len() {
            prop_assert_eq!(Envelope::decode(bytes.slice(..length)), None, "cut at {}", length);
        }
        prop_assert_eq!(Envelope::decode([&bytes[..], b"x"].concat().into()), None);
    }

    #[test]
    fn boots_come_back(number: u64) {
        let write = Write::Boot { number };
        prop_assert_eq!(wire::decode_write(write_bytes(&write)), Some(write));
    }

    /// Bytes that begin as ours do reach deeper than bytes that do not.
    #[test]
    fn arbitrary_bytes_do_no_harm(mut bytes: Vec<u8>, begins: bool, kind in 0..6u8) {
        if begins {
            bytes.splice(0..0, [wire::WIRE_VERSION, kind]);
        }
        if let Some(message) = wire::decode_message(bytes.clone().into()) {
            prop_assert_eq!(wire::decode_message(message_bytes(&message)), Some(message));
        }
        if let Some(write) = wire::decode_write(bytes.clone().into()) {
            prop_assert_eq!(wire::decode_write(write_bytes(&write)), Some(write));
        }
        if let Some(envelope) = Envelope::decode(bytes.into()) {
            prop_assert_eq!(Envelope::decode(envelope.encode()), Some(envelope));
        }
    }
}

#[test]
fn raft_goes_through_with_its_group() {
    let point = raft::SnapshotPoint::default();
    let write = Write::Raft { group: GroupId(7), write: raft::Write::Base(point) };
    assert_eq!(wire::decode_write(write_bytes(&write)), Some(write));
}

#[test]
fn a_claim_of_many_envelopes_allocates_nothing() {
    let mut bytes = message_bytes(&Message::Forward { group: GroupId(0), envelopes: Vec::new() }).to_vec();
    let count = bytes.len() - 4;
    bytes[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(wire::decode_message(bytes.into()), None);
}

#[test]
fn what_is_too_long_for_a_member_is_cut_between_characters() {
    let long = format!("x{}", "ü".repeat(40_000));
    let attributes = Attributes {
        member: NodeId(1),
        home: 2,
        name: long.clone(),
        client_urls: vec!["u".to_owned(); CLIENT_URLS_MAX + 1],
    };
    let change = Change::Publish(attributes);
    let envelope = Envelope { origin: NodeId(1), boot: 1, sequence: 1, floor: 1, change };
    let Some(Envelope { change: Change::Publish(read), .. }) = Envelope::decode(envelope.encode()) else {
        panic!("an entry that cannot be read back stops every replica")
    };
    assert_eq!((read.name.len(), read.client_urls.len()), (65_535, CLIENT_URLS_MAX));
    assert!(long.starts_with(&read.name));
}
