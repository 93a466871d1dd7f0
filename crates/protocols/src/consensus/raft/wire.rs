//! Messages and writes as bytes, for the network and the log on disk.
//!
//! Both begin with a format version. Integers are LEB128 varints; byte strings have their length before them. An entry looks the same in
//! a message and in a write ([`put_entry`]), so that a driver may encode it once and use the bytes twice.
//!
//! Nothing that comes in is trusted: every length is compared with what is there before anything is allocated for it, sets and batches have
//! limits, trailing bytes are refused. Payloads are not copied, they share the buffer that came in.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, BufMut, Bytes};
use synod_machine::NodeId;

use super::{Chunk, Configuration, Entry, Index, Message, Payload, Place, SnapshotPoint, Term, Write};

/// The format that this code writes, and the only one that it reads.
pub const WIRE_VERSION: u8 = 1;
/// Members in one set of a membership.
pub const SET_MEMBERS_MAX: usize = 1024;
/// Entries in one message or write.
pub const ENTRIES_MAX: usize = 1 << 20;

/// Why bytes are not a message or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Written by another version of this format.
    Version(u8),
    /// The bytes end too early, or a length says more than there is.
    Truncated,
    /// No such kind of thing.
    Unknown(u8),
    /// A number does not fit 64 bits, or a count is above its limit.
    TooLarge,
    /// More bytes than the thing has.
    Trailing,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Version(found) => write!(f, "expected format version {WIRE_VERSION}, found {found}"),
            WireError::Truncated => f.write_str("expected more bytes, found the end"),
            WireError::Unknown(found) => write!(f, "expected a known kind, found {found}"),
            WireError::TooLarge => f.write_str("expected a number within its limit, found a larger one"),
            WireError::Trailing => f.write_str("expected the end, found more bytes"),
        }
    }
}

impl core::error::Error for WireError {}

/// Appends a message to `out`.
pub fn encode_message(message: &Message, out: &mut impl BufMut) {
    out.put_u8(WIRE_VERSION);
    out.put_u8(message_kind(message));
    put_number(out, message.term().0);
    match message {
        Message::Vote { last, pre, transfer, .. } => {
            put_place(out, *last);
            out.put_u8(flags(*pre, *transfer));
        }
        Message::Voted { ballot, pre, granted, .. } => {
            put_number(out, ballot.0);
            out.put_u8(flags(*pre, *granted));
        }
        Message::Append { previous, entries, commit, .. } => {
            put_place(out, *previous);
            put_number(out, commit.0);
            put_entries(out, entries);
        }
        Message::Appended { matched: index, .. } | Message::Committed { commit: index, .. } => {
            put_number(out, index.0);
        }
        Message::Rejected { previous, hint, .. } => {
            put_number(out, previous.0);
            put_place(out, *hint);
        }
        Message::Heartbeat { commit, round, quiesce, .. } => {
            put_number(out, commit.0);
            put_number(out, *round);
            out.put_u8(flags(*quiesce, false));
        }
        Message::Alive { round: number, .. } | Message::ReadRequest { token: number, .. } => {
            put_number(out, *number);
        }
        Message::ReadAnswer { token, index, .. } => {
            put_number(out, *token);
            put_number(out, index.0);
        }
        Message::Snapshot { point, chunk, .. } => {
            put_point(out, point);
            put_bytes(out, &chunk.cursor);
            put_optional(out, chunk.next.as_ref());
            put_bytes(out, &chunk.data);
        }
        Message::SnapshotProgress { index, next, .. } => {
            put_number(out, index.0);
            put_optional(out, next.as_ref());
        }
        Message::TimeoutNow { .. } | Message::Outdated { .. } => {}
    }
}

/// Reads a message; its payloads share `bytes`.
///
/// # Errors
/// What is wrong with the bytes, if they are not exactly one message.
pub fn decode_message(bytes: Bytes) -> Result<Message, WireError> {
    let mut input = Input::versioned(bytes)?;
    let kind = input.byte()?;
    let term = Term(input.number()?);
    let message = input.message(kind, term)?;
    input.end()?;
    Ok(message)
}

