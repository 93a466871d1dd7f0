//! Header blocks to fields.

use bytes::Bytes;

use super::table::{DynamicTable, STATIC};
use super::{HpackError, TABLE_BYTES, huffman, integer};

/// A name or a value, where it stands.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// Of the table that never changes.
    Static(&'static str),
    /// Of the table that the peer filled: to keep it costs a reference.
    Shared(&'a Bytes),
    /// Of the block itself.
    Plain(&'a [u8]),
}

impl Text<'_> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Text::Static(text) => text.as_bytes(),
            Text::Shared(bytes) => bytes,
            Text::Plain(bytes) => bytes,
        }
    }

    /// The bytes, to keep.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Text::Static(text) => Bytes::from_static(text.as_bytes()),
            Text::Shared(bytes) => Bytes::clone(bytes),
            Text::Plain(bytes) => Bytes::copy_from_slice(bytes),
        }
    }
}

/// The receiving side of one direction.
#[derive(Debug, Default)]
pub struct Decoder {
    table: DynamicTable,
    /// Strings that came in Huffman's code; kept for their room.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// Hands out the fields of a whole block, in order.
    ///
    /// # Errors
    /// [`HpackError`]; the connection must end, for the tables are no longer equal.
    pub fn decode(
        &mut self,
        mut block: &[u8],
        mut field: impl FnMut(Text<'_>, Text<'_>),
    ) -> Result<(), HpackError> {
        let mut begun = false;
        while let Some(first) = block.first() {
            let first = *first;
            if first & 0x80 != 0 {
                let (name, value) = self.indexed(integer(&mut block, 7)?)?;
                field(name, value);
            } else if first & 0xc0 == 0x40 {
                self.literal_to_keep(&mut block)?;
                // One that is too large for the table was handed out and not kept.
                match self.table.get(0) {
                    Some((name, value)) if self.name.is_empty() => {
                        field(Text::Shared(name), Text::Shared(value))
                    }
                    _ => field(Text::Plain(&self.name), Text::Plain(&self.value)),
                }
            } else if first & 0xe0 == 0x20 {
                let bytes_max = integer(&mut block, 5)?;
                if begun || bytes_max > TABLE_BYTES {
                    return Err(HpackError::TableSize);
                }
                self.table.resize(bytes_max);
                continue;
            } else {
                let index = integer(&mut block, 4)?;
                let Decoder { table, name, value } = self;
                let name = match index {
                    0 => string(&mut block, name)?,
                    index => look_up(table, index)?.0,
                };
                field(name, string(&mut block, value)?);
            }
            begun = true;
        }
        Ok(())
    }

    /// Reads a field and adds it to the table (section 6.2.1). Leaves its name and value in the strings if the table has no
    /// room for it, else leaves the name empty.
    fn literal_to_keep(&mut self, block: &mut &[u8]) -> Result<(), HpackError> {
        let index = integer(block, 6)?;
        let Decoder { table, name, value } = self;
        let kept_name = match index {
            0 => string(block, name)?.to_bytes(),
            index => look_up(table, index)?.0.to_bytes(),
        };
        let kept_value = string(block, value)?.to_bytes();
        name.clear();
        let bytes = kept_name.len() + kept_value.len() + super::FIELD_OVERHEAD_BYTES;
        if bytes > table.bytes_max() {
            name.extend_from_slice(&kept_name);
            *value = kept_value.to_vec();
        }
        table.insert(kept_name, kept_value);
        Ok(())
    }

    fn indexed(&self, index: usize) -> Result<(Text<'_>, Text<'_>), HpackError> {
        look_up(&self.table, index)
    }
}

fn look_up(table: &DynamicTable, index: usize) -> Result<(Text<'_>, Text<'_>), HpackError> {
    let index = index.checked_sub(1).ok_or(HpackError::Index)?;
    if let Some((name, value)) = STATIC.get(index) {
        return Ok((Text::Static(name), Text::Static(value)));
    }
    let (name, value) = table.get(index - STATIC.len()).ok_or(HpackError::Index)?;
    Ok((Text::Shared(name), Text::Shared(value)))
}

/// Reads a string (section 5.2); one in Huffman's code into `room`.
fn string<'t, 'b: 't>(block: &mut &'b [u8], room: &'t mut Vec<u8>) -> Result<Text<'t>, HpackError> {
    let coded = block.first().ok_or(HpackError::Truncated)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or(HpackError::Truncated)?;
    *block = rest;
    if !coded {
        return Ok(Text::Plain(text));
    }
    room.clear();
    huffman::decode(text, room)?;
    Ok(Text::Plain(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
        let text = |text: Text<'_>| String::from_utf8_lossy(text.bytes()).into_owned();
        let mut fields = Vec::new();
        decoder.decode(block, |name, value| fields.push((text(name), text(value))))?;
        Ok(fields)
    }

    fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_standards_requests_are_read() {
        // RFC 7541, appendix C.4: three requests on one connection, in Huffman's code.
        let mut decoder = Decoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        let expected =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        assert_eq!(decoded(&mut decoder, &first).unwrap(), fields(&expected));
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let expected = [&expected[..], &[("cache-control", "no-cache")]].concat();
        assert_eq!(decoded(&mut decoder, &second).unwrap(), fields(&expected));
        let third = [
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25,
            0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
        ];
        let expected = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ];
        assert_eq!(decoded(&mut decoder, &third).unwrap(), fields(&expected));
        assert_eq!(decoder.table.iter().count(), 3);
    }

    #[test]
    fn a_field_larger_than_the_table_is_handed_out_and_empties_it() {
        let mut decoder = Decoder::default();
        decoded(&mut decoder, &[0x40, 1, b'a', 1, b'b']).unwrap();
        let long = vec![b'v'; TABLE_BYTES];
        let block = [&[0x40, 1, b'n', 0x7f, 0x81, 0x1f][..], &long].concat();
        let read = decoded(&mut decoder, &block).unwrap();
        assert_eq!((read[0].0.as_str(), read[0].1.len()), ("n", TABLE_BYTES));
        assert_eq!(decoded(&mut decoder, &[0xbe]), Err(HpackError::Index));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let refused = |block: &[u8]| decoded(&mut Decoder::default(), block).unwrap_err();
        assert_eq!(refused(&[0x80]), HpackError::Index);
        assert_eq!(refused(&[0xbe]), HpackError::Index);
        assert_eq!(refused(&[0x82, 0x20]), HpackError::TableSize, "in the middle");
        assert_eq!(refused(&[0x3f, 0xe2, 0x1f]), HpackError::TableSize, "more than was allowed");
        assert_eq!(refused(&[0x41, 5, b'x']), HpackError::Truncated);
        assert_eq!(refused(&[0x41]), HpackError::Truncated);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = decoded(&mut decoder, &block);
            }
        }
    }
}
