//! One client's connection: handshake, protocol, then HTTP until it ends or the server stops.

use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use synod_transport::Renewed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::authority::Mended;
use super::body::Budget;
use super::dispatch::Dispatch;
use super::sniff::{Protocol, Replay, sniff};
use super::{stopped, tune};
use crate::backend::Backend;

/// Bytes that may be buffered for the head of an HTTP/1.1 request.
const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may open and reset before they are served; more close the connection.
const RESET_STREAMS_MAX: usize = 128;

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
        let metrics = &dispatch.edge().metrics;
        metrics.connections.inc();
        match self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current())) {
            None => self.speak(stream).await,
            Some(tls) => match timeout(dispatch.edge().limits.handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream).await,
                Ok(Err(error)) => self.failed(&error.to_string()),
                Err(_) => self.failed("the TLS handshake took too long"),
            },
        }
        metrics.connections.dec();
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        match timeout(self.dispatch.edge().limits.head_timeout, sniff(stream)).await {
            Ok(Ok(Some((Protocol::Http2, stream)))) => self.http2(stream).await,
            Ok(Ok(Some((Protocol::Http1, stream)))) => self.http1(stream).await,
            // Whoever only looks whether the port is open has done nothing wrong.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => self.failed(&error.to_string()),
            Err(_) => self.failed("no request came"),
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: Replay<S>) {
        let limits = &self.dispatch.edge().limits;
        let budget = Budget::new(limits.partial_request_bytes_max);
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .max_local_error_reset_streams(RESET_STREAMS_MAX)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .max_send_buf_size(limits.send_buffer_bytes_max)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout)
            .auto_date_header(false);
        let dispatch = Arc::clone(&self.dispatch);
        let service = service_fn(move |request| {
            let (dispatch, budget) = (Arc::clone(&dispatch), Arc::clone(&budget));
            async move { Ok::<_, std::convert::Infallible>(dispatch.handle(request, budget).await) }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(Mended::new(stream)), service));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a client's HTTP/2 connection ended badly");
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: Replay<S>) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.dispatch.edge().limits.head_timeout)
            .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
        let dispatch = Arc::clone(&self.dispatch);
        let service = service_fn(move |request| {
            let dispatch = Arc::clone(&dispatch);
            async move { Ok::<_, std::convert::Infallible>(dispatch.probe(&request).await) }
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
        self.dispatch.edge().metrics.connections_failed.inc();
        tracing::debug!(why, "a client's connection came to nothing");
    }
}
