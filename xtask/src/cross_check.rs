//! `cargo xtask cross-check`: the checkers of consistency against the definitions, on many random histories.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Compare the checkers with brute force, on more random histories than the plain tests do
#[derive(clap::Args)]
pub struct CrossCheck {
    /// Histories of each object, and for each group of models
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
}

impl CrossCheck {
    /// Runs the tests that do it.
    ///
    /// # Errors
    /// Two algorithms differ; the test says on which history.
    pub fn run(self) -> anyhow::Result<()> {
        let tests = ["cross_check", "objects", "read_write_cross_check", "transactions", "views"];
        let status = Command::new("cargo")
            .args(["test", "--package", "synod-check"])
            .args(tests.iter().flat_map(|test| ["--test", test]))
            .env("CROSS_CHECK_CASES", self.cases.to_string())
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "the comparison ended with {status}");
        Ok(())
    }
}
