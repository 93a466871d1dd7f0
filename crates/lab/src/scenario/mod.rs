//! A scenario is data: a mechanism, its settings, the whole plan of a run, and the properties that it is judged by, in a small readable TOML.
//!
//! Every run can be printed as one, edited, and run from the file. What a file does not say is as in the mechanism's story. A saved run is a scenario with
//! what was found in it, the build that found it, and marks of the record by which another build can say where it parts.

mod delay;
mod fields;
mod marks;
mod text;

use std::path::{Path, PathBuf};

use synod_sim::{Plan, Run};
use thiserror::Error;

use crate::catalogue;
use crate::entry::{Entry, Settings};

pub use marks::{Comparison, MARKS_MAX, Marks, Parting};

/// A run as data.
#[derive(Clone)]
pub struct Scenario {
    /// Of what.
    pub entry: &'static dyn Entry,
    /// The parameters, and the weakness that is shown.
    pub settings: Settings,
    /// The run.
    pub plan: Plan,
    /// The properties that it is judged by, by name.
    pub properties: Vec<String>,
    /// What it came to when it was saved.
    pub saved: Option<Saved>,
}

/// What a saved run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The build that made it.
    pub build: String,
    /// The property that was violated, if one was.
    pub property: Option<String>,
    /// What was expected and found.
    pub sentence: String,
    /// How many records there were.
    pub records: u64,
    /// The hash of all records.
    pub fingerprint: u64,
    /// Hashes along the way.
    pub marks: Marks,
}

/// Why a file is no scenario.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place}{problem}")]
pub struct ScenarioError {
    /// The key, with a colon and a space, or nothing.
    place: String,
    /// What was expected and found.
    problem: String,
}

impl ScenarioError {
    fn at(place: &str, problem: impl std::fmt::Display) -> Self {
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        ScenarioError { place, problem: problem.to_string() }
    }
}

/// The name of this build, as saved runs and exports carry it.
pub fn build() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

impl Scenario {
    /// A run of an entry, judged by all its properties.
    pub fn new(entry: &'static dyn Entry, settings: Settings, plan: Plan) -> Self {
        let properties = entry.about().properties.iter().map(|property| property.name.to_owned()).collect();
        Scenario { entry, settings, plan, properties, saved: None }
    }

    /// The same with what it came to.
    pub fn with_result(mut self, run: &Run, marks: Marks) -> Self {
        let violation = run.found.as_ref().map(|found| &found.violation);
        self.saved = Some(Saved {
            build: build(),
            property: violation.map(|violation| violation.property.clone()),
            sentence: violation.map_or(String::new(), |violation| violation.sentence.clone()),
            records: run.records,
            fingerprint: run.fingerprint,
            marks,
        });
        self
    }

    /// Whether a violation of that property counts.
    pub fn judges(&self, property: &str) -> bool {
        // What the world itself finds out always counts.
        let known = self.entry.about().property(property).is_some();
        !known || self.properties.iter().any(|name| name == property)
    }

    /// A file's name for it: `raft-428.toml`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.toml", self.entry.name(), self.plan.seed)
    }

    /// Writes it into a folder, which is made if it is not there. Gives the file.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, folder: &Path) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(self.file_name());
        std::fs::write(&file, self.to_string())?;
        Ok(file)
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_string())
    }
}

/// The seeds of scenarios that were saved in a folder for an entry, in order.
///
/// # Errors
/// When the folder or a file cannot be read; the error names it.
pub fn saved_seeds(folder: &Path, entry: &dyn Entry) -> std::io::Result<Vec<u64>> {
    let files = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut seeds = Vec::new();
    for file in files {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let problem = |problem: String| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{}: {problem}", file.display()))
            };
            let text = std::fs::read_to_string(&file)?;
            let scenario: Scenario =
                text.parse().map_err(|error: ScenarioError| problem(error.to_string()))?;
            if scenario.entry.name() == entry.name() && scenario.settings.weakness().is_none() {
                seeds.push(scenario.plan.seed);
            }
        }
    }
    seeds.sort_unstable();
    seeds.dedup();
    Ok(seeds)
}

fn entry_of(name: &str) -> Result<&'static dyn Entry, ScenarioError> {
    catalogue::entry(name).map_err(|problem| ScenarioError::at("mechanism", problem))
}
