//! Failing writes, failing syncs, short writes and full disks.

use crate::disk::{Faults, MemoryDirectory};
use crate::{open, options, payload, reopen};
use synod_storage::wal::{LogError, RecordNumber};

#[test]
fn a_failed_sync_ends_the_log_for_ever() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[payload(0, 50)]).unwrap();
    assert_eq!(log.sync().unwrap(), RecordNumber(2));
    log.append(&[payload(1, 50)]).unwrap();
    disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
    assert!(matches!(log.sync(), Err(LogError::Fatal { .. })));
    // The disk is well again; the log must not believe it.
    disk.set_faults(Faults::default());
    assert!(matches!(log.sync(), Err(LogError::Fatal { .. })));
    assert!(matches!(log.append(&[payload(2, 50)]), Err(LogError::Fatal { .. })));
    assert!(matches!(log.settle(), Err(LogError::Fatal { .. })));
    assert!(matches!(log.forget(RecordNumber(2)), Err(LogError::Fatal { .. })));
    assert_eq!(log.durable_to(), RecordNumber(2));
    assert!(matches!(log.close(), Err(LogError::Fatal { .. })));
    disk.crash(|| false);
    assert_eq!(reopen(&disk).unwrap().1, vec![payload(0, 50)]);
}

#[test]
fn a_failed_write_ends_the_log_for_ever() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[payload(0, 50)]).unwrap();
    disk.set_faults(Faults { write_fails: true, ..Faults::default() });
    assert!(matches!(log.sync(), Err(LogError::Fatal { .. })));
    disk.set_faults(Faults::default());
    assert!(matches!(log.sync(), Err(LogError::Fatal { .. })));
    assert!(reopen(&disk).unwrap().1.is_empty());
}

#[test]
fn short_writes_are_completed() {
    let disk = MemoryDirectory::new();
    disk.set_faults(Faults { write_bytes_max: Some(6000), ..Faults::default() });
    let (mut log, _) = open(&disk).unwrap();
    let batch: Vec<Vec<u8>> = (0..20).map(|number| payload(number, 700)).collect();
    log.append(&batch).unwrap();
    log.sync().unwrap();
    disk.crash(|| false);
    assert_eq!(reopen(&disk).unwrap().1, batch);
}

#[test]
fn a_full_disk_refuses_the_append_and_nothing_else() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    disk.set_faults(Faults { capacity_bytes: Some(70 << 10), ..Faults::default() });
    let mut records = Vec::new();
    let refused = loop {
        let record = payload(records.len(), 1000);
        match log.append(&[&record]) {
            Ok(_) => records.push(record),
            Err(error) => break error,
        }
        assert!(records.len() < 1000, "the disk never filled up");
    };
    assert!(matches!(refused, LogError::NoSegment { .. }), "{refused}");
    assert!(refused.to_string().contains("nothing was appended"));
    // What was appended before can still become durable.
    let durable_to = log.sync().unwrap();
    assert_eq!(durable_to.0 - 1, records.len() as u64);
    assert!(matches!(log.append(&[payload(0, 1000)]), Err(LogError::NoSegment { .. })));

    log.forget(durable_to).unwrap();
    let range = log.append(&[payload(7, 1000)]).unwrap();
    assert_eq!(range.start, durable_to, "no number was lost to the refusals");
    log.sync().unwrap();
    disk.crash(|| false);
    // A log that finds no room for its next segment does not open, says so, and changes nothing.
    assert!(matches!(reopen(&disk), Err(LogError::NoSegment { .. })));
    disk.set_faults(Faults::default());
    assert_eq!(reopen(&disk).unwrap().1.last().unwrap(), &payload(7, 1000));
}

#[test]
fn limits_are_answers_and_change_nothing() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    let record_max = options().record_bytes_max();
    assert!(matches!(log.append(&[vec![0; record_max + 1]]), Err(LogError::TooLarge { .. })));
    assert!(matches!(log.append(&vec![vec![0; 9000]; 4]), Err(LogError::TooLarge { .. })));
    assert_eq!(log.next_number(), RecordNumber::FIRST);
    let largest = payload(3, record_max);
    for _ in 0..3 {
        log.append(&[&largest, &Vec::new()][..1]).unwrap();
        log.settle().unwrap();
    }
    log.append::<&[u8]>(&[]).unwrap();
    log.append(&[&[] as &[u8]]).unwrap();
    log.close().unwrap();
    let (_, records) = reopen(&disk).unwrap();
    assert_eq!(records, vec![largest.clone(), largest.clone(), largest, Vec::new()]);
}

#[test]
fn segments_go_oldest_first_even_when_names_cannot_be_synced() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    for number in 0..150 {
        log.append(&[payload(number, 1000)]).unwrap();
    }
    let durable_to = log.sync().unwrap();
    disk.set_faults(Faults { directory_sync_fails: true, ..Faults::default() });
    log.forget(durable_to).unwrap();
    disk.set_faults(Faults::default());
    disk.crash(|| true);
    let (log, records) = reopen(&disk).unwrap();
    assert_eq!(log.next_number(), durable_to);
    assert_eq!(records.last().unwrap(), &payload(149, 1000));
}

#[test]
fn a_segment_that_cannot_go_keeps_the_later_ones() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    for number in 0..150 {
        log.append(&[payload(number, 1000)]).unwrap();
    }
    let durable_to = log.sync().unwrap();
    let stuck: Vec<String> = disk.names().into_iter().filter(|name| name.ends_with(".wal")).take(1).collect();
    disk.set_faults(Faults { stuck_name: Some(stuck[0].clone()), ..Faults::default() });
    log.forget(durable_to).unwrap();
    assert_eq!(reopen(&disk.image()).unwrap().1.len(), 150, "a gap would be refused");
    disk.set_faults(Faults::default());
    for number in 150..300 {
        log.append(&[payload(number, 1000)]).unwrap();
    }
    log.sync().unwrap();
    assert!(!disk.names().contains(&stuck[0]), "it goes with the next occasion");
    assert!(reopen(&disk.image()).unwrap().1.len() < 300);
}

#[test]
fn nothing_is_removed_while_it_is_being_read() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    for number in 0..100 {
        log.append(&[payload(number, 1000)]).unwrap();
    }
    log.close().unwrap();
    let (mut log, recovered) = open(&disk).unwrap();
    assert!(recovered.clean());
    log.forget(log.next_number()).unwrap();
    assert_eq!(crate::read(recovered).unwrap().len(), 100);
    log.forget(log.next_number()).unwrap();
    assert_eq!(log.first(), log.next_number());
}
