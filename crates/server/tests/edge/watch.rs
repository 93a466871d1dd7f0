//! Watch: identities, order, refusals, what is left out, splitting, progress, slow clients.

use std::time::Duration;

use pb::watch_create_request::FilterType;
use pb::watch_request::RequestUnion;
use synod_server::api::Limits;
use synod_server::http::Options;
use synod_server::proto::mvccpb::event::EventType;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::support::{IDENTITY, Running, soon};
use super::*;

/// One stream of watches, and a client to change things with.
struct Watching {
    running: Running,
    ask: mpsc::Sender<pb::WatchRequest>,
    answers: Streaming<pb::WatchResponse>,
    kv: Kv,
}

impl Watching {
    async fn start() -> Self {
        Watching::start_with(Options::default()).await
    }

    async fn start_with(options: Options) -> Self {
        let running = Running::start_with(options, None);
        let channel = running.channel().await;
        let (ask, asked) = mpsc::channel(64);
        let mut client =
            pb::watch_client::WatchClient::new(channel.clone()).max_decoding_message_size(1 << 30);
        let answers = soon(client.watch(ReceiverStream::new(asked))).await.unwrap().into_inner();
        Watching { running, ask, answers, kv: Kv::new(channel) }
    }

    async fn send(&self, union: RequestUnion) {
        self.ask.send(pb::WatchRequest { request_union: Some(union) }).await.unwrap();
    }

    async fn create(&self, request: pb::WatchCreateRequest) {
        self.send(RequestUnion::CreateRequest(request)).await;
    }

    async fn next(&mut self) -> pb::WatchResponse {
        soon(self.answers.message()).await.unwrap().expect("the stream goes on")
    }

    async fn created(&mut self, request: pb::WatchCreateRequest) -> i64 {
        self.create(request).await;
        let answer = self.next().await;
        assert!(answer.created && !answer.canceled, "{answer:?}");
        answer.watch_id
    }

    async fn put(&mut self, key: &'static str, value: &'static str) -> i64 {
        self.kv.put(put(key, value)).await.unwrap().into_inner().header.unwrap().revision
    }

    async fn delete(&mut self, key: &'static str) {
        self.kv.delete_range(pb::DeleteRangeRequest { key: key.into(), ..Default::default() }).await.unwrap();
    }
}

fn on(key: &'static str) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest { key: key.into(), ..Default::default() }
}

fn under(key: &'static str) -> pb::WatchCreateRequest {
    let range = prefix(key);
    pb::WatchCreateRequest { key: range.key, range_end: range.range_end, ..Default::default() }
}

fn refusal(answer: &pb::WatchResponse) -> &str {
    assert!(answer.created && answer.canceled, "{answer:?}");
    assert_eq!(answer.watch_id, -1);
    &answer.cancel_reason
}

#[tokio::test]
async fn identities_count_from_zero_and_a_taken_one_is_refused() {
    let mut watching = Watching::start().await;
    assert_eq!(watching.created(on("a")).await, 0);
    assert_eq!(watching.created(on("a")).await, 1);
    assert_eq!(watching.created(pb::WatchCreateRequest { watch_id: 2, ..on("a") }).await, 2);
    assert_eq!(watching.created(on("a")).await, 3, "the next free one");
    watching.create(pb::WatchCreateRequest { watch_id: 2, ..on("a") }).await;
    assert_eq!(refusal(&watching.next().await), "mvcc: duplicate watch ID provided on the WatchStream");
    watching.send(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 2 })).await;
    let canceled = watching.next().await;
    assert!(canceled.canceled && !canceled.created && canceled.cancel_reason.is_empty());
    assert_eq!(
        watching.created(pb::WatchCreateRequest { watch_id: 2, ..on("a") }).await,
        2,
        "it is free again"
    );
}

#[tokio::test]
async fn an_empty_range_is_refused_in_turn_and_the_stream_goes_on() {
    let mut watching = Watching::start().await;
    watching.create(on("a")).await;
    watching.create(pb::WatchCreateRequest { range_end: "b".into(), ..on("b") }).await;
    watching.create(pb::WatchCreateRequest { range_end: "a".into(), ..on("b") }).await;
    watching.create(on("c")).await;
    assert_eq!(watching.next().await.watch_id, 0);
    assert_eq!(refusal(&watching.next().await), "mvcc: watcher range is empty");
    assert_eq!(refusal(&watching.next().await), "mvcc: watcher range is empty");
    assert_eq!(watching.next().await.watch_id, 1);
    let all = pb::WatchCreateRequest { range_end: "\0".into(), ..on("b") };
    assert_eq!(watching.created(all).await, 2, "an end of one zero byte is every key from there on");
}

