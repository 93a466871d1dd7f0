//! Requests to an etcd-like store and its answers, with revisions.
//!
//! What is asked stands in a map, and so does what was answered; the members are those of etcd's own messages, under short
//! names. A key or a value is a text, or `{"hex":"00ff"}` where its bytes are none. Both directions are here: what the
//! laboratory and the load generator write is what [`etcd`] reads.
//!
//! | `f` | asked | answered, with the `revision` of the header |
//! |---|---|---|
//! | `range` | `key`, `end`, `limit`, `count_only` | `kvs`, `count` (their number, if it is left out) |
//! | `put` | `key`, `value`, `lease`, `prev` | `prev`: the pair before, if it was asked for |
//! | `delete` | `key`, `end`, `prev` | `deleted`, `prev`: the pairs before, if they were asked for |
//! | `txn` | `if`, `then`, `else` | `succeeded`, `answers` |
//! | `revoke` | `lease` | |
//!
//! A pair has `key`, `value`, `create`, `mod`, `version` and `lease`. A condition has `key`, `end`, `is` (`=`, `!=`, `<`
//! or `>`), and what is compared with what under its own name: `value`, `version`, `create`, `mod` or `lease`. A
//! request in a transaction, and its answer, is a map with one member: `{"put":{…}}`. Numbers that are 0, switches that
//! are off and empty lists may be left out.

use std::fmt::Write as _;
use std::sync::Arc;

use super::super::datum::Datum;
use super::super::error::{Fault, Place};
use super::super::log::{Log, Operation};
use super::{has_failed, misfit, returned, strange_answer};
use crate::specification::key_value::{
    Answer, Blob, Compare, Operand, Pair, Relation, Reply, Request, Span, SpanEnd, Store,
};

/// The names of requests.
pub(super) const FUNCTIONS: [&str; 5] = ["range", "put", "delete", "txn", "revoke"];

/// A request to an etcd, with its answer if there is one.
///
/// # Errors
/// It is something else; the fault says what was expected.
pub fn etcd(operation: &Operation) -> Result<Option<(Request, Option<Answer>)>, Fault> {
    let function = &*operation.function;
    let asked = Members { operation, value: &operation.argument, of: function, is_answer: false };
    let request = asked.request(function)?;
    let Some(value) = returned(operation) else {
        return Ok((!has_failed(operation)).then_some((request, None)));
    };
    let answered = Members { operation, value, of: function, is_answer: true };
    let answer = Answer { revision: answered.number("revision")?, reply: answered.reply(&request)? };
    Ok(Some((request, Some(answer))))
}

/// The store before the first operation: `{"revision":7,"kvs":[…]}` in the header, or a new one.
///
/// # Errors
/// The header says something else.
pub fn etcd_store(log: &Log) -> Result<Store, Fault> {
    let mut store = Store::default();
    let Some(initial) = log.header.initial.as_ref().filter(|initial| !initial.is_nil()) else {
        return Ok(store);
    };
    let bad = |expected: &str| {
        Fault::new(Place { line: 1, column: 1 }, expected.to_owned(), format!("`{initial}`"))
    };
    let revision = initial.get("revision").and_then(Datum::as_integer).and_then(|at| u64::try_from(at).ok());
    let revision = revision.ok_or_else(|| {
        bad("\"initial\" of an etcd to be the store's {\"revision\":…,\"kvs\":[…]}, or to be left out")
    })?;
    for pair in initial.get("kvs").and_then(Datum::as_list).unwrap_or_default() {
        let pair = pair_of(pair).ok_or_else(|| bad(PAIR))?;
        store.restore(pair);
    }
    if store.revision > revision && !store.is_empty() {
        return Err(bad("an initial \"revision\" that no pair's \"mod\" is above"));
    }
    store.revision = revision;
    Ok(store)
}

const PAIR: &str = "a pair with \"key\", \"value\", \"create\", \"mod\" and \"version\"";

