//! `synod lab`: the mechanisms of this program in hostile simulated worlds, where one seed draws everything.
//!
//! The commands here are thin: what a hunt is and what it means stands in `synod_lab`. Reports go to standard output, progress to standard error.

mod break_it;
mod hunt;
mod list;
mod progress;
mod replay;

use clap::Subcommand;
use synod_lab::planted::{self, Planted};
use synod_lab::scenario::{self, Scenario};

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab hunt database --runs 1000     a thousand seeds, each its own world
  synod lab replay 428                    one of them again, drawn as a diagram
  synod lab break database                prove that known bugs would be found
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
    /// List scenarios, what must hold in them, and their known bugs
    List(list::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Hunt(arguments) => hunt::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Break(arguments) => break_it::run(arguments),
        Command::List(arguments) => list::run(arguments),
    }
}

/// A scenario by its name.
fn scenario_of(name: &str) -> Result<&'static dyn Scenario, String> {
    scenario::named(name).ok_or_else(|| {
        let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name()).collect();
        format!("there is no such scenario; there is: {}", names.join(", "))
    })
}

/// A known bug by its name.
fn bug_of(name: &str) -> Result<&'static Planted, String> {
    planted::named(name).ok_or_else(|| {
        let names: Vec<&str> = planted::BUGS.iter().map(|bug| bug.name).collect();
        format!("no such bug is known; known are: {}", names.join(", "))
    })
}

/// The name of a scenario, checked when the command line is read.
fn parse_scenario(name: &str) -> Result<String, String> {
    scenario_of(name).map(|scenario| scenario.name().to_owned())
}

/// The name of a known bug, checked when the command line is read.
fn parse_bug(name: &str) -> Result<String, String> {
    bug_of(name).map(|bug| bug.name.to_owned())
}
