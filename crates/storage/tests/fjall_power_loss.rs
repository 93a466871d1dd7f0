//! The engine on real files after a power cut: its journal is cut short or damaged at every place, and what it then shows
//! must be what some prefix of the batches left, or be refused.
#![cfg(feature = "disk")]

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use synod_storage::kv::{Batch, Direction, FjallKv, FjallOptions, Kv, KvError, Reader, Space, Span};

const BATCHES: u8 = 10;
const PLACES: u64 = 24;

fn open(directory: &Path) -> Result<FjallKv, KvError> {
    FjallKv::open(directory, FjallOptions { threads: 1, ..FjallOptions::default() })
}

/// An engine that was killed after a few batches, each of which wrote to two spaces.
fn killed() -> (tempfile::TempDir, PathBuf, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path()).unwrap();
    for number in 0..BATCHES {
        let mut batch = Batch::default();
        let key = Bytes::copy_from_slice(&[number]);
        batch.push(Space::Current, key.clone(), Some(vec![number; 20].into()));
        batch.push(Space::Log, key, Some(Bytes::new()));
        kv.write(batch).unwrap();
    }
    kv.persist().unwrap();
    drop(kv);
    let generation = directory.path().join("generation-1");
    let journal = fs::read_dir(generation)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .expect("there is a journal");
    // It is allocated ahead with zeros.
    let bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("something was written") as u64 + 1;
    OpenOptions::new().write(true).open(&journal).unwrap().set_len(used + 64).unwrap();
    (directory, journal, used)
}

/// How many batches are there; all of each, and none but the first ones.
fn batches(kv: &FjallKv) -> u8 {
    let keys = |space, length| -> Vec<u8> {
        let entries = kv.scan(space, Span::ALL, Direction::Forward).map(Result::unwrap);
        let number = |(key, value): (Bytes, Bytes)| {
            assert_eq!(value, vec![key[0]; length], "a damaged value is shown");
            key[0]
        };
        entries.map(number).collect()
    };
    let found = keys(Space::Current, 20);
    assert_eq!(found, keys(Space::Log, 0), "a batch was torn");
    assert!(
        found.iter().copied().eq(0..found.len() as u8),
        "expected a prefix of the batches, found {found:?}"
    );
    found.len() as u8
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Opens a copy whose journal has been spoilt.
fn opened_after(directory: &Path, journal: &Path, spoil: impl FnOnce(&Path)) -> Result<u8, KvError> {
    let copied = tempfile::tempdir().unwrap();
    copy(directory, copied.path());
    spoil(&copied.path().join(journal.strip_prefix(directory).unwrap()));
    open(copied.path()).map(|kv| batches(&kv))
}

#[test]
fn a_journal_cut_anywhere_leaves_a_prefix_of_the_batches() {
    let (directory, journal, used) = killed();
    let mut counts = Vec::new();
    for place in 0..=PLACES {
        let length = used * place / PLACES;
        let cut = |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
        counts.push(opened_after(directory.path(), &journal, cut).unwrap());
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!((counts[0], counts[PLACES as usize]), (0, BATCHES));
    assert!(counts.iter().any(|count| (1..BATCHES).contains(count)), "{counts:?}");
}

#[test]
fn a_damaged_journal_never_shows_what_was_not_written() {
    let (directory, journal, used) = killed();
    let mut unnoticed = 0;
    for place in 0..PLACES {
        let at = (used * place / PLACES) as usize;
        let damage = |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[at] ^= 0x10;
            fs::write(path, bytes).unwrap();
        };
        // Opened, it shows a true prefix: that is checked within. Few bytes mean nothing; the rest must have been noticed.
        if let Ok(BATCHES) = opened_after(directory.path(), &journal, damage) {
            unnoticed += 1;
        }
    }
    assert!(unnoticed <= PLACES / 4, "{unnoticed} of {PLACES} damaged bytes were not noticed");
}
