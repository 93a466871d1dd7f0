//! A reader and a writer of JSON values.
//!
//! Numbers that are no whole ones of 64 bits are kept as they were written. Of two members with one name both are kept,
//! and the first is found.

use std::fmt::Write as _;
use std::io::BufRead;

use super::cursor::Cursor;
use super::datum::Datum;
use super::edn::DEPTH_MAX;
use super::error::{Fault, ReadError};

/// Where a value may be broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// It stands on one line.
    Line,
    /// Anywhere between its words.
    Free,
}

impl Layout {
    /// Skips blanks.
    pub fn skip<R: BufRead>(self, cursor: &mut Cursor<R>) -> Result<(), ReadError> {
        while let Some(byte) = cursor.peek()? {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' if self == Self::Free => {}
                _ => break,
            }
            cursor.bump()?;
        }
        Ok(())
    }
}

/// The next value.
pub(super) fn read<R: BufRead>(cursor: &mut Cursor<R>, layout: Layout) -> Result<Datum, ReadError> {
    value(cursor, layout, 0)
}

fn value<R: BufRead>(cursor: &mut Cursor<R>, layout: Layout, depth: usize) -> Result<Datum, ReadError> {
    layout.skip(cursor)?;
    if depth > DEPTH_MAX {
        let found = format!("the {depth}th level");
        return Err(Fault::new(cursor.place(), format!("at most {DEPTH_MAX} levels of values"), found).into());
    }
    match cursor.peek()? {
        Some(b'{') => object(cursor, layout, depth),
        Some(b'[') => array(cursor, layout, depth),
        Some(b'"') => string(cursor).map(Datum::text),
        Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => word(cursor),
        _ => Err(cursor.unexpected("a JSON value")),
    }
}

fn object<R: BufRead>(cursor: &mut Cursor<R>, layout: Layout, depth: usize) -> Result<Datum, ReadError> {
    cursor.bump()?;
    let mut members = Vec::new();
    layout.skip(cursor)?;
    if cursor.peek()? == Some(b'}') {
        cursor.bump()?;
        return Ok(Datum::Map(members.into()));
    }
    loop {
        layout.skip(cursor)?;
        if cursor.peek()? != Some(b'"') {
            return Err(cursor.unexpected("the name of a member, in quotes"));
        }
        let name = Datum::text(string(cursor)?);
        layout.skip(cursor)?;
        if cursor.peek()? != Some(b':') {
            return Err(cursor.unexpected("`:` after the name of a member"));
        }
        cursor.bump()?;
        members.push((name, value(cursor, layout, depth + 1)?));
        layout.skip(cursor)?;
        match cursor.peek()? {
            Some(b',') => cursor.bump()?,
            Some(b'}') => {
                cursor.bump()?;
                return Ok(Datum::Map(members.into()));
            }
            _ => return Err(cursor.unexpected("`,` or `}` after a member")),
        };
    }
}

fn array<R: BufRead>(cursor: &mut Cursor<R>, layout: Layout, depth: usize) -> Result<Datum, ReadError> {
    cursor.bump()?;
    let mut values = Vec::new();
    layout.skip(cursor)?;
    if cursor.peek()? == Some(b']') {
        cursor.bump()?;
        return Ok(Datum::list(values));
    }
    loop {
        values.push(value(cursor, layout, depth + 1)?);
        layout.skip(cursor)?;
        match cursor.peek()? {
            Some(b',') => cursor.bump()?,
            Some(b']') => {
                cursor.bump()?;
                return Ok(Datum::list(values));
            }
            _ => return Err(cursor.unexpected("`,` or `]` after a value")),
        };
    }
}

fn string<R: BufRead>(cursor: &mut Cursor<R>) -> Result<String, ReadError> {
    let place = cursor.place();
    cursor.bump()?;
    let mut text = Vec::new();
    loop {
        cursor.take_while(&mut text, |byte| byte != b'"' && byte != b'\\' && byte != b'\n')?;
        match cursor.bump()? {
            Some(b'"') => break,
            Some(b'\\') => {
                let escaped = escape(cursor)?;
                text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(Fault::new(place, "a string that ends on its line", "no end").into()),
        }
    }
    String::from_utf8(text).map_err(|_| Fault::new(place, "a string in UTF-8", "other bytes").into())
}

/// What stands after a backslash.
fn escape<R: BufRead>(cursor: &mut Cursor<R>) -> Result<char, ReadError> {
    let escaped = match cursor.peek()? {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
        Some(b'u') => {
            cursor.bump()?;
            let first = four_digits(cursor)?;
            // A character beyond the first 65,536 stands as two halves.
            if (0xd800..0xdc00).contains(&first) && cursor.ahead(2)? == b"\\u" {
                cursor.bump()?;
                cursor.bump()?;
                let second = four_digits(cursor)?;
                let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        _ => return Err(cursor.unexpected("a known escape after `\\`")),
    };
    cursor.bump()?;
    Ok(escaped)
}

fn four_digits<R: BufRead>(cursor: &mut Cursor<R>) -> Result<u32, ReadError> {
    let mut number = 0;
    for _ in 0..4 {
        let digit = cursor.peek()?.and_then(|byte| char::from(byte).to_digit(16));
        let Some(digit) = digit else { return Err(cursor.unexpected("four hexadecimal digits")) };
        number = number * 16 + digit;
        cursor.bump()?;
    }
    Ok(number)
}

fn word<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Datum, ReadError> {
    let place = cursor.place();
    let mut bytes = Vec::new();
    cursor
        .take_while(&mut bytes, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))?;
    let word = String::from_utf8(bytes).expect("these bytes are ASCII");
    match word.as_str() {
        "null" => Ok(Datum::Nil),
        "true" => Ok(Datum::Bool(true)),
        "false" => Ok(Datum::Bool(false)),
        _ if word.starts_with(['t', 'f', 'n']) || word.parse::<f64>().is_err() => {
            Err(Fault::new(place, "a JSON value", format!("`{word}`")).into())
        }
        _ => Ok(word.parse().map_or_else(|_| Datum::word(&word), Datum::Integer)),
    }
}

/// Adds a value to a text. A keyword or symbol becomes a string, since JSON has none.
pub(super) fn write(text: &mut String, value: &Datum) {
    match value {
        Datum::Nil => text.push_str("null"),
        Datum::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Datum::Integer(number) => {
            let _ = write!(text, "{number}");
        }
        Datum::Word(word) if word.parse::<f64>().is_ok_and(f64::is_finite) && is_json_number(word) => {
            text.push_str(word)
        }
        Datum::Text(word) | Datum::Word(word) => write_string(text, word),
        Datum::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(text, value);
            }
            text.push(']');
        }
        Datum::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                match key {
                    Datum::Text(name) | Datum::Word(name) => write_string(text, name),
                    other => write_string(text, &other.to_string()),
                }
                text.push(':');
                write(text, value);
            }
            text.push('}');
        }
    }
}

/// Whether JSON would take the number as it is written: it knows no plus in front and no bare point.
fn is_json_number(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    digits.starts_with(|first: char| first.is_ascii_digit())
        && !word.ends_with('.')
        && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Adds a text in quotes.
pub(crate) fn write_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            character if character < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text.push('"');
}
