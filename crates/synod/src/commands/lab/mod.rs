//! `synod lab`: the mechanisms of this program in hostile simulated worlds, where one seed draws everything.
//!
//! The commands here are thin: what an entry, a run, a hunt is and what it means stands in `synod_lab`. Reports go to standard output, progress to standard
//! error.

mod break_it;
mod describe;
mod diff;
mod explore;
mod hunt;
mod list;
mod measure;
mod new;
mod progress;
mod replay;
mod run;
mod scene;
mod shrink;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab list                          what there is
  synod lab describe lamport-mutex        one of them in full
  synod lab run lamport-mutex             a short run, drawn as a diagram
  synod lab hunt database --runs 1000     a thousand seeds, each its own world
  synod lab break lamport-mutex           see it break, shrunk and explained
  synod lab explore lamport-mutex         every order of events in a small world
  synod lab measure --all                 hold the numbers of the papers
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What `synod lab` can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// List the mechanisms: question, faults survived, properties
    List(list::Arguments),
    /// Tell all about one mechanism
    Describe(describe::Arguments),
    /// Make one run, drawn as a diagram, judged and exported
    Run(run::Arguments),
    /// Run many seeds of a mechanism, and judge all that happens
    Hunt(hunt::Arguments),
    /// Show how a mechanism breaks: found, shrunk, explained
    Break(break_it::Arguments),
    /// See every state of a small world: every order of everything that can happen
    Explore(explore::Arguments),
    /// Make a saved run or a seed again
    Replay(replay::Arguments),
    /// Make a saved run as small as it can be
    Shrink(shrink::Arguments),
    /// Say where two runs part
    Diff(diff::Arguments),
    /// Measure, and hold the figures against the literature
    Measure(measure::Arguments),
    /// Write a project of your own: a machine, a client, a bug to find
    New(new::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Describe(arguments) => describe::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Hunt(arguments) => hunt::run(arguments),
        Command::Break(arguments) => break_it::run(arguments),
        Command::Explore(arguments) => explore::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Shrink(arguments) => shrink::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Measure(arguments) => measure::run(arguments),
        Command::New(arguments) => new::run(arguments),
    }
}
