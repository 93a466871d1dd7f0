//! Which keys a command means: one, a range, those with a prefix, or all from a key on.

use bytes::Bytes;

use crate::failure::Failure;

/// Keys from `start` to before `end`, in the encoding of the API: no end means one key, a zero byte means no
/// bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Bytes,
    /// The key after the last one.
    pub end: Bytes,
}

/// In the place of an end: no bound. In the place of a start: the smallest key.
const OPEN: &[u8] = b"\0";

impl KeyRange {
    /// The range that a command's arguments mean.
    pub fn from_arguments(
        key: &str,
        range_end: Option<&str>,
        prefix: bool,
        from_key: bool,
    ) -> Result<Self, Failure> {
        if prefix && from_key {
            return Err(Failure::usage(
                "`--prefix` and `--from-key` cannot be set at the same time, choose one",
            ));
        }
        if range_end.is_some() && (prefix || from_key) {
            return Err(Failure::usage(
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ));
        }
        let start = Bytes::copy_from_slice(key.as_bytes());
        Ok(match range_end {
            Some(end) => Self { start, end: Bytes::copy_from_slice(end.as_bytes()) },
            None if prefix && !key.is_empty() => Self { end: prefix_end(key.as_bytes()), start },
            None if (prefix || from_key) && key.is_empty() => {
                Self { start: Bytes::from_static(OPEN), end: Bytes::from_static(OPEN) }
            }
            None if from_key => Self { start, end: Bytes::from_static(OPEN) },
            None => Self { start, end: Bytes::new() },
        })
    }
}

/// The first key after all that begin with `prefix`: its last byte below 0xff, raised by one.
fn prefix_end(prefix: &[u8]) -> Bytes {
    match prefix.iter().rposition(|byte| *byte < 0xff) {
        None => Bytes::from_static(OPEN),
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &str, end: Option<&str>, prefix: bool, from_key: bool) -> (Vec<u8>, Vec<u8>) {
        let range = KeyRange::from_arguments(key, end, prefix, from_key).expect("valid");
        (range.start.to_vec(), range.end.to_vec())
    }

    #[test]
    fn ranges_are_those_of_etcdctl() {
        let pair = |start: &[u8], end: &[u8]| (start.to_vec(), end.to_vec());
        assert_eq!(range("a", None, false, false), pair(b"a", b""));
        assert_eq!(range("a", Some("c"), false, false), pair(b"a", b"c"));
        assert_eq!(range("a", None, true, false), pair(b"a", b"b"));
        assert_eq!(range("a", None, false, true), pair(b"a", b"\0"));
        assert_eq!(range("", None, true, false), pair(b"\0", b"\0"));
        assert_eq!(range("", None, false, true), pair(b"\0", b"\0"));
        assert_eq!(prefix_end(b"a\xff\xff"), &b"b"[..]);
        assert_eq!(prefix_end(b"\xff"), &b"\0"[..]);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(KeyRange::from_arguments("a", None, true, true).is_err());
        assert!(KeyRange::from_arguments("a", Some("b"), true, false).is_err());
        assert!(KeyRange::from_arguments("a", Some("b"), false, true).is_err());
    }
}
