//! Connections for those who ask much: a load generator shares the machine with what it measures, so what it costs itself counts.
//!
//! A [`Line`] is one connection on [`synod_grpc`]: calls are written into its output, [`Line::turn`] writes all of them at once and waits for
//! events. Nothing runs in the background, and nothing is repeated or sent elsewhere.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use synod_grpc::{CallHead, Connection, Event, Limits, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::alarm::Alarm;
use super::endpoint::Endpoint;
use super::{Options, tls};
use crate::failure::Failure;
use crate::go_syntax::duration;

const USER_AGENT: &str = concat!("synod/", env!("CARGO_PKG_VERSION"));

/// Opens lines to the endpoints of a cluster.
#[derive(Clone, Debug)]
pub struct Dialer {
    endpoints: Vec<Endpoint>,
    tls: Option<Arc<ClientConfig>>,
    dial_timeout: Duration,
}

impl Dialer {
    /// For these endpoints. Reads the certificates, and connects to nobody yet.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        let endpoints = Endpoint::all(options)?;
        let tls = match endpoints.iter().any(Endpoint::is_tls) {
            true => Some(tls::plain_config(options)?),
            false => None,
        };
        Ok(Dialer { endpoints, tls, dial_timeout: options.dial_timeout })
    }

    /// Opens the line of that number; numbers go round the endpoints.
    pub async fn dial(&self, number: usize) -> Result<Line, Failure> {
        let endpoint = &self.endpoints[number % self.endpoints.len()];
        let failed = |reason: String| Failure::unreachable(format!("{}: {reason}", endpoint.name()));
        match tokio::time::timeout(self.dial_timeout, self.connect(endpoint)).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no connection within {}", duration::format(self.dial_timeout)))),
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> io::Result<Line> {
        let authority = endpoint.authority();
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let stream = match self.tls.as_ref().filter(|_| endpoint.is_tls()) {
            None => Stream::Plain(stream),
            Some(config) => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                let connector = TlsConnector::from(Arc::clone(config));
                Stream::Tls(Box::new(connector.connect(name, stream).await?))
            }
        };
        let http = Connection::client(Limits::default());
        Ok(Line {
            wire: Wire::new(stream, http, BytesMut::new()),
            events: VecDeque::new(),
            alarm: None,
            authority: authority.to_owned(),
            is_tls: endpoint.is_tls(),
        })
    }
}

/// A connection.
#[derive(Debug)]
pub struct Line {
    wire: Wire<Stream>,
    events: VecDeque<Event>,
    /// Kept from turn to turn: most turns end before its moment.
    alarm: Option<Alarm>,
    authority: String,
    is_tls: bool,
}

impl Line {
    /// The head of calls to a method.
    pub fn head(&self, path: &'static str) -> CallHead {
        CallHead::new(path, self.is_tls, &self.authority, USER_AGENT)
    }

    /// What calls are written into.
    pub fn http(&mut self) -> &mut Connection {
        &mut self.wire.http
    }

    /// The next thing that has happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Writes what waits, and waits until something has happened or the time has come.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn turn(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.alarm.as_ref().map(Alarm::moment) != until {
            self.alarm = until.map(Alarm::at);
        }
        std::future::poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.wire.poll_write(cx) {
                return Poll::Ready(Err(error));
            }
            loop {
                match self.wire.poll_read(cx, &mut self.events) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Ready(Ok(_)) if !self.events.is_empty() => return Poll::Ready(Ok(())),
                    // Windows or a ping: there may be more to write.
                    Poll::Ready(Ok(_)) => {
                        if let Poll::Ready(Err(error)) = self.wire.poll_write(cx) {
                            return Poll::Ready(Err(error));
                        }
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            match &mut self.alarm {
                Some(alarm) => Pin::new(alarm).poll(cx).map(Ok),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// A socket with or without TLS.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
