//! Proposals on their way through the log: an envelope that a follower forwards, or that stands in an entry.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_database::Attributes;
use synod_database::proposal::{Change, Envelope};
use synod_machine::NodeId;
use synod_storage::mvcc::{Operation, PutRequest};

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| {
        let Some(envelope) = Envelope::decode(Bytes::copy_from_slice(input)) else { return };
        assert_eq!(Envelope::decode(envelope.encode()), Some(envelope), "an envelope survives its own encoding");
    }
);

fn seeds() -> Vec<Bytes> {
    let put = PutRequest { key: "key".into(), value: "value".into(), ..PutRequest::default() };
    let published = Attributes {
        member: NodeId(1),
        home: 2,
        name: "n1".to_owned(),
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
    };
    let envelope = |change| Envelope { origin: NodeId(1), boot: 2, sequence: 3, floor: 1, change }.encode();
    vec![envelope(Change::Store(Operation::Put(put))), envelope(Change::Publish(published))]
}
