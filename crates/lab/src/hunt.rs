//! A campaign: the seeds that were bad once, then many new ones, then a verdict that says what it rests on.
//!
//! To find nothing is worth as much as what was tried. So a campaign counts what it exercised, and says that it proves nothing when runs were
//! empty, or when something that the entry must see (an election, an installed snapshot, a torn record) never happened.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_sim::{Findings, Hunt, PlanError, Report, Run};
use thiserror::Error;

use crate::entry::{About, Entry, Settings};
use crate::replay::Look;
use crate::scenario::{self, Scenario};

/// From so many runs on, a campaign must have seen everything that its entry must exercise.
pub const RUNS_MIN: u64 = 100;

/// How to go about a hunt.
pub struct Campaign {
    /// Of what.
    pub entry: &'static dyn Entry,
    /// Its parameters' values, and the weakness that is to show, if one is.
    pub settings: Settings,
    /// Seeds, runs, threads. Saved seeds come on top.
    pub hunt: Hunt,
    /// Where findings are saved and read; nowhere when a weakness is shown, for what it violates is no finding.
    pub findings: Option<PathBuf>,
}

/// What a campaign came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What all runs came to.
    pub report: Report,
    /// Seeds of saved findings, which ran first.
    pub saved: Vec<u64>,
    /// The files of new findings, in the order of the report's violations.
    pub files: Vec<PathBuf>,
}

/// What an outcome means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was found, and enough was tried. Not a proof.
    Clean,
    /// Something was found.
    Violated,
    /// Nothing was found, and it means nothing, for that reason.
    Inconclusive(String),
}

/// Why there was no campaign.
#[derive(Debug, Error)]
pub enum CampaignError {
    /// A plan cannot be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Saved findings cannot be read, or new ones not be saved.
    #[error("findings: {0}")]
    Findings(#[from] io::Error),
}

impl Campaign {
    /// Hunts. `progress` sees every run in the order of seeds, and ends the hunt by answering no.
    ///
    /// # Errors
    /// When findings cannot be read or saved, or a plan cannot be run.
    pub fn go(
        &self,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Outcome, CampaignError> {
        let findings = self.findings.as_deref().filter(|_| self.settings.weakness().is_none());
        let saved = findings.map_or(Ok(Vec::new()), |folder| self.saved_seeds(folder))?;
        let mut hunt = self.hunt.clone();
        hunt.first.splice(0..0, saved.iter().copied());
        hunt.runs = hunt.runs.saturating_add(hunt.first.len() as u64);
        let report = self.entry.hunt(&hunt, &self.settings, progress)?;
        let mut files = Vec::new();
        for run in &report.violations {
            if let Some(folder) = findings {
                files.push(self.save(run, folder)?);
            }
        }
        Ok(Outcome { report, saved, files })
    }

    /// The seeds of scenarios that were saved, and of findings of older builds.
    fn saved_seeds(&self, folder: &Path) -> io::Result<Vec<u64>> {
        let old = Findings::at(folder).load(self.entry.name())?;
        let mut seeds = scenario::saved_seeds(folder, self.entry)?;
        seeds.extend(old.iter().map(|finding| finding.seed));
        seeds.sort_unstable();
        seeds.dedup();
        Ok(seeds)
    }

    /// Saves a run that was found, with marks of its record.
    fn save(&self, run: &Run, folder: &Path) -> Result<PathBuf, CampaignError> {
        let plan = self.entry.plan(run.seed, &self.settings);
        let look = Look { moments_max: 0, ..Look::default() };
        let replayed = self.entry.replay(plan.clone(), &self.settings, &look, None)?;
        let scenario = Scenario::new(self.entry, self.settings.clone(), plan);
        Ok(scenario.with_result(&replayed.run, replayed.marks).save(folder)?)
    }
}

impl Outcome {
    /// What it means.
    pub fn verdict(&self, about: &About) -> Verdict {
        let report = &self.report;
        if !report.violations.is_empty() {
            return Verdict::Violated;
        }
        if let Some(reason) = report.proves_nothing() {
            return Verdict::Inconclusive(reason);
        }
        let never: Vec<&str> =
            about.must_exercise.iter().copied().filter(|name| report.exercised.count(name) == 0).collect();
        if report.runs >= RUNS_MIN && !never.is_empty() {
            let reason = format!("{} runs never came to: {}", report.runs, never.join(", "));
            return Verdict::Inconclusive(reason);
        }
        Verdict::Clean
    }
}

/// How fast a hunt was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Runs a second; one that is made twice counts once.
    pub runs: f64,
    /// Records a second, those of both runs if each was made twice.
    pub records: f64,
    /// Operations of clients a second, likewise.
    pub operations: f64,
    /// Simulated seconds a second, likewise.
    pub simulated: f64,
}

impl Speed {
    /// The speed of a hunt that took that long.
    pub fn of(report: &Report, took: Duration, twice: bool) -> Self {
        let seconds = took.as_secs_f64().max(1e-9);
        let times = if twice { 2.0 } else { 1.0 };
        Speed {
            runs: report.runs as f64 / seconds,
            records: times * report.records as f64 / seconds,
            operations: times * report.exercised.count("client.operations") as f64 / seconds,
            simulated: times * report.simulated.as_secs_f64() / seconds,
        }
    }
}
