//! What reading a version and replacing it says about the order of versions, in time linear but for sorting.
//!
//! Most transactions of real systems read what they write. Whoever replaces a version that it read comes after its
//! writer, and after all others who read it. And of two who read one version and both replaced it, whichever comes second
//! replaced what it had not seen: a lost update, which neither snapshot isolation nor serializability allows, in
//! either order. To see this nobody needs to know who reaches whom, so it works for any number of transactions.

use super::facts::{Facts, Source};
use super::search::Known;

/// The orders of a writer and of those who read its version of a key and replaced it.
pub(super) fn replacements(facts: &Facts) -> Vec<Known> {
    let writers = Writers::new(facts);
    let replaces = |read: &super::facts::Read| match read.source {
        Source::Loose(before) if before != read.transaction && writers.has(read.key, read.transaction) => {
            Some(Known { before, after: read.transaction, key: read.key })
        }
        _ => None,
    };
    facts.reads.iter().filter_map(replaces).collect()
}

/// Two writers who both replaced one version that they had read, in either of their orders.
pub(super) fn lost_update(facts: &Facts) -> Option<Known> {
    let writers = Writers::new(facts);
    let is_replaced = |read: &&super::facts::Read| writers.has(read.key, read.transaction);
    let mut all: Vec<(u32, (u8, u32), u32)> = facts
        .reads
        .iter()
        .filter(is_replaced)
        .map(|read| {
            let version = match read.source {
                Source::Initial => (0, 0),
                Source::Chain(place) => (1, place),
                Source::Loose(writer) => (2, writer),
            };
            (read.key, version, read.transaction)
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    let pair = all.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1))?;
    Some(Known { before: pair[0].2, after: pair[1].2, key: pair[0].0 })
}

/// Keys with their loose writers, sorted.
struct Writers(Vec<(u32, u32)>);

impl Writers {
    fn new(facts: &Facts) -> Self {
        let keys = 0..facts.loose.len();
        let of_key = |key: usize| facts.loose.get(key).iter().map(move |&writer| (key as u32, writer));
        let mut all: Vec<(u32, u32)> = keys.flat_map(of_key).collect();
        all.sort_unstable();
        Self(all)
    }

    fn has(&self, key: u32, writer: u32) -> bool {
        self.0.binary_search(&(key, writer)).is_ok()
    }
}
