//! Frames (RFC 9113, sections 4.1 and 6): nine bytes of head, and a payload whose meaning the kind tells.

use bytes::{BufMut as _, BytesMut};

/// What a client's connection begins with (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
pub const HEAD_BYTES: usize = 9;
/// The largest payload that every receiver takes (section 4.2); we never ask for more.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;
/// The largest window (section 6.9.1).
pub const WINDOW_BYTES_MAX: i64 = (1 << 31) - 1;
/// A window before anything was said of it (section 6.9.2).
pub const WINDOW_BYTES_DEFAULT: u32 = 65_535;

/// Kinds of frames.
#[allow(missing_docs, reason = "section 6 of the standard has a part for each")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags; which kinds have which, section 6 says.
#[allow(missing_docs, reason = "section 6 of the standard has a part for each")]
pub mod flag {
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Identifiers of settings (section 6.5.2).
#[allow(missing_docs, reason = "section 6.5.2 of the standard says it")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Why a stream or a connection ends (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

#[allow(missing_docs, reason = "section 7 of the standard has a line for each")]
impl Code {
    pub const NO_ERROR: Code = Code(0);
    pub const PROTOCOL_ERROR: Code = Code(1);
    pub const INTERNAL_ERROR: Code = Code(2);
    pub const FLOW_CONTROL_ERROR: Code = Code(3);
    pub const STREAM_CLOSED: Code = Code(5);
    pub const FRAME_SIZE_ERROR: Code = Code(6);
    pub const REFUSED_STREAM: Code = Code(7);
    pub const CANCEL: Code = Code(8);
    pub const COMPRESSION_ERROR: Code = Code(9);
    pub const ENHANCE_YOUR_CALM: Code = Code(11);
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the payload.
    pub length: usize,
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The stream, 0 for the connection as a whole.
    pub stream: u32,
}

impl Head {
    /// Reads one; `None` until all of it is there.
    pub fn read(bytes: &[u8]) -> Option<Head> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEAD_BYTES>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Head { length, kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1) })
    }

    /// Writes it.
    pub fn write(self, out: &mut BytesMut) {
        out.extend_from_slice(&self.bytes());
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    /// Whether a flag is set.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame of one number: RST_STREAM or WINDOW_UPDATE.
pub fn put_number(out: &mut BytesMut, kind: u8, stream: u32, number: u32) {
    Head { length: 4, kind, flags: 0, stream }.write(out);
    out.put_u32(number);
}

/// Writes GOAWAY.
pub fn put_goaway(out: &mut BytesMut, last_stream: u32, code: Code) {
    Head { length: 8, kind: kind::GOAWAY, flags: 0, stream: 0 }.write(out);
    out.put_u32(last_stream);
    out.put_u32(code.0);
}

/// Writes PING.
pub fn put_ping(out: &mut BytesMut, flags: u8, payload: [u8; 8]) {
    Head { length: 8, kind: kind::PING, flags, stream: 0 }.write(out);
    out.extend_from_slice(&payload);
}

/// Writes SETTINGS.
pub fn put_settings(out: &mut BytesMut, settings: &[(u16, u32)]) {
    Head { length: settings.len() * 6, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(out);
    for (identifier, value) in settings {
        out.put_u16(*identifier);
        out.put_u32(*value);
    }
}

/// The number that a payload of four bytes holds.
pub fn number(payload: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(payload.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_without_its_reserved_bit() {
        let head = Head { length: 0x01_02_03, kind: kind::DATA, flags: flag::PADDED, stream: 0x7fff_fffe };
        let mut bytes = head.bytes();
        assert_eq!(Head::read(&bytes), Some(head));
        assert_eq!(Head::read(&bytes[..8]), None);
        bytes[5] |= 0x80;
        assert_eq!(Head::read(&bytes), Some(head));
    }
}
