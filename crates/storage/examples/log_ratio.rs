//! How far the log is from the disk: synced appends through the log, beside the same bytes written raw.
//!
//! Prints, for batches of 1, 64 and 1,024 records of 256 bytes, the rate and the median latency of: a raw
//! file that was written in advance (`pwrite` + `fdatasync`, no frames, no checksums), a raw file that was
//! not, and the log. The three take turns within one run, so that what else the machine does falls on all
//! alike.
//!
//! ```text
//! cargo run --release -p synod-storage --example log_ratio [DIRECTORY] [SECONDS]
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use synod_storage::wal::{Log, LogOptions};

const RECORD_BYTES: usize = 256;
const RAW_FILE_BYTES: u64 = 64 << 20;
const TURNS: u32 = 10;

type AnyError = Box<dyn std::error::Error>;

/// A file that is overwritten in place (when prepared) or grows (when not).
struct RawFile {
    file: File,
    offset: u64,
    wraps: bool,
}

impl RawFile {
    fn create(path: &Path, prepared: bool) -> Result<RawFile, AnyError> {
        let file = File::create(path)?;
        if prepared {
            let zeros = vec![0u8; 1 << 20];
            for offset in (0..RAW_FILE_BYTES).step_by(zeros.len()) {
                file.write_all_at(&zeros, offset)?;
            }
        }
        file.sync_all()?;
        Ok(RawFile { file, offset: 0, wraps: prepared })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), AnyError> {
        if self.wraps && self.offset + bytes.len() as u64 > RAW_FILE_BYTES {
            self.offset = 0;
        }
        self.file.write_all_at(bytes, self.offset)?;
        self.file.sync_data()?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// The latencies of one contender.
#[derive(Default)]
struct Samples(Vec<Duration>);

impl Samples {
    fn take(
        &mut self,
        time: Duration,
        mut append: impl FnMut() -> Result<(), AnyError>,
    ) -> Result<(), AnyError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let start = Instant::now();
            append()?;
            self.0.push(start.elapsed());
        }
        Ok(())
    }

    fn per_second(&self, batch: usize) -> f64 {
        let total: Duration = self.0.iter().sum();
        (self.0.len() * batch) as f64 / total.as_secs_f64()
    }

    fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        self.0[(self.0.len() - 1) * percent / 100].as_secs_f64() * 1e6
    }
}

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let seconds: f64 = arguments.next().as_deref().unwrap_or("6").parse()?;
    let directory = tempfile::tempdir_in(parent)?;
    let turn = Duration::from_secs_f64(seconds / f64::from(TURNS) / 9.0);

    let mut prepared = RawFile::create(&directory.path().join("prepared"), true)?;
    let mut growing = RawFile::create(&directory.path().join("growing"), false)?;
    let (mut log, _) = Log::open(&directory.path().join("log"), LogOptions::default())?;

    println!("synced appends of {RECORD_BYTES} B in {}", directory.path().display());
    println!("batch  contender        records/s     p50 us     p99 us   to prepared: rate, median");
    for batch in [1usize, 64, 1024] {
        let payloads: Vec<Vec<u8>> = (0..batch).map(|index| vec![index as u8 | 1; RECORD_BYTES]).collect();
        let bytes = payloads.concat();
        let mut samples: [Samples; 3] = Default::default();
        for _ in 0..TURNS {
            samples[0].take(turn, || prepared.append(&bytes))?;
            samples[1].take(turn, || growing.append(&bytes))?;
            samples[2].take(turn, || {
                log.append(&payloads)?;
                let durable_to = log.sync()?;
                Ok(log.forget(durable_to)?)
            })?;
        }
        let (base, base_half) = (samples[0].per_second(batch), samples[0].percentile(50));
        for (name, samples) in ["raw, prepared", "raw, growing", "log"].iter().zip(&mut samples) {
            let rate = samples.per_second(batch);
            let (half, most) = (samples.percentile(50), samples.percentile(99));
            println!(
                "{batch:5}  {name:13} {rate:12.0} {half:10.1} {most:10.1}   {:.2}  {:.2}",
                rate / base,
                base_half / half
            );
        }
    }
    log.close()?;
    Ok(())
}