/// The name of a request, and what is asked, as they are written.
pub fn etcd_request(request: &Request) -> (&'static str, Datum) {
    let mut members = Written::default();
    let name = match request {
        Request::Range { span, limit, count_only } => {
            members.span(span).number("limit", *limit).flag("count_only", *count_only);
            "range"
        }
        Request::Put { key, value, lease, return_previous } => {
            members.put("key", text(key)).put("value", text(value));
            members.signed("lease", *lease).flag("prev", *return_previous);
            "put"
        }
        Request::Delete { span, return_previous } => {
            members.span(span).flag("prev", *return_previous);
            "delete"
        }
        Request::Txn { compares, success, failure } => {
            members.list("if", compares.iter().map(compare)).list("then", success.iter().map(part));
            members.list("else", failure.iter().map(part));
            "txn"
        }
        Request::Revoke { lease } => {
            members.put("lease", Datum::Integer(*lease));
            "revoke"
        }
    };
    (name, members.map())
}

/// An answer as it is written.
pub fn etcd_answer(answer: &Answer) -> Datum {
    let mut members = Written::default();
    members.put("revision", number(answer.revision));
    reply(&mut members, &answer.reply);
    members.map()
}

fn part(request: &Request) -> Datum {
    let (name, asked) = etcd_request(request);
    Datum::map([(name, asked)])
}

fn reply(members: &mut Written, reply: &Reply) {
    match reply {
        Reply::Range { pairs, count } => {
            members.list("kvs", pairs.iter().map(pair));
            if *count != pairs.len() as u64 {
                members.put("count", number(*count));
            }
        }
        Reply::Put { previous } => {
            if let Some(previous) = previous {
                members.put("prev", pair(previous));
            }
        }
        Reply::Delete { deleted, previous } => {
            members.number("deleted", *deleted).list("prev", previous.iter().map(pair));
        }
        Reply::Txn { succeeded, replies } => {
            members.put("succeeded", Datum::Bool(*succeeded)).list("answers", replies.iter().map(named));
        }
        Reply::Revoke => {}
    }
}

fn named(answer: &Reply) -> Datum {
    let name = match answer {
        Reply::Range { .. } => "range",
        Reply::Put { .. } => "put",
        Reply::Delete { .. } => "delete",
        Reply::Txn { .. } => "txn",
        Reply::Revoke => "revoke",
    };
    let mut members = Written::default();
    reply(&mut members, answer);
    Datum::map([(name, members.map())])
}

fn compare(compare: &Compare) -> Datum {
    let mut members = Written::default();
    members.span(&compare.span);
    match &compare.operand {
        Operand::Version(version) => members.put("version", number(*version)),
        Operand::CreateRevision(revision) => members.put("create", number(*revision)),
        Operand::ModRevision(revision) => members.put("mod", number(*revision)),
        Operand::Value(value) => members.put("value", text(value)),
        Operand::Lease(lease) => members.put("lease", Datum::Integer(*lease)),
    };
    let relation = match compare.relation {
        Relation::Equal => "=",
        Relation::NotEqual => "!=",
        Relation::Greater => ">",
        Relation::Less => "<",
    };
    members.put("is", Datum::text(relation));
    members.map()
}

fn pair(pair: &Pair) -> Datum {
    let mut members = Written::default();
    members.put("key", text(&pair.key)).put("value", text(&pair.value));
    members.put("create", number(pair.create_revision)).put("mod", number(pair.mod_revision));
    members.put("version", number(pair.version)).signed("lease", pair.lease);
    members.map()
}

/// Bytes as a text, or as digits where they are none.
fn text(bytes: &[u8]) -> Datum {
    std::str::from_utf8(bytes).map_or_else(
        |_| {
            let mut digits = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                let _ = write!(digits, "{byte:02x}");
            }
            Datum::map([("hex", Datum::text(digits))])
        },
        Datum::text,
    )
}

