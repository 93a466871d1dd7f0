//! What the commands share: an entry with its settings from the command line, scenarios from files and seeds, and where output goes.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use synod_lab::entry::{Entry, Settings, Weakness};
use synod_lab::replay::Replayed;
use synod_lab::scenario::Scenario;
use synod_lab::{catalogue, export, report, suggest};
use synod_sim::{Film, Finding, Lines, PlanError};

use crate::failure::{Exit, Failure};
use crate::note;

/// An entry with what was set.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Set a parameter; `synod lab describe NAME` lists them
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// How many nodes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub nodes: Option<u64>,
    /// Show a weakness, or put a known bug back
    #[arg(long, alias = "plant", value_name = "NAME")]
    pub weakness: Option<String>,
}

impl Chosen {
    /// The settings of an entry.
    pub fn settings(&self, entry: &'static dyn Entry) -> Result<Settings, Failure> {
        let mut settings = entry.settings();
        for assignment in &self.set {
            settings
                .set(assignment)
                .map_err(|error| Failure::usage(format!("--set {assignment}: {error}")))?;
        }
        let has_nodes = entry.about().parameters.iter().any(|parameter| parameter.name == "nodes");
        if let Some(nodes) = self.nodes.filter(|_| has_nodes) {
            settings
                .put("nodes", &nodes.to_string())
                .map_err(|error| Failure::usage(format!("--nodes: {error}")))?;
        }
        match &self.weakness {
            Some(name) => Ok(settings.showing(weakness_of(entry, name)?)),
            None => Ok(settings),
        }
    }
}

/// A weakness of an entry by its name.
pub fn weakness_of(entry: &'static dyn Entry, name: &str) -> Result<&'static Weakness, Failure> {
    let known = entry.about().weaknesses.iter().map(|weakness| weakness.name);
    entry.about().weakness(name).ok_or_else(|| Failure::usage(suggest::unknown("weakness", name, known)))
}

/// An entry by its name.
pub fn entry_of(name: &str) -> Result<&'static dyn Entry, Failure> {
    catalogue::entry(name).map_err(Failure::usage)
}

/// Whether a word names a file rather than an entry or a seed.
pub fn is_file(word: &str) -> bool {
    word.contains(['/', '\\']) || word.ends_with(".toml") || word.ends_with(".finding")
}

/// A scenario from a file, or an old finding's seed and faults.
pub fn read(file: &Path) -> Result<Scenario, Failure> {
    let named = |problem: &dyn std::fmt::Display| Failure::usage(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    if file.extension().is_some_and(|extension| extension == "finding") {
        let finding: Finding = text.parse().map_err(|problem: String| named(&problem))?;
        return from_finding(&finding);
    }
    text.parse().map_err(|error: synod_lab::scenario::ScenarioError| named(&error))
}

fn from_finding(finding: &Finding) -> Result<Scenario, Failure> {
    let entry = entry_of(&finding.subject)?;
    let mut plan = entry.plan(finding.seed, &entry.settings());
    let saved = finding.script.parse();
    let saved = saved.map_err(|error| Failure::usage(format!("the finding's faults: {error}")))?;
    if plan.faults != saved {
        note(format_args!("Note: this build draws other faults for the seed; those of the finding are used"));
        plan.faults = saved;
    }
    let mut scenario = Scenario::new(entry, entry.settings(), plan);
    scenario.saved = Some(synod_lab::scenario::Saved {
        build: finding.build.clone(),
        property: Some(finding.property.clone()),
        sentence: finding.sentence.clone(),
        ..Default::default()
    });
    Ok(scenario)
}

/// Where a trace goes.
pub fn trace_to(file: &Path) -> Result<Box<dyn std::fmt::Write>, Failure> {
    let created = File::create(file);
    let out = created.map_err(|error| Failure::usage(format!("--trace {}: {error}", file.display())))?;
    Ok(Box::new(Lines::new(BufWriter::new(out))))
}

/// Exports a film to a file.
pub fn export_to(words: &[String], film: &Film, title: &str) -> Result<(), Failure> {
    let [form, file] = words else { return Ok(()) };
    let form = export::Form::named(form).map_err(|problem| Failure::usage(format!("--export: {problem}")))?;
    let text =
        export::export(form, film, title).map_err(|error| Failure::usage(format!("--export: {error}")))?;
    std::fs::write(file, text).map_err(|error| Failure::usage(format!("--export {file}: {error}")))?;
    note(format_args!("{} written to {file}", form.name()));
    Ok(())
}

/// Refuses a mechanism whose clients use nothing that the checkers know.
pub fn has_history(entry: &'static dyn Entry) -> Result<(), Failure> {
    match entry.has_history() {
        true => Ok(()),
        false => Err(no_history(entry, "its clients use no object that synod check knows")),
    }
}

fn no_history(entry: &'static dyn Entry, reason: &str) -> Failure {
    let have: Vec<&str> =
        catalogue::ENTRIES.iter().filter(|other| other.has_history()).map(|other| other.name()).collect();
    Failure::usage(format!(
        "--history: a run of {} has none: {reason}. These have: {}",
        entry.name(),
        have.join(", ")
    ))
}

/// Writes what clients asked and were answered.
pub fn write_history(file: &Path, scenario: &Scenario, replayed: &Replayed) -> Result<(), Failure> {
    let chronicle = match &replayed.history {
        Some(Ok(chronicle)) => chronicle,
        Some(Err(reason)) => return Err(no_history(scenario.entry, reason)),
        None => return Ok(()),
    };
    let weakness = scenario.settings.weakness();
    let weakness = weakness.map_or(String::new(), |weakness| format!(", weakness {}", weakness.name));
    let source = format!(
        "synod lab {}, mechanism {}, seed {}{weakness}",
        synod_lab::scenario::build(),
        scenario.entry.name(),
        scenario.plan.seed
    );
    let created =
        File::create(file).and_then(|out| chronicle.write(BufWriter::new(out), &scenario.plan, &source));
    created.map_err(|error| Failure::usage(format!("--history {}: {error}", file.display())))?;
    note(format_args!(
        "history of {} operations ({}, seed {}) written to {}",
        chronicle.len(),
        chronicle.object(),
        scenario.plan.seed,
        file.display()
    ));
    Ok(())
}

/// Prints a report.
pub fn print(text: &str, ascii: bool) -> Result<(), Failure> {
    let text = if ascii { report::ascii(text) } else { text.to_owned() };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// A plan that cannot be run was asked for on the command line or in a file.
pub fn refused(error: PlanError) -> Failure {
    Failure::usage(error.to_string())
}

/// How a judged run ends the command.
pub fn verdict(scenario: &Scenario, run: &synod_sim::Run) -> Exit {
    match &run.found {
        Some(found) if scenario.judges(&found.violation.property) => Exit::Bad,
        // It ended with something that was not asked about.
        Some(_) => Exit::Partial,
        None if run.vacuous.is_some() => Exit::Partial,
        None => Exit::Fine,
    }
}
