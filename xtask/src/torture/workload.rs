//! Clients that read and write a few keys that they fight over.
//!
//! Every value that is ever put is different from all others: a value in the store names the operation that put it.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_check::etcd::{OldRead, OldReadAnswer};
use synod_check::history::{Client, OperationId};
use synod_check::specification::key_value::{Answer, Blob, Compare, Operand, Relation, Reply, Request, Span};

use super::clients::{ANSWER_TIMEOUT, Connection, Roaming};
use super::dice::Dice;
use super::journal::Shared;
use super::stop::Stop;
use super::translate::{Failure, ends, pair, send, signed, unsigned};
use crate::cluster::api::etcdserverpb as wire;

/// What all keys begin with that the clients fight over.
pub const PREFIX: &str = "reg/";
/// How many such keys there are.
pub const KEYS: u64 = 8;

/// The key with that number.
pub fn key(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// A client of that kind.
#[derive(Debug)]
pub struct Worker {
    shared: Shared,
    roaming: Roaming,
    client: Client,
    dice: Dice,
    /// The last revision at which each key was seen to be changed.
    seen: BTreeMap<Blob, u64>,
    values: u64,
    old_reads: u64,
    think_max: Duration,
}

impl Worker {
    /// A client that pauses for at most `think_max` between operations.
    pub fn new(shared: Shared, dice: Dice, think_max: Duration) -> Self {
        let client = shared.journal().new_client();
        let roaming = Roaming::new(shared.clone());
        Self { shared, roaming, client, dice, seen: BTreeMap::new(), values: 0, old_reads: 0, think_max }
    }

    /// Works until it is told to stop; then it finishes the operation it is at.
    pub async fn run(mut self, stop: Stop) {
        while !stop.is_set() {
            if self.dice.percent(8) {
                self.read_old().await;
            } else {
                let request = self.choose();
                self.perform(request).await;
            }
            if self.dice.percent(2) {
                self.roaming.leave();
            }
            let think =
                self.dice.milliseconds(0, u64::try_from(self.think_max.as_millis()).unwrap_or(1).max(1));
            tokio::time::sleep(think).await;
        }
    }

    /// Does one operation and records it. Its answer, if there is one.
    pub async fn perform(&mut self, request: Request) -> Option<Answer> {
        let dice = &mut self.dice;
        let Some(connection) = self.roaming.connection(|members| dice.index(members)).await else {
            self.shared.journal().counts.unreachable += 1;
            tokio::time::sleep(self.dice.milliseconds(20, 80)).await;
            return None;
        };
        let id = self.shared.journal().invoke(self.client, request.clone());
        let outcome = tokio::time::timeout(ANSWER_TIMEOUT, send(connection, &request, false)).await;
        let mut journal = self.shared.journal();
        match outcome {
            Ok(Ok(answer)) => {
                journal.complete(id, answer.clone());
                drop(journal);
                self.learn(&request, &answer);
                return Some(answer);
            }
            Ok(Err(Failure::Refused(_))) => journal.refuse(id),
            Ok(Err(Failure::Malformed(sentence))) => {
                journal.finding(format!("{request} was answered against the protocol: {sentence}."));
                journal.abandon(id);
            }
            Ok(Err(Failure::Unknown(_))) | Err(_) => journal.abandon(id),
        }
        drop(journal);
        self.roaming.leave();
        None
    }

    /// A value that was never put before.
    pub fn new_value(&mut self) -> String {
        self.values += 1;
        format!("{}-{}", self.client.0, self.values)
    }

    fn choose(&mut self) -> Request {
        let key = key(self.dice.below(KEYS));
        let value = self.new_value();
        match self.dice.below(100) {
            0..25 => Request::get(key),
            25..32 => Request::range(Span::prefix(PREFIX)),
            32..35 => Request::Range {
                span: Span::prefix(PREFIX),
                limit: 1 + self.dice.below(KEYS),
                count_only: false,
            },
            35..37 => Request::Range { span: Span::prefix(PREFIX), limit: 0, count_only: true },
            37..60 => Request::Put {
                key: key.as_bytes().into(),
                value: value.as_bytes().into(),
                lease: 0,
                return_previous: self.dice.percent(40),
            },
            60..82 => {
                let unchanged_since = self.seen.get(key.as_bytes()).copied().unwrap_or(0);
                Request::put_if_unchanged(key, unchanged_since, value)
            }
            82..88 => Request::Delete { span: Span::key(key), return_previous: self.dice.percent(40) },
            88..90 => {
                let from = self.dice.below(KEYS - 1);
                let span = Span::between(self::key(from), self::key(from + 2));
                Request::Delete { span, return_previous: self.dice.percent(40) }
            }
            90..96 => self.change_two(value),
            _ => self.exchange(key, value),
        }
    }

    /// Changes two keys at one revision, whatever they hold, and reads what it has done.
    fn change_two(&mut self, value: String) -> Request {
        let one = self.dice.below(KEYS);
        let two = (one + 1 + self.dice.below(KEYS - 1)) % KEYS;
        let success = vec![
            Request::put(key(one), format!("{value}a")),
            if self.dice.percent(25) {
                Request::delete(key(two))
            } else {
                Request::put(key(two), format!("{value}b"))
            },
            Request::range(Span::prefix(PREFIX)),
        ];
        Request::Txn { compares: Vec::new(), success, failure: Vec::new() }
    }

    /// Takes the place of a key that is there, else makes it; either way something is put.
    fn exchange(&mut self, key: String, value: String) -> Request {
        let compares = vec![Compare {
            span: Span::key(&key),
            operand: Operand::Version(self.dice.below(3)),
            relation: Relation::Greater,
        }];
        let success = vec![Request::get(&key), Request::put(&key, format!("{value}t"))];
        Request::Txn { compares, success, failure: vec![Request::put(&key, format!("{value}f"))] }
    }

    fn learn(&mut self, request: &Request, answer: &Answer) {
        match (request, &answer.reply) {
            (Request::Put { key, .. }, _) => {
                self.seen.insert(key.clone(), answer.revision);
            }
            (Request::Range { span, count_only: false, .. }, Reply::Range { pairs, .. }) => {
                if pairs.is_empty() {
                    self.seen.remove(&span.from);
                }
                self.seen.extend(pairs.iter().map(|pair| (pair.key.clone(), pair.mod_revision)));
            }
            (Request::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
                let branch = if *succeeded { success } else { failure };
                for (request, reply) in branch.iter().zip(replies) {
                    self.learn(request, &Answer { revision: answer.revision, reply: reply.clone() });
                }
            }
            _ => {}
        }
    }

    /// Reads at a revision of the past, or what the member happens to have.
    async fn read_old(&mut self) {
        let (base, latest) = {
            let journal = self.shared.journal();
            (journal.base_revision, journal.latest_revision)
        };
        let at = (!self.dice.percent(50)).then(|| base + self.dice.below(latest.max(base) - base + 1));
        let span =
            if self.dice.percent(50) { Span::prefix(PREFIX) } else { Span::key(key(self.dice.below(KEYS))) };
        let serializable = at.is_none() || self.dice.percent(50);
        let dice = &mut self.dice;
        let Some(connection) = self.roaming.connection(|members| dice.index(members)).await else {
            self.shared.journal().counts.unreachable += 1;
            return;
        };
        self.old_reads += 1;
        let id = OperationId(self.old_reads);
        let reading = read_at(connection, &span, at, serializable);
        let Ok(Some((at_revision, answer))) = tokio::time::timeout(ANSWER_TIMEOUT, reading).await else {
            self.roaming.leave();
            return;
        };
        let mut journal = self.shared.journal();
        let compaction_requested = journal.compaction_requested;
        // What was before this window cannot be judged any more.
        if at_revision >= base {
            journal.old_read(OldRead { id, span, at_revision, compaction_requested, answer });
        }
    }
}

/// Reads at a revision; without one, the state that the member has now, with the revision that it has.
async fn read_at(
    connection: &mut Connection,
    span: &Span,
    at: Option<u64>,
    serializable: bool,
) -> Option<(u64, OldReadAnswer)> {
    let (key, range_end) = ends(span);
    let revision = signed(at.unwrap_or(0));
    let request = wire::RangeRequest { key, range_end, revision, serializable, ..Default::default() };
    match connection.kv.range(request).await {
        Ok(response) => {
            let response = response.into_inner();
            let header = response.header?;
            connection.saw(&header);
            let pairs = response.kvs.into_iter().map(pair).collect();
            Some((at.unwrap_or(unsigned(header.revision)), OldReadAnswer::Pairs(pairs)))
        }
        Err(status) if status.message().contains("has been compacted") => {
            at.map(|at| (at, OldReadAnswer::Compacted))
        }
        // A member that lags behind does not know the revision yet.
        Err(_) => None,
    }
}
