//! The handshake between nodes: hello and answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_transport::{ANSWER_BYTES, Answer, HELLO_BYTES, Hello, Refusal, Versions, fuzz_hello};

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| {
        fuzz_hello(input);
        // A checksum stops most mutations at the door; behind it the fields are to be tried, too.
        fuzz_hello(&with_checksum::<HELLO_BYTES>(input));
        fuzz_hello(&with_checksum::<ANSWER_BYTES>(input));
    }
);

/// The input, cut or padded to `SIZE`, with the checksum that it should have.
fn with_checksum<const SIZE: usize>(input: &[u8]) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let body_bytes = SIZE - 4;
    let length = input.len().min(body_bytes);
    bytes[..length].copy_from_slice(&input[..length]);
    let checksum = crc32fast::hash(&bytes[..body_bytes]);
    bytes[body_bytes..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let versions = Versions::SPOKEN;
    let hello = Hello { versions, cluster: 1, from: 2, to: 3, home: 7, instance: 4, attempt: 5 };
    let answer = |verdict| {
        Answer { versions, from: 3, instance: 6, hello_instance: 4, hello_attempt: 5, verdict }.encode()
    };
    vec![
        hello.encode().to_vec(),
        answer(Ok(1)).to_vec(),
        answer(Err(Refusal::WrongCluster)).to_vec(),
        answer(Err(Refusal::Overtaken)).to_vec(),
        answer(Err(Refusal::OtherHome)).to_vec(),
    ]
}
