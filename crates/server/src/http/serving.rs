//! One client's HTTP/2 connection, as one task.
//!
//! # How it works
//! Each turn reads once, deals with all that was read, takes the answers that are ready, and writes once. A call that needs no waiting is answered where it is
//! read. All others are handed over to the member together, at the end of the turn ([`Backend::hold`]), and wait in one set
//! ([`UnderWay`]), which wakes this task once for all that become ready together. So the more is asked, the larger are the batches, and the
//! fewer system calls and wake-ups come to a call.
//!
//! # What a client may cost
//! What [`synod_grpc::limits`] and [`Limits`](crate::api::Limits) say. A client that takes no answers stops its own streams ([`Limits::send_buffer_bytes_max`](crate::api::Limits::send_buffer_bytes_max)),
//! one that is silent is asked for a sign of life. What is under way for a stream that was reset is dropped when it is done; the member bounds how long that takes.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{Method as HttpMethod, Response, Uri};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use synod_grpc::{Connection, Event, MessageError, Messages, Request, StreamId, Wire};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tonic::{Code, Status};

use super::calls::{self, Counted, Method};
use super::copying::Copying;
use super::dispatch::{Answered, Dispatch};
use super::giving::Giving;
use super::probes;
use super::streams::{Renewing, Watching};
use super::under_way::{Done, UnderWay};
use crate::api::pieces::Large;
use crate::api::watch::Encoded;
use crate::api::{errors, requires_leader};
use crate::backend::Backend;
use crate::metrics::Metrics;

/// Turns in a row before other tasks have one.
const TURNS_MAX: u32 = 16;
/// How long a client that broke a rule may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A stream's call.
pub(super) enum Call<B: Backend> {
    /// Its message is on the way.
    Asking(Asking),
    /// Its answer is.
    Asked(Counted),
    /// A stream of watches.
    Watching(Box<Watching<B>>),
    /// A stream of renewals of leases.
    Renewing(Box<Renewing>),
    /// A copy of the store is.
    Copying(Box<Copying>),
    /// A large answer is.
    Giving(Box<Giving>),
    /// It wants to hear of the server's end.
    Hearing(Counted),
}

/// A call whose message is on the way.
pub(super) struct Asking {
    counted: Counted,
    messages: Messages,
    message: Option<Bytes>,
}

impl Asking {
    fn held_bytes(&self) -> usize {
        self.messages.held_bytes() + self.message.as_ref().map_or(0, Bytes::len)
    }
}

/// The connection.
pub struct Serving<B: Backend, S> {
    wire: Wire<S>,
    pub(super) talk: Talk<B>,
    events: VecDeque<Event>,
    is_stopping: bool,
    keep_alive: Pin<Box<Sleep>>,
    frames_seen: u64,
    /// The client was asked for a sign of life.
    is_asked: bool,
}

