//! Helpers for those who work on Synod: `cargo xtask --help` lists them.
//!
//! One file or folder per command. What must hold of every line of the repository is not here but an ordinary test,
//! `tests/tidy`.

use clap::{Parser, Subcommand};

mod browser;
mod ci;
mod cluster;
mod compare_checkers;
mod compare_cli;
mod compare_etcd;
mod cross_check;
mod fuzz;
mod interop;
mod mermaid;
mod repository;
mod torture;

/// Helpers for those who work on Synod.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Browser(browser::Arguments),
    Ci(ci::Ci),
    CompareCheckers(compare_checkers::CompareCheckers),
    /// Compare the output of synod with etcdctl's, against a real etcd.
    CompareCli {
        /// What the comparison takes; see `--help` there
        words: Vec<String>,
    },
    CompareEtcd(compare_etcd::CompareEtcd),
    CrossCheck(cross_check::CrossCheck),
    Fuzz(fuzz::Fuzz),
    Interop(interop::Interop),
    Mermaid(mermaid::Mermaid),
    Torture(torture::Torture),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Browser(command) => command.run(),
        Command::Ci(command) => command.run(),
        Command::CompareCheckers(command) => command.run(),
        Command::CompareCli { words } => compare_cli::run(&words),
        Command::CompareEtcd(command) => command.run(),
        Command::CrossCheck(command) => command.run(),
        Command::Fuzz(command) => command.run(),
        Command::Interop(command) => command.run(),
        Command::Mermaid(command) => command.run(),
        Command::Torture(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
