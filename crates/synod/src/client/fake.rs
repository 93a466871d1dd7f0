//! A server for tests: answers keys and watches as it is told, on a port of its own, within the test's
//! process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use synod_server::proto::etcdserverpb::kv_server::{Kv, KvServer};
use synod_server::proto::etcdserverpb::watch_request::RequestUnion;
use synod_server::proto::etcdserverpb::watch_server::{Watch, WatchServer};
use synod_server::proto::etcdserverpb::*;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

/// What the server does with a request for keys.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// Answers.
    Serve,
    /// Refuses with this code.
    Refuse(Code),
    /// Never answers.
    Hang,
}

/// What a watch is answered: messages in turn, the last of which may be a failure.
pub type WatchScript = Vec<Result<WatchResponse, Status>>;

/// What the server was asked, and how it behaves.
#[derive(Debug)]
pub struct Fake {
    behaviour: Behaviour,
    watch: WatchScript,
    requests: AtomicUsize,
    created: mpsc::UnboundedSender<WatchCreateRequest>,
}

/// A running server.
pub struct Running {
    /// Its endpoint.
    pub endpoint: String,
    /// What it was asked to watch.
    pub created: mpsc::UnboundedReceiver<WatchCreateRequest>,
    fake: Arc<Fake>,
}

impl Running {
    /// How many requests for keys came in.
    pub fn requests(&self) -> usize {
        self.fake.requests.load(Ordering::SeqCst)
    }
}

/// Starts a server; it ends with the test's runtime.
pub async fn start(behaviour: Behaviour, watch: WatchScript) -> Running {
    start_on(tonic::transport::Server::builder(), behaviour, watch).await
}

/// Starts a server with settings of its own.
pub async fn start_on(
    mut builder: tonic::transport::Server,
    behaviour: Behaviour,
    watch: WatchScript,
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = listener.local_addr().expect("an address").to_string();
    let (sender, created) = mpsc::unbounded_channel();
    let fake = Arc::new(Fake { behaviour, watch, requests: AtomicUsize::new(0), created: sender });
    let server = builder
        .add_service(KvServer::from_arc(fake.clone()))
        .add_service(WatchServer::from_arc(fake.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Running { endpoint, created, fake }
}

impl Fake {
    async fn answer<T: Default>(&self) -> Result<Response<T>, Status> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        match self.behaviour {
            Behaviour::Serve => Ok(Response::new(T::default())),
            Behaviour::Refuse(code) => Err(Status::new(code, "etcdserver: refused")),
            Behaviour::Hang => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl Kv for Fake {
    async fn range(&self, _: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        self.answer().await
    }
    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        self.answer().await
    }
    async fn delete_range(
        &self,
        _: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        self.answer().await
    }
    async fn txn(&self, _: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        self.answer().await
    }
    async fn compact(&self, _: Request<CompactionRequest>) -> Result<Response<CompactionResponse>, Status> {
        self.answer().await
    }
}

#[tonic::async_trait]
impl Watch for Fake {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    /// Plays the script, then answers requests for progress until the client leaves.
    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let requires_leader = request.metadata().get("hasleader").is_some();
        let mut requests = request.into_inner();
        let (answers, queue) = mpsc::channel(16);
        let (script, created) = (self.watch.clone(), self.created.clone());
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                match request.request_union {
                    Some(RequestUnion::CreateRequest(create)) if requires_leader => {
                        // The test may have seen enough and left.
                        let _ = created.send(create);
                        for answer in &script {
                            let is_failure = answer.is_err();
                            if answers.send(answer.clone()).await.is_err() || is_failure {
                                return;
                            }
                        }
                    }
                    Some(RequestUnion::ProgressRequest(_)) => {
                        let header = Some(ResponseHeader { revision: 77, ..ResponseHeader::default() });
                        let progress = WatchResponse { header, watch_id: -1, ..WatchResponse::default() };
                        if answers.send(Ok(progress)).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(queue)))
    }
}
