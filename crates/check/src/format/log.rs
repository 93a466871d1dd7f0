//! A history as it was read: operations with both their ends, and what was done to the system meanwhile.
//!
//! The order of the file is the order of events: whoever wrote it was one observer. Times are for people; where they
//! are missing, or go back, the order counts. An operation that *failed* did not happen, as Jepsen defines it, one
//! whose end is `info`, or that has no end, may happen at any time after its invocation or never.
//!
//! Examples of transactions often have no invocations at all. Such an operation may have begun at any time since its
//! process ended the one before: nothing is claimed of an order in time that was not seen. Where the process is not said
//! either, each is one of its own, and may have begun at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Format;
use super::datum::Datum;
use super::error::{Fault, Place};
use super::lines::Header;
use super::record::{Kind, Record, What};
use crate::history::Client;

/// More operations than this are not taken in.
pub const OPERATIONS_MAX: usize = 50_000_000;

/// A history as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it was written in.
    pub format: Format,
    /// What it says of itself.
    pub header: Header,
    /// What clients did, in the order of invocation.
    pub operations: Vec<Operation>,
    /// What was done to the system, in the order of its beginning.
    pub faults: Vec<Disturbance>,
    /// The names of the clients, by number, where they are others.
    pub clients: BTreeMap<Client, String>,
    /// Whether the times are times, and not only an order.
    pub is_timed: bool,
    order: Vec<(usize, bool)>,
}

/// What one client asked and was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who.
    pub client: Client,
    /// What is asked: `read`, `cas`.
    pub function: Arc<str>,
    /// Of which object, where there are several.
    pub key: Option<Datum>,
    /// With what.
    pub argument: Datum,
    /// When; without times, after how many events.
    pub invoked: Duration,
    /// Where that stands.
    pub place: Place,
    /// How it ended.
    pub ending: Ending,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was answered.
    Returned {
        /// When.
        at: Duration,
        /// With what.
        value: Datum,
        /// Where that stands.
        place: Place,
    },
    /// It did not happen.
    Failed {
        /// When that was known.
        at: Duration,
        /// Why, if that was recorded.
        error: Option<Datum>,
        /// What was asked once more, or came back.
        value: Datum,
    },
    /// Whether it happened is not known.
    Unknown {
        /// When the client gave up; nothing if the history ends before.
        at: Option<Duration>,
        /// Why, if that was recorded.
        error: Option<Datum>,
    },
}

/// Something that was done to the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// In words.
    pub what: String,
    /// When it began.
    pub from: Duration,
    /// When it ended; nothing if the history ends before.
    pub to: Option<Duration>,
}

/// One end of an operation, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which operation.
    pub operation: usize,
    /// Whether it is the beginning.
    pub is_invocation: bool,
    /// When.
    pub at: Duration,
}

impl Log {
    /// The ends of all operations in the order in which they happened.
    pub fn ends(&self) -> impl Iterator<Item = End> + '_ {
        self.order.iter().filter_map(|&(operation, is_invocation)| {
            let ended = &self.operations[operation];
            let at = match (&ended.ending, is_invocation) {
                (_, true) => ended.invoked,
                (Ending::Returned { at, .. } | Ending::Failed { at, .. }, false) => *at,
                (Ending::Unknown { at, .. }, false) => (*at)?,
            };
            Some(End { operation, is_invocation, at })
        })
    }

    /// The time of the last event.
    pub fn duration(&self) -> Duration {
        self.ends().last().map_or(Duration::ZERO, |end| end.at)
    }

    /// The name of a client.
    pub fn client_name(&self, client: Client) -> String {
        if client.0 >= NOBODY_FROM {
            return "?".to_owned();
        }
        self.clients.get(&client).cloned().unwrap_or_else(|| client.0.to_string())
    }
}

/// Takes in records and puts operations together.
#[derive(Debug)]
pub(super) struct Builder {
    operations: Vec<Operation>,
    /// Which end of which operation, with where it belongs: after so many records, and before or behind what stands there.
    order: Vec<((u64, bool), usize, bool)>,
    numbers: BTreeMap<Datum, Client>,
    in_flight: BTreeMap<Client, usize>,
    /// For clients without invocations: after how many records they ended what they did last, and when.
    ended: BTreeMap<Client, (u64, Duration)>,
    functions: Vec<Arc<str>>,
    harm: Harm,
    records: u64,
    nobodies: u64,
    invocations: u64,
    latest: Duration,
    is_timed: bool,
}

impl Builder {
    pub fn new() -> Self {
        Self {
            operations: Vec::new(),
            order: Vec::new(),
            numbers: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            ended: BTreeMap::new(),
            functions: Vec::new(),
            harm: Harm::default(),
            records: 0,
            nobodies: 0,
            invocations: 0,
            latest: Duration::ZERO,
            is_timed: true,
        }
    }

