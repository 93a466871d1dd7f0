//! The bodies of requests and answers, with what must be known of them while they pass: how many bytes, and the code that
//! an RPC ended with. They wrap HTTP's own bodies in place, without a copy or a box.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::{Code, Status};

use super::dispatch::Calls;
use crate::api::errors;

/// Bytes of requests that have begun to arrive on one connection and are not complete.
///
/// Without it a client could begin as many large requests as it may open streams, and end none.
pub struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Budget { used: AtomicUsize::new(0), bytes_max })
    }
}

/// A request's body as it arrives.
pub struct RequestBody {
    inner: Incoming,
    calls: Arc<Calls>,
    /// None for streams, whose messages are taken as they come.
    budget: Option<Arc<Budget>>,
    charged: usize,
}

impl RequestBody {
    pub fn new(inner: Incoming, calls: Arc<Calls>, budget: Option<Arc<Budget>>) -> Self {
        RequestBody { inner, calls, budget, charged: 0 }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Status> {
        self.calls.metrics.received_bytes.inc_by(bytes as u64);
        let Some(budget) = &self.budget else { return Ok(()) };
        self.charged += bytes;
        let used = budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > budget.bytes_max { Err(errors::TOO_MANY_REQUESTS.status()) } else { Ok(()) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            self.charge(data.len())?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(self.charged, Ordering::Relaxed);
        }
    }
}

/// An answer's body as it leaves; for an RPC it counts what it came to, once.
pub struct ResponseBody {
    inner: tonic::body::Body,
    rpc: Option<Ending>,
}

/// An RPC whose code is not known yet.
struct Ending {
    calls: Arc<Calls>,
    index: usize,
}

impl ResponseBody {
    /// An answer that is not counted.
    pub fn uncounted(inner: tonic::body::Body) -> Self {
        ResponseBody { inner, rpc: None }
    }

    /// The answer to something that is no RPC.
    pub fn plain(text: impl Into<String>) -> Self {
        ResponseBody::uncounted(tonic::body::Body::new(text.into()))
    }

    /// The answer to the RPC of that index; an answer without a body has its code in its head.
    pub fn of_rpc(inner: tonic::body::Body, head: &HeaderMap, calls: Arc<Calls>, index: usize) -> Self {
        let mut body = ResponseBody { inner, rpc: Some(Ending { calls, index }) };
        body.note_code(head);
        body
    }

    fn note_code(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS)
            && let Some(rpc) = self.rpc.take()
        {
            rpc.calls.list[rpc.index].end(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            if let (Some(data), Some(rpc)) = (frame.data_ref(), &self.rpc) {
                rpc.calls.metrics.sent_bytes.inc_by(data.len() as u64);
            } else if let Some(trailers) = frame.trailers_ref() {
                self.note_code(trailers);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(rpc) = self.rpc.take() {
            // Dropped before it had a code: the client is gone.
            rpc.calls.list[rpc.index].end(Code::Cancelled);
        }
    }
}
