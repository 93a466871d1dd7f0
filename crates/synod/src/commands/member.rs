//! `synod member`: who is in the cluster.

use clap::Subcommand;
use synod_server::proto::etcdserverpb::MemberListRequest;

use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod member list
  synod member list -w table
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the members
    #[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
    List,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let Action::List = arguments.action;
    let client = context.client()?;
    let request = MemberListRequest { linearizable: true };
    let send = async |channel| client::cluster(channel).member_list(request).await;
    context.printer().print(&block_on(client.call(Repeat::Allowed, send))?)?;
    Ok(Exit::Fine)
}
