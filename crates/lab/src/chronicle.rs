//! What the clients of a run asked and were answered, as a history that `synod check` reads.
//!
//! A mechanism whose clients use an object that the checkers know (a register, a lock, an etcd) keeps a [`Chronicle`]: each operation with
//! both its ends. Nothing is kept until it is [asked for](Chronicle::keep), since a campaign makes a million runs and looks at few of them.
//!
//! # When an operation ends
//! Clients of most mechanisms learn an answer some time after a node gave it. An answer counts from the moment at which it was given, where
//! the subject sees that: it is no later than the client's own, so the history claims more, and the effect is before it all the same, for a node
//! answers nothing that has not happened. A run that a violation ends then still shows what showed it.
//!
//! Of a change whose client has given up a subject may know when it is decided: then it ends there, with the answer that nobody waits for. So the history says
//! no less than the laboratory knows of what clients asked.
//!
//! # Clients
//! A process of a history does one thing at a time, and clients of the laboratory may not: a batch, or one who goes on without having waited. What a client
//! asks while something else of it is open goes to another process, whose number is a multiple of [`LANES_APART`] higher.
//!
//! # What is left out
//! What happened inside. A node that votes twice may be found before any client has seen a wrong answer; the history is sound then, and `synod check`
//! says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use synod_check::format::lines::{Header, Writer};
use synod_check::format::{Datum, Kind, Object};
use synod_sim::{Fault, Plan};

/// How far the numbers of one client's processes are apart.
pub const LANES_APART: u64 = 1_000;

/// What clients did, in the order in which it happened.
#[derive(Clone, Debug)]
pub struct Chronicle {
    object: Object,
    initial: Option<Datum>,
    is_kept: bool,
    events: Vec<Event>,
    /// The process of each request that has no end yet.
    open: BTreeMap<u64, u64>,
    busy: BTreeSet<u64>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As the checkers call it.
    pub function: &'static str,
    /// Of which object, where there are several.
    pub key: Option<Datum>,
    /// With what.
    pub value: Datum,
}

impl Asked {
    /// Something of the only object.
    pub fn new(function: &'static str, value: Datum) -> Self {
        Asked { function, key: None, value }
    }
}

#[derive(Clone, Debug)]
struct Event {
    at: Duration,
    process: u64,
    kind: Kind,
    asked: Option<Asked>,
    value: Datum,
}

impl Chronicle {
    /// Of an object that holds `initial` at first, or nothing.
    pub fn new(object: Object, initial: Option<Datum>) -> Self {
        Chronicle {
            object,
            initial,
            is_kept: false,
            events: Vec::new(),
            open: BTreeMap::new(),
            busy: BTreeSet::new(),
        }
    }

    /// Keeps everything from now on.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Whether anything is kept.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether that request waits for its end.
    pub fn is_open(&self, request: u64) -> bool {
        self.open.contains_key(&request)
    }

    /// A client asks. `request` is a number that no request has which waits for its end.
    pub fn asks(&mut self, at: Duration, client: u64, request: u64, what: impl FnOnce() -> Asked) {
        if !self.is_kept || self.open.contains_key(&request) {
            return;
        }
        let lanes = (0..).map(|lane| client + lane * LANES_APART);
        let process = lanes.into_iter().find(|process| !self.busy.contains(process)).unwrap_or(client);
        self.busy.insert(process);
        self.open.insert(request, process);
        self.events.push(Event { at, process, kind: Kind::Invoke, asked: Some(what()), value: Datum::Nil });
    }

    /// A request was answered.
    pub fn answers(&mut self, at: Duration, request: u64, value: impl FnOnce() -> Datum) {
        if self.is_open(request) {
            self.end(at, request, Kind::Ok, value());
        }
    }

    /// A request did not take effect, and never will.
    pub fn fails(&mut self, at: Duration, request: u64) {
        self.end(at, request, Kind::Fail, Datum::Nil);
    }

    /// The client waits no longer: whether the request takes effect is not known.
    pub fn gives_up(&mut self, at: Duration, request: u64) {
        self.end(at, request, Kind::Info, Datum::Nil);
    }

    fn end(&mut self, at: Duration, request: u64, kind: Kind, value: Datum) {
        let Some(process) = self.open.remove(&request) else { return };
        self.busy.remove(&process);
        self.events.push(Event { at, process, kind, asked: None, value });
    }

    /// What the object is.
    pub fn object(&self) -> Object {
        self.object
    }

    /// How many operations were asked.
    pub fn len(&self) -> usize {
        self.events.iter().filter(|event| event.kind == Kind::Invoke).count()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Writes it, with what went wrong in the run's plan. `source` says in words who made it.
    ///
    /// # Errors
    /// What writing says.
    pub fn write<W: Write>(&self, out: W, plan: &Plan, source: &str) -> io::Result<W> {
        let header = Header {
            object: Some(self.object),
            initial: self.initial.clone(),
            source: Some(source.to_owned()),
        };
        let mut writer = Writer::new(out, &header)?;
        let last = self.events.last().map_or(Duration::ZERO, |event| event.at);
        let mut harm = Harm::of(plan, last);
        for event in &self.events {
            harm.write_until(event.at, &mut writer)?;
            let Event { at, process, kind, asked, value } = event;
            match asked {
                Some(Asked { function, key, value }) => {
                    writer.event(*at, *process, *kind, function, key.as_ref(), value)?;
                }
                None => writer.event(*at, *process, *kind, "", None, value)?,
            }
        }
        harm.write_until(last, &mut writer)?;
        writer.finish()
    }
}

/// Faults of a plan in the order of their beginnings and ends.
struct Harm<'a> {
    /// When, whether it is an end, and which fault.
    ends: std::iter::Peekable<std::vec::IntoIter<(Duration, bool, usize)>>,
    faults: &'a [Fault],
    /// The numbers under which those that go on were written.
    written: BTreeMap<usize, i64>,
}

impl<'a> Harm<'a> {
    /// Those that begin before the run ended. What lasts for no stated time lasts until the heal.
    fn of(plan: &'a Plan, last: Duration) -> Self {
        let faults = &plan.faults.faults[..];
        let mut ends = Vec::new();
        for (number, fault) in faults.iter().enumerate().filter(|(_, fault)| fault.at <= last) {
            let until = fault.lasts.map_or(plan.safety, |lasts| (fault.at + lasts).min(plan.safety));
            ends.push((fault.at, false, number));
            if until <= last {
                ends.push((until.max(fault.at), true, number));
            }
        }
        ends.sort_unstable();
        Harm { ends: ends.into_iter().peekable(), faults, written: BTreeMap::new() }
    }

    fn write_until<W: Write>(&mut self, time: Duration, writer: &mut Writer<W>) -> io::Result<()> {
        while let Some((at, is_end, number)) = self.ends.next_if(|(at, ..)| *at <= time) {
            if !is_end {
                let id = writer.fault(at, &self.faults[number].what.to_string())?;
                self.written.insert(number, id);
            } else if let Some(id) = self.written.remove(&number) {
                writer.fault_end(at, id)?;
            }
        }
        Ok(())
    }
}
