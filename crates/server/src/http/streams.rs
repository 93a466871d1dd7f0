//! Calls of many messages: watches, renewals of leases, and who wants to hear of the server's end.
//!
//! What a client sends is taken message by message, while the call has use for it; what is not taken is not released, so that the client's window
//! stops it. What a client does not take of its answers stops what is taken for it.

use bytes::Bytes;
use prost::Message;
use synod_grpc::{Connection, Messages, StreamId};
use tokio::sync::mpsc;
use tonic::Status;

use super::calls::Counted;
use super::dispatch::decode;
use super::serving::{Call, Talk, end, refused_message};
use super::under_way::UnderWay;
use crate::api::watch::{Answer, Session};
use crate::api::{HealthService, errors};
use crate::backend::{Backend, WatchOutput, WatchStream};

/// What a client sends on one stream.
#[derive(Default)]
pub struct Inbound {
    messages: Messages,
    /// Bytes that came and were not released.
    held_bytes: usize,
    ended: bool,
}

impl Inbound {
    /// Adds what has come.
    pub fn push(&mut self, data: Bytes, ended: bool) {
        self.held_bytes += data.len();
        self.messages.push(data);
        self.ended |= ended;
    }

    /// The next message. Where there is none, the client may send more.
    fn next(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, Status> {
        let message = self.messages.next(bytes_max).map_err(refused_message)?;
        if message.is_none() {
            http.release(stream, std::mem::take(&mut self.held_bytes));
        }
        Ok(message)
    }
}

/// A stream of watches.
pub struct Watching<B: Backend> {
    counted: Counted,
    requires_leader: bool,
    pub(super) inbound: Inbound,
    session: Session<B>,
    /// Where outputs come from, while the client does not take what is there.
    stopped: Option<mpsc::UnboundedReceiver<WatchOutput>>,
}

/// A stream of renewals, answered one after the other.
pub struct Renewing {
    counted: Counted,
    requires_leader: bool,
    pub(super) inbound: Inbound,
    is_busy: bool,
}

impl Renewing {
    /// One that has begun.
    pub fn new(counted: Counted, requires_leader: bool) -> Self {
        Renewing { counted, requires_leader, inbound: Inbound::default(), is_busy: false }
    }
}

impl<B: Backend> Talk<B> {
    pub(super) fn begin_watching(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        counted: Counted,
        requires_leader: bool,
    ) {
        if let Some(status) = self.ended_already(requires_leader) {
            return end(http, stream, counted, &status);
        }
        http.begin_answer(stream);
        let WatchStream { controls, outputs } = self.dispatch.edge.backend.watch_stream();
        let session = Session::new(self.dispatch.edge.clone(), controls);
        self.under_way.push(UnderWay::Output(stream, Some(outputs)));
        let inbound = Inbound::default();
        let watching = Watching { counted, requires_leader, inbound, session, stopped: None };
        self.calls.insert(stream, Call::Watching(Box::new(watching)));
        if !self.looks_for_quiet {
            self.look_for_quiet_later();
        }
    }

    /// Why a stream cannot begin now.
    fn ended_already(&self, requires_leader: bool) -> Option<Status> {
        let signals = &self.dispatch.edge.signals;
        if *signals.stopping.borrow() {
            return Some(errors::STOPPED.status());
        }
        (requires_leader && *signals.leaderless.borrow()).then(|| errors::NO_LEADER.status())
    }

    /// Brings the session what the client asks, as far as it takes that.
    pub(super) fn watch_requests(&mut self, http: &mut Connection, stream: StreamId) {
        let bytes_max = self.dispatch.edge.limits.message_bytes_max();
        let Some(Call::Watching(watching)) = self.calls.get_mut(&stream) else { return };
        while watching.stopped.is_none() && watching.session.may_ask() {
            let next = watching.inbound.next(http, stream, bytes_max);
            match next.and_then(|message| message.map(|message| decode(&message)).transpose()) {
                Ok(Some(request)) => watching.session.request(request),
                Ok(None) => break,
                Err(status) => return self.end_stream(http, stream, &status),
            }
        }
        self.send_answers(http, stream);
    }

    /// Brings the session what the member has put out.
    pub(super) fn watch_output(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        output: Option<WatchOutput>,
        mut outputs: mpsc::UnboundedReceiver<WatchOutput>,
    ) {
        let room = self.dispatch.edge.limits.send_buffer_bytes_max;
        let mut next = output;
        loop {
            let Some(Call::Watching(watching)) = self.calls.get_mut(&stream) else { return };
            let Some(output) = next else {
                return self.end_stream(http, stream, &errors::STOPPED.status());
            };
            watching.session.output(output, &mut self.encoded);
            self.send_answers(http, stream);
            if http.queued_bytes(stream) >= room {
                if let Some(Call::Watching(watching)) = self.calls.get_mut(&stream) {
                    watching.stopped = Some(outputs);
                    self.slow.push(stream);
                }
                return;
            }
            next = match outputs.try_recv() {
                Ok(output) => Some(output),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => break,
            };
        }
        self.under_way.push(UnderWay::Output(stream, Some(outputs)));
        // It may take requests again that it had no room for.
        self.watch_requests(http, stream);
    }

