//! Answers as text: `-w simple|json|fields|table`, byte for byte as `etcdctl` 3.5 writes them.
//!
//! Scripts parse these forms, so their quirks are kept: a transaction's answers stand in JSON under
//! `Response`, a lease's header is not nested, zero values are omitted, a table exists for the members and
//! endpoints only. Where `etcdctl` 3.4 and 3.5 differ, 3.5 is followed.
//!
//! Each kind of answer implements [`Answer`], in a file by topic; the forms themselves, which know no answer,
//! stand in [`json`], [`fields`] and [`table`].

pub mod cluster;
mod fields;
pub mod json;
pub mod keys;
pub mod lease;
pub mod table;
#[cfg(test)]
mod tests;
pub mod watch;

use std::io::{self, Write};

use crate::failure::Failure;

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Keys and values, line by line.
    #[default]
    Simple,
    /// One JSON object a line.
    Json,
    /// A table with borders, for members and endpoints.
    Table,
    /// One line for each field.
    Fields,
}

/// How the simple form shows keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Every byte as `\x6b`.
    pub is_hexadecimal: bool,
    /// Values alone, without their keys.
    pub values_only: bool,
}

/// An answer that can be written.
pub trait Answer {
    /// Writes the simple form.
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()>;
    /// Writes one line for each field.
    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()>;
    /// The JSON form.
    fn to_json(&self) -> String;
    /// The table form, for answers that have one.
    fn to_table(&self) -> Option<table::Table> {
        None
    }
}

/// Writes answers in one form.
pub struct Printer<W> {
    out: W,
    /// The form.
    pub format: Format,
    /// The style of the simple form.
    pub style: Style,
}

impl<W: Write> Printer<W> {
    /// A printer in this form.
    pub fn new(out: W, format: Format, style: Style) -> Self {
        Self { out, format, style }
    }

    /// Writes an answer and flushes it, so that a reader sees a watch's events as they come.
    pub fn print(&mut self, answer: &impl Answer) -> Result<(), Failure> {
        match self.format {
            Format::Simple => answer.write_simple(&mut self.out, self.style)?,
            Format::Fields => answer.write_fields(&mut self.out)?,
            Format::Json => writeln!(self.out, "{}", answer.to_json())?,
            Format::Table => match answer.to_table() {
                Some(table) => table.write(&mut self.out)?,
                None => return Err(no_table()),
            },
        }
        Ok(self.out.flush()?)
    }

    /// Writes a line, whatever the form.
    pub fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// Refuses the table form before a request is sent whose answer has none.
    pub fn require_no_table(&self) -> Result<(), Failure> {
        if self.format == Format::Table { Err(no_table()) } else { Ok(()) }
    }
}

fn no_table() -> Failure {
    Failure::usage("table not supported as output format")
}
