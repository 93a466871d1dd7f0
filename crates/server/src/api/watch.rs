//! The service Watch: one stream carries many watches.
//!
//! A [`Session`] stands between a client's stream and the backend's [`WatchStream`]. It owns the watches' identities,
//! refuses what needs no state, puts answers in order, leaves out what was not asked for, splits large answers, and asks
//! now and then how far a quiet watch has come. It is polled by the connection, so that nothing is read from the backend,
//! nor from the client, while the client does not take what is there: a slow client holds one answer here and the
//! backend's bounded queue.
//!
//! Creations are answered in the order in which they were asked, refusals among them, since clients match answers to
//! requests by order. A refusal that is decided here therefore waits for the creations before it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use prost::Message;
use prost::encoding::encoded_len_varint;
use synod_storage::mvcc::{Event, KeyRange, Revision};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::{Request, Response, Status, Streaming};

use super::edge::{Edge, Signals, requires_leader};
use super::{convert, errors};
use crate::backend::{
    Backend, WATCH_CONTROLS_MAX, WatchControl, WatchCreate, WatchEnd, WatchId, WatchOutput, WatchStream,
};
use crate::proto::etcdserverpb as pb;
use crate::proto::mvccpb;
use pb::watch_create_request::FilterType;
use pb::watch_request::RequestUnion;

/// The identity in answers that concern no watch, or all.
const NO_WATCH: WatchId = -1;

/// Watch over a backend.
pub struct WatchService<B>(pub Arc<Edge<B>>);

#[tonic::async_trait]
impl<B: Backend> pb::watch_server::Watch for WatchService<B> {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let require_leader = requires_leader(request.metadata());
        let session = Session::new(Arc::clone(&self.0), request.into_inner(), require_leader);
        let answers = stream::unfold(session, |mut session| async move {
            session.next().await.map(|answer| (answer, session))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// One client's stream.
struct Session<B: Backend> {
    edge: Arc<Edge<B>>,
    /// None once the client has said that it asks for nothing more; its watches go on.
    inbound: Option<Streaming<pb::WatchRequest>>,
    backend: WatchStream,
    signals: Signals,
    require_leader: bool,
    watches: BTreeMap<WatchId, Watch>,
    next_id: WatchId,
    /// Creations that have not been answered, in order.
    creations: VecDeque<Creation>,
    /// Controls that the backend has not taken yet. While there are any, the client is not read.
    controls: VecDeque<WatchControl>,
    /// Answers that the client has not taken yet. While there are any, nothing else is done.
    answers: VecDeque<pb::WatchResponse>,
    progress: Interval,
    ended: bool,
}

/// What a client wanted of one watch.
#[derive(Default)]
struct Watch {
    prev_kv: bool,
    fragment: bool,
    progress_notify: bool,
    /// Nothing was sent since the last look at who is quiet.
    quiet: bool,
    /// The client has asked for its end.
    canceling: bool,
}

enum Creation {
    Asked(WatchId),
    Refused(&'static str),
}

enum Step {
    Output(Option<WatchOutput>),
    Inbound(Result<Option<pb::WatchRequest>, Status>),
    ControlTaken,
    LookForQuiet,
    End(Status),
}

impl<B: Backend> Session<B> {
    fn new(edge: Arc<Edge<B>>, inbound: Streaming<pb::WatchRequest>, require_leader: bool) -> Self {
        edge.metrics.watch_streams.inc();
        Session {
            inbound: Some(inbound),
            backend: edge.backend.watch_stream(),
            signals: edge.signals.clone(),
            require_leader,
            watches: BTreeMap::new(),
            next_id: 0,
            creations: VecDeque::new(),
            controls: VecDeque::new(),
            answers: VecDeque::new(),
            progress: jittered(edge.watch_progress_interval),
            ended: false,
            edge,
        }
    }

    /// The next answer; None ends the stream.
    async fn next(&mut self) -> Option<Result<pb::WatchResponse, Status>> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Some(Ok(answer));
            }
            if self.ended {
                return None;
            }
            match self.step().await {
                Step::Output(Some(output)) => self.output(output),
                Step::Output(None) => return self.end(errors::STOPPED.status()),
                Step::Inbound(Ok(Some(request))) => self.request(request),
                Step::Inbound(Ok(None)) => self.inbound = None,
                // The client is gone or cannot be understood.
                Step::Inbound(Err(status)) => {
                    let status = errors::message_too_large(&status).unwrap_or(status);
                    return self.end(status);
                }
                Step::ControlTaken => {}
                Step::LookForQuiet => self.look_for_quiet(),
                Step::End(status) => return self.end(status),
            }
        }
    }

    fn end(&mut self, status: Status) -> Option<Result<pb::WatchResponse, Status>> {
        self.ended = true;
        Some(Err(status))
    }

    /// Waits for the first thing that can be done.
    async fn step(&mut self) -> Step {
        let may_read = self.controls.is_empty() && self.creations.len() < WATCH_CONTROLS_MAX;
        let Session { inbound, backend, signals, controls, .. } = self;
        let request = async {
            match inbound {
                Some(inbound) if may_read => inbound.message().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            output = backend.output.recv() => Step::Output(output),
            room = backend.control.reserve(), if !controls.is_empty() => match (room, controls.pop_front()) {
                (Ok(room), Some(control)) => {
                    room.send(control);
                    Step::ControlTaken
                }
                _ => Step::End(errors::STOPPED.status()),
            },
            request = request => Step::Inbound(request),
            _ = self.progress.tick() => Step::LookForQuiet,
            status = signals.end(self.require_leader) => Step::End(status),
        }
    }

    fn request(&mut self, request: pb::WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(request),
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => self.controls.push_back(WatchControl::Progress(None)),
            // What a later protocol may ask is no reason to end the stream.
            None => {}
        }
    }

    fn create(&mut self, request: pb::WatchCreateRequest) {
        match self.admit(&request) {
            Err(reason) => {
                self.creations.push_back(Creation::Refused(reason));
                self.answer_refusals();
            }
            Ok(id) => {
                self.watches.insert(
                    id,
                    Watch {
                        prev_kv: request.prev_kv,
                        fragment: request.fragment,
                        progress_notify: request.progress_notify,
                        quiet: true,
                        canceling: false,
                    },
                );
                self.edge.metrics.watchers.inc();
                self.creations.push_back(Creation::Asked(id));
                self.controls.push_back(WatchControl::Create(WatchCreate {
                    id,
                    no_put: request.filters().any(|filter| filter == FilterType::Noput),
                    no_delete: request.filters().any(|filter| filter == FilterType::Nodelete),
                    prev_kv: request.prev_kv,
                    // etcd takes a negative revision for "from now".
                    start_revision: request.start_revision.max(0),
                    range: watch_range(request.key, request.range_end),
                }));
            }
        }
    }

    /// An identity for a new watch, or why there is none.
    fn admit(&mut self, request: &pb::WatchCreateRequest) -> Result<WatchId, &'static str> {
        let (key, end) = (&request.key, &request.range_end);
        // An end of one zero byte means every key from `key` on.
        if !end.is_empty() && end.as_ref() != b"\0" && end <= key {
            return Err(errors::watch::EMPTY_RANGE);
        }
        if self.watches.len() >= self.edge.limits.watches_per_stream_max {
            return Err(errors::watch::TOO_MANY);
        }
        if request.watch_id != 0 {
            let taken = request.watch_id == NO_WATCH || self.watches.contains_key(&request.watch_id);
            return if taken { Err(errors::watch::DUPLICATE_ID) } else { Ok(request.watch_id) };
        }
        while self.watches.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        Ok(self.next_id - 1)
    }

