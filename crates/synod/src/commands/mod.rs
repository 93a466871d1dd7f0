//! The commands, one module each: its arguments, and what it does with them.

mod bench;
mod check;
mod compact;
mod completions;
mod defrag;
mod del;
mod dev;
mod endpoint;
mod get;
mod key_range;
#[cfg(feature = "lab")]
mod lab;
mod lease;
mod member;
mod put;
mod serve;
mod snapshot;
mod status;
mod txn;
mod version;
mod watch;

use std::future::Future;
use std::io::Stdout;

use clap::Subcommand;

use crate::cli::{CommandLine, GlobalOptions};
use crate::client::{self, Client};
use crate::failure::{Exit, Failure};
use crate::format::Printer;

/// What `synod` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a cluster on this machine, to try and to develop against
    Dev(dev::Arguments),
    /// Serve one member of a cluster, with etcd's own flags
    Serve(serve::Arguments),
    /// Say how healthy the cluster is, and list its members
    Status(status::Arguments),
    /// Read keys
    Get(get::Arguments),
    /// Write a key
    Put(put::Arguments),
    /// Delete keys
    Del(del::Arguments),
    /// Show changes of keys as they happen
    Watch(watch::Arguments),
    /// Compare keys, then read and write, in one step
    Txn(txn::Arguments),
    /// Grant, renew and revoke leases
    Lease(lease::Arguments),
    /// Forget history below a revision
    #[command(alias = "compaction")]
    Compact(compact::Arguments),
    /// Give the disk what no revision shows any more
    Defrag(defrag::Arguments),
    /// Copy a member's store, and make a new cluster from a copy
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// List the members of the cluster
    Member(member::Arguments),
    /// Ask each endpoint for its status, health or hash
    Endpoint(endpoint::Arguments),
    /// Measure how fast a cluster answers
    Bench(bench::Arguments),
    /// Say whether a history keeps a consistency model, and why not
    Check(check::Arguments),
    /// Hunt for bugs of the database itself, in simulated worlds
    #[cfg(feature = "lab")]
    Lab(lab::Arguments),
    /// Print the completion script of a shell
    Completions(completions::Arguments),
    /// Print the version
    Version(version::Arguments),
}

/// Runs a command to its end.
pub fn run(command_line: CommandLine) -> Result<Exit, Failure> {
    let context = Context { global: command_line.global };
    match command_line.command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Status(arguments) => status::run(&context, &arguments),
        Command::Get(arguments) => get::run(&context, &arguments),
        Command::Put(arguments) => put::run(&context, &arguments),
        Command::Del(arguments) => del::run(&context, &arguments),
        Command::Watch(arguments) => watch::run(&context, arguments),
        Command::Txn(arguments) => txn::run(&context, &arguments),
        Command::Lease(arguments) => lease::run(&context, &arguments),
        Command::Compact(arguments) => compact::run(&context, &arguments),
        Command::Defrag(arguments) => defrag::run(&context, &arguments),
        Command::Snapshot(command) => snapshot::run(&context, &command),
        Command::Member(arguments) => member::run(&context, &arguments),
        Command::Endpoint(arguments) => endpoint::run(&context, &arguments),
        Command::Bench(arguments) => bench::run(&context, &arguments),
        Command::Check(arguments) => check::run(&arguments),
        #[cfg(feature = "lab")]
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
    }
}

/// What every command that speaks to a cluster has at hand.
#[derive(Debug)]
pub struct Context {
    global: GlobalOptions,
}

impl Context {
    /// A client of the endpoints that were given.
    pub fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.client_options())
    }

    /// Where the cluster is.
    pub fn client_options(&self) -> client::Options {
        self.global.client_options()
    }

    /// A printer to standard output in the form that was asked for.
    pub fn printer(&self) -> Printer<std::io::BufWriter<Stdout>> {
        Printer::new(std::io::BufWriter::new(std::io::stdout()), self.global.format(), self.global.style())
    }
}

/// Runs a command's conversation with the cluster on this thread. What it leaves behind, such as a read of
/// standard input that nobody waits for any more, does not hold the process up.
pub fn block_on<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::internal(format!("the runtime cannot be started: {error}")))?;
    let result = runtime.block_on(conversation);
    runtime.shutdown_background();
    result
}
