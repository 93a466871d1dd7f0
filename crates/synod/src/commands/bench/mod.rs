//! `synod bench`: drives any etcd v3 cluster, and says how fast it answered.
//!
//! By default a closed loop: so many requests are in flight at any time, each client sends the next one when the last was
//! answered. With `--rate` an open loop: requests have intended times, and latency counts from those, so that a server
//! that stops for a while is not excused from what would have come meanwhile. All on one thread unless told otherwise: the
//! generator takes a part of the machine, so it drives connections of its own ([`Line`](crate::client::Line)), and says how much it took. What the clients saw can be written as a history.

mod asking;
mod drive;
mod history;
mod report;
mod requests;
mod watching;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::go_syntax::duration;
use crate::note;

use self::workload::{Distribution, Workload};

const EXAMPLES: &str = "\
Examples:
  synod bench put                        64 puts in flight for 5 s
  synod bench get --in-flight 512 --keys 100000
  synod bench mixed --reads 90 --distribution skewed
  synod bench put --rate 500             500 puts/s, latency from the intended start
  synod bench watch --in-flight 100      one writer, 100 watchers
  synod bench mixed --keys 10 --history h.jsonl && synod check h.jsonl
  synod bench requests --keys 10 --reads 50 --rate 2000 --history h.jsonl
";

/// The arguments.
#[derive(Clone, Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// What is asked
    #[arg(value_enum)]
    workload: Workload,
    /// Requests in flight; for watch, the watchers
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// Connections, spread over all endpoints; by default 9 up to 64 in flight and 18 above, 1 for 1
    #[arg(long, visible_alias = "clients", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    connections: Option<u32>,
    /// Bytes of a value
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    value_bytes: u32,
    /// Keys
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    keys: u32,
    /// How keys are chosen
    #[arg(long, value_enum, default_value_t = Distribution::Even)]
    distribution: Distribution,
    /// Reads in a hundred requests, for mixed and requests
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=100))]
    reads: u32,
    /// Keys that a list asks for
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    list_keys: u32,
    /// How long: a number of seconds, or a time such as 300ms or 2m
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "TIME")]
    seconds: Duration,
    /// Requests a second, sent at their times whatever the answers do; --in-flight bounds those that wait
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// Threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Do not write the keys before reading them
    #[arg(long)]
    no_fill: bool,
    /// Write what the clients did and saw, for synod check. Of cas and requests the whole answers, revisions included: nobody else
    /// may change the store meanwhile
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The workload's name on the command line.
    fn name(&self) -> String {
        let value = self.workload.to_possible_value().expect("no workload is hidden");
        value.get_name().to_owned()
    }
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.history.is_some() && !arguments.workload.has_history() {
        let name = arguments.name();
        return Err(Failure::usage(format!(
            "--history: not of {name}, but of put, get, get-serializable, mixed, cas and requests"
        )));
    }
    let mut threads = match arguments.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = threads.worker_threads(arguments.threads as usize).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("no threads to drive with: {error}")))?;
    let mut measured = runtime.block_on(drive::drive(context, arguments))?;
    runtime.shutdown_background();
    if let Some(file) = &arguments.history {
        let accounts = std::mem::take(&mut measured.accounts);
        let operations = history::write(file, measured.beginning, accounts).map_err(|error| {
            Failure::internal(format!("{}: it cannot be written: {error}", file.display()))
        })?;
        note(format_args!("Written: {}, {operations} operations", file.display()));
    }
    report::print(arguments, &measured)?;
    Ok(if measured.latency.is_empty() { Exit::Unreachable } else { Exit::Fine })
}

/// A whole number of seconds, or a time with its units.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(whole) => Ok(Duration::from_secs(whole.into())),
        Err(_) => duration::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_one_of_seconds() {
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("1m30s"), Ok(Duration::from_secs(90)));
        assert!(seconds("two").is_err_and(|error| error.contains("expected")));
    }
}
