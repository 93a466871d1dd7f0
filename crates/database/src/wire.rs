//! Bytes of messages and of writes: what goes to peers and into the log.
//!
//! A version byte, a kind byte, the group, and then the body. Payloads are shared with the buffer that they came in; nothing is
//! believed before it was checked against what is there.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use synod_machine::RequestId;
use synod_protocols::consensus::raft;

use crate::{GroupId, LeaseTime, Message, Write};

/// Version of the encoding of messages and writes.
pub const WIRE_VERSION: u8 = 1;

/// Envelopes in one forwarded batch.
const ENVELOPES_MAX: usize = 1 << 16;

/// Kinds of messages.
mod kind {
    pub const RAFT: u8 = 0;
    pub const FORWARD: u8 = 1;
    pub const LEASE: u8 = 2;
    pub const LEASE_ANSWER: u8 = 3;
    pub const LEASE_REFUSED: u8 = 4;
}

/// Kinds of writes.
mod write_kind {
    pub const RAFT: u8 = 0;
    pub const BOOT: u8 = 1;
}

/// Appends a message's bytes.
pub fn encode_message(message: &Message, out: &mut BytesMut) {
    let mut head = |kind: u8, group: GroupId| {
        out.put_u8(WIRE_VERSION);
        out.put_u8(kind);
        out.put_u32_le(group.0);
    };
    match message {
        Message::Raft { group, message } => {
            head(kind::RAFT, *group);
            raft::wire::encode_message(message, out);
        }
        Message::Forward { group, envelopes } => {
            head(kind::FORWARD, *group);
            out.put_u32_le(envelopes.len() as u32);
            for envelope in envelopes {
                out.put_u32_le(envelope.len() as u32);
                out.put_slice(envelope);
            }
        }
        Message::Lease { group, boot, id, lease, renew } => {
            head(kind::LEASE, *group);
            out.put_u64_le(*boot);
            out.put_u64_le(id.0);
            out.put_i64_le(*lease);
            out.put_u8(u8::from(*renew));
        }
        Message::LeaseAnswer { group, boot, id, lease, time } => {
            head(kind::LEASE_ANSWER, *group);
            out.put_u64_le(*boot);
            out.put_u64_le(id.0);
            out.put_i64_le(*lease);
            out.put_u8(u8::from(time.is_some()));
            if let Some(LeaseTime { granted, remaining }) = time {
                out.put_u64_le(granted.as_nanos() as u64);
                out.put_u64_le(remaining.as_nanos() as u64);
            }
        }
        Message::LeaseRefused { group, boot, id } => {
            head(kind::LEASE_REFUSED, *group);
            out.put_u64_le(*boot);
            out.put_u64_le(id.0);
        }
    }
}

/// Reads a message. `None` for anything that [`encode_message`] did not write.
pub fn decode_message(mut bytes: Bytes) -> Option<Message> {
    if bytes.try_get_u8().ok()? != WIRE_VERSION {
        return None;
    }
    let kind = bytes.try_get_u8().ok()?;
    let group = GroupId(bytes.try_get_u32_le().ok()?);
    if kind == kind::RAFT {
        return Some(Message::Raft { group, message: raft::wire::decode_message(bytes).ok()? });
    }
    let message = match kind {
        kind::FORWARD => {
            let count = bytes.try_get_u32_le().ok()? as usize;
            if count > ENVELOPES_MAX {
                return None;
            }
            let mut envelopes = Vec::with_capacity(count.min(bytes.len() / 4));
            for _ in 0..count {
                let length = bytes.try_get_u32_le().ok()? as usize;
                if length > bytes.len() {
                    return None;
                }
                envelopes.push(bytes.split_to(length));
            }
            Message::Forward { group, envelopes }
        }
        kind::LEASE => {
            let boot = bytes.try_get_u64_le().ok()?;
            let id = RequestId(bytes.try_get_u64_le().ok()?);
            let lease = bytes.try_get_i64_le().ok()?;
            Message::Lease { group, boot, id, lease, renew: flag(&mut bytes)? }
        }
        kind::LEASE_ANSWER => {
            let boot = bytes.try_get_u64_le().ok()?;
            let id = RequestId(bytes.try_get_u64_le().ok()?);
            let lease = bytes.try_get_i64_le().ok()?;
            let time = match flag(&mut bytes)? {
                false => None,
                true => {
                    let granted = Duration::from_nanos(bytes.try_get_u64_le().ok()?);
                    let remaining = Duration::from_nanos(bytes.try_get_u64_le().ok()?);
                    Some(LeaseTime { granted, remaining })
                }
            };
            Message::LeaseAnswer { group, boot, id, lease, time }
        }
        kind::LEASE_REFUSED => {
            let boot = bytes.try_get_u64_le().ok()?;
            Message::LeaseRefused { group, boot, id: RequestId(bytes.try_get_u64_le().ok()?) }
        }
        _ => return None,
    };
    bytes.is_empty().then_some(message)
}

/// Appends a write's bytes.
pub fn encode_write(write: &Write, out: &mut BytesMut) {
    out.put_u8(WIRE_VERSION);
    match write {
        Write::Raft { group, write } => {
            out.put_u8(write_kind::RAFT);
            out.put_u32_le(group.0);
            raft::wire::encode_write(write, out);
        }
        Write::Boot { number } => {
            out.put_u8(write_kind::BOOT);
            out.put_u64_le(*number);
        }
    }
}

/// Reads a write. `None` for anything that [`encode_write`] did not write.
pub fn decode_write(mut bytes: Bytes) -> Option<Write> {
    if bytes.try_get_u8().ok()? != WIRE_VERSION {
        return None;
    }
    match bytes.try_get_u8().ok()? {
        write_kind::RAFT => {
            let group = GroupId(bytes.try_get_u32_le().ok()?);
            Some(Write::Raft { group, write: raft::wire::decode_write(bytes).ok()? })
        }
        write_kind::BOOT => {
            let number = bytes.try_get_u64_le().ok()?;
            bytes.is_empty().then_some(Write::Boot { number })
        }
        _ => None,
    }
}

fn flag(bytes: &mut Bytes) -> Option<bool> {
    match bytes.try_get_u8().ok()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
