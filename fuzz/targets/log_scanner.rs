//! The scanner of the write-ahead log: records are written and damaged as the input says; what was not written must not be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_storage::wal::exercise::exercise_scanner;

fuzz_target!(
    init: synod_fuzz::plant(seeds()),
    |input: &[u8]| exercise_scanner(input)
);

/// Records and a mark, then one kind of damage each: a byte, a sector, a stretch moved, a cut.
fn seeds() -> Vec<Vec<u8>> {
    let records = [40, 0, 100, 200, 17, 255];
    (0..4).map(|damage| [&records[..], &[damage, 0, 90, 7, 1]].concat()).collect()
}
