//! The service Watch: one stream carries many watches.
//!
//! A [`Session`] stands between a client's stream and the backend's [`WatchStream`](crate::backend::WatchStream). It owns the watches' identities,
//! refuses what needs no state, puts answers in order, leaves out what was not asked for, splits large answers, and asks
//! now and then how far a quiet watch has come. It waits for nothing by itself: whoever has the connection brings requests and outputs, and takes
//! the answers. While the client does not take those, nothing more is brought: a slow client holds what waits in its stream and the backend's bounded queue.
//!
//! Creations are answered in the order in which they were asked, refusals among them, since clients match answers to
//! requests by order. A refusal that is decided here therefore waits for the creations before it.
//!
//! Events of one revision are the same for all who watch the same keys: they are encoded once ([`Encoded`]), and only what stands before them differs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost::encoding::encoded_len_varint;
use synod_storage::mvcc::{Event, KeyRange, Revision};

use super::edge::Edge;
use super::{convert, encode, errors};
use crate::backend::{
    Backend, WATCH_CREATIONS_MAX, WatchControl, WatchControls, WatchCreate, WatchEnd, WatchId, WatchOutput,
};
use crate::proto::etcdserverpb as pb;
use crate::proto::mvccpb;
use pb::watch_create_request::FilterType;
use pb::watch_request::RequestUnion;

/// The identity in answers that concern no watch, or all.
const NO_WATCH: WatchId = -1;

/// Lists of events that were encoded of late.
const ENCODED_MAX: usize = 4;

/// One client's stream.
pub struct Session<B: Backend> {
    edge: Arc<Edge<B>>,
    controls: Box<dyn WatchControls>,
    watches: BTreeMap<WatchId, Watch>,
    next_id: WatchId,
    /// Creations that have not been answered, in order.
    creations: VecDeque<Creation>,
    /// Answers that were not taken.
    answers: VecDeque<Answer>,
    has_stopped: bool,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A message of its own.
    Own(pb::WatchResponse),
    /// A message that ends with events that others are told, too.
    Shared(pb::WatchResponse, Bytes),
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

/// Events that were encoded of late, by the list that they came in.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Holding the list keeps its address from being another one's.
    recent: VecDeque<(Arc<[Event]>, bool, Bytes)>,
}

impl Encoded {
    fn of(&mut self, events: &Arc<[Event]>, prev_kv: bool) -> Bytes {
        let found = self.recent.iter().find(|(list, prev, _)| Arc::ptr_eq(list, events) && *prev == prev_kv);
        if let Some((_, _, bytes)) = found {
            return bytes.clone();
        }
        let bytes = encode::events(events, prev_kv);
        self.recent.truncate(ENCODED_MAX - 1);
        self.recent.push_front((Arc::clone(events), prev_kv, bytes.clone()));
        bytes
    }

    /// Forgets them: they hold on to memory.
    pub fn clear(&mut self) {
        self.recent.clear();
    }
}

impl<B: Backend> Session<B> {
    /// A session whose controls go there.
    pub fn new(edge: Arc<Edge<B>>, controls: Box<dyn WatchControls>) -> Self {
        edge.metrics.watch_streams.inc();
        Session {
            controls,
            watches: BTreeMap::new(),
            next_id: 0,
            creations: VecDeque::new(),
            answers: VecDeque::new(),
            has_stopped: false,
            edge,
        }
    }

    /// Whether a request may be brought.
    pub fn may_ask(&self) -> bool {
        self.creations.len() < WATCH_CREATIONS_MAX
    }

    /// Whether the member stops, and the stream with it.
    pub fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// The next answer.
    pub fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn ask(&mut self, control: WatchControl) {
        self.has_stopped |= !self.controls.ask(control);
    }

    /// Brings what the client asks.
    pub fn request(&mut self, request: pb::WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(request),
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => self.ask(WatchControl::Progress(None)),
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
                self.ask(WatchControl::Create(WatchCreate {
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
            self.ask(WatchControl::Cancel(id));
        }
    }

    /// Asks how far the watches have come that were told nothing since the last look, and want to know.
    pub fn look_for_quiet(&mut self) {
        let mut quiet = Vec::new();
        for (id, watch) in &mut self.watches {
            if watch.progress_notify && watch.quiet && !watch.canceling {
                quiet.push(*id);
            }
            watch.quiet = true;
        }
        for id in quiet {
            self.ask(WatchControl::Progress(Some(id)));
        }
    }

    /// Brings what the backend has put out.
    pub fn output(&mut self, output: WatchOutput, encoded: &mut Encoded) {
        match output {
            WatchOutput::Created { id, revision } => self.created(id, revision),
            WatchOutput::Events { id, revision, events } => self.events(id, revision, &events, encoded),
            WatchOutput::Canceled { id, revision, reason } => self.canceled(id, revision, reason),
            WatchOutput::Progress { id, revision } => {
                let answer = self.answer(id.unwrap_or(NO_WATCH), revision);
                self.answers.push_back(Answer::Own(answer));
            }
        }
    }

    fn created(&mut self, id: WatchId, revision: Revision) {
        match self.creations.pop_front() {
            Some(Creation::Asked(asked)) if asked == id => {}
            _ => panic!("the backend must answer creations in their order, but answered watch {id}"),
        }
        let answer = pb::WatchResponse { created: true, ..self.answer(id, revision) };
        self.answers.push_back(Answer::Own(answer));
        self.answer_refusals();
    }

    fn answer_refusals(&mut self) {
        while let Some(Creation::Refused(reason)) = self.creations.front() {
            let reason = (*reason).to_owned();
            self.creations.pop_front();
            let answer = self.answer(NO_WATCH, self.edge.backend.position().revision);
            self.answers.push_back(Answer::Own(pb::WatchResponse {
                created: true,
                canceled: true,
                cancel_reason: reason,
                ..answer
            }));
        }
    }

    fn events(&mut self, id: WatchId, revision: Revision, events: &Arc<[Event]>, encoded: &mut Encoded) {
        self.controls.taken();
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.quiet = false;
        let (prev_kv, fragment) = (watch.prev_kv, watch.fragment);
        let answer = self.answer(id, revision);
        let shared = encoded.of(events, prev_kv);
        if fragment && answer.encoded_len() + shared.len() > self.edge.limits.watch_response_bytes_max {
            let events = events.iter().map(|event| convert::event(event, prev_kv)).collect();
            let mut parts = VecDeque::new();
            split(
                pb::WatchResponse { events, ..answer },
                self.edge.limits.watch_response_bytes_max,
                &mut parts,
            );
            self.answers.extend(parts.into_iter().map(Answer::Own));
        } else {
            self.answers.push_back(Answer::Shared(answer, shared));
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
        self.answers.push_back(Answer::Own(pb::WatchResponse { canceled: true, ..answer }));
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
