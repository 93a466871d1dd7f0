//! Watchers: streams of events that are broken again and again, and resumed as clients do it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use synod_check::etcd::{Change, WatchResponse, WatchRun};
use synod_check::specification::key_value::{Blob, Pair, Span};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::clients::{ANSWER_TIMEOUT, Connection};
use super::dice::Dice;
use super::journal::Shared;
use super::leasing::lease_of;
use super::translate::{blob, ends, pair, signed, unsigned};
use crate::cluster::api::etcdserverpb as wire;
use crate::cluster::api::mvccpb;
use wire::watch_request::RequestUnion;

/// How long a stream may be silent before the watcher asks how far it is.
const SILENCE_MAX: Duration = Duration::from_millis(800);

/// What one watcher saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// As the checker wants it.
    pub run: WatchRun,
    /// What each event said was there before: the event's revision and key, and the pair.
    pub previous: Vec<(u64, Blob, Option<Pair>)>,
}

/// A watcher, and the view of what it has seen that outlives it.
#[derive(Clone, Debug)]
pub struct Watcher {
    shared: Shared,
    seen: Arc<Mutex<Seen>>,
    /// Whether its progress notifications are recorded: etcd before 3.4.25 breaks the promise that they make.
    trusts_progress: bool,
}

impl Watcher {
    /// A watcher of a span from a revision on.
    pub fn new(shared: Shared, name: String, span: Span, start_revision: u64, trusts_progress: bool) -> Self {
        let run = WatchRun {
            name,
            span,
            start_revision,
            fragmented: false,
            responses: Vec::new(),
            complete_until: 0,
        };
        Self { shared, seen: Arc::new(Mutex::new(Seen { run, previous: Vec::new() })), trusts_progress }
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// The revision of the last event that it has seen, or the one before its first.
    pub fn position(&self) -> u64 {
        let seen = self.lock();
        let last = seen.run.responses.iter().rev().find_map(|response| response.events.last());
        last.map_or(seen.run.start_revision - 1, |event| event.revision)
    }

    /// Watches until the task is ended, on one member after the other.
    pub async fn run(self, mut dice: Dice) {
        loop {
            let endpoint = &self.shared.endpoints[dice.index(self.shared.endpoints.len())];
            if let Ok(connection) = Connection::open(endpoint, &self.shared).await {
                let patience = dice.milliseconds(2_000, 20_000);
                // Some streams are left without need: a client may go away at any time.
                let _ = tokio::time::timeout(patience, self.follow(connection)).await;
            }
            tokio::time::sleep(dice.milliseconds(10, 60)).await;
        }
    }

    /// Follows one stream until it breaks.
    async fn follow(&self, mut connection: Connection) -> Option<()> {
        let (requests, receiver) = mpsc::channel(4);
        let next = self.position() + 1;
        let span = self.lock().run.span.clone();
        requests.send(create(&span, next)).await.ok()?;
        let opening = connection.watch.watch(ReceiverStream::new(receiver));
        let mut answers = tokio::time::timeout(ANSWER_TIMEOUT, opening).await.ok()?.ok()?.into_inner();
        self.shared.journal().counts.watch_streams += 1;
        let mut asked = false;
        loop {
            match tokio::time::timeout(SILENCE_MAX, answers.message()).await {
                Ok(message) => {
                    self.take(message.ok()??)?;
                    asked = false;
                }
                Err(_) if asked => return None,
                Err(_) => {
                    let ask = RequestUnion::ProgressRequest(wire::WatchProgressRequest {});
                    requests.send(wire::WatchRequest { request_union: Some(ask) }).await.ok()?;
                    asked = true;
                }
            }
        }
    }

    /// Takes in an answer; none when the stream is over.
    fn take(&self, response: wire::WatchResponse) -> Option<()> {
        let revision = response.header.as_ref().map_or(0, |header| unsigned(header.revision));
        let mut journal = self.shared.journal();
        if response.canceled {
            // Only what lies before every watch of this window is ever compacted.
            if response.compact_revision != 0 {
                let Seen { run, .. } = &*self.lock();
                journal.finding(format!(
                    "Watch {} from revision {} was told that it is compacted up to {}, which nobody asked for.",
                    run.name, run.start_revision, response.compact_revision
                ));
            }
            return None;
        }
        if response.created || (response.events.is_empty() && !self.trusts_progress) {
            return Some(());
        }
        let mut seen = self.lock();
        let mut events = Vec::with_capacity(response.events.len());
        for event in response.events {
            let (change, previous) = change(event)?;
            if let Some(lease) = lease_of(&change.key).filter(|_| change.value.is_none()) {
                journal.lease_gone(lease, change.revision);
            }
            seen.previous.push((change.revision, change.key.clone(), previous));
            events.push(change);
        }
        journal.counts.watch_events += events.len() as u64;
        seen.run.responses.push(WatchResponse { revision, events });
        Some(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All changes after `base` up to and with `until`, as one member tells them, with the revision of the header of each answer.
///
/// # Errors
/// The member does not tell them all in time.
pub async fn history_of(
    endpoint: &str,
    shared: &Shared,
    base: u64,
    until: u64,
    patience: Duration,
) -> anyhow::Result<Vec<Change>> {
    let collecting = async {
        let mut connection = Connection::open(endpoint, shared).await?;
        let (requests, receiver) = mpsc::channel(1);
        requests.send(create(&Span::everything(), base + 1)).await?;
        let mut answers = connection.watch.watch(ReceiverStream::new(receiver)).await?.into_inner();
        let mut changes: Vec<Change> = Vec::new();
        while changes.last().is_none_or(|change| change.revision < until) {
            let answer = answers.message().await?.ok_or_else(|| anyhow::anyhow!("the watch ended"))?;
            anyhow::ensure!(!answer.canceled, "the watch was canceled: {}", answer.cancel_reason);
            for event in answer.events {
                let (change, _) = change(event).ok_or_else(|| anyhow::anyhow!("an event has no key"))?;
                changes.push(change);
            }
        }
        changes.retain(|change| change.revision <= until);
        anyhow::Ok(changes)
    };
    match tokio::time::timeout(patience, collecting).await {
        Ok(changes) => changes,
        Err(_) => anyhow::bail!("the history up to revision {until} did not arrive within {patience:?}"),
    }
}

fn create(span: &Span, start_revision: u64) -> wire::WatchRequest {
    let (key, range_end) = ends(span);
    let request = wire::WatchCreateRequest {
        key,
        range_end,
        start_revision: signed(start_revision),
        prev_kv: true,
        ..Default::default()
    };
    wire::WatchRequest { request_union: Some(RequestUnion::CreateRequest(request)) }
}

fn change(event: mvccpb::Event) -> Option<(Change, Option<Pair>)> {
    let deleted = event.r#type() == mvccpb::event::EventType::Delete;
    let kv = event.kv?;
    let change = Change {
        revision: unsigned(kv.mod_revision),
        key: blob(&kv.key),
        value: (!deleted).then(|| blob(&kv.value)),
        lease: kv.lease,
    };
    Some((change, event.prev_kv.map(pair)))
}
