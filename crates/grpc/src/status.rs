//! A call's end as gRPC writes it into header fields: a code, and a text in percent-encoding.

use bytes::Bytes;

/// Bytes of a text that are sent; what is longer is cut, so that the end of an answer stays within the peer's header list.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Writes a text as `grpc-message` has it: printable ASCII but `%` stays as it is.
pub fn percent_encode(text: &str) -> Vec<u8> {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut encoded = Vec::with_capacity(end);
    for byte in text[..end].bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(byte);
        } else {
            encoded.push(b'%');
            encoded.extend([byte >> 4, byte & 0xf].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]));
        }
    }
    encoded
}

/// Reads what [`percent_encode`] writes; whatever else it may be comes out as text, too.
pub fn percent_decode(encoded: &[u8]) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        rest = after;
        match after {
            [high, low, after @ ..] if *first == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(*first),
            },
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A call's end as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// gRPC's code, 0 for success.
    pub code: u32,
    /// The text, still encoded.
    pub message: Bytes,
}

impl End {
    /// The text.
    pub fn text(&self) -> String {
        percent_decode(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_and_the_rest_is_encoded() {
        assert_eq!(percent_encode("etcdserver: 100% no\n"), b"etcdserver: 100%25 no%0A");
        assert_eq!(percent_decode(b"100%25 %zz %4"), "100% %zz %4");
        let long = "\u{e4}".repeat(TEXT_BYTES_MAX);
        assert_eq!(percent_decode(&percent_encode(&long)).len(), TEXT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn every_text_survives(text in ".{0,100}") {
            let encoded = percent_encode(&text);
            prop_assert!(encoded.iter().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(percent_decode(&encoded), text);
        }

        #[test]
        fn any_bytes_are_a_text(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            percent_decode(&bytes);
        }
    }
}