fn number(number: u64) -> Datum {
    Datum::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Members that are written one by one; what is nothing is left out.
#[derive(Default)]
struct Written(Vec<(&'static str, Datum)>);

impl Written {
    fn put(&mut self, name: &'static str, value: Datum) -> &mut Self {
        self.0.push((name, value));
        self
    }

    fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        if value == 0 { self } else { self.put(name, number(value)) }
    }

    fn signed(&mut self, name: &'static str, value: i64) -> &mut Self {
        if value == 0 { self } else { self.put(name, Datum::Integer(value)) }
    }

    fn flag(&mut self, name: &'static str, is_on: bool) -> &mut Self {
        if is_on { self.put(name, Datum::Bool(true)) } else { self }
    }

    fn list(&mut self, name: &'static str, values: impl Iterator<Item = Datum>) -> &mut Self {
        let values: Vec<Datum> = values.collect();
        if values.is_empty() { self } else { self.put(name, Datum::list(values)) }
    }

    fn span(&mut self, span: &Span) -> &mut Self {
        self.put("key", text(&span.from));
        match &span.end {
            SpanEnd::Single => self,
            SpanEnd::Before(before) => self.put("end", text(before)),
            SpanEnd::Unbounded => self.put("end", Datum::text("\0")),
        }
    }

    fn map(self) -> Datum {
        Datum::map(self.0)
    }
}

/// The members of a map, with what is said where one is missing or strange.
#[derive(Clone, Copy)]
struct Members<'a> {
    operation: &'a Operation,
    value: &'a Datum,
    /// What the map is, in a word.
    of: &'a str,
    is_answer: bool,
}

impl<'a> Members<'a> {
    fn fault(&self, expected: String, found: &Datum) -> Fault {
        let kind = if self.is_answer { "the answer to" } else { "what is asked in" };
        let expected = format!("{kind} a {} to have {expected}", self.of);
        match self.is_answer {
            true => strange_answer(self.operation, &expected, found),
            false => misfit(self.operation, &expected, found),
        }
    }

    fn bad<T>(&self, expected: impl Into<String>) -> Result<T, Fault> {
        Err(self.fault(expected.into(), self.value))
    }

    fn within(self, value: &'a Datum, of: &'a str) -> Self {
        Self { value, of, ..self }
    }

    fn get(&self, name: &str) -> Option<&'a Datum> {
        self.value.get(name).filter(|value| !value.is_nil())
    }

    fn number(&self, name: &str) -> Result<u64, Fault> {
        match self.get(name).and_then(Datum::as_integer).and_then(|value| u64::try_from(value).ok()) {
            Some(number) => Ok(number),
            None => self.bad(format!("\"{name}\", a whole number")),
        }
    }

    fn number_or_none(&self, name: &str) -> Result<u64, Fault> {
        self.get(name).map_or(Ok(0), |_| self.number(name))
    }

    fn signed_or_none(&self, name: &str) -> Result<i64, Fault> {
        match self.get(name) {
            None => Ok(0),
            Some(Datum::Integer(number)) => Ok(*number),
            Some(_) => self.bad(format!("\"{name}\" to be a whole number")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.get(name) {
            None => Ok(false),
            Some(Datum::Bool(is_on)) => Ok(*is_on),
            Some(_) => self.bad(format!("\"{name}\" to be true or false")),
        }
    }

    fn blob(&self, name: &str) -> Result<Blob, Fault> {
        match self.get(name).and_then(bytes_of) {
            Some(blob) => Ok(blob),
            None => self.bad(format!("\"{name}\", a text, or {{\"hex\":\"…\"}}")),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Datum], Fault> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Datum::List(values)) => Ok(values),
            Some(_) => self.bad(format!("\"{name}\" to be a list")),
        }
    }

    fn span(&self) -> Result<Span, Fault> {
        let from = self.blob("key")?;
        let end = match self.get("end") {
            None => SpanEnd::Single,
            Some(_) => match &*self.blob("end")? {
                [] => SpanEnd::Single,
                [0] => SpanEnd::Unbounded,
                before => SpanEnd::Before(before.into()),
            },
        };
        Ok(Span { from, end })
    }

    fn request(&self, name: &str) -> Result<Request, Fault> {
        if !FUNCTIONS.contains(&name) {
            let expected = "range, put, delete, txn or revoke, which an etcd is asked";
            return Err(misfit(self.operation, expected, name));
        }
        if !matches!(self.value, Datum::Map(_)) {
            let expected = format!("what is asked of an etcd in a \"value\" such as {}", example(name));
            return Err(misfit(self.operation, &expected, self.value));
        }
        Ok(match name {
            "range" => Request::Range {
                span: self.span()?,
                limit: self.number_or_none("limit")?,
                count_only: self.flag("count_only")?,
            },
            "put" => Request::Put {
                key: self.blob("key")?,
                value: self.blob("value")?,
                lease: self.signed_or_none("lease")?,
                return_previous: self.flag("prev")?,
            },
            "delete" => Request::Delete { span: self.span()?, return_previous: self.flag("prev")? },
            "txn" => {
                let compares = self.list("if")?.iter().map(|each| self.within(each, "condition").compare());
                Request::Txn {
                    compares: compares.collect::<Result<_, _>>()?,
                    success: self.parts("then")?,
                    failure: self.parts("else")?,
                }
            }
            _ => Request::Revoke { lease: self.signed_or_none("lease")? },
        })
    }

    fn parts(&self, list: &str) -> Result<Vec<Request>, Fault> {
        self.list(list)?.iter().map(|each| self.part(each)).collect()
    }

    /// A request within a transaction.
    fn part(&self, part: &'a Datum) -> Result<Request, Fault> {
        let Some((name, asked)) = single(part) else {
            let expected = "requests such as {\"put\":{…}}, one in each map".to_owned();
            return Err(self.fault(expected, part));
        };
        self.within(asked, name).request(name)
    }

    fn compare(&self) -> Result<Compare, Fault> {
        let named = ["value", "version", "create", "mod", "lease"];
        let mut given = named.into_iter().filter(|name| self.get(name).is_some());
        let (Some(name), None) = (given.next(), given.next()) else {
            return self.bad("one of \"value\", \"version\", \"create\", \"mod\" and \"lease\"");
        };
        let operand = match name {
            "value" => Operand::Value(self.blob(name)?),
            "version" => Operand::Version(self.number(name)?),
            "create" => Operand::CreateRevision(self.number(name)?),
            "mod" => Operand::ModRevision(self.number(name)?),
            _ => Operand::Lease(self.signed_or_none(name)?),
        };
        let relation = match self.get("is").map(|is| is.as_name().unwrap_or_default()) {
            None | Some("=") => Relation::Equal,
            Some("!=") => Relation::NotEqual,
            Some(">") => Relation::Greater,
            Some("<") => Relation::Less,
            Some(_) => return self.bad("\"is\" to be =, !=, < or >"),
        };
        Ok(Compare { span: self.span()?, operand, relation })
    }

    fn reply(&self, request: &Request) -> Result<Reply, Fault> {
        if !matches!(self.value, Datum::Map(_)) {
            return self.bad("members, as in {\"revision\":7}");
        }
        Ok(match request {
            Request::Range { .. } => {
                let pairs = self.pairs("kvs")?;
                let count = self.get("count").map_or(Ok(pairs.len() as u64), |_| self.number("count"))?;
                Reply::Range { pairs, count }
            }
            Request::Put { .. } => {
                let previous = self.get("prev").map(|previous| self.pair(previous));
                Reply::Put { previous: previous.transpose()? }
            }
            Request::Delete { .. } => {
                Reply::Delete { deleted: self.number_or_none("deleted")?, previous: self.pairs("prev")? }
            }
            Request::Txn { success, failure, .. } => {
                let Some(Datum::Bool(succeeded)) = self.get("succeeded") else {
                    return self.bad("\"succeeded\", true or false");
                };
                let asked = if *succeeded { success } else { failure };
                let answers = self.list("answers")?;
                if answers.len() != asked.len() {
                    let list = if *succeeded { "then" } else { "else" };
                    return self.bad(format!("{} answers, as \"{list}\" has requests", asked.len()));
                }
                let replies = asked.iter().zip(answers).map(|(asked, answer)| {
                    let name = etcd_name(asked);
                    match single(answer) {
                        Some((same, answer)) if same == name => self.within(answer, name).reply(asked),
                        _ => Err(self.fault(format!("{{\"{name}\":{{…}}}} in its place"), answer)),
                    }
                });
                Reply::Txn { succeeded: *succeeded, replies: replies.collect::<Result<_, _>>()? }
            }
            Request::Revoke { .. } => Reply::Revoke,
        })
    }

    fn pairs(&self, name: &str) -> Result<Vec<Pair>, Fault> {
        self.list(name)?.iter().map(|each| self.pair(each)).collect()
    }

    fn pair(&self, value: &Datum) -> Result<Pair, Fault> {
        pair_of(value).ok_or_else(|| self.fault(PAIR.to_owned(), value))
    }
}

