//! Three members in this process: real sockets, real directories, ports that the system picked.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_server::backend::Backend;
use synod_server::engine::{AutoCompaction, Member, MemberConfig, PeerMember, StartError};
use synod_server::http::Options;
use synod_server::metrics::Metrics;
use synod_server::proto::etcdserverpb as pb;
use synod_server::serve::{Running, ServeError, ServeOptions};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tonic::transport::{Channel, Endpoint};

/// Nothing that is waited for here takes this long on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub type Kv = pb::kv_client::KvClient<Channel>;

pub struct Cluster {
    directory: TempDir,
    peer_ports: Vec<SocketAddr>,
    running: Vec<Option<Running>>,
}

impl Cluster {
    pub async fn start(members: usize) -> Cluster {
        let mut cluster = Cluster::down(members);
        for member in 0..members {
            cluster.restart(member).await;
        }
        cluster
    }

    /// One whose members have not been started.
    pub fn down(members: usize) -> Cluster {
        let directory = TempDir::new().expect("a directory for the members");
        // Bound together, so that they differ; let go again for the members to take.
        let held: Vec<TcpListener> =
            (0..members).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let peer_ports = held.iter().map(|port| port.local_addr().expect("it is bound")).collect();
        drop(held);
        Cluster { directory, peer_ports, running: (0..members).map(|_| None).collect() }
    }

    /// What member `member` is started with.
    pub fn config(&self, member: usize) -> MemberConfig {
        let members = self.peer_ports.iter().enumerate().map(|(number, port)| PeerMember {
            id: number as u64 + 1,
            name: format!("m{number}"),
            urls: vec![format!("http://{port}")],
            addresses: vec![port.to_string().parse().expect("an address")],
        });
        MemberConfig {
            cluster_id: 0xc1,
            member_id: member as u64 + 1,
            data_dir: self.directory.path().join(format!("m{member}")),
            client_urls: vec![format!("http://client-of-m{member}")],
            listen_peers: vec![self.peer_ports[member]],
            peer_tls: None,
            members: members.collect(),
            heartbeat: Duration::from_millis(20),
            election: Duration::from_millis(200),
            snapshot_entries: 10_000,
            quota_bytes: 0,
            cache_bytes: 1 << 20,
        }
    }

    /// Starts a member that is down; its old port may be let go a moment later than its directory.
    pub async fn restart(&mut self, member: usize) {
        let config = self.config(member);
        let running = wait_for("a port to be free", async || {
            let options = ServeOptions {
                member: config.clone(),
                clients: vec![("127.0.0.1:0".parse().expect("an address"), None)],
                edge: Options { threads: NonZeroUsize::new(2).expect("it is two"), ..Options::default() },
                auto_compaction: AutoCompaction::Off,
            };
            match Running::start(options).await {
                Ok(running) => Some(running),
                Err(ServeError::Start(StartError::Transport(_))) => None,
                Err(error) => panic!("member {member} does not start: {error}"),
            }
        });
        self.running[member] = Some(running.await);
    }

    /// Ends a member at once: no hand-over, nothing made durable that was not.
    pub fn kill(&mut self, member: usize) {
        drop(self.running[member].take());
    }

    /// Ends a member in good order.
    pub async fn stop(&mut self, member: usize) {
        if let Some(running) = self.running[member].take() {
            running.stop().await;
        }
    }

    pub fn members(&self) -> std::ops::Range<usize> {
        0..self.running.len()
    }

    pub fn running(&self, member: usize) -> &Running {
        self.running[member].as_ref().expect("the member is up")
    }

    pub async fn channel(&self, member: usize) -> Channel {
        let address = self.running(member).addresses()[0];
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        soon(endpoint.connect()).await.expect("it listens")
    }

    pub async fn kv(&self, member: usize) -> Kv {
        Kv::new(self.channel(member).await)
    }

    /// The member that leads, once all that are up agree.
    pub async fn leader(&self) -> usize {
        wait_for("a leader that all know", async || {
            let mut leaders = self.running.iter().flatten().map(|up| up.backend().position().leader);
            let first = leaders.next().flatten()?;
            let leader = first as usize - 1;
            (leaders.all(|leader| leader == Some(first)) && self.running[leader].is_some()).then_some(leader)
        })
        .await
    }

    /// A member that is up and does not lead.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.members()
            .find(|member| *member != leader && self.running[*member].is_some())
            .expect("a follower")
    }
}

/// Starts a member that must not start.
pub async fn refused(config: MemberConfig) -> StartError {
    let runtime = Handle::current();
    let started =
        tokio::task::spawn_blocking(move || Member::start(config, Metrics::new().into(), &runtime)).await;
    match started.expect("it does not panic") {
        Ok(_) => panic!("it must not start"),
        Err(error) => error,
    }
}

/// Looks until there is something to see.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Fails a test that would wait for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it should have come long ago")
}

pub fn put(key: &str, value: &str) -> pb::PutRequest {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    pb::PutRequest { key, value, ..Default::default() }
}

pub fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: Bytes::copy_from_slice(key.as_bytes()), ..Default::default() }
}

/// The value that a linearizable read finds.
pub async fn value(kv: &mut Kv, key: &str) -> Option<Bytes> {
    let answer = soon(kv.range(get(key))).await.expect("it is answered").into_inner();
    answer.kvs.into_iter().next().map(|kv| kv.value)
}
