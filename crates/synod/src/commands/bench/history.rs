//! What the clients of a measurement did and saw, as a history that `synod check` judges.
//!
//! Each run has keys of its own, so that nothing is there before it begins, and each value that is written is another. All
//! clients are in this process and see one clock.
//!
//! There are two notations. Puts and gets of single keys are those of a key-value store: each key is judged by itself, whoever else uses the cluster. Transactions and reads of
//! several keys are requests of an etcd, with the whole of their answers: the revision is one for all keys, so such a history begins with the
//! revision that the store had, and nobody else may change the store meanwhile.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use synod_check::format::lines::{Header, Writer};
use synod_check::format::objects::{etcd_answer, etcd_request};
use synod_check::format::{Datum, Kind, Object};
use synod_check::specification::key_value::{Answer, Request};

/// What one client did, in order.
#[derive(Debug)]
pub struct Account {
    client: u64,
    began: Instant,
    written: u64,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Event {
    at: Duration,
    client: u64,
    kind: Kind,
    function: &'static str,
    key: Option<u64>,
    value: Datum,
}

/// How a history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Keys of a store, each by itself, where nothing was.
    Keys,
    /// An etcd without these keys, at this revision.
    Revision(u64),
}

impl Account {
    /// Of a client that has done nothing yet; times count from `began`.
    pub fn new(client: u64, began: Instant) -> Self {
        Self { client, began, written: 0, events: Vec::new() }
    }

    /// It is about to write a key: a value that nobody else writes, filled up to the wanted size.
    pub fn puts(&mut self, key: u64, bytes: usize) -> Bytes {
        let value = self.fresh_value();
        let padded = filled(value.as_bytes(), bytes);
        self.push(Kind::Invoke, "put", Some(key), Datum::text(value));
        padded
    }

    /// A value that nobody else writes.
    pub fn fresh_value(&mut self) -> String {
        self.written += 1;
        format!("{}-{}", self.client, self.written)
    }

    /// It is about to ask this of an etcd.
    pub fn asks(&mut self, request: &Request) {
        let (function, value) = etcd_request(request);
        self.push(Kind::Invoke, function, None, value);
    }

    /// The etcd answered.
    pub fn is_told(&mut self, answer: &Answer) {
        self.push(Kind::Ok, "", None, etcd_answer(answer));
    }

    /// The etcd did not answer. Whether a change took place is not known.
    pub fn is_not_told(&mut self, request: &Request) {
        let kind = if request.may_change() { Kind::Info } else { Kind::Fail };
        self.push(kind, "", None, Datum::Nil);
    }

    /// It is about to read a key.
    pub fn gets(&mut self, key: u64) {
        self.push(Kind::Invoke, "get", Some(key), Datum::Nil);
    }

    /// A write ended. Of one that failed it is not known whether it took place.
    pub fn has_put(&mut self, is_answered: bool) {
        self.push(if is_answered { Kind::Ok } else { Kind::Info }, "", None, Datum::Nil);
    }

    /// A read found this value, or nothing.
    pub fn has_got(&mut self, value: Option<&[u8]>) {
        let value = value.map(|value| Datum::text(String::from_utf8_lossy(unfilled(value))));
        self.push(Kind::Ok, "", None, value.unwrap_or_default());
    }

    /// A read was not answered; it changed nothing.
    pub fn has_not_got(&mut self) {
        self.push(Kind::Fail, "", None, Datum::Nil);
    }

    fn push(&mut self, kind: Kind, function: &'static str, key: Option<u64>, value: Datum) {
        // One thing after the other, however coarse the clock.
        let earliest = self.events.last().map_or(Duration::ZERO, |last| last.at + Duration::from_nanos(1));
        let at = self.began.elapsed().max(earliest);
        self.events.push(Event { at, client: self.client, kind, function, key, value });
    }
}

/// What values are filled up with; none ends with it by itself.
const FILLING: u8 = b'v';

/// A value of that many bytes, or as it is if it is longer.
pub fn filled(value: &[u8], bytes: usize) -> Bytes {
    let mut filled = value.to_vec();
    filled.resize(filled.len().max(bytes), FILLING);
    filled.into()
}

/// A value without what it was filled up with.
pub fn unfilled(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| *byte != FILLING).map_or(0, |last| last + 1);
    &value[..end]
}

