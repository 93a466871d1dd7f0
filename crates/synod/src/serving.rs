//! Running members in this process: from a checked configuration to a server, until the process is told to
//! stop.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use synod_server::engine::{AutoCompaction, MemberConfig, PeerMember, Restored};
use synod_server::serve::{Running, ServeOptions};
use synod_server::tls::ServerFiles;
use synod_transport::{Address, TlsFiles as PeerTlsFiles};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::serve::{self, LogLevel, ServeConfig, TlsFiles};
use crate::config::urls::{self, Url};
use crate::failure::Failure;

/// Memory for a member's store to cache blocks in.
const CACHE_BYTES: u64 = 32 << 20;

/// Why a process stops serving.
#[derive(Debug)]
pub enum Stop {
    /// It was told to.
    Signal,
    /// A member has failed: its name, and why.
    Failed(String, String),
}

/// Says how many threads serve connections. The runtime's own name for it.
const THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// How many threads serve connections.
///
/// Among several members one has a thread for two cores: the other is for consensus, applying and the disk. A member alone has less of that,
/// and a thread for each core to read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Of the runtime, which all members in this process share.
    runtime: NonZeroUsize,
    /// Of each member, the runtime's first one among them.
    member: NonZeroUsize,
}

impl Threads {
    /// For so many members in this process, of a cluster of that size.
    pub fn new(here: usize, members: usize) -> Result<Threads, Failure> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let wanted = match std::env::var_os(THREADS_VARIABLE) {
            None => None,
            Some(wanted) => {
                Some(wanted.to_str().and_then(|wanted| wanted.parse().ok()).ok_or_else(|| {
                    Failure::usage(format!(
                        "{THREADS_VARIABLE}={} is not a number from 1 on",
                        wanted.display()
                    ))
                })?)
            }
        };
        Ok(Threads::of(here, members, cores, wanted))
    }

    fn of(here: usize, members: usize, cores: NonZeroUsize, wanted: Option<NonZeroUsize>) -> Threads {
        let for_some = NonZeroUsize::new(cores.get().div_ceil(2)).unwrap_or(NonZeroUsize::MIN);
        let all = wanted.unwrap_or(if members > 1 { for_some } else { cores });
        // Members that share a process share its threads.
        match here {
            1 => Threads { runtime: NonZeroUsize::MIN, member: all },
            _ => Threads { runtime: all, member: NonZeroUsize::MIN },
        }
    }

    /// A runtime for members, their clients and their peers.
    pub fn runtime(self) -> Result<Runtime, Failure> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(self.runtime.get()).enable_all().thread_name("synod-io").build();
        runtime.map_err(|error| Failure::internal(format!("no threads to serve with: {error}")))
    }
}

/// Logs to standard error from `level` on; `RUST_LOG` says otherwise.
pub fn log(level: LogLevel) {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::Panic | LogLevel::Fatal => "error",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let ansi = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call (a test) keeps the first one's settings.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .try_init();
}

/// Starts a member and serves its clients.
pub async fn start(config: &ServeConfig, threads: Threads) -> Result<Running, Failure> {
    let mut options = options(config)?;
    options.edge.threads = threads.member;
    let running = Running::start(options).await;
    running.map_err(|error| Failure::internal(format!("member {} does not start: {error}", config.name)))
}

