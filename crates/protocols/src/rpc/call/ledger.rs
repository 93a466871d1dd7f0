//! A service whose state shows every execution: a ledger in which each posting bears the caller's own number.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Service, Value, marshal, unmarshal};

/// Counts postings by their number. A repeated execution is a number that is counted twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    postings: BTreeMap<i64, u64>,
}

/// Procedure: posts the number that is its argument; returns how many postings there are.
pub const POST: u32 = 1;
/// Procedure: returns how many postings there are.
pub const COUNT: u32 = 2;

/// Different numbers that a ledger takes; its state must fit a write.
const POSTINGS_MAX: usize = 500;

impl Ledger {
    /// How often a number was posted.
    pub fn posted(&self, number: i64) -> u64 {
        self.postings.get(&number).copied().unwrap_or(0)
    }

    /// All numbers with their counts.
    pub fn postings(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.postings.iter().map(|(number, count)| (*number, *count))
    }

    fn total(&self) -> Vec<Value> {
        let total: u64 = self.postings.values().sum();
        Vec::from([Value::Integer(i64::try_from(total).unwrap_or(i64::MAX))])
    }
}

impl Service for Ledger {
    fn call(&mut self, procedure: u32, arguments: &[Value]) -> Option<Vec<Value>> {
        match (procedure, arguments) {
            (POST, [Value::Integer(number)]) => {
                if self.postings.len() < POSTINGS_MAX || self.postings.contains_key(number) {
                    *self.postings.entry(*number).or_default() += 1;
                }
                Some(self.total())
            }
            (COUNT, []) => Some(self.total()),
            _ => None,
        }
    }

    fn save(&self) -> Bytes {
        let postings = self.postings.iter();
        let values: Vec<Value> = postings
            .flat_map(|(number, count)| [*number, i64::try_from(*count).unwrap_or(i64::MAX)])
            .map(Value::Integer)
            .collect();
        marshal(&values).expect("a ledger is kept small enough")
    }

    fn restore(&mut self, saved: &Bytes) {
        let values = unmarshal(saved).expect("what a ledger has saved");
        self.postings = values
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [Value::Integer(number), Value::Integer(count)] => Some((*number, count.unsigned_abs())),
                _ => None,
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let mut ledger = Ledger::default();
        for number in [7, -3, 7] {
            assert!(ledger.call(POST, &[Value::Integer(number)]).is_some());
        }
        let mut other = Ledger::default();
        other.restore(&ledger.save());
        assert_eq!((other.posted(7), other.posted(-3), other), (2, 1, ledger));
    }
}
