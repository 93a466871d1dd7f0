//! How fast two transports in one process exchange frames of 256 bytes over loopback.
//!
//! `cargo run --release -p synod-transport --example transport_speed`
//!
//! First one frame at a time, there and back, each end answering from its own thread as a node would; then as
//! many frames as go, one way, with the sender held back by the queue only.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_transport::{Config, Delivery, NotSent, PeerAddresses, Transport};
use tokio::runtime::{Builder, Handle};

const PAYLOAD_BYTES: usize = 256;
const ROUND_TRIPS: usize = 20_000;
const FRAMES: usize = 2_000_000;

fn start(member: u64, runtime: &Handle) -> (Transport, Receiver<Delivery>) {
    let config = Config::new(1, member, vec![([127, 0, 0, 1], 0).into()]);
    let (sender, receiver): (Sender<Delivery>, _) = channel();
    let deliver = move |delivery| drop(sender.send(delivery));
    (Transport::start(config, deliver, runtime).expect("loopback can be listened on"), receiver)
}

fn next_frame(inbox: &Receiver<Delivery>) -> Option<Bytes> {
    loop {
        match inbox.recv().ok()? {
            Delivery::Frame { bytes, .. } => return Some(bytes),
            Delivery::Up { .. } | Delivery::Down { .. } | Delivery::Disowned { .. } => {}
        }
    }
}

fn send(transport: &Transport, peer: u64, payload: &Bytes) {
    while let Err(NotSent::Full | NotSent::Down) = transport.send(peer, payload.clone()) {
        std::thread::yield_now();
    }
}

fn main() {
    let runtimes = [1, 2].map(|_| {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be started")
    });
    let (one, one_inbox) = start(1, runtimes[0].handle());
    let (two, two_inbox) = start(2, runtimes[1].handle());
    let peer = |id, transport: &Transport| PeerAddresses {
        id,
        addresses: vec![transport.local_addresses()[0].into()],
    };
    one.set_peers([peer(2, &two)]);
    two.set_peers([peer(1, &one)]);
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);

    std::thread::scope(|scope| {
        let (one, two, payload) = (&one, &two, &payload);
        // Node 2: echoes, then counts.
        let other_end = scope.spawn(move || {
            for _ in 0..ROUND_TRIPS {
                let bytes = next_frame(&two_inbox).expect("node 1 is alive");
                send(two, 1, &bytes);
            }
            (0..FRAMES).for_each(|_| drop(next_frame(&two_inbox)));
        });
        exchange(one, &one_inbox, payload);
        let begun = Instant::now();
        (0..FRAMES).for_each(|_| send(one, 2, payload));
        other_end.join().expect("node 2 counts to the end");
        report_one_way(one, begun.elapsed());
    });
}

fn exchange(transport: &Transport, inbox: &Receiver<Delivery>, payload: &Bytes) {
    let mut times: Vec<Duration> = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        send(transport, 2, payload);
        next_frame(inbox).expect("node 2 is alive");
        times.push(begun.elapsed());
    }
    let total: Duration = times.iter().sum();
    times.sort();
    println!(
        "round trips: {:.0}/s, p50 {:?}, p99 {:?}",
        ROUND_TRIPS as f64 / total.as_secs_f64(),
        times[ROUND_TRIPS / 2],
        times[ROUND_TRIPS * 99 / 100]
    );
}

fn report_one_way(transport: &Transport, took: Duration) {
    let counts = &transport.counts().peers[&2];
    println!(
        "one way: {:.0} frames/s, {:.0} MB/s, {:.0} frames a write, {} refused for a full queue",
        FRAMES as f64 / took.as_secs_f64(),
        (FRAMES * PAYLOAD_BYTES) as f64 / 1e6 / took.as_secs_f64(),
        counts.frames_sent as f64 / counts.writes as f64,
        counts.frames_dropped_full
    );
}
