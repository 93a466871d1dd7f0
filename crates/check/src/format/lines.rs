//! Our own notation: JSON lines, one event each, with a header that names the version.
//!
//! `docs/histories.md` describes it. A reader skips members that it does not know, so that there can be more.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use super::Object;
use super::cursor::Cursor;
use super::datum::Datum;
use super::error::{Fault, Place, ReadError};
use super::json::{self, Layout};
use super::log::{Ending, Log};
use super::record::{Kind, Record, What};

/// The version of the notation that is written. It is raised when a reader of the old one would go wrong.
pub const HISTORY_VERSION: i64 = 1;

/// What the first line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What the operations are about.
    pub object: Option<Object>,
    /// What the object holds before the first operation.
    pub initial: Option<Datum>,
    /// Who made the history, in words.
    pub source: Option<String>,
}

impl Header {
    /// Reads the first line.
    pub(super) fn read<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Self, ReadError> {
        let place = cursor.place();
        let line = json::read(cursor, Layout::Line)?;
        end_of_line(cursor)?;
        let Some(version) = line.get("synod_history") else {
            let expected =
                format!("a header, {{\"synod_history\":{HISTORY_VERSION}}}, on the first line of JSON");
            return Err(Fault::new(place, expected, "another object").into());
        };
        if *version != Datum::Integer(HISTORY_VERSION) {
            let found = format!("version {version}");
            return Err(Fault::new(place, format!("version {HISTORY_VERSION} of the notation"), found).into());
        }
        let object = match line.get("spec") {
            None | Some(Datum::Nil) => None,
            Some(name) => Some(
                name.as_name()
                    .unwrap_or_default()
                    .parse()
                    .map_err(|expected: String| Fault::new(place, expected, format!("\"spec\" {name}")))?,
            ),
        };
        let source = line.get("source").and_then(Datum::as_name).map(str::to_owned);
        Ok(Self { object, initial: line.get("initial").cloned(), source })
    }

    fn write(&self, text: &mut String) {
        text.push_str(&format!("{{\"synod_history\":{HISTORY_VERSION}"));
        if let Some(object) = self.object {
            text.push_str(&format!(",\"spec\":\"{object}\""));
        }
        if let Some(initial) = &self.initial {
            text.push_str(",\"initial\":");
            json::write(text, initial);
        }
        if let Some(source) = &self.source {
            text.push_str(",\"source\":");
            json::write_string(text, source);
        }
        text.push_str("}\n");
    }
}

/// The next event.
pub(super) fn read<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Option<Record>, ReadError> {
    loop {
        Layout::Line.skip(cursor)?;
        match cursor.peek()? {
            None => return Ok(None),
            Some(b'\n') => {
                cursor.bump()?;
            }
            Some(_) => break,
        }
    }
    let place = cursor.place();
    let line = json::read(cursor, Layout::Line)?;
    end_of_line(cursor)?;
    if !matches!(line, Datum::Map(_)) {
        return Err(Fault::new(place, "an object, {\"t\":…,\"type\":…}", format!("`{line}`")).into());
    }
    Ok(Some(record(&line, place)?))
}

fn end_of_line<R: BufRead>(cursor: &mut Cursor<R>) -> Result<(), ReadError> {
    Layout::Line.skip(cursor)?;
    match cursor.peek()? {
        None => Ok(()),
        Some(b'\n') => cursor.bump().map(|_| ()),
        Some(_) => Err(cursor.unexpected("the end of the line after the object")),
    }
}

fn record(line: &Datum, place: Place) -> Result<Record, Fault> {
    let bad = |expected: &str, found: Option<&Datum>| {
        let found = found.map_or_else(|| "none".to_owned(), |found| format!("`{found}`"));
        Fault::new(place, expected, found)
    };
    let time = match line.get("t") {
        Some(Datum::Integer(nanoseconds)) if *nanoseconds >= 0 => Duration::from_nanos(*nanoseconds as u64),
        other => return Err(bad("a time \"t\" in nanoseconds", other)),
    };
    let id = || match line.get("id") {
        Some(Datum::Integer(id)) => Ok(*id),
        other => Err(bad("the number \"id\" of the fault", other)),
    };
    let kind = line.get("type");
    let what = match kind.and_then(Datum::as_name) {
        Some("fault") => {
            let what = line.get("what").and_then(Datum::as_name);
            What::Fault { id: id()?, what: what.unwrap_or("a fault").to_owned() }
        }
        Some("fault end") => What::FaultEnd { id: id()? },
        name => {
            let Some(kind) = name.and_then(Kind::named) else {
                let expected = "a \"type\": invoke, ok, fail, info, fault or fault end";
                return Err(bad(expected, kind));
            };
            let process = match line.get("client") {
                Some(client @ Datum::Integer(number)) if *number >= 0 => client.clone(),
                other => return Err(bad("the number of the \"client\"", other)),
            };
            let function = match line.get("f").and_then(Datum::as_name) {
                Some(function) => Arc::from(function),
                None if kind == Kind::Invoke => return Err(bad("what is asked, in \"f\"", line.get("f"))),
                None => "".into(),
            };
            What::Client {
                process,
                kind,
                function,
                key: line.get("key").cloned(),
                value: line.get("value").cloned().unwrap_or_default(),
                error: line.get("error").filter(|error| !error.is_nil()).cloned(),
            }
        }
    };
    Ok(Record { place, time: Some(time), what })
}

