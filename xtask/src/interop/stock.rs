//! Debian's own client and server.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cluster::POLL;

/// What a command of the client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub output: String,
    /// The last line of standard error.
    pub complaint: String,
    /// Whether it ended well. One that was stopped on purpose counts as well.
    pub succeeded: bool,
}

/// Installs what is missing of the stock programs.
///
/// # Errors
/// A program is missing and cannot be installed.
pub fn install() -> anyhow::Result<()> {
    for (program, package) in [("etcdctl", "etcd-client"), ("etcd", "etcd-server")] {
        if runs(program) {
            continue;
        }
        println!("{program} is missing; installing Debian's {package}");
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-q", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status();
        if !installed.is_ok_and(|status| status.success()) || !runs(program) {
            bail!("{program} is missing and `apt-get install {package}` failed; install it by hand");
        }
    }
    Ok(())
}

fn runs(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

/// The client's version, in its own words.
pub fn version() -> String {
    let output = Command::new("etcdctl").arg("version").env("ETCDCTL_API", "3").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("etcdctl of unknown version").to_owned()
}

/// Runs a command of the client. One that does not end by itself is stopped when its output has `until`, and fails when
/// that does not come in time.
///
/// # Errors
/// It takes longer than `patience`.
pub fn etcdctl(
    endpoints: &str,
    words: &[String],
    stdin: &str,
    until: Option<&str>,
    patience: Duration,
) -> anyhow::Result<Said> {
    let mut command = Command::new("etcdctl");
    command.args(words).env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", endpoints);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Killed(command.spawn().context("etcdctl does not start")?);
    let mut input = running.0.stdin.take().context("standard input is a pipe")?;
    // A client that does not read its input is not at fault.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let output = collect(running.0.stdout.take().context("standard output is a pipe")?);
    let errors = collect(running.0.stderr.take().context("standard error is a pipe")?);
    let began = Instant::now();
    let stopped_by_us = loop {
        if running.0.try_wait()?.is_some() {
            break false;
        }
        if until.is_some_and(|words| text(&output).contains(words)) {
            // What comes behind the words in one piece, a line's end for instance, comes at once.
            std::thread::sleep(POLL * 4);
            break true;
        }
        if began.elapsed() > patience {
            bail!(
                "etcdctl {} did not end within {patience:?}; so far it said:\n{}",
                words.join(" "),
                text(&output)
            );
        }
        std::thread::sleep(POLL / 4);
    };
    let succeeded = stopped_by_us || running.0.wait()?.success();
    drop(running);
    let output = finish(output);
    let complaint = finish(errors).trim_end().lines().last().unwrap_or_default().to_owned();
    Ok(Said { output, complaint, succeeded })
}

/// A pipe that is being read, and what came so far.
type Pipe = (Arc<Mutex<Vec<u8>>>, std::thread::JoinHandle<()>);

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> Pipe {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let collected = bytes.clone();
    let reading = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = pipe.by_ref().read(&mut chunk) {
            collected.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
        }
    });
    (bytes, reading)
}

fn text(pipe: &Pipe) -> String {
    String::from_utf8_lossy(&pipe.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// The whole text of a pipe whose writer has gone.
fn finish(pipe: Pipe) -> String {
    let (bytes, reading) = pipe;
    // A reader that failed has read what could be read.
    let _ = reading.join();
    let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A child that does not outlive this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
