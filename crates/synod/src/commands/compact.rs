//! `synod compact`: forgets history below a revision.

use synod_server::proto::etcdserverpb::CompactionRequest;

use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod compact 1000
  synod compact 1000 --physical          answer when the space is free
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The oldest revision that stays readable
    revision: i64,
    /// Wait until the space has been given back
    #[arg(long)]
    physical: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = CompactionRequest { revision: arguments.revision, physical: arguments.physical };
    let send = async |channel| client::kv(channel).compact(request).await;
    block_on(client.call(Repeat::Forbidden, send))?;
    context.printer().line(format_args!("compacted revision {}", arguments.revision))?;
    Ok(Exit::Fine)
}
