//! `synod lab replay`: a saved run or a seed again, byte for byte, with a picture of the moments before its end, or the states at one event.

use std::path::{Path, PathBuf};

use synod_lab::replay::{Look, Replayed};
use synod_lab::scenario::Scenario;
use synod_lab::{diff, report};
use synod_sim::Diagram;

use super::scene;
use crate::failure::{Exit, Failure};
use crate::note;

const EXAMPLES: &str = "\
Examples:
  synod lab replay sim-findings/raft/raft-428.toml
  synod lab replay 428 --mechanism database
  synod lab replay found.toml --at e42          the states of all nodes then
  synod lab replay found.toml --trace out.jsonl every record, as JSON lines
  synod lab replay found.toml --history h.jsonl what clients saw, to be judged
                                                by synod check h.jsonl

Exit code: 0 the run violates nothing, 1 it does, 70 it is not the same twice.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The file of a saved run, or a seed
    #[arg(value_name = "SAVED|SEED")]
    run: String,
    /// The mechanism of a seed
    #[arg(long, alias = "scenario", value_name = "NAME", default_value = "database")]
    mechanism: String,
    #[command(flatten)]
    chosen: scene::Chosen,
    /// Show the states of all nodes at that event
    #[arg(long, value_name = "EVENT", value_parser = parse_event)]
    at: Option<u64>,
    /// Write every record, fate and fault to a file, as JSON lines with stamps
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write what clients asked and were answered, for `synod check`
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Write the run for another program: svg, mermaid, shiviz or perfetto
    #[arg(long, num_args = 2, value_names = ["FORM", "FILE"])]
    export: Vec<String>,
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

fn parse_event(name: &str) -> Result<u64, String> {
    let number = name.strip_prefix('e').unwrap_or(name).parse();
    number.map_err(|_| format!("expected an event such as e42, found `{name}`"))
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenario = scenario(arguments)?;
    let is_whole = arguments.at.is_some() || !arguments.export.is_empty();
    let look = Look {
        diagram: Diagram {
            columns_max: report::COLUMNS_MAX,
            lines_max: arguments.lines.into(),
            ascii: arguments.ascii,
            ..Diagram::default()
        },
        moments_max: if is_whole { usize::MAX } else { 10 * usize::from(arguments.lines) },
        states: is_whole,
        history: arguments.history.is_some(),
        marks: scenario.saved.as_ref().map(|saved| saved.marks.clone()).unwrap_or_default(),
    };
    let trace = arguments.trace.as_deref().map(scene::trace_to).transpose()?;
    let replayed = scenario
        .entry
        .replay(scenario.plan.clone(), &scenario.settings, &look, trace)
        .map_err(scene::refused)?;
    let title = format!("{}, seed {}", scenario.entry.name(), scenario.plan.seed);
    scene::export_to(&arguments.export, &replayed.film, &title)?;
    if let Some(file) = &arguments.history {
        scene::write_history(file, &scenario, &replayed)?;
    }
    let text = match arguments.at {
        Some(event) => diff::moment(&replayed.film, event).ok_or_else(|| {
            Failure::usage(format!(
                "--at e{event}: the run has the events e0 to e{}",
                replayed.run.records.saturating_sub(1)
            ))
        })?,
        None => shown(arguments, &scenario, &replayed),
    };
    scene::print(&text, arguments.ascii)?;
    compare(&scenario, &replayed);
    Ok(match (replayed.same, &replayed.run.found) {
        (false, _) => Exit::Internal,
        (true, Some(_)) => Exit::Bad,
        (true, None) => Exit::Fine,
    })
}

fn scenario(arguments: &Arguments) -> Result<Scenario, Failure> {
    match arguments.run.parse::<u64>() {
        Err(_) if scene::is_file(&arguments.run) || Path::new(&arguments.run).exists() => {
            scene::read(Path::new(&arguments.run))
        }
        Err(_) => {
            Err(Failure::usage(format!("{}: expected a seed or the file of a saved run", arguments.run)))
        }
        Ok(seed) => {
            let entry = scene::entry_of(&arguments.mechanism)?;
            let settings = arguments.chosen.settings(entry)?;
            let plan = entry.plan(seed, &settings);
            Ok(Scenario::new(entry, settings, plan))
        }
    }
}

/// Says so if a saved run is another one in this build, and where.
fn compare(scenario: &Scenario, replayed: &Replayed) {
    let Some(saved) = &scenario.saved else { return };
    if let Some(parting) = replayed.parting {
        note(format_args!("Note: {}", report::run::parting(&saved.build, parting)));
    }
    let found = replayed.run.found.as_ref().map(|found| &found.violation.property);
    match (&saved.property, found) {
        (Some(saved_property), Some(found)) if saved_property != found => {
            note(format_args!("Note: build {} found something else: {saved_property}", saved.build));
        }
        (Some(saved_property), None) => note(format_args!(
            "Note: build {} found: {saved_property} violated; this one does not",
            saved.build
        )),
        _ => {}
    }
}

fn shown(arguments: &Arguments, scenario: &Scenario, replayed: &Replayed) -> String {
    let Replayed { run, again, same, picture, film, .. } = replayed;
    let mut text = report::run::head(scenario, run, "replay");
    text += &match same {
        true => format!("fingerprint {:016x}, the same twice\n", run.fingerprint),
        false => format!("✗ fingerprint {:016x}, and {again:016x} when made again\n", run.fingerprint),
    };
    if arguments.faults {
        text += "\nplanned faults\n";
        for fault in &scenario.plan.faults.faults {
            text += &report::fold(&format!("  {fault}"), 6);
        }
    }
    text += &format!("\n{picture}\n");
    text += &match &run.found {
        Some(found) => {
            let proof = film.proof(&found.violation);
            report::violation(run, found, scenario.plan.nodes)
                + &proof.iter().map(|event| report::fold(&format!("    {event}"), 8)).collect::<String>()
        }
        None => "✓ nothing is violated\n".to_owned(),
    };
    text
}
