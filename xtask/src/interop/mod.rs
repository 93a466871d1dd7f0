//! `cargo xtask interop`: Debian's stock `etcdctl` on Synod, with Debian's etcd as the oracle.
//!
//! One script runs on a cluster of three etcd members, on `synod dev`, and on three `synod serve` processes. What the client
//! prints must be equal, word for word, once the names that cannot be equal (identities of the cluster, its members and
//! leases, terms, remaining seconds) have been made so; revisions *are* equal, since all three clusters begin empty. Tables
//! about the cluster itself must have the right shape. At the end `check perf` has to pass.
//!
//! How long the servers took until they served clients is printed, and bounded where Synod promises a bound.

mod normalize;
mod steps;
mod stock;
mod tables;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cluster::{Cluster, POLL, Place, Process, Program, READY_WAIT_MAX, ServerKind, free_ports};
use normalize::Names;
use steps::{Demand, STEPS, Step};
use stock::{Said, etcdctl};

/// How long Synod may take until it serves clients, from the start of the program.
const READY_PROMISE: Duration = Duration::from_secs(2);
/// How long one command of the client may take.
const COMMAND_MAX: Duration = Duration::from_secs(20);
/// How long `check perf` may take; it measures for a minute.
const CHECK_MAX: Duration = Duration::from_secs(120);

/// Drive Debian's etcdctl against Synod and compare with etcd.
#[derive(Args, Debug)]
pub struct Interop {
    /// Leave out `check perf`, which takes a minute for each cluster
    #[arg(long)]
    short: bool,
    /// Which server is compared with etcd
    #[arg(long, value_enum, default_value_t = ServerKind::Synod)]
    server: ServerKind,
    /// The server's program, if it is not the one that is built here or installed
    #[arg(long)]
    program: Option<PathBuf>,
}

impl Interop {
    /// Runs it.
    ///
    /// # Errors
    /// Synod answers otherwise than etcd, or the comparison could not be made.
    pub fn run(self) -> anyhow::Result<()> {
        stock::install()?;
        let program = Program::find(self.server, self.program.clone())?;
        let directory = tempfile::Builder::new().prefix("synod-interop-").tempdir()?;
        println!("{}", stock::version());
        let oracle = Program::find(ServerKind::Etcd, None)?;
        let expected = play(Served::serve(oracle, &directory.path().join("oracle"), "etcd")?)?;

        let mut failures = 0;
        if self.server == ServerKind::Synod {
            let served = Served::dev(&program, &directory.path().join("dev"))?;
            failures += self.compare(served, &expected)?;
        }
        let served = Served::serve(program, &directory.path().join("serve"), "synod serve")?;
        failures += self.compare(served, &expected)?;
        if failures > 0 {
            bail!("{failures} of the demands on the stock client were not met");
        }
        println!("\nThe stock client is served as by etcd.");
        Ok(())
    }

    /// Plays the script and prints what came out; the number of failures.
    fn compare(&self, served: Served, expected: &[Said]) -> anyhow::Result<usize> {
        let (name, ready) = (served.name, served.ready);
        let endpoints = served.endpoints.clone();
        println!("\n{name}: ready to serve clients after {:.2} s", ready.as_secs_f32());
        let mut failures = 0;
        if self.server == ServerKind::Synod && ready > READY_PROMISE {
            failures += 1;
            println!("  FAIL  it was to be ready within {READY_PROMISE:?}");
        }
        let (found, _held) = play_on(served)?;
        for ((step, expected), found) in STEPS.iter().zip(expected).zip(&found) {
            match judge(step, expected, found) {
                Ok(()) => println!("  ok    {}", step.command),
                Err(sentence) => {
                    failures += 1;
                    println!("  FAIL  {}\n        {}", step.command, sentence.replace('\n', "\n        "));
                }
            }
        }
        if !self.short {
            failures += usize::from(!check_perf(&endpoints)?);
        }
        Ok(failures)
    }
}

/// A cluster that serves clients.
struct Served {
    name: &'static str,
    endpoints: String,
    ready: Duration,
    /// What runs it; it ends when this is dropped.
    held: Held,
}

#[expect(dead_code, reason = "held, so that the processes run on")]
enum Held {
    Cluster(Cluster),
    Process(Process),
}

impl Served {
    /// Three processes.
    fn serve(program: Program, directory: &Path, name: &'static str) -> anyhow::Result<Self> {
        let mut cluster = Cluster::new(program, directory, Place::on_loopback(3)?)?;
        let ready = cluster.start_all()?;
        Ok(Self { name, endpoints: cluster.endpoints().join(","), ready, held: Held::Cluster(cluster) })
    }

