//! What the operating system says of this process, read when someone asks. On a system without `/proc` these stay zero.

use std::fs;

use super::Metrics;

/// Clock ticks a second in `/proc`, the same on every Linux that is in use.
const TICKS_PER_SECOND: f64 = 100.0;

pub fn observe(metrics: &Metrics) {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let bytes = |field| kibibytes(&status, field).map(|kibibytes| kibibytes * 1024);
        metrics.resident_bytes.set(bytes("VmRSS:").unwrap_or(0));
        metrics.virtual_bytes.set(bytes("VmSize:").unwrap_or(0));
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        metrics.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
        metrics.open_files_max.set(open_files_max(&limits).unwrap_or(0));
    }
    if let Ok(stat) = fs::read_to_string("/proc/self/stat")
        && let Some((processor_ticks, started_ticks)) = ticks(&stat)
    {
        metrics.processor_seconds.set(processor_ticks / TICKS_PER_SECOND);
        if let Some(boot_seconds) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_seconds) {
            metrics.started_seconds.set(boot_seconds + started_ticks / TICKS_PER_SECOND);
        }
    }
}

fn kibibytes(status: &str, field: &str) -> Option<i64> {
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

fn open_files_max(limits: &str) -> Option<i64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Processor time (user and system) and start time. The command's name comes first and may hold anything, even spaces and
/// brackets, so counting begins after the last bracket.
fn ticks(stat: &str) -> Option<(f64, f64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((field(11)? + field(12)?, field(19)?))
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_command_is_called() {
        let stat = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 900 20";
        assert_eq!(ticks(stat), Some((200.0, 900.0)));
        assert_eq!(ticks("nonsense"), None);
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(open_files_max("Max open files            1024      4096    files\n"), Some(1024));
        assert_eq!(boot_seconds("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }
}
