//! `etcdctl check perf`: the stock client's own judgement of a cluster, which takes a minute a load.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::rows;
use super::table::{Figures, Table};
use crate::cluster::{Cluster, Place, Program, ServerKind};

/// Members of the cluster that is judged.
const MEMBERS: usize = 3;
/// The loads that there are, each a few times the one before.
pub const LOADS: [&str; 4] = ["s", "m", "l", "xl"];

/// The row of one load and one server.
///
/// # Errors
/// `etcdctl` is missing, says something else than it should, or a member does not live through it.
pub fn measure(server: ServerKind, program: &Program, load: &str, table: &mut Table) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut cluster = Cluster::new(program.clone(), directory.path(), Place::on_loopback(MEMBERS)?)?;
    cluster.start_all()?;
    // It ends with an error when a check fails, and says which; so what it says counts.
    let output = Command::new("etcdctl")
        .args(["check", "perf", "--load", load, "--endpoints", &cluster.endpoints().join(",")])
        .env("ETCDCTL_API", "3")
        .output()
        .context("etcdctl does not run: install Debian's etcd-client")?;
    cluster.check_alive()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let Some(figures) = read(&said) else { bail!("etcdctl check perf --load {load} said:\n{said}") };
    table.add(&rows::check_perf(load), server, figures);
    Ok(())
}

/// What it found: lines that begin with PASS or FAIL, a progress bar before them on the same line or not.
fn read(said: &str) -> Option<Figures> {
    let lines: Vec<&str> = said.split(['\n', '\r']).collect();
    let number = |what: &str, unit: &str| {
        let line = lines.iter().find(|line| line.contains(what))?;
        line.split_whitespace()
            .filter_map(|word| word.strip_suffix(unit).unwrap_or(word).parse::<f64>().ok())
            .next()
    };
    let slowest = number("Slowest request", "s")?;
    let failed = lines.iter().filter(|line| line.contains("FAIL: ")).count();
    Some(Figures {
        rate: number("Throughput", "writes/s"),
        seconds: Some(slowest),
        failed: Some(failed as f64),
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcdctl_found_is_read() {
        let good = "60 / 60 Booooo! 100.00% 1m0s\nPASS: Throughput is 150 writes/s\nPASS: Slowest request took 0.032000s\n\
                    PASS: Stddev is 0.001000s\nPASS\n";
        let seen = read(good).unwrap();
        assert_eq!((seen.rate, seen.seconds, seen.failed), (Some(150.0), Some(0.032), Some(0.0)));
        let bad = "FAIL: Throughput too low: 5977 writes/s\nSlowest request took too long: 0.746482s\nFAIL\n";
        let seen = read(bad).unwrap();
        assert_eq!((seen.rate, seen.seconds, seen.failed), (Some(5977.0), Some(0.746_482), Some(1.0)));
        assert!(read("Error: context deadline exceeded").is_none());
    }
}
