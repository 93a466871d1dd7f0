//! A reader of EDN, the notation in which Clojure programs, Jepsen among them, write their data.
//!
//! As much of it as data needs: nil, booleans, numbers, strings, characters, keywords, symbols, vectors, lists, maps and
//! sets, with comments (`;`, `#_`) and commas as blanks. A tag (`#inst`, `#jepsen.history.Op`) is dropped and what it
//! marks is read as it stands. The order of the elements of a set is kept; nobody here relies on it.

use std::io::BufRead;

use super::cursor::Cursor;
use super::datum::Datum;
use super::error::{Fault, ReadError};

/// How deep values may be nested.
pub(super) const DEPTH_MAX: usize = 64;

/// The next value; nothing at the end of the text.
pub(super) fn read<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Option<Datum>, ReadError> {
    skip_blank(cursor)?;
    if cursor.peek()?.is_none() { Ok(None) } else { value(cursor, 0).map(Some) }
}

/// Skips blanks, commas, comments and discarded values.
pub(super) fn skip_blank<R: BufRead>(cursor: &mut Cursor<R>) -> Result<(), ReadError> {
    loop {
        match cursor.peek()? {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x0c) => {
                cursor.bump()?;
            }
            Some(b';') => while !matches!(cursor.bump()?, None | Some(b'\n')) {},
            Some(b'#') if cursor.ahead(2)? == b"#_" => {
                cursor.bump()?;
                cursor.bump()?;
                value(cursor, 0)?;
            }
            _ => return Ok(()),
        }
    }
}

fn value<R: BufRead>(cursor: &mut Cursor<R>, depth: usize) -> Result<Datum, ReadError> {
    skip_blank(cursor)?;
    if depth > DEPTH_MAX {
        let found = format!("the {}th level", depth);
        return Err(Fault::new(cursor.place(), format!("at most {DEPTH_MAX} levels of values"), found).into());
    }
    match cursor.peek()? {
        Some(b'[') => sequence(cursor, b']', depth).map(Datum::list),
        Some(b'(') => sequence(cursor, b')', depth).map(Datum::list),
        Some(b'{') => map(cursor, depth),
        Some(b'"') => string(cursor),
        Some(b'#') => dispatch(cursor, depth),
        Some(b'\\') => character(cursor),
        Some(b'\'') => {
            cursor.bump()?;
            value(cursor, depth + 1)
        }
        Some(byte) if is_of_word(byte) => word(cursor),
        _ => Err(cursor.unexpected("a value")),
    }
}

/// What stands between an opening bracket, which comes next, and `end`.
fn sequence<R: BufRead>(cursor: &mut Cursor<R>, end: u8, depth: usize) -> Result<Vec<Datum>, ReadError> {
    let begin = cursor.place();
    cursor.bump()?;
    let mut values = Vec::new();
    loop {
        skip_blank(cursor)?;
        if cursor.peek()? == Some(end) {
            cursor.bump()?;
            return Ok(values);
        }
        if matches!(cursor.peek()?, None | Some(b']' | b')' | b'}')) {
            let expected = format!("a value, or `{}` for what begins at {begin}", char::from(end));
            return Err(cursor.unexpected(&expected));
        }
        values.push(value(cursor, depth + 1)?);
    }
}

fn map<R: BufRead>(cursor: &mut Cursor<R>, depth: usize) -> Result<Datum, ReadError> {
    let place = cursor.place();
    let values = sequence(cursor, b'}', depth)?;
    if values.len() % 2 != 0 {
        let found = format!("{} of them", values.len());
        return Err(Fault::new(place, "a map of keys and values, an even number", found).into());
    }
    let mut values = values.into_iter();
    let mut entries = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        entries.push((key, value));
    }
    Ok(Datum::Map(entries.into()))
}

/// What begins with `#`: a set, or something with a tag. (Discarded values are blanks.)
fn dispatch<R: BufRead>(cursor: &mut Cursor<R>, depth: usize) -> Result<Datum, ReadError> {
    cursor.bump()?;
    match cursor.peek()? {
        Some(b'{') => sequence(cursor, b'}', depth).map(Datum::list),
        Some(b'#') => word(cursor),
        Some(byte) if is_of_word(byte) => {
            word(cursor)?;
            value(cursor, depth + 1)
        }
        _ => Err(cursor.unexpected("a set or a tag after `#`")),
    }
}

fn string<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Datum, ReadError> {
    let place = cursor.place();
    cursor.bump()?;
    let mut text = Vec::new();
    loop {
        cursor.take_while(&mut text, |byte| byte != b'"' && byte != b'\\')?;
        match cursor.bump()? {
            Some(b'"') => break,
            Some(b'\\') => {
                let escaped = match cursor.bump()? {
                    Some(b'n') => '\n',
                    Some(b't') => '\t',
                    Some(b'r') => '\r',
                    Some(b'b') => '\u{8}',
                    Some(b'f') => '\u{c}',
                    Some(b'u') => hexadecimal(cursor)?,
                    Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
                    _ => return Err(cursor.unexpected("a known escape before this")),
                };
                text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(Fault::new(place, "a string with an end", "none").into()),
        }
    }
    match String::from_utf8(text) {
        Ok(text) => Ok(Datum::text(text)),
        Err(_) => Err(Fault::new(place, "a string in UTF-8", "other bytes").into()),
    }
}

fn hexadecimal<R: BufRead>(cursor: &mut Cursor<R>) -> Result<char, ReadError> {
    let mut number = 0;
    for _ in 0..4 {
        let digit = cursor.peek()?.and_then(|byte| char::from(byte).to_digit(16));
        let Some(digit) = digit else { return Err(cursor.unexpected("four hexadecimal digits")) };
        number = number * 16 + digit;
        cursor.bump()?;
    }
    Ok(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn character<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Datum, ReadError> {
    let place = cursor.place();
    cursor.bump()?;
    let mut name = Vec::new();
    name.extend(cursor.bump()?);
    cursor.take_while(&mut name, is_of_word)?;
    match String::from_utf8(name) {
        Ok(name) if !name.is_empty() => Ok(Datum::text(name)),
        _ => Err(Fault::new(place, "a character after `\\`", "none").into()),
    }
}

/// A number, a keyword, a symbol, or one of the three words with a meaning.
fn word<R: BufRead>(cursor: &mut Cursor<R>) -> Result<Datum, ReadError> {
    let place = cursor.place();
    let mut bytes = Vec::new();
    cursor.take_while(&mut bytes, is_of_word)?;
    let Ok(word) = String::from_utf8(bytes) else {
        return Err(Fault::new(place, "a word in UTF-8", "other bytes").into());
    };
    Ok(match word.as_str() {
        "nil" => Datum::Nil,
        "true" => Datum::Bool(true),
        "false" => Datum::Bool(false),
        _ => number(&word).unwrap_or_else(|| Datum::word(word)),
    })
}

/// Whole numbers may be marked as big ones (`5N`).
fn number(word: &str) -> Option<Datum> {
    let digits = word.strip_suffix('N').unwrap_or(word);
    if !digits.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Datum::Integer)
}

/// Everything that is neither a blank nor a bracket nor a quote.
fn is_of_word(byte: u8) -> bool {
    !matches!(
        byte,
        b' ' | b'\t' | b'\r' | b'\n' | 0x0c | b',' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'"' | b';'
    )
}
