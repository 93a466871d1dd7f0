//! Random lives of a log, with power losses that keep any subset of the unsynced sectors, against a model.

use crate::disk::{Faults, MemoryDirectory};
use crate::{open, read};
use proptest::prelude::*;
use std::sync::Arc;
use synod_storage::wal::{Log, RecordNumber};

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(usize, u8)>),
    Sync,
    Settle,
    /// Forget what lies before this share, in 256ths, of the records.
    Forget(u8),
    Close,
    /// The process dies; the operating system keeps what was written.
    Kill,
    /// The process dies between a write and its sync.
    KillBeforeSync,
    /// The power goes; the number seeds which sectors survive, and how likely.
    PowerLoss(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let record = (prop_oneof![0usize..40, 0usize..700, 400usize..3000], any::<u8>());
    prop_oneof![
        8 => prop::collection::vec(record, 1..6).prop_map(Step::Append),
        5 => Just(Step::Sync),
        1 => Just(Step::Settle),
        1 => any::<u8>().prop_map(Step::Forget),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => Just(Step::KillBeforeSync),
        3 => any::<u64>().prop_map(Step::PowerLoss),
    ]
}

/// Contents of several characters: with a single bit set at the end, constant, or mixed.
fn content(bytes: usize, character: u8, number: u64) -> Vec<u8> {
    let mut content: Vec<u8> = match character % 3 {
        0 => vec![0; bytes],
        1 => vec![character; bytes],
        _ => (0..bytes).map(|at| (at as u64 * 131 + number * 17 + u64::from(character)) as u8).collect(),
    };
    if let Some(last) = content.last_mut() {
        *last = 1;
    }
    content
}

struct Life {
    disk: Arc<MemoryDirectory>,
    log: Option<Log>,
    /// What was appended, from `first` on.
    records: Vec<Vec<u8>>,
    first: RecordNumber,
    durable_to: RecordNumber,
    power_losses_with_unsynced_records: u32,
}

impl Life {
    fn begin() -> Life {
        let disk = MemoryDirectory::new();
        let log = Some(open(&disk).unwrap().0);
        let (first, durable_to) = (RecordNumber::FIRST, RecordNumber::FIRST);
        Life { disk, log, records: Vec::new(), first, durable_to, power_losses_with_unsynced_records: 0 }
    }

    fn next(&self) -> RecordNumber {
        self.first.after(self.records.len() as u64)
    }

    fn live(&mut self, step: Step) {
        let next = self.next();
        let log = self.log.as_mut().unwrap();
        match step {
            Step::Append(records) => {
                let batch: Vec<Vec<u8>> =
                    records.iter().map(|(bytes, character)| content(*bytes, *character, next.0)).collect();
                let range = log.append(&batch).unwrap();
                assert_eq!(range, next..next.after(batch.len() as u64));
                self.records.extend(batch);
                self.durable_to = self.durable_to.max(log.durable_to());
            }
            Step::Sync => self.durable_to = log.sync().unwrap(),
            Step::Settle => {
                log.settle().unwrap();
                self.durable_to = log.durable_to();
            }
            Step::Forget(share) => {
                let before = self.records.len() as u64 * u64::from(share) / 256;
                log.forget(self.first.after(before)).unwrap();
                let gone = (log.first().0 - self.first.0) as usize;
                assert!(gone as u64 <= before, "more was forgotten than asked for");
                self.records.drain(..gone);
                self.first = log.first();
            }
            Step::Close => {
                self.log.take().unwrap().close().unwrap();
                self.durable_to = self.next();
                assert!(self.reopen(), "a closed log is clean");
            }
            Step::Kill => {
                self.log = None;
                self.reopen();
            }
            Step::KillBeforeSync => {
                self.disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
                let unsynced = log.durable_to() < log.next_number();
                assert_eq!(log.sync().is_err(), unsynced, "a sync fails if there is anything to sync");
                self.disk.set_faults(Faults::default());
                self.log = None;
                self.reopen();
            }
            Step::PowerLoss(seed) => {
                self.power_losses_with_unsynced_records += u32::from(self.durable_to < self.next());
                self.log = None;
                let mut state = seed | 1;
                let likely = seed >> 60;
                self.disk.crash(|| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state >> 60 <= likely
                });
                self.reopen();
            }
        }
    }

    /// Opens the log after its end and holds what it has against the model.
    fn reopen(&mut self) -> bool {
        let (log, recovered) = open(&self.disk).expect("no crash makes a log unreadable");
        let clean = recovered.clean();
        let (first, next) = (recovered.first(), recovered.next_number());
        assert!(first <= self.first, "records from {} on are gone, {} was asked for", self.first, first);
        assert!(next >= self.durable_to, "acknowledged up to {}, found up to {next}", self.durable_to);
        assert!(next <= self.next(), "found up to {next}, only {} were appended", self.next());
        let found = read(recovered).expect("no crash corrupts a segment");
        let skipped = (self.first.0 - first.0) as usize;
        self.records.truncate((next.0 - self.first.0) as usize);
        assert!(found[skipped..] == self.records[..], "the records differ from what was appended");
        self.durable_to = next;
        self.log = Some(log);
        clean
    }
}

#[test]
fn no_acknowledged_record_is_lost_and_none_is_invented() {
    let cases = 1000;
    let exercised = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&prop::collection::vec(step(), 1..80), |steps| {
        let mut life = Life::begin();
        for step in steps {
            life.live(step);
        }
        life.live(Step::PowerLoss(u64::from(exercised.get()) << 40));
        exercised.set(exercised.get() + life.power_losses_with_unsynced_records);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(exercised.get() > cases, "only {} power losses met unsynced records", exercised.get());
}

#[test]
fn a_log_that_crashes_at_every_start_does_not_grow() {
    let mut life = Life::begin();
    for round in 0..60 {
        life.live(Step::Append(vec![(10, 1)]));
        if round % 2 == 0 {
            life.live(Step::Sync);
        }
        life.live(Step::PowerLoss(round));
    }
    let bytes: usize = life.disk.names().iter().map(|name| life.disk.get(name).len()).sum();
    let segments = life.disk.names().len();
    assert!(bytes < segments * (12 << 10) + (128 << 10), "{bytes} bytes in {segments} files");
}

#[test]
fn a_log_that_only_ever_starts_does_not_grow() {
    let mut life = Life::begin();
    for round in 0..20 {
        life.live(Step::PowerLoss(round));
    }
    assert!(life.disk.names().len() <= 5, "{:?}", life.disk.names());
}
