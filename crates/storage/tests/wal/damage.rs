//! Logs that are cut, flipped, zeroed, renamed and mixed up after they were written: recovered exactly, or
//! refused with file and offset, and never other bytes.

use crate::disk::MemoryDirectory;
use crate::{open, payload, read, reopen};
use std::sync::Arc;
use synod_storage::wal::format::{
    DATA_OFFSET, FRAME_HEADER_BYTES, MARK_FRAME_BYTES, SECTOR_BYTES, frame_bytes,
};
use synod_storage::wal::scan::Evidence;
use synod_storage::wal::{LogError, RecordNumber};

const RECORD_BYTES: usize = 100;

/// A log with one synced record per write; the active segment is `0000000000000001.wal`. Without `settled`,
/// no mark follows the last record.
fn written(records: usize, settled: bool) -> (Arc<MemoryDirectory>, Vec<Vec<u8>>) {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    let payloads: Vec<Vec<u8>> = (0..records).map(|number| payload(number, RECORD_BYTES)).collect();
    for payload in &payloads {
        log.append(&[payload]).unwrap();
        log.sync().unwrap();
    }
    if settled {
        log.settle().unwrap();
    }
    (disk, payloads)
}

const SEGMENT: &str = "0000000000000001.wal";

/// Where the frame of record `index` begins: a mark precedes every record but the first.
fn frame_at(index: usize) -> usize {
    DATA_OFFSET + index * (frame_bytes(RECORD_BYTES) + MARK_FRAME_BYTES)
}

/// A copy of the disk with the segment changed.
fn changed(disk: &Arc<MemoryDirectory>, change: impl FnOnce(&mut Vec<u8>)) -> Arc<MemoryDirectory> {
    let copy = disk.image();
    let mut bytes = copy.get(SEGMENT);
    change(&mut bytes);
    copy.put(SEGMENT, bytes);
    copy
}

/// The error that opening or reading gives.
fn refusal(disk: &Arc<MemoryDirectory>) -> Option<LogError> {
    reopen(disk).err()
}

#[test]
fn every_flipped_bit_is_repaired_or_refused_with_its_place() {
    for settled in [false, true] {
        let (disk, payloads) = written(5, settled);
        let mut places: Vec<usize> = (0..64).chain(4096..4160).collect();
        for index in [0, 2, 4] {
            let frame = frame_at(index);
            places.extend(frame..frame + frame_bytes(RECORD_BYTES));
        }
        places.extend(frame_at(3) - MARK_FRAME_BYTES..frame_at(3));
        for byte in places {
            for bit in 0..8 {
                let damaged = changed(&disk, |bytes| bytes[byte] ^= 1 << bit);
                match reopen(&damaged) {
                    Ok((_, records)) => assert_eq!(records, payloads, "bit {bit} of byte {byte}"),
                    Err(LogError::Corrupt { file, offset, .. }) => {
                        assert_eq!(file, SEGMENT);
                        let frame = offset as usize..offset as usize + frame_bytes(RECORD_BYTES);
                        assert!(frame.contains(&byte), "byte {byte} was flipped, {frame:?} was refused");
                    }
                    Err(other) => panic!("bit {bit} of byte {byte}: {other}"),
                }
            }
        }
    }
}

#[test]
fn a_flip_in_the_last_record_needs_no_mark_to_be_refused() {
    let (disk, _) = written(3, false);
    let byte = frame_at(2) + FRAME_HEADER_BYTES + 10;
    let damaged = changed(&disk, |bytes| bytes[byte] ^= 4);
    let Some(LogError::Corrupt { offset, record, evidence, .. }) = refusal(&damaged) else {
        panic!("served")
    };
    assert_eq!((offset, record), (frame_at(2) as u64, RecordNumber(3)));
    assert_eq!(evidence, Evidence::FlippedBit { byte: byte as u64, bit: 2 });
}

