//! `synod lab`: the mechanisms of this program in hostile simulated worlds, where one seed draws everything.
//!
//! The commands here are thin: what a hunt is and what it means stands in `synod_lab`. Reports go to standard output, progress to standard error.

mod break_it;
mod explore;
mod hunt;
mod list;
mod progress;
mod replay;

use clap::Subcommand;
use synod_lab::catalogue;
use synod_lab::entry::{Entry, Settings, Weakness};
use synod_lab::suggest;

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab hunt database --runs 1000     a thousand seeds, each its own world
  synod lab replay 428                    one of them again, drawn as a diagram
  synod lab break database                prove that known bugs would be found
  synod lab explore lamport-mutex         every order of events in a small world
  synod lab list                          what there is
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
    /// Run many seeds of a scenario, and judge all that happens
    Hunt(hunt::Arguments),
    /// Run one seed again, and draw the moments before its end
    Replay(replay::Arguments),
    /// Put known bugs back one by one, and see each found
    Break(break_it::Arguments),
    /// See every state of a small world: every order of everything that can happen
    Explore(explore::Arguments),
    /// List scenarios, what must hold in them, and their known bugs
    List(list::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Hunt(arguments) => hunt::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Break(arguments) => break_it::run(arguments),
        Command::Explore(arguments) => explore::run(arguments),
        Command::List(arguments) => list::run(arguments),
    }
}

/// A weakness of an entry by its name.
fn weakness_of(entry: &dyn Entry, name: &str) -> Result<&'static Weakness, String> {
    let known = entry.about().weaknesses.iter().map(|weakness| weakness.name);
    entry.about().weakness(name).ok_or_else(|| suggest::unknown("weakness", name, known))
}

/// The settings of an entry with what was set, and with a weakness if one is to show.
fn settings_of(
    entry: &'static dyn Entry,
    set: &[String],
    weakness: Option<&str>,
) -> Result<Settings, Failure> {
    let mut settings = entry.settings();
    for assignment in set {
        settings.set(assignment).map_err(|error| Failure::usage(format!("--set {assignment}: {error}")))?;
    }
    match weakness {
        Some(name) => Ok(settings.showing(weakness_of(entry, name).map_err(Failure::usage)?)),
        None => Ok(settings),
    }
}

/// The name of an entry, checked when the command line is read.
fn parse_entry(name: &str) -> Result<String, String> {
    catalogue::entry(name).map(|entry| entry.name().to_owned())
}
