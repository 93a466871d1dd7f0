//! A member with its client port: what a process runs, one of them for `serve`, several for `dev`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use synod_transport::Renewed;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engine::{AutoCompaction, Member, MemberBackend, MemberConfig, StartError, compact_history};
use crate::http::{self, Listener};
use crate::metrics::Metrics;

/// What a member and its client port are started with.
pub struct ServeOptions {
    /// The member.
    pub member: MemberConfig,
    /// Where clients are served, with the certificates to show there.
    pub clients: Vec<(SocketAddr, Option<Arc<Renewed<ServerConfig>>>)>,
    /// Bounds on clients.
    pub edge: http::Options,
    /// Which history is forgotten by itself.
    pub auto_compaction: AutoCompaction,
}

/// Why a member is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is taken, or not this machine's.
    #[error("{0}; stop what uses it, or listen elsewhere (--listen-client-urls)")]
    Listen(#[source] io::Error),
    /// The member does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A member that is served. Dropping it without [`Running::stop`] ends it at once, as a crash would.
pub struct Running {
    member: Member,
    addresses: Vec<SocketAddr>,
    stop: oneshot::Sender<()>,
    edge: JoinHandle<()>,
    compactor: Compactor,
}

/// The task that forgets history; it ends with the member.
struct Compactor(JoinHandle<()>);

impl Drop for Compactor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Running {
    /// Binds the ports, starts the member and serves its clients.
    ///
    /// # Errors
    /// [`ServeError`]; nothing keeps running.
    pub async fn start(options: ServeOptions) -> Result<Running, ServeError> {
        let ServeOptions { member, clients, edge, auto_compaction } = options;
        let mut listeners = Vec::new();
        for (address, tls) in clients {
            listeners.push(Listener::bind(address, tls).map_err(ServeError::Listen)?);
        }
        let addresses = listeners.iter().filter_map(|listener| listener.address().ok()).collect();
        let runtime = Handle::current();
        // Opening a large store reads the disk: not on a task that others wait for.
        let opening = runtime.clone();
        let metrics = Arc::new(Metrics::new());
        let counted = Arc::clone(&metrics);
        let started = tokio::task::spawn_blocking(move || Member::start(member, counted, &opening)).await;
        let member = started.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;

        let (stop, stopping) = oneshot::channel();
        let backend = Arc::new(member.backend());
        let stopping = async {
            // A dropped sender stops as well.
            let _ = stopping.await;
        };
        let compactor = Compactor(tokio::spawn(compact_history(member.backend(), auto_compaction)));
        let serving = http::serve(listeners, backend, metrics, edge, stopping);
        let edge = tokio::spawn(serving);
        Ok(Running { member, addresses, stop, edge, compactor })
    }

    /// Where clients are served, with the ports that the system picked.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the API asks.
    pub fn backend(&self) -> MemberBackend {
        self.member.backend()
    }

    /// Resolves with the reason when the member has failed; never if it is stopped in good order.
    pub fn failure(&self) -> impl Future<Output = String> + Send + 'static {
        self.member.failure()
    }

    /// Stops in good order: leadership is handed over, clients are told, the store is made durable.
    pub async fn stop(self) {
        let Running { member, stop, edge, compactor, .. } = self;
        drop(compactor);
        member.hand_over().await;
        let _ = stop.send(());
        // It ends when its connections have, or after their grace.
        let _ = edge.await;
        member.stop().await;
    }
}
