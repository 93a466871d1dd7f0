//! Fields to header blocks.

use bytes::{Bytes, BytesMut};

use super::table::{DynamicTable, STATIC};
use super::{TABLE_BYTES, put_integer};

/// A field to send.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// In lower case.
    pub name: &'a str,
    /// Any text.
    pub value: &'a [u8],
    /// Whether it comes again and again, and so is worth a place in the table.
    pub repeats: bool,
}

impl<'a> Field<'a> {
    /// One that comes again and again.
    pub fn again(name: &'a str, value: &'a str) -> Self {
        Field { name, value: value.as_bytes(), repeats: true }
    }

    /// One that is unlikely to come again.
    pub fn once(name: &'a str, value: &'a [u8]) -> Self {
        Field { name, value, repeats: false }
    }
}

/// A header block that is the same each time, once its fields are in the table.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Bytes,
    /// Additions to the table when it was made; `None` before.
    additions: Option<u64>,
}

/// The sending side of one direction.
#[derive(Debug, Default)]
pub struct Encoder {
    table: DynamicTable,
    additions: u64,
    /// The size of the table has changed, and the peer was not told.
    resized: bool,
}

impl Encoder {
    /// The peer's bound on the table. We take no more than the default.
    pub fn allow(&mut self, bytes_max: usize) {
        let bytes_max = bytes_max.min(TABLE_BYTES);
        if bytes_max != self.table.bytes_max() {
            self.table.resize(bytes_max);
            self.resized = true;
            // What was made before may refer to what has gone.
            self.additions += 1;
        }
    }

    /// Appends a block of these fields.
    pub fn encode(&mut self, fields: &[Field<'_>], out: &mut BytesMut) {
        if std::mem::take(&mut self.resized) {
            put_integer(out, 0x20, 5, self.table.bytes_max());
        }
        for field in fields {
            self.field(field, out);
        }
    }

    /// Appends a block of these fields, which are always the same for `block`: as the bytes that it was the last time, while
    /// that holds.
    pub fn encode_again(&mut self, block: &mut Block, fields: &[Field<'_>], out: &mut BytesMut) {
        if block.additions == Some(self.additions) && !self.resized {
            out.extend_from_slice(&block.bytes);
            return;
        }
        let (began, additions, resized) = (out.len(), self.additions, self.resized);
        self.encode(fields, out);
        if self.additions == additions && !resized {
            *block = Block { bytes: Bytes::copy_from_slice(&out[began..]), additions: Some(additions) };
        }
    }

    fn field(&mut self, field: &Field<'_>, out: &mut BytesMut) {
        let (whole, name) = self.find(field);
        if let Some(index) = whole {
            put_integer(out, 0x80, 7, index);
            return;
        }
        // A field that fills the table drives all others out.
        let repeats = field.repeats && (field.name.len() + field.value.len()) * 4 < self.table.bytes_max();
        match repeats {
            true => put_integer(out, 0x40, 6, name),
            false => put_integer(out, 0, 4, name),
        }
        if name == 0 {
            string(field.name.as_bytes(), out);
        }
        string(field.value, out);
        if repeats {
            let (name, value) = (field.name.as_bytes(), field.value);
            self.table.insert(Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
            self.additions += 1;
        }
    }

    /// The index of the whole field, and that of its name or 0.
    fn find(&self, field: &Field<'_>) -> (Option<usize>, usize) {
        let fixed = STATIC.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let added = self.table.iter().map(|(name, value)| (&name[..], &value[..]));
        let mut found = 0;
        for (index, (name, value)) in (1..).zip(fixed.chain(added)) {
            if name == field.name.as_bytes() {
                if value == field.value {
                    return (Some(index), index);
                }
                if found == 0 {
                    found = index;
                }
            }
        }
        (None, found)
    }
}

fn string(text: &[u8], out: &mut BytesMut) {
    put_integer(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;
    use proptest::prelude::*;

    fn read(decoder: &mut Decoder, block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut fields = Vec::new();
        decoder
            .decode(block, |name, value| fields.push((name.bytes().to_vec(), value.bytes().to_vec())))
            .expect("what the encoder writes can be read");
        fields
    }

    #[test]
    fn a_block_that_repeats_comes_to_a_byte_a_field() {
        let fields = [Field::again(":status", "200"), Field::again("content-type", "application/grpc")];
        let (mut encoder, mut decoder, mut block) =
            (Encoder::default(), Decoder::default(), Block::default());
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let mut out = BytesMut::new();
            encoder.encode_again(&mut block, &fields, &mut out);
            assert_eq!(read(&mut decoder, &out)[1].1, b"application/grpc");
            sizes.push(out.len());
        }
        assert_eq!(sizes, [19, 2, 2]);
        let mut out = BytesMut::new();
        encoder.encode(&[Field::again("another", "field")], &mut out);
        read(&mut decoder, &out);
        out.clear();
        encoder.encode_again(&mut block, &fields, &mut out);
        assert_eq!(read(&mut decoder, &out)[1].1, b"application/grpc", "older by one, found all the same");
    }

    #[test]
    fn a_peer_without_a_table_gets_whole_fields() {
        let fields = [Field::again(":status", "200"), Field::again("content-type", "application/grpc")];
        let (mut encoder, mut decoder, mut block) =
            (Encoder::default(), Decoder::default(), Block::default());
        for allowed in [4_096, 0, 0, 4_096, 10] {
            encoder.allow(allowed);
            for _ in 0..3 {
                let mut out = BytesMut::new();
                encoder.encode_again(&mut block, &fields, &mut out);
                assert_eq!(read(&mut decoder, &out)[1].1, b"application/grpc", "with {allowed}");
            }
        }
    }

    proptest! {
        #[test]
        fn fields_survive(
            lists in prop::collection::vec(prop::collection::vec(("[a-z:-]{1,9}", prop::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..6), 0..9),
            sizes in prop::collection::vec(0_usize..5_000, 9),
        ) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            for (list, size) in lists.iter().zip(sizes) {
                if size % 3 == 0 {
                    encoder.allow(size);
                }
                let fields: Vec<Field<'_>> =
                    list.iter().map(|(name, value, repeats)| Field { name, value, repeats: *repeats }).collect();
                let mut out = BytesMut::new();
                encoder.encode(&fields, &mut out);
                let expected: Vec<_> = list.iter().map(|(name, value, _)| (name.clone().into_bytes(), value.clone())).collect();
                prop_assert_eq!(read(&mut decoder, &out), expected);
            }
        }
    }
}
