//! `synod txn`: comparisons, then reads and writes, in one step; the script comes from standard input.
//!
//! A script has three sections, each ended by an empty line: comparisons; requests if all hold; requests if
//! one does not.
//!
//! ```text
//! mod("key1") > "0"
//!
//! put key1 "overwrote-key1"
//!
//! put key1 "created-key1"
//! put key2 "some extra key"
//!
//! ```
//!
//! A script that ends early is refused: what it would have said is not known.

mod compare;
mod script;
pub mod words;

use std::io::{BufRead, IsTerminal as _};

use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};
use crate::note;
use script::Script;

const EXAMPLES: &str = "\
Examples:
  synod txn -i
  synod txn <<'END'
  version(\"greeting\") = \"0\"

  put greeting hello

  get greeting

  END

Three sections, each ended by an empty line: comparisons, requests if all
hold, requests if not. A comparison is TARGET(\"key\") OPERATOR \"value\" with
version, create, mod, value or lease, and =, !=, > or <. A request is get, put
or del with the arguments of that command.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// Ask for each section
    #[arg(short, long)]
    interactive: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut printer = context.printer();
    printer.require_no_table()?;
    let client = context.client()?;
    let prompts = arguments.interactive || std::io::stdin().is_terminal();
    let request = read(std::io::stdin().lock(), prompts)?.into_request();
    let send = async |channel| client::kv(channel).txn(request.clone()).await;
    printer.print(&block_on(client.call(Repeat::Forbidden, send))?)?;
    Ok(Exit::Fine)
}

/// Reads a script, with a prompt on standard error before each section if its user types it.
fn read(input: impl BufRead, prompts: bool) -> Result<Script, Failure> {
    script::read(input, |section| {
        if prompts {
            note(format_args!("{section}"));
        }
    })
    .map_err(Failure::usage)
}
