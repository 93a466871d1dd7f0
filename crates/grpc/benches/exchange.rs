//! What the protocol costs without a socket: calls from a client to a server and back, and what they are made of.
//! `cargo bench -p synod-grpc --bench exchange`.

use std::collections::VecDeque;
use std::hint::black_box;

use bytes::{Buf as _, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use synod_grpc::hpack::{Decoder, Encoder, Field};
use synod_grpc::{CallHead, Connection, Event, Limits, Messages};

/// Calls that are under way together.
const BATCH: u64 = 8;

/// A client and a server with a wire between them that costs a copy.
struct Pair {
    client: Connection,
    server: Connection,
    to_server: BytesMut,
    to_client: BytesMut,
    events: VecDeque<Event>,
    head: CallHead,
}

impl Pair {
    fn new() -> Self {
        Pair {
            client: Connection::client(Limits::default()),
            server: Connection::server(Limits::default()),
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            events: VecDeque::new(),
            head: CallHead::new("/etcdserverpb.KV/Range", false, "127.0.0.1:2379", "synod/0.1.0"),
        }
    }

    /// A batch of calls of 20 bytes, answered with so many.
    fn exchange(&mut self, answer: &[u8]) {
        for _ in 0..BATCH {
            let stream = self.client.call(&mut self.head, true, |out| out.extend_from_slice(&[7; 20]));
            stream.expect("there is always room");
        }
        carry(self.client.output(), &mut self.to_server);
        self.server.receive(&mut self.to_server, &mut self.events).expect("the client keeps the rules");
        while let Some(event) = self.events.pop_front() {
            if let Event::Data { stream, data, .. } = event {
                self.server.release(stream, data.len());
                let mut messages = Messages::default();
                messages.push(data);
                black_box(messages.next(1_000).expect("it is a message"));
                self.server.answer(stream, |out| out.extend_from_slice(answer));
            }
        }
        carry(self.server.output(), &mut self.to_client);
        self.client.receive(&mut self.to_client, &mut self.events).expect("the server keeps the rules");
        while let Some(event) = self.events.pop_front() {
            if let Event::Data { stream, data, .. } = event {
                self.client.release(stream, data.len());
            }
        }
    }
}

fn carry(output: &mut BytesMut, input: &mut BytesMut) {
    input.extend_from_slice(output);
    output.advance(output.len());
    output.clear();
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(BATCH));
    for bytes in [0, 300, 4_000] {
        let (mut pair, answer) = (Pair::new(), vec![7; bytes]);
        group.bench_function(format!("answer of {bytes} bytes"), |bencher| {
            bencher.iter(|| pair.exchange(&answer));
        });
    }
    group.finish();
}

fn heads(criterion: &mut Criterion) {
    let fields = [
        Field::again(":method", "POST"),
        Field::again(":scheme", "http"),
        Field::again(":path", "/etcdserverpb.KV/Range"),
        Field::again(":authority", "127.0.0.1:2379"),
        Field::again("content-type", "application/grpc"),
        Field::again("te", "trailers"),
        Field::once("grpc-timeout", b"4999873u"),
    ];
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let mut block = BytesMut::new();
    encoder.encode(&fields, &mut block);
    decoder.decode(&block, |_, _| {}).expect("it can be read");
    criterion.bench_function("head written", |bencher| {
        bencher.iter(|| {
            block.clear();
            encoder.encode(black_box(&fields), &mut block);
        });
    });
    criterion.bench_function("head read", |bencher| {
        bencher.iter(|| {
            decoder.decode(black_box(&block), |name, value| {
                black_box((name.bytes(), value.bytes()));
            })
        });
    });
}

criterion_group!(benches, calls, heads);
criterion_main!(benches);
