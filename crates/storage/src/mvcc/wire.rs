//! The primitives of the store's binary encodings: varints, length-prefixed bytes, and a decoder that trusts nothing.
//!
//! Unsigned numbers are LEB128; signed ones are zigzagged first, so that small negative numbers stay short. The decoder never
//! reads past its input, never allocates by a claimed length (byte strings are slices of the input), and refuses numbers
//! that do not fit.

use bytes::{Buf as _, Bytes};

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends before the value does.
    #[error("cut off while reading {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// A number that does not fit its type.
    #[error("{what} is out of range")]
    OutOfRange {
        /// What was being read.
        what: &'static str,
    },
    /// A tag that this version does not know.
    #[error("{what} has unknown tag {tag}")]
    UnknownTag {
        /// What was being read.
        what: &'static str,
        /// The tag found.
        tag: u8,
    },
    /// Written by a newer version, or not ours.
    #[error("{what} has format version {found}, this program reads up to {supported}")]
    UnknownVersion {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The newest version that is understood.
        supported: u8,
    },
    /// Transactions nested deeper than any valid one.
    #[error("nested too deeply")]
    TooDeep,
    /// More bytes than the value has.
    #[error("{count} bytes too many")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The checksum does not fit the bytes.
    #[error("the checksum of {what} does not match")]
    Checksum {
        /// What was being read.
        what: &'static str,
    },
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads values off the front of shared bytes.
pub(crate) struct Decoder {
    rest: Bytes,
}

impl Decoder {
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let byte = *self.rest.first().ok_or(DecodeError::Truncated { what })?;
        self.rest.advance(1);
        Ok(byte)
    }

    pub fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut number = 0u64;
        for (index, byte) in self.rest.iter().enumerate() {
            // The tenth byte holds the one bit that is left.
            if index == 9 && *byte > 1 {
                return Err(DecodeError::OutOfRange { what });
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest.advance(index + 1);
                return Ok(number);
            }
        }
        Err(DecodeError::Truncated { what })
    }

    pub fn signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let number = self.varint(what)?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub fn unsigned_32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.varint(what)?).map_err(|_| DecodeError::OutOfRange { what })
    }

    pub fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::UnknownTag { what, tag }),
        }
    }

    /// Length-prefixed bytes, as a slice of the input.
    pub fn bytes(&mut self, what: &'static str) -> Result<Bytes, DecodeError> {
        let length = self.varint(what)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len());
        Ok(self.rest.split_to(length.ok_or(DecodeError::Truncated { what })?))
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let array = self.rest.first_chunk::<N>().copied().ok_or(DecodeError::Truncated { what })?;
        self.rest.advance(N);
        Ok(array)
    }

    /// Everything that is left.
    pub fn rest(self) -> Bytes {
        self.rest
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_bytes_come_back(number: u64, signed: i64, bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            put_signed(&mut out, signed);
            put_bytes(&mut out, &bytes);
            let mut decoder = Decoder::new(out.into());
            prop_assert_eq!(decoder.varint("a"), Ok(number));
            prop_assert_eq!(decoder.signed("b"), Ok(signed));
            prop_assert_eq!(decoder.bytes("c").unwrap(), bytes);
            prop_assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let mut decoder = Decoder::new(Bytes::from_static(&[0xff; 10]));
        assert_eq!(decoder.varint("n"), Err(DecodeError::OutOfRange { what: "n" }));
        let mut decoder = Decoder::new(Bytes::from_static(&[0xff; 4]));
        assert_eq!(decoder.varint("n"), Err(DecodeError::Truncated { what: "n" }));
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_refused() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        out.push(1);
        assert_eq!(Decoder::new(out.into()).bytes("b"), Err(DecodeError::Truncated { what: "b" }));
    }
}