/// The calls of a connection, apart from its socket.
pub(super) struct Talk<B: Backend> {
    pub dispatch: Arc<Dispatch<B>>,
    pub calls: BTreeMap<StreamId, Call<B>>,
    pub under_way: FuturesUnordered<UnderWay>,
    /// Streams whose clients do not take what is there.
    pub slow: Vec<StreamId>,
    pub encoded: Encoded,
    /// Kept for its room.
    pub scratch: BytesMut,
    pub looks_for_quiet: bool,
    /// Bytes of requests that are not complete.
    partial_bytes: usize,
}

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin> Serving<B, S> {
    /// A connection of which `read` was read.
    pub fn new(dispatch: Arc<Dispatch<B>>, stream: S, read: BytesMut) -> Self {
        let limits = &dispatch.edge.limits;
        let http = Connection::server(synod_grpc::Limits {
            streams_max: limits.streams_max,
            header_list_bytes_max: limits.header_bytes_max,
            stream_window_bytes: limits.stream_window_bytes,
            connection_window_bytes: limits.connection_window_bytes,
        });
        let under_way = FuturesUnordered::new();
        let signals = &dispatch.edge.signals;
        under_way.push(UnderWay::stopping(signals.stopping.clone()));
        under_way.push(UnderWay::leaderless(signals.leaderless.clone()));
        Serving {
            wire: Wire::new(stream, http, read),
            keep_alive: Box::pin(sleep(limits.keep_alive_interval)),
            talk: Talk {
                calls: BTreeMap::new(),
                under_way,
                slow: Vec::new(),
                encoded: Encoded::default(),
                scratch: BytesMut::new(),
                looks_for_quiet: false,
                partial_bytes: 0,
                dispatch,
            },
            events: VecDeque::new(),
            is_stopping: false,
            frames_seen: 0,
            is_asked: false,
        }
    }

    /// Serves until the client goes, breaks a rule or gives no sign of life, or until all is answered after the server's end.
    ///
    /// # Errors
    /// Why it ended, other than in good order.
    pub async fn run(mut self) -> io::Result<()> {
        let mut ended = self.wire.receive(&mut self.events);
        if ended.is_ok() {
            // What it polls has bounds of its own, see `TURNS_MAX`.
            ended = tokio::task::unconstrained(std::future::poll_fn(|cx| self.poll(cx))).await;
        }
        let broke_a_rule = ended.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData);
        if ended.is_ok() || broke_a_rule {
            // Whoever does not take them has no use for them.
            let _ = timeout(LAST_WORDS, self.say_last_words(broke_a_rule)).await;
        }
        ended
    }

    async fn say_last_words(mut self, is_sending: bool) -> io::Result<()> {
        std::future::poll_fn(|cx| self.wire.poll_write(cx)).await?;
        let mut stream = self.wire.into_stream();
        stream.shutdown().await?;
        // What came and was not read would make the system throw away what was written and not read.
        let mut ignored = [0; 4096];
        while is_sending && stream.read(&mut ignored).await? > 0 {}
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURNS_MAX {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(ended) => return Poll::Ready(ended),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether anything happened; `Err` with how it ended.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, io::Result<()>> {
        let mut happened = match self.wire.poll_read(cx, &mut self.events) {
            Poll::Ready(Ok(0)) => return Err(Ok(())),
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => return Err(Err(error)),
            Poll::Pending => !self.events.is_empty(),
        };
        let backend = Arc::clone(&self.talk.dispatch.edge.backend);
        let held = Held::new(&*backend);
        while let Some(event) = self.events.pop_front() {
            self.talk.event(&mut self.wire.http, event);
        }
        while !self.wire.http.is_full()
            && let Poll::Ready(Some(done)) = self.talk.under_way.poll_next_unpin(cx)
        {
            happened = true;
            if let Done::Stopping = done {
                self.is_stopping = true;
                self.wire.http.go_away();
            }
            self.talk.done(&mut self.wire.http, done);
        }
        drop(held);
        self.talk.encoded.clear();
        match self.wire.poll_write(cx) {
            Poll::Ready(Ok(())) if self.is_stopping && self.wire.http.is_done() => return Err(Ok(())),
            Poll::Ready(Ok(())) => happened |= self.talk.resume(&mut self.wire.http),
            Poll::Ready(Err(error)) => return Err(Err(error)),
            Poll::Pending => {}
        }
        happened |= self.keep_alive(cx).map_err(Err)?;
        Ok(happened)
    }

    /// Looks, when it is time, whether the client gave a sign of life.
    fn keep_alive(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.keep_alive.as_mut().poll(cx).is_pending() {
            return Ok(false);
        }
        let limits = &self.talk.dispatch.edge.limits;
        let frames = self.wire.http.frames();
        let is_silent = std::mem::replace(&mut self.frames_seen, frames) == frames;
        if is_silent && self.is_asked {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it gave no sign of life"));
        }
        self.wire.http.tick();
        self.is_asked = is_silent;
        let mut wait = limits.keep_alive_interval;
        if is_silent {
            self.wire.http.ping(*b"areyouok");
            wait = limits.keep_alive_timeout;
        }
        self.keep_alive.as_mut().reset(Instant::now() + wait);
        Ok(true)
    }
}

/// Holds the backend while it lives.
struct Held<'b, B: Backend>(&'b B);

impl<'b, B: Backend> Held<'b, B> {
    fn new(backend: &'b B) -> Self {
        backend.hold();
        Held(backend)
    }
}

