//! `synod lab break`: known bugs are put back one by one, each into a hunt of its own, until each is found.

use std::io::Write as _;

use synod_lab::catalogue;
use synod_lab::entry::Weakness;
use synod_lab::hunt::Campaign;
use synod_lab::report;
use synod_sim::Hunt;

use super::progress::{Interrupt, Progress};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab break database
  synod lab break database forget-vote

Exit code: 0 all were found, 1 one was not.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The scenario; `synod lab list` lists them
    #[arg(value_parser = super::parse_entry)]
    scenario: String,
    /// One bug [all]
    bug: Option<String>,
    /// Seeds to try for each
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The first of the consecutive seeds
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One JSON line a bug, schema synod-lab-break/1
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen();
    let entry = catalogue::entry(&arguments.scenario).map_err(Failure::usage)?;
    if let Some(name) = &arguments.bug {
        super::weakness_of(entry, name).map_err(Failure::usage)?;
    }
    let chosen = entry
        .about()
        .weaknesses
        .iter()
        .filter(|bug| arguments.bug.as_ref().is_none_or(|name| name == bug.name));
    let mut missed = 0;
    for bug in chosen {
        missed += u64::from(!hunt(arguments, bug, &interrupt)?);
        if interrupt.came() {
            return Ok(Exit::Partial);
        }
    }
    if !arguments.json {
        let mut out = std::io::stdout().lock();
        match missed {
            0 => writeln!(out, "\n✓ every bug that was put back was found")?,
            missed => writeln!(out, "\n✗ {missed} not found within {} runs", arguments.runs)?,
        }
    }
    Ok(if missed == 0 { Exit::Fine } else { Exit::Bad })
}

/// Hunts for one bug; whether it was found.
fn hunt(arguments: &Arguments, bug: &'static Weakness, interrupt: &Interrupt) -> Result<bool, Failure> {
    let scenario = catalogue::entry(&arguments.scenario).map_err(Failure::usage)?;
    let hunt = Hunt {
        seed: arguments.seed,
        runs: arguments.runs,
        twice: false,
        violations_max: usize::MAX,
        ..Hunt::default()
    };
    let campaign =
        Campaign { entry: scenario, settings: scenario.settings().showing(bug), hunt, findings: None };
    let mut progress = Progress::new(bug.name, arguments.runs, None);
    let outcome = campaign.go(&mut |report, run| {
        progress.show(report.runs, report.violations.len());
        !interrupt.came() && !bug.explains(run)
    });
    progress.clear();
    let report = outcome.map_err(|error| Failure::internal(error.to_string()))?.report;
    let run = report.violations.iter().find(|run| bug.explains(run));
    let violation = run.and_then(|run| run.found.as_ref()).map(|found| &found.violation);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let line = serde_json::json!({
            "schema": "synod-lab-break/1",
            "scenario": scenario.name(),
            "bug": bug.name,
            "found": violation.is_some(),
            "runs": report.runs,
            "seed": run.map(|run| run.seed.to_string()),
            "property": violation.map(|violation| &violation.property),
            "sentence": violation.map(|violation| &violation.sentence),
        });
        writeln!(out, "{line}")?;
        return Ok(violation.is_some());
    }
    match (run, violation) {
        (Some(run), Some(violation)) => {
            let count = if report.runs == 1 { "1 run".to_owned() } else { format!("{} runs", report.runs) };
            writeln!(out, "✓ {:<28} in {count}, by {}", bug.name, violation.property)?;
            writeln!(
                out,
                "{:31}synod lab replay {} --scenario {} --plant {}",
                "",
                run.seed,
                scenario.name(),
                bug.name
            )?;
        }
        _ => writeln!(out, "✗ {:<28} not found in {} runs", bug.name, report::number(report.runs))?,
    }
    Ok(violation.is_some())
}
