//! What the members' processes take of the machine, as the system counts it.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use crate::cluster::Cluster;

/// Ticks a second in which Linux tells CPU time to programs.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all members together.
///
/// # Errors
/// A process has gone.
pub fn cpu(cluster: &Cluster) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for id in ids(cluster) {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("a member has ended")?;
        ticks += ticks_of(&stat).context("the system tells CPU time in another form")?;
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// Resident memory of the largest member, in bytes.
///
/// # Errors
/// A process has gone.
pub fn resident_max(cluster: &Cluster) -> anyhow::Result<f64> {
    status_max(cluster, "VmRSS:")
}

/// The most memory that was ever resident of one member, in bytes.
///
/// # Errors
/// A process has gone.
pub fn resident_peak(cluster: &Cluster) -> anyhow::Result<f64> {
    status_max(cluster, "VmHWM:")
}

fn status_max(cluster: &Cluster, field: &str) -> anyhow::Result<f64> {
    let mut most = 0.0_f64;
    for id in ids(cluster) {
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("a member has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no resident memory")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        most = most.max(kibibytes * 1024.0);
    }
    Ok(most)
}

fn ids(cluster: &Cluster) -> impl Iterator<Item = u32> {
    cluster.members.iter().filter_map(|member| member.process.as_ref()).map(crate::cluster::Process::id)
}

fn ticks_of(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything; fields 14 and 15 of the whole are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_processes_may_hold_anything() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0";
        assert_eq!(super::ticks_of(stat), Some(42));
        assert_eq!(super::ticks_of("7 (a"), None);
    }
}
