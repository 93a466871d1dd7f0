//! Two and more transports over loopback: order, bounds, death and return.

mod common;

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use common::{Node, cluster, config, loopback, peer, runtime, until};
use synod_transport::{Credit, NotSent, Payload};

/// Sends, waiting for room when there is none.
#[track_caller]
fn send_surely(node: &Node, to: u64, payload: &Payload) {
    until("room in the queue", || match node.transport.send(to, payload.clone()) {
        Ok(()) => Some(()),
        Err(NotSent::Full) => None,
        Err(error) => panic!("expected the link to stay up, found: {error}"),
    });
}

#[test]
fn a_hundred_thousand_frames_arrive_in_order_both_ways() {
    const FRAMES: usize = 100_000;
    let runtime = runtime();
    let nodes = cluster(&runtime, vec![config(1), config(2)]);
    std::thread::scope(|scope| {
        for (from, to) in [(1, 2), (2, 1)] {
            let node = &nodes[&from];
            scope.spawn(move || {
                for number in 0..FRAMES as u64 {
                    // Now and then a frame of several parts, one of them too large to be copied.
                    let mut parts = vec![Bytes::copy_from_slice(&number.to_le_bytes())];
                    if number % 1000 == 0 {
                        parts.push(Bytes::from(vec![number as u8; 50_000]));
                        parts.push(Bytes::from_static(b"end"));
                    }
                    send_surely(node, to, &parts.into());
                }
            });
        }
    });
    for (at, from) in [(2, 1), (1, 2)] {
        let node = &nodes[&at];
        node.until("all frames", |seen| (seen.frames.len() == FRAMES).then_some(()));
        let seen = node.inbox.seen.lock().unwrap();
        for (number, (sender, bytes)) in seen.frames.iter().enumerate() {
            assert_eq!((*sender, &bytes[..8]), (from, &(number as u64).to_le_bytes()[..]));
            if number % 1000 == 0 {
                assert_eq!(bytes.len(), 8 + 50_000 + 3);
                assert!(bytes[8..50_008].iter().all(|byte| *byte == number as u8) && bytes.ends_with(b"end"));
            }
        }
        assert_eq!(seen.links, [(from, true)]);
    }
    let counts = nodes[&1].counts(2);
    assert_eq!(counts.frames_received, FRAMES as u64);
    assert!(counts.writes * 2 < counts.frames_sent, "expected batches, found {counts:?}");
    assert!(counts.round_trip.is_some());
    until("all to be counted as sent", || (nodes[&1].counts(2).frames_sent == FRAMES as u64).then_some(()));
}

#[test]
fn a_peer_that_restarts_is_reported_down_at_once_and_linked_again() {
    let runtime = runtime();
    let mut nodes = cluster(&runtime, vec![config(1), config(2), config(3)]);
    let old = nodes.remove(&2).unwrap();
    let address = old.address;
    runtime.block_on(old.transport.shutdown());
    nodes[&1].until_down(2, 1);
    assert_eq!(nodes[&1].transport.send(2, Bytes::new()), Err(NotSent::Down));
    assert_eq!(nodes[&1].transport.credit(2), Credit::default());
    assert_eq!(nodes[&1].counts(2).frames_dropped_down, 1);

    let mut again = config(2);
    again.listen = vec![address];
    again.peers = vec![peer(1, nodes[&1].address), peer(3, nodes[&3].address)];
    let new = Node::start(&runtime, again);
    nodes[&1].until_up(2);
    new.until_up(1);
    send_surely(&nodes[&1], 2, &Bytes::from_static(b"welcome back").into());
    send_surely(&new, 1, &Bytes::from_static(b"thanks").into());
    assert_eq!(new.until("a frame", |seen| seen.frames.first().cloned()).1, "welcome back");
    assert_eq!(nodes[&1].until("a frame", |seen| seen.frames.first().cloned()).1, "thanks");
    let seen = nodes[&1].inbox.seen.lock().unwrap();
    let links: Vec<_> = seen.links.iter().filter(|(id, _)| *id == 2).map(|(_, up)| *up).collect();
    assert_eq!(links, [true, false, true]);
}

