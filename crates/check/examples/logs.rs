//! How long the linearizability checker takes on files: `cargo run --release --example logs -- FILE...`.
//!
//! Histories of registers in any format that can be read. The time is that of the verdict alone, without reading the file, the
//! median of nine runs; one thread. The last line has the median, the sum and the longest of all files.

use std::fs::File;
use std::io::BufReader;
use std::time::{Duration, Instant};

use synod_check::format::objects::{Keying, cas_register, initial_value, keying, typed};
use synod_check::format::{Object, read};
use synod_check::linearizability::check;
use synod_check::specification::CasRegister;

/// How often each file is checked.
const RUNS: usize = 9;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for path in std::env::args().skip(1) {
        let log =
            read(BufReader::new(File::open(&path)?), |_| {}).map_err(|error| format!("{path}: {error}"))?;
        if keying(&log) != Keying::Single {
            return Err(format!("{path}: expected the history of one register, found several keys").into());
        }
        let object = Object::CasRegister;
        let convert = |operation: &_| cas_register(object, log.format, Keying::Single, operation);
        let typed = typed(&log, convert).map_err(|fault| format!("{path}: {fault}"))?;
        let spec = CasRegister { initial: initial_value(&log, object) };
        let mut runs: Vec<(Duration, &str)> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                let verdict = check(&spec, &typed.history);
                let took = start.elapsed();
                let word = match (verdict.is_linearizable(), verdict.is_violation()) {
                    (true, _) => "linearizable",
                    (_, true) => "not linearizable",
                    _ => "unknown",
                };
                (took, word)
            })
            .collect();
        runs.sort();
        let (took, word) = runs[RUNS / 2];
        println!("{:>10.4} ms  {word:<17} {path}", millis(took));
        times.push(took);
    }
    times.sort();
    if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
        let sum = times.iter().sum();
        println!(
            "{} files: median {:.4} ms, sum {:.3} ms, longest {:.3} ms",
            times.len(),
            millis(*median),
            millis(sum),
            millis(*longest)
        );
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