    /// Takes in one record.
    pub fn take(&mut self, record: Record) -> Result<(), Fault> {
        self.records += 1;
        self.is_timed &= record.time.is_some();
        let at = match record.time {
            Some(time) if self.is_timed => time.max(self.latest),
            _ => self.latest + Duration::from_nanos(1),
        };
        self.latest = at;
        match record.what {
            What::Nemesis { function, value } => self.harm.nemesis(at, &function, &value),
            What::Fault { id, what } => self.harm.begin(at, Some(id), String::new(), what),
            What::FaultEnd { id } => self.harm.end_numbered(at, id),
            What::Client { process, kind, function, key, value, error } => {
                let client = match process {
                    // Examples of transactions may not say whose they are: each may be anybody's.
                    Datum::Nil if kind != Kind::Invoke && self.invocations == 0 => self.nobody(),
                    process => self.client(process),
                };
                if kind == Kind::Invoke {
                    return self.invoke(client, at, record.place, function, key, value);
                }
                let ending = match kind {
                    Kind::Ok => Ending::Returned { at, value: value.clone(), place: record.place },
                    Kind::Fail => Ending::Failed { at, error, value: value.clone() },
                    Kind::Invoke | Kind::Info => Ending::Unknown { at: Some(at), error },
                };
                let index = self.ended_operation(client, record.place, function, key, &value)?;
                self.operations[index].ending = ending;
                self.order.push(((self.records, false), index, false));
                self.ended.insert(client, (self.records, at));
            }
        }
        Ok(())
    }

    fn invoke(
        &mut self,
        client: Client,
        at: Duration,
        place: Place,
        function: Arc<str>,
        key: Option<Datum>,
        argument: Datum,
    ) -> Result<(), Fault> {
        if let Some(&other) = self.in_flight.get(&client) {
            let found = format!(
                "another invocation of process {}, whose {} of line {} has not ended",
                self.name(client),
                self.operations[other].function,
                self.operations[other].place.line
            );
            return Err(Fault::new(place, "one operation of a process at a time", found));
        }
        self.invocations += 1;
        let index = self.begin(client, at, place, function, key, argument)?;
        self.order.push(((self.records, false), index, true));
        self.in_flight.insert(client, index);
        Ok(())
    }

    fn begin(
        &mut self,
        client: Client,
        at: Duration,
        place: Place,
        function: Arc<str>,
        key: Option<Datum>,
        argument: Datum,
    ) -> Result<usize, Fault> {
        if self.operations.len() == OPERATIONS_MAX {
            return Err(Fault::new(place, format!("at most {OPERATIONS_MAX} operations"), "one more"));
        }
        let function = self.interned(function);
        let ending = Ending::Unknown { at: None, error: None };
        self.operations.push(Operation { client, function, key, argument, invoked: at, place, ending });
        Ok(self.operations.len() - 1)
    }

    /// The operation that ends: the one in flight, or, in a history without invocations, one that is only known now.
    fn ended_operation(
        &mut self,
        client: Client,
        place: Place,
        function: Arc<str>,
        key: Option<Datum>,
        value: &Datum,
    ) -> Result<usize, Fault> {
        if let Some(index) = self.in_flight.remove(&client) {
            let asked = &self.operations[index].function;
            if !function.is_empty() && **asked != *function {
                let found = format!("the end of a {function}");
                let line = self.operations[index].place.line;
                return Err(Fault::new(place, format!("the end of the {asked} of line {line}"), found));
            }
            return Ok(index);
        }
        if self.invocations > 0 || function.is_empty() {
            let found = format!("the end of one that process {} never began", self.name(client));
            return Err(Fault::new(place, "the end of an operation in flight", found));
        }
        let (after, at) = self.ended.get(&client).copied().unwrap_or_default();
        let index = self.begin(client, at, place, function, key, value.clone())?;
        self.order.push(((after, true), index, true));
        Ok(index)
    }

    /// The same function is one text, however often it is asked.
    fn interned(&mut self, function: Arc<str>) -> Arc<str> {
        if let Some(known) = self.functions.iter().find(|known| **known == function) {
            return Arc::clone(known);
        }
        if self.functions.len() < FUNCTIONS_KEPT_MAX {
            self.functions.push(Arc::clone(&function));
        }
        function
    }

    /// A client of its own for an operation of which it is not said whose it is.
    fn nobody(&mut self) -> Client {
        self.nobodies += 1;
        Client(NOBODY_FROM + self.nobodies)
    }

