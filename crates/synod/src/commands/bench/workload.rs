//! What is asked, and of which keys.

use std::collections::HashMap;

use bytes::Bytes;
use clap::ValueEnum;
use prost::Message;
use synod_check::specification::key_value::{Answer, Reply, Request as Model, Span};
use synod_grpc::{CallHead, StreamId};
use synod_server::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use synod_server::proto::etcdserverpb::request_op::Request;
use synod_server::proto::etcdserverpb::response_op::Response;
use synod_server::proto::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest, PutRequest,
    RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse,
};

use super::Arguments;
use super::history::Account;
use super::requests;
use crate::client::Line;

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
    /// Puts, swaps, deletions, and reads of one key or of several, see --reads
    Requests,
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
        matches!(self, Self::Put | Self::Get | Self::GetSerializable | Self::Mixed) || self.asks_an_etcd()
    }

    /// Whether such a history is one of requests of an etcd, and not of keys.
    pub fn asks_an_etcd(self) -> bool {
        matches!(self, Self::Cas | Self::Requests)
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

/// The heads of calls on one connection.
pub struct Heads {
    put: CallHead,
    delete: CallHead,
    range: CallHead,
    txn: CallHead,
    grant: CallHead,
    revoke: CallHead,
}

impl Heads {
    /// Those of that connection.
    pub fn new(line: &Line) -> Self {
        Heads {
            put: line.head("/etcdserverpb.KV/Put"),
            delete: line.head("/etcdserverpb.KV/DeleteRange"),
            range: line.head("/etcdserverpb.KV/Range"),
            txn: line.head("/etcdserverpb.KV/Txn"),
            grant: line.head("/etcdserverpb.Lease/LeaseGrant"),
            revoke: line.head("/etcdserverpb.Lease/LeaseRevoke"),
        }
    }
}

/// A request to send.
pub enum Question {
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Range(RangeRequest),
    Txn(Box<TxnRequest>),
    Grant(LeaseGrantRequest),
    Revoke(LeaseRevokeRequest),
}

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Put,
    Get,
    List,
    /// A swap of the key of that number.
    Swap(u64),
    /// A request of the checkers' model.
    Model(Box<Model>),
    Grant,
    Revoke,
}

/// One client's requests: what it asks next depends on its seed and on what it has seen.
pub struct Asker {
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
    awaited: Awaited,
}

