//! The store as it was at each revision, made from the changes alone.

use std::collections::BTreeMap;

use synod_check::etcd::{Change, OldRead, OldReadAnswer};
use synod_check::specification::key_value::{Blob, Pair, Store};

/// The keys at one revision.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The revision.
    pub revision: u64,
    pairs: BTreeMap<Blob, Pair>,
}

impl Default for Replay {
    /// An empty store.
    fn default() -> Self {
        Self { revision: 1, pairs: BTreeMap::new() }
    }
}

impl Replay {
    /// What is at a key.
    pub fn get(&self, key: &[u8]) -> Option<&Pair> {
        self.pairs.get(key)
    }

    /// All keys in order.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values()
    }

    /// Makes the next change. Changes come in the order of their revisions.
    pub fn apply(&mut self, change: &Change) {
        self.revision = change.revision;
        let Some(value) = &change.value else {
            self.pairs.remove(&change.key);
            return;
        };
        let pair = self.pairs.entry(change.key.clone()).or_insert_with(|| Pair {
            key: change.key.clone(),
            value: value.clone(),
            create_revision: change.revision,
            mod_revision: change.revision,
            version: 0,
            lease: 0,
        });
        pair.value = value.clone();
        pair.mod_revision = change.revision;
        pair.version += 1;
        pair.lease = change.lease;
    }

    /// The same in the checker's model.
    pub fn to_store(&self) -> Store {
        let mut store = Store::default();
        store.revision = self.revision;
        self.pairs().for_each(|pair| store.restore(pair.clone()));
        store
    }
}

/// The first read at an old revision that does not fit the changes made since `base`, in a sentence.
pub fn wrong_old_read(base: &Replay, changes: &[Change], reads: &mut [OldRead]) -> Option<String> {
    reads.sort_by_key(|read| read.at_revision);
    let mut state = base.clone();
    let mut changes = changes.iter().peekable();
    reads.iter().find_map(|read| {
        while let Some(change) = changes.next_if(|change| change.revision <= read.at_revision) {
            state.apply(change);
        }
        let OldRead { span, at_revision, compaction_requested, answer, .. } = read;
        match answer {
            OldReadAnswer::Compacted => (at_revision >= compaction_requested).then(|| {
                format!(
                    "A read of {span} at revision {at_revision} was refused as compacted, but the highest compaction \
                     asked for was at {compaction_requested}."
                )
            }),
            OldReadAnswer::Pairs(found) => {
                let expected: Vec<&Pair> = state.pairs().filter(|pair| span.contains(&pair.key)).collect();
                (!expected.iter().copied().eq(found)).then(|| {
                    format!(
                        "A read of {span} at revision {at_revision} answered {}, but there was {} then.",
                        list(found),
                        list(expected)
                    )
                })
            }
        }
    })
}

/// The first event whose account of what was there before does not fit the changes made since `base`, in a sentence.
pub fn wrong_previous(
    base: &Replay,
    changes: &[Change],
    told: &[(u64, Blob, Option<Pair>)],
) -> Option<String> {
    let mut state = base.clone();
    let mut changes = changes.iter().peekable();
    told.iter().find_map(|(revision, key, previous)| {
        while let Some(change) = changes.next_if(|change| change.revision < *revision) {
            state.apply(change);
        }
        let expected = state.get(key);
        (expected != previous.as_ref()).then(|| {
            format!(
                "The event at revision {revision} said that before it there was {}, but there was {}.",
                list(previous),
                list(expected)
            )
        })
    })
}

/// Pairs in words.
pub fn list<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> String {
    let words: Vec<String> = pairs.into_iter().map(ToString::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use synod_check::history::OperationId;
    use synod_check::specification::key_value::Span;

    use super::*;

    fn changes() -> Vec<Change> {
        vec![
            Change::put(2, "a", "1"),
            Change::put(3, "a", "2"),
            Change::delete(4, "a"),
            Change::put(5, "b", "3"),
        ]
    }

    fn read(at_revision: u64, answer: OldReadAnswer) -> OldRead {
        OldRead { id: OperationId(0), span: Span::everything(), at_revision, compaction_requested: 3, answer }
    }

    fn at(revision: u64) -> Vec<Pair> {
        let mut state = Replay::default();
        changes().iter().filter(|change| change.revision <= revision).for_each(|change| state.apply(change));
        state.pairs().cloned().collect()
    }

    #[test]
    fn the_model_store_is_the_replayed_one() {
        let mut state = Replay::default();
        changes().iter().for_each(|change| state.apply(change));
        let store = state.to_store();
        assert_eq!((store.revision, store.len()), (5, 1));
        assert_eq!(store.get(b"b").as_ref(), state.get(b"b"));
    }

    #[test]
    fn old_reads_are_held_against_their_revision() {
        let judge = |reads: &mut [OldRead]| wrong_old_read(&Replay::default(), &changes(), reads);
        let right = |revision| read(revision, OldReadAnswer::Pairs(at(revision)));
        assert_eq!(judge(&mut [right(4), right(2), right(3), right(1), right(9)]), None);
        let stale = judge(&mut [read(3, OldReadAnswer::Pairs(at(2)))]).unwrap();
        assert!(stale.contains("answered a = 1 (mod 2), but there was a = 2 (mod 3) then"), "{stale}");
        assert_eq!(judge(&mut [read(2, OldReadAnswer::Compacted)]), None);
        assert!(
            judge(&mut [read(3, OldReadAnswer::Compacted)]).is_some(),
            "the compacted revision is readable"
        );
    }

    #[test]
    fn events_tell_what_was_there_before() {
        let judge = |told: &[_]| wrong_previous(&Replay::default(), &changes(), told);
        let key = || Blob::from(&b"a"[..]);
        assert_eq!(judge(&[(2, key(), None), (3, key(), at(2).pop()), (4, key(), at(3).pop())]), None);
        assert!(judge(&[(4, key(), at(2).pop())]).is_some());
        assert!(judge(&[(3, key(), None)]).is_some());
    }
}
