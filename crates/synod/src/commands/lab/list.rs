//! `synod lab list`: the entries of the catalogue, what must hold of them, and what breaks them.

use std::io::Write as _;

use synod_lab::catalogue::ENTRIES;
use synod_lab::report::fold;

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
    for entry in ENTRIES {
        let about = entry.about();
        write!(out, "{}\n{}", about.name, fold(&format!("  {}", about.question), 2))?;
        for property in about.properties {
            write!(out, "{}", fold(&format!("  · {}", property.name), 4))?;
        }
    }
    Ok(Exit::Fine)
}

fn document() -> serde_json::Value {
    let entries = ENTRIES.iter().map(|entry| {
        let about = entry.about();
        serde_json::json!({
            "name": about.name,
            "question": about.question,
            "properties": about.properties.iter().map(|property| property.name).collect::<Vec<_>>(),
        })
    });
    serde_json::json!({ "schema": "synod-lab-list/1", "entries": entries.collect::<Vec<_>>() })
}