    fn cancel(&mut self, id: WatchId) {
        // A watch that is not there, or on its way out, has its answer already or needs none.
        if let Some(watch) = self.watches.get_mut(&id)
            && !std::mem::replace(&mut watch.canceling, true)
        {
            self.controls.push_back(WatchControl::Cancel(id));
        }
    }

    fn look_for_quiet(&mut self) {
        if !self.controls.is_empty() {
            return;
        }
        for (id, watch) in &mut self.watches {
            if watch.progress_notify && watch.quiet && !watch.canceling {
                self.controls.push_back(WatchControl::Progress(Some(*id)));
            }
            watch.quiet = true;
        }
    }

    fn output(&mut self, output: WatchOutput) {
        match output {
            WatchOutput::Created { id, revision } => self.created(id, revision),
            WatchOutput::Events { id, revision, events } => self.events(id, revision, &events),
            WatchOutput::Canceled { id, revision, reason } => self.canceled(id, revision, reason),
            WatchOutput::Progress { id, revision } => {
                let answer = self.answer(id.unwrap_or(NO_WATCH), revision);
                self.answers.push_back(answer);
            }
        }
    }

    fn created(&mut self, id: WatchId, revision: Revision) {
        match self.creations.pop_front() {
            Some(Creation::Asked(asked)) if asked == id => {}
            _ => panic!("the backend must answer creations in their order, but answered watch {id}"),
        }
        let answer = pb::WatchResponse { created: true, ..self.answer(id, revision) };
        self.answers.push_back(answer);
        self.answer_refusals();
    }

    fn answer_refusals(&mut self) {
        while let Some(Creation::Refused(reason)) = self.creations.front() {
            let reason = (*reason).to_owned();
            self.creations.pop_front();
            let answer = self.answer(NO_WATCH, self.edge.backend.position().revision);
            self.answers.push_back(pb::WatchResponse {
                created: true,
                canceled: true,
                cancel_reason: reason,
                ..answer
            });
        }
    }

