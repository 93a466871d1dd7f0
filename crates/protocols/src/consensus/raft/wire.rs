//! Bytes of messages and of writes. An entry's encoding is the same in both.
//!
//! Numbers are little-endian and of fixed width, lengths 32 bits. Nothing is believed before it was checked against what is
//! there: a claimed count never allocates more than the bytes that could hold it. Decoded payloads share the buffer.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes};
use synod_machine::NodeId;

use super::{Chunk, Configuration, Entry, Index, Message, Payload, Place, SnapshotPoint, Term, Write};

/// The bytes are not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError;

impl core::fmt::Display for WireError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the bytes are not a Raft message or write of this version")
    }
}

impl core::error::Error for WireError {}

type Decoded<T> = Result<T, WireError>;

/// Smallest encoding of an entry, for bounds on claimed counts.
const ENTRY_BYTES_MIN: usize = 8 + 8 + 1;

/// Appends a message's bytes.
pub fn encode_message(message: &Message, out: &mut impl BufMut) {
    let (kind, term) = (message_kind(message), message.term());
    out.put_u8(kind);
    out.put_u64_le(term.0);
    match message {
        Message::Vote { last, pre, transfer, .. } => {
            put_place(*last, out);
            out.put_u8(u8::from(*pre));
            out.put_u8(u8::from(*transfer));
        }
        Message::Voted { ballot, pre, granted, .. } => {
            out.put_u64_le(ballot.0);
            out.put_u8(u8::from(*pre));
            out.put_u8(u8::from(*granted));
        }
        Message::Append { previous, entries, commit, .. } => {
            put_place(*previous, out);
            out.put_u64_le(commit.0);
            put_entries(entries, out);
        }
        Message::Appended { matched, .. } => out.put_u64_le(matched.0),
        Message::Rejected { previous, hint, .. } => {
            out.put_u64_le(previous.0);
            put_place(*hint, out);
        }
        Message::Heartbeat { commit, round, quiesce, .. } => {
            out.put_u64_le(commit.0);
            out.put_u64_le(*round);
            out.put_u8(u8::from(*quiesce));
        }
        Message::Alive { round, .. } => out.put_u64_le(*round),
        Message::Committed { commit, .. } => out.put_u64_le(commit.0),
        Message::ReadRequest { token, .. } => out.put_u64_le(*token),
        Message::ReadAnswer { token, index, .. } => {
            out.put_u64_le(*token);
            out.put_u64_le(index.0);
        }
        Message::Snapshot { point, chunk, .. } => {
            put_point(point, out);
            put_bytes(&chunk.cursor, out);
            put_option(chunk.next.as_ref(), out);
            put_bytes(&chunk.data, out);
        }
        Message::SnapshotProgress { index, next, .. } => {
            out.put_u64_le(index.0);
            put_option(next.as_ref(), out);
        }
        Message::TimeoutNow { .. } | Message::Outdated { .. } => {}
    }
}

/// Reads a message that takes all of `bytes`.
///
/// # Errors
/// [`WireError`] for anything that [`encode_message`] did not write.
pub fn decode_message(mut bytes: Bytes) -> Decoded<Message> {
    let from = &mut bytes;
    let kind = byte(from)?;
    let term = Term(number(from)?);
    let message = match kind {
        0 => Message::Vote { term, last: place(from)?, pre: flag(from)?, transfer: flag(from)? },
        1 => Message::Voted { term, ballot: Term(number(from)?), pre: flag(from)?, granted: flag(from)? },
        2 => {
            let previous = place(from)?;
            let commit = Index(number(from)?);
            let entries = entries(from)?;
            let follow = entries
                .iter()
                .zip(1..)
                .all(|(entry, i)| previous.index.0.checked_add(i) == Some(entry.index.0));
            if !follow {
                return Err(WireError);
            }
            Message::Append { term, previous, entries, commit }
        }
        3 => Message::Appended { term, matched: Index(number(from)?) },
        4 => Message::Rejected { term, previous: Index(number(from)?), hint: place(from)? },
        5 => Message::Heartbeat {
            term,
            commit: Index(number(from)?),
            round: number(from)?,
            quiesce: flag(from)?,
        },
        6 => Message::Alive { term, round: number(from)? },
        7 => Message::Committed { term, commit: Index(number(from)?) },
        8 => Message::ReadRequest { term, token: number(from)? },
        9 => Message::ReadAnswer { term, token: number(from)?, index: Index(number(from)?) },
        10 => {
            let point = point(from)?;
            let chunk =
                Chunk { cursor: take_bytes(from)?, next: take_option(from)?, data: take_bytes(from)? };
            Message::Snapshot { term, point, chunk }
        }
        11 => Message::SnapshotProgress { term, index: Index(number(from)?), next: take_option(from)? },
        12 => Message::TimeoutNow { term },
        13 => Message::Outdated { term },
        _ => return Err(WireError),
    };
    finish(&bytes, message)
}

