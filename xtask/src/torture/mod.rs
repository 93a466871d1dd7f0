//! `cargo xtask torture`: what a database promises, tried on real processes that are killed, paused and cut off.
//!
//! Three `serve` processes run on this machine. Many clients read, write, compare and swap, watch and hold leases, while
//! processes are killed with SIGKILL (one, the leader, two, all), started again, and paused; with `--partitions` each
//! member has a network of its own that is cut and healed. Everything that the clients saw is recorded and judged:
//! answers are linearizable, no acknowledged write is lost, revisions are dense, watchers see every event once and in order,
//! leases do not end early, reads of the past are stable, and the members hold the same. A run that exercised nothing
//! fails.
//!
//! `--corrupt` is another run: it damages the files of a member that is stopped, and demands that the member refuses
//! them by name or serves what is right.
//!
//! Left out: power loss (files here survive their process; the storage's own tests cut them), clocks that are wrong
//! (one machine has one clock), and disks that fail (the simulator's part).

mod campaign;
mod clients;
mod corrupt;
mod dice;
mod journal;
mod judge;
mod leasing;
mod nemesis;
mod network;
mod replay;
mod stop;
mod translate;
mod watching;
mod workload;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::{Cluster, Place, Program, ServerKind};
use campaign::{Campaign, Plan};
use network::{Cuts, Network};

/// Members of the cluster.
const MEMBERS: usize = 3;
/// How long trouble is made in the short form, which with all else stays under 90 seconds.
const SHORT_TIME: Duration = Duration::from_secs(48);
const SHORT_WINDOW: Duration = Duration::from_secs(12);
const WINDOW: Duration = Duration::from_secs(20);

/// Kill, pause and cut off the members of a real cluster under load, and judge what its clients saw.
#[derive(Args, Clone, Debug)]
pub struct Torture {
    /// How long trouble is made
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// A run of less than 90 seconds
    #[arg(long)]
    short: bool,
    /// Which server
    #[arg(long, value_enum, default_value_t = ServerKind::Synod)]
    server: ServerKind,
    /// The server's program, if it is not the one that is built here or installed
    #[arg(long)]
    program: Option<PathBuf>,
    /// Give each member a network namespace, and cut the network too (needs root)
    #[arg(long)]
    partitions: bool,
    /// Damage the files of a stopped member instead
    #[arg(long, conflicts_with = "partitions")]
    corrupt: bool,
    /// Where the choices come from
    #[arg(long)]
    seed: Option<u64>,
    /// The network that the process which started this one has made
    #[arg(long, hide = true)]
    inside: Option<u32>,
}

