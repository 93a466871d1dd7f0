//! One member of a cluster: opened from its directory, run by its threads, asked by the API.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use synod_database::{
    Attributes, Command, Consistency, GroupId, Node, NodeConfig, Query, Replica, ReplicaConfig, Replicas,
    ShardConfig, Write, members_of, raft, wire,
};
use synod_machine::{NodeId, Ticket};
use synod_storage::kv::{FjallKv, FjallOptions, KvError};
use synod_storage::mvcc::StoreError;
use synod_storage::wal::{Log, LogError, LogOptions};
use synod_transport::{Address, Delivery, Homes, PeerAddresses, TlsFiles, Transport};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::apply::Applier;
use super::clients::{Served, Waiter};
use super::core::{ClientCommand, Core, CoreInput};
use super::disk::Disk;
use super::home;
use super::shared::{Engine, Shared, panic_text};
use super::timed::TimedKv;
use crate::backend::{Identity, Member as MemberInfo};
use crate::metrics::Metrics;

/// How long a stopping leader waits for its successor.
const HANDOVER_TIME: Duration = Duration::from_millis(1_000);
/// Heartbeats of a leader at rest within an election timeout. A connection that breaks is evidence enough of most deaths, and
/// each heartbeat wakes every member.
const RESTFUL_HEARTBEATS: u32 = 4;
/// Time between two tries to publish a member's name and URLs.
const PUBLISH_AGAIN: Duration = Duration::from_millis(500);

/// What a member needs to know to start.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Never 0.
    pub cluster_id: u64,
    /// Never 0; one of `members`.
    pub member_id: u64,
    /// Its own directory; created if missing.
    pub data_dir: PathBuf,
    /// Where clients reach it, as told to other members' clients.
    pub client_urls: Vec<String>,
    /// Where it listens for its peers.
    pub listen_peers: Vec<SocketAddr>,
    /// TLS between peers.
    pub peer_tls: Option<TlsFiles>,
    /// All members, this one too.
    pub members: Vec<PeerMember>,
    /// A leader speaks at least this often.
    pub heartbeat: Duration,
    /// A follower that hears nothing for this long, and up to twice that, stands for election.
    pub election: Duration,
    /// Entries applied between two moments at which the store is made durable and the log is cut.
    pub snapshot_entries: u64,
    /// The store may take this many bytes, 0 for no limit.
    pub quota_bytes: u64,
    /// Bytes of memory for the store's caches.
    pub cache_bytes: u64,
}

/// A member as the configuration names it.
#[derive(Clone, Debug)]
pub struct PeerMember {
    /// Never 0.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its advertised peer URLs, as they were given.
    pub urls: Vec<String>,
    /// The same, to be dialed.
    pub addresses: Vec<Address>,
}

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be used.
    #[error("data directory {}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory belongs to someone else.
    #[error("data directory {} belongs to {found}, this member is {expected}; use another directory, or the flags it was created with", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who wants it.
        expected: String,
    },
    /// The log is gone, though there is data.
    #[error("the log in {} is gone: its votes are lost, so it must not start: the other members go on without it, and it can be replaced when memberships can be changed", path.display())]
    LogLost {
        /// Where the log should be.
        path: PathBuf,
    },
    /// The store has lost what it once had durably.
    #[error(
        "the store has entries up to {applied} but the log begins after {base}: the store is damaged, and this member must not start: the other members go on without it, and it can be replaced when memberships can be changed"
    )]
    StoreLost {
        /// The last entry that the store has.
        applied: u64,
        /// The last entry that the log has let go.
        base: u64,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record of the log is not of this version.
    #[error(
        "record {record} of the log is not of this version of the program; use the version that wrote it"
    )]
    Record {
        /// Its number.
        record: u64,
    },
    /// The store's engine cannot be opened.
    #[error("the store in {} cannot be opened: {source}. Check the disk; the other members go on without this one", path.display())]
    Engine {
        /// Where the store lies.
        path: PathBuf,
        /// What the engine says.
        source: KvError,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A consensus setting cannot work.
    #[error("{0}")]
    Config(String),
    /// The transport does not start.
    #[error(transparent)]
    Transport(#[from] synod_transport::StartError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running member. The API's side of it is [`Member::backend`].
///
/// [`Member::stop`] ends it in good order. Dropping it ends it at once, as a crash would, and waits for its threads.
pub struct Member {
    config: Arc<MemberConfig>,
    shared: Arc<Shared>,
    transport: Arc<Transport>,
    threads: Threads,
}

/// A member's threads. Dropping them stops the member where it stands, as far as that can be done from within its process:
/// nothing more is made durable than what was, nobody is told, and when the drop returns the directory is free.
struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stop();
        for handle in self.handles.drain(..) {
            // A thread that panicked has said so through `failure`.
            let _ = handle.join();
        }
    }
}