    fn client(&mut self, process: Datum) -> Client {
        if let Some(client) = self.numbers.get(&process) {
            return *client;
        }
        // A process that has a number keeps it; names get numbers that no process has.
        let client = match process.as_integer().and_then(|number| u64::try_from(number).ok()) {
            Some(number) => Client(number),
            None => Client(NAMED_FROM + self.numbers.len() as u64),
        };
        self.numbers.insert(process, client);
        client
    }

    fn name(&self, client: Client) -> String {
        let named = self.numbers.iter().find(|(_, number)| **number == client);
        named.map_or_else(|| client.0.to_string(), |(process, _)| process.to_string())
    }

    /// The log, when everything was taken in.
    pub fn finish(mut self, format: Format, header: Header) -> Log {
        self.order.sort_by_key(|(position, _, _)| *position);
        let named = self.numbers.into_iter().filter(|(_, client)| client.0 >= NAMED_FROM);
        Log {
            format,
            header,
            operations: self.operations,
            faults: self.harm.finish(),
            clients: named.map(|(process, client)| (client, process.to_string())).collect(),
            is_timed: self.is_timed && self.records > 0,
            order: self.order.into_iter().map(|(_, index, is_invocation)| (index, is_invocation)).collect(),
        }
    }
}

/// How many different functions are kept as one text each.
const FUNCTIONS_KEPT_MAX: usize = 64;
/// Processes that have no number are numbered from here.
const NAMED_FROM: u64 = 1 << 62;

/// Clients of operations of which it is not said whose they are are numbered from here.
const NOBODY_FROM: u64 = 1 << 63;

/// What was done to the system, put together from its beginnings and ends.
#[derive(Debug, Default)]
struct Harm {
    all: Vec<Disturbance>,
    /// Those that go on: their number or their name, and their index.
    open: Vec<(Option<i64>, String, usize)>,
    /// What ended last, by the name of its end: Jepsen records the end when it is begun and when it is done.
    closed: Option<(String, usize)>,
}

impl Harm {
    /// A nemesis records each thing that it does twice, before and after.
    fn nemesis(&mut self, at: Duration, function: &str, value: &Datum) {
        if let Some((_, index)) = self.closed.as_ref().filter(|(name, _)| name == function) {
            self.all[*index].to = Some(at);
            self.closed = None;
            return;
        }
        self.closed = None;
        if let Some(position) = self.open.iter().position(|(_, name, _)| ends(name, function)) {
            let (_, _, index) = self.open.remove(position);
            self.all[index].to = Some(at);
            self.closed = Some((function.to_owned(), index));
            return;
        }
        let what = if value.is_nil() { function.to_owned() } else { format!("{function} {}", plain(value)) };
        if let Some((_, _, index)) = self.open.iter().find(|(_, name, _)| name == function) {
            self.all[*index].what = what;
            return;
        }
        self.begin(at, None, function.to_owned(), what);
    }

    fn begin(&mut self, at: Duration, id: Option<i64>, name: String, what: String) {
        if self.all.len() == DISTURBANCES_MAX {
            return;
        }
        self.open.push((id, name, self.all.len()));
        self.all.push(Disturbance { what, from: at, to: None });
    }

    fn end_numbered(&mut self, at: Duration, id: i64) {
        if let Some(position) = self.open.iter().position(|(other, _, _)| *other == Some(id)) {
            let (_, _, index) = self.open.remove(position);
            self.all[index].to = Some(at);
        }
    }

    fn finish(self) -> Vec<Disturbance> {
        self.all
    }
}

/// More disturbances than this are not kept.
const DISTURBANCES_MAX: usize = 100_000;

/// Whether what a nemesis does now ends what it began under `name`: `start` and `stop`, `start-partition` and
/// `stop-partition`, `kill` and `start`, `pause` and `resume`, `isolate` and `recover`.
fn ends(name: &str, now: &str) -> bool {
    let (begun, subject) = name.split_once('-').unwrap_or((name, ""));
    let (ending, other) = now.split_once('-').unwrap_or((now, ""));
    if subject != other && !matches!(ending, "heal" | "recover" | "reset") {
        return false;
    }
    matches!(
        (begun, ending),
        ("start", "stop" | "heal" | "recover")
            | ("kill" | "crash", "start" | "restart" | "recover" | "stop")
            | ("pause", "resume" | "start" | "stop")
            | (
                "partition" | "isolate" | "split" | "majority" | "bridge",
                "heal" | "recover" | "stop" | "start"
            )
            | ("bump" | "strobe" | "scramble" | "skew", "reset" | "stop" | "fix")
    )
}

/// A value in words, without the quotes around a single text.
fn plain(value: &Datum) -> String {
    match value {
        Datum::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}