impl<B: Backend> Drop for Held<'_, B> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl<B: Backend> Talk<B> {
    pub(super) fn metrics(&self) -> &Metrics {
        &self.dispatch.edge.metrics
    }

    fn event(&mut self, http: &mut Connection, event: Event) {
        match event {
            Event::Request { stream, request, ended } => {
                self.request(http, stream, request);
                if ended {
                    self.data(http, stream, Bytes::new(), true);
                }
            }
            Event::Data { stream, data, ended } => self.data(http, stream, data, ended),
            Event::Reset { stream, .. } => {
                if let Some(Call::Asking(asking)) = self.calls.remove(&stream) {
                    self.partial_bytes -= asking.held_bytes();
                }
            }
            Event::Response { .. } | Event::End { .. } | Event::Pong(_) | Event::GoAway { .. } => {}
        }
    }

    fn request(&mut self, http: &mut Connection, stream: StreamId, request: Request) {
        if !request.is_grpc {
            return self.probe(http, stream, request);
        }
        let row = match calls::find(&request.path) {
            Ok(row) => row,
            Err(status) => return finish(http, stream, &status),
        };
        let counted = self.dispatch.calls.begin(row);
        if let Some(status) = self.dispatch.refusal(row, &request) {
            return end(http, stream, counted, &status);
        }
        let call = match counted.method() {
            Method::Watch => return self.begin_watching(http, stream, counted, requires_leader(&request)),
            Method::LeaseKeepAlive => {
                http.begin_answer(stream);
                Call::Renewing(Box::new(Renewing::new(counted, requires_leader(&request))))
            }
            _ => Call::Asking(Asking { counted, messages: Messages::default(), message: None }),
        };
        self.calls.insert(stream, call);
    }

    fn probe(&mut self, http: &mut Connection, stream: StreamId, request: Request) {
        let method = HttpMethod::from_bytes(&request.method);
        let uri = Uri::from_maybe_shared(request.path);
        let (Ok(method), Ok(uri)) = (method, uri) else {
            return http.answer_plainly(stream, "400", &[], Bytes::new());
        };
        let dispatch = Arc::clone(&self.dispatch);
        self.under_way.push(UnderWay::Plain(
            stream,
            Box::pin(async move {
                let mut answer = probes::answer(&dispatch.edge, &method, &uri).await;
                if method == HttpMethod::HEAD {
                    answer.body_mut().clear();
                }
                answer
            }),
        ));
    }

    fn data(&mut self, http: &mut Connection, stream: StreamId, data: Bytes, ended: bool) {
        self.metrics().received_bytes.inc_by(data.len() as u64);
        match self.calls.get_mut(&stream) {
            Some(Call::Asking(asking)) => {
                let before = asking.held_bytes();
                http.release(stream, data.len());
                asking.messages.push(data);
                let read = self.dispatch.edge.limits.message_bytes_max();
                if let Err(error) = read_message(asking, read) {
                    return self.refuse(http, stream, before, &error);
                }
                if ended {
                    return self.asked(http, stream, before);
                }
                self.partial_bytes += asking.held_bytes() - before;
                if self.partial_bytes > self.dispatch.edge.limits.partial_request_bytes_max {
                    let held = asking.held_bytes();
                    self.refuse(http, stream, held, &errors::TOO_MANY_REQUESTS.status());
                }
            }
            Some(Call::Watching(watching)) => {
                watching.inbound.push(data, ended);
                self.watch_requests(http, stream);
            }
            Some(Call::Renewing(renewing)) => {
                renewing.inbound.push(data, ended);
                self.renew(http, stream);
            }
            Some(Call::Asked(_) | Call::Copying(_) | Call::Giving(_) | Call::Hearing(_)) | None => {
                http.release(stream, data.len())
            }
        }
    }

    /// Ends a call whose message is on the way, of which so many bytes were counted.
    fn refuse(&mut self, http: &mut Connection, stream: StreamId, counted_bytes: usize, status: &Status) {
        self.partial_bytes -= counted_bytes;
        if let Some(Call::Asking(asking)) = self.calls.remove(&stream) {
            end(http, stream, asking.counted, status);
        }
    }

    /// The whole message of a call is there.
    fn asked(&mut self, http: &mut Connection, stream: StreamId, counted_bytes: usize) {
        self.partial_bytes -= counted_bytes;
        let Some(Call::Asking(Asking { counted, messages, message })) = self.calls.remove(&stream) else {
            return;
        };
        let message = match (message, messages.end()) {
            (Some(message), Ok(())) => message,
            (_, Err(error)) => return end(http, stream, counted, &refused_message(error)),
            (None, Ok(())) => {
                return end(http, stream, counted, &Status::internal("grpc: the request has no message"));
            }
        };
        if counted.method() == Method::HealthWatch {
            return self.begin_hearing(http, stream, counted, &message);
        }
        if counted.method() == Method::Snapshot {
            return self.begin_copying(http, stream, counted);
        }
        match self.dispatch.answer(counted.method(), message) {
            Answered::Now(Ok(answer)) => {
                let bytes = http.answer(stream, |out| answer.encode(out));
                self.metrics().sent_bytes.inc_by(bytes as u64);
                counted.end(Code::Ok);
            }
            Answered::Now(Err(status)) => end(http, stream, counted, &status),
            Answered::Later(answering) => {
                self.under_way.push(UnderWay::Answer(stream, answering));
                self.calls.insert(stream, Call::Asked(counted));
            }
            Answered::Large(answering) => {
                self.under_way.push(UnderWay::Large(stream, answering));
                self.calls.insert(stream, Call::Asked(counted));
            }
        }
    }

    fn done(&mut self, http: &mut Connection, done: Done) {
        match done {
            Done::Answer(stream, answer) => match self.calls.remove(&stream) {
                Some(Call::Asked(counted)) => match answer {
                    Ok(message) => self.answer_whole(http, stream, counted, &message),
                    Err(status) => end(http, stream, counted, &status),
                },
                Some(Call::Renewing(renewing)) => self.renewed(http, stream, renewing, answer),
                // It was reset.
                _ => {}
            },
            Done::Large(stream, answer) => {
                // Without the call it was reset.
                let Some(Call::Asked(counted)) = self.calls.remove(&stream) else { return };
                match answer {
                    Ok(Large::Whole(message)) => self.answer_whole(http, stream, counted, &message),
                    Ok(Large::InPieces { bytes, pieces }) => {
                        self.begin_giving(http, stream, counted, bytes, pieces);
                    }
                    Err(status) => end(http, stream, counted, &status),
                }
            }
            Done::Plain(stream, answer) => answer_plainly(http, stream, answer),
            Done::Output(stream, output, outputs) => self.watch_output(http, stream, output, outputs),
            Done::Piece(stream, piece, pieces) => match self.calls.get(&stream) {
                Some(Call::Giving(_)) => self.given(http, stream, piece, pieces),
                _ => self.copied(http, stream, piece, pieces),
            },
            Done::Stopping => self.end_streams(http, &errors::STOPPED.status(), |_| true),
            Done::Leaderless(leaderless) => {
                if *leaderless.borrow() {
                    self.end_streams(http, &errors::NO_LEADER.status(), |requires_leader| requires_leader);
                }
                self.under_way.push(UnderWay::leaderless(leaderless));
            }
            Done::LookForQuiet => self.look_for_quiet(),
        }
    }

    fn answer_whole(&mut self, http: &mut Connection, stream: StreamId, counted: Counted, message: &Bytes) {
        http.begin_answer(stream);
        let bytes = http.shared_message(stream, &[], message);
        http.finish(stream, 0, "");
        self.metrics().sent_bytes.inc_by(bytes as u64);
        counted.end(Code::Ok);
    }

    /// Looks for watches that were told nothing of late, after a while: up to a tenth longer than asked, so that streams that
    /// began together do not ask together.
    pub(super) fn look_for_quiet_later(&mut self) {
        let period = self.dispatch.edge.watch_progress_interval;
        let random = RandomState::new().build_hasher().finish();
        let period = period + period / 1_000 * u32::try_from(random % 100).unwrap_or(0);
        let time = sleep(period.max(Duration::from_millis(1)));
        self.under_way.push(UnderWay::LookForQuiet(Box::pin(time)));
        self.looks_for_quiet = true;
    }
}

