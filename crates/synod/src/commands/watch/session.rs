//! One watch over as many connections as it takes.

use std::time::{Duration, Instant};

use synod_server::proto::etcdserverpb::watch_request::RequestUnion;
use synod_server::proto::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;

use crate::client::{self, Client};
use crate::failure::Failure;
use crate::note;

/// How long a broken watch looks for an endpoint before it gives up.
const RESUME_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause between two rounds of endpoints.
const RESUME_PAUSE: Duration = Duration::from_millis(200);
/// Requests for progress that may wait for the connection.
const REQUESTS_MAX: usize = 16;

/// A watch and how far it has come.
pub struct Session {
    request: WatchCreateRequest,
    /// The revision that every event before was shown of; 0 until the server has said anything.
    next_revision: i64,
    endpoint: usize,
    progress: (mpsc::Sender<()>, mpsc::Receiver<()>),
}

/// Why a connection ended.
enum End {
    /// The server ended the watch.
    Canceled,
    /// The connection broke; another may carry on.
    Broken(String),
}

impl Session {
    /// A watch that has not begun.
    pub fn new(request: WatchCreateRequest) -> Self {
        let next_revision = request.start_revision.max(0);
        Self { request, next_revision, endpoint: 0, progress: mpsc::channel(REQUESTS_MAX) }
    }

    /// Each message sent here asks the server how far the watch has come.
    pub fn progress_requests(&self) -> mpsc::Sender<()> {
        self.progress.0.clone()
    }

    /// Shows every answer until the server ends the watch.
    pub async fn run(
        &mut self,
        client: &Client,
        mut show: impl AsyncFnMut(WatchResponse) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut broken_since: Option<Instant> = None;
        loop {
            let failure = match self.follow(client, &mut show, &mut broken_since).await {
                Ok(End::Canceled) => return Ok(()),
                Ok(End::Broken(reason)) => Failure::unreachable(reason),
                Err(failure) => failure,
            };
            let is_new = self.next_revision == 0;
            let is_final = failure.exit != crate::failure::Exit::Unreachable || is_new;
            let since = *broken_since.get_or_insert_with(|| {
                let revision = self.next_revision;
                let reason = failure.sentence.as_deref().unwrap_or_default();
                if !is_final {
                    note(format_args!(
                        "the watch's connection broke ({reason}); resuming from revision {revision}"
                    ));
                }
                Instant::now()
            });
            if is_final || since.elapsed() > RESUME_TIME_MAX {
                return Err(failure);
            }
            self.endpoint += 1;
            tokio::time::sleep(RESUME_PAUSE).await;
        }
    }

    /// Follows one connection to its end.
    async fn follow(
        &mut self,
        client: &Client,
        show: &mut impl AsyncFnMut(WatchResponse) -> Result<(), Failure>,
        broken_since: &mut Option<Instant>,
    ) -> Result<End, Failure> {
        let (endpoint, channel) = client.connect(self.endpoint).await?;
        self.endpoint = endpoint;
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let create = WatchCreateRequest { start_revision: self.next_revision, ..self.request.clone() };
        requests
            .try_send(message(RequestUnion::CreateRequest(create)))
            .expect("a new queue has room for one");
        let mut request = tonic::Request::new(ReceiverStream::new(queue));
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut stub = client::watch(channel);
        let mut answers = match client.within_command_timeout(stub.watch(request)).await? {
            Ok(answers) => answers.into_inner(),
            Err(status) => return broken_or_refused(&status),
        };
        loop {
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        *broken_since = None;
                        if self.take(answer, show).await? {
                            return Ok(End::Canceled);
                        }
                    }
                    Ok(None) => return Ok(End::Broken("the server ended the stream".into())),
                    Err(status) => return broken_or_refused(&status),
                },
                Some(()) = self.progress.1.recv() => {
                    let progress = message(RequestUnion::ProgressRequest(WatchProgressRequest {}));
                    if requests.send(progress).await.is_err() {
                        return Ok(End::Broken("the stream was closed".into()));
                    }
                }
            }
        }
    }

    /// Shows an answer, unless it only confirms the watch, and notes how far it has come. Returns whether it
    /// is the last.
    async fn take(
        &mut self,
        answer: WatchResponse,
        show: &mut impl AsyncFnMut(WatchResponse) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        let is_last = answer.canceled;
        let last_event = answer.events.last().and_then(|event| event.kv.as_ref()).map(|kv| kv.mod_revision);
        let is_confirmation = answer.created && !is_last;
        if is_confirmation {
            self.next_revision = if self.next_revision == 0 { revision + 1 } else { self.next_revision };
            return Ok(false);
        }
        show(answer).await?;
        self.next_revision =
            self.next_revision.max(last_event.unwrap_or(if is_last { 0 } else { revision }) + 1);
        Ok(is_last)
    }
}

fn message(request: RequestUnion) -> WatchRequest {
    WatchRequest { request_union: Some(request) }
}

fn broken_or_refused(status: &tonic::Status) -> Result<End, Failure> {
    if client::is_lost_connection(status) {
        Ok(End::Broken(client::failure_of(status).sentence.unwrap_or_default()))
    } else {
        Err(client::failure_of(status))
    }
}