#[test]
fn nothing_is_delivered_about_a_removed_peer_and_it_is_refused() {
    let runtime = runtime();
    let nodes = cluster(&runtime, vec![config(1), config(2)]);
    nodes[&1].transport.set_peers([]);
    assert_eq!(nodes[&1].transport.send(2, Bytes::new()), Err(NotSent::UnknownPeer));
    nodes[&2].until_down(1, 1);
    until("a refusal with its reason", || {
        let counts = nodes[&2].counts(1);
        let told = counts.last_error.is_some_and(|error| error.contains("does not know this member"));
        (told && counts.refusals_received > 0).then_some(())
    });
    assert_eq!(nodes[&1].inbox.seen.lock().unwrap().links, [(2, true)]);

    // Taken in again, it is linked again.
    nodes[&1].transport.set_peers([peer(2, nodes[&2].address)]);
    nodes[&1].until("a second link", |seen| (seen.links == [(2, true), (2, true)]).then_some(()));
    nodes[&2].until_up(1);
}

#[test]
fn a_peer_that_moved_is_dialed_at_its_new_address() {
    let runtime = runtime();
    let mut nodes = cluster(&runtime, vec![config(1), config(2)]);
    let mut elsewhere = config(2);
    elsewhere.peers = vec![peer(1, nodes[&1].address)];
    let elsewhere = Node::start(&runtime, elsewhere);
    let old = nodes.remove(&2).unwrap();
    runtime.block_on(old.transport.shutdown());
    nodes[&1].transport.set_peers([peer(2, elsewhere.address)]);
    nodes[&1].until("down and up", |seen| (seen.links.ends_with(&[(2, false), (2, true)])).then_some(()));
    send_surely(&nodes[&1], 2, &Bytes::from_static(b"hello").into());
    elsewhere.until("a frame", |seen| seen.frames.first().cloned());
}

#[test]
fn a_full_queue_drops_and_counts() {
    let runtime = runtime();
    let mut small = config(1);
    small.limits.frame_bytes_max = 100_000;
    small.limits.peer_queue_bytes_max = 400_000;
    let mut slow = config(2);
    slow.limits.frame_bytes_max = 100_000;
    slow.limits.peer_inbound_bytes_max = 1000;
    let nodes = cluster(&runtime, vec![small, slow]);
    assert_eq!(nodes[&1].transport.credit(2).bytes, 400_000);
    let too_large: Payload = vec![Bytes::from(vec![0; 100_000]), Bytes::from_static(b"!")].into();
    assert_eq!(nodes[&1].transport.send(2, too_large), Err(NotSent::TooLarge));

    // The receiver digests nothing, so it reads no further, so the system's buffers fill, and then the queue.
    nodes[&2].inbox.seen.lock().unwrap().keep_permits = true;
    let payload = Bytes::from(vec![5; 50_000]);
    let mut sent = 0_usize;
    let mut full = 0;
    until("a queue that stays full", || {
        match nodes[&1].transport.send(2, payload.clone()) {
            Ok(()) => (sent, full) = (sent + 1, 0),
            Err(NotSent::Full) => full += 1,
            Err(error) => panic!("expected the link to stay up, found: {error}"),
        }
        (full == 10_000).then_some(())
    });
    let counts = nodes[&1].counts(2);
    assert!(counts.frames_dropped_full >= 10_000);
    assert_eq!(counts.frames_dropped_large, 1);
    assert!(nodes[&1].transport.credit(2).bytes < 50_000);
    let held: usize = nodes[&2].inbox.seen.lock().unwrap().frames.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(
        held <= 1000 + 2 * 100_000,
        "expected the receiver to stop reading, found {held} bytes delivered"
    );

    // It digests: everything that was accepted arrives.
    let permits = {
        let mut seen = nodes[&2].inbox.seen.lock().unwrap();
        seen.keep_permits = false;
        std::mem::take(&mut seen.permits)
    };
    drop(permits);
    nodes[&2].until("all that was accepted", |seen| (seen.frames.len() == sent).then_some(()));
    until("an empty queue", || (nodes[&1].transport.credit(2).bytes == 400_000).then_some(()));
}

