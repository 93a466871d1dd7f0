//! `synod status`: how healthy the cluster is, in a sentence, and its members.
//!
//! Every member that the cluster lists is asked itself, all at once. Who does not answer within the timeouts
//! stays in the table, marked. The exit code is 0 if all is well, 1 if the cluster cannot serve or a member
//! raises an alarm, 2 if it serves but members are missing, 69 if nobody answers at all.

mod report;

use std::io::Write as _;

use synod_server::proto::etcdserverpb::{Member, MemberListRequest, StatusRequest, StatusResponse};
use tokio::task::{JoinSet, LocalSet};

use super::{Context, block_on};
use crate::client::{self, Client, Options, Repeat};
use crate::failure::{Exit, Failure};
use crate::format::Format;
use report::{MemberStatus, Report};

const EXAMPLES: &str = "\
Examples:
  synod status
  synod status --endpoints 10.0.0.1:2379,10.0.0.2:2379
  synod status --json

Exit code: 0 healthy, 1 unhealthy, 2 members are missing, 69 nobody answers.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// One JSON document, schema synod.status/1
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let options = context.client_options();
    let report = block_on(async {
        let members = list_members(&options).await?;
        Ok(Report { members: LocalSet::new().run_until(ask_all(&options, members)).await? })
    })?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match context.printer().format {
        Format::Json => writeln!(out, "{}", report.to_json())?,
        _ if arguments.json => writeln!(out, "{}", report.to_json())?,
        Format::Table => report.write(&mut out, true)?,
        Format::Simple | Format::Fields => report.write(&mut out, false)?,
    }
    out.flush()?;
    Ok(report.verdict().exit())
}

/// The members as any endpoint knows them, asked without a quorum: the list is wanted most when there is
/// none.
async fn list_members(options: &Options) -> Result<Vec<Member>, Failure> {
    let request = MemberListRequest { linearizable: false };
    let send = async |channel| client::cluster(channel).member_list(request).await;
    Ok(Client::new(options)?.call(Repeat::Allowed, send).await?.members)
}

async fn ask_all(options: &Options, members: Vec<Member>) -> Result<Vec<MemberStatus>, Failure> {
    let mut questions = JoinSet::new();
    for member in members {
        let options = options.clone();
        questions.spawn_local(async move {
            let answer = ask(&options, &member).await;
            MemberStatus { member, answer }
        });
    }
    let mut statuses = Vec::new();
    while let Some(status) = questions.join_next().await {
        statuses.push(status.map_err(|error| Failure::internal(error.to_string()))?);
    }
    statuses.sort_by(|a, b| (&a.member.name, a.member.id).cmp(&(&b.member.name, b.member.id)));
    Ok(statuses)
}

/// The member's own answer, or why there is none.
async fn ask(options: &Options, member: &Member) -> Result<StatusResponse, String> {
    if member.client_ur_ls.is_empty() {
        return Err("not started yet".into());
    }
    let send = async |channel| client::maintenance(channel).status(StatusRequest {}).await;
    let answer =
        async { Client::with_endpoints(options, &member.client_ur_ls)?.call(Repeat::Allowed, send).await };
    answer.await.map_err(|failure: Failure| failure.sentence.unwrap_or_default())
}