    fn events(&mut self, id: WatchId, revision: Revision, events: &[Event]) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.quiet = false;
        let (prev_kv, fragment) = (watch.prev_kv, watch.fragment);
        let events = events.iter().map(|event| convert::event(event, prev_kv)).collect();
        let answer = pb::WatchResponse { events, ..self.answer(id, revision) };
        if fragment {
            split(answer, self.edge.limits.watch_response_bytes_max, &mut self.answers);
        } else {
            self.answers.push_back(answer);
        }
    }

    fn canceled(&mut self, id: WatchId, revision: Revision, reason: WatchEnd) {
        if self.watches.remove(&id).is_none() {
            return;
        }
        self.edge.metrics.watchers.dec();
        let answer = match reason {
            WatchEnd::Asked => self.answer(id, revision),
            // etcd names no revision in this header, and no reason.
            WatchEnd::Compacted(compact_revision) => {
                pb::WatchResponse { compact_revision, ..self.answer(id, 0) }
            }
            WatchEnd::Refused(cancel_reason) => {
                pb::WatchResponse { cancel_reason, ..self.answer(id, revision) }
            }
        };
        self.answers.push_back(pb::WatchResponse { canceled: true, ..answer });
    }

    fn answer(&self, watch_id: WatchId, revision: Revision) -> pb::WatchResponse {
        pb::WatchResponse { header: self.edge.header(revision), watch_id, ..Default::default() }
    }
}

impl<B: Backend> Drop for Session<B> {
    fn drop(&mut self) {
        self.edge.metrics.watch_streams.dec();
        self.edge.metrics.watchers.dec_by(i64::try_from(self.watches.len()).unwrap_or(i64::MAX));
    }
}

/// Splits an answer into parts of at most `bytes_max`, though never an event. All but the last part say that more follow.
fn split(mut answer: pb::WatchResponse, bytes_max: usize, parts: &mut VecDeque<pb::WatchResponse>) {
    let events = std::mem::take(&mut answer.events);
    let bare = answer;
    // The mark of a fragment takes two bytes.
    let bare_bytes = bare.encoded_len() + 2;
    let mut part = pb::WatchResponse { fragment: true, ..bare.clone() };
    let mut part_bytes = bare_bytes;
    for event in events {
        let event_bytes = field_bytes(&event);
        if part_bytes + event_bytes > bytes_max && !part.events.is_empty() {
            let full = std::mem::replace(&mut part, pb::WatchResponse { fragment: true, ..bare.clone() });
            parts.push_back(full);
            part_bytes = bare_bytes;
        }
        part_bytes += event_bytes;
        part.events.push(event);
    }
    part.fragment = false;
    parts.push_back(part);
}

/// Bytes of an event within an answer: tag, length, event.
fn field_bytes(event: &mvccpb::Event) -> usize {
    let length = event.encoded_len();
    1 + encoded_len_varint(length as u64) + length
}

/// An empty key stands for the smallest one.
fn watch_range(key: Bytes, end: Bytes) -> KeyRange {
    KeyRange { key: if key.is_empty() { Bytes::from_static(b"\0") } else { key }, end }
}

/// Up to a tenth longer than asked, so that streams that began together do not ask together.
fn jittered(period: Duration) -> Interval {
    let random = RandomState::new().build_hasher().finish();
    let period = period + period / 1_000 * u32::try_from(random % 100).unwrap_or(0);
    let period = period.max(Duration::from_millis(1));
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(sizes: &[usize]) -> pb::WatchResponse {
        let event = |(index, size): (usize, &usize)| mvccpb::Event {
            kv: Some(mvccpb::KeyValue {
                mod_revision: index as i64 + 1,
                value: vec![7; *size].into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let header = Some(pb::ResponseHeader { revision: 9, ..Default::default() });
        let events = sizes.iter().enumerate().map(event).collect();
        pb::WatchResponse { header, watch_id: 3, events, ..Default::default() }
    }

    proptest! {
        #[test]
        fn parts_fit_and_together_are_the_whole(sizes in prop::collection::vec(0..400_usize, 1..40), max in 50..900_usize) {
            let whole = answer(&sizes);
            let mut parts = VecDeque::new();
            split(whole.clone(), max, &mut parts);
            for (index, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.fragment, index + 1 < parts.len());
                prop_assert!(part.encoded_len() <= max || part.events.len() == 1, "{} > {}", part.encoded_len(), max);
                prop_assert_eq!((&part.header, part.watch_id), (&whole.header, 3));
                prop_assert!(!part.events.is_empty());
            }
            let events: Vec<_> = parts.into_iter().flat_map(|part| part.events).collect();
            prop_assert_eq!(events, whole.events);
        }
    }
}
