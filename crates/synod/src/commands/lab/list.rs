//! `synod lab list`: the mechanisms of the catalogue, and those still to come.

use std::io::Write as _;

use synod_lab::catalogue::{ENTRIES, to_come};
use synod_lab::entry::{Entry, Family};
use synod_lab::{report, suggest};

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab list
  synod lab list --family mutex
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// Only this family
    #[arg(long, value_name = "F", value_parser = parse_family)]
    family: Option<Family>,
    /// One JSON document, schema synod-lab-list/2
    #[arg(long)]
    json: bool,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

fn parse_family(name: &str) -> Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| suggest::unknown("family", name, Family::ALL.map(Family::name)))
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let of_family = |family: Family| arguments.family.is_none_or(|wanted| wanted == family);
    let entries: Vec<&'static dyn Entry> =
        ENTRIES.iter().copied().filter(|entry| of_family(entry.about().family)).collect();
    let rows: Vec<_> = to_come().filter(|row| of_family(row.family)).collect();
    if arguments.json {
        let entries: Vec<_> = entries.iter().map(|entry| super::describe::document(*entry)).collect();
        let rows = rows.iter().map(
            |row| serde_json::json!({"name": row.name, "family": row.family.name(), "chapter": row.chapter}),
        );
        let document = serde_json::json!({
            "schema": "synod-lab-list/2", "mechanisms": entries, "to_come": rows.collect::<Vec<_>>(),
        });
        writeln!(std::io::stdout().lock(), "{document}")?;
        return Ok(Exit::Fine);
    }
    super::scene::print(&report::entry::list(&entries, &rows), arguments.ascii)?;
    Ok(Exit::Fine)
}
