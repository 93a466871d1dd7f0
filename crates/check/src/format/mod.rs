//! Histories in files: ours, Jepsen's, and those that Porcupine is tested with.
//!
//! [`read`] takes any of them and finds out by looking which it is:
//!
//! | it begins with | it is |
//! |---|---|
//! | a JSON object with `synod_history` | our own notation, one event a line ([`lines`]; `docs/histories.md`) |
//! | `{`, `[`, `(` or `;` | a Jepsen history in EDN: maps in a vector, in a list, or one after the other; with `:key`, one of the key-value logs that Porcupine is tested with |
//! | a JSON object with a `type`, or an array of such | a Jepsen history in JSON, with the members that the maps of EDN have |
//! | brackets and `:append`, `:r`, `"r"` or the like | transactions that committed, and nothing else: an example |
//! | words | a log of Jepsen's, or its `history.txt`, with one operation on a line |
//!
//! # How it works
//!
//! The text is read once, byte by byte, and nothing of it is kept but the values. Every notation ends in the same
//! [`Record`](record::Record)s, which are put together to a [`Log`]: operations with both ends. What the operations mean is
//! decided afterwards, when it is known what object they are about ([`objects`]).
//!
//! # What is promised
//!
//! Nothing in a file is trusted. Whatever the bytes, the result is a log or an error that names the line, the column, what
//! was expected and what was found; texts, nesting and the number of operations are bounded. A line that is no operation
//! is skipped only in logs, where other things are logged too.
//!
//! # What is left out
//!
//! Compressed files, and Jepsen's binary `test.jepsen`.

mod cursor;
mod datum;
mod edn;
mod error;
mod jepsen;
pub(crate) mod json;
pub mod lines;
mod log;
pub mod objects;
mod record;

use std::fmt;
use std::io::BufRead;

pub use datum::Datum;
pub use error::{Fault, Place, ReadError};
pub use lines::{Header, Writer};
pub use log::{Disturbance, End, Ending, Log, OPERATIONS_MAX, Operation};
pub use objects::Object;
pub use record::{Kind, Record, What};

use cursor::Cursor;
use jepsen::Notation;
use log::Builder;

/// What a history was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own JSON lines.
    Lines,
    /// Maps of EDN.
    Edn,
    /// The same maps as objects of JSON.
    Json,
    /// Lines of a log.
    JepsenLog,
    /// The same lines with nothing in front, `history.txt`.
    JepsenText,
}

impl Format {
    /// What an operation begins with, as an example.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Lines => r#"`{"t":0,"client":1,"type":"invoke","f":"read"}` and what follows it"#,
            Self::Edn => "`{:process 0, :type :invoke, :f :read, :value nil}` and what follows it",
            Self::Json => r#"`{"process":0,"type":"invoke","f":"read","value":null}` and what follows it"#,
            Self::JepsenLog => "`jepsen.util - 0 :invoke :read nil` and what follows it",
            Self::JepsenText => "`0 :invoke :read nil` and what follows it",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "JSON lines",
            Self::Edn => "EDN",
            Self::Json => "Jepsen's JSON",
            Self::JepsenLog => "a log of Jepsen's",
            Self::JepsenText => "Jepsen's text",
        })
    }
}

/// How much of a text decides what it is, in bytes.
const LOOKED_AT_BYTES: usize = 64 << 10;

