//! Operations as Jepsen writes them: maps of EDN, the same as objects of JSON, and the lines of its logs.
//!
//! A map is `{:process 3 :type :invoke :f :cas :value [0 1] :time 12 :index 7}`, in any order, with more members that are
//! of no concern here; the key-value logs that Porcupine is tested with have a `:key` besides. In JSON it is
//! `{"process":3,"type":"invoke","f":"cas","value":[0,1]}`. Old ones of Knossos are vectors, `[3 :invoke :cas [0 1]]`. An example
//! may be nothing but transactions that committed, `[[:append :x 1] [:r :y [2]]]`, by nobody in particular. A
//! line of a log has the same as words: `INFO  jepsen.util - 3  :invoke  :cas  [0 1]`, with whatever the logger puts in front. What
//! else was logged is skipped, but not a line of `jepsen.util` that cannot be read.

use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Cursor, shown};
use super::datum::Datum;
use super::edn;
use super::error::{Fault, Place, ReadError};
use super::json::{self, Layout};
use super::objects;
use super::record::{Kind, Record, What};

/// The process that does the harm.
const NEMESIS: &str = "nemesis";

/// What maps are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Edn,
    Json,
}

/// Reads operations one by one, from a vector, a list, or one after the other.
pub(super) struct Maps<R> {
    cursor: Cursor<R>,
    notation: Notation,
    /// The bracket that ends the sequence which the operations stand in.
    end: Option<u8>,
    is_begun: bool,
}

impl<R: BufRead> Maps<R> {
    pub fn new(cursor: Cursor<R>, notation: Notation) -> Self {
        Self { cursor, notation, end: None, is_begun: false }
    }

    /// The next operation.
    pub fn next(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            self.skip_blank()?;
            if !std::mem::replace(&mut self.is_begun, true) {
                self.begin()?;
            }
            let next = self.cursor.peek()?;
            if self.end.is_some() && next == self.end {
                self.cursor.bump()?;
                self.end = None;
                self.skip_blank()?;
                return match self.cursor.peek()? {
                    None => Ok(None),
                    Some(_) => Err(self.cursor.unexpected("the end of the file after the history")),
                };
            }
            let place = self.cursor.place();
            match self.value()? {
                Some(map @ Datum::Map(_)) => {
                    if let Some(record) = record(&map, place)? {
                        return Ok(Some(record));
                    }
                }
                Some(other) => {
                    if let Some(record) = tuple(&other, place).or_else(|| bare_transaction(&other, place)) {
                        return Ok(Some(record));
                    }
                    let found = format!("`{}`", shown(other.to_string().as_bytes()));
                    let expected = match self.notation {
                        Notation::Edn => "an operation, `{:process … :type …}`",
                        Notation::Json => "an operation, {\"process\":…,\"type\":…}",
                    };
                    return Err(Fault::new(place, expected, found).into());
                }
                None if self.end.is_some() => {
                    return Err(self.cursor.unexpected("an operation or the end of the sequence"));
                }
                None => return Ok(None),
            }
        }
    }

    /// Takes the bracket before the first operation, if there is one. One before a word is the first operation's own.
    fn begin(&mut self) -> Result<(), ReadError> {
        self.end = match self.cursor.peek()? {
            Some(b'[') => Some(b']'),
            Some(b'(') => Some(b')'),
            _ => None,
        };
        let ahead = self.cursor.ahead(BRACKETS_APART_MAX)?;
        let inner = ahead.get(1..).unwrap_or_default().trim_ascii_start();
        let is_operation = inner.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b':');
        if is_operation || begins_with_part(inner) {
            self.end = None;
        }
        if self.end.is_some() {
            self.cursor.bump()?;
            self.skip_blank()?;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Option<Datum>, ReadError> {
        match self.notation {
            Notation::Edn => edn::read(&mut self.cursor),
            Notation::Json if self.cursor.peek()?.is_none() => Ok(None),
            Notation::Json => json::read(&mut self.cursor, Layout::Free).map(Some),
        }
    }

    /// Skips what stands between operations. One comma more or less does no harm.
    fn skip_blank(&mut self) -> Result<(), ReadError> {
        if self.notation == Notation::Edn {
            return edn::skip_blank(&mut self.cursor);
        }
        Layout::Free.skip(&mut self.cursor)?;
        while self.cursor.peek()? == Some(b',') {
            self.cursor.bump()?;
            Layout::Free.skip(&mut self.cursor)?;
        }
        Ok(())
    }
}

