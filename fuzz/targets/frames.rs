//! Frames between nodes: the same frames however the stream is cut, memory bounded by what arrived, nothing lost in a round trip.

#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_transport::frame::{Kind, encode_header, fuzz_frames};

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| fuzz_frames(input)
);

/// One frame of each kind, all of them in a row, and a header that claims a gigabyte.
fn seeds() -> Vec<Vec<u8>> {
    let frame = |kind: Kind, payload: &[u8]| [&encode_header(kind, [payload].into_iter()), payload].concat();
    let mut seeds = vec![
        frame(Kind::Data, b""),
        frame(Kind::Data, &[7; 300]),
        frame(Kind::Ping, b"12345678"),
        frame(Kind::Pong, b"12345678"),
    ];
    seeds.push(seeds.concat());
    seeds.push([&(1_u32 << 30).to_le_bytes()[..], &[1, 0, 0, 0, 0]].concat());
    seeds
}
