//! What is asked, and of which keys.

use std::collections::HashMap;

use bytes::Bytes;
use clap::ValueEnum;
use synod_server::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use synod_server::proto::etcdserverpb::kv_client::KvClient;
use synod_server::proto::etcdserverpb::lease_client::LeaseClient;
use synod_server::proto::etcdserverpb::request_op::Request;
use synod_server::proto::etcdserverpb::response_op::Response;
use synod_server::proto::etcdserverpb::{
    Compare, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use tonic::Status;
use tonic::transport::Channel;

use super::Arguments;
use super::history::Account;
use crate::client;

/// What the keys begin with.
pub const PREFIX: &str = "bench/";
/// The first key beyond those that begin with it.
pub const PREFIX_END: &str = "bench0";
/// Longer than any run: no lease ends by itself while it is measured.
const LEASE_SECONDS: i64 = 3_600;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Writes of one key
    Put,
    /// Linearizable reads of one key
    Get,
    /// Serializable reads of one key
    GetSerializable,
    /// Linearizable reads and writes of one key, see --reads
    Mixed,
    /// Compare-and-swap: a transaction on the revision last seen
    Cas,
    /// Linearizable reads of neighbouring keys, see --list-keys
    List,
    /// One writer, and watchers that are told: latency from the put's start to the event
    Watch,
    /// Leases granted and revoked in turn
    Lease,
}

impl Workload {
    /// Whether the keys must be there before.
    pub fn reads(self) -> bool {
        matches!(self, Self::Get | Self::GetSerializable | Self::Mixed | Self::List)
    }

    /// Whether what clients do and see can be written as a history.
    pub fn has_history(self) -> bool {
        matches!(self, Self::Put | Self::Get | Self::GetSerializable | Self::Mixed)
    }
}

/// How keys are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    /// Each as often as any other
    Even,
    /// The n-th about one n-th as often as the first
    Skewed,
    /// One after the other
    Sequential,
}

/// One client's requests: what it asks next depends on its seed and on what it has seen.
pub struct Asker {
    kv: KvClient<Channel>,
    leases: LeaseClient<Channel>,
    workload: Workload,
    distribution: Distribution,
    keys: u64,
    reads: u64,
    list_keys: u32,
    value: Bytes,
    random: u64,
    turn: u64,
    /// The revisions last seen of this client's keys, for compare-and-swap.
    seen: HashMap<u64, i64>,
    client: u64,
    clients: u64,
    lease: Option<i64>,
    /// What keys begin with.
    prefix: String,
    account: Option<Account>,
}

impl Asker {
    /// The client of that number.
    pub fn new(channel: Channel, client: u64, arguments: &Arguments) -> Self {
        Asker {
            kv: client::kv(channel.clone()),
            leases: client::lease(channel),
            workload: arguments.workload,
            distribution: arguments.distribution,
            keys: arguments.keys.into(),
            reads: arguments.reads.into(),
            list_keys: arguments.list_keys,
            value: value(arguments),
            random: client.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            turn: client,
            seen: HashMap::new(),
            client,
            clients: arguments.in_flight.into(),
            lease: None,
            prefix: PREFIX.to_owned(),
            account: None,
        }
    }

    /// Keeps an account of what it does, with keys that begin with `prefix`.
    pub fn recording(self, account: Account, prefix: &str) -> Self {
        Self { account: Some(account), prefix: prefix.to_owned(), ..self }
    }

    /// The account that it kept.
    pub fn into_account(self) -> Option<Account> {
        self.account
    }

    /// Sends one request and waits for its answer.
    pub async fn ask(&mut self) -> Result<(), Status> {
        let number = self.choose();
        match self.workload {
            Workload::Put | Workload::Watch => self.put(number).await,
            Workload::Get => self.get(number, false).await,
            Workload::GetSerializable => self.get(number, true).await,
            Workload::Mixed => match self.draw() % 100 < self.reads {
                true => self.get(number, false).await,
                false => self.put(number).await,
            },
            Workload::Cas => self.swap(number).await,
            Workload::List => self.list(number).await,
            Workload::Lease => self.lease().await,
        }
    }

