//! `cargo xtask compare-etcd`: Synod and etcd side by side on this machine, row by row.
//!
//! Both run in turn, several rounds: clusters of three members on loopback and single ones, at their default settings, so
//! with every change synced before it is acknowledged. `synod bench` drives both. A ratio is of two measurements in one round; the
//! table shows the median of the rounds and the spread. CPU time is what all members' processes took, user and
//! system, read from the system: the generator runs on the same cores, so that is sharper than the rate.
//!
//! Without `--etcd` it takes Debian's etcd 3.5, from a cache below the target folder, where it is put the first time.

mod check_perf;
mod debian;
mod failover;
mod larger;
mod log;
mod million;
mod process;
mod rows;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::cluster::{Cluster, Place, Program, ServerKind, Signal};
use rows::{BENCH_ROWS, BenchRow};
use table::{Figures, Table};

/// Let a fresh cluster come to rest before it is looked at.
const SETTLE: Duration = Duration::from_secs(2);
/// How long an idle cluster's CPU time is counted.
const IDLE: Duration = Duration::from_secs(10);
/// How often a leader goes in a round.
const FAILOVERS: usize = 3;

/// What is said of a generator that does not report as it should.
const GENERATOR_JSON: &str = "synod bench did not print its JSON";

/// Measure Synod beside etcd.
#[derive(clap::Args)]
pub struct CompareEtcd {
    /// The etcd; by default Debian's 3.5, fetched into a cache
    #[arg(long)]
    etcd: Option<PathBuf>,
    /// The synod; by default it is built here in release mode
    #[arg(long)]
    synod: Option<PathBuf>,
    /// Rounds, in each of which both take their turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Only rows whose name contains this; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// Measure, instead of all else, a store of 4 GiB in a member that may take 512 MiB of memory; takes minutes
    #[arg(long)]
    larger: bool,
    /// Measure, instead of all else, what `etcdctl check perf` finds at these loads; takes a minute each
    #[arg(long, value_name = "LOAD", value_delimiter = ',', num_args = 0.., default_missing_values = check_perf::LOADS, value_parser = check_perf::LOADS)]
    check_perf: Vec<String>,
    /// Measure everything, the rows of --larger and --check-perf too; takes most of an hour a round
    #[arg(long, conflicts_with_all = ["larger", "check_perf", "only"])]
    whole: bool,
    /// Print a Markdown table, as in docs/performance.md
    #[arg(long)]
    markdown: bool,
}

impl CompareEtcd {
    /// Measures and prints.
    ///
    /// # Errors
    /// A program is missing, does not start, or ends.
    pub fn run(self) -> anyhow::Result<()> {
        let synod = Program::find(ServerKind::Synod, self.synod.clone())?;
        let etcd = match &self.etcd {
            Some(path) => path.clone(),
            None => debian::etcd()?,
        };
        let etcd = Program::find(ServerKind::Etcd, Some(etcd))?;
        let mut table = Table::default();
        let servers = [(ServerKind::Synod, &synod), (ServerKind::Etcd, &etcd)];
        let loads =
            if self.whole { check_perf::LOADS.map(str::to_owned).to_vec() } else { self.check_perf.clone() };
        for round in 1..=self.rounds {
            let say = |what: &str| eprintln!("round {round} of {}: {what}", self.rounds);
            if !self.larger && self.check_perf.is_empty() {
                self.usual(servers, synod.path(), &mut table, &say)?;
            }
            for load in &loads {
                for (server, program) in servers {
                    say(&format!("etcdctl check perf --load {load}, {server:?}"));
                    check_perf::measure(server, program, load, &mut table)?;
                }
            }
            if self.larger || self.whole {
                for (server, program) in servers {
                    say(&format!("more data than memory, {server:?}"));
                    larger::measure(server, program, synod.path(), &mut table)?;
                }
            }
        }
        println!("synod {}", version(synod.path()));
        println!("etcd  {}", version(etcd.path()));
        print!("{}", if self.markdown { table.markdown() } else { table.text() });
        if !self.whole {
            eprintln!("rows of their own: --check-perf, --larger; all of them: --whole");
        }
        Ok(())
    }

