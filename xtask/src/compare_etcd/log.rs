//! The log beside a raw file that was written in advance, by the storage crate's own example.

use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::rows;
use super::table::{Figures, Table};
use crate::cluster::ServerKind;
use crate::repository;

/// Records of a batch.
pub const BATCHES: [&str; 3] = ["1", "64", "1024"];

/// The rows; the raw file stands in etcd's column.
///
/// # Errors
/// The example cannot be built or run, or prints something else than it should.
pub fn measure(table: &mut Table) -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "synod-storage", "--example", "log_ratio"])
        .arg("--")
        .arg(repository::target())
        .current_dir(repository::root())
        .output()
        .context("cargo does not run")?;
    ensure!(output.status.success(), "the log's example failed: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    for batch in BATCHES {
        for (contender, side) in [("log", ServerKind::Synod), ("raw, prepared", ServerKind::Etcd)] {
            let Some(rate) = read(&said, batch, contender) else { bail!("the log's example said:\n{said}") };
            table.add(&rows::log(batch), side, Figures { rate: Some(rate), ..Figures::default() });
        }
    }
    Ok(())
}

/// Records a second, from the line of that batch and contender.
fn read(said: &str, batch: &str, contender: &str) -> Option<f64> {
    said.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(batch)?.trim_start().strip_prefix(contender)?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_found_by_its_batch_and_contender() {
        let said = "batch  contender        records/s     p50 us\n    1  raw, prepared         7432      129.2\n   \
                    64  raw, prepared       430000      139.2\n   64  log                 440001      130.0\n";
        assert_eq!(read(said, "1", "raw, prepared"), Some(7432.0));
        assert_eq!(read(said, "64", "log"), Some(440_001.0));
        assert_eq!(read(said, "1024", "log"), None);
    }
}