/// Appends a write's bytes.
pub fn encode_write(write: &Write, out: &mut impl BufMut) {
    match write {
        Write::Vote { term, vote } => {
            out.put_u8(0);
            out.put_u64_le(term.0);
            out.put_u8(u8::from(vote.is_some()));
            out.put_u64_le(vote.map_or(0, |vote| vote.0));
        }
        Write::Append(entries) => {
            out.put_u8(1);
            put_entries(entries, out);
        }
        Write::Base(point) => {
            out.put_u8(2);
            put_point(point, out);
        }
        Write::Reset(point) => {
            out.put_u8(3);
            put_point(point, out);
        }
    }
}

/// Reads a write that takes all of `bytes`.
///
/// # Errors
/// [`WireError`] for anything that [`encode_write`] did not write.
pub fn decode_write(mut bytes: Bytes) -> Decoded<Write> {
    let from = &mut bytes;
    let write = match byte(from)? {
        0 => {
            let term = Term(number(from)?);
            let voted = flag(from)?;
            let vote = NodeId(number(from)?);
            Write::Vote { term, vote: voted.then_some(vote) }
        }
        1 => Write::Append(entries(from)?),
        2 => Write::Base(point(from)?),
        3 => Write::Reset(point(from)?),
        _ => return Err(WireError),
    };
    finish(&bytes, write)
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

fn put_place(place: Place, out: &mut impl BufMut) {
    out.put_u64_le(place.term.0);
    out.put_u64_le(place.index.0);
}

fn put_entries(entries: &[Entry], out: &mut impl BufMut) {
    out.put_u32_le(entries.len() as u32);
    for entry in entries {
        out.put_u64_le(entry.term.0);
        out.put_u64_le(entry.index.0);
        match &entry.payload {
            Payload::Noop => out.put_u8(0),
            Payload::Command(bytes) => {
                out.put_u8(1);
                put_bytes(bytes, out);
            }
            Payload::Configuration(configuration) => {
                out.put_u8(2);
                put_configuration(configuration, out);
            }
        }
    }
}

fn put_configuration(configuration: &Configuration, out: &mut impl BufMut) {
    for nodes in [&configuration.voters, &configuration.outgoing, &configuration.learners] {
        out.put_u32_le(nodes.len() as u32);
        nodes.iter().for_each(|node| out.put_u64_le(node.0));
    }
}

fn put_point(point: &SnapshotPoint, out: &mut impl BufMut) {
    out.put_u64_le(point.index.0);
    out.put_u64_le(point.term.0);
    put_configuration(&point.configuration, out);
}

fn put_bytes(bytes: &Bytes, out: &mut impl BufMut) {
    out.put_u32_le(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_option(bytes: Option<&Bytes>, out: &mut impl BufMut) {
    out.put_u8(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(bytes, out);
    }
}

fn finish<T>(rest: &Bytes, value: T) -> Decoded<T> {
    if rest.is_empty() { Ok(value) } else { Err(WireError) }
}

fn byte(from: &mut Bytes) -> Decoded<u8> {
    from.try_get_u8().map_err(|_| WireError)
}

fn number(from: &mut Bytes) -> Decoded<u64> {
    from.try_get_u64_le().map_err(|_| WireError)
}

fn length(from: &mut Bytes) -> Decoded<usize> {
    from.try_get_u32_le().map(|length| length as usize).map_err(|_| WireError)
}

fn flag(from: &mut Bytes) -> Decoded<bool> {
    match byte(from)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError),
    }
}

fn place(from: &mut Bytes) -> Decoded<Place> {
    Ok(Place { term: Term(number(from)?), index: Index(number(from)?) })
}

fn take_bytes(from: &mut Bytes) -> Decoded<Bytes> {
    let length = length(from)?;
    if length > from.len() {
        return Err(WireError);
    }
    Ok(from.split_to(length))
}

fn take_option(from: &mut Bytes) -> Decoded<Option<Bytes>> {
    Ok(if flag(from)? { Some(take_bytes(from)?) } else { None })
}

fn entries(from: &mut Bytes) -> Decoded<Vec<Entry>> {
    let count = length(from)?;
    if count > from.len() / ENTRY_BYTES_MIN {
        return Err(WireError);
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let term = Term(number(from)?);
        let index = Index(number(from)?);
        let payload = match byte(from)? {
            0 => Payload::Noop,
            1 => Payload::Command(take_bytes(from)?),
            2 => Payload::Configuration(configuration(from)?),
            _ => return Err(WireError),
        };
        entries.push(Entry { term, index, payload });
    }
    Ok(entries)
}

fn configuration(from: &mut Bytes) -> Decoded<Configuration> {
    let mut nodes = || -> Decoded<BTreeSet<NodeId>> {
        let count = length(from)?;
        if count > from.len() / 8 {
            return Err(WireError);
        }
        (0..count).map(|_| number(from).map(NodeId)).collect()
    };
    Ok(Configuration { voters: nodes()?, outgoing: nodes()?, learners: nodes()? })
}

fn point(from: &mut Bytes) -> Decoded<SnapshotPoint> {
    let (index, term) = (Index(number(from)?), Term(number(from)?));
    Ok(SnapshotPoint { index, term, configuration: configuration(from)? })
}