    /// Goes on with streams whose clients have taken what was there; whether there was one.
    pub(super) fn resume(&mut self, http: &mut Connection) -> bool {
        let room = self.dispatch.edge.limits.send_buffer_bytes_max;
        let mut resumed = Vec::new();
        self.slow.retain(|stream| {
            let may_resume = http.queued_bytes(*stream) < room;
            if may_resume {
                resumed.push(*stream);
            }
            !may_resume
        });
        for stream in &resumed {
            self.resume_copying(*stream);
            self.resume_giving(*stream);
            if let Some(Call::Watching(watching)) = self.calls.get_mut(stream)
                && let Some(outputs) = watching.stopped.take()
            {
                self.under_way.push(UnderWay::Output(*stream, Some(outputs)));
                self.watch_requests(http, *stream);
            }
        }
        !resumed.is_empty()
    }

    fn send_answers(&mut self, http: &mut Connection, stream: StreamId) {
        let Some(Call::Watching(watching)) = self.calls.get_mut(&stream) else { return };
        let mut sent = 0;
        while let Some(answer) = watching.session.take_answer() {
            sent += match answer {
                Answer::Own(message) => http.message(stream, |out| {
                    message.encode(out).expect("the buffer grows");
                }),
                Answer::Shared(begin, events) => {
                    self.scratch.clear();
                    begin.encode(&mut self.scratch).expect("the buffer grows");
                    http.shared_message(stream, &self.scratch, &events)
                }
            };
        }
        let has_stopped = watching.session.has_stopped();
        self.metrics().sent_bytes.inc_by(sent as u64);
        if has_stopped {
            self.end_stream(http, stream, &errors::STOPPED.status());
        }
    }

    pub(super) fn look_for_quiet(&mut self) {
        let mut looks = false;
        for call in self.calls.values_mut() {
            if let Call::Watching(watching) = call {
                watching.session.look_for_quiet();
                looks = true;
            }
        }
        self.looks_for_quiet = false;
        if looks {
            self.look_for_quiet_later();
        }
    }

    /// Renews the next lease of a stream, unless one is being renewed.
    pub(super) fn renew(&mut self, http: &mut Connection, stream: StreamId) {
        let bytes_max = self.dispatch.edge.limits.message_bytes_max();
        let Some(Call::Renewing(renewing)) = self.calls.get_mut(&stream) else { return };
        if renewing.is_busy {
            return;
        }
        match renewing.inbound.next(http, stream, bytes_max) {
            Ok(Some(message)) => {
                renewing.is_busy = true;
                let answering = self.dispatch.renew(message);
                self.under_way.push(UnderWay::Answer(stream, answering));
            }
            Ok(None) if renewing.inbound.ended => self.end_stream(http, stream, &Status::ok("")),
            Ok(None) => {}
            Err(status) => self.end_stream(http, stream, &status),
        }
    }

    pub(super) fn renewed(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        mut renewing: Box<Renewing>,
        answer: Result<Bytes, Status>,
    ) {
        match answer {
            Ok(message) => {
                let bytes = http.shared_message(stream, &[], &message);
                self.metrics().sent_bytes.inc_by(bytes as u64);
                renewing.is_busy = false;
                self.calls.insert(stream, Call::Renewing(renewing));
                self.renew(http, stream);
            }
            Err(status) => end(http, stream, renewing.counted, &status),
        }
    }

    /// Tells how the server is, and later of its end.
    pub(super) fn begin_hearing(
        &mut self,
        http: &mut Connection,
        stream: StreamId,
        counted: Counted,
        message: &Bytes,
    ) {
        let request = match decode(message) {
            Ok(request) => request,
            Err(status) => return end(http, stream, counted, &status),
        };
        let answer = self.dispatch.health.watch(&request);
        http.begin_answer(stream);
        http.message(stream, |out| answer.encode(out).expect("the buffer grows"));
        self.calls.insert(stream, Call::Hearing(counted));
    }

    /// Ends all streams that never end by themselves, or those that require a leader.
    pub(super) fn end_streams(
        &mut self,
        http: &mut Connection,
        status: &Status,
        ends: impl Fn(bool) -> bool,
    ) {
        let requires_leader = |call: &Call<B>| match call {
            Call::Watching(watching) => Some(watching.requires_leader),
            Call::Renewing(renewing) => Some(renewing.requires_leader),
            Call::Copying(_) | Call::Hearing(_) => Some(false),
            Call::Asking(_) | Call::Asked(_) | Call::Giving(_) => None,
        };
        let ended: Vec<StreamId> = self
            .calls
            .iter()
            .filter(|(_, call)| requires_leader(call).is_some_and(&ends))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in ended {
            if let Some(Call::Hearing(_)) = self.calls.get(&stream) {
                let answer = HealthService::stopped();
                http.message(stream, |out| answer.encode(out).expect("the buffer grows"));
            }
            self.end_stream(http, stream, status);
        }
    }

    pub(super) fn end_stream(&mut self, http: &mut Connection, stream: StreamId, status: &Status) {
        let counted = match self.calls.remove(&stream) {
            Some(Call::Watching(watching)) => watching.counted,
            Some(Call::Renewing(renewing)) => renewing.counted,
            Some(Call::Copying(copying)) => copying.counted,
            Some(Call::Giving(giving)) => giving.counted,
            Some(Call::Hearing(counted) | Call::Asked(counted)) => counted,
            Some(Call::Asking(_)) | None => return,
        };
        end(http, stream, counted, status);
    }
}
