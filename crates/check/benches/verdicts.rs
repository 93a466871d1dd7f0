//! The verdict on every history of the comparison of checkers: `cargo bench -p synod-check --bench verdicts`. A part of a
//! row's name measures the rows that contain it.

#[path = "../examples/compare/ours.rs"]
mod ours;
#[allow(dead_code, reason = "what the table says of a row besides its name is of no use here")]
#[path = "../examples/compare/rows.rs"]
mod rows;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rows::ROWS;

fn verdicts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verdict");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for row in ROWS {
        for (version, broken) in [("correct", false), ("broken", true)] {
            // A history is made only where it is measured: some of them take a second.
            let mut history = None;
            let name = BenchmarkId::new(row.workload.name(), version);
            group.bench_function(name, |bencher| {
                let history = history.get_or_insert_with(|| row.workload.history(broken));
                bencher.iter(|| ours::judge(history));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, verdicts);
criterion_main!(benches);