/// How many blanks may stand between the bracket around all operations and the first of them, to be seen through.
const BRACKETS_APART_MAX: usize = 256;

/// The operation in a vector, `[3 :invoke :cas [0 1]]`.
fn tuple(value: &Datum, place: Place) -> Option<Record> {
    let [process, kind, function, rest @ ..] = value.as_list()? else { return None };
    let kind = Kind::named(kind.as_name()?)?;
    let function: Arc<str> = Arc::from(function.as_name()?);
    let value = rest.first().cloned().unwrap_or_default();
    let what = if process.as_name() == Some(NEMESIS) {
        What::Nemesis { function, value }
    } else {
        let (value, error) = blame(kind, value, None);
        What::Client { process: process.clone(), kind, function, key: None, value, error }
    };
    Some(Record { place, time: None, what })
}

/// Whether a text begins with a micro-operation, `[:append …` or `["r" …`: then the bracket before it is the transaction's.
fn begins_with_part(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"[") else { return false };
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"\"")).unwrap_or_default();
    let name = rest.split(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
    std::str::from_utf8(name).is_ok_and(|name| objects::PARTS.contains(&name))
}

/// The transaction in a vector of its parts, which committed.
fn bare_transaction(value: &Datum, place: Place) -> Option<Record> {
    let parts = value.as_list()?;
    if parts.is_empty() || !parts.iter().all(objects::is_part) {
        return None;
    }
    let what = What::Client {
        process: Datum::Nil,
        kind: Kind::Ok,
        function: "txn".into(),
        key: None,
        value: value.clone(),
        error: None,
    };
    Some(Record { place, time: None, what })
}

/// The operation in a map; nothing for one that is about the test's own course.
fn record(map: &Datum, place: Place) -> Result<Option<Record>, Fault> {
    if let Some(strange) = map.get("type").filter(|kind| kind.as_name().is_none()) {
        return Err(Fault::new(place, "`:type` to be :invoke, :ok, :fail or :info", format!("`{strange}`")));
    }
    let Some(kind) = map.get("type").and_then(Datum::as_name) else {
        let expected =
            "an operation with a `:type` (the operations of a test are in its history.edn or history.txt)";
        return Err(Fault::new(place, expected, format!("a map of {}", members(map))));
    };
    if matches!(kind, "sleep" | "log") {
        return Ok(None);
    }
    let Some(kind) = Kind::named(kind) else {
        return Err(Fault::new(place, "`:type` to be :invoke, :ok, :fail or :info", format!("`:{kind}`")));
    };
    let process = map.get("process").cloned().unwrap_or_default();
    let value = map.get("value").cloned().unwrap_or_default();
    let function = match map.get("f") {
        None | Some(Datum::Nil) => "txn".into(),
        Some(name) => Arc::from(name.as_name().ok_or_else(|| {
            Fault::new(place, "`:f` to be a name", format!("`{}`", shown(name.to_string().as_bytes())))
        })?),
    };
    let time = match map.get("time") {
        // Elle's examples have times below zero where there are none.
        Some(Datum::Integer(nanoseconds)) => Some(Duration::from_nanos((*nanoseconds).max(0) as u64)),
        _ => None,
    };
    let what = if process.as_name() == Some(NEMESIS) {
        What::Nemesis { function, value }
    } else {
        let error = map.get("error").filter(|error| !error.is_nil()).cloned();
        What::Client { process, kind, function, key: map.get("key").cloned(), value, error }
    };
    Ok(Some(Record { place, time, what }))
}

/// The names in a map, for an error.
fn members(map: &Datum) -> String {
    let Datum::Map(entries) = map else { return "nothing".to_owned() };
    let mut names: Vec<String> =
        entries.iter().take(MEMBERS_SHOWN_MAX).map(|(name, _)| shown(name.to_string().as_bytes())).collect();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    if names.len() < entries.len() {
        names.push("more".to_owned());
    }
    names.join(", ")
}

/// How many members of a map an error names.
const MEMBERS_SHOWN_MAX: usize = 4;