/// Reads a history. `progress` is told now and then how many operations were read.
///
/// # Errors
/// The text is no history, or cannot be had.
pub fn read(source: impl BufRead, mut progress: impl FnMut(usize)) -> Result<Log, ReadError> {
    let mut cursor = Cursor::new(source);
    if cursor.ahead(3)? == b"\xef\xbb\xbf" {
        // A mark of the order of bytes, which UTF-8 does not need.
        for _ in 0..3 {
            cursor.bump()?;
        }
    }
    let mut builder = Builder::new();
    let mut count = 0;
    let mut take = |builder: &mut Builder, record| {
        count += 1;
        if count % PROGRESS_EACH == 0 {
            progress(count / 2);
        }
        builder.take(record)
    };
    let (format, header) = match recognize(&mut cursor)? {
        Format::Lines => {
            let header = Header::read(&mut cursor)?;
            while let Some(record) = lines::read(&mut cursor)? {
                take(&mut builder, record)?;
            }
            (Format::Lines, header)
        }
        format @ (Format::Edn | Format::Json) => {
            let notation = if format == Format::Json { Notation::Json } else { Notation::Edn };
            let mut maps = jepsen::Maps::new(cursor, notation);
            while let Some(record) = maps.next()? {
                take(&mut builder, record)?;
            }
            (format, Header::default())
        }
        format @ (Format::JepsenLog | Format::JepsenText) => {
            let is_bare = format == Format::JepsenText;
            loop {
                let number = cursor.place().line;
                let Some(line) = cursor.line()? else { break };
                if let Some(record) = jepsen::line(&line, number, is_bare)? {
                    take(&mut builder, record)?;
                }
            }
            (format, Header::default())
        }
    };
    Ok(builder.finish(format, header))
}

/// After how many records progress is told.
const PROGRESS_EACH: usize = 20_000;

/// Finds out what a text is, by its beginning.
fn recognize<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Format, ReadError> {
    let ahead = cursor.ahead(LOOKED_AT_BYTES)?;
    let trimmed = ahead.trim_ascii_start();
    let in_array = trimmed.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    let in_brace = in_array.unwrap_or(trimmed).strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    if in_brace.is_some_and(is_json_member) || is_json_transaction(trimmed) {
        return Ok(json(trimmed));
    }
    if jepsen::has_operation_lines(ahead) {
        return Ok(if jepsen::is_bare(ahead) { Format::JepsenText } else { Format::JepsenLog });
    }
    if matches!(trimmed, [b'{' | b'[' | b'(' | b';' | b'#', ..]) {
        return Ok(Format::Edn);
    }
    if jepsen::is_its_log(ahead) {
        return Ok(Format::JepsenLog);
    }
    if ahead.starts_with(GZIP) {
        let expected = "a text; unpack it first: zcat FILE | synod check -";
        return Err(Fault::new(cursor.place(), expected, "a file packed by gzip").into());
    }
    let expected = "a history: JSON lines with a header, Jepsen's EDN or JSON, or a log of Jepsen's";
    let first_line = trimmed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let found = match trimmed {
        [] => "an empty file".to_owned(),
        _ => format!("`{}`", cursor::shown(first_line)),
    };
    Err(Fault::new(cursor.place(), expected, found).into())
}

/// Whether what follows a brace is JSON: nothing, or a name with a colon. (A map of EDN may have texts for keys.)
fn is_json_member(inner: &[u8]) -> bool {
    let Some(name) = inner.strip_prefix(b"\"") else { return inner.starts_with(b"}") };
    let after = name.iter().position(|byte| *byte == b'"').map(|end| name[end + 1..].trim_ascii_start());
    after.is_none_or(|after| after.is_empty() || after.starts_with(b":"))
}

/// Whether a text begins with brackets, a name and a comma, as transactions by themselves do in JSON. (In EDN, a comma is a blank.)
fn is_json_transaction(trimmed: &[u8]) -> bool {
    let is_blank_or_bracket = |byte: &u8| *byte == b'[' || byte.is_ascii_whitespace();
    let inner = trimmed.iter().position(|byte| !is_blank_or_bracket(byte)).map(|at| &trimmed[at..]);
    let Some(name) = inner.and_then(|inner| inner.strip_prefix(b"\"")) else { return false };
    let after = name.iter().position(|byte| *byte == b'"').map(|end| name[end + 1..].trim_ascii_start());
    trimmed.starts_with(b"[") && after.is_some_and(|after| after.starts_with(b","))
}

/// How files that gzip packed begin.
const GZIP: &[u8] = b"\x1f\x8b";

/// Which of the notations in JSON a text has. Ours names its version on the first line; an object that does not say what
/// it is either is one of ours without a header.
fn json(trimmed: &[u8]) -> Format {
    let first_line = trimmed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has = |text: &[u8], name: &[u8]| text.windows(name.len()).any(|window| window == name);
    if trimmed.starts_with(b"{") && (has(first_line, b"\"synod_history\"") || !has(trimmed, b"\"process\"")) {
        return Format::Lines;
    }
    Format::Json
}