#[test]
fn a_peer_that_answers_no_ping_is_reported_down() {
    let runtime = runtime();
    let mut impatient = config(1);
    impatient.timeouts.ping_interval = Duration::from_millis(20);
    impatient.timeouts.silence = Duration::from_millis(300);
    let nodes = cluster(&runtime, vec![impatient, config(2)]);
    // A receiver that digests nothing reads nothing, pings included.
    let mut window_full = config(3);
    window_full.limits.peer_inbound_bytes_max = 1;
    window_full.peers = vec![peer(1, nodes[&1].address)];
    let deaf = Node::start(&runtime, window_full);
    deaf.inbox.seen.lock().unwrap().keep_permits = true;
    nodes[&1].transport.set_peers([peer(2, nodes[&2].address), peer(3, deaf.address)]);
    nodes[&1].until_up(3);
    send_surely(&nodes[&1], 3, &Bytes::from_static(b"too much").into());
    nodes[&1].until_down(3, 1);
    let counts = nodes[&1].counts(3);
    assert!(counts.stalls >= 1, "{counts:?}");
    // One that answers stays up meanwhile.
    assert_eq!(nodes[&1].inbox.seen.lock().unwrap().downs(2), 0);
}

#[test]
fn shutdown_closes_the_port_and_silences() {
    let runtime = runtime();
    let mut nodes = cluster(&runtime, vec![config(1), config(2)]);
    let one = nodes.remove(&1).unwrap();
    let (inbox, address) = (one.inbox, one.address);
    runtime.block_on(one.transport.shutdown());
    nodes[&2].until_down(1, 1);
    assert_eq!(inbox.seen.lock().unwrap().links, [(2, true)], "expected no report after the shutdown");
    assert_eq!(std::sync::Arc::strong_count(&inbox), 1, "expected the callback to be gone");
    let error = std::net::TcpStream::connect(address).and_then(|mut stream| stream.read(&mut [0; 1]));
    assert!(error.is_err(), "expected a closed port, found {error:?}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let runtime = runtime();
    let node = Node::start(&runtime, config(1));
    let mut same = config(2);
    same.listen = vec![loopback()[0], node.address];
    let error = synod_transport::Transport::start(same, drop, runtime.handle()).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen for peers on {}", node.address)), "{error}");
}

#[test]
fn frames_keep_their_order_whoever_writes_them() {
    const FRAMES: u32 = 2000;
    let runtime = runtime();
    let nodes = cluster(&runtime, vec![config(1), config(2)]);
    // Two threads, with pauses such that now the callers write, now the link's task, and frames that no
    // socket takes at once, so that one takes over from the other within a frame.
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let node = &nodes[&1];
            scope.spawn(move || {
                for number in 0..FRAMES {
                    let bytes = if number % 100 == 0 { 4 << 20 } else { 300 };
                    let head = Bytes::from([thread.to_le_bytes(), number.to_le_bytes()].concat());
                    let begun = std::time::Instant::now();
                    while begun.elapsed() < Duration::from_micros(u64::from(number * 7 % 30)) {
                        std::hint::spin_loop();
                    }
                    send_surely(node, 2, &vec![head, Bytes::from(vec![number as u8; bytes])].into());
                }
            });
        }
    });
    nodes[&2].until("all frames", |seen| (seen.frames.len() == 2 * FRAMES as usize).then_some(()));
    let seen = nodes[&2].inbox.seen.lock().unwrap();
    for thread in 0..2_u32 {
        let of_thread = seen.frames.iter().filter(|(_, bytes)| bytes[..4] == thread.to_le_bytes());
        for ((_, bytes), number) in of_thread.zip(0..FRAMES) {
            assert_eq!(bytes[4..8], number.to_le_bytes());
            assert!(bytes[8..].iter().all(|byte| *byte == number as u8));
        }
    }
    let counts = nodes[&1].counts(2);
    assert_eq!((counts.ups, counts.frames_dropped_lost), (1, 0));
}
