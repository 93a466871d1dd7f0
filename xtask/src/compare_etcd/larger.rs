//! A store that is larger than the memory its member may take.
//!
//! The member runs under a bound of memory that the kernel keeps, pages of its files included. It is filled with several times as
//! much, and then read at a fixed rate: it must live, answer soon, and not grow.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::process;
use super::rows;
use super::table::{Figures, Table};
use crate::cluster::{Cluster, MemoryLimit, Place, Program, ServerKind};

/// What the member may take.
const MEMORY_BYTES: u64 = 512 << 20;
/// Values of 1 KiB: 4 GiB of them.
const KEYS: &str = "4194304";
const VALUE_BYTES: &str = "1024";
/// Above all that the servers would refuse by themselves.
const QUOTA_BYTES: &str = "17179869184";
/// Reads a second, and for how long, in each of two looks.
const RATE: &str = "1000";
const READ_SECONDS: &str = "20s";

/// The row of one server.
///
/// # Errors
/// Memory cannot be bounded, or the server does not live through it.
pub fn measure(
    server: ServerKind,
    program: &Program,
    generator: &Path,
    table: &mut Table,
) -> anyhow::Result<()> {
    let limit = MemoryLimit::new(MEMORY_BYTES)?;
    let directory = tempfile::tempdir()?;
    let mut cluster = Cluster::new(program.clone(), directory.path(), Place::on_loopback(1)?)?;
    cluster.limit_memory(&limit);
    cluster.add_arguments(&["--quota-backend-bytes", QUOTA_BYTES]);
    cluster.start_all()?;
    // Reading fills the keys first.
    let read = |cluster: &mut Cluster, more: &[&str]| -> anyhow::Result<Figures> {
        let output = Command::new(generator)
            .args(["bench", "get", "--json", "--endpoints", &cluster.endpoints().join(",")])
            .args(["--keys", KEYS, "--value-bytes", VALUE_BYTES])
            .args(["--rate", RATE, "--in-flight", "64", "--seconds", READ_SECONDS])
            .args(more)
            .output()
            .context("the generator does not run")?;
        cluster.check_alive()?;
        if !output.status.success() {
            bail!("synod bench get failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let seen = Figures::of_bench(&output.stdout)?;
        // The row's own figure: the time within which 99 of a hundred are answered.
        Ok(Figures { seconds: seen.p99.map(|ms| ms / 1e3), ..seen })
    };
    let first = read(&mut cluster, &[])?;
    let before = process::resident_max(&cluster)?;
    let second = read(&mut cluster, &["--no-fill"])?;
    let after = process::resident_max(&cluster)?;
    // The other server may take long: what is known is said at once.
    let millis = |figures: &Figures| figures.p99.unwrap_or(f64::NAN);
    eprintln!(
        "{server:?}: gets p99 {:.1} ms just after filling and {:.1} ms then, {:.0} MB resident and {:.0} MB",
        millis(&first),
        millis(&second),
        before / 1e6,
        after / 1e6
    );
    table.add(&rows::larger_first(), server, first);
    let seen = Figures { resident: Some(after), grown: Some((after - before).max(0.0)), ..second };
    table.add(&rows::larger(), server, seen);
    Ok(())
}
