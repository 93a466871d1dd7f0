//! `synod lab hunt`: many seeds of a mechanism. Seeds that were bad once run first; new findings are saved.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use synod_lab::entry::{Entry, Settings};
use synod_lab::hunt::{Campaign, Outcome, Speed, Verdict};
use synod_lab::replay::Look;
use synod_lab::report;
use synod_lab::scenario::Scenario;
use synod_sim::{Hunt, Run};

use super::progress::{Interrupt, Progress};
use super::scene;
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab hunt database                       seeds 1 to 1000
  synod lab hunt database --seed 5000 --runs 200
  synod lab hunt database --minutes 60          as many as an hour allows
  synod lab hunt database --faults crash,partition
  synod lab hunt quorum --weakness no-write-back --history bad.jsonl
  synod lab hunt database --weakness forget-vote   with a known bug put back

Exit code: 0 nothing found, 1 a violation, 2 nothing found and it means nothing.
";

/// Where findings are saved by default.
const FOLDER: &str = "sim-findings";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The mechanism; `synod lab list` lists them
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    chosen: scene::Chosen,
    /// Only these kinds of faults, with commas between them [all that it survives]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    faults: Vec<String>,
    /// How many seeds [1000, or no end with --minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// The first of the consecutive seeds
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// End after so many minutes
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    minutes: Option<u64>,
    /// Threads [as many as cores]; the report is the same whatever their number
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
    /// Go on until so many violations were found
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    violations: u32,
    /// Make each run once, without comparing it with itself
    #[arg(long)]
    once: bool,
    /// Where findings are saved and looked for [sim-findings/NAME]
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Write what clients saw in the first bad run, or else in the first one
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// One JSON document, schema synod-lab-hunt/2
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let entry = scene::entry_of(&arguments.name)?;
    let mut settings = arguments.chosen.settings(entry)?;
    if !arguments.faults.is_empty() {
        let kinds = arguments.faults.iter().map(String::as_str);
        settings =
            settings.only_faults(kinds).map_err(|error| Failure::usage(format!("--faults: {error}")))?;
    }
    if arguments.history.is_some() {
        scene::has_history(entry)?;
    }
    let deadline = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let runs = arguments.runs.unwrap_or(if deadline.is_some() { u64::MAX } else { 1_000 });
    let folder = arguments.findings.clone().unwrap_or_else(|| PathBuf::from(FOLDER).join(entry.name()));
    let campaign = Campaign {
        entry,
        settings: settings.clone(),
        hunt: Hunt {
            seed: arguments.seed,
            runs,
            violations_max: arguments.violations as usize,
            threads: arguments.threads.unwrap_or(0) as usize,
            twice: !arguments.once,
            ..Hunt::default()
        },
        findings: Some(folder),
    };
    let interrupt = Interrupt::listen();
    let mut progress = Progress::new(&format!("hunt {}", entry.name()), runs, deadline);
    let outcome = campaign.go(&mut |report, _| {
        progress.show(report.runs, &format!("violations {}", report.violations.len()));
        !interrupt.came() && deadline.is_none_or(|deadline| progress.took() < deadline)
    });
    progress.clear();
    let outcome = outcome.map_err(|error| Failure::internal(error.to_string()))?;
    if let Some(file) = &arguments.history {
        let bad = outcome.report.violations.first();
        let plan = entry.plan(bad.map_or(arguments.seed, |run| run.seed), &settings);
        let scenario = Scenario::new(entry, settings.clone(), plan);
        let look = Look { history: true, moments_max: 0, ..Look::default() };
        let replayed = entry.replay(scenario.plan.clone(), &settings, &look, None).map_err(scene::refused)?;
        scene::write_history(file, &scenario, &replayed)?;
    }
    let shown = Shown { arguments, entry, settings: &settings, outcome: &outcome, took: progress.took() };
    let mut out = std::io::stdout().lock();
    match arguments.json {
        true => writeln!(out, "{}", shown.document())?,
        false => out.write_all(shown.text().as_bytes())?,
    }
    Ok(match outcome.verdict(entry.about()) {
        Verdict::Clean => Exit::Fine,
        Verdict::Violated => Exit::Bad,
        Verdict::Inconclusive(_) => Exit::Partial,
    })
}

struct Shown<'a> {
    arguments: &'a Arguments,
    entry: &'static dyn Entry,
    settings: &'a Settings,
    outcome: &'a Outcome,
    took: Duration,
}

