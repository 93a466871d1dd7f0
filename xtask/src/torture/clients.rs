//! Connections to members, and the choice among them.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::journal::Shared;
use crate::cluster::api::etcdserverpb as wire;
use wire::kv_client::KvClient;
use wire::lease_client::LeaseClient;
use wire::maintenance_client::MaintenanceClient;
use wire::watch_client::WatchClient;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a client waits for an answer before it gives the operation up.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to one member.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Keys.
    pub kv: KvClient<Channel>,
    /// Leases.
    pub lease: LeaseClient<Channel>,
    /// Watches.
    pub watch: WatchClient<Channel>,
    /// Status and hashes.
    pub maintenance: MaintenanceClient<Channel>,
    shared: Shared,
}

impl Connection {
    /// Connects. When this fails nothing was sent.
    ///
    /// # Errors
    /// Nobody answers there in time.
    pub async fn open(endpoint: &str, shared: &Shared) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned())?.connect_timeout(CONNECT_TIMEOUT);
        // A process that is paused accepts connections and then says nothing.
        let channel = tokio::time::timeout(CONNECT_TIMEOUT, endpoint.connect()).await??;
        Ok(Self {
            kv: KvClient::new(channel.clone()),
            lease: LeaseClient::new(channel.clone()),
            watch: WatchClient::new(channel.clone()),
            maintenance: MaintenanceClient::new(channel),
            shared: shared.clone(),
        })
    }

    /// Takes note of what an answer's header says about the cluster.
    pub fn saw(&self, header: &wire::ResponseHeader) {
        self.shared.journal().saw_term(header.raft_term);
    }
}

/// A client that goes to any member, and to another one after a failure.
#[derive(Debug)]
pub struct Roaming {
    shared: Shared,
    current: Option<Connection>,
}

impl Roaming {
    /// A client that is not connected.
    pub fn new(shared: Shared) -> Self {
        Self { shared, current: None }
    }

    /// A connection: the one that is there, or a new one to a member that `pick` chooses. None when nobody answers
    /// there.
    pub async fn connection(&mut self, pick: impl FnOnce(usize) -> usize) -> Option<&mut Connection> {
        if self.current.is_none() {
            let endpoint = &self.shared.endpoints[pick(self.shared.endpoints.len())];
            self.current = Connection::open(endpoint, &self.shared).await.ok();
        }
        self.current.as_mut()
    }

    /// Leaves the member.
    pub fn leave(&mut self) {
        self.current = None;
    }
}
