//! HPACK (RFC 7541): header fields in a few bytes.
//!
//! Both sides of a direction keep the same table of fields: 61 that never change, and those that the sender chose to add, newest
//! first, within a size that the receiver allows. A field that is in the table takes a byte. So a request of a client that asks the same over
//! and over, and every answer, come to a handful of bytes, and their meaning is a look into a table.
//!
//! # Hostile senders
//! A field of one byte may stand for 4 KiB of a table. [`Decoder`] therefore hands out fields by reference and copies nothing; whoever collects them
//! counts their sizes and stops collecting at its bound, while the rest is still read, since the tables of both sides must stay equal. Integers
//! have bounds, the table has the size that we allowed.

mod decoder;
mod encoder;
mod huffman;
mod table;

pub use decoder::{Decoder, Text};
pub use encoder::{Block, Encoder, Field};

/// Bytes of a table by default (RFC 9113, section 6.5.2); we never ask for another size.
pub const TABLE_BYTES: usize = 4_096;
/// What a field takes beside its name and value, by the standard's count (RFC 7541, section 4.1).
pub const FIELD_OVERHEAD_BYTES: usize = 32;
/// Bytes of an integer beyond its prefix; more would let a length exceed every bound.
const INTEGER_BYTES_MAX: usize = 4;

/// Why a header block cannot be read. All end the connection: the tables are no longer equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// It ends within a field.
    #[error("a header block ends within a field")]
    Truncated,
    /// A number that is too large.
    #[error("an integer of a header block is too large")]
    Integer,
    /// An index beyond the table.
    #[error("a header field refers to no entry of the table")]
    Index,
    /// A string in Huffman's code that is not one.
    #[error("a header string is not in Huffman's code")]
    Huffman,
    /// The table's size is changed in the middle of a block, or above what was allowed.
    #[error("the table's size is changed where or as it must not be")]
    TableSize,
}

/// Reads an integer whose first byte has so many bits of it (RFC 7541, section 5.1).
fn integer(bytes: &mut &[u8], prefix_bits: u32) -> Result<usize, HpackError> {
    let (first, mut rest) = bytes.split_first().ok_or(HpackError::Truncated)?;
    let mask = (1_usize << prefix_bits) - 1;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        let mut read = 0;
        loop {
            let (byte, after) = rest.split_first().ok_or(HpackError::Truncated)?;
            rest = after;
            if read == INTEGER_BYTES_MAX {
                return Err(HpackError::Integer);
            }
            value += usize::from(byte & 0x7f) << (7 * read);
            read += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    Ok(value)
}

/// Writes an integer behind the bits of `first`.
fn put_integer(out: &mut bytes::BytesMut, first: u8, prefix_bits: u32, value: usize) {
    use bytes::BufMut as _;
    let mask = (1_usize << prefix_bits) - 1;
    if value < mask {
        out.put_u8(first | value as u8);
        return;
    }
    out.put_u8(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.put_u8(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    #[test]
    fn the_standards_integers_are_read() {
        // RFC 7541, appendix C.1.
        let read = |bytes: &[u8], prefix| integer(&mut &*bytes, prefix);
        assert_eq!(read(&[0b1110_1010], 5), Ok(10));
        assert_eq!(read(&[0x1f, 0x9a, 0x0a], 5), Ok(1_337));
        assert_eq!(read(&[0x2a], 8), Ok(42));
        assert_eq!(read(&[0x1f, 0x9a], 5), Err(HpackError::Truncated));
        assert_eq!(read(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x01], 5), Err(HpackError::Integer));
    }

    proptest! {
        #[test]
        fn integers_survive(value in 0_usize..1 << 28, prefix in 4_u32..8) {
            let mut written = BytesMut::new();
            put_integer(&mut written, 0, prefix, value);
            let mut rest = &written[..];
            prop_assert_eq!(integer(&mut rest, prefix), Ok(value));
            prop_assert!(rest.is_empty());
        }
    }
}
