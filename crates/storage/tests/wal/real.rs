//! The log on the file system of the machine, with its thread.

use crate::{payload, read};
use std::path::Path;
use synod_storage::wal::{Log, LogError, LogOptions, RecordNumber};

fn options() -> LogOptions {
    LogOptions { segment_bytes: 256 << 10, ..LogOptions::default() }
}

fn files(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[test]
fn a_life_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("member").join("log");
    let mut written = Vec::new();
    for life in 0..3 {
        let (mut log, recovered) = Log::open(&path, options()).unwrap();
        assert_eq!(recovered.clean(), life != 2, "the second life ends without a close");
        assert_eq!(read(recovered).unwrap(), written);
        for number in 0..40 {
            let batch: Vec<Vec<u8>> = (0..10).map(|index| payload(number + index, 1 + 97 * number)).collect();
            log.append(&batch).unwrap();
            assert_eq!(log.sync().unwrap(), log.next_number());
            written.extend(batch);
        }
        assert!(log.segments() > 3);
        if life != 1 {
            log.close().unwrap();
        }
    }
    let (mut log, recovered) = Log::open(&path, options()).unwrap();
    assert_eq!(recovered.next_number(), RecordNumber(1 + written.len() as u64));
    drop(recovered);
    log.forget(log.next_number()).unwrap();
    drop(log);
    assert!(files(&path) <= 5, "{} files are left of a log that was forgotten", files(&path));
    let (_, recovered) = Log::open(&path, options()).unwrap();
    assert_eq!(
        recovered.next_number(),
        RecordNumber(1 + written.len() as u64),
        "numbers are never used again"
    );
}

#[test]
fn only_one_may_hold_a_log() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(directory.path(), options()).unwrap();
    let refused = Log::open(directory.path(), options());
    assert!(matches!(refused, Err(LogError::Locked { .. })));
    drop(log);
    assert!(Log::open(directory.path(), options()).is_ok());
}

#[test]
fn another_segment_size_takes_effect_with_the_next_segment() {
    let directory = tempfile::tempdir().unwrap();
    let mut written = Vec::new();
    for (life, segment_bytes) in [256 << 10, 64 << 10, 512 << 10].into_iter().enumerate() {
        let (mut log, recovered) =
            Log::open(directory.path(), LogOptions { segment_bytes, ..options() }).unwrap();
        assert_eq!(read(recovered).unwrap(), written);
        for number in 0..30 {
            written.push(payload(life * 100 + number, 5000));
            log.append(&written[written.len() - 1..]).unwrap();
        }
        log.sync().unwrap();
    }
}

#[test]
fn a_flipped_bit_on_a_real_disk_is_refused_with_file_and_offset() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(directory.path(), options()).unwrap();
    log.append(&[payload(1, 5000), payload(2, 5000)]).unwrap();
    log.close().unwrap();
    let file = directory.path().join("0000000000000001.wal");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8192 + 5016 + 700] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = Log::open(directory.path(), options()).unwrap_err().to_string();
    assert!(error.contains("0000000000000001.wal is corrupt at offset 13208"), "{error}");
}