/// Takes the message out, once it is whole; a call has one.
fn read_message(asking: &mut Asking, bytes_max: usize) -> Result<(), Status> {
    if asking.message.is_none() {
        asking.message = asking.messages.next(bytes_max).map_err(refused_message)?;
    }
    Ok(())
}

/// What Go's gRPC says of a message that cannot be read.
pub(super) fn refused_message(error: MessageError) -> Status {
    match error {
        MessageError::TooLarge { found, bytes_max } => Status::resource_exhausted(format!(
            "grpc: received message larger than max ({found} vs. {bytes_max})"
        )),
        MessageError::Compressed => Status::unimplemented("grpc: compressed messages are not supported"),
        MessageError::Truncated => Status::internal("grpc: the request ended within a message"),
    }
}

/// Ends a call that is counted.
pub(super) fn end(http: &mut Connection, stream: StreamId, counted: Counted, status: &Status) {
    finish(http, stream, status);
    counted.end(status.code());
}

fn finish(http: &mut Connection, stream: StreamId, status: &Status) {
    http.finish(stream, i32::from(status.code()) as u32, status.message());
}

fn answer_plainly(http: &mut Connection, stream: StreamId, answer: Response<Bytes>) {
    let (head, body) = answer.into_parts();
    let fields: Vec<(&str, &str)> = head
        .headers
        .iter()
        .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)))
        .collect();
    http.answer_plainly(stream, head.status.as_str(), &fields, body);
}