/// Appends a write to `out`.
pub fn encode_write(write: &Write, out: &mut impl BufMut) {
    out.put_u8(WIRE_VERSION);
    match write {
        Write::Vote { term, vote } => {
            out.put_u8(0);
            put_number(out, term.0);
            out.put_u8(flags(vote.is_some(), false));
            if let Some(node) = vote {
                put_number(out, node.0);
            }
        }
        Write::Append(entries) => {
            out.put_u8(1);
            put_entries(out, entries);
        }
        Write::Base(point) => {
            out.put_u8(2);
            put_point(out, point);
        }
        Write::Reset(point) => {
            out.put_u8(3);
            put_point(out, point);
        }
    }
}

/// Reads a write; its payloads share `bytes`.
///
/// # Errors
/// What is wrong with the bytes, if they are not exactly one write.
pub fn decode_write(bytes: Bytes) -> Result<Write, WireError> {
    let mut input = Input::versioned(bytes)?;
    let write = match input.byte()? {
        0 => {
            let term = Term(input.number()?);
            let (voted, _) = input.flags()?;
            let vote = if voted { Some(NodeId(input.number()?)) } else { None };
            Write::Vote { term, vote }
        }
        1 => Write::Append(input.entries()?),
        2 => Write::Base(input.point()?),
        3 => Write::Reset(input.point()?),
        kind => return Err(WireError::Unknown(kind)),
    };
    input.end()?;
    Ok(write)
}

/// Appends one entry, as it stands in messages and in writes.
pub fn put_entry(out: &mut impl BufMut, entry: &Entry) {
    put_place(out, entry.place());
    match &entry.payload {
        Payload::Noop => out.put_u8(0),
        Payload::Command(bytes) => {
            out.put_u8(1);
            put_bytes(out, bytes);
        }
        Payload::Configuration(configuration) => {
            out.put_u8(2);
            put_configuration(out, configuration);
        }
    }
}

fn message_kind(message: &Message) -> u8 {
    match message {
        Message::Vote { .. } => 0,
        Message::Voted { .. } => 1,
        Message::Append { .. } => 2,
        Message::Appended { .. } => 3,
        Message::Rejected { .. } => 4,
        Message::Heartbeat { .. } => 5,
        Message::Alive { .. } => 6,
        Message::Committed { .. } => 7,
        Message::ReadRequest { .. } => 8,
        Message::ReadAnswer { .. } => 9,
        Message::Snapshot { .. } => 10,
        Message::SnapshotProgress { .. } => 11,
        Message::TimeoutNow { .. } => 12,
        Message::Outdated { .. } => 13,
    }
}

fn flags(first: bool, second: bool) -> u8 {
    u8::from(first) | u8::from(second) << 1
}

