//! `synod endpoint`: each endpoint for itself: its status, its health, the hash of its keys.
//!
//! What one endpoint does not answer is said on standard error; what the others answer is shown all the same,
//! and the exit code is then 2.

use std::time::Instant;

use bytes::Bytes;
use clap::Subcommand;
use synod_server::proto::etcdserverpb::{HashKvRequest, MemberListRequest, RangeRequest, StatusRequest};

use super::{Context, block_on};
use crate::client::{self, Client, Repeat};
use crate::failure::{Exit, Failure};
use crate::format::cluster::{EndpointHashes, EndpointHealth, EndpointHealths, EndpointStatuses};
use crate::note;

const STATUS_EXAMPLES: &str = "\
Examples:
  synod endpoint status -w table
  synod endpoint status --cluster -w table
";
const HEALTH_EXAMPLES: &str = "\
Example:
  synod endpoint health --cluster
";
const HASH_EXAMPLES: &str = "\
Example:
  synod endpoint hashkv --cluster --rev 100
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// All members' endpoints, as the first endpoint lists them
    #[arg(long, global = true)]
    cluster: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Version, size, leadership and log position
    #[command(help_template = crate::cli::TEMPLATE, before_help = STATUS_EXAMPLES)]
    Status,
    /// Whether the endpoint can serve a linearizable read
    #[command(help_template = crate::cli::TEMPLATE, before_help = HEALTH_EXAMPLES)]
    Health,
    /// The hash of all keys up to a revision
    #[command(help_template = crate::cli::TEMPLATE, before_help = HASH_EXAMPLES)]
    Hashkv {
        /// The revision; 0 for the newest
        #[arg(long, default_value_t = 0, value_name = "REVISION", hide_default_value = true)]
        rev: i64,
    },
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    block_on(async {
        let client = context.client()?;
        let client = if arguments.cluster { all_members(context, &client).await? } else { client };
        match arguments.action {
            Action::Status => status(context, &client).await,
            Action::Health => health(context, &client).await,
            Action::Hashkv { rev } => hash(context, &client, rev).await,
        }
    })
}

async fn all_members(context: &Context, client: &Client) -> Result<Client, Failure> {
    let request = MemberListRequest { linearizable: false };
    let send = async |channel| client::cluster(channel).member_list(request).await;
    let answer = client.call(Repeat::Allowed, send).await?;
    let urls: Vec<String> = answer.members.into_iter().flat_map(|member| member.client_ur_ls).collect();
    Client::with_endpoints(&context.client_options(), &urls)
}

async fn status(context: &Context, client: &Client) -> Result<Exit, Failure> {
    let mut answers = Vec::new();
    let mut missing = Missing::default();
    for (endpoint, alone) in client.each() {
        let send = async |channel| client::maintenance(channel).status(StatusRequest {}).await;
        match alone.call(Repeat::Allowed, send).await {
            Ok(status) => answers.push((endpoint, status)),
            Err(failure) => missing.note("get the status of endpoint", &endpoint, failure),
        }
    }
    context.printer().print(&EndpointStatuses(answers))?;
    Ok(missing.exit(client))
}

async fn hash(context: &Context, client: &Client, revision: i64) -> Result<Exit, Failure> {
    let mut answers = Vec::new();
    let mut missing = Missing::default();
    for (endpoint, alone) in client.each() {
        let send = async |channel| client::maintenance(channel).hash_kv(HashKvRequest { revision }).await;
        match alone.call(Repeat::Allowed, send).await {
            Ok(hash) => answers.push((endpoint, hash)),
            Err(failure) => missing.note("get the hash of endpoint", &endpoint, failure),
        }
    }
    context.printer().print(&EndpointHashes(answers))?;
    Ok(missing.exit(client))
}

/// An endpoint is healthy if it serves a linearizable read; the key need not exist.
async fn health(context: &Context, client: &Client) -> Result<Exit, Failure> {
    let mut answers = Vec::new();
    let mut failed = 0;
    for (endpoint, alone) in client.each() {
        let begun = Instant::now();
        let request = RangeRequest { key: Bytes::from_static(b"health"), ..RangeRequest::default() };
        let send = async |channel| client::kv(channel).range(request.clone()).await;
        let error = match alone.call(Repeat::Allowed, send).await {
            Ok(_) => String::new(),
            Err(failure) => failure.sentence.unwrap_or_default(),
        };
        failed += usize::from(!error.is_empty());
        answers.push(EndpointHealth { endpoint, took: begun.elapsed(), error });
    }
    context.printer().print(&EndpointHealths(answers))?;
    Ok(if failed == 0 { Exit::Fine } else { Exit::Bad })
}

/// Counts the endpoints that did not answer.
#[derive(Default)]
struct Missing(usize);

impl Missing {
    fn note(&mut self, action: &str, endpoint: &str, failure: Failure) {
        self.0 += 1;
        note(format_args!("Failed to {action} {endpoint} ({})", failure.sentence.unwrap_or_default()));
    }

    fn exit(&self, client: &Client) -> Exit {
        match self.0 {
            0 => Exit::Fine,
            missing if missing == client.each().count() => Exit::Unreachable,
            _ => Exit::Partial,
        }
    }
}
