//! What the clients of a measurement did and saw, as a history that `synod check` judges.
//!
//! Each run has keys of its own, so that nothing is there before it begins, and each value that is written is another. All
//! clients are in this process and see one clock.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use synod_check::format::lines::{Header, Writer};
use synod_check::format::{Datum, Kind, Object};

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
    value: Option<String>,
}

impl Account {
    /// Of a client that has done nothing yet; times count from `began`.
    pub fn new(client: u64, began: Instant) -> Self {
        Self { client, began, written: 0, events: Vec::new() }
    }

    /// It is about to write a key: a value that nobody else writes, filled up to the wanted size.
    pub fn puts(&mut self, key: u64, bytes: usize) -> Bytes {
        self.written += 1;
        let value = format!("{}-{}", self.client, self.written);
        let mut padded = value.clone().into_bytes();
        padded.resize(padded.len().max(bytes), FILLING);
        self.push(Kind::Invoke, "put", Some(key), Some(value));
        padded.into()
    }

    /// It is about to read a key.
    pub fn gets(&mut self, key: u64) {
        self.push(Kind::Invoke, "get", Some(key), None);
    }

    /// A write ended. Of one that failed it is not known whether it took place.
    pub fn has_put(&mut self, is_answered: bool) {
        self.push(if is_answered { Kind::Ok } else { Kind::Info }, "", None, None);
    }

    /// A read found this value, or nothing.
    pub fn has_got(&mut self, value: Option<&[u8]>) {
        let value = value.map(|value| {
            let end = value.iter().rposition(|byte| *byte != FILLING).map_or(0, |last| last + 1);
            String::from_utf8_lossy(&value[..end]).into_owned()
        });
        self.push(Kind::Ok, "", None, value);
    }

    /// A read was not answered; it changed nothing.
    pub fn has_not_got(&mut self) {
        self.push(Kind::Fail, "", None, None);
    }

    fn push(&mut self, kind: Kind, function: &'static str, key: Option<u64>, value: Option<String>) {
        // One thing after the other, however coarse the clock.
        let earliest = self.events.last().map_or(Duration::ZERO, |last| last.at + Duration::from_nanos(1));
        let at = self.began.elapsed().max(earliest);
        self.events.push(Event { at, client: self.client, kind, function, key, value });
    }
}

/// What values are filled up with; none ends with it by itself.
const FILLING: u8 = b'v';

/// What keys begin with in this run and in no other.
pub fn fresh_prefix() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("bench-{:x}/", now.as_nanos())
}

/// Writes what all clients did, in the order in which it happened, and says how many operations that were. Of two events at one
/// time an invocation comes first: the operations count as concurrent.
pub fn write(file: &Path, accounts: Vec<Account>) -> io::Result<usize> {
    let mut events: Vec<Event> = accounts.into_iter().flat_map(|account| account.events).collect();
    events.sort_by_key(|event| (event.at, event.kind != Kind::Invoke));
    let header = Header {
        object: Some(Object::KeyValue),
        initial: None,
        source: Some(format!("synod bench {}", env!("CARGO_PKG_VERSION"))),
    };
    let mut writer = Writer::new(BufWriter::new(File::create(file)?), &header)?;
    for event in &events {
        let key = event.key.map(|key| Datum::Integer(key as i64));
        let value = event.value.as_ref().map_or(Datum::Nil, Datum::text);
        writer.event(event.at, event.client, event.kind, event.function, key.as_ref(), &value)?;
    }
    writer.finish()?;
    Ok(events.iter().filter(|event| event.kind == Kind::Invoke).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_check::judge::{Models, Question, Worst, judge};
    use synod_check::linearizability::Effort;

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
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("history.jsonl");
        assert_eq!(write(&file, vec![other, one]).expect("it can be written"), 5);
        let text = std::fs::read(&file).expect("it was written");
        let log = synod_check::format::read(&text[..], |_| {}).expect("what is written can be read");
        let question =
            Question { models: Models::Usual, object: None, effort: Effort::default(), wants_order: false };
        judge(&log, &question).expect("it is a history of a store").worst()
    }

    #[test]
    fn what_is_written_can_be_judged() {
        assert_eq!(verdict("1-1"), Worst::Kept, "the second put may not have happened");
        assert_eq!(verdict("1-2"), Worst::Kept, "or it may");
        assert_eq!(verdict(""), Worst::Broken, "what was written and read is not gone");
    }
}
