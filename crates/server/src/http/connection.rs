//! One client's connection: handshake, protocol, then HTTP until it ends or the server stops.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use ::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use synod_transport::Renewed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::body::Whole;
use super::dispatch::Dispatch;
use super::serving::Serving;
use super::sniff::{Protocol, Replay, sniff};
use super::{probes, stopped, tune};
use crate::backend::Backend;

/// Bytes that may be buffered for the head of an HTTP/1.1 request.
const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What serves one connection.
pub struct Connection<B: Backend> {
    dispatch: Arc<Dispatch<B>>,
    tls: Option<Arc<Renewed<ServerConfig>>>,
    stopping: watch::Receiver<bool>,
}

impl<B: Backend> Connection<B> {
    pub fn new(
        dispatch: Arc<Dispatch<B>>,
        tls: Option<Arc<Renewed<ServerConfig>>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Connection { dispatch, tls, stopping }
    }

    pub async fn run(self, stream: TcpStream) {
        tune(&stream);
        let dispatch = Arc::clone(&self.dispatch);
        let metrics = &dispatch.edge.metrics;
        metrics.connections.inc();
        match self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current())) {
            None => self.speak(stream).await,
            Some(tls) => match timeout(dispatch.edge.limits.handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream).await,
                Ok(Err(error)) => self.failed(&error.to_string()),
                Err(_) => self.failed("the TLS handshake took too long"),
            },
        }
        metrics.connections.dec();
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        match timeout(self.dispatch.edge.limits.head_timeout, sniff(stream)).await {
            Ok(Ok(Some((Protocol::Http2, stream)))) => self.http2(stream).await,
            Ok(Ok(Some((Protocol::Http1, stream)))) => self.http1(stream).await,
            // Whoever only looks whether the port is open has done nothing wrong.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => self.failed(&error.to_string()),
            Err(_) => self.failed("no request came"),
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: Replay<S>) {
        let (stream, read) = stream.into_parts();
        if let Err(error) = Serving::new(self.dispatch, stream, read).run().await {
            tracing::debug!(%error, "a client's HTTP/2 connection ended badly");
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: Replay<S>) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.dispatch.edge.limits.head_timeout)
            .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
        let dispatch = Arc::clone(&self.dispatch);
        let service = service_fn(move |request: Request<Incoming>| {
            let dispatch = Arc::clone(&dispatch);
            async move {
                let answer = probes::answer(&dispatch.edge, request.method(), request.uri()).await;
                Ok::<_, Infallible>(answer.map(Whole))
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a client's HTTP/1.1 connection ended badly");
        }
    }

    fn failed(&self, why: &str) {
        self.dispatch.edge.metrics.connections_failed.inc();
        tracing::debug!(why, "a client's connection came to nothing");
    }
}