fn etcd_name(request: &Request) -> &'static str {
    match request {
        Request::Range { .. } => "range",
        Request::Put { .. } => "put",
        Request::Delete { .. } => "delete",
        Request::Txn { .. } => "txn",
        Request::Revoke { .. } => "revoke",
    }
}

/// What is asked in a request of that name, for whoever wrote something else.
fn example(name: &str) -> &'static str {
    match name {
        "range" => "{\"key\":\"a\",\"end\":\"b\"}",
        "put" => "{\"key\":\"a\",\"value\":\"1\"}",
        "delete" => "{\"key\":\"a\"}",
        "txn" => "{\"if\":[{\"key\":\"a\",\"mod\":7}],\"then\":[{\"put\":{\"key\":\"a\",\"value\":\"1\"}}]}",
        _ => "{\"lease\":5}",
    }
}

/// The name and the value of a map with one member.
fn single(value: &Datum) -> Option<(&str, &Datum)> {
    match value {
        Datum::Map(entries) => match &entries[..] {
            [(name, value)] => Some((name.as_name()?, value)),
            _ => None,
        },
        _ => None,
    }
}

fn pair_of(value: &Datum) -> Option<Pair> {
    let number = |name| value.get(name)?.as_integer().and_then(|number| u64::try_from(number).ok());
    let lease = match value.get("lease") {
        None | Some(Datum::Nil) => 0,
        Some(lease) => lease.as_integer()?,
    };
    Some(Pair {
        key: bytes_of(value.get("key")?)?,
        value: bytes_of(value.get("value")?)?,
        create_revision: number("create")?,
        mod_revision: number("mod")?,
        version: number("version")?,
        lease,
    })
}