#[tokio::test]
async fn events_follow_the_creation_with_headers_and_what_was_asked_for() {
    let mut watching = Watching::start().await;
    watching.put("k/a", "1").await;
    let plain = watching.created(under("k/")).await;
    let with_prev = watching.created(pb::WatchCreateRequest { prev_kv: true, ..under("k/") }).await;
    watching.put("k/a", "2").await;
    watching.delete("k/a").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = watching.next().await;
        assert_eq!(answer.header.as_ref().unwrap().member_id, IDENTITY.member_id);
        let event = answer.events[0].clone();
        seen.push((answer.watch_id, event.r#type(), event.kv.unwrap(), event.prev_kv));
    }
    for (id, prev) in [(plain, false), (with_prev, true)] {
        let mine: Vec<_> = seen.iter().filter(|(of, ..)| *of == id).collect();
        let (_, kind, kv, before) = mine[0];
        assert_eq!((*kind, &kv.value[..], kv.mod_revision, kv.version), (EventType::Put, &b"2"[..], 3, 2));
        assert_eq!(before.as_ref().map(|kv| &kv.value[..]), prev.then_some(&b"1"[..]));
        let (_, kind, kv, before) = mine[1];
        assert_eq!((*kind, &kv.key[..], kv.mod_revision), (EventType::Delete, &b"k/a"[..], 4));
        assert_eq!(
            (kv.value.len(), kv.version, kv.create_revision),
            (0, 0, 0),
            "a deletion has no more than that"
        );
        assert_eq!(before.as_ref().map(|kv| &kv.value[..]), prev.then_some(&b"2"[..]));
    }
}

#[tokio::test]
async fn a_start_revision_is_history_or_a_promise() {
    let mut watching = Watching::start().await;
    for value in ["1", "2", "3"] {
        watching.put("a", value).await;
    }
    let past = watching.created(pb::WatchCreateRequest { start_revision: 3, ..on("a") }).await;
    let mut revisions = Vec::new();
    while revisions.len() < 2 {
        let answer = watching.next().await;
        assert_eq!(answer.watch_id, past);
        revisions.extend(answer.events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision));
    }
    assert_eq!(revisions, [3, 4]);
    let future = watching.created(pb::WatchCreateRequest { start_revision: 6, ..on("b") }).await;
    let now = watching.created(pb::WatchCreateRequest { start_revision: -9, ..on("b") }).await;
    watching.put("b", "at 5").await;
    watching.put("b", "at 6").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = watching.next().await;
        seen.extend(
            answer.events.iter().map(|event| (answer.watch_id, event.kv.as_ref().unwrap().mod_revision)),
        );
    }
    seen.sort_unstable();
    assert_eq!(seen, [(future, 6), (now, 5), (now, 6)]);
}

#[tokio::test]
async fn a_compacted_start_is_created_then_canceled_with_the_compacted_revision() {
    let mut watching = Watching::start().await;
    for value in ["1", "2", "3"] {
        watching.put("a", value).await;
    }
    watching.kv.compact(pb::CompactionRequest { revision: 3, physical: false }).await.unwrap();
    let late = watching.created(pb::WatchCreateRequest { start_revision: 2, ..on("a") }).await;
    let canceled = watching.next().await;
    assert_eq!((canceled.watch_id, canceled.canceled, canceled.created), (late, true, false));
    assert_eq!((canceled.compact_revision, canceled.cancel_reason.as_str()), (3, ""));
    assert_eq!(canceled.header.unwrap().revision, 0);
    let exact = watching.created(pb::WatchCreateRequest { start_revision: 3, ..on("a") }).await;
    assert_eq!(watching.next().await.watch_id, exact, "exactly the compacted revision is watchable");
}