/// The operation in a line of a log; nothing if the line is about something else.
pub(super) fn line(text: &[u8], number: u64, is_bare: bool) -> Result<Option<Record>, ReadError> {
    let Some((at, words)) = operation_words(text) else {
        let is_of_ours = is_bare || contains(text, b"jepsen.util - ");
        if !is_of_ours || text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let start = find(text, b"jepsen.util - ").map_or(0, |at| at + b"jepsen.util - ".len());
        let place = Place { line: number, column: column(text, start) };
        let found = format!("`{}`", shown(&text[start..]));
        let expected = "an operation: a process, then :invoke, :ok, :fail or :info, then what is asked";
        return Err(Fault::new(place, expected, found).into());
    };
    let place = Place { line: number, column: column(text, at) };
    let mut cursor =
        Cursor::at(&text[words.after..], Place { line: number, column: column(text, words.after) });
    let value = edn::read(&mut cursor)?.unwrap_or_default();
    let error = edn::read(&mut cursor)?;
    let function: Arc<str> = Arc::from(words.function.as_str());
    let what = if words.process.as_name() == Some(NEMESIS) {
        What::Nemesis { function, value }
    } else {
        let (value, error) = blame(words.kind, value, error);
        What::Client { process: words.process, kind: words.kind, function, key: None, value, error }
    };
    Ok(Some(Record { place, time: None, what }))
}

/// What a line says about failures stands where the value was: `:fail :read :timed-out`.
fn blame(kind: Kind, value: Datum, error: Option<Datum>) -> (Datum, Option<Datum>) {
    let is_reason = matches!(&value, Datum::Word(word) if word.starts_with(':'));
    if is_reason && matches!(kind, Kind::Fail | Kind::Info) {
        return (Datum::Nil, Some(value));
    }
    (value, error)
}

/// The three words that make a line an operation.
struct Words {
    process: Datum,
    kind: Kind,
    function: String,
    /// Where the value begins.
    after: usize,
}

/// Finds `3 :invoke :cas` in a line, and where it begins.
fn operation_words(text: &[u8]) -> Option<(usize, Words)> {
    let mut before: Option<(usize, &[u8])> = None;
    let mut rest = 0;
    while let Some((at, word)) = next_word(text, rest) {
        rest = at + word.len();
        let kind = word.strip_prefix(b":").and_then(|name| Kind::named(std::str::from_utf8(name).ok()?));
        if let (Some(kind), Some((begin, process))) = (kind, before)
            && let Some(process) = process_named(process)
            && let Some((at, function)) = next_word(text, rest)
            && let Some(function) = function.strip_prefix(b":")
        {
            let function = String::from_utf8(function.to_vec()).ok()?;
            return Some((begin, Words { process, kind, after: at + 1 + function.len(), function }));
        }
        before = Some((at, word));
    }
    None
}

fn next_word(text: &[u8], from: usize) -> Option<(usize, &[u8])> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let at = from + text[from..].iter().position(|byte| !is_blank(byte))?;
    let length = text[at..].iter().position(is_blank).unwrap_or(text.len() - at);
    Some((at, &text[at..at + length]))
}

fn process_named(word: &[u8]) -> Option<Datum> {
    let word = std::str::from_utf8(word).ok()?;
    if word == ":nemesis" {
        return Some(Datum::word(word));
    }
    word.parse().ok().map(Datum::Integer)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn column(text: &[u8], at: usize) -> u64 {
    1 + text[..at].iter().filter(|byte| !(0x80..=0xbf).contains(*byte)).count() as u64
}

/// Whether a text is lines of a log: whether there is an operation among the first.
pub(super) fn has_operation_lines(ahead: &[u8]) -> bool {
    ahead.split(|byte| *byte == b'\n').take(LINES_LOOKED_AT_MAX).any(|line| operation_words(line).is_some())
}

/// Whether the first operation of a text stands at the beginning of its line, as in a `history.txt`.
pub(super) fn is_bare(ahead: &[u8]) -> bool {
    ahead.split(|byte| *byte == b'\n').find_map(operation_words).is_some_and(|(at, _)| at == 0)
}

/// Whether a text is what Jepsen logged, though there is no operation among the first lines.
pub(super) fn is_its_log(ahead: &[u8]) -> bool {
    contains(ahead, b" jepsen.") || contains(ahead, b"\tjepsen.")
}

/// How many lines decide what a text is.
const LINES_LOOKED_AT_MAX: usize = 200;