/// The bytes of a text, or those that `{"hex":"…"}` tells.
fn bytes_of(value: &Datum) -> Option<Blob> {
    match value {
        Datum::Text(text) => Some(Arc::from(text.as_bytes())),
        Datum::Integer(number) => Some(Arc::from(number.to_string().as_bytes())),
        _ => {
            let digits = value.get("hex")?.as_name()?.as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            if digits.len() % 2 != 0 || !digits.is_ascii() {
                return None;
            }
            digits.chunks(2).map(byte).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::log::Ending;
    use super::*;
    use crate::history::Client;
    use std::time::Duration;

    fn read_back(request: &Request, answer: &Answer) -> Option<(Request, Option<Answer>)> {
        let place = Place { line: 2, column: 1 };
        let (function, argument) = etcd_request(request);
        let ending = Ending::Returned { at: Duration::ZERO, value: etcd_answer(answer), place };
        let function = Arc::from(function);
        let (client, invoked) = (Client(1), Duration::ZERO);
        etcd(&Operation { client, function, key: None, argument, invoked, place, ending }).expect("it fits")
    }

    fn some_pair(value: &[u8]) -> Pair {
        Pair {
            key: b"k"[..].into(),
            value: value.into(),
            create_revision: 2,
            mod_revision: 7,
            version: 3,
            lease: -4,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let span = Span { from: b"\xff\0"[..].into(), end: SpanEnd::Before(b"\xff\x01"[..].into()) };
        let range = Request::Range { span: span.clone(), limit: 2, count_only: false };
        let put =
            Request::Put { key: b"a"[..].into(), value: b""[..].into(), lease: 9, return_previous: true };
        let delete = Request::Delete { span: Span::everything(), return_previous: true };
        let compares = [Operand::Value(b"x"[..].into()), Operand::Lease(3), Operand::ModRevision(0)]
            .into_iter()
            .zip([Relation::Greater, Relation::Less, Relation::NotEqual])
            .map(|(operand, relation)| Compare { span: span.clone(), operand, relation });
        let txn = Request::Txn {
            compares: compares.collect(),
            success: vec![put.clone(), range.clone()],
            failure: vec![delete.clone()],
        };
        let pairs = vec![some_pair(b"1"), some_pair(b"\xfe")];
        let found = Reply::Range { pairs: pairs.clone(), count: 5 };
        let gone = Reply::Delete { deleted: 2, previous: pairs };
        let was = Reply::Put { previous: Some(some_pair(b"")) };
        let both = Reply::Txn { succeeded: true, replies: vec![was.clone(), found.clone()] };
        let other = Reply::Txn { succeeded: false, replies: vec![gone.clone()] };
        let cases = [
            (range, found),
            (put, was),
            (delete, gone),
            (txn.clone(), both),
            (txn, other),
            (Request::Revoke { lease: 77 }, Reply::Revoke),
        ];
        for (request, reply) in cases {
            let answer = Answer { revision: 8, reply };
            assert_eq!(read_back(&request, &answer), Some((request, Some(answer))));
        }
    }
}
