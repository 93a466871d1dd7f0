//! Running the targets: as many at once as there are processors, each under a bound on its memory.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::report::{Figures, complaint};
use super::{build, corpus};

/// Address space of a target, in bytes: an allocation by a claimed length of 32 bits fails.
const ADDRESS_SPACE_BYTES_MAX: u64 = 2 << 30;
/// Memory that a target may really use, in MiB.
const RESIDENT_MIB_MAX: u32 = 512;
/// A single input that takes longer has hung.
const INPUT_SECONDS_MAX: u32 = 10;
/// With more files than this the corpus is cut down to those that reach something of their own.
const CORPUS_FILES_MAX: usize = 1000;

/// Runs `targets` for `time` each, and says what came of it.
pub fn run(targets: &[String], time: Duration) -> anyhow::Result<()> {
    let waiting = Mutex::new(targets.iter().collect::<VecDeque<_>>());
    let failures = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    println!("{:<16} {:>10} {:>9}  {:<14} corpus", "target", "runs", "runs/s", "coverage");
    thread::scope(|scope| {
        for _ in 0..workers.min(targets.len()) {
            scope.spawn(|| {
                while let Some(target) = { waiting.lock().expect("no worker panics").pop_front() } {
                    if let Err(error) = run_one(target, time) {
                        failures.lock().expect("no worker panics").push(format!("{target}: {error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no worker panics");
    ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
    Ok(())
}

/// Runs `target` once with the content of `file`.
pub fn reproduce(target: &str, file: &Path) -> anyhow::Result<()> {
    ensure!(file.exists(), "{} does not exist", file.display());
    let status = limited(target)?.arg(file).status().context("cannot run prlimit")?;
    ensure!(status.success(), "{target} fails with {}", file.display());
    Ok(())
}

fn run_one(target: &str, time: Duration) -> anyhow::Result<()> {
    let corpus = prepare(target)?;
    let findings = folder("findings", "")?;
    let log_path = folder("logs", "")?.join(format!("{target}.log"));
    let log = File::create(&log_path)?;
    let status = limited(target)?
        .env("SYNOD_FUZZ_SEEDS", &corpus)
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={RESIDENT_MIB_MAX}"))
        .arg(format!("-artifact_prefix={}", findings.join(format!("{target}-")).display()))
        .arg(&corpus)
        .stderr(log)
        .stdout(Stdio::null())
        .status()
        .context("cannot run prlimit")?;
    let log = String::from_utf8_lossy(&fs::read(&log_path)?).into_owned();
    if !status.success() {
        let written =
            log.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
        let Some(file) = written else { bail!("{status}\n{}", complaint(&log)) };
        bail!("{}\nto reproduce: cargo xtask fuzz {target} --reproduce {file}", complaint(&log));
    }
    let figures = Figures::parse(&log);
    ensure!(figures.exercised(), "nothing was exercised ({figures:?}): is the instrumentation in?");
    let Figures { coverage_before, coverage_after, runs, .. } = figures;
    let coverage = format!("{coverage_before} -> {coverage_after}");
    let rate = runs / time.as_secs().max(1);
    println!("{target:<16} {runs:>10} {rate:>9}  {coverage:<14} {}", files(&corpus)?);
    Ok(())
}

/// The folder of the target's inputs, not too many of them, with those of the repository.
fn prepare(target: &str) -> anyhow::Result<PathBuf> {
    let inputs = folder("corpus", target)?;
    if files(&inputs)? > CORPUS_FILES_MAX {
        let all = inputs.with_extension("all");
        fs::rename(&inputs, &all)?;
        fs::create_dir_all(&inputs)?;
        let merge = limited(target)?
            .arg("-merge=1")
            .args([&inputs, &all])
            .stderr(Stdio::null())
            .status()
            .context("cannot run prlimit")?;
        if merge.success() {
            fs::remove_dir_all(&all)?;
        } else {
            // An input that crashes among them: all are kept, so that the run finds it again.
            fs::remove_dir_all(&inputs)?;
            fs::rename(&all, &inputs)?;
        }
    }
    corpus::unpack(target, &inputs)?;
    Ok(inputs)
}

/// The target's program under its limit of memory.
fn limited(target: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={ADDRESS_SPACE_BYTES_MAX}")).arg(build::program(target)?);
    Ok(command)
}

fn folder(kind: &str, target: &str) -> anyhow::Result<PathBuf> {
    let folder = build::folder().join(kind).join(target);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn files(folder: &Path) -> anyhow::Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}