impl Shown<'_> {
    fn speed(&self) -> Speed {
        Speed::of(&self.outcome.report, self.took, !self.arguments.once)
    }

    fn replay_command(&self, run: &Run) -> String {
        let set: String =
            self.settings.given().map(|(name, value)| format!(" --set {name}={value}")).collect();
        let weakness = self.settings.weakness();
        let weakness = weakness.map_or(String::new(), |weakness| format!(" --weakness {}", weakness.name));
        format!("synod lab replay {} --mechanism {}{set}{weakness}", run.seed, self.entry.name())
    }

    fn text(&self) -> String {
        let Outcome { report, saved, files } = self.outcome;
        let runs = report::number(report.runs);
        let twice = if self.arguments.once { "made once" } else { "each made twice and compared" };
        let head = format!(
            "hunt {}: {runs} runs from seed {}, {twice}, in {}",
            self.entry.name(),
            self.arguments.seed,
            report::time(self.took)
        );
        let mut text = report::fold(&head, 2);
        if !saved.is_empty() {
            let word = if saved.len() == 1 { "seed" } else { "seeds" };
            let seeds: Vec<String> = saved.iter().map(ToString::to_string).collect();
            text += &report::fold(&format!("first the saved {word} {}", seeds.join(", ")), 2);
        }
        text += "\n";
        text += &report::exercised(&report.exercised);
        text += &report::speed(&self.speed(), report.simulated);
        for (index, run) in report.violations.iter().enumerate() {
            let Some(found) = &run.found else { continue };
            let nodes = self.entry.plan(run.seed, self.settings).nodes;
            text += "\n";
            text += &report::violation(run, found, nodes);
            text += &report::fold(&format!("  replay: {}", self.replay_command(run)), 10);
            if let Some(file) = files.get(index) {
                text += &format!("  saved:  {0}\n  shrink: synod lab shrink {0}\n", file.display());
            }
        }
        text += "\n";
        text += &self.last_line();
        text
    }

    fn last_line(&self) -> String {
        let report = &self.outcome.report;
        let runs = report::number(report.runs);
        match self.outcome.verdict(self.entry.about()) {
            Verdict::Clean => format!("✓ 0 violations in {runs} runs (not a proof)\n"),
            Verdict::Violated => format!("✗ {} in {runs} runs\n", violations(report.violations.len())),
            Verdict::Inconclusive(reason) => report::fold(&format!("? inconclusive: {reason}"), 2),
        }
    }

    fn document(&self) -> serde_json::Value {
        let report = &self.outcome.report;
        let speed = self.speed();
        let (verdict, reason) = match self.outcome.verdict(self.entry.about()) {
            Verdict::Clean => ("clean", None),
            Verdict::Violated => ("violated", None),
            Verdict::Inconclusive(reason) => ("inconclusive", Some(reason)),
        };
        let violations = report.violations.iter().enumerate().filter_map(|(index, run)| {
            let found = run.found.as_ref()?;
            Some(json!({
                // A string: seeds use all 64 bits, JSON numbers are only sure of 53.
                "seed": run.seed.to_string(),
                "property": found.violation.property,
                "sentence": found.violation.sentence,
                "nodes": found.violation.nodes.iter().map(|node| node.0).collect::<Vec<_>>(),
                "time_seconds": found.time.since_start().as_secs_f64(),
                "record": found.record,
                "phase": format!("{:?}", found.phase).to_lowercase(),
                "fingerprint": format!("{:016x}", run.fingerprint),
                "replay": self.replay_command(run),
                "file": self.outcome.files.get(index).map(|file| file.display().to_string()),
            }))
        });
        json!({
            "schema": "synod-lab-hunt/2",
            "mechanism": self.entry.name(),
            "weakness": self.settings.weakness().map(|weakness| weakness.name),
            "seed": self.arguments.seed.to_string(),
            "verdict": verdict,
            "reason": reason,
            "runs": report.runs,
            "runs_vacuous": report.vacuous,
            "twice": !self.arguments.once,
            "saved_seeds": self.outcome.saved.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "took_seconds": self.took.as_secs_f64(),
            "simulated_seconds": report.simulated.as_secs_f64(),
            "records": report.records,
            "runs_per_second": speed.runs,
            "records_per_second": speed.records,
            "client_operations_per_second": speed.operations,
            "exercised": report.exercised.iter().collect::<std::collections::BTreeMap<_, _>>(),
            "violations": violations.collect::<Vec<_>>(),
        })
    }
}

fn violations(count: usize) -> String {
    if count == 1 { "1 violation".to_owned() } else { format!("{count} violations") }
}
