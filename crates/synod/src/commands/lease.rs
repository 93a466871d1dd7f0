//! `synod lease`: keys that vanish unless their owner lives.

use std::time::Duration;

use clap::Subcommand;
use synod_server::proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::put::parse_lease;
use super::{Context, block_on};
use crate::client::{self, Client, Repeat};
use crate::failure::{Exit, Failure};
use crate::format::Format;
use crate::format::lease::{Revoked, TimeToLive};

/// A lease is renewed this many times within its time to live.
const RENEWALS_PER_LIFE: u32 = 3;
/// Shortest time between two renewals, however short the lease.
const RENEWAL_INTERVAL_MIN: Duration = Duration::from_millis(500);

const GRANT_EXAMPLE: &str = "Example:\n  synod lease grant 60\n";
const REVOKE_EXAMPLE: &str = "Example:\n  synod lease revoke 694d81417acd4754\n";
const KEEPALIVE_EXAMPLE: &str = "Example:\n  synod lease keep-alive 694d81417acd4754\n";
const TIMETOLIVE_EXAMPLE: &str = "Example:\n  synod lease timetolive 694d81417acd4754 --keys\n";
const LIST_EXAMPLE: &str = "Example:\n  synod lease list\n";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a lease
    #[command(help_template = crate::cli::TEMPLATE, before_help = GRANT_EXAMPLE)]
    Grant {
        /// Seconds to live unless renewed
        #[arg(allow_negative_numbers = true)]
        ttl: i64,
    },
    /// End a lease and delete its keys
    #[command(help_template = crate::cli::TEMPLATE, before_help = REVOKE_EXAMPLE)]
    Revoke {
        /// The lease (hexadecimal)
        #[arg(value_parser = parse_lease, value_name = "LEASE")]
        id: i64,
    },
    /// Renew a lease until it is gone
    #[command(help_template = crate::cli::TEMPLATE, before_help = KEEPALIVE_EXAMPLE)]
    KeepAlive {
        /// The lease (hexadecimal)
        #[arg(value_parser = parse_lease, value_name = "LEASE")]
        id: i64,
        /// Renew it once
        #[arg(long)]
        once: bool,
    },
    /// Show what remains of a lease
    #[command(help_template = crate::cli::TEMPLATE, before_help = TIMETOLIVE_EXAMPLE)]
    Timetolive {
        /// The lease (hexadecimal)
        #[arg(value_parser = parse_lease, value_name = "LEASE")]
        id: i64,
        /// List the attached keys too
        #[arg(long)]
        keys: bool,
    },
    /// List all leases
    #[command(help_template = crate::cli::TEMPLATE, before_help = LIST_EXAMPLE)]
    List,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut printer = context.printer();
    printer.require_no_table()?;
    let client = context.client()?;
    match arguments.action {
        Action::Grant { ttl } => {
            let send =
                async |channel| client::lease(channel).lease_grant(LeaseGrantRequest { ttl, id: 0 }).await;
            let answer = block_on(client.call(Repeat::Forbidden, send));
            printer.print(&answer.map_err(|failure| failure.within("failed to grant lease"))?)?;
        }
        Action::Revoke { id } => {
            let send = async |channel| client::lease(channel).lease_revoke(LeaseRevokeRequest { id }).await;
            let answer = block_on(client.call(Repeat::Forbidden, send));
            let answer = answer.map_err(|failure| failure.within("failed to revoke lease"))?;
            printer.print(&Revoked { id, answer })?;
        }
        Action::KeepAlive { id, once } => {
            block_on(keep_alive(&client, id, once, |answer| printer.print(answer)))?;
            if printer.format == Format::Simple && !once {
                printer.line(format_args!("lease {id:016x} expired or revoked."))?;
            }
        }
        Action::Timetolive { id, keys: with_keys } => {
            let request = LeaseTimeToLiveRequest { id, keys: with_keys };
            let send = async |channel| client::lease(channel).lease_time_to_live(request).await;
            let answer = block_on(client.call(Repeat::Allowed, send))?;
            printer.print(&TimeToLive { answer, with_keys })?;
        }
        Action::List => {
            let send = async |channel| client::lease(channel).lease_leases(LeaseLeasesRequest {}).await;
            printer.print(&block_on(client.call(Repeat::Allowed, send))?)?;
        }
    }
    Ok(Exit::Fine)
}

/// Renews a lease, once or until it is gone. A connection that breaks is replaced by one to the next
/// endpoint.
async fn keep_alive(
    client: &Client,
    id: i64,
    once: bool,
    mut show: impl FnMut(&LeaseKeepAliveResponse) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut endpoint = 0;
    let mut stream: Option<Renewals> = None;
    loop {
        let mut renewals = match stream.take() {
            Some(renewals) => renewals,
            None => Renewals::open(client, endpoint, id).await?,
        };
        let Some(answer) = renewals.renew(client, id).await? else {
            endpoint = renewals.endpoint + 1;
            tokio::time::sleep(RENEWAL_INTERVAL_MIN).await;
            continue;
        };
        match answer.ttl {
            ..=0 if once => return Err(Failure::refused("etcdserver: requested lease not found")),
            ..=0 => return Ok(()),
            _ => show(&answer)?,
        }
        if once {
            return Ok(());
        }
        let life = Duration::from_secs(answer.ttl.unsigned_abs());
        tokio::time::sleep((life / RENEWALS_PER_LIFE).max(RENEWAL_INTERVAL_MIN)).await;
        stream = Some(renewals);
    }
}

/// An open stream of renewals.
struct Renewals {
    endpoint: usize,
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    answers: tonic::Streaming<LeaseKeepAliveResponse>,
    /// A stream is opened by its first request, which this one's answer is still to come for.
    is_asked: bool,
}

impl Renewals {
    async fn open(client: &Client, first: usize, id: i64) -> Result<Self, Failure> {
        let (endpoint, channel) = client.connect(first).await?;
        let (requests, queue) = mpsc::channel(1);
        requests.try_send(LeaseKeepAliveRequest { id }).expect("a new queue has room for one");
        let mut stub = client::lease(channel);
        let opening = stub.lease_keep_alive(ReceiverStream::new(queue));
        let answers = client.within_command_timeout(opening).await?;
        let answers = answers.map_err(|status| client::failure_of(&status))?.into_inner();
        Ok(Self { endpoint, requests, answers, is_asked: true })
    }

    /// Renews once; `None` if the connection broke.
    async fn renew(&mut self, client: &Client, id: i64) -> Result<Option<LeaseKeepAliveResponse>, Failure> {
        if !std::mem::take(&mut self.is_asked)
            && self.requests.send(LeaseKeepAliveRequest { id }).await.is_err()
        {
            return Ok(None);
        }
        match client.within_command_timeout(self.answers.message()).await? {
            Ok(answer) => Ok(answer),
            Err(status) if client::is_lost_connection(&status) => Ok(None),
            Err(status) => Err(client::failure_of(&status)),
        }
    }
}
