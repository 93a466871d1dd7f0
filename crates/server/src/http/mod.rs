//! Sockets to services: one port speaks gRPC over HTTP/2 and answers probes over HTTP/1.1 or HTTP/2, with or without TLS.
//!
//! A connection is a task: TLS handshake, a look at the first bytes ([`sniff`]), then HTTP. A request goes straight from
//! HTTP to its service ([`dispatch`]), without layers between.
//!
//! # What a hostile connection costs
//! Before it has shown which protocol it speaks: a task, a few bytes, and [`Limits::head_timeout`]. After that, what
//! [`Limits`] lists, and no other client: a connection that holds half a frame is asked for a sign of life and closed, one
//! that resets streams faster than they are served is closed by HTTP/2's own bounds, one that begins many large requests and
//! ends none has the further ones refused. Connections beyond [`Limits::connections_max`] are closed at once.
//!
//! # Stopping
//! No more connections are accepted, streams end with "server stopped", open requests have
//! [`Limits::shutdown_grace`] to end.

mod body;
mod calls;
mod connection;
mod copying;
mod desks;
mod dispatch;
mod giving;
mod probes;
mod serving;
mod sniff;
mod streams;
mod under_way;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use synod_transport::Renewed;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::api::{Edge, Limits, Signals};
use crate::backend::Backend;
use crate::metrics::Metrics;
use connection::Connection;
use desks::Desks;
use dispatch::Dispatch;

/// Connections that the system holds for us until we accept them.
const BACKLOG_CONNECTIONS: i32 = 4_096;
/// How long to wait when the system has no file or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// After so many election timeouts without a leader, streams that require one are ended, as in etcd.
const LEADERLESS_TIMEOUTS_MAX: u32 = 3;

/// What an edge is set to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bounds on clients.
    pub limits: Limits,
    /// The node's, for what is told to streams that require a leader.
    pub election_timeout: Duration,
    /// How often a quiet watch that asked for it is told so.
    pub watch_progress_interval: Duration,
    /// Threads that serve connections, that of the runtime among them.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            election_timeout: Duration::from_secs(1),
            watch_progress_interval: Duration::from_secs(600),
            threads: NonZeroUsize::MIN,
        }
    }
}

/// A bound socket, with the certificates to show on it.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<Renewed<ServerConfig>>>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. Must be called within a runtime.
    ///
    /// # Errors
    /// As the system says, with the address.
    pub fn bind(address: SocketAddr, tls: Option<Arc<Renewed<ServerConfig>>>) -> io::Result<Listener> {
        let explain =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        let socket = bind(address).map_err(explain)?;
        Ok(Listener { socket, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Serves clients until `shutdown` ends, and returns when the last connection is closed or the grace is over.
pub async fn serve<B: Backend>(
    listeners: Vec<Listener>,
    backend: Arc<B>,
    metrics: Arc<Metrics>,
    options: Options,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let (lost, leaderless) = watch::channel(false);
    let grace = options.limits.shutdown_grace;
    let edge = Arc::new(Edge {
        backend: Arc::clone(&backend),
        watch_progress_interval: options.watch_progress_interval,
        metrics,
        signals: Signals { stopping: stopping.clone(), leaderless },
        limits: options.limits,
    });
    let room = Arc::new(Semaphore::new(edge.limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let dispatch = Arc::new(Dispatch::new(edge));
    let mut accepting = JoinSet::new();
    let desks = Arc::new(Desks::new(options.threads));
    for listener in listeners {
        let accepter = Accepter {
            listener,
            dispatch: Arc::clone(&dispatch),
            room: Arc::clone(&room),
            desks: Arc::clone(&desks),
            stopping: stopping.clone(),
            grace,
        };
        accepting.spawn(accepter.run());
    }
    tokio::select! {
        () = shutdown => {}
        () = watch_leader(backend.as_ref(), options.election_timeout, &lost) => {}
    }
    stop.send_replace(true);
    while accepting.join_next().await.is_some() {}
}

/// Takes in the connections of one listener.
struct Accepter<B: Backend> {
    listener: Listener,
    dispatch: Arc<Dispatch<B>>,
    room: Arc<Semaphore>,
    desks: Arc<Desks>,
    stopping: watch::Receiver<bool>,
    grace: Duration,
}

impl<B: Backend> Accepter<B> {
    /// Accepts until the server stops, then waits for the connections.
    async fn run(self) {
        let Accepter { listener, dispatch, room, desks, mut stopping, grace } = self;
        let mut connections = JoinSet::new();
        let stop = stopping.clone();
        loop {
            let stream = tokio::select! {
                accepted = listener.socket.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a client's connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                Some(_) = connections.join_next() => continue,
                () = stopped(&mut stopping) => break,
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                dispatch.edge.metrics.connections_refused.inc();
                continue;
            };
            let connection = Connection::new(Arc::clone(&dispatch), listener.tls.clone(), stop.clone());
            desks.serve(stream, &mut connections, |stream| async move {
                connection.run(stream).await;
                drop(permit);
            });
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(
                ?grace,
                "requests were still open when the grace was over; their connections are cut"
            );
        }
    }
}

/// Tells streams that require a leader when there has been none for too long. Never ends.
async fn watch_leader<B: Backend>(backend: &B, election_timeout: Duration, lost: &watch::Sender<bool>) {
    let mut leaderless_timeouts = 0;
    loop {
        tokio::time::sleep(election_timeout).await;
        let leader = backend.position().leader;
        leaderless_timeouts = if leader.is_some() { 0 } else { leaderless_timeouts + 1 };
        let is_lost = leaderless_timeouts >= LEADERLESS_TIMEOUTS_MAX;
        lost.send_if_modified(|was| std::mem::replace(was, is_lost) != is_lost);
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted member takes its port back at once, though old connections linger in the system.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    TcpListener::from_std(socket.into())
}

/// Ends when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone means that the server is gone too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Small answers must not wait for more to send.
fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off the delay of small packets");
    }
}
