//! `synod version`: this program's version, and the etcd version whose behaviour it keeps.

use std::io::Write as _;

use crate::failure::{Exit, Failure};

/// The etcd version whose behaviour is kept.
pub const ETCD_VERSION: &str = "3.5.16";

const EXAMPLES: &str = "\
Example:
  synod version
";

/// The arguments: none.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {}

/// Runs the command.
pub fn run(_: &Arguments) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        std::io::stdout(),
        "synod version: {version}\netcd behaviour: {ETCD_VERSION}\nAPI version: 3.5"
    )?;
    Ok(Exit::Fine)
}