impl Asker {
    /// The client of that number.
    pub fn new(client: u64, arguments: &Arguments) -> Self {
        Asker {
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
            awaited: Awaited::Nothing,
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

    /// Writes one request into the connection's output. `None` if that has no room for one more stream.
    pub fn ask(&mut self, line: &mut Line, heads: &mut Heads) -> Option<StreamId> {
        if !line.http().may_open() {
            return None;
        }
        let number = self.choose();
        let question = match self.workload {
            Workload::Put | Workload::Watch => self.put(number),
            Workload::Get => self.get(number, false),
            Workload::GetSerializable => self.get(number, true),
            Workload::Mixed => match self.draw() % 100 < self.reads {
                true => self.get(number, false),
                false => self.put(number),
            },
            Workload::Cas if self.account.is_none() => self.swap(number),
            Workload::Cas => {
                let swap = self.model_swap(number);
                self.ask_model(swap)
            }
            Workload::Requests => {
                let request = self.any_request(number);
                self.ask_model(request)
            }
            Workload::List => self.list(number),
            Workload::Lease => self.lease(),
        };
        match question {
            Question::Put(request) => send(line, &mut heads.put, &request),
            Question::Delete(request) => send(line, &mut heads.delete, &request),
            Question::Range(request) => send(line, &mut heads.range, &request),
            Question::Txn(request) => send(line, &mut heads.txn, &*request),
            Question::Grant(request) => send(line, &mut heads.grant, &request),
            Question::Revoke(request) => send(line, &mut heads.revoke, &request),
        }
    }

    /// Takes note of the answer: the message, or none where the request failed. Says what is wrong with a message that cannot
    /// be read.
    pub fn answered(&mut self, answer: Option<Bytes>) -> Result<(), String> {
        let awaited = std::mem::replace(&mut self.awaited, Awaited::Nothing);
        match awaited {
            Awaited::Put => {
                if let Some(account) = &mut self.account {
                    account.has_put(answer.is_some());
                }
            }
            Awaited::Get => return self.has_got(answer),
            Awaited::Swap(number) => {
                if let Some(answer) = answer {
                    self.has_swapped(number, &read(answer)?);
                }
            }
            Awaited::Model(request) => return self.is_told(&request, answer),
            Awaited::Grant => {
                let granted = answer.map(read::<LeaseGrantResponse>).transpose()?;
                self.lease = granted.map(|granted| granted.id);
            }
            Awaited::List | Awaited::Revoke | Awaited::Nothing => {}
        }
        Ok(())
    }

    fn put(&mut self, number: u64) -> Question {
        self.awaited = Awaited::Put;
        let value = match &mut self.account {
            Some(account) => account.puts(number, self.value.len()),
            None => self.value.clone(),
        };
        Question::Put(PutRequest { key: key_below(&self.prefix, number), value, ..PutRequest::default() })
    }

    fn get(&mut self, number: u64, serializable: bool) -> Question {
        self.awaited = Awaited::Get;
        if let Some(account) = &mut self.account {
            account.gets(number);
        }
        let key = key_below(&self.prefix, number);
        Question::Range(RangeRequest { key, serializable, ..RangeRequest::default() })
    }

    /// Only an account wants to know what was found.
    fn has_got(&mut self, answer: Option<Bytes>) -> Result<(), String> {
        let Some(account) = &mut self.account else { return Ok(()) };
        match answer.map(read::<RangeResponse>).transpose() {
            Ok(Some(found)) => account.has_got(found.kvs.first().map(|pair| &pair.value[..])),
            Ok(None) => account.has_not_got(),
            Err(error) => {
                account.has_not_got();
                return Err(error);
            }
        }
        Ok(())
    }

    fn list(&mut self, number: u64) -> Question {
        self.awaited = Awaited::List;
        let last = number + u64::from(self.list_keys);
        Question::Range(RangeRequest { key: key(number), range_end: key(last), ..RangeRequest::default() })
    }

    /// Each client swaps keys of its own, so that a swap fails only where another run was before.
    fn swap(&mut self, number: u64) -> Question {
        let number = number - number % self.clients + self.client;
        self.awaited = Awaited::Swap(number);
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
        Question::Txn(Box::new(TxnRequest {
            compare: vec![compare],
            success: vec![RequestOp { request: Some(Request::RequestPut(put)) }],
            failure: vec![RequestOp { request: Some(Request::RequestRange(get)) }],
        }))
    }

    fn has_swapped(&mut self, number: u64, answer: &TxnResponse) {
        let response = answer.responses.first().and_then(|response| response.response.as_ref());
        let revision = match response {
            Some(Response::ResponseRange(range)) => range.kvs.first().map_or(0, |kv| kv.mod_revision),
            _ => answer.header.as_ref().map_or(0, |header| header.revision),
        };
        self.seen.insert(number, revision);
    }

    /// Any of what an etcd is asked about keys.
    fn any_request(&mut self, number: u64) -> Model {
        let key = key_below(&self.prefix, number);
        if self.draw() % 100 < self.reads {
            return match self.draw() % 5 {
                0 => Model::range(Span::between(
                    key,
                    key_below(&self.prefix, number + u64::from(self.list_keys)),
                )),
                _ => Model::get(key),
            };
        }
        match self.draw() % 10 {
            0..5 => {
                let value = self.fresh_value();
                Model::put(key, value)
            }
            5..9 => self.model_swap(number),
            _ => Model::delete(key),
        }
    }

    /// Swaps a key that others swap too, if it is as it was last seen.
    fn model_swap(&mut self, number: u64) -> Model {
        let seen = self.seen.get(&number).map_or(0, |revision| revision.unsigned_abs());
        let value = self.fresh_value();
        Model::put_if_unchanged(key_below(&self.prefix, number), seen, value)
    }

    fn fresh_value(&mut self) -> String {
        self.account.as_mut().map_or_else(String::new, Account::fresh_value)
    }

    fn ask_model(&mut self, request: Model) -> Question {
        if let Some(account) = &mut self.account {
            account.asks(&request);
        }
        let question = requests::question(&request, self.value.len());
        self.awaited = Awaited::Model(Box::new(request));
        question
    }

    fn is_told(&mut self, request: &Model, message: Option<Bytes>) -> Result<(), String> {
        let answer = message.map(|message| requests::answer(request, message)).transpose();
        if let Some(account) = &mut self.account {
            match &answer {
                Ok(Some(answer)) => account.is_told(answer),
                Ok(None) | Err(_) => account.is_not_told(request),
            }
        }
        if let Some(answer) = answer? {
            self.learn(request, &answer);
        }
        Ok(())
    }

    /// Remembers what a single key was seen to be at, for the next swap of it.
    fn learn(&mut self, request: &Model, answer: &Answer) {
        let (key, revision) = match (request, &answer.reply) {
            (Model::Put { key, .. }, _) => (key, answer.revision),
            (Model::Range { span, .. }, Reply::Range { pairs, .. }) => {
                (&span.from, pairs.first().map_or(0, |pair| pair.mod_revision))
            }
            (Model::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
                let branch = if *succeeded { success } else { failure };
                if let (Some(request), Some(reply)) = (branch.first(), replies.first()) {
                    self.learn(request, &Answer { revision: answer.revision, reply: reply.clone() });
                }
                return;
            }
            _ => return,
        };
        let number =
            std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(&self.prefix)?.parse().ok());
        if let Some(number) = number {
            self.seen.insert(number, i64::try_from(revision).unwrap_or(i64::MAX));
        }
    }

    fn lease(&mut self) -> Question {
        if let Some(id) = self.lease.take() {
            self.awaited = Awaited::Revoke;
            return Question::Revoke(LeaseRevokeRequest { id });
        }
        self.awaited = Awaited::Grant;
        Question::Grant(LeaseGrantRequest { ttl: LEASE_SECONDS, ..LeaseGrantRequest::default() })
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

/// Writes a call of one message.
pub fn send(line: &mut Line, head: &mut CallHead, request: &impl Message) -> Option<StreamId> {
    line.http().call(head, true, |out| request.encode(out).expect("the buffer grows"))
}

/// A message of the kind that is expected.
///
/// # Errors
/// It is none: in words.
pub fn read<M: Message + Default>(message: Bytes) -> Result<M, String> {
    M::decode(message).map_err(|error| format!("an answer that cannot be read: {error}"))
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
