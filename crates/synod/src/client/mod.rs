//! A small etcd client: endpoints tried in turn, every wait bounded.
//!
//! An endpoint that cannot be reached is skipped, for a request that was never sent can be sent elsewhere. A
//! request that was sent and then answered with "unavailable" goes to the next endpoint only if it reads: a
//! write may have happened, and sending it twice is its user's decision. What a server refuses is reported in
//! its own words.
//!
//! Which requests fail over to whom is all that this client adds to the generated stubs; it caches nothing
//! and keeps no connection in the background, as befits a process that lives for one command.

mod alarm;
mod endpoint;
#[cfg(test)]
pub mod fake;
mod line;
#[cfg(test)]
mod tests;
mod tls;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use synod_server::proto::etcdserverpb::cluster_client::ClusterClient;
use synod_server::proto::etcdserverpb::kv_client::KvClient;
use synod_server::proto::etcdserverpb::lease_client::LeaseClient;
use synod_server::proto::etcdserverpb::maintenance_client::MaintenanceClient;
use synod_server::proto::etcdserverpb::watch_client::WatchClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::failure::Failure;
use crate::go_syntax::duration;
use endpoint::Endpoint;

pub use alarm::Alarm;
pub use line::{Dialer, Line};

/// Largest answer that is accepted, in bytes; Go's client has the same limit.
const ANSWER_BYTES_MAX: usize = i32::MAX as usize;

/// Where the cluster is and how to speak to it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Endpoints as their user wrote them: `host:port` or a URL.
    pub endpoints: Vec<String>,
    /// Authorities of the servers' certificates (PEM).
    pub authorities: Option<PathBuf>,
    /// The certificate to show (PEM).
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM).
    pub private_key: Option<PathBuf>,
    /// Longest wait for a connection.
    pub dial_timeout: Duration,
    /// Longest wait for an answer.
    pub command_timeout: Duration,
}

/// Whether a request may be sent a second time after it may have been executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads: asking twice does no harm.
    Allowed,
    /// It writes.
    Forbidden,
}

/// A client of the endpoints of one cluster.
#[derive(Debug)]
pub struct Client {
    endpoints: Vec<Endpoint>,
    dial_timeout: Duration,
    command_timeout: Duration,
}

impl Client {
    /// A client of these endpoints. Reads the certificates, and connects to nobody yet.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        let endpoints = Endpoint::all(options)?;
        Ok(Self { endpoints, dial_timeout: options.dial_timeout, command_timeout: options.command_timeout })
    }

    /// A client like this one for other endpoints. Those that are no endpoint are left out.
    pub fn with_endpoints(options: &Options, names: &[String]) -> Result<Self, Failure> {
        Self::new(&Options { endpoints: names.to_vec(), ..options.clone() })
    }

    /// The endpoints by the names that their user gave them, each as a client of its own.
    pub fn each(&self) -> impl Iterator<Item = (String, Self)> {
        self.endpoints.iter().map(|endpoint| {
            let alone = Self { endpoints: vec![endpoint.clone()], ..*self };
            (endpoint.name().to_owned(), alone)
        })
    }

    /// Sends a request to the first endpoint that takes it.
    pub async fn call<T>(
        &self,
        repeat: Repeat,
        send: impl AsyncFn(Channel) -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let mut failures = Vec::new();
        for endpoint in &self.endpoints {
            let channel = match self.dial(endpoint).await {
                Ok(channel) => channel,
                Err(reason) => {
                    failures.push(format!("{}: {reason}", endpoint.name()));
                    continue;
                }
            };
            let status = match tokio::time::timeout(self.command_timeout, send(channel)).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => return Err(self.too_late(endpoint)),
            };
            if !is_lost_connection(&status) {
                return Err(failure_of(&status));
            }
            let reason = format!("{}: {}", endpoint.name(), reason(&status));
            if repeat == Repeat::Forbidden {
                return Err(Failure::unreachable(format!(
                    "{reason}; whether the write has happened is not known"
                )));
            }
            failures.push(reason);
        }
        Err(Failure::unreachable(format!("no endpoint answers: {}", failures.join("; "))))
    }

    /// Opens a connection for a stream to the first endpoint, from `first` on in turn, that can be reached.
    /// Returns which.
    pub async fn connect(&self, first: usize) -> Result<(usize, Channel), Failure> {
        let mut failures = Vec::new();
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            match self.dial(&self.endpoints[index]).await {
                Ok(channel) => return Ok((index, channel)),
                Err(reason) => failures.push(format!("{}: {reason}", self.endpoints[index].name())),
            }
        }
        Err(Failure::unreachable(format!("no endpoint answers: {}", failures.join("; "))))
    }

    /// Waits no longer than for any answer.
    pub async fn within_command_timeout<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::time::timeout(self.command_timeout, waiting).await.map_err(|_| {
            let waited = duration::format(self.command_timeout);
            Failure::unreachable(format!("no answer within {waited} (--command-timeout)"))
        })
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Channel, String> {
        match tokio::time::timeout(self.dial_timeout, endpoint.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(format!("no connection within {}", duration::format(self.dial_timeout))),
        }
    }

    fn too_late(&self, endpoint: &Endpoint) -> Failure {
        let waited = duration::format(self.command_timeout);
        let name = endpoint.name();
        Failure::unreachable(format!("{name} did not answer within {waited} (--command-timeout)"))
    }
}

/// What a failed request means for the command.
pub fn failure_of(status: &Status) -> Failure {
    if is_lost_connection(status) || status.code() == Code::DeadlineExceeded {
        Failure::unreachable(reason(status))
    } else {
        Failure::refused(reason(status))
    }
}

/// Whether a request failed because its connection or its server went away, so that another endpoint may
/// serve it. A status that this side made, and no server sent, has a source: the error of the connection.
pub fn is_lost_connection(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled) || status.source().is_some()
}

/// The server's words, or where no server spoke, the innermost cause.
fn reason(status: &Status) -> String {
    match status.source() {
        Some(source) => innermost(source).to_string(),
        None if status.message().is_empty() => status.code().to_string(),
        None => status.message().to_owned(),
    }
}

/// The innermost cause of an error, which is the one that says something.
fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// The stub for keys.
pub fn kv(channel: Channel) -> KvClient<Channel> {
    KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// The stub for watches.
pub fn watch(channel: Channel) -> WatchClient<Channel> {
    WatchClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// The stub for leases.
pub fn lease(channel: Channel) -> LeaseClient<Channel> {
    LeaseClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// The stub for the member list.
pub fn cluster(channel: Channel) -> ClusterClient<Channel> {
    ClusterClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// The stub for one member's status.
pub fn maintenance(channel: Channel) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}
