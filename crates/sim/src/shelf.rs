//! Writes of any type on simulated disks, without a byte codec for each.
//!
//! A disk keeps bytes: they are torn, lost and rot by the sector. What a mechanism writes need not have a byte form of its own for that. The shelf keeps each
//! write as it is and gives the disk its number instead, spread over as many bytes as the write would take; what comes back is the number, or not
//! that, in which case the record is refused as any damaged one is.

use std::cell::RefCell;

use synod_machine::Fingerprint;

/// A number and its check.
const HEAD_BYTES: usize = 16;

/// Keeps every write of a run.
#[derive(Debug)]
pub(crate) struct Shelf<W> {
    // Encoding borrows the subject; what is put on the shelf is seen by nothing but decoding.
    writes: RefCell<Vec<W>>,
}

impl<W: Clone> Shelf<W> {
    pub(crate) fn new() -> Self {
        Shelf { writes: RefCell::new(Vec::new()) }
    }

    /// Appends the bytes that stand for a write.
    pub(crate) fn encode(&self, write: &W, bytes: usize, out: &mut Vec<u8>) {
        let mut writes = self.writes.borrow_mut();
        let number = writes.len() as u64;
        writes.push(write.clone());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&check(number).to_le_bytes());
        out.extend((HEAD_BYTES..bytes).map(|place| (number as u8) ^ (place as u8)));
    }

    /// The write from its bytes.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<W, String> {
        let word = |at: usize| {
            let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
            word.map(u64::from_le_bytes)
        };
        let number = word(0).filter(|number| word(8) == Some(check(*number)));
        let number =
            number.ok_or_else(|| format!("expected a write's number, found {} other bytes", bytes.len()))?;
        let tail = bytes.get(HEAD_BYTES..).unwrap_or_default();
        if !tail.iter().zip(HEAD_BYTES..).all(|(byte, place)| *byte == (number as u8) ^ (place as u8)) {
            return Err(format!("expected the bytes of write {number}, found others"));
        }
        let writes = self.writes.borrow();
        let write = usize::try_from(number).ok().and_then(|number| writes.get(number));
        write
            .cloned()
            .ok_or_else(|| format!("expected one of {} writes, found number {number}", writes.len()))
    }
}

fn check(number: u64) -> u64 {
    use std::hash::Hasher as _;
    let mut fingerprint = Fingerprint::default();
    fingerprint.write_u64(number);
    fingerprint.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_come_back_and_damage_is_refused() {
        let shelf = Shelf::new();
        let bytes = |write: &str| {
            let mut out = Vec::new();
            shelf.encode(&write.to_owned(), 700, &mut out);
            out
        };
        let (first, second) = (bytes("promise"), bytes("accept"));
        assert_eq!((first.len(), shelf.decode(&first)), (700, Ok("promise".to_owned())));
        assert_eq!(shelf.decode(&second), Ok("accept".to_owned()));
        for place in 0..second.len() {
            let mut damaged = second.clone();
            damaged[place] ^= 0x10;
            shelf.decode(&damaged).expect_err("damaged");
        }
        shelf.decode(&second[..9]).expect_err("torn");
    }
}