/// Starts several members at once; if one does not start, none is left running.
pub async fn start_all(configs: &[ServeConfig], threads: Threads) -> Result<Vec<(String, Running)>, Failure> {
    let mut starting = tokio::task::JoinSet::new();
    for config in configs.iter().cloned() {
        starting.spawn(async move { start(&config, threads).await.map(|running| (config.name, running)) });
    }
    let mut members = Vec::new();
    let mut failure = None;
    while let Some(started) = starting.join_next().await {
        match started.unwrap_or_else(|error| Err(Failure::internal(error.to_string()))) {
            Ok(member) => members.push(member),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(failure) = failure {
        stop(members).await;
        return Err(failure);
    }
    members.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(members)
}

/// Waits until the process is told to stop, or a member fails.
pub async fn until_stopped(members: &[(String, Running)]) -> Result<Stop, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::internal(format!("no signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut failures = tokio::task::JoinSet::new();
    for (name, running) in members {
        let (name, failed) = (name.clone(), running.failure());
        failures.spawn(async move { (name, failed.await) });
    }
    Ok(tokio::select! {
        _ = interrupt.recv() => Stop::Signal,
        _ = terminate.recv() => Stop::Signal,
        Some(Ok((name, reason))) = failures.join_next() => Stop::Failed(name, reason),
    })
}

/// Makes the member out of a copy of a store.
pub fn restore(config: &ServeConfig, file: &Path) -> Result<Restored, Failure> {
    synod_server::engine::restore(&member(config)?, file).map_err(|error| Failure::usage(error.to_string()))
}

fn options(config: &ServeConfig) -> Result<ServeOptions, Failure> {
    if !config.listen_metrics_urls.is_empty() {
        return Err(Failure::usage(
            "--listen-metrics-urls is not supported yet: metrics are served at the client URLs, under /metrics",
        ));
    }
    let mut clients = Vec::new();
    for url in &config.listen_client_urls {
        let tls = match (url.is_tls, &config.client_tls) {
            (false, _) => None,
            (true, Some(files)) => {
                Some(server_files(files).load().map_err(|error| Failure::usage(error.to_string()))?)
            }
            (true, None) => return Err(Failure::usage(format!("{url} needs --cert-file and --key-file"))),
        };
        clients.push((bind(url)?, tls));
    }
    let mut edge = synod_server::http::Options {
        election_timeout: config.election_timeout,
        watch_progress_interval: config.watch_progress_notify_interval,
        ..synod_server::http::Options::default()
    };
    edge.limits.request_bytes_max = config.request_bytes_max as usize;
    edge.limits.txn_operations_max = config.transaction_operations_max as usize;
    edge.limits.lease_ttl_min = config.election_timeout * 3 / 2;
    Ok(ServeOptions {
        member: member(config)?,
        clients,
        edge,
        auto_compaction: match config.auto_compaction {
            serve::AutoCompaction::Off => AutoCompaction::Off,
            serve::AutoCompaction::Periodic(age) => AutoCompaction::Periodic(age),
            serve::AutoCompaction::Revisions(kept) => AutoCompaction::Revisions(kept),
        },
    })
}

fn member(config: &ServeConfig) -> Result<MemberConfig, Failure> {
    let members = config.initial_cluster.iter().map(|member| PeerMember {
        id: member.id,
        name: member.name.clone(),
        urls: member.peer_urls.iter().map(Url::to_string).collect(),
        addresses: member
            .peer_urls
            .iter()
            .map(|url| Address { host: url.host.clone(), port: url.port })
            .collect(),
    });
    let peers_use_tls =
        config.initial_cluster.iter().flat_map(|member| &member.peer_urls).any(|url| url.is_tls);
    Ok(MemberConfig {
        cluster_id: config.cluster_id,
        member_id: config.member_id,
        data_dir: config.data_dir.clone(),
        client_urls: config.advertise_client_urls.iter().map(Url::to_string).collect(),
        listen_peers: config.listen_peer_urls.iter().map(bind).collect::<Result<_, _>>()?,
        peer_tls: match (&config.peer_tls, peers_use_tls) {
            (Some(files), true) => Some(peer_files(files)?),
            (None, true) => {
                return Err(Failure::usage("https peer URLs need --peer-cert-file and --peer-key-file"));
            }
            (_, false) => None,
        },
        members: members.collect(),
        heartbeat: config.heartbeat_interval,
        election: config.election_timeout,
        snapshot_entries: config.snapshot_entries,
        quota_bytes: config.quota_bytes.unwrap_or(0),
        cache_bytes: CACHE_BYTES,
    })
}

fn bind(url: &Url) -> Result<std::net::SocketAddr, Failure> {
    url.bind_address().ok_or_else(|| Failure::usage(format!("{url}: expected an address to listen on")))
}

fn server_files(files: &TlsFiles) -> ServerFiles {
    ServerFiles {
        cert_file: files.certificate.clone(),
        key_file: files.private_key.clone(),
        trusted_ca_file: files.trusted_authorities.clone(),
        client_cert_auth: files.require_certificate,
    }
}

fn peer_files(files: &TlsFiles) -> Result<PeerTlsFiles, Failure> {
    let authority: PathBuf = files.trusted_authorities.clone().ok_or_else(|| {
        Failure::usage("https peer URLs need --peer-trusted-ca-file: who signs the members' certificates")
    })?;
    Ok(PeerTlsFiles {
        cert_file: files.certificate.clone(),
        key_file: files.private_key.clone(),
        trusted_ca_file: authority,
        client_cert_auth: files.require_certificate,
        allowed_common_names: Vec::new(),
        allowed_host_names: Vec::new(),
    })
}

/// The URLs of all members for clients, separated by commas.
pub fn client_urls<'a>(members: impl IntoIterator<Item = &'a ServeConfig>) -> String {
    let urls: Vec<String> =
        members.into_iter().map(|member| urls::join(&member.advertise_client_urls)).collect();
    urls.join(",")
}

/// Stops members, all at once.
pub async fn stop(members: Vec<(String, Running)>) {
    let mut stopping = tokio::task::JoinSet::new();
    for (_, running) in members {
        stopping.spawn(running.stop());
    }
    while stopping.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_alone_reads_with_all_cores_and_others_with_half() {
        let count = |count| NonZeroUsize::new(count).unwrap();
        let serve = |members, cores| Threads::of(1, members, count(cores), None);
        assert_eq!([1, 2, 3, 8].map(|cores| serve(1, cores).member.get()), [1, 2, 3, 8]);
        assert_eq!([1, 2, 3, 8].map(|cores| serve(3, cores).member.get()), [1, 1, 2, 4]);
        assert_eq!(serve(1, 8).runtime.get(), 1, "the others have runtimes of their own");
        let together = Threads { runtime: count(4), member: count(1) };
        assert_eq!(Threads::of(3, 3, count(8), None), together);
        assert_eq!(Threads::of(1, 3, count(8), Some(count(7))).member, count(7));
    }
}
