//! Changes laid over an ordered content, read as one.

use std::{cmp::Ordering, iter::Peekable};

use bytes::Bytes;

use super::{Direction, Entry, KvError};

/// The entries of `beneath` as `changes` leave them: a change replaces the entry of its key, `None` removes it. Both come in the
/// order of `direction`. What comes after an error of `beneath` means nothing.
pub fn merged<B, C>(
    beneath: B,
    changes: C,
    direction: Direction,
) -> impl Iterator<Item = Result<Entry, KvError>> + use<B, C>
where
    B: Iterator<Item = Result<Entry, KvError>>,
    C: Iterator<Item = (Bytes, Option<Bytes>)>,
{
    Merged { beneath: beneath.peekable(), changes: changes.peekable(), direction }
}

struct Merged<B: Iterator, C: Iterator> {
    beneath: Peekable<B>,
    changes: Peekable<C>,
    direction: Direction,
}

impl<B, C> Iterator for Merged<B, C>
where
    B: Iterator<Item = Result<Entry, KvError>>,
    C: Iterator<Item = (Bytes, Option<Bytes>)>,
{
    type Item = Result<Entry, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.beneath.peek(), self.changes.peek()) {
                (_, None) | (Some(Err(_)), Some(_)) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((have, _))), Some((changed, _))) => match self.direction {
                    Direction::Forward => have.cmp(changed),
                    Direction::Backward => changed.cmp(have),
                },
            };
            if order == Ordering::Less {
                return self.beneath.next();
            }
            if order == Ordering::Equal {
                self.beneath.next();
            }
            if let Some((key, Some(value))) = self.changes.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}
