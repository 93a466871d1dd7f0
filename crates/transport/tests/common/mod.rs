//! A node for tests: a transport on a loopback port, and a record of what it delivered that can be waited on.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_transport::{Config, Delivery, PeerAddresses, PeerCounts, Permit, Transport};
use tokio::runtime::Runtime;

/// Nothing that is waited for takes longer, or the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const CLUSTER: u64 = 0xc1;

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What was delivered, in order.
#[derive(Default)]
pub struct Seen {
    pub frames: Vec<(u64, Bytes)>,
    pub links: Vec<(u64, bool)>,
    /// Who refused this node because of its directory.
    pub refused: Vec<u64>,
    /// Kept while `keep_permits`.
    pub permits: Vec<Permit>,
    pub keep_permits: bool,
}

impl Seen {
    /// Whether the last that was heard of a peer is that it is up.
    pub fn up(&self, peer: u64) -> bool {
        self.links.iter().rev().find(|(id, _)| *id == peer).is_some_and(|(_, up)| *up)
    }

    pub fn downs(&self, peer: u64) -> usize {
        self.links.iter().filter(|link| **link == (peer, false)).count()
    }
}

#[derive(Default)]
pub struct Inbox {
    pub seen: Mutex<Seen>,
    changed: Condvar,
}

pub struct Node {
    pub transport: Transport,
    pub inbox: Arc<Inbox>,
    pub address: SocketAddr,
}

impl Node {
    pub fn start(runtime: &Runtime, config: Config) -> Node {
        let inbox = Arc::new(Inbox::default());
        let sink = Arc::clone(&inbox);
        let deliver = move |delivery| {
            let mut seen = sink.seen.lock().unwrap();
            match delivery {
                Delivery::Frame { from, bytes, permit } => {
                    seen.frames.push((from, bytes));
                    if seen.keep_permits {
                        seen.permits.push(permit);
                    }
                }
                Delivery::Up { peer } => seen.links.push((peer, true)),
                Delivery::Down { peer } => seen.links.push((peer, false)),
                Delivery::Disowned { peer } => seen.refused.push(peer),
            }
            sink.changed.notify_all();
        };
        let transport = Transport::start(config, deliver, runtime.handle()).unwrap();
        let address = transport.local_addresses()[0];
        Node { transport, inbox, address }
    }

    /// Waits until what was delivered satisfies `condition`.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut condition: impl FnMut(&mut Seen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.inbox.seen.lock().unwrap();
        loop {
            if let Some(value) = condition(&mut seen) {
                return value;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "expected {what}; links {:?}, counts {:#?}",
                seen.links,
                self.transport.counts()
            );
            seen = self.inbox.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    #[track_caller]
    pub fn until_up(&self, peer: u64) {
        self.until(&format!("peer {peer} up"), |seen| seen.up(peer).then_some(()));
    }

    #[track_caller]
    pub fn until_down(&self, peer: u64, times: usize) {
        self.until(&format!("peer {peer} down {times} times"), |seen| {
            (seen.downs(peer) >= times).then_some(())
        });
    }

    pub fn counts(&self, peer: u64) -> PeerCounts {
        self.transport.counts().peers[&peer].clone()
    }
}

/// Waits for a condition that nothing announces.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "expected {what}");
        std::thread::yield_now();
    }
}

pub fn loopback() -> Vec<SocketAddr> {
    vec!["127.0.0.1:0".parse().unwrap()]
}

pub fn config(member: u64) -> Config {
    Config::new(CLUSTER, member, loopback())
}

pub fn peer(id: u64, address: SocketAddr) -> PeerAddresses {
    PeerAddresses { id, addresses: vec![address.into()] }
}

/// Nodes 1, 2, … that all know each other and whose links are all up.
pub fn cluster(runtime: &Runtime, configs: Vec<Config>) -> BTreeMap<u64, Node> {
    let nodes: BTreeMap<u64, Node> =
        configs.into_iter().map(|config| (config.member, Node::start(runtime, config))).collect();
    for node in nodes.values() {
        node.transport.set_peers(nodes.iter().map(|(id, node)| peer(*id, node.address)));
    }
    for (id, node) in &nodes {
        nodes.keys().filter(|other| *other != id).for_each(|other| node.until_up(*other));
    }
    nodes
}