    async fn put(&mut self, number: u64) -> Result<(), Status> {
        let value = match &mut self.account {
            Some(account) => account.puts(number, self.value.len()),
            None => self.value.clone(),
        };
        let key = key_below(&self.prefix, number);
        let answer = self.kv.put(PutRequest { key, value, ..PutRequest::default() }).await;
        if let Some(account) = &mut self.account {
            account.has_put(answer.is_ok());
        }
        answer.map(drop)
    }

    async fn get(&mut self, number: u64, serializable: bool) -> Result<(), Status> {
        if let Some(account) = &mut self.account {
            account.gets(number);
        }
        let key = key_below(&self.prefix, number);
        let answer = self.kv.range(RangeRequest { key, serializable, ..RangeRequest::default() }).await;
        match (&mut self.account, &answer) {
            (Some(account), Ok(answer)) => {
                account.has_got(answer.get_ref().kvs.first().map(|pair| &pair.value[..]));
            }
            (Some(account), Err(_)) => account.has_not_got(),
            (None, _) => {}
        }
        answer.map(drop)
    }

    async fn list(&mut self, number: u64) -> Result<(), Status> {
        let last = number + u64::from(self.list_keys);
        let request = RangeRequest { key: key(number), range_end: key(last), ..RangeRequest::default() };
        self.kv.range(request).await.map(drop)
    }

    /// Each client swaps keys of its own, so that a swap fails only where another run was before.
    async fn swap(&mut self, number: u64) -> Result<(), Status> {
        let number = number - number % self.clients + self.client;
        let revision = self.seen.get(&number).copied().unwrap_or(0);
        let compare = Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: key(number),
            target_union: Some(TargetUnion::ModRevision(revision)),
            ..Compare::default()
        };
        let put = PutRequest { key: key(number), value: self.value.clone(), ..PutRequest::default() };
        let get = RangeRequest { key: key(number), ..RangeRequest::default() };
        let request = TxnRequest {
            compare: vec![compare],
            success: vec![RequestOp { request: Some(Request::RequestPut(put)) }],
            failure: vec![RequestOp { request: Some(Request::RequestRange(get)) }],
        };
        let answer = self.kv.txn(request).await?.into_inner();
        let revision = match answer.responses.into_iter().next().and_then(|response| response.response) {
            Some(Response::ResponseRange(range)) => range.kvs.first().map_or(0, |kv| kv.mod_revision),
            _ => answer.header.map_or(0, |header| header.revision),
        };
        self.seen.insert(number, revision);
        Ok(())
    }

    async fn lease(&mut self) -> Result<(), Status> {
        if let Some(id) = self.lease.take() {
            return self.leases.lease_revoke(LeaseRevokeRequest { id }).await.map(drop);
        }
        let request = LeaseGrantRequest { ttl: LEASE_SECONDS, ..LeaseGrantRequest::default() };
        self.lease = Some(self.leases.lease_grant(request).await?.into_inner().id);
        Ok(())
    }

    fn choose(&mut self) -> u64 {
        match self.distribution {
            Distribution::Even => self.draw() % self.keys,
            Distribution::Skewed => {
                // The rank's logarithm is even, so a rank is drawn about as often as one over it says.
                let share = self.draw() as f64 / (1u64 << 31) as f64;
                ((self.keys as f64).powf(share) as u64 - 1).min(self.keys - 1)
            }
            Distribution::Sequential => {
                self.turn += self.clients;
                self.turn % self.keys
            }
        }
    }

    /// 31 random bits.
    fn draw(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

/// The key of that number.
pub fn key(number: u64) -> Bytes {
    key_below(PREFIX, number)
}

fn key_below(prefix: &str, number: u64) -> Bytes {
    format!("{prefix}{number:010}").into()
}

/// A value as long as asked for.
pub fn value(arguments: &Arguments) -> Bytes {
    vec![b'v'; arguments.value_bytes as usize].into()
}