/// What keys begin with in this run and in no other.
pub fn fresh_prefix() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("bench-{:x}/", now.as_nanos())
}

/// Writes what all clients did, in the order in which it happened, and says how many operations that were. Of two events at one
/// time an invocation comes first: the operations count as concurrent.
pub fn write(file: &Path, beginning: Beginning, accounts: Vec<Account>) -> io::Result<usize> {
    let mut events: Vec<Event> = accounts.into_iter().flat_map(|account| account.events).collect();
    events.sort_by_key(|event| (event.at, event.kind != Kind::Invoke));
    let (object, initial) = match beginning {
        Beginning::Keys => (Object::KeyValue, None),
        Beginning::Revision(revision) => {
            let revision = i64::try_from(revision).unwrap_or(i64::MAX);
            (Object::Etcd, Some(Datum::map([("revision", Datum::Integer(revision))])))
        }
    };
    let header = Header {
        object: Some(object),
        initial,
        source: Some(format!("synod bench {}", env!("CARGO_PKG_VERSION"))),
    };
    let mut writer = Writer::new(BufWriter::new(File::create(file)?), &header)?;
    for event in &events {
        let key = event.key.map(|key| Datum::Integer(key as i64));
        writer.event(event.at, event.client, event.kind, event.function, key.as_ref(), &event.value)?;
    }
    writer.finish()?;
    Ok(events.iter().filter(|event| event.kind == Kind::Invoke).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_check::judge::{Models, Question, Worst, judge};
    use synod_check::linearizability::Effort;
    use synod_check::specification::key_value::Reply;

    fn verdict(seen_last: &str) -> Worst {
        let began = Instant::now();
        let (mut one, mut other) = (Account::new(1, began), Account::new(2, began));
        let padded = one.puts(7, 10);
        assert_eq!(&padded[..], b"1-1vvvvvvv");
        one.has_put(true);
        other.gets(7);
        other.has_got(Some(&padded));
        one.puts(7, 0);
        one.has_put(false);
        other.gets(7);
        other.has_got((!seen_last.is_empty()).then_some(seen_last.as_bytes()));
        other.gets(7);
        other.has_not_got();
        judged(Beginning::Keys, vec![other, one])
    }

    fn judged(beginning: Beginning, accounts: Vec<Account>) -> Worst {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("history.jsonl");
        let asked = write(&file, beginning, accounts).expect("it can be written");
        let text = std::fs::read(&file).expect("it was written");
        let log = synod_check::format::read(&text[..], |_| {}).expect("what is written can be read");
        assert_eq!(log.operations.len(), asked);
        let question =
            Question { models: Models::Usual, object: None, effort: Effort::default(), wants_order: false };
        judge(&log, &question).expect("it is a history of a store").worst()
    }

    fn etcd_verdict(second_put_at: u64) -> Worst {
        let began = Instant::now();
        let (mut one, mut other) = (Account::new(1, began), Account::new(2, began));
        let put = Request::put("k", one.fresh_value());
        one.asks(&put);
        one.is_told(&Answer { revision: 42, reply: Reply::Put { previous: None } });
        let lost = Request::delete("k");
        one.asks(&lost);
        one.is_not_told(&lost);
        let swap = Request::put_if_unchanged("k", 42, other.fresh_value());
        other.asks(&swap);
        let replies = vec![Reply::Put { previous: None }];
        other.is_told(&Answer { revision: second_put_at, reply: Reply::Txn { succeeded: true, replies } });
        let get = Request::get("k");
        other.asks(&get);
        other.is_not_told(&get);
        judged(Beginning::Revision(41), vec![one, other])
    }
    #[test]
    fn what_is_written_can_be_judged() {
        assert_eq!(verdict("1-1"), Worst::Kept, "the second put may not have happened");
        assert_eq!(verdict("1-2"), Worst::Kept, "or it may");
        assert_eq!(verdict(""), Worst::Broken, "what was written and read is not gone");
    }

    #[test]
    fn requests_of_an_etcd_are_judged_by_their_revisions() {
        assert_eq!(etcd_verdict(43), Worst::Kept, "the deletion need not have happened");
        assert_eq!(etcd_verdict(44), Worst::Broken, "after the deletion the key has another revision");
    }
}
