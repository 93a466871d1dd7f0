//! `synod lab replay`: one run again, byte for byte, with a picture of the moments before its end.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use synod_lab::catalogue;
use synod_lab::entry::Entry;
use synod_lab::replay::{Look, Replayed};
use synod_lab::report;
use synod_sim::{Diagram, Finding, Lines, Plan};

use crate::failure::{Exit, Failure};
use crate::note;

const EXAMPLES: &str = "\
Examples:
  synod lab replay 428
  synod lab replay sim-findings/database/database-428.finding
  synod lab replay 428 --trace out.jsonl      every record, as JSON lines
  synod lab replay 17 --plant forget-vote     a run with a known bug

Exit code: 0 the run violates nothing, 1 it does, 70 it is not the same twice.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// A seed, or the file of a finding
    #[arg(value_name = "SEED|FILE")]
    run: String,
    /// The scenario of a seed
    #[arg(long, value_name = "NAME", default_value = "database", value_parser = super::parse_entry)]
    scenario: String,
    /// Put a known bug back
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Write every record, fate and fault to a file, as JSON lines with stamps
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Lines of the diagram
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(5..))]
    lines: u16,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
    /// Show the faults that were planned
    #[arg(long)]
    faults: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let finding = match arguments.run.parse::<u64>() {
        Ok(_) => None,
        Err(_) => Some(read(Path::new(&arguments.run))?),
    };
    let name = finding.as_ref().map_or(&arguments.scenario, |finding| &finding.subject);
    let scenario = catalogue::entry(name).map_err(Failure::usage)?;
    let settings = super::settings_of(scenario, &[], arguments.plant.as_deref())?;
    let seed = match &finding {
        Some(finding) => finding.seed,
        None => arguments.run.parse().map_err(|_| Failure::usage("expected a seed of 64 bits"))?,
    };
    let mut plan = scenario.plan(seed, &settings);
    if let Some(finding) = &finding {
        keep_faults(&mut plan, finding)?;
    }
    let look = Look {
        diagram: Diagram {
            columns_max: report::COLUMNS_MAX,
            lines_max: arguments.lines.into(),
            ascii: arguments.ascii,
        },
        moments_max: 10 * usize::from(arguments.lines),
    };
    let trace = arguments.trace.as_deref().map(create).transpose()?;
    let failed = |error: synod_sim::PlanError| Failure::internal(error.to_string());
    let replayed = scenario.replay(plan.clone(), &settings, &look, trace).map_err(failed)?;
    let text = shown(arguments, scenario, &plan, &replayed);
    let text = if arguments.ascii { text.replace('✗', "x").replace('✓', "=") } else { text };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if let Some(finding) = &finding {
        compare(finding, &replayed);
    }
    Ok(match (replayed.same, &replayed.run.found) {
        (false, _) => Exit::Internal,
        (true, Some(_)) => Exit::Bad,
        (true, None) => Exit::Fine,
    })
}

fn read(file: &Path) -> Result<Finding, Failure> {
    let usage = |problem: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: expected a seed or the file of a finding: {problem}", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| usage(&error))?;
    text.parse().map_err(|problem: String| usage(&problem))
}

fn create(file: &Path) -> Result<Box<dyn std::fmt::Write>, Failure> {
    let created = File::create(file);
    let out = created.map_err(|error| Failure::usage(format!("--trace {}: {error}", file.display())))?;
    Ok(Box::new(Lines::new(BufWriter::new(out))))
}

/// The faults of a finding are those that were saved, whatever is drawn today.
fn keep_faults(plan: &mut Plan, finding: &Finding) -> Result<(), Failure> {
    let saved = finding.script.parse();
    let saved = saved.map_err(|error| Failure::usage(format!("the finding's faults: {error}")))?;
    if plan.faults != saved {
        note(format_args!("Note: this build draws other faults for the seed; those of the finding are used"));
        plan.faults = saved;
    }
    Ok(())
}

/// Says so if a finding is not found any more.
fn compare(finding: &Finding, replayed: &Replayed) {
    let found = replayed.run.found.as_ref().map(|found| &found.violation);
    match found {
        Some(violation) if violation.property == finding.property => {}
        Some(_) => {
            note(format_args!("Note: build {} found something else: {}", finding.build, finding.property))
        }
        None => note(format_args!(
            "Note: build {} found: {} violated; this one does not",
            finding.build, finding.property
        )),
    }
}

fn shown(arguments: &Arguments, scenario: &'static dyn Entry, plan: &Plan, replayed: &Replayed) -> String {
    let Replayed { run, again, same, picture } = replayed;
    let bug = arguments.plant.as_ref().map_or(String::new(), |bug| format!(", {bug}"));
    let mut text = format!(
        "replay {}: seed {}, {} nodes{bug}; {} records in {}\n",
        scenario.name(),
        run.seed,
        plan.nodes,
        report::number(run.records),
        report::time(run.simulated)
    );
    text += &match same {
        true => format!("fingerprint {:016x}, the same twice\n", run.fingerprint),
        false => format!("✗ fingerprint {:016x}, and {again:016x} when made again\n", run.fingerprint),
    };
    if arguments.faults {
        text += "\nplanned faults\n";
        for fault in &plan.faults.faults {
            text += &report::fold(&format!("  {fault}"), 6);
        }
    }
    text += &format!("\n{picture}\n");
    text += &match &run.found {
        Some(found) => report::violation(run, found, plan.nodes),
        None => "✓ nothing is violated\n".to_owned(),
    };
    text
}
