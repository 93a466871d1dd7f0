//! How fast the store is on disk, and what it takes: `cargo run --release -p synod-storage --example store_bench [keys] [directory]`.
//!
//! Puts in batches of 64 through apply and flush, overwrites, random gets, pages and counts from a view, compaction, and
//! the time to open again. Prints one line each.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use synod_storage::{
    kv::{FjallKv, FjallOptions},
    mvcc::*,
};

const BATCH_OPERATIONS: u64 = 64;
const VALUE_BYTES: usize = 64;
const PAGE_KEYS: i64 = 500;

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1);
    let keys: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let given = arguments.next().map(PathBuf::from);
    let temporary = tempfile::tempdir().map_err(|error| StoreError::Engine(error.to_string()))?;
    let directory = given.as_deref().unwrap_or(temporary.path());
    let mut random = Random(42);

    let mut store = timed("open empty", 1, || open(directory))?;
    timed("put new keys", keys, || put_all(&mut store, (0..keys).map(shuffled)))?;
    timed("persist", 1, || store.persist())?;
    let overwrites = keys / 2;
    timed("overwrite", overwrites, || {
        put_all(&mut store, (0..overwrites).map(|_| shuffled(random.below(keys))))
    })?;
    let view = store.view();
    let gets = keys.min(200_000);
    timed("random get", gets, || {
        for _ in 0..gets {
            let range = KeyRange::key(key(shuffled(random.below(keys))));
            let found = view.range(&RangeRequest { range, ..RangeRequest::default() })?;
            assert_eq!(found.count, 1, "expected every key to be found");
        }
        Ok(())
    })?;
    let all = || RangeRequest { range: KeyRange::all(), ..RangeRequest::default() };
    timed("count all keys", keys, || view.range(&RangeRequest { count_only: true, ..all() }))?;
    timed("read a page at head, with the exact count", 1, || {
        view.range(&RangeRequest { limit: PAGE_KEYS, ..all() })
    })?;
    let narrow = KeyRange::prefix("key-0000000001");
    timed("read a narrow prefix", 1, || view.range(&RangeRequest { range: narrow.clone(), ..all() }))?;
    timed("hash everything", keys, || view.hash())?;
    drop(view);
    memory("after all of this");

    let revision = store.revision();
    let index = store.applied_index() + 1;
    store.apply(index, &Operation::Compact { revision }, Events::Skip)?;
    timed("sweep after compaction, per change", keys + overwrites, || {
        while store.compact_step(1_000)? == Sweep::Unfinished {}
        Ok(())
    })?;
    println!("{:<44} {:>10} MiB", "on disk", store.size_bytes() >> 20);
    store.persist()?;
    drop(store);
    let store = timed("open again", 1, || open(directory))?;
    memory("after opening again");
    assert_eq!(store.revision(), revision);
    Ok(())
}

fn open(directory: &Path) -> Result<Store<FjallKv>, StoreError> {
    Store::open(FjallKv::open(directory, FjallOptions::default())?)
}

fn put_all(store: &mut Store<FjallKv>, numbers: impl Iterator<Item = u64>) -> Result<(), StoreError> {
    for number in numbers {
        let index = store.applied_index() + 1;
        let value = Bytes::from(vec![index as u8; VALUE_BYTES]);
        let put = PutRequest { key: key(number), value, ..PutRequest::default() };
        store.apply(index, &Operation::Put(put), Events::Collect)?;
        if index.is_multiple_of(BATCH_OPERATIONS) {
            store.flush()?;
        }
    }
    store.flush()
}

fn key(number: u64) -> Bytes {
    format!("key-{number:020}").into()
}

/// Spreads consecutive numbers over the whole range, each to one place.
fn shuffled(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn timed<T>(what: &str, count: u64, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let start = Instant::now();
    let result = work()?;
    let took = start.elapsed();
    match count {
        1 => println!("{what:<44} {:>10.2} ms", took.as_secs_f64() * 1e3),
        _ => println!("{what:<44} {:>10.0} /s   {}", rate(count, took), seconds(took)),
    }
    Ok(result)
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn seconds(took: Duration) -> String {
    format!("({:.2} s)", took.as_secs_f64())
}

/// Resident memory, where the system tells.
fn memory(when: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM")) {
        println!("{when:<44} {line}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
