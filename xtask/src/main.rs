//! Helpers for those who work on Synod: `cargo xtask --help` lists them.
//!
//! One file or folder per command. What must hold of every line of the repository is not here but an ordinary test,
//! `tests/tidy`.

use clap::{Parser, Subcommand};

mod cluster;
mod interop;
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
    Interop(interop::Interop),
    Torture(torture::Torture),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Interop(command) => command.run(),
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
