//! `cargo xtask compare-cli`: one script, run by `etcdctl` and by `synod`, must print the same.
//!
//! Each program gets a fresh etcd on the same ports, so that revisions and identities are equal, and goes
//! through the same steps. Standard output, the fact of success, and the last line of standard error of a
//! request that the server refused must be equal byte for byte. What cannot be equal is made so first:
//! identities of leases, and names that changed between `etcdctl` 3.4, which distributions ship, and 3.5,
//! whose behaviour Synod keeps.
//!
//! Needs `etcd` and `etcdctl` on the path and a built `synod` beside this program, or the path of one as
//! argument.

mod etcd;
mod steps;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use etcd::Etcd;
use steps::{STEPS, Step};

/// How long a program that does not end by itself is observed.
const OBSERVATION_TIME: Duration = Duration::from_millis(1200);
/// Pause between two looks at a process.
const POLL_PAUSE: Duration = Duration::from_millis(10);

/// What a step printed.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    stdout: String,
    is_success: bool,
    /// The last line of standard error, of steps whose errors are compared.
    error: String,
}

/// Runs the comparison; the one argument, if any, is the `synod` to compare.
pub fn run(arguments: &[String]) -> anyhow::Result<()> {
    let synod = match arguments {
        [] => std::env::current_exe()?.with_file_name("synod"),
        [path] => PathBuf::from(path),
        _ => bail!("expected at most the path of a synod"),
    };
    if !synod.exists() {
        bail!("{} does not exist: build it with `cargo build -p synod`", synod.display());
    }
    let ports = etcd::free_ports()?;
    let expected = play(Path::new("etcdctl"), ports)?;
    let found = play(&synod, ports)?;
    let mut differing = 0;
    for ((step, expected), found) in STEPS.iter().zip(&expected).zip(&found) {
        if expected != found {
            differing += 1;
            println!("✗ {}\n  etcdctl: {expected:?}\n  synod:   {found:?}", step.words.join(" "));
        }
    }
    println!("{} steps, {differing} differ", STEPS.len());
    if differing > 0 { bail!("{differing} of {} steps differ", STEPS.len()) } else { Ok(()) }
}

/// Goes through all steps with one program on a fresh etcd.
fn play(program: &Path, ports: [u16; 2]) -> anyhow::Result<Vec<Printed>> {
    let etcd = Etcd::start(ports)?;
    let mut lease = None;
    STEPS
        .iter()
        .map(|step| {
            let printed = perform(program, &etcd, step, lease.as_deref())
                .with_context(|| format!("{} {}", program.display(), step.words.join(" ")))?;
            if step.words.starts_with(&["lease", "grant"]) && printed.stdout.starts_with("lease ") {
                lease = printed.stdout.split(' ').nth(1).map(ToOwned::to_owned);
            }
            Ok(normalized(printed, lease.as_deref(), step))
        })
        .collect()
}

fn perform(program: &Path, etcd: &Etcd, step: &Step, lease: Option<&str>) -> anyhow::Result<Printed> {
    let words = step.words.iter().map(|word| word.replace("{lease}", lease.unwrap_or("0")));
    let mut process = Command::new(program)
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={}", etcd.endpoint()))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = process.stdin.take().context("standard input is a pipe")?;
    stdin.write_all(step.stdin.as_bytes())?;
    drop(stdin);
    let deadline = Instant::now() + OBSERVATION_TIME;
    while step.is_endless && process.try_wait()?.is_none() && Instant::now() < deadline {
        std::thread::sleep(POLL_PAUSE);
    }
    let was_stopped = step.is_endless && process.try_wait()?.is_none();
    if was_stopped {
        process.kill()?;
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    process.stdout.take().context("standard output is a pipe")?.read_to_end(&mut stdout)?;
    process.stderr.take().context("standard error is a pipe")?.read_to_end(&mut stderr)?;
    let is_success = process.wait()?.success() || was_stopped;
    let stderr = String::from_utf8_lossy(&stderr);
    let error = stderr.lines().rev().find(|line| !line.is_empty()).unwrap_or_default().to_owned();
    Ok(Printed { stdout: stdout.escape_ascii().to_string(), is_success, error })
}

/// Replaces what differs by chance or by etcdctl's version.
fn normalized(mut printed: Printed, lease: Option<&str>, step: &Step) -> Printed {
    if !step.compares_error {
        printed.error.clear();
    }
    if let Some(lease) = lease {
        let decimal = i64::from_str_radix(lease, 16).map(|id| id.to_string()).unwrap_or_default();
        for text in [&mut printed.stdout, &mut printed.error] {
            *text = text.replace(lease, "LEASE").replace(&decimal, "LEASE");
        }
    }
    for (old, new) in [
        ("ResponseRange", "response_range"),
        ("ResponsePut", "response_put"),
        ("ResponseDeleteRange", "response_delete_range"),
    ] {
        printed.stdout = printed.stdout.replace(old, new);
    }
    if step.words.contains(&"grant") && !printed.stdout.starts_with("lease LEASE") {
        printed.stdout = without_number_after(&printed.stdout, "\\\"ID\\\" : ");
        printed.stdout = without_number_after(&printed.stdout, "\\\"ID\\\":");
    }
    printed
}

/// Drops the digits that follow a marker.
fn without_number_after(text: &str, marker: &str) -> String {
    match text.split_once(marker) {
        Some((before, after)) => {
            format!("{before}{marker}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}
