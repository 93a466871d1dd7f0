//! `synod put`: writes a key; the value is an argument or standard input.

use std::io::Read as _;

use bytes::Bytes;
use synod_server::proto::etcdserverpb::PutRequest;

use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod put greeting hello
  synod put greeting -- -5               a value that begins with -
  synod put motd < /etc/motd             the value from standard input
  synod put session up --lease 694d81417acd4754
";

/// Largest value read from standard input, in bytes: more than any server accepts by default, less than would
/// exhaust a machine.
const VALUE_BYTES_MAX: u64 = 512 << 20;

/// The arguments, which a transaction's script takes too.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The key
    key: String,
    /// The value; without it, standard input
    value: Option<String>,
    /// Lease to attach the key to (hexadecimal)
    #[arg(long, value_parser = parse_lease, value_name = "ID", default_value = "0", hide_default_value = true)]
    lease: i64,
    /// Show the key as it was before
    #[arg(long)]
    prev_kv: bool,
    /// Keep the key's present value
    #[arg(long)]
    ignore_value: bool,
    /// Keep the key's present lease
    #[arg(long)]
    ignore_lease: bool,
}

/// Reads the identity of a lease, which is hexadecimal everywhere.
pub fn parse_lease(text: &str) -> Result<i64, String> {
    i64::from_str_radix(text, 16).map_err(|_| "expecting ID in Hex, such as 694d81417acd4754".into())
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut printer = context.printer();
    printer.require_no_table()?;
    let client = context.client()?;
    let request = arguments.request(read_standard_input)?;
    let send = async |channel| client::kv(channel).put(request.clone()).await;
    printer.print(&block_on(client.call(Repeat::Forbidden, send))?)?;
    Ok(Exit::Fine)
}

fn read_standard_input() -> Result<Bytes, Failure> {
    let mut value = Vec::new();
    let read = std::io::stdin().take(VALUE_BYTES_MAX + 1).read_to_end(&mut value);
    read.map_err(|error| Failure::usage(format!("the value cannot be read from standard input: {error}")))?;
    if value.len() as u64 > VALUE_BYTES_MAX {
        return Err(Failure::usage(format!("the value has more than {VALUE_BYTES_MAX} bytes")));
    }
    Ok(value.into())
}

impl Arguments {
    /// The request that the arguments mean; `read_value` is asked for the value where none was given.
    pub fn request(
        &self,
        read_value: impl FnOnce() -> Result<Bytes, Failure>,
    ) -> Result<PutRequest, Failure> {
        let value = match &self.value {
            Some(_) if self.ignore_value => {
                return Err(Failure::usage("put command needs only 1 argument when 'ignore-value' is set"));
            }
            Some(value) => Bytes::copy_from_slice(value.as_bytes()),
            None if self.ignore_value => Bytes::new(),
            None => read_value()?,
        };
        Ok(PutRequest {
            key: Bytes::copy_from_slice(self.key.as_bytes()),
            value,
            lease: self.lease,
            prev_kv: self.prev_kv,
            ignore_value: self.ignore_value,
            ignore_lease: self.ignore_lease,
        })
    }
}
