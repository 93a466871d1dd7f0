//! `synod defrag`: gives the disk what no revision shows any more.

use synod_server::proto::etcdserverpb::DefragmentRequest;

use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod defrag --command-timeout 60s
  synod defrag --endpoints 10.0.0.1:2379,10.0.0.2:2379
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {}

/// Runs the command, one member after the other.
pub fn run(context: &Context, _: &Arguments) -> Result<Exit, Failure> {
    let mut printer = context.printer();
    for (name, member) in context.client()?.each() {
        let send = async |channel| client::maintenance(channel).defragment(DefragmentRequest {}).await;
        block_on(member.call(Repeat::Allowed, send))?;
        printer.line(format_args!("Finished defragmenting {name}"))?;
    }
    Ok(Exit::Fine)
}
