//! The stages of a put and a read in this crate: `cargo bench -p synod-storage`. A part of a benchmark's name measures those that
//! contain it.
//!
//! - `log append and sync`: batches of 1, 64 and 1,024 records of 256 bytes.
//! - `store apply`: puts of 256 bytes over 20,000 keys in batches of 16, drawn keys (so most replace a version) and new ones; layers
//!   are written to disk on the way.
//! - `delete a range`: 50,000 keys in one operation.
//! - `range of 100`: pages from a view, of keys in tables and of keys in memory.

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synod_storage::{
    kv::{FjallKv, FjallOptions},
    mvcc::*,
    wal::{Log, LogOptions},
};

const VALUE_BYTES: usize = 256;
const KEYS: u64 = 20_000;
const BATCH_OPERATIONS: u64 = 16;
const DELETED_KEYS: u64 = 50_000;
const PAGE_KEYS: u64 = 100;

fn log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log append and sync");
    group.measurement_time(Duration::from_secs(3));
    for records in [1usize, 64, 1_024] {
        let directory = tempfile::tempdir().expect("a directory for the log");
        let (mut log, _) = Log::open(directory.path(), LogOptions::default()).expect("an empty log opens");
        let batch = vec![vec![7u8; VALUE_BYTES]; records];
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(records.to_string(), |bencher| {
            bencher.iter(|| {
                let range = log.append(&batch).expect("the log takes records");
                log.sync().expect("the log is synced");
                // As after a snapshot: segments are used again instead of filling the disk.
                log.forget(range.start).expect("the log forgets");
            });
        });
    }
    group.finish();
}

/// A store on disk, in a directory that goes with it.
struct OnDisk {
    store: Store<FjallKv>,
    applied: u64,
    random: u64,
    _directory: tempfile::TempDir,
}

impl OnDisk {
    fn new(keys: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the store");
        let engine = FjallKv::open(directory.path(), FjallOptions::default()).expect("an empty engine opens");
        let store = Store::open(engine).expect("an empty store opens");
        let mut filled = Self { store, applied: 0, random: 42, _directory: directory };
        for number in 0..keys {
            filled.put(number);
        }
        filled.store.flush().expect("the store is flushed");
        filled
    }

    fn apply(&mut self, operation: &Operation) {
        self.applied += 1;
        let applied = self.store.apply(self.applied, operation, Events::Skip).expect("the engine works");
        black_box(applied).outcome.expect("nothing is refused");
    }

    fn put(&mut self, number: u64) {
        let value = Bytes::from(vec![number as u8; VALUE_BYTES]);
        self.apply(&Operation::Put(PutRequest { key: key(number), value, ..PutRequest::default() }));
        if self.applied.is_multiple_of(BATCH_OPERATIONS) {
            self.store.flush().expect("the store is flushed");
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}

fn key(number: u64) -> Bytes {
    format!("key-{number:010}").into()
}

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store apply");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(5));
    let mut filled = OnDisk::new(KEYS);
    group.bench_function("put over what is there", |bencher| {
        bencher.iter(|| {
            let number = filled.below(KEYS);
            filled.put(number);
        });
    });
    let (mut fresh, mut next) = (OnDisk::new(0), 0);
    group.bench_function("put a new key", |bencher| {
        bencher.iter(|| {
            fresh.put(next);
            next += 1;
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("delete a range");
    group.throughput(Throughput::Elements(DELETED_KEYS)).sample_size(10);
    let delete = Operation::Delete(DeleteRequest { range: KeyRange::all(), prev_kv: false });
    group.bench_function(format!("of {DELETED_KEYS} keys"), |bencher| {
        bencher.iter_batched(
            || OnDisk::new(DELETED_KEYS),
            |mut filled| {
                filled.apply(&delete);
                filled.store.flush().expect("the store is flushed");
                filled
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn range(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("range of 100");
    group.throughput(Throughput::Elements(PAGE_KEYS));
    let mut filled = OnDisk::new(KEYS);
    for (where_they_are, persisted) in [("in memory", false), ("in tables", true)] {
        if persisted {
            filled.store.persist().expect("the layers are written");
        }
        let view = filled.store.view();
        group.bench_function(where_they_are, |bencher| {
            bencher.iter(|| {
                let from = filled.below(KEYS - PAGE_KEYS);
                let range = KeyRange { key: key(from), end: key(KEYS) };
                let request = RangeRequest { range, limit: PAGE_KEYS as i64, ..RangeRequest::default() };
                let page = view.range(&request).expect("the engine works");
                assert_eq!(page.count as u64, KEYS - from, "keys are counted");
                page
            });
        });
    }
    group.finish();
}

criterion_group!(benches, log, apply, range);
criterion_main!(benches);
