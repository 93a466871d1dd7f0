//! `synod lab run`: one run of a mechanism, calm or with faults by hand, drawn, judged and exported; or the run that a file describes.

use std::path::{Path, PathBuf};

use synod_lab::replay::{Look, Replayed};
use synod_lab::report;
use synod_lab::scenario::Scenario;
use synod_sim::{Diagram, Fault};

use super::scene;
use crate::failure::{Exit, Failure};
use crate::note;

const EXAMPLES: &str = "\
Examples:
  synod lab run lamport-mutex
  synod lab run lamport-mutex --nodes 5 --seed 3 --set think=0s
  synod lab run lamport-mutex --fault 'at 20ms slow n1 -> n2 x20 for 10ms'
  synod lab run lamport-mutex --print-scenario > scene.toml
  synod lab run scene.toml --export svg scene.svg
  synod lab run quorum --drawn --history h.jsonl && synod check h.jsonl

Exit code: 0 all properties hold, 1 one does not, 2 the run proves nothing.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// A mechanism, or the file of a scenario
    #[arg(value_name = "NAME|FILE")]
    name: String,
    #[command(flatten)]
    chosen: scene::Chosen,
    /// The seed of all that is drawn
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Draw the world of that seed as a hunt would, with its faults
    #[arg(long)]
    drawn: bool,
    /// Add a fault, such as 'at 20ms crash n1 for 50ms'
    #[arg(long = "fault", value_name = "LINE", value_parser = parse_fault)]
    faults: Vec<Fault>,
    /// Show the diagram and the verdicts, although something is written as well
    #[arg(long)]
    text: bool,
    /// Write every record, fate and fault to a file, as JSON lines with stamps
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the run for another program: svg, mermaid, shiviz or perfetto
    #[arg(long, num_args = 2, value_names = ["FORM", "FILE"])]
    export: Vec<String>,
    /// Write what clients asked and were answered, for `synod check`
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print the run as a scenario to be edited, and do not make it
    #[arg(long)]
    print_scenario: bool,
    /// Save the run with what it came to
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Lines of the diagram
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(5..))]
    lines: u16,
    /// One JSON document, schema synod-lab-run/1
    #[arg(long)]
    json: bool,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

fn parse_fault(line: &str) -> Result<Fault, String> {
    line.parse().map_err(|error: synod_sim::FaultError| error.to_string().replacen("line 1: ", "", 1))
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenario = scenario(arguments)?;
    if arguments.print_scenario {
        scene::print(&scenario.to_string(), false)?;
        return Ok(Exit::Fine);
    }
    let is_whole = !arguments.export.is_empty();
    let look = Look {
        moments_max: if is_whole { usize::MAX } else { 10 * usize::from(arguments.lines) },
        states: is_whole,
        history: arguments.history.is_some(),
        diagram: Diagram {
            columns_max: report::COLUMNS_MAX,
            lines_max: arguments.lines.into(),
            ascii: arguments.ascii,
            ..Diagram::default()
        },
        ..Look::default()
    };
    let trace = arguments.trace.as_deref().map(scene::trace_to).transpose()?;
    let replayed = scenario
        .entry
        .replay(scenario.plan.clone(), &scenario.settings, &look, trace)
        .map_err(scene::refused)?;
    write(arguments, &scenario, &replayed)?;
    if arguments.json {
        scene::print(&format!("{}\n", document(&scenario, &replayed)), false)?;
    } else {
        let run = &replayed.run;
        let mut text = report::run::head(&scenario, run, "run");
        text += &format!("\n{}\n{}", replayed.picture, report::run::verdicts(&scenario, run));
        if !replayed.same {
            text += "\n✗ made again, it was another run: chance is at work in the mechanism\n";
        }
        scene::print(&text, arguments.ascii)?;
    }
    Ok(if replayed.same { scene::verdict(&scenario, &replayed.run) } else { Exit::Internal })
}

fn scenario(arguments: &Arguments) -> Result<Scenario, Failure> {
    let mut scenario = if scene::is_file(&arguments.name) {
        let mut scenario = scene::read(Path::new(&arguments.name))?;
        if let Some(seed) = arguments.seed {
            scenario.plan.seed = seed;
        }
        scenario
    } else {
        let entry = scene::entry_of(&arguments.name)?;
        let settings = arguments.chosen.settings(entry)?;
        let seed = arguments.seed.unwrap_or(1);
        let plan = if arguments.drawn { entry.plan(seed, &settings) } else { entry.story(seed, &settings) };
        Scenario::new(entry, settings, plan)
    };
    if let Some(nodes) = arguments.chosen.nodes {
        scenario.plan.nodes = nodes;
    }
    if !arguments.faults.is_empty() {
        let plan = &mut scenario.plan;
        plan.faults.faults.extend(arguments.faults.iter().cloned());
        plan.faults.faults.sort_by_key(|fault| fault.at);
        // What is asked for by hand is made, and labelled with what it breaks.
        plan.break_assumptions = true;
        let late = plan.faults.faults.iter().find(|fault| fault.at >= plan.safety);
        if let Some(fault) = late {
            note(format_args!(
                "Note: the run's faults end at {}; `{fault}` comes later",
                synod_sim::Seconds(plan.safety)
            ));
        }
    }
    Ok(scenario)
}

fn write(arguments: &Arguments, scenario: &Scenario, replayed: &Replayed) -> Result<(), Failure> {
    let title = format!(
        "{}, seed {}, synod {}",
        scenario.entry.name(),
        scenario.plan.seed,
        synod_lab::scenario::build()
    );
    scene::export_to(&arguments.export, &replayed.film, &title)?;
    if let Some(file) = &arguments.history {
        scene::write_history(file, scenario, replayed)?;
    }
    if let Some(file) = &arguments.save {
        let saved = scenario.clone().with_result(&replayed.run, replayed.marks.clone());
        std::fs::write(file, saved.to_string())
            .map_err(|error| Failure::usage(format!("--save {}: {error}", file.display())))?;
    }
    Ok(())
}

fn document(scenario: &Scenario, replayed: &Replayed) -> serde_json::Value {
    let run = &replayed.run;
    let found = run.found.as_ref();
    serde_json::json!({
        "schema": "synod-lab-run/1",
        "mechanism": scenario.entry.name(),
        "seed": scenario.plan.seed.to_string(),
        "nodes": scenario.plan.nodes,
        "settings": scenario.settings.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "weakness": scenario.settings.weakness().map(|weakness| weakness.name),
        "records": run.records,
        "simulated_seconds": run.simulated.as_secs_f64(),
        "fingerprint": format!("{:016x}", run.fingerprint),
        "same_twice": replayed.same,
        "broken_needs": run.broken_needs,
        "vacuous": run.vacuous,
        "exercised": run.exercised.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "violation": found.map(|found| serde_json::json!({
            "property": found.violation.property,
            "sentence": found.violation.sentence,
            "nodes": found.violation.nodes.iter().map(|node| node.0).collect::<Vec<_>>(),
            "time_seconds": found.time.since_start().as_secs_f64(),
            "record": found.record,
        })),
    })
}