#[test]
fn a_lost_sector_that_held_a_single_bit_is_a_torn_write() {
    // The payload ends in the second sector of the data, with a single bit there: the first write that was
    // lost, not a flip.
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    let mut record = payload(1, SECTOR_BYTES - FRAME_HEADER_BYTES);
    record.extend([0, 0, 1, 0]);
    log.append(&[record]).unwrap();
    log.sync().unwrap();
    let damaged = changed(&disk, |bytes| bytes[DATA_OFFSET + SECTOR_BYTES..].fill(0));
    assert!(reopen(&damaged).unwrap().1.is_empty());
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let (disk, _) = written(4, false);
    for cut in (frame_at(2)..frame_at(3) + frame_bytes(RECORD_BYTES) + 32).chain([0, 1, 64, 4096, 5000]) {
        let damaged = changed(&disk, |bytes| bytes.truncate(cut));
        match refusal(&damaged) {
            Some(LogError::Unusable { file, .. } | LogError::Corrupt { file, .. }) => {
                assert_eq!(file, SEGMENT)
            }
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn an_unsynced_batch_torn_at_any_byte_is_cut_to_its_whole_records() {
    let (disk, mut payloads) = written(2, false);
    let (mut log, _) = open(&disk).unwrap();
    let active = begun_segments(&disk).pop().unwrap();
    let batch: Vec<Vec<u8>> = (2..6).map(|number| payload(number, RECORD_BYTES)).collect();
    log.append(&batch).unwrap();
    log.sync().unwrap();
    payloads.extend(batch);
    // The same bytes serve as an image of the moment before the sync: there is no mark behind the batch.
    let end = DATA_OFFSET + 4 * frame_bytes(RECORD_BYTES);
    let mut flips = 0;
    for cut in DATA_OFFSET..end {
        let damaged = disk.image();
        let mut bytes = damaged.get(&active);
        bytes[cut..].fill(0);
        damaged.put(&active, bytes);
        let content_end = |index: usize| {
            DATA_OFFSET + index * frame_bytes(RECORD_BYTES) + FRAME_HEADER_BYTES + RECORD_BYTES
        };
        let whole = (0..4).take_while(|index| content_end(*index) <= cut).count();
        match reopen(&damaged) {
            Ok((_, records)) => assert_eq!(records, payloads[..2 + whole], "cut at {cut}"),
            // Where no disk tears, between the sectors, a cut can take exactly one bit away, and pass for a
            // flip.
            Err(LogError::Corrupt { evidence: Evidence::FlippedBit { .. }, .. })
                if cut % SECTOR_BYTES != 0 =>
            {
                flips += 1
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
    assert!(flips < 10, "{flips} cuts were refused");
}

#[test]
fn a_lost_sector_of_an_acknowledged_record_is_refused_once_anything_was_written_after_it() {
    for (records, settled, evidence_wanted) in [(16, false, true), (10, true, true), (10, false, false)] {
        let (disk, payloads) = written(records, settled);
        // The record that reaches into the third sector of the data, and what follows in that sector.
        let sector = frame_at(9) / 512 * 512;
        let damaged = changed(&disk, |bytes| bytes[sector + 64..sector + 512].fill(0));
        let lost =
            (0..records).find(|index| frame_at(*index) + frame_bytes(RECORD_BYTES) > sector + 64).unwrap();
        match reopen(&damaged) {
            Err(LogError::Corrupt { record, offset, evidence: Evidence::Mark { .. }, .. })
                if evidence_wanted =>
            {
                assert_eq!(record, RecordNumber(lost as u64 + 1));
                assert!(offset as usize <= frame_at(lost));
            }
            // The window that the module names: nothing behind the damage says that it was acknowledged.
            Ok((_, found)) if !evidence_wanted => assert_eq!(found, payloads[..lost]),
            other => {
                panic!("{records} records, settled {settled}: {:?}", other.map(|(_, records)| records.len()))
            }
        }
    }
}

/// A log of several full segments, at least one of them before the active one.
fn several_segments() -> (Arc<MemoryDirectory>, Vec<Vec<u8>>, Vec<String>) {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    let payloads: Vec<Vec<u8>> = (0..120).map(|number| payload(number, 1000)).collect();
    for payload in &payloads {
        log.append(&[payload]).unwrap();
        log.sync().unwrap();
    }
    assert!(log.segments() >= 4, "{} segments are too few", log.segments());
    let names = begun_segments(&disk);
    (disk, payloads, names)
}

/// The names of the segments in use: the last one is only prepared.
fn begun_segments(disk: &Arc<MemoryDirectory>) -> Vec<String> {
    let mut names: Vec<String> = disk.names().into_iter().filter(|name| name.ends_with(".wal")).collect();
    names.pop();
    names
}

#[test]
fn damage_in_an_earlier_segment_is_refused_with_its_file() {
    let (disk, _, names) = several_segments();
    let damaged = disk.image();
    let mut bytes = damaged.get(&names[1]);
    let last_frame = bytes.len() - 2048;
    bytes[last_frame..].fill(0);
    damaged.put(&names[1], bytes);
    let Some(LogError::Corrupt { file, evidence: Evidence::LaterSegment { .. }, .. }) = refusal(&damaged)
    else {
        panic!("served")
    };
    assert_eq!(file, names[1]);
}

#[test]
fn a_missing_or_renamed_or_foreign_segment_is_refused() {
    let (disk, payloads, names) = several_segments();
    assert_eq!(reopen(&disk.image()).unwrap().1, payloads);

    let missing = disk.image();
    missing.remove_now(&names[1]);
    assert!(matches!(refusal(&missing), Some(LogError::Corrupt { file, .. }) if file == names[0]));

    let renamed = disk.image();
    let (first, second) = (renamed.get(&names[1]), renamed.get(&names[2]));
    renamed.put(&names[1], second);
    renamed.put(&names[2], first);
    assert!(matches!(refusal(&renamed), Some(LogError::Unusable { file, .. }) if file == names[1]));

    let headless = disk.image();
    let mut bytes = headless.get(&names[1]);
    bytes[..DATA_OFFSET].fill(0);
    headless.put(&names[1], bytes);
    assert!(
        matches!(refusal(&headless), Some(LogError::Unusable { file, offset: 0, .. }) if file == names[1])
    );

    let headless = disk.image();
    let last = names.last().unwrap();
    let mut bytes = headless.get(last);
    bytes[..DATA_OFFSET].fill(0);
    headless.put(last, bytes);
    assert!(matches!(refusal(&headless), Some(LogError::Unusable { file, offset: 0, .. }) if file == *last));
}

#[test]
fn remnants_behind_a_cut_never_come_back() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[payload(1, 488)]).unwrap();
    log.sync().unwrap();
    log.append(&[payload(2, 488), payload(3, 488), payload(4, 488)]).unwrap();
    log.sync().unwrap();
    // Record 2 is lost, 3 and 4 are whole behind it, as if the sync had not returned.
    let damaged = changed(&disk, |bytes| {
        let second = DATA_OFFSET + frame_bytes(488) + MARK_FRAME_BYTES;
        bytes[second..second + frame_bytes(488)].fill(0);
    });
    for _ in 0..3 {
        let (mut log, records) = reopen(&damaged).unwrap();
        let kept = records.len();
        assert!(
            records.iter().skip(1).all(|record| record.len() == 488 && record[0] == 0xEE),
            "a remnant came back"
        );
        // Exactly the size of what was lost: in place it would join up with the remnants.
        log.append(&[vec![0xEE; 488]]).unwrap();
        log.sync().unwrap();
        drop(log);
        assert_eq!(reopen(&damaged).unwrap().1.len(), kept + 1);
    }
}

#[test]
fn recycled_segments_show_nothing_of_their_former_life() {
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    for number in 0..400 {
        log.append(&[payload(number, 1000)]).unwrap();
        let durable_to = log.sync().unwrap();
        log.forget(durable_to).unwrap();
        if number % 7 == 0 {
            let (_, records) = reopen(&disk.image()).unwrap();
            // One segment that was forgotten may come back, as it was.
            assert!(records.len() as u64 >= log.next_number().0 - log.first().0);
            let written = (0..=number).rev().map(|number| payload(number, 1000));
            assert!(records.iter().rev().cloned().eq(written.take(records.len())));
        }
    }
    assert!(disk.names().len() <= 5, "segments are recycled, not piled up: {:?}", disk.names());
}

#[test]
fn another_log_in_a_record_is_only_bytes() {
    let (inner, payloads) = written(3, true);
    let image = inner.get(SEGMENT)[..DATA_OFFSET + 600].to_vec();
    let disk = MemoryDirectory::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[payloads[0].clone(), image.clone()]).unwrap();
    log.append(std::slice::from_ref(&image)).unwrap();
    // Tear the first record: the images behind it must not count as frames, nor as evidence.
    log.sync().unwrap();
    let damaged = changed(&disk, |bytes| bytes[DATA_OFFSET..DATA_OFFSET + 64].fill(0));
    let (_, recovered) = open(&damaged).unwrap();
    assert!(recovered.torn().is_some());
    assert!(read(recovered).unwrap().is_empty());
    assert_eq!(reopen(&disk).unwrap().1, vec![payloads[0].clone(), image.clone(), image]);
}