/// Writes a history event by event, as a run goes on.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    line: String,
    faults: i64,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What writing says.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        let mut line = String::new();
        header.write(&mut line);
        out.write_all(line.as_bytes())?;
        Ok(Self { out, line, faults: 0 })
    }

    /// Writes one end of an operation. Nil values and missing keys are left out.
    ///
    /// # Errors
    /// What writing says.
    pub fn event(
        &mut self,
        at: Duration,
        client: u64,
        kind: Kind,
        function: &str,
        key: Option<&Datum>,
        value: &Datum,
    ) -> io::Result<()> {
        self.line.clear();
        let nanoseconds = at.as_nanos();
        self.line
            .push_str(&format!("{{\"t\":{nanoseconds},\"client\":{client},\"type\":\"{}\"", kind.name()));
        if !function.is_empty() {
            self.line.push_str(",\"f\":");
            json::write_string(&mut self.line, function);
        }
        if let Some(key) = key {
            self.line.push_str(",\"key\":");
            json::write(&mut self.line, key);
        }
        if !value.is_nil() {
            self.line.push_str(",\"value\":");
            json::write(&mut self.line, value);
        }
        self.line.push_str("}\n");
        self.out.write_all(self.line.as_bytes())
    }

    /// Writes that something happened to the system; gives the number under which its end is to be told.
    ///
    /// # Errors
    /// What writing says.
    pub fn fault(&mut self, at: Duration, what: &str) -> io::Result<i64> {
        self.faults += 1;
        self.line.clear();
        self.line.push_str(&format!(
            "{{\"t\":{},\"type\":\"fault\",\"id\":{},\"what\":",
            at.as_nanos(),
            self.faults
        ));
        json::write_string(&mut self.line, what);
        self.line.push_str("}\n");
        self.out.write_all(self.line.as_bytes())?;
        Ok(self.faults)
    }

    /// Writes that it is over.
    ///
    /// # Errors
    /// What writing says.
    pub fn fault_end(&mut self, at: Duration, id: i64) -> io::Result<()> {
        writeln!(self.out, "{{\"t\":{},\"type\":\"fault end\",\"id\":{id}}}", at.as_nanos())
    }

    /// Gives back what was written to, with everything handed over to it.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Writes a whole log in our notation, whatever it was read from.
///
/// # Errors
/// What writing says.
pub fn write<W: Write>(log: &Log, out: W) -> io::Result<W> {
    let mut writer = Writer::new(out, &log.header)?;
    let mut faults = log.faults.iter().peekable();
    let mut ends: Vec<(Duration, i64)> = Vec::new();
    for end in log.ends() {
        while let Some(fault) = faults.next_if(|fault| fault.from <= end.at) {
            let id = writer.fault(fault.from, &fault.what)?;
            ends.extend(fault.to.map(|to| (to, id)));
        }
        ends.sort_unstable();
        while ends.first().is_some_and(|(to, _)| *to <= end.at) {
            let (to, id) = ends.remove(0);
            writer.fault_end(to, id)?;
        }
        let operation = &log.operations[end.operation];
        let (kind, value) = match (&operation.ending, end.is_invocation) {
            (_, true) => (Kind::Invoke, &operation.argument),
            (Ending::Returned { value, .. }, false) => (Kind::Ok, value),
            (Ending::Failed { .. }, false) => (Kind::Fail, &Datum::Nil),
            (Ending::Unknown { .. }, false) => (Kind::Info, &Datum::Nil),
        };
        let (key, function) =
            if end.is_invocation { (operation.key.as_ref(), &*operation.function) } else { (None, "") };
        writer.event(end.at, operation.client.0, kind, function, key, value)?;
    }
    for (to, id) in ends {
        writer.fault_end(to, id)?;
    }
    writer.finish()
}