fn put_number(out: &mut impl BufMut, mut number: u64) {
    while number >= 0x80 {
        // The cast keeps the low seven bits, which is the point.
        out.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

fn put_place(out: &mut impl BufMut, place: Place) {
    put_number(out, place.term.0);
    put_number(out, place.index.0);
}

fn put_bytes(out: &mut impl BufMut, bytes: &Bytes) {
    put_number(out, bytes.len() as u64);
    out.put_slice(bytes);
}

fn put_optional(out: &mut impl BufMut, bytes: Option<&Bytes>) {
    out.put_u8(flags(bytes.is_some(), false));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

fn put_set(out: &mut impl BufMut, set: &BTreeSet<NodeId>) {
    put_number(out, set.len() as u64);
    for node in set {
        put_number(out, node.0);
    }
}

fn put_configuration(out: &mut impl BufMut, configuration: &Configuration) {
    put_set(out, &configuration.voters);
    put_set(out, &configuration.outgoing);
    put_set(out, &configuration.learners);
}

fn put_point(out: &mut impl BufMut, point: &SnapshotPoint) {
    put_place(out, point.place());
    put_configuration(out, &point.configuration);
}

fn put_entries(out: &mut impl BufMut, entries: &[Entry]) {
    put_number(out, entries.len() as u64);
    for entry in entries {
        put_entry(out, entry);
    }
}

/// What is left to read.
struct Input(Bytes);

impl Input {
    fn versioned(bytes: Bytes) -> Result<Input, WireError> {
        let mut input = Input(bytes);
        match input.byte()? {
            WIRE_VERSION => Ok(input),
            other => Err(WireError::Version(other)),
        }
    }

    fn message(&mut self, kind: u8, term: Term) -> Result<Message, WireError> {
        Ok(match kind {
            0 => {
                let last = self.place()?;
                let (pre, transfer) = self.flags()?;
                Message::Vote { term, last, pre, transfer }
            }
            1 => {
                let ballot = Term(self.number()?);
                let (pre, granted) = self.flags()?;
                Message::Voted { term, ballot, pre, granted }
            }
            2 => {
                let previous = self.place()?;
                let commit = self.index()?;
                Message::Append { term, previous, commit, entries: self.entries()? }
            }
            3 => Message::Appended { term, matched: self.index()? },
            4 => Message::Rejected { term, previous: self.index()?, hint: self.place()? },
            5 => {
                let (commit, round) = (self.index()?, self.number()?);
                let (quiesce, _) = self.flags()?;
                Message::Heartbeat { term, commit, round, quiesce }
            }
            6 => Message::Alive { term, round: self.number()? },
            7 => Message::Committed { term, commit: self.index()? },
            8 => Message::ReadRequest { term, token: self.number()? },
            9 => Message::ReadAnswer { term, token: self.number()?, index: self.index()? },
            10 => {
                let point = self.point()?;
                let chunk = Chunk { cursor: self.bytes()?, next: self.optional()?, data: self.bytes()? };
                Message::Snapshot { term, point, chunk }
            }
            11 => Message::SnapshotProgress { term, index: self.index()?, next: self.optional()? },
            12 => Message::TimeoutNow { term },
            13 => Message::Outdated { term },
            other => return Err(WireError::Unknown(other)),
        })
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.0.try_get_u8().map_err(|_| WireError::Truncated)
    }

    fn flags(&mut self) -> Result<(bool, bool), WireError> {
        match self.byte()? {
            found @ 0..=3 => Ok((found & 1 != 0, found & 2 != 0)),
            other => Err(WireError::Unknown(other)),
        }
    }

    fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::TooLarge);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::TooLarge)
    }

    /// A count of things that take at least `each` bytes, so that what is there bounds it.
    fn count(&mut self, each: usize, max: usize) -> Result<usize, WireError> {
        let count = usize::try_from(self.number()?).map_err(|_| WireError::TooLarge)?;
        if count > max {
            return Err(WireError::TooLarge);
        }
        if count > self.0.len() / each {
            return Err(WireError::Truncated);
        }
        Ok(count)
    }

    fn index(&mut self) -> Result<Index, WireError> {
        self.number().map(Index)
    }

    fn place(&mut self) -> Result<Place, WireError> {
        Ok(Place { term: Term(self.number()?), index: self.index()? })
    }

    fn bytes(&mut self) -> Result<Bytes, WireError> {
        let length = self.count(1, usize::MAX)?;
        Ok(self.0.split_to(length))
    }

    fn optional(&mut self) -> Result<Option<Bytes>, WireError> {
        let (there, _) = self.flags()?;
        if there { self.bytes().map(Some) } else { Ok(None) }
    }

    fn set(&mut self) -> Result<BTreeSet<NodeId>, WireError> {
        let count = self.count(1, SET_MEMBERS_MAX)?;
        (0..count).map(|_| self.number().map(NodeId)).collect()
    }

    fn configuration(&mut self) -> Result<Configuration, WireError> {
        Ok(Configuration { voters: self.set()?, outgoing: self.set()?, learners: self.set()? })
    }

    fn point(&mut self) -> Result<SnapshotPoint, WireError> {
        let Place { term, index } = self.place()?;
        Ok(SnapshotPoint { index, term, configuration: self.configuration()? })
    }

    fn entry(&mut self) -> Result<Entry, WireError> {
        let Place { term, index } = self.place()?;
        let payload = match self.byte()? {
            0 => Payload::Noop,
            1 => Payload::Command(self.bytes()?),
            2 => Payload::Configuration(self.configuration()?),
            other => return Err(WireError::Unknown(other)),
        };
        Ok(Entry { term, index, payload })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, WireError> {
        // Term, index and kind take a byte each at least. The vector grows as entries are read: an entry in memory is larger
        // than its least bytes, so the count alone is no leave to allocate.
        const ENTRY_BYTES_MIN: usize = 3;
        const RESERVED_MAX: usize = 1024;
        let count = self.count(ENTRY_BYTES_MIN, ENTRIES_MAX)?;
        let mut entries = Vec::with_capacity(count.min(RESERVED_MAX));
        for _ in 0..count {
            entries.push(self.entry()?);
        }
        Ok(entries)
    }

    fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}
