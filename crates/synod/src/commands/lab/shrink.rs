//! `synod lab shrink`: a saved run made as small as it can be and still violate the same property.

use std::path::{Path, PathBuf};

use synod_lab::replay::Look;
use synod_lab::report;
use synod_lab::scenario::Scenario;
use synod_lab::shrink::{Shrunk, TRIES_MAX, shrink};
use synod_sim::Diagram;

use super::progress::{Interrupt, Progress};
use super::scene;
use crate::failure::{Exit, Failure};
use crate::note;

const EXAMPLES: &str = "\
Examples:
  synod lab shrink sim-findings/raft/raft-428.toml
  synod lab shrink found.toml --out small.toml

Exit code: 0 it was shrunk, 2 it violates nothing in this build.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The file of a saved run
    #[arg(value_name = "SAVED")]
    file: PathBuf,
    /// Where the small run is saved [beside it, as NAME-small.toml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Lines of the diagram
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..))]
    lines: u16,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenario = scene::read(&arguments.file)?;
    let interrupt = Interrupt::listen();
    let Some((shrunk, small)) = shrunk(&scenario, &interrupt)? else {
        note(format_args!("Note: in this build the run violates nothing"));
        return Ok(Exit::Partial);
    };
    let (text, small) = told(&small, &shrunk, arguments.lines, arguments.ascii)?;
    let out = arguments.out.clone().unwrap_or_else(|| beside(&arguments.file));
    std::fs::write(&out, small.to_string())
        .map_err(|error| Failure::usage(format!("--out {}: {error}", out.display())))?;
    scene::print(&text, arguments.ascii)?;
    scene::print(&format!("\nsaved: {0}\nreplay: synod lab replay {0}\n", out.display()), arguments.ascii)?;
    Ok(Exit::Fine)
}

/// Shrinks with progress.
pub fn shrunk(scenario: &Scenario, interrupt: &Interrupt) -> Result<Option<(Shrunk, Scenario)>, Failure> {
    let mut progress = Progress::new(&format!("shrink {}", scenario.entry.name()), TRIES_MAX, None);
    let shrunk = shrink(scenario, &mut |tries, plan, run| {
        let faults = plan.faults.faults.len();
        progress.show(tries, &format!("{faults} faults, {} nodes, {} records", plan.nodes, run.records));
        !interrupt.came()
    });
    progress.clear();
    shrunk.map_err(scene::refused)
}

/// A small run in words: what was taken away, the diagram, and the proof. Gives it with what it came to as well.
pub fn told(
    small: &Scenario,
    shrunk: &Shrunk,
    lines: u16,
    ascii: bool,
) -> Result<(String, Scenario), Failure> {
    let diagram =
        Diagram { columns_max: report::COLUMNS_MAX, lines_max: lines.into(), ascii, ..Diagram::default() };
    let look = Look { diagram, ..Look::whole() };
    let replayed =
        small.entry.replay(small.plan.clone(), &small.settings, &look, None).map_err(scene::refused)?;
    let mut text = report::run::shrunk(shrunk);
    if !small.plan.faults.faults.is_empty() {
        text += "\nfaults that are left\n";
        small.plan.faults.faults.iter().for_each(|fault| text += &report::fold(&format!("  {fault}"), 6));
    }
    text += &format!("\n{}\n", replayed.picture);
    if let Some(found) = &replayed.run.found {
        text += &report::run::proof(found, &replayed.film.proof(&found.violation));
    }
    Ok((text, small.clone().with_result(&replayed.run, replayed.marks)))
}

fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().map_or_else(|| "run".into(), std::ffi::OsStr::to_string_lossy);
    file.with_file_name(format!("{stem}-small.toml"))
}