/// The API's side of a member.
#[derive(Clone)]
pub struct MemberBackend {
    pub(super) config: Arc<MemberConfig>,
    pub(super) shared: Arc<Shared>,
    /// Not kept alive by clients that are still being served: the port is free as soon as the member has ended.
    pub(super) transport: Weak<Transport>,
}

impl Member {
    /// Opens the directory, starts the threads and begins to talk to the peers.
    ///
    /// # Errors
    /// [`StartError`]; nothing keeps running.
    pub fn start(
        config: MemberConfig,
        metrics: Arc<Metrics>,
        runtime: &Handle,
    ) -> Result<Member, StartError> {
        let config = Arc::new(config);
        let me = NodeId(config.member_id);
        let group = GroupId::default();
        let directory = config.data_dir.join("member");
        let claimed = home::claimed(&directory, &config)?;
        let log_path = directory.join("wal");
        // The log is begun before the directory is claimed: a claimed one without a log has lost it, and its votes with it.
        if claimed.is_some() && !has_files(&log_path) {
            return Err(StartError::LogLost { path: log_path });
        }
        let (log, recovered) = Log::open(&log_path, LogOptions::default())?;
        let home = match claimed {
            Some(home) => home,
            None => home::claim(&directory, &config)?,
        };
        if let Some(torn) = recovered.torn() {
            tracing::warn!(
                file = torn.file,
                offset = torn.offset,
                "cut off a torn write at the end of the log"
            );
        }
        let mut saved = Vec::new();
        for record in recovered {
            let (number, bytes) = record?;
            saved.push(wire::decode_write(bytes).ok_or(StartError::Record { record: number.0 })?);
        }
        let next = Ticket(log.next_number().0);

        let options = FjallOptions { cache_bytes: config.cache_bytes, layer_bytes: layer_bytes(&config) };
        let path = directory.join("store");
        let engine = FjallKv::open(&path, options).map_err(|source| StartError::Engine { path, source })?;
        let views = engine.views();
        let engine = TimedKv::new(engine, metrics.backend_commit_seconds.clone());
        let voters: BTreeSet<NodeId> = config.members.iter().map(|member| NodeId(member.id)).collect();
        let bootstrap = raft::Configuration { voters, ..raft::Configuration::default() };
        let mut replica_config = ReplicaConfig::new(me, group, bootstrap);
        replica_config.persist_entries = config.snapshot_entries;
        let replica: Replica<Engine> = Replica::open(replica_config, engine)?;
        let boot = replica.boot()?;
        if boot.applied.index.0 > 0 && saved.is_empty() {
            return Err(StartError::LogLost { path: log_path });
        }

        check_reach(&saved, boot.applied.index)?;

        let shard = ShardConfig::new(consensus(&config)?);
        let node = Node::new(NodeConfig { me, groups: vec![(group, shard, boot)] });
        let shared = Arc::new(Shared::new(views, metrics));
        shared.publish(replica.revision(), replica.compacted());
        let _ = shared.note_size(|| replica.size_bytes());
        let transport = Arc::new(start_transport(&config, home, &shared, runtime)?);

        let mut core = Core::new(node, Arc::clone(&shared), Arc::clone(&transport), next);
        let replicas = Replicas::new([(group, replica)]);
        let threads = Threads { shared: Arc::clone(&shared), handles: Vec::new() };
        let mut member = Member { config, shared, transport, threads };
        // First of all: at its end it ends the others.
        member.spawn("synod-core", move |shared| {
            core.start(saved);
            drop(shared.core.run(core));
            shared.disk.close();
            shared.apply.close();
            Ok(())
        })?;
        member.spawn("synod-disk", move |shared| {
            // Without one it was taken along by a panic, which is told of where it was.
            let disk = shared.disk.run(Disk::new(log, Arc::clone(shared)));
            disk.map_or(Ok(()), Disk::close).map_err(|error| error.to_string())
        })?;
        member.spawn("synod-apply", move |shared| {
            drop(shared.apply.run(Applier::new(replicas, Arc::clone(shared))));
            Ok(())
        })?;
        runtime.spawn(publish(member.backend(), home));
        Ok(member)
    }

