//! `synod watch`: changes of keys as they happen, or since a revision.
//!
//! A watch outlives its connection: when that breaks, the next endpoint carries on behind the last event
//! shown, so that no change is missed and none is shown twice.

mod interactive;
mod session;
mod sink;
#[cfg(test)]
mod tests;

use synod_server::proto::etcdserverpb::WatchCreateRequest;

use super::key_range::KeyRange;
use super::{Context, block_on};
use crate::failure::{Exit, Failure};
use session::Session;
use sink::Sink;

const EXAMPLES: &str = "\
Examples:
  synod watch greeting
  synod watch --prefix app/ --prev-kv
  synod watch --prefix app/ --rev 7      everything since revision 7
  synod watch greeting -- sh -c 'echo $ETCD_WATCH_VALUE'
  synod watch -i                         then lines: watch KEY, progress
";

/// The arguments; those of a line of an interactive session are the same.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Read `watch KEY` and `progress` line by line from standard input
    #[arg(short, long)]
    interactive: bool,
}

/// What to watch, and what to do with it.
#[derive(Debug, clap::Args)]
struct Target {
    /// The key
    #[arg(env = "ETCDCTL_WATCH_KEY", hide_env = true)]
    key: Option<String>,
    /// The key after the last one of a range
    #[arg(env = "ETCDCTL_WATCH_RANGE_END", hide_env = true)]
    range_end: Option<String>,
    /// All keys that begin with the key
    #[arg(long)]
    prefix: bool,
    /// The first revision to show; 0 for what comes after now
    #[arg(
        long,
        default_value_t = 0,
        allow_negative_numbers = true,
        value_name = "REVISION",
        hide_default_value = true
    )]
    rev: i64,
    /// Show each key as it was before, too
    #[arg(long)]
    prev_kv: bool,
    /// Have the server say now and then how far the watch has come
    #[arg(long)]
    progress_notify: bool,
    /// Command to run for each event, which it finds in ETCD_WATCH_ variables
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let printer = context.printer();
    printer.require_no_table()?;
    let client = context.client()?;
    if arguments.interactive {
        return block_on(interactive::run(client, printer));
    }
    let mut session = Session::new(arguments.target.request()?);
    let mut sink = Sink::new(printer, arguments.target.command);
    block_on(session.run(&client, async |answer| sink.show(&answer).await))?;
    Err(Failure::refused("watch is canceled by the server"))
}

impl Target {
    fn request(&self) -> Result<WatchCreateRequest, Failure> {
        let Some(key) = &self.key else {
            return Err(Failure::usage("bad number of arguments: expected a key"));
        };
        let range = KeyRange::from_arguments(key, self.range_end.as_deref(), self.prefix, false)
            .map_err(|_| Failure::usage("`range_end` and `--prefix` are mutually exclusive"))?;
        Ok(WatchCreateRequest {
            key: range.start,
            range_end: range.end,
            start_revision: self.rev,
            progress_notify: self.progress_notify,
            prev_kv: self.prev_kv,
            ..WatchCreateRequest::default()
        })
    }
}
