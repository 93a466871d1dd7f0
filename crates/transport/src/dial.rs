//! Keeps the outgoing link to one peer: dials, shakes hands, writes frames, notices death, and begins again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::direct::SharedSocket;
use crate::frame::{Decoder, Kind, PING_BYTES};
use crate::hello::{ANSWER_BYTES, Answer, Hello, HelloError, Refusal, Versions};
use crate::peer::Peer;
use crate::receive::{Ended, read_some};
use crate::sparing::Sparing;
use crate::tls::{TlsError, server_name};
use crate::transport::{Shared, Stream};
use crate::{Address, Timeouts};

/// Frames are gathered for one write until they hold this much payload.
const BATCH_BYTES_MAX: usize = 512 * 1024;
/// The same complaint about a peer is logged at most so often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(30);

/// Why there is no link, or no longer.
#[derive(Debug, thiserror::Error)]
enum NoLink {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("cannot connect within {0:?}")]
    ConnectTimeout(Duration),
    #[error("TLS handshake: {0}")]
    TlsHandshake(io::Error),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("handshake: {0}")]
    Handshake(io::Error),
    #[error("handshake not finished within {0:?}")]
    HandshakeTimeout(Duration),
    #[error("handshake: {0}")]
    Hello(#[from] HelloError),
    #[error("handshake: the answer is not to our question, or not from the peer")]
    WrongAnswer,
    #[error("refused: {0}")]
    Refused(Refusal),
    #[error("the peer was removed")]
    Retired,
    #[error("connection lost: {0}")]
    Lost(#[from] Ended),
    #[error("connection lost: the peer takes no bytes: {0}")]
    Write(io::Error),
    #[error("connection given up: the peer's addresses have changed")]
    Moved,
    #[error("connection given up: the peer has restarted")]
    Restarted,
}

/// Runs until the task is aborted.
pub(crate) async fn keep_link(shared: Arc<Shared>, peer: Arc<Peer>) {
    let Timeouts { backoff_min, backoff_max, .. } = shared.timeouts;
    let mut backoff = Backoff::new(backoff_min, backoff_max, shared.instance ^ peer.id);
    let mut complaints = Sparing::new(COMPLAINT_INTERVAL);
    for turn in 0.. {
        let begun = Instant::now();
        let error = dial(&shared, &peer, turn).await;
        if begun.elapsed() > backoff_max {
            backoff.reset();
        }
        let error = error.to_string();
        if let Some(suppressed) = complaints.admit(&error) {
            warn!(peer = format_args!("{:x}", peer.id), %error, suppressed, "no link to peer");
        }
        peer.note_error(error);
        tokio::select! {
            () = sleep(backoff.next_wait()) => {}
            () = peer.dial_now.notified() => {}
        }
    }
}

/// One attempt, from connecting to the end of the link.
async fn dial(shared: &Shared, peer: &Peer, turn: usize) -> NoLink {
    let mut addresses = peer.addresses.subscribe();
    let address = {
        let addresses = addresses.borrow_and_update();
        match addresses.len() {
            0 => None,
            count => Some(addresses[turn % count].clone()),
        }
    };
    let end = async {
        let Some(address) = address else {
            peer.note_error("no address is known".to_owned());
            std::future::pending().await
        };
        match connect(shared, peer, &address).await {
            Ok((link, answer)) => {
                info!(peer = format_args!("{:x}", peer.id), %address, "link to peer is up");
                run_link(shared, peer, link, answer).await
            }
            Err(error) => error,
        }
    };
    tokio::select! {
        error = end => error,
        _ = addresses.changed() => NoLink::Moved,
    }
}

async fn connect(shared: &Shared, peer: &Peer, address: &Address) -> Result<(Secured, Answer), NoLink> {
    peer.counters.dials.add(1);
    let Timeouts { connect, handshake, .. } = shared.timeouts;
    let tcp = timeout(connect, TcpStream::connect((address.host.as_str(), address.port)))
        .await
        .map_err(|_| NoLink::ConnectTimeout(connect))?
        .map_err(NoLink::Connect)?;
    tcp.set_nodelay(true).map_err(NoLink::Connect)?;
    timeout(handshake, async {
        let mut secured = secure(shared, tcp, address).await?;
        let answer = shake_hands(shared, peer, &mut secured.stream).await?;
        Ok((secured, answer))
    })
    .await
    .map_err(|_| NoLink::HandshakeTimeout(handshake))?
}

/// A connection, and its socket for direct writes if it has no TLS.
struct Secured {
    stream: Stream,
    socket: Option<Arc<TcpStream>>,
}

async fn secure(shared: &Shared, tcp: TcpStream, address: &Address) -> Result<Secured, NoLink> {
    let Some(tls) = shared.tls() else {
        let socket = Arc::new(tcp);
        return Ok(Secured { stream: Box::new(SharedSocket(Arc::clone(&socket))), socket: Some(socket) });
    };
    let name = server_name(&address.host)?;
    let stream = tls.connector.connect(name, tcp).await.map_err(NoLink::TlsHandshake)?;
    tls.check_peer(stream.get_ref().1.peer_certificates())?;
    Ok(Secured { stream: Box::new(stream), socket: None })
}

async fn shake_hands(shared: &Shared, peer: &Peer, stream: &mut Stream) -> Result<Answer, NoLink> {
    let hello = Hello {
        versions: Versions::SPOKEN,
        cluster: shared.cluster,
        from: shared.member,
        to: peer.id,
        home: shared.home,
        instance: shared.instance,
        attempt: shared.next_attempt(),
    };
    stream.write_all(&hello.encode()).await.map_err(NoLink::Handshake)?;
    stream.flush().await.map_err(NoLink::Handshake)?;
    let mut bytes = [0; ANSWER_BYTES];
    stream.read_exact(&mut bytes).await.map_err(NoLink::Handshake)?;
    let answer = Answer::decode(&bytes)?;
    if (answer.hello_instance, answer.hello_attempt) != (hello.instance, hello.attempt) {
        return Err(NoLink::WrongAnswer);
    }
    match answer.verdict {
        Err(refusal) => {
            peer.counters.refusals_received.add(1);
            if refusal == Refusal::OtherHome {
                peer.disowned(&*shared.deliver);
            }
            Err(NoLink::Refused(refusal))
        }
        Ok(version)
            if answer.from == peer.id
                && Versions::SPOKEN.common(Versions { min: version, max: version }).is_some() =>
        {
            Ok(answer)
        }
        Ok(_) => Err(NoLink::WrongAnswer),
    }
}

/// The link is up for as long as this runs.
async fn run_link(shared: &Shared, peer: &Peer, link: Secured, answer: Answer) -> NoLink {
    let (reader, writer) = tokio::io::split(link.stream);
    let begun = Instant::now();
    let mut admitted = peer.admitted.subscribe();
    let restarted = async {
        // A new run of the peer dials us while we hold a connection to the old one, whose end we have not
        // been told.
        while admitted.changed().await.is_ok() {
            if admitted.borrow_and_update().instance != answer.instance {
                return;
            }
        }
    };
    let Some(_up) = peer.link_up(link.socket, &*shared.deliver) else { return NoLink::Retired };
    let end = tokio::select! {
        biased;
        error = read_pongs(reader, peer, begun, &shared.timeouts) => NoLink::Lost(error),
        error = write_frames(writer, peer, begun, &shared.timeouts) => NoLink::Write(error),
        () = restarted => NoLink::Restarted,
    };
    let stalled = match &end {
        NoLink::Lost(Ended::Silent(_) | Ended::Stalled(_)) => true,
        NoLink::Write(error) => error.kind() == io::ErrorKind::TimedOut,
        _ => false,
    };
    peer.counters.stalls.add(usize::from(stalled));
    debug!(peer = format_args!("{:x}", peer.id), end = %end, "link to peer is down");
    end
}

/// Writes what is queued, as much as there is at a time, and a ping now and then.
async fn write_frames<W>(mut stream: W, peer: &Peer, begun: Instant, timeouts: &Timeouts) -> io::Error
where
    W: AsyncWrite + Unpin,
{
    // Its buffer is used again.
    let mut spare = Batch::default();
    let mut taken = Vec::new();
    let ping = sleep_until(begun);
    tokio::pin!(ping);
    loop {
        if !peer.queue.begin(BATCH_BYTES_MAX, &mut taken) {
            // A caller is writing, and wakes us when it is done.
            peer.queue.woken().await;
            continue;
        }
        let mut batch = match peer.direct.take_rest() {
            rest if rest.is_empty() => std::mem::take(&mut spare),
            rest => rest,
        };
        taken.drain(..).for_each(|payload| batch.push(Kind::Data, payload.parts()));
        let now = Instant::now();
        if ping.deadline() <= now {
            batch.push(Kind::Ping, &[Bytes::copy_from_slice(&encode_age(now - begun))]);
            ping.as_mut().reset(now + timeouts.ping_interval);
        }
        if !batch.is_empty() {
            match batch.write(&mut stream, timeouts.write_stall).await {
                Ok(writes) => peer.counters.writes.add(writes),
                Err(error) => return error,
            }
        }
        spare = batch;
        if !peer.queue.finish(&peer.counters) {
            tokio::select! {
                () = peer.queue.woken() => {}
                () = &mut ping => {}
            }
        }
    }
}

/// Reads what the acceptor has to say, which is pongs; its silence, or the end of the stream, is the end of
/// the link.
async fn read_pongs<R>(mut stream: R, peer: &Peer, begun: Instant, timeouts: &Timeouts) -> Ended
where
    R: AsyncRead + Unpin,
{
    let mut decoder = Decoder::new(0);
    loop {
        match read_some(&mut stream, &mut decoder, timeouts).await {
            Ok(0) => return Ended::Closed,
            Ok(_) => {}
            Err(ended) => return ended,
        }
        loop {
            match decoder.next() {
                Ok(Some(frame)) => note_pong(&frame.payload, peer, begun),
                Ok(None) => break,
                Err(error) => return error.into(),
            }
        }
    }
}

fn note_pong(payload: &[u8], peer: &Peer, begun: Instant) {
    let sent = payload.try_into().map(|age| Duration::from_nanos(u64::from_le_bytes(age)));
    // A pong from the future is a lie, and harmless.
    if let Ok(Some(round_trip)) = sent.map(|sent| begun.elapsed().checked_sub(sent)) {
        peer.note_round_trip(round_trip);
    }
}

/// When a ping left, counted from the begin of its link. Overflows after 584 years.
fn encode_age(age: Duration) -> [u8; PING_BYTES] {
    (age.as_nanos() as u64).to_le_bytes()
}