    /// What the API asks.
    pub fn backend(&self) -> MemberBackend {
        MemberBackend {
            config: Arc::clone(&self.config),
            shared: Arc::clone(&self.shared),
            transport: Arc::downgrade(&self.transport),
        }
    }

    /// Resolves with the reason when the member has failed; never if it is stopped in good order.
    pub fn failure(&self) -> impl Future<Output = String> + Send + 'static {
        let mut failure = self.shared.failure();
        async move {
            let failed = failure.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            match failed {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        }
    }

    /// Hands leadership to another member, if it leads and there is one to take it.
    pub async fn hand_over(&self) {
        let backend = self.backend();
        if let Some(successor) = backend.successor() {
            let handover = backend.ask(Command::Transfer(successor));
            // Without a successor in time the others elect one.
            let _ = tokio::time::timeout(HANDOVER_TIME, handover).await;
        }
    }

    /// Makes what it has durable, and ends.
    pub async fn stop(self) {
        let backend = self.backend();
        // A store that is not made durable now is brought up to date from the log at the next start.
        let _ = tokio::time::timeout(HANDOVER_TIME, backend.ask(Command::Persist)).await;
        drop(backend);
        let Member { transport, threads, .. } = self;
        let _ = tokio::task::spawn_blocking(move || drop(threads)).await;
        if let Some(transport) = Arc::into_inner(transport) {
            transport.shutdown().await;
        }
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&Arc<Shared>) -> Result<(), String> + Send + 'static,
    ) -> Result<(), StartError> {
        let shared = Arc::clone(&self.shared);
        let name_of = name.to_owned();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| run(&shared)));
            let reason = match ended {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(panic) => format!("{name_of}: {}", panic_text(&*panic)),
            };
            shared.fail(reason);
            shared.disk.close();
            shared.apply.close();
        });
        self.threads.handles.push(thread.map_err(StartError::Thread)?);
        Ok(())
    }
}

impl MemberBackend {
    /// Hands a command to the core; `None` when the member stops before it answers.
    pub(super) async fn ask(&self, command: Command) -> Option<Served> {
        let (waiter, answer) = oneshot::channel();
        let command = ClientCommand { command, waiter: Some(Waiter::Once(waiter)) };
        if let Some(input) = self.shared.gathering.gather(CoreInput::Client(command))
            && !self.shared.give([input])
        {
            return None;
        }
        answer.await.ok()
    }

    /// Resolves when the member answers linearizable reads, or has stopped.
    pub async fn ready(&self) {
        let read = || Command::Read { query: Query::Revision, consistency: Consistency::Linearizable };
        while let Some(Served::Reply(_)) = self.ask(read()).await {}
    }

    /// Who the member is.
    pub(super) fn whoami(&self) -> Identity {
        Identity { cluster_id: self.config.cluster_id, member_id: self.config.member_id }
    }

    /// A voter to hand leadership to, if this member leads and there is one that it can talk to.
    fn successor(&self) -> Option<NodeId> {
        let standing = self.shared.standing();
        let me = self.config.member_id;
        if standing.role != raft::Role::Leader {
            return None;
        }
        let others = self.config.members.iter().map(|member| member.id).filter(|id| *id != me);
        let transport = self.transport.upgrade()?;
        others.max_by_key(|id| transport.credit(*id).bytes).map(NodeId)
    }

    /// The members with what they published.
    pub(super) fn describe(&self, published: &[Attributes]) -> Vec<MemberInfo> {
        let mut members: Vec<MemberInfo> = self
            .config
            .members
            .iter()
            .map(|member| {
                let attributes = published.iter().find(|attributes| attributes.member.0 == member.id);
                MemberInfo {
                    id: member.id,
                    name: attributes.map_or_else(String::new, |attributes| attributes.name.clone()),
                    peer_urls: member.urls.clone(),
                    client_urls: attributes
                        .map_or_else(Vec::new, |attributes| attributes.client_urls.clone()),
                    is_learner: false,
                }
            })
            .collect();
        members.sort_by_key(|member| member.id);
        members
    }
}

/// Tells the cluster this member's name and client URLs, until it is heard.
async fn publish(backend: MemberBackend, home: u64) {
    let config = Arc::clone(&backend.config);
    let name = config.members.iter().find(|member| member.id == config.member_id);
    let attributes = Attributes {
        member: NodeId(config.member_id),
        home,
        name: name.map_or_else(String::new, |member| member.name.clone()),
        client_urls: config.client_urls.clone(),
    };
    loop {
        match backend.ask(Command::Publish(attributes.clone())).await {
            Some(Served::Reply(synod_database::Reply::Completed)) => break,
            Some(_) => tokio::time::sleep(PUBLISH_AGAIN).await,
            None => return,
        }
    }
    tracing::info!(
        name = attributes.name,
        urls = attributes.client_urls.join(","),
        "published local member to cluster"
    );
}