#[tokio::test]
async fn filters_leave_out_puts_or_deletions() {
    let mut watching = Watching::start().await;
    let filtered = |filter: FilterType| pb::WatchCreateRequest { filters: vec![filter.into()], ..on("a") };
    let deletions = watching.created(filtered(FilterType::Noput)).await;
    let puts = watching.created(filtered(FilterType::Nodelete)).await;
    watching.put("a", "1").await;
    watching.delete("a").await;
    let first = watching.next().await;
    assert_eq!((first.watch_id, first.events[0].r#type()), (puts, EventType::Put));
    let second = watching.next().await;
    assert_eq!((second.watch_id, second.events[0].r#type()), (deletions, EventType::Delete));
}

#[tokio::test]
async fn a_revision_comes_whole_unless_it_is_large_and_may_be_split() {
    let mut watching = Watching::start().await;
    let whole = watching.created(under("k")).await;
    let split = watching.created(pb::WatchCreateRequest { fragment: true, ..under("k") }).await;
    // Two transactions of half a limit each would not do: it must be one revision above the limit.
    let put = |n: u8| pb::PutRequest {
        key: vec![b'k', n].into(),
        value: vec![n; 200_000].into(),
        ..Default::default()
    };
    let puts = (0..7).map(|n| pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put(n))) });
    watching.kv.txn(pb::TxnRequest { success: puts.collect(), ..Default::default() }).await.unwrap();
    // With the versions before, each event doubles.
    let with_prev = pb::WatchCreateRequest { prev_kv: true, fragment: true, watch_id: 9, ..under("k") };
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(watching.next().await);
    }
    assert!(answers.iter().all(|answer| answer.events.len() == 7 && !answer.fragment), "1.4 MB is not split");
    assert!(
        answers.iter().any(|answer| answer.watch_id == whole) && answers.iter().any(|a| a.watch_id == split)
    );
    watching.created(with_prev).await;
    let again = (0..7).map(|n| pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put(n))) });
    watching.kv.txn(pb::TxnRequest { success: again.collect(), ..Default::default() }).await.unwrap();
    let mut parts = Vec::new();
    while parts.last().is_none_or(|part: &pb::WatchResponse| part.fragment) {
        let answer = watching.next().await;
        if answer.watch_id == 9 {
            parts.push(answer);
        }
    }
    assert_eq!(parts.iter().map(|part| part.events.len()).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(parts.iter().map(|part| part.fragment).collect::<Vec<_>>(), [true, true, false]);
    assert!(parts.iter().all(|part| part.header.as_ref().unwrap().revision == 3));
}

#[tokio::test]
async fn progress_is_told_on_request_for_the_whole_stream() {
    let mut watching = Watching::start().await;
    watching.created(on("a")).await;
    let revision = watching.put("elsewhere", "v").await;
    watching.send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let progress = watching.next().await;
    assert_eq!((progress.watch_id, progress.events.len()), (-1, 0));
    assert_eq!(progress.header.unwrap().revision, revision);
    assert!(!progress.created && !progress.canceled);
}

#[tokio::test]
async fn a_quiet_watch_that_asked_for_it_is_told_so_now_and_then() {
    let options = Options { watch_progress_interval: Duration::from_millis(20), ..Options::default() };
    let mut watching = Watching::start_with(options).await;
    watching.created(on("a")).await;
    let notified = watching.created(pb::WatchCreateRequest { progress_notify: true, ..on("a") }).await;
    let progress = watching.next().await;
    assert_eq!((progress.watch_id, progress.events.len()), (notified, 0));
    assert_eq!(progress.header.unwrap().revision, 1);
}

#[tokio::test]
async fn a_stream_has_so_many_watches_and_no_more() {
    let limits = Limits { watches_per_stream_max: 2, ..Limits::default() };
    let mut watching = Watching::start_with(Options { limits, ..Options::default() }).await;
    watching.created(on("a")).await;
    watching.created(on("a")).await;
    watching.create(on("a")).await;
    assert_eq!(refusal(&watching.next().await), "synod: too many watches on one stream");
    assert_eq!(watching.running.metrics.watchers.get(), 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_a_bounded_amount_and_loses_nothing() {
    let limits = Limits { send_buffer_bytes_max: 64 * 1024, ..Limits::default() };
    let mut watching = Watching::start_with(Options { limits, ..Options::default() }).await;
    watching.created(under("k")).await;
    let count = 2_000_i64;
    for _ in 0..count {
        let request = pb::PutRequest { value: vec![7; 2_000].into(), ..put("k", "") };
        watching.kv.put(request).await.unwrap();
    }
    let sent = watching.running.metrics.sent_bytes.get();
    assert!(sent < 3_000_000, "of 4 MB of events {sent} bytes were sent to a client that does not read");
    let mut next = 2;
    while next < 2 + count {
        for event in watching.next().await.events {
            assert_eq!(event.kv.unwrap().mod_revision, next, "in order, without gap or repetition");
            next += 1;
        }
    }
}
