//! Real clusters for tests from outside: processes of a server program, started, killed and paused.
//!
//! The program under test is a parameter. Synod's `serve` takes etcd's flags, so the same harness runs Debian's etcd: as an
//! oracle beside Synod, and to try the tests themselves on a server that is known.
//!
//! # What a cluster leaves behind
//! Nothing, unless a test failed: then the directory with the members' data and logs is kept and named. Each process is
//! started through `setpriv --pdeathsig`, where the machine has it, so that not even a kill of the test leaves one
//! running; otherwise it dies when its [`Process`] is dropped. (The kernel sends that signal when the *thread* that
//! started the process ends. So members are started from the main thread only.)
//!
//! # Ports
//! A member that is restarted needs its ports again. They are taken from below the range from which the system serves
//! outgoing connections, or one of those might sit on them in the meantime.

pub mod api;
mod memory;
mod ports;
mod process;
mod program;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

pub use memory::MemoryLimit;
pub use ports::free_ports;
pub use process::{Process, Signal};
pub use program::{Program, ServerKind};

/// How long a member may take until it serves clients. Much longer than it should, since a machine that also compiles is slow.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a condition that is waited for is looked at.
pub const POLL: Duration = Duration::from_millis(20);
/// What a member logs when it serves clients; supervisors of etcd wait for it.
const READY_LINE: &str = "ready to serve client requests";

/// Where a member runs and can be reached.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where it serves clients.
    pub client: SocketAddr,
    /// Where it serves the other members.
    pub peer: SocketAddr,
    /// The network namespace to run it in, if not this program's own.
    pub namespace: Option<String>,
}

impl Place {
    /// As many places on the loopback interface as are asked for.
    ///
    /// # Errors
    /// No ports are free.
    pub fn on_loopback(count: usize) -> anyhow::Result<Vec<Self>> {
        let ports = free_ports(count * 2)?;
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(ports
            .chunks_exact(2)
            .map(|pair| Self { client: address(pair[0]), peer: address(pair[1]), namespace: None })
            .collect())
    }
}

/// One member: a place, a data directory, a log, and sometimes a process.
#[derive(Debug)]
pub struct Member {
    /// Its name in the cluster.
    pub name: String,
    /// Where it runs.
    pub place: Place,
    /// Where its data lies.
    pub data: PathBuf,
    /// Where its output goes; every start adds to it.
    pub log: PathBuf,
    /// Its process while it runs.
    pub process: Option<Process>,
    paused: bool,
    /// Where the output of the present process begins.
    log_start: u64,
}

/// A cluster of `serve` processes.
#[derive(Debug)]
pub struct Cluster {
    program: Program,
    token: String,
    /// What stands before the program's words, and after its arguments.
    before: Vec<OsString>,
    more: Vec<OsString>,
    /// The members; they keep their places.
    pub members: Vec<Member>,
}

impl Cluster {
    /// A cluster whose members are not started yet. Data and logs go below `directory`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn new(program: Program, directory: &Path, places: Vec<Place>) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for (index, place) in places.into_iter().enumerate() {
            let name = format!("m{}", index + 1);
            let data = directory.join(&name);
            std::fs::create_dir_all(directory).context("the cluster's directory cannot be made")?;
            let log = directory.join(format!("{name}.log"));
            members.push(Member { name, place, data, log, process: None, paused: false, log_start: 0 });
        }
        let token = format!("xtask-{}", std::process::id());
        Ok(Self { program, token, before: Vec::new(), more: Vec::new(), members })
    }

    /// Members that are started from now on run under the bound, all together.
    pub fn limit_memory(&mut self, limit: &MemoryLimit) {
        self.before = limit.words();
    }

    /// Members that are started from now on get these arguments, too.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.more.extend(arguments.iter().map(OsString::from));
    }

    /// The URLs at which clients are served.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Member::endpoint).collect()
    }

    /// Starts a member that does not run. It is not ready yet.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&mut self, index: usize) -> anyhow::Result<()> {
        let initial_cluster: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("{}=http://{}", member.name, member.place.peer))
            .collect();
        let mut arguments =
            self.program.serve_arguments(&self.members[index], &initial_cluster.join(","), &self.token);
        arguments.extend(self.more.iter().cloned());
        let member = &mut self.members[index];
        if member.process.is_some() {
            bail!("{} runs already", member.name);
        }
        member.log_start = std::fs::metadata(&member.log).map_or(0, |metadata| metadata.len());
        let namespace = member.place.namespace.as_deref();
        let process = Process::start(self.program.path(), &arguments, namespace, &self.before, &member.log)
            .with_context(|| format!("{} cannot be started", member.name))?;
        member.process = Some(process);
        member.paused = false;
        Ok(())
    }

    /// Starts all members and waits until they serve; says how long that took.
    ///
    /// # Errors
    /// One does not start, ends, or is not ready in time.
    pub fn start_all(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for index in 0..self.members.len() {
            self.start(index)?;
        }
        while !self.all_ready()? {
            if began.elapsed() > READY_WAIT_MAX {
                bail!("the members did not serve clients within {READY_WAIT_MAX:?}; {}", self.log_tails());
            }
            std::thread::sleep(POLL);
        }
        Ok(began.elapsed())
    }

    /// Whether all members that run have said that they serve clients.
    ///
    /// # Errors
    /// One has ended.
    pub fn all_ready(&mut self) -> anyhow::Result<bool> {
        self.check_alive()?;
        Ok(self.members.iter().filter(|member| member.process.is_some()).all(Member::is_ready))
    }

    /// Whether every process that should run does.
    ///
    /// # Errors
    /// One has ended by itself; the error shows how and the end of its log.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        for member in &mut self.members {
            if let Some(process) = &mut member.process
                && let Some(status) = process.ended()
            {
                bail!("{} ended by itself with {status}; {}", member.name, member.log_tail());
            }
        }
        Ok(())
    }

    /// The members whose process runs and is not paused.
    pub fn running(&self) -> Vec<usize> {
        self.indices(|member| member.process.is_some() && !member.paused)
    }

    /// The members without a process.
    pub fn down(&self) -> Vec<usize> {
        self.indices(|member| member.process.is_none())
    }

    /// The members whose process is stopped for a while.
    pub fn paused(&self) -> Vec<usize> {
        self.indices(|member| member.paused)
    }

    /// The ends of all logs, for a message.
    pub fn log_tails(&self) -> String {
        self.members.iter().map(Member::log_tail).collect::<Vec<_>>().join("\n")
    }

    fn indices(&self, wanted: impl Fn(&Member) -> bool) -> Vec<usize> {
        (0..self.members.len()).filter(|&index| wanted(&self.members[index])).collect()
    }
}

impl Member {
    /// The URL at which it serves clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.place.client)
    }

    /// Whether its present process has said that it serves clients.
    pub fn is_ready(&self) -> bool {
        self.output().contains(READY_LINE)
    }

    /// What its present process, or the last one, has said.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// The end of its log, for a message.
    pub fn log_tail(&self) -> String {
        const LINES_MAX: usize = 12;
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n    ");
        format!("the end of {}:\n    {tail}", self.log.display())
    }

    /// Kills the process at once, without a chance to write anything.
    pub fn kill(&mut self) {
        self.process = None;
        self.paused = false;
    }

    /// Stops the process from running for a while.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("only a running member can be paused")?;
        process.signal(Signal::STOP)?;
        self.paused = true;
        Ok(())
    }

    /// Lets a paused process run on.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        if let Some(process) = self.process.as_ref().filter(|_| self.paused) {
            process.signal(Signal::CONT)?;
        }
        self.paused = false;
        Ok(())
    }
}
