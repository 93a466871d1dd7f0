//! Arguments and results as bytes: the stubs' marshaling, in XDR (RFC 4506).
//!
//! Every item takes a multiple of four bytes, numbers are big-endian, opaque data and strings have their length before and zeros behind them. A list of values is a counted array of
//! discriminated unions, so that both ends need no agreement beyond this file. What comes from outside is read within bounds.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// Most bytes of a marshaled list.
pub const MARSHALED_BYTES_MAX: usize = 1 << 20;

/// Most values of a list.
pub const VALUES_MAX: usize = 1_024;

/// An argument or a result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// XDR `hyper`.
    Integer(i64),
    /// XDR `string`, in UTF-8.
    Text(String),
    /// XDR `opaque<>`.
    Opaque(Bytes),
}

/// The bytes of a list.
///
/// # Errors
///
/// The list is larger than [`VALUES_MAX`] or [`MARSHALED_BYTES_MAX`].
pub fn marshal(values: &[Value]) -> Result<Bytes, MarshalError> {
    if values.len() > VALUES_MAX {
        return Err(MarshalError::TooMany(values.len()));
    }
    let mut out = Vec::new();
    put_number(&mut out, values.len());
    for value in values {
        match value {
            Value::Integer(number) => {
                put_number(&mut out, 0);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Text(text) => put_opaque(&mut out, 1, text.as_bytes()),
            Value::Opaque(bytes) => put_opaque(&mut out, 2, bytes),
        }
        if out.len() > MARSHALED_BYTES_MAX {
            return Err(MarshalError::TooLong);
        }
    }
    Ok(Bytes::from(out))
}

/// The list that those bytes are.
///
/// # Errors
///
/// Says what is wrong with the bytes, and where.
pub fn unmarshal(bytes: &[u8]) -> Result<Vec<Value>, MarshalError> {
    if bytes.len() > MARSHALED_BYTES_MAX {
        return Err(MarshalError::TooLong);
    }
    let mut rest = Rest { bytes, at: 0 };
    let count = rest.number()?;
    if count > VALUES_MAX {
        return Err(MarshalError::TooMany(count));
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(rest.value()?);
    }
    if rest.at == bytes.len() { Ok(values) } else { Err(MarshalError::Garbage(rest.at)) }
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("limits are below 2^32");
    out.extend_from_slice(&number.to_be_bytes());
}

fn put_opaque(out: &mut Vec<u8>, arm: usize, bytes: &[u8]) {
    put_number(out, arm);
    put_number(out, bytes.len().min(MARSHALED_BYTES_MAX));
    out.extend_from_slice(&bytes[..bytes.len().min(MARSHALED_BYTES_MAX)]);
    out.resize(out.len().next_multiple_of(4), 0);
}

struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], MarshalError> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or(MarshalError::Short(self.at))?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, MarshalError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn opaque(&mut self) -> Result<&'a [u8], MarshalError> {
        let (length, at) = (self.number()?, self.at);
        let bytes = self.take(length)?;
        let padding = self.take(length.next_multiple_of(4) - length)?;
        if padding.iter().any(|byte| *byte != 0) {
            Err(MarshalError::Garbage(at + length))
        } else {
            Ok(bytes)
        }
    }

    fn value(&mut self) -> Result<Value, MarshalError> {
        let at = self.at;
        match self.number()? {
            0 => {
                let bytes = self.take(8)?;
                Ok(Value::Integer(bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))))
            }
            1 => {
                let text = core::str::from_utf8(self.opaque()?).map_err(|_| MarshalError::Garbage(at))?;
                Ok(Value::Text(String::from(text)))
            }
            2 => Ok(Value::Opaque(Bytes::copy_from_slice(self.opaque()?))),
            _ => Err(MarshalError::Garbage(at)),
        }
    }
}

/// What cannot be marshaled, or is no marshaled list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarshalError {
    /// More values than [`VALUES_MAX`].
    TooMany(usize),
    /// More bytes than [`MARSHALED_BYTES_MAX`].
    TooLong,
    /// The bytes end where more were expected, after so many.
    Short(usize),
    /// What stands at that byte cannot stand there.
    Garbage(usize),
}

impl fmt::Display for MarshalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MarshalError::TooMany(count) => write!(f, "expected at most {VALUES_MAX} values, found {count}"),
            MarshalError::TooLong => write!(f, "expected at most {MARSHALED_BYTES_MAX} bytes, found more"),
            MarshalError::Short(at) => write!(f, "expected more after byte {at}, found the end"),
            MarshalError::Garbage(at) => write!(f, "expected a value at byte {at}, found something else"),
        }
    }
}

impl core::error::Error for MarshalError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_the_standard() {
        let bytes = marshal(&[Value::Integer(-2), Value::Text("abc".into())]).expect("small");
        let expected = [
            0, 0, 0, 2, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 254, 0, 0, 0, 1, 0, 0, 0, 3, b'a',
            b'b', b'c', 0,
        ];
        assert_eq!(bytes[..], expected);
    }

    #[test]
    fn what_is_marshaled_comes_back_and_every_change_of_length_is_noticed() {
        let values = [
            Value::Opaque(Bytes::from_static(&[1, 2, 3, 4, 5])),
            Value::Integer(i64::MIN),
            Value::Text("żółw".into()),
        ];
        let bytes = marshal(&values).expect("small");
        assert_eq!(unmarshal(&bytes).as_deref(), Ok(&values[..]));
        for end in 0..bytes.len() {
            assert!(unmarshal(&bytes[..end]).is_err(), "cut at {end}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert_eq!(unmarshal(&longer), Err(MarshalError::Garbage(bytes.len())));
    }

    #[test]
    fn lengths_from_outside_are_not_believed() {
        assert_eq!(unmarshal(&[255; 4]), Err(MarshalError::TooMany(0xffff_ffff)));
        assert_eq!(unmarshal(&[0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255]), Err(MarshalError::Short(12)));
        assert_eq!(unmarshal(&[0, 0, 0, 1, 0, 0, 0, 9]), Err(MarshalError::Garbage(4)));
        assert_eq!(
            unmarshal(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 7, 0, 1, 0]),
            Err(MarshalError::Garbage(13))
        );
    }
}
