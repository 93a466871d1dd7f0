//! `synod lab list`: scenarios, what must hold in them, and the bugs that can be put back.

use std::io::Write as _;

use synod_lab::planted::BUGS;
use synod_lab::report::fold;
use synod_lab::scenario::ALL;

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Example:
  synod lab list
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// One JSON document, schema synod-lab-list/1
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", document())?;
        return Ok(Exit::Fine);
    }
    for scenario in ALL {
        write!(out, "{}\n{}\n  must hold\n", scenario.name(), fold(&format!("  {}", scenario.summary()), 2))?;
        for property in scenario.properties() {
            write!(out, "{}", fold(&format!("  · {property}"), 4))?;
        }
        writeln!(out, "\n  known bugs that can be put back (--plant)")?;
        for bug in BUGS {
            let first = format!("  {:<27} {}", bug.name, bug.sentence);
            write!(out, "{}", fold_after(&first, 30))?;
        }
    }
    Ok(Exit::Fine)
}

/// Folds, and keeps the spaces of the first column.
fn fold_after(line: &str, column: usize) -> String {
    let (first, rest) = line.split_at(column);
    let folded = fold(&format!("{}{rest}", " ".repeat(column)), column);
    format!("{first}{}", folded.get(column..).unwrap_or_default())
}

fn document() -> serde_json::Value {
    let scenarios = ALL.iter().map(|scenario| {
        serde_json::json!({
            "name": scenario.name(),
            "summary": scenario.summary(),
            "properties": scenario.properties(),
            "bugs": BUGS.iter().map(|bug| serde_json::json!({
                "name": bug.name, "sentence": bug.sentence, "breaks": bug.breaks,
            })).collect::<Vec<_>>(),
        })
    });
    serde_json::json!({ "schema": "synod-lab-list/1", "scenarios": scenarios.collect::<Vec<_>>() })
}