    /// The rows that are measured in minutes.
    fn usual(
        &self,
        servers: [(ServerKind, &Program); 2],
        generator: &Path,
        table: &mut Table,
        say: &dyn Fn(&str),
    ) -> anyhow::Result<()> {
        if log::BATCHES.iter().any(|batch| self.wants(&rows::log(batch).name)) {
            say("the log beside a raw file");
            log::measure(table)?;
        }
        for members in [3, 1] {
            for (server, program) in servers {
                say(&format!("{members} x {server:?}"));
                self.measure(server, program, generator, members, table)?;
            }
        }
        if self.wants(&rows::million().name) {
            for (server, program) in servers {
                say(&format!("a million keys, {server:?}"));
                let directory = tempfile::tempdir()?;
                let mut cluster = Cluster::new(program.clone(), directory.path(), Place::on_loopback(1)?)?;
                cluster.start_all()?;
                million::measure(server, generator, &mut cluster, table)?;
            }
        }
        Ok(())
    }

    /// One cluster through all of its rows.
    fn measure(
        &self,
        server: ServerKind,
        program: &Program,
        generator: &Path,
        members: usize,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let rows: Vec<&BenchRow> =
            BENCH_ROWS.iter().filter(|row| row.members == members && self.wants(&row.name())).collect();
        let rests = [rows::start(members), rows::idle(members), rows::memory(members)];
        let signals = [(rows::leader_stopped(), Signal::TERM), (rows::leader_killed(), Signal::KILL)];
        let mut failovers: Vec<_> =
            signals.into_iter().filter(|(row, _)| members == 3 && self.wants(&row.name)).collect();
        if rows.is_empty() && failovers.is_empty() && !rests.iter().any(|row| self.wants(&row.name)) {
            return Ok(());
        }
        let directory = tempfile::tempdir()?;
        let mut cluster = Cluster::new(program.clone(), directory.path(), Place::on_loopback(members)?)?;
        let started = cluster.start_all()?;
        let [start, idle, memory] = rests;
        if self.wants(&start.name) {
            table.add(&start, server, Figures { seconds: Some(started.as_secs_f64()), ..Figures::default() });
        }
        if self.wants(&idle.name) {
            std::thread::sleep(SETTLE);
            let before = process::cpu(&cluster)?;
            std::thread::sleep(IDLE);
            let share = (process::cpu(&cluster)? - before).as_secs_f64() / IDLE.as_secs_f64();
            let resident = Some(process::resident_max(&cluster)?);
            table.add(&idle, server, Figures { cpu_share: Some(share), resident, ..Figures::default() });
        }
        for row in &rows {
            let endpoints = failover::leader_first(&cluster)?;
            let before = process::cpu(&cluster)?;
            let seen = bench(generator, &endpoints, row, self.seconds)?;
            let cpu = process::cpu(&cluster)? - before;
            table.add(&row.row(), server, seen.with_cpu(cpu));
            cluster.check_alive()?;
        }
        if self.wants(&memory.name) && !rows.is_empty() {
            let resident = Some(process::resident_max(&cluster)?);
            table.add(&memory, server, Figures { resident, ..Figures::default() });
        }
        for (row, signal) in failovers.drain(..) {
            for _ in 0..FAILOVERS {
                let gap = failover::longest_gap(&mut cluster, signal)?;
                table.add(&row, server, Figures { seconds: Some(gap.as_secs_f64()), ..Figures::default() });
            }
        }
        Ok(())
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }
}

/// Runs the generator. What reads fills its keys first, outside of the time measured there, but not of the servers' CPU time:
/// so the rows are in an order in which the keys are there already.
fn bench(generator: &Path, endpoints: &[String], row: &BenchRow, seconds: u32) -> anyhow::Result<Figures> {
    let output = Command::new(generator)
        .args(["bench", row.workload, "--json", "--no-fill"])
        .args(["--endpoints", &endpoints.join(",")])
        .args(["--in-flight", &row.in_flight.to_string()])
        .args(["--seconds", &format!("{seconds}s"), "--keys", rows::KEYS])
        .args(row.more)
        .output()
        .context("the generator does not run")?;
    if !output.status.success() {
        bail!("synod bench {} failed: {}", row.workload, String::from_utf8_lossy(&output.stderr));
    }
    Figures::of_bench(&output.stdout)
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("?").to_owned()
}
