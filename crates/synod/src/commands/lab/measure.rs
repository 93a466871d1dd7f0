//! `synod lab measure`: an experiment with any parameters, or every known row of all of them.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use synod_lab::catalogue;
use synod_lab::entry::{Experiment, Settings};
use synod_lab::measure::{Measure, MeasureError, Measurement, rows};
use synod_lab::report;

use super::progress::{Interrupt, Progress};
use super::scene;
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab measure lamport-mutex-cost
  synod lab measure lamport-mutex-cost --set nodes=9 --runs 20 --seed 7 --json
  synod lab measure --all --markdown docs/numbers.md
  synod lab measure                            lists the experiments

Exit code: 0 every figure is as expected, 1 one is not, 2 it was ended early.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The experiment [list them]
    experiment: Option<String>,
    /// Every known row of every experiment
    #[arg(long, conflicts_with_all = ["experiment", "set"])]
    all: bool,
    /// Set a parameter
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// How many runs [the experiment's own number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// The seed of all that is drawn [another each time]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Threads [as many as cores]; figures are the same whatever their number
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
    /// One JSON object a line for each measurement
    #[arg(long)]
    json: bool,
    /// Write all figures of which something is expected to a file, as a table
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let jobs: Vec<(&'static Experiment, Settings)> = match &arguments.experiment {
        Some(name) => vec![one(name, &arguments.set)?],
        None if arguments.all => catalogue::experiments()
            .flat_map(|(_, experiment)| rows(experiment).map(move |settings| (experiment, settings)))
            .collect(),
        None => return list(arguments),
    };
    let seed = arguments.seed.unwrap_or_else(seed_of_nobody);
    let interrupt = Interrupt::listen();
    let mut made = Vec::new();
    for (experiment, settings) in &jobs {
        let Some(measurement) = measure(arguments, experiment, settings, seed, &interrupt)? else {
            return Ok(Exit::Partial);
        };
        match arguments.json {
            true => writeln!(std::io::stdout().lock(), "{}", report::measure::json(&measurement))?,
            false => scene::print(&report::measure::measurement(&measurement), arguments.ascii)?,
        }
        made.push(measurement);
    }
    if let Some(file) = &arguments.markdown {
        std::fs::write(file, report::measure::markdown(&made))
            .map_err(|error| Failure::usage(format!("--markdown {}: {error}", file.display())))?;
    }
    let missed = made.iter().filter(|measurement| !measurement.ok()).count();
    if arguments.all && !arguments.json {
        let text = match missed {
            0 => format!("\n✓ all {} known rows hold, from seed {seed}\n", made.len()),
            missed => format!("\n✗ {missed} of {} known rows do not hold, from seed {seed}\n", made.len()),
        };
        scene::print(&text, arguments.ascii)?;
    }
    Ok(if missed == 0 { Exit::Fine } else { Exit::Bad })
}

fn one(name: &str, set: &[String]) -> Result<(&'static Experiment, Settings), Failure> {
    let (_, experiment) = catalogue::experiment(name).map_err(Failure::usage)?;
    let mut settings = Settings::of(experiment.parameters);
    for assignment in set {
        settings.set(assignment).map_err(|error| Failure::usage(format!("--set {assignment}: {error}")))?;
    }
    Ok((experiment, settings))
}

/// Measures with progress; nothing if it was interrupted.
fn measure(
    arguments: &Arguments,
    experiment: &'static Experiment,
    settings: &Settings,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Option<Measurement>, Failure> {
    let progress = Mutex::new(Progress::new(&format!("measure {}", experiment.name), 1, None));
    let shown = |done: u64, of: u64| {
        let mut progress = progress.lock().expect("nobody dies while it draws a bar");
        progress.set_total(of);
        progress.show(done, "");
        !interrupt.came()
    };
    let threads = arguments.threads.unwrap_or(0) as usize;
    let measured = Measure { runs: arguments.runs, seed, threads, progress: &shown }.go(experiment, settings);
    progress.lock().expect("nobody dies while it draws a bar").clear();
    match measured {
        Ok(measurement) => Ok(Some(measurement)),
        Err(MeasureError::Ended) => Ok(None),
        Err(error @ MeasureError::Settings(_)) => {
            Err(Failure::usage(format!("{}: {error}", experiment.name)))
        }
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

/// A seed that nobody chose. It is printed, so that the same can be measured again.
fn seed_of_nobody() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Within what every reader of JSON keeps exactly.
    (now.as_nanos() as u64 ^ u64::from(std::process::id()) << 20) & 0xffff_ffff
}

fn list(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut text = String::new();
    for (entry, experiment) in catalogue::experiments() {
        text += &format!("{}  ({})\n", experiment.name, entry.name());
        text += &report::fold(&format!("  {}", experiment.sentence), 2);
    }
    scene::print(&text, arguments.ascii)?;
    Ok(Exit::Fine)
}