impl Torture {
    /// Runs it.
    ///
    /// # Errors
    /// A promise was broken, or the run could not be made.
    pub fn run(self) -> anyhow::Result<()> {
        let program = Program::find(self.server, self.program.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self.inside {
            None if self.partitions => runtime.block_on(self.run_inside_network(&program)),
            None => {
                let places = Place::on_loopback(MEMBERS)?;
                runtime.block_on(self.run_here(program, places, None))
            }
            Some(id) => {
                let cuts = Network::inside(id, MEMBERS);
                runtime.block_on(self.run_here(program, cuts.places(), Some(cuts)))
            }
        }
    }

    /// Makes the network, and starts this program again inside it.
    async fn run_inside_network(&self, program: &Program) -> anyhow::Result<()> {
        let network = Network::make(MEMBERS)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &network.hub()]).arg(std::env::current_exe()?);
        command.args(["torture", "--partitions", "--inside", &network.id().to_string()]);
        command.args(["--minutes", &self.minutes.to_string()]).arg("--program").arg(program.path());
        command.args(["--server", if self.server == ServerKind::Etcd { "etcd" } else { "synod" }]);
        command.args(["--seed", &self.seed().to_string()]);
        if self.short {
            command.arg("--short");
        }
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let (mut interrupt, mut terminate) = interruptions()?;
        let status = tokio::select! {
            status = child.wait() => status?,
            _ = interrupt.recv() => child.wait().await?,
            _ = terminate.recv() => bail!("terminated"),
        };
        drop(network);
        if !status.success() {
            bail!("the run inside the network ended with {status}");
        }
        Ok(())
    }

    async fn run_here(&self, program: Program, places: Vec<Place>, cuts: Option<Cuts>) -> anyhow::Result<()> {
        let directory = tempfile::Builder::new().prefix("synod-torture-").tempdir()?;
        let cluster = Cluster::new(program, directory.path(), places)?;
        let (mut interrupt, mut terminate) = interruptions()?;
        let outcome = tokio::select! {
            outcome = self.perform(cluster, cuts) => outcome,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        };
        if outcome.is_err() {
            eprintln!("The members' data and logs are kept in {}.", directory.keep().display());
        }
        outcome
    }

    async fn perform(&self, mut cluster: Cluster, cuts: Option<Cuts>) -> anyhow::Result<()> {
        let seed = self.seed();
        let ready = cluster.start_all()?;
        println!("{MEMBERS} members serve clients after {:.2} s; seed {seed}", ready.as_secs_f32());
        if self.corrupt {
            return corrupt::run(cluster, seed, self.server).await;
        }
        let (time, window) =
            if self.short { (SHORT_TIME, SHORT_WINDOW) } else { (Duration::from_mins(self.minutes), WINDOW) };
        let mut campaign = Campaign::new(Plan { time, window, seed, kind: self.server }, cluster, cuts);
        let outcome = campaign.run().await;
        report(&campaign, self.partitions);
        if outcome.is_err() {
            eprintln!("{}", campaign.log_tails());
        }
        outcome?;
        demand_exercise(&campaign, self.partitions)
    }

    fn seed(&self) -> u64 {
        let of_now = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_secs());
        self.seed.unwrap_or_else(of_now)
    }
}

/// The two ways in which one is asked to stop.
fn interruptions() -> anyhow::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)> {
    let on = |kind| signal(kind).context("signals cannot be received");
    Ok((on(SignalKind::interrupt())?, on(SignalKind::terminate())?))
}

/// Says what was exercised.
fn report(campaign: &Campaign, partitions: bool) {
    let done = campaign.nemesis.exercised;
    let journal = campaign.shared.journal();
    let counts = journal.counts;
    println!("\nexercised");
    println!(
        "  processes   {} killed ({} leaders; {} times a majority at once, {} times all), {} restarted, {} paused \
         ({} leaders)",
        done.kills,
        done.leader_kills,
        done.majority_kills,
        done.total_kills,
        done.restarts,
        done.pauses,
        done.leader_pauses
    );
    if partitions {
        println!("  network     {} cuts ({} around the leader)", done.partitions, done.leader_partitions);
    }
    println!("  elections   {} terms passed", journal.terms_passed());
    println!(
        "  operations  {} answered, {} refused, {} unknown, {} attempts that reached nobody; {} judged",
        counts.answered, counts.refused, counts.unknown, counts.unreachable, campaign.checked
    );
    println!("  old reads   {}; compactions {}", counts.old_reads, counts.compactions);
    println!("  watches     {} streams, {} events", counts.watch_streams, counts.watch_events);
    println!("  leases      {} granted, {} renewals", counts.leases_granted, counts.leases_renewed);
}

/// Refuses a run in which too little happened to mean anything.
fn demand_exercise(campaign: &Campaign, partitions: bool) -> anyhow::Result<()> {
    let done = campaign.nemesis.exercised;
    let journal = campaign.shared.journal();
    let counts = journal.counts;
    let demands = [
        ("kills", done.kills, 2),
        ("restarts", done.restarts, 2),
        ("terms passed", journal.terms_passed(), 1),
        ("operations answered", counts.answered, 500),
        ("old reads", counts.old_reads, 20),
        ("watch events", counts.watch_events, 100),
        ("watch streams", counts.watch_streams, 6),
        ("leases granted", counts.leases_granted, 2),
        ("partitions", if partitions { done.partitions } else { 1 }, 1),
    ];
    for (what, found, expected) in demands {
        if found < expected {
            bail!("the run exercised too little: {found} {what}, expected at least {expected}");
        }
    }
    println!("\nEvery promise was kept.");
    Ok(())
}