fn start_transport(
    config: &MemberConfig,
    home: u64,
    shared: &Arc<Shared>,
    runtime: &Handle,
) -> Result<Transport, StartError> {
    let mut transport =
        synod_transport::Config::new(config.cluster_id, config.member_id, config.listen_peers.clone());
    transport.tls = config.peer_tls.clone();
    transport.home = home;
    transport.homes = known_homes(Arc::clone(shared));
    transport.peers = config
        .members
        .iter()
        .filter(|member| member.id != config.member_id)
        .map(|member| PeerAddresses { id: member.id, addresses: member.addresses.clone() })
        .collect();
    let shared = Arc::clone(shared);
    let deliver = move |delivery| {
        let input = match delivery {
            Delivery::Frame { from, bytes, permit } => match wire::decode_message(bytes) {
                Some(message) => CoreInput::Frame { from: NodeId(from), message, permit },
                None => {
                    tracing::warn!(from = format!("{from:x}"), "dropped a frame that is not of this version");
                    return;
                }
            },
            Delivery::Up { peer } => CoreInput::Link { peer: NodeId(peer), up: true },
            Delivery::Down { peer } => CoreInput::Link { peer: NodeId(peer), up: false },
            Delivery::Disowned { peer } => return shared.fail(disowned(peer)),
        };
        shared.give([input]);
    };
    Ok(Transport::start(transport, deliver, runtime)?)
}

/// The directories that members published.
fn known_homes(shared: Arc<Shared>) -> Homes {
    Homes::new(move |member| {
        let published = members_of(&*shared.view().ok()?).ok()?;
        published.iter().find(|attributes| attributes.member.0 == member).map(|attributes| attributes.home)
    })
}

fn disowned(peer: u64) -> String {
    format!(
        "member {peer:x} knows this member with another data directory: this one has not its votes and entries, and must not take \
         its place. Start it with its own directory; the other members go on without it"
    )
}

fn consensus(config: &MemberConfig) -> Result<raft::Config, StartError> {
    let raft = raft::Config {
        heartbeat: config.heartbeat,
        heartbeat_at_rest: Some(config.heartbeat.max(config.election / RESTFUL_HEARTBEATS)),
        election_least: config.election,
        election_most: config.election * 2,
        ..raft::Config::default()
    };
    raft.validate().map_err(|error| StartError::Config(error.to_string()))?;
    Ok(raft)
}

/// A store that lost its newest part must not go on where the log no longer has what it lost.
fn check_reach(saved: &[Write], applied: raft::Index) -> Result<(), StartError> {
    let bases = saved.iter().filter_map(|write| match write {
        Write::Raft { write: raft::Write::Base(point) | raft::Write::Reset(point), .. } => Some(point.index),
        _ => None,
    });
    match bases.max().filter(|base| *base > applied) {
        Some(base) => Err(StartError::StoreLost { applied: applied.0, base: base.0 }),
        None => Ok(()),
    }
}

fn has_files(directory: &Path) -> bool {
    let segment = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "wal"))
    };
    fs::read_dir(directory).is_ok_and(|mut entries| entries.any(segment))
}

/// Members fill their layers at the same pace. Layers of different sizes are written at different times, so that there is mostly a majority
/// that is not writing one.
fn layer_bytes(config: &MemberConfig) -> u64 {
    let rank = config.members.iter().filter(|member| member.id < config.member_id).count();
    layer_bytes_of(rank)
}

fn layer_bytes_of(rank: usize) -> u64 {
    FjallOptions::default().layer_bytes / 5 * (4 + rank as u64 % 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_members_fills_its_layers_at_other_times_than_any_one() {
        let whole = FjallOptions::default().layer_bytes;
        for members in [3, 5] {
            let layers: Vec<u64> = (0..members).map(layer_bytes_of).collect();
            for bytes in &layers {
                let alike = layers.iter().filter(|other| *other == bytes).count();
                assert!(alike <= members / 2, "{alike} of {members} have layers of {bytes} bytes");
                assert!((whole / 2..whole * 2).contains(bytes), "{bytes} is far from {whole}");
            }
        }
    }
}
