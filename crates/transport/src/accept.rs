//! The door: accepts connections, hears their hello, and lets in those that are a peer's.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::hello::{Answer, HELLO_BYTES, Hello, HelloError, Refusal, Versions};
use crate::peer::{Admitted, Peer};
use crate::receive::receive;
use crate::sparing::Sparing;
use crate::tls::TlsError;
use crate::transport::{Shared, Stream};

/// The system could not accept a connection (no file descriptors, as a rule): wait for so long.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// A complaint about strangers is logged at most so often, whatever it says: they choose what it says.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(5);

/// Why a connection was not let in.
#[derive(Debug, thiserror::Error)]
enum NotAdmitted {
    #[error("TLS handshake: {0}")]
    TlsHandshake(io::Error),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("handshake: {0}")]
    Io(#[from] io::Error),
    #[error("handshake: {0}")]
    Hello(#[from] HelloError),
    #[error("handshake not finished within {0:?}")]
    Timeout(Duration),
    #[error("refused member {from:x} of cluster {cluster:x}, which wanted member {to:x}: {refusal:?}")]
    Refused { from: u64, cluster: u64, to: u64, refusal: Refusal },
}

/// Connections that have not yet proven to be a peer's, and complaints about them.
#[derive(Debug)]
pub(crate) struct Door {
    pending: Mutex<Pending>,
    complaints: Mutex<Sparing>,
}

#[derive(Debug, Default)]
struct Pending {
    next_ticket: u64,
    /// Oldest first.
    handshakes: BTreeMap<u64, AbortHandle>,
}

impl Door {
    pub(crate) fn new() -> Door {
        Door { pending: Mutex::default(), complaints: Mutex::new(Sparing::new(COMPLAINT_INTERVAL)) }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a complaint may be logged, and how many were not.
    fn complain(&self) -> Option<u64> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).admit("")
    }

    /// The handshake is over; false when it had been evicted.
    fn leave(&self, ticket: u64) -> bool {
        self.pending().handshakes.remove(&ticket).is_some()
    }
}

/// Runs until the task is aborted.
pub(crate) async fn accept_all(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((tcp, remote)) => begin_handshake(&shared, tcp, remote),
            Err(error) => {
                shared.accept_counters.errors.add(1);
                if let Some(suppressed) = shared.door.complain() {
                    warn!(%error, suppressed, "cannot accept peer connections");
                }
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn begin_handshake(shared: &Arc<Shared>, tcp: TcpStream, remote: SocketAddr) {
    shared.accept_counters.connections.add(1);
    // Held while spawning, so that the task cannot leave before it has entered.
    let mut pending = shared.door.pending();
    let ticket = pending.next_ticket;
    pending.next_ticket += 1;
    let Some(handle) = shared.spawn(serve(Arc::clone(shared), tcp, remote, ticket)) else { return };
    pending.handshakes.insert(ticket, handle);
    if pending.handshakes.len() > shared.limits.handshakes_max
        && let Some((_, oldest)) = pending.handshakes.pop_first()
    {
        oldest.abort();
        shared.accept_counters.evicted.add(1);
    }
}

async fn serve(shared: Arc<Shared>, tcp: TcpStream, remote: SocketAddr, ticket: u64) {
    let patience = shared.timeouts.handshake;
    let outcome =
        timeout(patience, shake_hands(&shared, tcp)).await.unwrap_or(Err(NotAdmitted::Timeout(patience)));
    if !shared.door.leave(ticket) {
        return;
    }
    match outcome {
        Ok((mut stream, peer, admitted)) => {
            debug!(peer = format_args!("{:x}", peer.id), %remote, "peer connected");
            let (limits, timeouts) = (&shared.limits, &shared.timeouts);
            let ended = receive(&mut stream, &peer, admitted, &*shared.deliver, limits, timeouts).await;
            info!(peer = format_args!("{:x}", peer.id), %remote, %ended, "connection from peer ended");
        }
        Err(error) => {
            let counter = match error {
                NotAdmitted::Refused { .. } => &shared.accept_counters.refusals_sent,
                _ => &shared.accept_counters.handshakes_failed,
            };
            counter.add(1);
            if let Some(suppressed) = shared.door.complain() {
                warn!(%remote, %error, suppressed, "peer connection not admitted");
            }
        }
    }
}

async fn shake_hands(shared: &Shared, tcp: TcpStream) -> Result<(Stream, Arc<Peer>, Admitted), NotAdmitted> {
    tcp.set_nodelay(true)?;
    let mut stream: Stream = match shared.tls() {
        None => Box::new(tcp),
        Some(tls) => {
            let stream = tls.acceptor.accept(tcp).await.map_err(NotAdmitted::TlsHandshake)?;
            tls.check_peer(stream.get_ref().1.peer_certificates())?;
            Box::new(stream)
        }
    };
    let hello = read_hello(&mut stream).await?;
    let judged = judge(shared, &hello);
    let answer = Answer {
        versions: Versions::SPOKEN,
        from: shared.member,
        instance: shared.instance,
        hello_instance: hello.instance,
        hello_attempt: hello.attempt,
        verdict: judged.as_ref().map(|(version, ..)| *version).map_err(|refusal| *refusal),
    };
    stream.write_all(&answer.encode()).await?;
    stream.flush().await?;
    match judged {
        Ok((_, peer, admitted)) => Ok((stream, peer, admitted)),
        Err(refusal) => {
            stream.shutdown().await?;
            let Hello { from, cluster, to, .. } = hello;
            Err(NotAdmitted::Refused { from, cluster, to, refusal })
        }
    }
}

/// Gives up at the first bytes that are not a hello's: a stranger that speaks another protocol may never send
/// as many.
async fn read_hello(stream: &mut Stream) -> Result<Hello, NotAdmitted> {
    let mut bytes = [0; HELLO_BYTES];
    let (magic, rest) = bytes.split_first_chunk_mut::<8>().expect("a hello is longer than its magic");
    stream.read_exact(magic).await?;
    if !Hello::starts_with_magic(magic) {
        return Err(HelloError::Magic.into());
    }
    stream.read_exact(rest).await?;
    Ok(Hello::decode(&bytes)?)
}

fn judge(shared: &Shared, hello: &Hello) -> Result<(u16, Arc<Peer>, Admitted), Refusal> {
    let version = Versions::SPOKEN.common(hello.versions).ok_or(Refusal::UnsupportedVersion)?;
    if hello.cluster != shared.cluster {
        return Err(Refusal::WrongCluster);
    }
    if hello.to != shared.member {
        return Err(Refusal::WrongMember);
    }
    let peer = shared.peer(hello.from).ok_or(Refusal::UnknownMember)?;
    if shared.homes.of(hello.from).is_some_and(|home| home != hello.home) {
        return Err(Refusal::OtherHome);
    }
    let admitted = peer.admit(hello.instance, hello.attempt)?;
    Ok((version, peer, admitted))
}
