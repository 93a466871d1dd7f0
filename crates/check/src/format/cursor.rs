//! Text that is read once, byte by byte, with the place known at every byte.
//!
//! A history may be larger than memory should hold twice, so nothing but one buffer of the file is kept.

use std::io::BufRead;

use super::error::{Fault, Place, ReadError};

/// Longest single text, word or line, in bytes. What is longer is no history.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 20;

/// A reader that knows where it is.
pub(super) struct Cursor<R> {
    source: R,
    buffer: Vec<u8>,
    at: usize,
    is_drained: bool,
    place: Place,
}

/// Bytes that are taken from the source at a time.
const CHUNK_BYTES: usize = 64 << 10;

impl<R: BufRead> Cursor<R> {
    pub fn new(source: R) -> Self {
        Self::at(source, Place { line: 1, column: 1 })
    }

    /// A cursor over a part of a text that begins at `place`.
    pub fn at(source: R, place: Place) -> Self {
        Self { source, buffer: Vec::new(), at: 0, is_drained: false, place }
    }

    /// Where the next byte stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next byte, which stays; nothing at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.at == self.buffer.len() && !self.refill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// Takes the next byte.
    pub fn bump(&mut self) -> Result<Option<u8>, ReadError> {
        let Some(byte) = self.peek()? else { return Ok(None) };
        self.at += 1;
        match byte {
            b'\n' => self.place = Place { line: self.place.line + 1, column: 1 },
            // The later bytes of a character are no columns of their own.
            0x80..=0xbf => {}
            _ => self.place.column += 1,
        }
        Ok(Some(byte))
    }

    /// What comes next, up to `bytes_max` bytes, without taking it. Shorter only at the end.
    pub fn ahead(&mut self, bytes_max: usize) -> Result<&[u8], ReadError> {
        while self.buffer.len() - self.at < bytes_max && self.refill()? {}
        let end = self.buffer.len().min(self.at + bytes_max);
        Ok(&self.buffer[self.at..end])
    }

    /// Takes bytes as long as `is_wanted` holds, and adds them to `taken`.
    pub fn take_while(
        &mut self,
        taken: &mut Vec<u8>,
        is_wanted: impl Fn(u8) -> bool,
    ) -> Result<(), ReadError> {
        let from = self.place;
        while let Some(byte) = self.peek()?.filter(|byte| is_wanted(*byte)) {
            if taken.len() == TEXT_BYTES_MAX {
                let found = format!("more than {TEXT_BYTES_MAX} bytes");
                return Err(Fault::new(from, "a text of ordinary length", found).into());
            }
            taken.push(byte);
            self.bump()?;
        }
        Ok(())
    }

    /// The rest of the line, without its end, which is taken too; nothing at the end of the text.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let mut line = Vec::new();
        self.take_while(&mut line, |byte| byte != b'\n')?;
        self.bump()?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// An error at the next byte.
    pub fn unexpected(&mut self, expected: &str) -> ReadError {
        let place = self.place;
        let found = match self.ahead(FOUND_BYTES_MAX) {
            Err(error) => return error,
            Ok([]) => "the end of the file".to_owned(),
            Ok([b'\n', ..]) => "the end of the line".to_owned(),
            Ok(bytes) => {
                let word: Vec<u8> =
                    bytes.iter().copied().take_while(|byte| !matches!(byte, b'\n' | b'\r')).collect();
                format!("`{}`", shown(&word))
            }
        };
        Fault::new(place, expected, found).into()
    }

    fn refill(&mut self) -> Result<bool, ReadError> {
        if self.is_drained {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        while self.buffer.len() - before < CHUNK_BYTES {
            let more = self.source.fill_buf().map_err(ReadError::Source)?;
            if more.is_empty() {
                self.is_drained = true;
                break;
            }
            let taken = more.len();
            self.buffer.extend_from_slice(more);
            self.source.consume(taken);
        }
        Ok(self.buffer.len() > before)
    }
}

/// How much of what was found an error shows.
const FOUND_BYTES_MAX: usize = 24;

/// Bytes for an error, with what is no text escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let is_cut = bytes.len() >= FOUND_BYTES_MAX;
    let mut text: String = bytes
        .utf8_chunks()
        .flat_map(|chunk| {
            let valid = chunk.valid().chars().flat_map(|character| {
                if character.is_control() { character.escape_default().collect() } else { vec![character] }
            });
            valid.chain(if chunk.invalid().is_empty() { None } else { Some('\u{fffd}') }).collect::<Vec<_>>()
        })
        .take(FOUND_BYTES_MAX)
        .collect();
    if is_cut {
        text.push('…');
    }
    text
}
