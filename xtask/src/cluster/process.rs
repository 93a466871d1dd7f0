//! One process that does not outlive its owner.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use anyhow::Context as _;
use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

/// A process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program in a network namespace, or in this one, with its output added to a file. The words of `before` run it.
    ///
    /// # Errors
    /// The file or the program cannot be opened.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        namespace: Option<&str>,
        before: &[OsString],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let errors = output.try_clone()?;
        let mut command = command_that_dies_with_us(program, namespace, before);
        command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child })
    }

    /// The system's number of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// The system refuses.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.context("a process has a positive id")?;
        kill_process(id, signal).context("a process could not be signalled")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command whose process the kernel kills when this thread ends, where the machine has the means.
fn command_that_dies_with_us(program: &Path, namespace: Option<&str>, before: &[OsString]) -> Command {
    static HAS_SETPRIV: OnceLock<bool> = OnceLock::new();
    let has_setpriv = *HAS_SETPRIV.get_or_init(|| {
        let probe = Command::new("setpriv").args(["--pdeathsig", "keep", "true"]).status();
        probe.is_ok_and(|status| status.success())
    });
    let mut words: Vec<OsString> = Vec::new();
    if has_setpriv {
        words.extend(["setpriv", "--pdeathsig", "KILL"].map(OsString::from));
    }
    if let Some(namespace) = namespace {
        words.extend(["ip", "netns", "exec", namespace].map(OsString::from));
    }
    words.extend(before.iter().cloned());
    words.push(program.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
