//! Messages between nodes and writes in the log, with the consensus inside them.
//!
//! The first byte chooses the decoder. What can be read must be written back to the same bytes, and read again: two encodings of
//! one message would be two truths.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use synod_database::raft::{self, Chunk, Configuration, Entry, Index, Payload, Place, SnapshotPoint, Term};
use synod_database::{GroupId, LeaseTime, Message, Write, wire};
use synod_machine::{NodeId, RequestId};

const MESSAGE: u8 = 0;
const WRITE: u8 = 1;

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| exercise(input)
);

fn exercise(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let bytes = Bytes::copy_from_slice(rest);
    if kind % 2 == MESSAGE {
        let Some(message) = wire::decode_message(bytes) else { return };
        let again = encoded(|out| wire::encode_message(&message, out));
        assert_eq!(wire::decode_message(again), Some(message), "a message survives its own encoding");
    } else {
        let Some(write) = wire::decode_write(bytes) else { return };
        let again = encoded(|out| wire::encode_write(&write, out));
        assert_eq!(wire::decode_write(again), Some(write), "a write survives its own encoding");
    }
}

fn encoded(encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.freeze()
}

fn seeds() -> Vec<Vec<u8>> {
    let messages =
        messages().into_iter().map(|message| (MESSAGE, encoded(|out| wire::encode_message(&message, out))));
    let writes = writes().into_iter().map(|write| (WRITE, encoded(|out| wire::encode_write(&write, out))));
    messages.chain(writes).map(|(kind, bytes)| [&[kind], &bytes[..]].concat()).collect()
}

fn messages() -> Vec<Message> {
    let (group, term, index) = (GroupId(0), Term(3), Index(9));
    let place = Place { term, index };
    let of_raft = [
        raft::Message::Vote { term, last: place, pre: true, transfer: false },
        raft::Message::Append { term, previous: place, entries: entries(), commit: index },
        raft::Message::Rejected { term, previous: index, hint: place },
        raft::Message::Heartbeat { term, commit: index, round: 5, quiesce: false },
        raft::Message::Snapshot {
            term,
            point: point(),
            chunk: Chunk { cursor: Bytes::new(), next: Some("next".into()), data: "data".into() },
        },
    ];
    let time = Some(LeaseTime {
        granted: std::time::Duration::from_secs(60),
        remaining: std::time::Duration::from_secs(1),
    });
    let mut messages = vec![
        Message::Forward { group, envelopes: vec!["one".into(), "two".into()] },
        Message::Lease { group, boot: 3, id: RequestId(1), lease: 7, renew: true },
        Message::LeaseAnswer { group, boot: 3, id: RequestId(1), lease: 7, time },
        Message::LeaseRefused { group, boot: 3, id: RequestId(1) },
    ];
    messages.extend(of_raft.into_iter().map(|message| Message::Raft { group, message }));
    messages
}

fn writes() -> Vec<Write> {
    let group = GroupId(0);
    let of_raft = [
        raft::Write::Vote { term: Term(3), vote: Some(NodeId(1)) },
        raft::Write::Append(entries()),
        raft::Write::Base(point()),
        raft::Write::Reset(point()),
    ];
    let mut writes = vec![Write::Boot { number: 2 }];
    writes.extend(of_raft.into_iter().map(|write| Write::Raft { group, write }));
    writes
}

fn entries() -> Vec<Entry> {
    let payloads = [Payload::Noop, Payload::Command("put".into()), Payload::Configuration(configuration())];
    (1..)
        .zip(payloads)
        .map(|(index, payload)| Entry { term: Term(3), index: Index(index), payload })
        .collect()
}

fn point() -> SnapshotPoint {
    SnapshotPoint { index: Index(9), term: Term(3), configuration: configuration() }
}

fn configuration() -> Configuration {
    let nodes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
    Configuration { voters: nodes(&[1, 2, 3]), outgoing: nodes(&[]), learners: nodes(&[4]) }
}
