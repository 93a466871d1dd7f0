//! Our checkers of consistency beside others, in one run.
//!
//! What is measured, and how, stands in the program that does it: the example `compare` of the crate `synod-check`. It is
//! built as it ships, without what this program needs, so that it measures nothing else.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Measures the checkers of consistency beside others.
#[derive(clap::Args)]
pub struct CompareCheckers {
    /// Another checker, measured beside ours: a command that is given a file, and exits with 0 if the history in it is
    /// linearizable and with 1 if it is not. May be given several times.
    #[arg(long = "peer", value_name = "NAME=COMMAND {file}")]
    peers: Vec<String>,
    /// Leaves out what takes long: at most 10,000 operations, and two seconds a history.
    #[arg(long)]
    quick: bool,
    /// How long a checker may take for a history, in seconds; 20 if nothing is said.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Prints a table in Markdown.
    #[arg(long)]
    markdown: bool,
    /// Measures only the rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl CompareCheckers {
    /// Prints the table.
    pub fn run(self) -> anyhow::Result<()> {
        let mut command = Command::new("cargo");
        command.args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "synod-check",
            "--example",
            "compare",
            "--",
        ]);
        let flags = [("--quick", self.quick), ("--markdown", self.markdown)];
        command.args(flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag));
        let peers = self.peers.into_iter().map(|peer| ("--peer", peer));
        let only = self.only.into_iter().map(|only| ("--only", only));
        let seconds = self.seconds.into_iter().map(|seconds| ("--seconds", seconds.to_string()));
        for (flag, value) in peers.chain(only).chain(seconds) {
            command.args([flag, value.as_str()]);
        }
        let status = command.status().context("cannot run cargo")?;
        ensure!(status.success(), "the comparison ended with {status}");
        Ok(())
    }
}
