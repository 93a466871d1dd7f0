//! `synod lab new`: a project of one's own, in the simulator from the first minute.

use std::path::PathBuf;

use synod_lab::template::{Crates, create};

use super::scene;
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Example:
  synod lab new my-machine && cd my-machine && cargo run
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The folder; its name is the package's
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Take the crates from this folder of a checkout [the one of this build, or the registry]
    #[arg(long, value_name = "DIR")]
    crates: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let crates = arguments.crates.clone().map_or_else(Crates::found, Crates::Checkout);
    let files = create(&arguments.folder, &crates).map_err(|error| Failure::usage(error.to_string()))?;
    let names: Vec<String> = files.iter().map(|file| format!("  {}\n", file.display())).collect();
    let text = format!(
        "{}\nA counter, a client, a property, and a bug on purpose. Find it:\n  cd {} && cargo run\n",
        names.concat(),
        arguments.folder.display()
    );
    scene::print(&text, false)?;
    Ok(Exit::Fine)
}
