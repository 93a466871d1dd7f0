//! gRPC's messages in a stream of bytes: a byte that says whether it is compressed, four of length, the message.
//!
//! A message that came in one piece is handed on as a slice of it. Only one that is spread over several pieces is put together,
//! in a buffer that grows with what has come and not with what was announced.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes before each message.
pub const PREFIX_BYTES: usize = 5;

/// Why a stream of messages cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is announced to be larger than allowed.
    #[error("a message of {found} bytes, more than {bytes_max}")]
    TooLarge {
        /// Bytes announced.
        found: usize,
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// It is compressed, which was never offered.
    #[error("a message is compressed")]
    Compressed,
    /// The stream ended within it.
    #[error("the stream ended within a message")]
    Truncated,
}

/// The messages of one stream, as they arrive.
#[derive(Debug, Default)]
pub struct Messages {
    /// What came last, while nothing waits before it.
    fresh: Bytes,
    /// What came in pieces, put together.
    gathered: BytesMut,
}

impl Messages {
    /// Adds what has come.
    pub fn push(&mut self, data: Bytes) {
        if self.fresh.is_empty() && self.gathered.is_empty() {
            self.fresh = data;
        } else {
            self.gather();
            self.gathered.extend_from_slice(&data);
        }
    }

    /// Bytes that are held.
    pub fn held_bytes(&self) -> usize {
        self.fresh.len() + self.gathered.len()
    }

    /// The next message; `None` until more has come.
    ///
    /// # Errors
    /// [`MessageError`]; nothing that follows can be read.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, MessageError> {
        if self.gathered.is_empty() {
            if let Some(length) = announced(&self.fresh, bytes_max)?
                && self.fresh.len() >= PREFIX_BYTES + length
            {
                self.fresh.advance(PREFIX_BYTES);
                return Ok(Some(self.fresh.split_to(length)));
            }
            self.gather();
        }
        match announced(&self.gathered, bytes_max)? {
            Some(length) if self.gathered.len() >= PREFIX_BYTES + length => {
                self.gathered.advance(PREFIX_BYTES);
                Ok(Some(self.gathered.split_to(length).freeze()))
            }
            _ => Ok(None),
        }
    }

    /// Whether the stream may end here.
    ///
    /// # Errors
    /// [`MessageError::Truncated`].
    pub fn end(&self) -> Result<(), MessageError> {
        if self.held_bytes() == 0 { Ok(()) } else { Err(MessageError::Truncated) }
    }

    fn gather(&mut self) {
        self.gathered.extend_from_slice(&self.fresh);
        self.fresh.clear();
    }
}

/// The length that a prefix announces; `None` until it is there.
fn announced(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, MessageError> {
    let Some([compressed, length @ ..]) = bytes.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let found = u32::from_be_bytes(*length) as usize;
    match *compressed {
        0 if found > bytes_max => Err(MessageError::TooLarge { found, bytes_max }),
        0 => Ok(Some(found)),
        _ => Err(MessageError::Compressed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let frame = |message: &Vec<u8>| [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        messages.iter().flat_map(frame).collect()
    }

    #[test]
    fn a_whole_message_is_a_slice_of_what_came() {
        let data = Bytes::from(framed(&[b"one".to_vec(), b"two".to_vec()]));
        let mut messages = Messages::default();
        messages.push(data.clone());
        let message = messages.next(10).unwrap().unwrap();
        assert_eq!(message.as_ptr(), data[PREFIX_BYTES..].as_ptr());
        assert_eq!(messages.next(10).unwrap().unwrap(), "two");
        assert_eq!((messages.next(10), messages.end()), (Ok(None), Ok(())));
    }

    #[test]
    fn what_is_wrong_is_refused_before_it_has_come() {
        let mut messages = Messages::default();
        messages.push(Bytes::from_static(&[0, 0, 0, 0, 11]));
        assert_eq!(messages.next(10), Err(MessageError::TooLarge { found: 11, bytes_max: 10 }));
        let mut messages = Messages::default();
        messages.push(Bytes::from_static(&[1, 0, 0]));
        assert_eq!(messages.next(10), Ok(None));
        messages.push(Bytes::from_static(&[0, 1, 7]));
        assert_eq!(messages.next(10), Err(MessageError::Compressed));
        let mut messages = Messages::default();
        messages.push(Bytes::from_static(&[0, 0, 0, 0, 2, 7]));
        assert_eq!((messages.next(10), messages.end()), (Ok(None), Err(MessageError::Truncated)));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(
            list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8),
            cuts in prop::collection::vec(0_usize..200, 0..12),
        ) {
            let bytes = framed(&list);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let (mut messages, mut read) = (Messages::default(), Vec::new());
            for piece in cuts.windows(2) {
                messages.push(Bytes::copy_from_slice(&bytes[piece[0]..piece[1]]));
                while let Some(message) = messages.next(20).unwrap() {
                    read.push(message.to_vec());
                }
            }
            prop_assert_eq!(read, list);
            prop_assert_eq!(messages.end(), Ok(()));
        }
    }
}
