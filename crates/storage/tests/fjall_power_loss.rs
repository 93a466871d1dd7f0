//! The engine on real files after a power cut: whatever became of the files that it had not yet named, and whichever byte of the
//! others was damaged, it shows what some prefix of the batches left, or refuses.
#![cfg(feature = "disk")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use synod_storage::kv::{Batch, Direction, FjallKv, FjallOptions, Kv, KvError, Reader, Space, Span};

const BATCHES: u8 = 5;
/// Bytes damaged in each file, one at a time.
const PLACES: usize = 8;

fn open(directory: &Path) -> Result<FjallKv, KvError> {
    FjallKv::open(directory, FjallOptions::default())
}

/// The directory as a power cut leaves it after each number of persisted batches, each of which wrote to two spaces. One more
/// batch was written every time, and not persisted.
fn cut_off() -> Vec<tempfile::TempDir> {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path()).unwrap();
    let mut cuts = Vec::new();
    for number in 0..=BATCHES {
        kv.persist().unwrap();
        let mut batch = Batch::default();
        let key = Bytes::copy_from_slice(&[number]);
        batch.push(Space::Current, key.clone(), Some(vec![number; 20].into()));
        batch.push(Space::Log, key, Some(Bytes::new()));
        kv.write(batch).unwrap();
        let cut = tempfile::tempdir().unwrap();
        copy(directory.path(), cut.path());
        cuts.push(cut);
    }
    cuts
}

/// How many batches are there; all of each, and none but the first ones.
fn batches(kv: &FjallKv) -> Result<u8, KvError> {
    let keys = |space, length| -> Result<Vec<u8>, KvError> {
        let mut found = Vec::new();
        for entry in kv.scan(space, Span::ALL, Direction::Forward) {
            let (key, value) = entry?;
            assert_eq!(value, vec![key[0]; length], "a damaged value is shown");
            found.push(key[0]);
        }
        Ok(found)
    };
    let found = keys(Space::Current, 20)?;
    assert_eq!(found, keys(Space::Log, 0)?, "a batch was torn");
    assert!(
        found.iter().copied().eq(0..found.len() as u8),
        "expected a prefix of the batches, found {found:?}"
    );
    Ok(found.len() as u8)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if fs::copy(&path, &target).is_err() {
            // A merge in the background has just removed it: nothing names it any more.
            assert!(!path.exists(), "{} cannot be copied", path.display());
        }
    }
}

/// All files below a directory, with their paths from there.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Opens a copy of which something has been spoilt, and counts.
fn opened_after(directory: &Path, spoil: impl FnOnce(&Path)) -> Result<u8, KvError> {
    let copied = tempfile::tempdir().unwrap();
    copy(directory, copied.path());
    spoil(copied.path());
    batches(&open(copied.path())?)
}

#[test]
fn what_was_persisted_is_there_and_nothing_else() {
    for (persisted, cut) in (0..).zip(cut_off()) {
        assert_eq!(opened_after(cut.path(), |_| {}), Ok(persisted));
    }
}

#[test]
fn files_that_nothing_names_yet_may_hold_anything() {
    let cuts = cut_off();
    let [before, after] = [2, 3].map(|persisted| cuts[persisted].path());
    let known: Vec<PathBuf> =
        files(before).iter().map(|path| path.strip_prefix(before).unwrap().to_owned()).collect();
    let mut seen = 0;
    // The next run's tables and version have reached the disk in part; what names them has not.
    for path in files(after) {
        let name = path.strip_prefix(after).unwrap();
        if known.iter().any(|known| known == name) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for length in [0, bytes.len() / 2, bytes.len()] {
            let spoil = |directory: &Path| fs::write(directory.join(name), &bytes[..length]).unwrap();
            assert_eq!(opened_after(before, spoil), Ok(2), "{} with {length} bytes", name.display());
            seen += 1;
        }
    }
    assert!(seen > 3, "expected a table and a version, found {seen} files");
}

#[test]
fn a_damaged_file_never_shows_what_was_not_written() {
    let cuts = cut_off();
    let directory = cuts[BATCHES as usize].path();
    let content = files(directory).into_iter().filter(|path| path.extension().is_none_or(|e| e != "jnl"));
    let (mut damaged, mut noticed) = (0, 0);
    for path in content {
        let bytes = fs::read(&path).unwrap();
        for place in 0..PLACES.min(bytes.len()) {
            let at = bytes.len() * place / PLACES.min(bytes.len());
            let spoil = |copied: &Path| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x10;
                fs::write(copied.join(path.strip_prefix(directory).unwrap()), bytes).unwrap();
            };
            damaged += 1;
            // What is shown is true: that is checked within. Many bytes are not needed to read all: former versions, filters.
            match opened_after(directory, spoil) {
                Ok(BATCHES) => {}
                Ok(fewer) => panic!("{} damaged at {at}: only {fewer} batches, and no error", path.display()),
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed >= damaged / 5, "only {noticed} of {damaged} damaged bytes were noticed");
}
