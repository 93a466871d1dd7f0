//! `synod del`: deletes one key, a range, or a prefix, and says how many there were.

use synod_server::proto::etcdserverpb::DeleteRangeRequest;

use super::key_range::KeyRange;
use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod del greeting
  synod del a f                          keys from a to before f
  synod del --prefix app/ --prev-kv      and show what was deleted
";

/// The arguments, which a transaction's script takes too.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The key
    key: String,
    /// The key after the last one of a range
    range_end: Option<String>,
    /// All keys that begin with the key
    #[arg(long)]
    prefix: bool,
    /// All keys from the key on
    #[arg(long)]
    from_key: bool,
    /// Show what is deleted
    #[arg(long)]
    prev_kv: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let request = arguments.request()?;
    let mut printer = context.printer();
    printer.require_no_table()?;
    let client = context.client()?;
    let send = async |channel| client::kv(channel).delete_range(request.clone()).await;
    printer.print(&block_on(client.call(Repeat::Forbidden, send))?)?;
    Ok(Exit::Fine)
}

impl Arguments {
    /// The request that the arguments mean.
    pub fn request(&self) -> Result<DeleteRangeRequest, Failure> {
        let range =
            KeyRange::from_arguments(&self.key, self.range_end.as_deref(), self.prefix, self.from_key)?;
        Ok(DeleteRangeRequest { key: range.start, range_end: range.end, prev_kv: self.prev_kv })
    }
}