    /// One process with three members, as one tries Synod first.
    fn dev(program: &Program, directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let log = directory.join("dev.log");
        let ports = free_ports(6)?;
        let endpoint = |port: u16| format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let data = directory.join("data").into_os_string();
        let listen = OsString::from(endpoint(ports[0]));
        let arguments = ["dev".into(), "--data".into(), data, "--listen".into(), listen];
        let began = Instant::now();
        let mut process = Process::start(program.path(), &arguments, None, &[], &log)?;
        loop {
            let output = std::fs::read_to_string(&log)?;
            if output.contains("ready to serve client requests") {
                break;
            }
            if let Some(status) = process.ended() {
                bail!("`dev` ended by itself with {status}:\n{output}");
            }
            if began.elapsed() > READY_WAIT_MAX {
                bail!("`dev` did not serve clients within {READY_WAIT_MAX:?}:\n{output}");
            }
            std::thread::sleep(POLL);
        }
        // Member i has the client port two above the one before. Endpoints are named without a scheme here, and with one
        // for `serve`: clients send them in different forms, and users write both.
        let endpoints = [0, 2, 4].map(|index| endpoint(ports[index])).join(",");
        Ok(Self { name: "synod dev", endpoints, ready: began.elapsed(), held: Held::Process(process) })
    }
}

/// Plays the script on a cluster that is not needed any more afterwards.
fn play(served: Served) -> anyhow::Result<Vec<Said>> {
    println!("{}: ready to serve clients after {:.2} s", served.name, served.ready.as_secs_f32());
    Ok(play_on(served)?.0)
}

/// Plays the script: what was said at each step, with equal names.
fn play_on(served: Served) -> anyhow::Result<(Vec<Said>, Held)> {
    let mut names = Names::default();
    let mut all = Vec::with_capacity(STEPS.len());
    for step in STEPS {
        let words: Vec<String> = step.command.split(' ').map(|word| names.fill_in(word)).collect();
        let until = if let Demand::SameUntil(words) = step.demand { Some(words) } else { None };
        let said = etcdctl(&served.endpoints, &words, step.stdin, until, COMMAND_MAX)
            .with_context(|| format!("{}: {}", served.name, step.command));
        // One that hangs is a finding like another.
        let said = said.unwrap_or_else(|error| Said { output: format!("{error:#}"), ..Said::default() });
        names.learn(&said.output);
        all.push(Said {
            output: names.make_equal(&said.output),
            complaint: names.make_equal(&said.complaint),
            succeeded: said.succeeded,
        });
    }
    Ok((all, served.held))
}

/// Whether a step is right; else why not.
fn judge(step: &Step, expected: &Said, found: &Said) -> Result<(), String> {
    let differs = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
        Err(format!("{what}: etcd has {expected:?},\n{:width$}  this has {found:?}", "", width = what.len()))
    };
    if let Demand::Shape(right) = step.demand {
        right(&expected.output)
            .map_err(|sentence| format!("etcd itself: {sentence}\n{}", expected.output))?;
        return right(&found.output).map_err(|sentence| format!("{sentence}\n{}", found.output));
    }
    if expected.succeeded != found.succeeded {
        let complaint = format!("{}\n{}{}", found.succeeded, found.output, found.complaint);
        return differs("success", &expected.succeeded, &complaint);
    }
    if expected.output != found.output {
        return differs("output", &expected.output, &found.output);
    }
    if matches!(step.demand, Demand::SameRefusal) {
        if expected.complaint != found.complaint {
            return differs("complaint", &expected.complaint, &found.complaint);
        }
        if expected.complaint.is_empty() {
            return Err("etcd itself does not refuse it".to_owned());
        }
    } else if !expected.succeeded {
        return Err(format!("etcd itself fails: {}", expected.complaint));
    }
    Ok(())
}

/// Runs the client's own measurement; whether it is content.
fn check_perf(endpoints: &str) -> anyhow::Result<bool> {
    let words = ["check", "perf", "--load=s"].map(str::to_owned);
    let said = etcdctl(endpoints, &words, "", None, CHECK_MAX)?;
    // The progress bar stands in the same stream.
    let lines = said.output.split(['\n', '\r']).map(str::trim);
    let verdicts: Vec<&str> =
        lines.filter(|line| line.starts_with("PASS") || line.starts_with("FAIL")).collect();
    let passed = said.succeeded && verdicts.last() == Some(&"PASS");
    println!("  {}  check perf --load=s", if passed { "ok  " } else { "FAIL" });
    for verdict in &verdicts {
        println!("        {verdict}");
    }
    if !passed && verdicts.is_empty() {
        println!("        {}", said.complaint);
    }
    Ok(passed)
}
